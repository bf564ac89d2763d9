"""Shorter turns between threads while leakdiff works beside a service."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Seconds; CPython's own 5 ms are waited for at each read and write of a request, four times and more.
_INTERVAL = 0.0001

_lock = threading.RLock()  # a handler of signals may want quick turns as well
_holders: set[object] = set()  # a token for each block that is under way, in whichever thread
_lowered: tuple[float, float] | None = None  # the interval found and the one set, while it is set


@contextmanager
def quick_turns(interval: float = _INTERVAL) -> Iterator[None]:
    """Let a thread that waits for the interpreter have it sooner, for as long as the block lasts.

    Every time a thread comes back from a read, a write or a sleep it waits for the one that runs, up to
    ``sys.getswitchinterval()``. Blocks may lie in each other and run in several threads: the interval is put back when
    the last of them ends, unless somebody else has changed it meanwhile.

    Args:
        interval: Seconds after which a thread that waits is let in; one that is shorter already is left alone.
    """
    token = _lower(interval)
    try:
        yield
    finally:
        _leave(token)


def _lower(interval: float) -> object:
    global _lowered  # noqa: PLW0603 - the interval is one for all threads
    token = object()
    with _lock:
        _holders.add(token)
        found = sys.getswitchinterval()
        if found > interval:
            is_ours = _lowered is not None and found == _lowered[1]
            before = _lowered[0] if _lowered is not None and is_ours else found
            sys.setswitchinterval(interval)
            _lowered = before, sys.getswitchinterval()  # it is kept in whole microseconds
    return token


def _leave(token: object) -> None:
    with _lock:
        _holders.discard(token)
        if not _holders:
            _put_back()


def _put_back() -> None:
    global _lowered  # noqa: PLW0603
    if _lowered is not None and sys.getswitchinterval() == _lowered[1]:
        sys.setswitchinterval(_lowered[0])
    _lowered = None


def _put_back_in_child() -> None:
    """Give a child that was forked within a block its own interval: most of the threads that hold it are not there."""
    global _lock  # noqa: PLW0603 - somebody may have held it
    _lock = threading.RLock()
    _holders.clear()
    _put_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_put_back_in_child)
