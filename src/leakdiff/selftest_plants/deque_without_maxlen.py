"""A deque that was meant to hold the recent events, and has no ``maxlen``.

The twin's deque is full: every unit puts a new object in and pushes an old one out.
"""

from __future__ import annotations

import collections


class Event:
    """Something that happened."""

    def __init__(self, name: str) -> None:
        self.name = name


_events: collections.deque[Event] = collections.deque()
_recent_events: collections.deque[Event] = collections.deque(maxlen=64)


def leak(units: int) -> None:
    """Remember every event."""
    for _ in range(units):
        _events.append(Event("login"))


def clean(units: int) -> None:
    """Remember the last 64 events."""
    for _ in range(units):
        _recent_events.append(Event("login"))


def teardown() -> None:
    """Forget every event."""
    _events.clear()
    _recent_events.clear()
