"""What is a container, and how long it is, without asking it."""

from __future__ import annotations

import collections
import functools
import itertools
import queue
from collections.abc import Callable, Sequence
from typing import Any

from leakdiff.capture.adapters import count
from leakdiff.capture.attributes import attribute_of, known_attributes
from leakdiff.capture.kinds import KindsByIdentity, adapter_of, derives, loaded
from leakdiff.capture.references import references

_SAMPLE = 32
_TIMERS, _CANCELLED_TIMERS = "_scheduled", "_timer_cancelled_count"  # of an asyncio event loop
_SIZED = (dict, list, set, frozenset, tuple, collections.deque, bytearray)


def length_of(obj: Any) -> int:
    """Return how many entries a container holds, without its own ``__len__``."""
    if is_lru_cache(obj):
        return int(type(obj).__dict__["cache_info"](obj).currsize)
    if type(obj) is queue.SimpleQueue:
        return queue.SimpleQueue.qsize(obj)
    for cls in _SIZED:
        if derives(type(obj), cls):
            return int(cls.__len__(obj))
    adapter = adapter_of(type(obj))
    if adapter is not None and adapter.holds_entries:
        return count(adapter, obj)
    attributes = known_attributes(obj)
    return len(attributes) if attributes else len(references(obj, KindsByIdentity()))


def live_length(chain: Sequence[Any]) -> Callable[[], int] | None:
    """Return what counts the entries of a list in which some places are of what is gone already; None for any other.

    A ``SimpleQueue`` clears its list of what was taken now and then only, and so does an event loop its timers of
    those that were cancelled: how long either list is goes up and down by itself.

    Args:
        chain: The live objects from a root down to the list.
    """
    if len(chain) < 2 or type(chain[-1]) is not list:
        return None
    if type(chain[-2]) is queue.SimpleQueue:
        return functools.partial(queue.SimpleQueue.qsize, chain[-2])
    loop_class = loaded("asyncio.base_events", "BaseEventLoop")
    loops = [above for above in chain[-3:-1] if loop_class is not None and derives(type(above), loop_class)]
    if not loops or attribute_of(loops[0], _TIMERS) is not chain[-1]:
        return None
    return functools.partial(_live_timers, loops[0])


def _live_timers(loop: Any) -> int:
    timers, cancelled = attribute_of(loop, _TIMERS), attribute_of(loop, _CANCELLED_TIMERS)
    return (len(timers) if type(timers) is list else 0) - (cancelled if type(cancelled) is int else 0)


def is_lru_cache(obj: Any) -> bool:
    """Tell whether an object is what ``functools.lru_cache`` makes."""
    return type(obj) is functools._lru_cache_wrapper  # noqa: SLF001 - the class has no public name


def is_container(obj: Any) -> bool:
    """Tell whether an object holds entries, rather than named attributes as a namespace does."""
    if not derives(type(obj), dict):
        return derives(type(obj), *_SIZED) or _is_adapted(type(obj))
    try:
        keys = list(itertools.islice(dict.keys(obj), _SAMPLE))
    except RuntimeError:  # another thread changed it while we looked
        return True
    return not all(type(key) is str and key.isidentifier() for key in keys)


def _is_adapted(cls: type) -> bool:
    adapter = adapter_of(cls)
    return adapter is not None and adapter.holds_entries


def pairs_of(namespace: dict[Any, Any] | None) -> list[tuple[Any, Any]]:
    """Return keys and values of a namespace; ``dict.copy`` could compare keys, and those may be the user's."""
    try:
        return list(dict.items(namespace)) if namespace is not None else []
    except RuntimeError:  # another thread changed it while we looked
        return []
