"""Names for the edges of a path: attribute, key, local, default argument, closure variable and the like.

Only the few objects on a reported path come here; reading an instance's ``__dict__`` materialises it.
"""

from __future__ import annotations

import collections
import contextvars
import functools
import gc
import itertools
import sys
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from leakdiff.capture.attributes import AttributeNames, is_instance_dict
from leakdiff.capture.frames import locals_of
from leakdiff.capture.kinds import (
    HIDER,
    NDARRAY,
    KindsByIdentity,
    derives,
    dict_of_module,
    dict_of_type,
    is_exactly,
    mro_of,
    type_name,
)
from leakdiff.capture.prompt import is_leftover
from leakdiff.capture.references import greenlet_locals
from leakdiff.model.heap import Step

ANY_ENTRY = "[*]"
_THREAD_LOCAL = "_thread._local"
_LONGEST_NAME = 120
_MOST_KEYS = 10_000  # beyond it, an entry is taken for a value without looking among the keys
_SUSPENDED = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
_SEQUENCES = (list, tuple, set, frozenset, collections.deque)

# Attributes of C types that are safe to read: no user code runs.
_FIELDS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (types.MethodType, ("__self__", "__func__")),
    (types.BuiltinFunctionType, ("__self__",)),
    (types.CellType, ("cell_contents",)),
    (types.TracebackType, ("tb_frame", "tb_next")),
    (functools.partial, ("func", "args", "keywords")),
    (property, ("fget", "fset", "fdel")),
    (staticmethod, ("__func__",)),
    (classmethod, ("__func__",)),
)
_EXCEPTION_FIELDS = ("__traceback__", "__context__", "__cause__", "args")

Named = tuple[str, int]  # a label, and how many objects of the chain it takes
_Rule = Callable[[Any, Any, Sequence[Any]], Named | None]
Rules = tuple[_Rule, ...]


def name_chain(chain: Sequence[Any], first: str, rules: Rules | None = None) -> list[Step]:
    """Name every step from the root's target (the first of the chain) to the last object.

    Args:
        chain: Live objects, each referring to the next.
        first: How to name what the root's target holds: ``attribute``, ``local``, ``variable``, ``entry``, or
            ``edge`` where the target is an object like any other.
        rules: ``quiet_rules()`` where many chains are named and no ``__dict__`` may be made.
    """
    return steps_of(chain, name_links(chain, first, rules))


def steps_of(chain: Sequence[Any], links: Sequence[tuple[str, int, int]]) -> list[Step]:
    """Return the links of a chain as steps."""
    steps: list[Step] = []
    for label, _, at in links:
        if [step.label for step in steps[-2:]] != [label, label]:  # a long chain of the same is named by its start
            steps.append(Step(label, describe_type(chain[at])))
    return steps


def name_links(chain: Sequence[Any], first: str, rules: Rules | None = None) -> list[tuple[str, int, int]]:
    """Name every link of a chain: its label, and where in the chain it leads from and to."""
    links: list[tuple[str, int, int]] = []
    at = 0
    while at < len(chain) - 1:
        named = _name_root_edge(chain, first) if at == 0 and first != "edge" else name_edge(chain, at, rules)
        label, taken = named
        links.append((label, at, at + taken))
        at += taken
    return links


def describe_type(obj: object) -> str:
    """Name an object's type; a class, function or suspended frame also by its own name."""
    cls = type(obj)
    name = type_name(cls)
    if derives(cls, type):
        return f"class {type_name(obj)}"  # type: ignore[arg-type]
    if cls is types.FunctionType:
        return f"function {_code_name(types.FunctionType.__dict__['__code__'].__get__(obj))}"
    if is_exactly(cls, *_SUSPENDED):
        return f"{name} {_code_name(_code_of(obj))}()"
    return f"{name} (thread-local)" if _is_thread_local(cls) and name != _THREAD_LOCAL else name


