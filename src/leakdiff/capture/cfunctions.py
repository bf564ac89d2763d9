"""Names of what is called and runs no Python code of its own, read without running any code of it."""

from __future__ import annotations

import gc
import types
from typing import Any

from leakdiff.capture.kinds import (
    derives,
    dict_of_module,
    dict_of_type,
    is_exactly,
    module_of,
    mro_of,
    type_name,
)

CFunction = tuple[str, str]  # its qualified name with the module, and the module that defines it

_BUILTIN: Any = types.BuiltinFunctionType.__dict__
_DESCRIPTORS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)
_SLOTS = (types.GetSetDescriptorType, types.MemberDescriptorType)
_PYTHON = (types.FunctionType, staticmethod, classmethod)
_LONGEST = 120


def c_function(called: object) -> CFunction | None:
    """Name what is called; None where calling it runs a function written in Python straight away."""
    cls = type(called)
    if cls is types.FunctionType:
        return None
    if derives(cls, types.BuiltinFunctionType):
        return _of_builtin(called)
    if is_exactly(cls, *_DESCRIPTORS, types.MethodWrapperType):
        fields: Any = dict_of_type(cls)
        return _method_of(fields["__objclass__"].__get__(called), _text(fields["__name__"].__get__(called)))
    if cls is types.MethodType:
        return c_function(types.MethodType.__dict__["__func__"].__get__(called))
    if derives(cls, type):
        return _of_type(called)
    return _of_instance(called)


def _text(found: object) -> str:
    return found[:_LONGEST] if type(found) is str else "?"


def _method_of(owner: type, name: str) -> CFunction:
    return f"{type_name(owner)}.{name}", module_of(owner)


def _of_builtin(called: object) -> CFunction:
    """Name a function of an extension module, or a method that is bound to an object or a class."""
    name = _text(_BUILTIN["__name__"].__get__(called))
    bound = _BUILTIN["__self__"].__get__(called)
    module = _BUILTIN["__module__"].__get__(called) if "__module__" in _BUILTIN else None
    if bound is None or derives(type(bound), types.ModuleType):
        home = (
            module
            if type(module) is str
            else _text(dict_of_module(bound).get("__name__"))
            if bound is not None
            else "?"
        )
        return (name if home == "builtins" else f"{home}.{name}"), home
    owner: Any = bound if derives(type(bound), type) else type(bound)
    defining = [base for base in mro_of(owner) if is_exactly(type(dict_of_type(base).get(name)), *_DESCRIPTORS)]
    return _method_of(defining[0] if defining else owner, name)


def _of_type(called: Any) -> CFunction | None:
    """Name a class that C code makes instances of; a subclass goes by the name of that class."""
    if is_exactly(type(_inherited(type(called), "__call__")), *_PYTHON):
        return None
    for base in mro_of(called):
        makers = [dict_of_type(base).get(name) for name in ("__new__", "__init__")]
        if any(is_exactly(type(maker), *_PYTHON) for maker in makers) or base is object:
            return None
        if makers != [None, None]:
            return type_name(base), module_of(base)
    return None


def _of_instance(called: object) -> CFunction | None:
    """Name an object that C code calls: by its own name where its type keeps one, else by its type."""
    cls = type(called)
    if not is_exactly(type(_inherited(cls, "__call__")), types.WrapperDescriptorType):
        return None
    base = next(base for base in mro_of(cls) if "__call__" in dict_of_type(base))
    if type_name(base) == "_ctypes.CFuncPtr":
        spaces = [ref for ref in gc.get_referents(called) if type(ref) is dict]  # its __dict__ has no descriptor
        names = [space["__name__"] for space in spaces if "__name__" in space]
        return (_text(names[0]) if names else type_name(base)), module_of(base)
    slots = dict_of_type(base)
    names = [slots.get(name) for name in ("__qualname__", "__name__")]
    name = next((slot.__get__(called) for slot in names if is_exactly(type(slot), *_SLOTS)), None)
    home = slots.get("__module__")
    module = home.__get__(called) if is_exactly(type(home), *_SLOTS) else home
    if type(name) is str and type(module) is str:
        return f"{module}.{_text(name)}", module
    return type_name(base), module_of(base)


def _inherited(cls: type, name: str) -> object:
    spaces = (dict_of_type(base) for base in mro_of(cls))
    return next((space[name] for space in spaces if name in space), None)
