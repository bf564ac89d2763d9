"""The adapters that leakdiff ships with: extension types that hide what they hold, each read by C code alone."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any

from leakdiff.capture.adapters import Adapter, Contents, Number, build_in
from leakdiff.capture.frames import locals_of
from leakdiff.capture.kinds import dict_of_type, is_exactly, mro_of

_C_CODE = (types.MethodDescriptorType, types.WrapperDescriptorType, types.GetSetDescriptorType)


def _slot(obj: object, name: str) -> Any:
    """Return what C code defines under a name for an object, past anything a subclass says."""
    for cls in mro_of(type(obj)):
        found = dict_of_type(cls).get(name)
        if is_exactly(type(found), *_C_CODE):
            return found
    return None


def _calling(name: str) -> Any:
    """Return a function that calls a method of C code without arguments."""
    return lambda obj: _slot(obj, name)(obj)


# -- greenlets -------------------------------------------------------------------------------------


def greenlet_locals(obj: object) -> list[tuple[str, Any]]:
    """Return names and values of the locals of all frames of a suspended greenlet; none if it runs or has ended."""
    found: list[tuple[str, Any]] = []
    descriptor = _slot(obj, "gr_frame")
    frame = descriptor.__get__(obj) if descriptor is not None else None
    while type(frame) is types.FrameType:
        found.extend(locals_of(frame).items())
        frame = frame.f_back
    return found


def _values_of_locals(obj: object) -> list[Any]:
    return [value for _, value in greenlet_locals(obj)]


# -- numpy -----------------------------------------------------------------------------------------


def array_items(obj: Any) -> list[Any]:
    """Return what a numpy array of objects holds, empty places left out, or the array it is a view of."""
    base = _slot(obj, "base").__get__(obj)
    if base is not None:
        return [base]
    dtype = _slot(obj, "dtype").__get__(obj)
    if not dtype.hasobject:
        return []
    columns = [obj] if dtype.names is None else [_slot(obj, "__getitem__")(obj, name) for name in dtype.names]
    plain = [column for column in columns if _slot(column, "dtype").__get__(column).kind == "O"]
    return [item for column in plain for item in _slot(column, "flat").__get__(column) if not _is_empty(item)]


def _is_empty(item: object) -> bool:
    """Tell whether a place is as ``numpy.empty`` and ``numpy.zeros`` leave it."""
    return item is None or (type(item) is int and item == 0)


# -- rpds ------------------------------------------------------------------------------------------


def _reduced(obj: Any) -> Iterable[Any]:
    """Return the entries as they would be pickled: its iterators compare keys, which runs a user's ``__eq__``."""
    entries: list[Any] = _slot(obj, "__reduce__")(obj)[1][0]
    return entries


def _add(names: Iterable[str], slot: str, **functions: Contents | Number) -> None:
    for name in names:
        build_in(Adapter(name, slot=slot, **functions))  # type: ignore[arg-type]


_length: Number = _calling("__len__")

build_in(Adapter("greenlet.greenlet", members=_values_of_locals, slot="gr_frame", holds_entries=False))
build_in(Adapter("numpy.ndarray", members=array_items, slot="flat"))
_add(("lru.LRU", "_lru.LRU"), "get_size", items=_calling("items"), length=_length, limit=_calling("get_size"))
_add(("rpds.HashTrieMap",), "__reduce__", items=_reduced, length=_length)
_add(("rpds.HashTrieSet",), "__reduce__", members=_reduced, length=_length)
_add(("rpds.List", "rpds.Queue", "rpds.Stack"), "__iter__", members=_calling("__iter__"))
_add(("ahocorasick.Automaton",), "add_word", members=_calling("values"), length=_length)