def _is_thread_local(cls: type) -> bool:
    return any(type_name(base) == _THREAD_LOCAL for base in mro_of(cls))


def class_home(cls: type) -> str | None:
    """Return the name under which a class can be found by import, or None."""
    name = type_name(cls)
    module = dict_of_type(cls).get("__module__")
    if type(module) is not str or type(sys.modules.get(module)) is not types.ModuleType:
        return None
    found: Any = None
    names = name.removeprefix(f"{module}.").split(".")
    namespace: Any = dict_of_module(sys.modules[module])
    for part in names:
        found = namespace.get(part)
        if not derives(type(found), type):
            return None
        namespace = dict_of_type(found)
    return name if found is cls else None


def _name_root_edge(chain: Sequence[Any], first: str) -> Named:
    key = _key_of(chain[0], chain[1], any_text=first == "variable") if type(chain[0]) is dict else None
    if first == "entry" or key is None:
        return ANY_ENTRY, 1
    return {"attribute": f".{key}", "local": f" local {key}", "variable": f" {key}"}[first], 1


def name_edge(chain: Sequence[Any], at: int, rules: Rules | None = None) -> Named:
    """Name the step from one object of a chain to the next."""
    parent, child = chain[at], chain[at + 1]
    if is_exactly(type(parent), dict, list, tuple):  # most of a heap; they have no attributes
        return _entry(parent, child, ()) or (ANY_ENTRY, 1)
    for rule in rules or _RULES:
        named = rule(parent, child, chain[at + 2 :])
        if named is not None:
            return named
    return (".__class__" if child is type(parent) else f" → {type_name(type(child))}"), 1


def quiet_rules() -> Rules:
    """Return rules that find attributes without making instances keep a ``__dict__``; good for one naming."""
    in_place = functools.partial(_attribute_in_place, AttributeNames())
    return tuple(in_place if rule is _instance_attribute else rule for rule in _RULES)


def _class_attribute(parent: Any, child: Any, rest: Sequence[Any]) -> Named | None:
    if not derives(type(parent), type):
        return None
    return _in_namespace(child, rest) or (f" → {type_name(type(child))}", 1)


def _function_part(parent: Any, child: Any, rest: Sequence[Any]) -> Named | None:
    if type(parent) is not types.FunctionType:
        return _in_namespace(child, rest) if is_exactly(type(parent), staticmethod, classmethod) else None
    fields = types.FunctionType.__dict__
    code: types.CodeType = fields["__code__"].__get__(parent)
    if child is fields["__globals__"].__get__(parent) and rest:
        return f" global {_key_of(child, rest[0]) or ANY_ENTRY}", 2
    if child is fields["__defaults__"].__get__(parent) and rest:
        arguments = code.co_varnames[: code.co_argcount][-tuple.__len__(child) :]
        names = [n for n, value in zip(arguments, tuple.__iter__(child), strict=False) if value is rest[0]]
        return f".__defaults__[{names[0]!r}]" if names else ".__defaults__[*]", 2
    if child is fields["__kwdefaults__"].__get__(parent) and rest:
        return f".__kwdefaults__[{_key_of(child, rest[0])!r}]", 2
    if child is fields["__closure__"].__get__(parent) and len(rest) > 1:
        names = [n for n, cell in zip(code.co_freevars, child, strict=False) if cell is rest[0]]
        return f" closure {names[0]}" if names else " closure", 3
    return _in_namespace(child, rest)


def _in_namespace(child: Any, rest: Sequence[Any]) -> Named | None:
    """Name what stands in the ``__dict__`` of a class or function, which is there: asking for it could make one."""
    if type(child) is not dict:
        return None
    key = _key_of(child, rest[0]) if rest else None
    return (f".{key}", 2) if key is not None else (".__dict__", 1)


