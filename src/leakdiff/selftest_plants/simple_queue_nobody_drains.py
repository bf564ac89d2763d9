"""A ``queue.SimpleQueue``, which is C code, without a reader."""

from __future__ import annotations

import queue


class Event:
    """Something to report."""

    def __init__(self, name: str) -> None:
        self.name = name


_backlog: queue.SimpleQueue[Event] = queue.SimpleQueue()


def leak(units: int) -> None:
    """Queue events that nobody reports."""
    for _ in range(units):
        _backlog.put(Event("login"))


def clean(units: int) -> None:
    """Queue events and report each one."""
    for _ in range(units):
        _backlog.put(Event("login"))
        _backlog.get()


def teardown() -> None:
    """Empty the backlog."""
    while not _backlog.empty():
        _backlog.get()
