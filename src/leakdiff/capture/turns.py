"""Shorter turns between threads while leakdiff works beside a service."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_INTERVAL = (
    0.0001  # seconds; CPython's own 5 ms are waited for at each read and write of a request, four times and more
)

_lowered: list[tuple[float, float]] = []  # the interval found and the one set, while it is set


@contextmanager
def quick_turns(interval: float = _INTERVAL) -> Iterator[None]:
    """Let a thread that waits for the interpreter have it sooner, for as long as the block lasts.

    Every time a thread comes back from a read, a write or a sleep it waits for the one that runs, up to
    ``sys.getswitchinterval()``. The interval is put back unless somebody else has changed it meanwhile.

    Args:
        interval: Seconds after which a thread that waits is let in; one that is shorter already is left alone.
    """
    before = sys.getswitchinterval()
    if before <= interval:
        yield
        return
    sys.setswitchinterval(interval)
    state = before, sys.getswitchinterval()  # it is kept in whole microseconds
    _lowered.append(state)
    try:
        yield
    finally:
        _lowered.clear()
        _put_back(state)


def _put_back(state: tuple[float, float]) -> None:
    before, ours = state
    if sys.getswitchinterval() == ours:
        sys.setswitchinterval(before)


def _put_back_in_child() -> None:
    """Give a child that was forked within the block its own interval: nobody there will leave the block."""
    for state in _lowered:
        _put_back(state)
    _lowered.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_put_back_in_child)