def _suspended_local(parent: Any, child: Any, _: Sequence[Any]) -> Named | None:
    cls = type(parent)
    if is_exactly(cls, *_SUSPENDED):
        frame = cls.__dict__[_FRAME_FIELD[cls]].__get__(parent)
    elif cls is types.FrameType:
        frame = parent
    elif any(type_name(base) == "greenlet.greenlet" for base in mro_of(cls)):
        names = [name for name, value in greenlet_locals(parent) if value is child]
        return (f" greenlet local {names[0]}", 1) if names else None
    else:
        return None
    names = [name for name, value in locals_of(frame).items() if value is child] if frame is not None else []
    return (f" local {names[0]}", 1) if names else None


def _known_field(parent: Any, child: Any, _: Sequence[Any]) -> Named | None:
    names: Sequence[str] = next((fields for cls, fields in _FIELDS if cls is type(parent)), ())
    if derives(type(parent), BaseException):
        for name in _EXCEPTION_FIELDS:
            if BaseException.__dict__[name].__get__(parent) is child:
                return f".{name}", 1
    for name in names:
        if _read(type(parent).__dict__[name], parent) is child:
            return f".{name}", 1
    return _weak_callback(parent)


def _weak_callback(parent: Any) -> Named | None:
    return (".__callback__", 1) if derives(type(parent), weakref.ref) else None


def _slot(parent: Any, child: Any, _: Sequence[Any]) -> Named | None:
    for cls in mro_of(type(parent)):
        for name, descriptor in dict_of_type(cls).items():
            if type(descriptor) is not types.MemberDescriptorType or name == "__dict__":
                continue
            if _read(descriptor, parent) is child:
                return f".{name}", 1
    return None


def _instance_attribute(parent: Any, child: Any, rest: Sequence[Any]) -> Named | None:
    attributes = instance_dict(parent)
    if attributes is None:
        return None
    if child is attributes:
        key = _key_of(attributes, rest[0]) if rest else None
        return (f".{key}", 2) if key is not None else (".__dict__", 1)
    key = _key_of(attributes, child)
    return (f".{key}", 1) if key is not None else None


def _attribute_in_place(names: AttributeNames, parent: Any, child: Any, rest: Sequence[Any]) -> Named | None:
    """Name an attribute as ``_instance_attribute`` does, without making a ``__dict__``."""
    name = names.name_of(parent, child)
    if name is not None:
        return f".{name}", 1
    return _in_namespace(child, rest) if type(child) is dict and is_instance_dict(parent, child) else None


def _entry(parent: Any, child: Any, _: Sequence[Any]) -> Named | None:
    if derives(type(parent), dict):
        is_key = any(key is child for key in _each_key(parent))
        return (" key", 1) if is_key else (ANY_ENTRY, 1)
    if derives(type(parent), *_SEQUENCES) or KindsByIdentity()[type(parent)] in (NDARRAY, HIDER):
        return ANY_ENTRY, 1
    return None


def _lru_cache(parent: Any, child: Any, rest: Sequence[Any]) -> Named | None:
    if type_name(type(parent)) != "functools._lru_cache_wrapper":
        return None
    if type(child) is types.FunctionType:
        return ".__wrapped__", 1
    if type(child) is dict:
        return _in_namespace(child, rest) if child is instance_dict(parent) else (" cache", 1)
    return ANY_ENTRY, 1


def _thread_local(parent: Any, child: Any, rest: Sequence[Any]) -> Named | None:
    """Name a value of any thread: the object refers to a dict by thread, whose values are the namespaces."""
    if type(child) is not dict or not _is_thread_local(type(parent)):
        return None
    for taken, (namespace, value) in enumerate(itertools.pairwise([child, *rest[:2]]), start=2):
        key = _key_of(namespace, value) if type(namespace) is dict else None
        if key is not None:
            return f".{key}", taken
    return None


