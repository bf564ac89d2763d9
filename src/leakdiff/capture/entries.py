"""A bounded look into a container: how long it is, what bounds it, and the shape of its keys."""

from __future__ import annotations

import collections
import gc
import itertools
import re
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from leakdiff.capture.adapters import number, some_items
from leakdiff.capture.attributes import known_attributes
from leakdiff.capture.bounds import attribute_bound, module_bound
from leakdiff.capture.containers import is_lru_cache, length_of
from leakdiff.capture.kinds import KindsByIdentity, adapter_of, derives, type_name
from leakdiff.capture.references import references
from leakdiff.model.heap import Bound

SAMPLE = 32  # entries that are looked at, at most
# Compiled once: the functions of re keep what they compile in a cache, which would grow while we look.
_WORD = re.compile(r"[A-Za-z][A-Za-z_]{0,15}[-_:./]")
_HEX = re.compile(r"[0-9a-f]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def newest(obj: Any, count: int) -> tuple[list[Any], list[Any]]:
    """Return the keys and the values (or members) of the newest entries, at most a small sample.

    Containers that keep no order give any entries; an ``lru_cache`` gives none.
    """
    if is_lru_cache(obj):
        return [], []
    try:
        return _newest(obj, min(count, SAMPLE))
    except RuntimeError:  # another thread changed it while we looked
        return [], []


def _newest(obj: Any, count: int) -> tuple[list[Any], list[Any]]:
    cls = type(obj)
    if derives(cls, dict):
        pairs = list(itertools.islice(reversed(dict.items(obj)), count))
        return [key for key, _ in pairs], [value for _, value in pairs]
    if derives(cls, list):
        return [], list.__getitem__(obj, slice(max(0, list.__len__(obj) - count), None))
    if derives(cls, collections.deque):
        return [], list(itertools.islice(collections.deque.__reversed__(obj), count))
    if derives(cls, set, frozenset):
        members = list(itertools.islice((set if derives(cls, set) else frozenset).__iter__(obj), count))
        return members, members
    adapter = adapter_of(cls)
    if adapter is not None and adapter.items is not None:
        return some_items(adapter, obj, count)
    attributes = [value for _, value in known_attributes(obj)]
    return [], [*attributes, *references(obj, KindsByIdentity())][:count]


def key_shape(keys: Sequence[Any]) -> str | None:  # noqa: PLR0911 - one return for each kind of key
    """Describe what keys look like, never what they are: ``str 'req-' + 8 hex``, ``int sequential``."""
    if not keys:
        return None
    types_seen = {id(type(key)): type(key) for key in keys}
    if len(types_seen) > 1:
        return " or ".join(sorted(type_name(cls) for cls in types_seen.values()))
    (cls,) = types_seen.values()
    if cls is str:
        return _text_shape(keys)
    if cls is int:
        return "int sequential" if _is_sequential(keys) else "int"
    if cls is uuid.UUID:
        return "UUID"
    if cls is tuple:
        return _tuple_shape(keys)
    return type_name(cls)


def _text_shape(keys: Sequence[str]) -> str:
    """Describe texts by what they share at most at the start, and by length and alphabet of the rest."""
    if all(_is_uuid(key) for key in keys):
        return "str UUID"
    prefix = _word_prefix(keys) if len(keys) > 1 else ""
    rests = [key[len(prefix) :] for key in keys]
    shape = " + ".join(part for part in (repr(prefix) if prefix else "", _alphabet(rests)) if part)
    return f"str {shape}"


def _word_prefix(keys: Sequence[str]) -> str:
    """Return the shared start, up to its last separator: a longer one could be part of a value."""
    first, last = min(keys), max(keys)
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    found = _WORD.match(first[:shared])
    return found.group() if found else ""


def _alphabet(rests: Sequence[str]) -> str:
    if all(rest.isascii() and rest.isdigit() for rest in rests):
        kind = "digits"
    elif all(_HEX.fullmatch(rest) for rest in rests):
        kind = "hex"
    else:
        kind = "characters"
    lengths = {len(rest) for rest in rests}
    least, most = min(lengths), max(lengths)
    return f"{least} {kind}" if least == most else f"{least}-{most} {kind}"


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _is_sequential(keys: Sequence[int]) -> bool:
    ordered = sorted(keys)
    return len(ordered) > 1 and all(b - a == 1 for a, b in itertools.pairwise(ordered))


def _tuple_shape(keys: Sequence[tuple[Any, ...]]) -> str:
    sizes = {len(key) for key in keys}
    if len(sizes) > 1:
        return "tuple"
    shapes = {tuple(type_name(type(part)) for part in gc.get_referents(key)[::-1]) for key in keys}
    if len(shapes) > 1:
        return f"tuple of {next(iter(sizes))}"
    return f"tuple({', '.join(next(iter(shapes)))})"


def find_bound(chain: Iterable[Any]) -> Bound | None:
    """Return what limits the last container of a chain, if it or what it is part of says so.

    Args:
        chain: Live objects from the root to the container.
    """
    above = list(chain)
    container = above[-1]
    if derives(type(container), collections.deque):
        limit = collections.deque.maxlen.__get__(container)
        if limit is not None:
            return Bound("deque(maxlen)", limit, length_of(container))
    adapted = _adapted_bound(container)
    if adapted is not None:
        return adapted
    for holder in reversed(above[-4:]):
        if is_lru_cache(holder):
            return _lru_bound(holder, container)
    for holder in reversed(above[-3:]):
        found = attribute_bound(holder, above)
        if found is not None:
            return found
    if len(above) == 2 and type(above[0]) is dict:
        return module_bound(above[0], above)
    return None


def _adapted_bound(container: Any) -> Bound | None:
    adapter = adapter_of(type(container))
    limit = number(adapter.limit, container) if adapter is not None and adapter.limit is not None else None
    if adapter is None or limit is None:
        return None
    return Bound(f"{adapter.name.rpartition('.')[2]}(limit)", limit, length_of(container))


def _lru_bound(wrapper: Any, container: Any) -> Bound | None:
    """Return the bound of a cache for the cache itself or its dict; a value in it may grow all the same."""
    info = type(wrapper).__dict__["cache_info"](wrapper)
    is_cache = container is wrapper or (type(container) is dict and length_of(container) == info.currsize)
    if info.maxsize is None or not is_cache:
        return None
    return Bound("lru_cache(maxsize)", info.maxsize, info.currsize)
