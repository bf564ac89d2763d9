"""What the walker may know of an object's type without running any of its code."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

ATOM = 0  # refers to nothing that could be a path
PLAIN = 1  # gc.get_referents tells the truth
TEXT = 2  # exact str and bytes: atoms whose length can grow
BUFFER = 3  # bytearray, array, BytesIO, StringIO, ndarray: atoms whose bytes can grow
NDARRAY = 4  # a buffer that may also hold objects, which it hides from gc
MODULE = 5  # walked by its __dict__: get_referents(module) can crash (gh-122695)
HIDER = 6  # an extension type that hides its contents from gc, and that an adapter can look into

# Extension types whose contents gc cannot see, by where the program has loaded them from.
_HIDERS = (("greenlet", "greenlet"), ("lru", "LRU"))

_HAVE_GC = 1 << 14  # Py_TPFLAGS_HAVE_GC
_GC_HEADER = 16

# Read through type's own slots: a metaclass may define these names as raising properties.
_mro: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_flags: Callable[[type], int] = type.__dict__["__flags__"].__get__
_module: Callable[[type], object] = type.__dict__["__module__"].__get__
_qualname: Callable[[type], object] = type.__dict__["__qualname__"].__get__
_type_dict: Callable[[type], Any] = type.__dict__["__dict__"].__get__
_module_dict: Callable[[object], dict[str, Any] | None] = types.ModuleType.__dict__["__dict__"].__get__

_KNOWN: dict[type, int] = {
    str: TEXT,
    bytes: TEXT,
    bytearray: BUFFER,
    types.ModuleType: MODULE,
    types.CodeType: ATOM,
    types.GetSetDescriptorType: ATOM,
    types.MemberDescriptorType: ATOM,
    types.MethodDescriptorType: ATOM,
    types.WrapperDescriptorType: ATOM,
    types.ClassMethodDescriptorType: ATOM,
}
_C_SIZEOF = (types.MethodDescriptorType, types.WrapperDescriptorType)


def mro_of(cls: type) -> tuple[type, ...]:
    """Return the method resolution order of a class, whatever its metaclass says."""
    return _mro(cls)


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


def loaded(module: str, name: str) -> type | None:
    """Return a class of a module if the program has loaded it; never import anything."""
    namespace = sys.modules.get(module)
    if type(namespace) is not types.ModuleType:
        return None
    found = dict_of_module(namespace).get(name)
    return found if type(found) is type else None


class Kinds(dict[type, int]):
    """Kind by type, filled on first sight; lives no longer than one walk."""

    def __init__(self) -> None:
        super().__init__(_KNOWN)
        self.ndarray = loaded("numpy", "ndarray")
        for module, name in (("array", "array"), ("_io", "BytesIO"), ("_io", "StringIO")):
            cls = loaded(module, name)
            if cls is not None:
                self[cls] = BUFFER
        self.hiders = [cls for module, name in _HIDERS if (cls := loaded(module, name)) is not None]

    def hider_of(self, cls: type) -> type | None:
        """Return the hiding extension type that a class is or derives from."""
        return next((hider for hider in self.hiders if hider in _mro(cls)), None)

    def __missing__(self, cls: type) -> int:
        kind = self[cls] = self._classify(cls)
        return kind

    def _classify(self, cls: type) -> int:
        bases = _mro(cls)
        if self.ndarray is not None and self.ndarray in bases:
            return NDARRAY
        if types.ModuleType in bases:
            return MODULE
        if self.hiders and self.hider_of(cls) is not None:
            return HIDER
        if not _flags(cls) & _HAVE_GC:
            return ATOM
        return PLAIN


def size_of(obj: object, sizeofs: dict[type, bool]) -> int:
    """Return the shallow size in bytes; a ``__sizeof__`` written in Python is not called.

    Args:
        obj: Any object.
        sizeofs: By type, whether its ``__sizeof__`` is C code; filled on first sight.
    """
    cls = type(obj)
    safe = sizeofs.get(cls)
    if safe is None:
        safe = sizeofs[cls] = _sizeof_is_c(cls)
    if safe:
        return sys.getsizeof(obj)
    return object.__sizeof__(obj) + _GC_HEADER


def _sizeof_is_c(cls: type) -> bool:
    for base in _mro(cls):
        found = _type_dict(base).get("__sizeof__")
        if found is not None:
            return type(found) in _C_SIZEOF
    return False


def buffer_bytes(obj: object, kinds: Kinds) -> int:
    """Return how many bytes a buffer or text holds, without copying it; what it has in reserve does not count."""
    cls = type(obj)
    if kinds[cls] == NDARRAY:
        return int(kinds.ndarray.__dict__["nbytes"].__get__(obj))  # type: ignore[union-attr]
    if cls in (str, bytes, bytearray):
        return len(obj)  # type: ignore[arg-type]
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
