"""A ``queue.Queue`` without a bound and without a reader."""

from __future__ import annotations

import queue


class Mail:
    """Something to send."""

    def __init__(self, to: str) -> None:
        self.to = to


_outbox: queue.Queue[Mail] = queue.Queue()


def leak(units: int) -> None:
    """Queue mails that nobody sends."""
    for _ in range(units):
        _outbox.put(Mail("a@example.org"))


def clean(units: int) -> None:
    """Queue mails and send each one."""
    for _ in range(units):
        _outbox.put(Mail("a@example.org"))
        _outbox.get()


def teardown() -> None:
    """Empty the outbox."""
    while not _outbox.empty():
        _outbox.get()
