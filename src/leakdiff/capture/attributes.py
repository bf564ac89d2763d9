"""Names of instance attributes, found without making instances keep a ``__dict__``.

Since 3.11 an instance keeps its attributes in place until someone reads its ``__dict__``; from then on, on 3.11 and
3.12 for good, it carries a dict. A snapshot names thousands of containers and must not leave that behind: it asks for
the names that the code of the class mentions.
"""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from typing import Any

from leakdiff.capture.kinds import derives, dict_of_type, is_exactly, mro_of

_read: Any = object.__getattribute__  # never calls __getattr__, nor a __getattribute__ of the class
MISSING = object()
_FIRST_KEYS = 4
_LISTS_OF_NAMES = ("__match_args__", "__static_attributes__")
_DESCRIPTOR_METHODS = ("__get__", "__set__", "__delete__")
_DICTS_BY_NAME = ("__annotations__", "__dataclass_fields__")


class AttributeNames:
    """The attribute names that the code of a class mentions, by class; lives no longer than one naming."""

    def __init__(self) -> None:
        self._by_class: dict[int, tuple[type, tuple[str, ...]]] = {}

    def name_of(self, obj: object, value: object) -> str | None:
        """Return the attribute under which an instance keeps a value in place; None if no known name does."""
        for name in self._names(type(obj)):
            try:
                if _read(obj, name) is value:
                    return name
            except AttributeError:
                continue
        return None

    def _names(self, cls: type) -> tuple[str, ...]:
        known = self._by_class.get(id(cls))
        if known is None:
            names = () if derives(cls, type, types.ModuleType) else _names_in_code(cls)
            readable = tuple(name for name in names if _is_plain(cls, name))
            known = self._by_class[id(cls)] = cls, readable
        return known[1]


def known_attributes(obj: object) -> list[tuple[Any, Any]]:
    """Return names and values of an instance's attributes, without making it keep a ``__dict__``.

    All of them where it keeps a dict already, else those that the code of its class mentions; slots in any case.
    """
    slots = list(_slots_of(obj))
    for ref in gc.get_referents(obj):
        if type(ref) is dict and is_instance_dict(obj, ref):
            try:
                return [*slots, *dict.items(ref)]
            except RuntimeError:  # another thread changed it while we looked
                return slots
    pairs = ((name, read_in_place(obj, name)) for name in _names_in_code(type(obj)))
    return [*slots, *((name, value) for name, value in pairs if value is not MISSING)]


def _slots_of(obj: object) -> Iterator[tuple[str, Any]]:
    for base in mro_of(type(obj)):
        for name, slot in tuple(dict_of_type(base).items()):
            if type(slot) is types.MemberDescriptorType and name != "__dict__":
                try:
                    yield name, slot.__get__(obj)
                except AttributeError:  # never set
                    continue


def read_in_place(obj: object, name: str) -> object:
    """Return an instance's own attribute without its ``__dict__`` and without running any code; else a marker.

    Names under which its class has a descriptor are left out; a default that the class gives is not its own.
    """
    value = _read_plain(obj, name)
    return MISSING if value is _of_class(type(obj), name) else value


def attribute_of(obj: object, name: str) -> object:
    """Return a slot or an attribute of an instance, as ``read_in_place`` does."""
    slot = _of_class(type(obj), name)
    if type(slot) is not types.MemberDescriptorType:
        return read_in_place(obj, name)
    try:
        return slot.__get__(obj)
    except AttributeError:  # never set
        return MISSING


def _read_plain(obj: object, name: str) -> object:
    """Return an instance's attribute, or the default that its class gives, if no code runs; else a marker."""
    cls = type(obj)
    if derives(cls, type, types.ModuleType) or not _is_plain(cls, name):
        return MISSING
    try:
        return _read(obj, name)
    except AttributeError:
        return MISSING


def _of_class(cls: type, name: str) -> object:
    """Return what the class of an instance has under a name, without binding it; else a marker."""
    spaces = (dict_of_type(base) for base in mro_of(cls))
    return next((space[name] for space in spaces if name in space), MISSING)


def _is_plain(cls: type, name: str) -> bool:
    """Tell whether reading an attribute of an instance runs no code: its class has no descriptor of that name."""
    bases = mro_of(type(_of_class(cls, name)))
    return not any(method in dict_of_type(base) for base in bases for method in _DESCRIPTOR_METHODS)


def is_instance_dict(obj: object, candidate: dict[Any, Any]) -> bool:
    """Tell whether a dict is the ``__dict__`` of an instance that refers to it: its keys are attributes then."""
    try:
        pairs = [pair for pair, _ in zip(dict.items(candidate), range(_FIRST_KEYS), strict=False)]
    except RuntimeError:  # another thread changed it while we looked
        return False
    names = [(key, value) for key, value in pairs if type(key) is str]
    return len(names) == len(pairs) > 0 and all(_read_plain(obj, name) is value for name, value in names)


def _names_in_code(cls: type) -> Iterator[str]:
    seen: set[str] = set()
    for base in mro_of(cls):
        for name in _names_of_class(dict_of_type(base)):
            if name not in seen:
                seen.add(name)
                yield name


def _names_of_class(namespace: Any) -> Iterator[str]:
    for listed in _LISTS_OF_NAMES:
        found = namespace.get(listed)
        if type(found) is tuple:
            yield from (name for name in found if type(name) is str)
    for listed in _DICTS_BY_NAME:
        found = namespace.get(listed)
        if type(found) is dict:
            yield from (name for name in dict.keys(found) if type(name) is str)
    for member in tuple(namespace.values()):
        for function in _functions_of(member):
            yield from _names_in(types.FunctionType.__dict__["__code__"].__get__(function))


def _functions_of(member: Any) -> Iterator[Any]:
    """Yield the functions of a class's attribute: a method, of a property, and what a decorator wrapped."""
    parts = [member]
    if is_exactly(type(member), staticmethod, classmethod):
        parts = [type(member).__dict__["__func__"].__get__(member)]
    elif type(member) is property:
        parts = [property.__dict__[name].__get__(member) for name in ("fget", "fset", "fdel")]
    for part in parts:
        if type(part) is types.FunctionType:
            cells = types.FunctionType.__dict__["__closure__"].__get__(part) or ()
            below = [ref for cell in cells for ref in gc.get_referents(cell)]
            yield from (part, *(ref for ref in below if type(ref) is types.FunctionType))


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if type(constant) is str and constant.isidentifier():
            yield constant
        elif type(constant) is types.CodeType:
            yield from _names_in(constant)
