"""What the walker may know of an object's type without running any of its code."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from leakdiff.capture.adapters import Adapter, adapter_named

OWN = -1  # of a class of leakdiff: a snapshot that someone keeps is not part of what we measure
ATOM = 0  # refers to nothing that could be a path
PLAIN = 1  # gc.get_referents tells the truth
TEXT = 2  # exact str and bytes: atoms whose length can grow
BUFFER = 3  # bytearray, array, BytesIO, StringIO, ndarray: atoms whose bytes can grow
NDARRAY = 4  # a buffer that may also hold objects, which it hides from gc
MODULE = 5  # walked by its __dict__: get_referents(module) can crash (gh-122695)
INTEGER = 7  # an atom that can grow to any size
HIDER = 6  # an extension type that hides its contents from gc, and that an adapter can look into
SUSPENDED = 8  # refers to its locals; a frame that somebody looked at stays with it and has nothing of its own

_OWN = "leakdiff"
_SHIPPED_WORKLOADS = ("leakdiff.demo", "leakdiff.selftest_plants")
_HAVE_GC = 1 << 14  # Py_TPFLAGS_HAVE_GC
_GC_HEADER = 16

# Read through type's own slots: a metaclass may define these names as raising properties.
_mro: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_flags: Callable[[type], int] = type.__dict__["__flags__"].__get__
_module: Callable[[type], object] = type.__dict__["__module__"].__get__
_qualname: Callable[[type], object] = type.__dict__["__qualname__"].__get__
_type_dict: Callable[[type], Any] = type.__dict__["__dict__"].__get__
_module_slots: Any = types.ModuleType.__dict__
_module_dict: Callable[[object], dict[str, Any] | None] = _module_slots["__dict__"].__get__

BIG = 1 << 4096  # integers beyond it take more than 512 bytes

_KNOWN: dict[type, int] = {
    int: INTEGER,
    tuple: PLAIN,  # the walk puts an empty one where a root needs no second visit
    str: TEXT,
    bytes: TEXT,
    bytearray: BUFFER,
    types.ModuleType: MODULE,
    types.GeneratorType: SUSPENDED,
    types.CoroutineType: SUSPENDED,
    types.AsyncGeneratorType: SUSPENDED,
    types.CodeType: ATOM,
    types.GetSetDescriptorType: ATOM,
    types.MemberDescriptorType: ATOM,
    types.MethodDescriptorType: ATOM,
    types.WrapperDescriptorType: ATOM,
    types.ClassMethodDescriptorType: ATOM,
}
_C_SIZEOF = (types.MethodDescriptorType, types.WrapperDescriptorType)
_C_SLOTS = (*_C_SIZEOF, types.GetSetDescriptorType)


def mro_of(cls: type) -> tuple[type, ...]:
    """Return the method resolution order of a class, whatever its metaclass says."""
    return _mro(cls)


def derives(cls: type, *bases: type) -> bool:
    """Tell whether a class is or derives from one of some classes, by identity.

    ``issubclass``, ``in`` and dict lookups would call a metaclass's ``__subclasscheck__``, ``__eq__`` or ``__hash__``.
    """
    return any(known is base for known in _mro(cls) for base in bases)


def is_exactly(cls: type, *classes: type) -> bool:
    """Tell whether a class is one of some classes, by identity."""
    return any(cls is known for known in classes)


def dict_of_type(cls: type) -> Any:
    """Return a read-only view of a class's own namespace."""
    return _type_dict(cls)


def dict_of_module(module: object) -> dict[str, Any]:
    """Return the namespace of a module or of an instance of a module subclass."""
    return _module_dict(module) or {}


def type_name(cls: type) -> str:
    """Name a class by module and qualified name, builtins without a module."""
    module, qualname = _module(cls), _qualname(cls)
    name = qualname if type(qualname) is str else "?"
    if type(module) is not str or module in ("builtins", ""):
        return name
    return f"{module}.{name}"


def qualname_of(cls: type) -> str:
    """Return the qualified name of a class, whatever its metaclass says."""
    qualname = _qualname(cls)
    return qualname if type(qualname) is str else "?"


def module_of(cls: type) -> str:
    """Return the name of the module that a class says it is from; empty where it says none."""
    module = _module(cls)
    return module if type(module) is str else ""


def is_own_module(name: object) -> bool:
    """Tell whether a module is leakdiff's own machinery, which never counts as an owner."""
    if type(name) is not str or name.partition(".")[0] != _OWN:
        return False
    return not name.startswith(_SHIPPED_WORKLOADS)


def loaded(module: str, name: str) -> type | None:
    """Return a class of a module if the program has loaded it; never import anything."""
    namespace = sys.modules.get(module)
    if type(namespace) is not types.ModuleType:
        return None
    found = dict_of_module(namespace).get(name)
    return found if type(found) is type else None


