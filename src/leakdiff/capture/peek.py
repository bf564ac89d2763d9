"""An object as text without asking it: none of its own code runs, and nothing of it is kept."""

from __future__ import annotations

import collections
import gc
import itertools
import types
from collections.abc import Iterator
from typing import Any

from leakdiff.capture.attributes import known_attributes
from leakdiff.capture.containers import length_of
from leakdiff.capture.entries import newest
from leakdiff.capture.kinds import derives, is_exactly, type_name
from leakdiff.capture.lookup import container_at
from leakdiff.model.entries import Entries, Entry, Peek
from leakdiff.model.one_line import bounded

_MOST_PARTS = 8
_LONGEST = 200  # characters of a text that are shown
_LONGEST_NAME = 80
_LARGEST = 1 << 256  # integers beyond it are told by their size
_SIZED = (dict, list, tuple, set, frozenset, collections.deque)
_NAMED = (types.FunctionType, types.BuiltinFunctionType)


def newest_at(path: str, count: int) -> Entries | None:
    """Return the newest entries of the container that a path of names leads to; None if it leads to none."""
    found = container_at(path)
    return newest_of(found, path, count) if derives(type(found), *_SIZED) else None


def newest_of(container: Any, name: str, count: int) -> Entries:
    """Return the newest entries of a container as texts, newest first.

    Args:
        container: A live object; is let go.
        name: What it is called.
        count: How many, at most.
    """
    keys, values = newest(container, count)
    if derives(type(container), list):
        values.reverse()  # newest first, as of other containers
    is_mapping = bool(keys) and len(keys) == len(values) and not derives(type(container), set, frozenset)
    keyed: list[Any] = [peek(key) for key in keys] if is_mapping else [None] * len(values)
    shown = tuple(Entry(key, peek(value)) for key, value in zip(keyed, values, strict=True))
    return Entries(name, type_name(type(container)), length_of(container), shown)


def peek(obj: Any) -> Peek:
    """Return what an object looks like, with its attributes or members one level down."""
    parts = list(itertools.islice(_parts(obj), _MOST_PARTS + 1))
    more = max(0, length_of(obj) - _MOST_PARTS) if len(parts) > _MOST_PARTS else 0
    return Peek(type_name(type(obj)), _text(obj), tuple(parts[:_MOST_PARTS]), more)


def _text(obj: Any) -> str:  # noqa: PLR0911 - one return for each kind of object
    cls = type(obj)
    if is_exactly(cls, bool, type(None), float, complex):
        return repr(obj)
    if cls is int:
        return int.__repr__(obj) if -_LARGEST < obj < _LARGEST else f"int of {int.bit_length(obj):,} bits"
    if is_exactly(cls, str, bytes, bytearray):
        return _quoted(obj)
    if derives(cls, *_SIZED):
        return f"{_name(cls)} of {length_of(obj):,}"
    if derives(cls, type):
        return f"class {_name(obj)}"
    if is_exactly(cls, *_NAMED):
        return f"function {_qualname(obj)}"
    return _name(cls)


def _quoted(obj: Any) -> str:
    """Show a text as far as it is bounded; ``repr`` of exact texts runs no code of anybody, and escapes controls."""
    cls = type(obj)
    length = cls.__len__(obj)
    start: Any = cls.__getitem__(obj, slice(0, _LONGEST))
    shown = bounded(repr(start), 2 * _LONGEST)
    counted = "characters" if cls is str else "bytes"
    return shown if length <= _LONGEST else f"{shown}... ({length:,} {counted})"


def _name(cls: type) -> str:
    return bounded(type_name(cls), _LONGEST_NAME)


def _qualname(function: Any) -> str:
    found = type(function).__dict__["__qualname__"].__get__(function)
    return bounded(found, _LONGEST_NAME) if type(found) is str else "?"


def _parts(obj: Any) -> Iterator[tuple[str, str]]:
    cls = type(obj)
    if derives(cls, dict):
        yield from ((_text(key), _text(value)) for key, value in _pairs(obj))
    elif derives(cls, *_SIZED):
        yield from ((str(at), _text(member)) for at, member in enumerate(_members(obj)))
    elif not derives(cls, type, types.ModuleType) and not is_exactly(cls, *_NAMED, str, bytes, bytearray):
        yield from ((_attribute(name), _text(value)) for name, value in known_attributes(obj))


def _attribute(name: Any) -> str:
    return bounded(name, _LONGEST_NAME) if type(name) is str else _text(name)


def _pairs(obj: Any) -> list[tuple[Any, Any]]:
    try:
        return list(itertools.islice(dict.items(obj), _MOST_PARTS + 1))
    except RuntimeError:  # another thread changed it while we looked
        return []


def _members(obj: Any) -> list[Any]:
    base = next(base for base in _SIZED if derives(type(obj), base))
    if base is tuple and len(gc.get_referents(obj)) < tuple.__len__(obj):
        return []  # it is under construction, and its empty places cannot be read (gh-101855)
    try:
        return list(itertools.islice(base.__iter__(obj), _MOST_PARTS + 1))
    except RuntimeError:  # another thread changed it while we looked
        return []
