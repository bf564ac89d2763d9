"""A deque with a ``maxlen`` that is far away: it grows now, and will stop."""

from __future__ import annotations

import collections


class Event:
    """Something that happened."""

    def __init__(self, name: str) -> None:
        self.name = name


_recent_events: collections.deque[Event] = collections.deque(maxlen=100_000)


def clean(units: int) -> None:
    """Remember one more event a unit."""
    for _ in range(units):
        _recent_events.append(Event("login"))


def teardown() -> None:
    """Forget every event."""
    _recent_events.clear()