def _context_variable(parent: Any, child: Any, rest: Sequence[Any]) -> Named | None:
    """Name a value of a context: it lies under internal nodes of its mapping."""
    if type(parent) is not contextvars.Context:
        return None
    for variable, value in parent.items():
        for taken, below in enumerate([child, *rest], start=1):
            if value is below:
                return f" variable {variable.name}", taken
    return None


def _simple_queue(parent: Any, child: Any, _: Sequence[Any]) -> Named | None:
    if type_name(type(parent)) != "_queue.SimpleQueue":
        return None
    return (" entries", 1) if type(child) is list else None


def _task_coroutine(parent: Any, child: Any, _: Sequence[Any]) -> Named | None:
    if is_exactly(type(child), *_SUSPENDED) and type_name(type(parent)).endswith("asyncio.Task"):
        return f" coroutine {_code_name(_code_of(child))}()", 1
    return None


_RULES: Rules = (
    _class_attribute,
    _function_part,
    _suspended_local,
    _task_coroutine,
    _lru_cache,
    _simple_queue,
    _thread_local,
    _context_variable,
    _known_field,
    _slot,
    _instance_attribute,
    _entry,
)

_FRAME_FIELD = dict(zip(_SUSPENDED, ("gi_frame", "cr_frame", "ag_frame"), strict=True))
_RUNNING_FIELD = {cls: cls.__dict__[f"{name[:2]}_running"] for cls, name in _FRAME_FIELD.items()}
_CODE_FIELD = dict(zip(_SUSPENDED, ("gi_code", "cr_code", "ag_code"), strict=True))


def instance_dict(obj: Any) -> dict[str, Any] | None:
    """Return an instance's ``__dict__`` through the C slot, not through what its class claims."""
    for cls in mro_of(type(obj)):
        descriptor = dict_of_type(cls).get("__dict__")
        if type(descriptor) is types.GetSetDescriptorType:
            found = _read(descriptor, obj)
            return found if type(found) is dict else None
    return _hidden_dict(obj)


def _hidden_dict(obj: Any) -> dict[str, Any] | None:
    """Return the dict among an object's referents when its type keeps one without naming it."""
    dicts = [ref for ref in gc.get_referents(obj) if type(ref) is dict]
    return dicts[0] if len(dicts) == 1 and type(obj) is types.SimpleNamespace else None


def _read(descriptor: Any, obj: Any) -> Any:
    try:
        return descriptor.__get__(obj)
    except (AttributeError, ValueError, RuntimeError, TypeError):
        return None


def _key_of(mapping: dict[Any, Any], value: Any, *, any_text: bool = False) -> str | None:
    """Return the identifier-like key of a value in a namespace, one that nobody chose such as ``_12`` last, or None."""
    leftover = None
    try:
        for key, held in dict.items(mapping):
            if held is value and type(key) is str and len(key) <= _LONGEST_NAME and (any_text or key.isidentifier()):
                if not is_leftover(key):
                    return key
                leftover = leftover or key
    except RuntimeError:  # another thread changed it
        return None
    return leftover


def _each_key(mapping: dict[Any, Any]) -> Iterator[Any]:
    try:
        yield from itertools.islice(dict.keys(mapping), _MOST_KEYS)
    except RuntimeError:  # another thread changed it
        return


def suspended_code(obj: Any) -> types.CodeType | None:
    """Return the code of a generator, coroutine or async generator; None for anything else."""
    return _code_of(obj) if is_exactly(type(obj), *_SUSPENDED) else None


def is_running(obj: Any) -> bool:
    """Tell whether an object is a generator or coroutine that runs just now, itself or what it waits for."""
    return is_exactly(type(obj), *_SUSPENDED) and bool(_RUNNING_FIELD[type(obj)].__get__(obj))


def _code_of(suspended: Any) -> types.CodeType:
    code: types.CodeType = type(suspended).__dict__[_CODE_FIELD[type(suspended)]].__get__(suspended)
    return code


def _code_name(code: types.CodeType) -> str:
    return code.co_qualname