def adapter_of(cls: type) -> Adapter | None:
    """Return the adapter for a class or what it derives from, by name."""
    for base in _mro(cls):
        adapter = adapter_named(type_name(base))
        if adapter is not None and (not adapter.slot or _is_c(base, adapter.slot)):
            return adapter
    return None


def _is_c(cls: type, slot: str) -> bool:
    """Tell whether C code defines a name of a class: somebody's own class of the same name is not meant."""
    return is_exactly(type(_type_dict(cls).get(slot)), *_C_SLOTS)


def make_kinds() -> Kinds:
    """Return a fresh table of kinds; a slower one where a metaclass would be asked for equality or a hash."""
    return KindsByIdentity() if _some_metaclass_compares(type) else Kinds()


def _some_metaclass_compares(metaclass: type) -> bool:
    derivatives: list[type] = type.__subclasses__(metaclass)
    for derived in derivatives:
        if any("__eq__" in _type_dict(base) or "__hash__" in _type_dict(base) for base in _own_bases(derived)):
            return True
        if _some_metaclass_compares(derived):
            return True
    return False


def _own_bases(metaclass: type) -> list[type]:
    return [base for base in _mro(metaclass) if base is not type and base is not object]


class Kinds:
    """Kind by type, filled on first sight; lives no longer than one walk.

    Attributes:
        table: The kinds seen so far: a plain dict, which the interpreter looks up twice as fast as anything else.
        ndarray: ``numpy.ndarray``, if the program has loaded it.
        failures: What to say of adapters that raised, by the name of their type.
    """

    def __init__(self) -> None:
        self.table: Any = dict(_KNOWN)
        self.ndarray = loaded("numpy", "ndarray")
        for module, name in (("array", "array"), ("_io", "BytesIO"), ("_io", "StringIO")):
            cls = loaded(module, name)
            if cls is not None:
                self.table[cls] = BUFFER
        self.failures: dict[str, str] = {}

    def __getitem__(self, cls: type) -> int:
        try:
            kind: int = self.table[cls]
        except KeyError:
            kind = self.table[cls] = self._classify(cls)
        return kind

    def _classify(self, cls: type) -> int:
        if is_own_module(_module(cls)):
            return OWN
        if self.ndarray is not None and derives(cls, self.ndarray):
            return NDARRAY
        if derives(cls, types.ModuleType):
            return MODULE
        if adapter_of(cls) is not None:
            return HIDER
        if not _flags(cls) & _HAVE_GC:
            return ATOM
        return PLAIN


class KindsByIdentity(Kinds):
    """The same by the identity of types: where metaclasses compare or hash their classes, and for single questions."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = {id(cls): (cls, kind) for cls, kind in self.table.items()}
        self.table = self

    def __getitem__(self, cls: type) -> int:
        seen = self._seen.get(id(cls))
        if seen is None:
            seen = self._seen[id(cls)] = cls, self._classify(cls)
        return seen[1]


def size_of(obj: object, sizeofs: dict[int, bool]) -> int:
    """Return the shallow size in bytes; a ``__sizeof__`` written in Python is not called.

    Args:
        obj: Any object.
        sizeofs: By the identity of the type, whether its ``__sizeof__`` is C code; filled on first sight.
    """
    cls = type(obj)
    safe = sizeofs.get(id(cls))
    if safe is None:
        safe = sizeofs[id(cls)] = sizeof_is_c(cls)
    if safe:
        return sys.getsizeof(obj)
    return object.__sizeof__(obj) + _GC_HEADER


def sizeof_is_c(cls: type) -> bool:
    """Tell whether ``sys.getsizeof`` runs only C code on instances of a class."""
    for base in _mro(cls):
        found = _type_dict(base).get("__sizeof__")
        if found is not None:
            return is_exactly(type(found), *_C_SIZEOF)
    return False


def buffer_bytes(obj: object, kinds: Kinds) -> int:
    """Return how many bytes a buffer or text holds, without copying it; what it has in reserve does not count."""
    cls = type(obj)
    if kinds[cls] == NDARRAY:
        return int(kinds.ndarray.__dict__["nbytes"].__get__(obj))
    if is_exactly(cls, str, bytes, bytearray):
        return len(obj)  # type: ignore[arg-type]
    if cls is int:
        return 0 if -BIG < obj < BIG else sys.getsizeof(obj)  # type: ignore[operator]
    if kinds[cls] != BUFFER:
        return 0
    if "tell" in cls.__dict__ or "seek" in cls.__dict__:
        return _written(obj, cls)
    return int(cls.__dict__["__len__"](obj) * cls.__dict__["itemsize"].__get__(obj))


def _written(stream: object, cls: type) -> int:
    """Return the position of a BytesIO or StringIO: at its end while it is written, 0 when it is closed."""
    try:
        return int(cls.__dict__["tell"](stream))
    except ValueError:
        return 0
