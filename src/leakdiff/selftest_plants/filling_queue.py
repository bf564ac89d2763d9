"""A ``queue.Queue`` whose ``maxsize`` is far away: it grows now, and will stop."""

from __future__ import annotations

import queue


class Mail:
    """Something to send."""

    def __init__(self, to: str) -> None:
        self.to = to


_outbox: queue.Queue[Mail] = queue.Queue(maxsize=100_000)


def clean(units: int) -> None:
    """Queue one more mail a unit."""
    for _ in range(units):
        _outbox.put(Mail("a@example.org"))


def teardown() -> None:
    """Empty the outbox."""
    while not _outbox.empty():
        _outbox.get()
