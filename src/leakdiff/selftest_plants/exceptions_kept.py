"""Exceptions kept with their tracebacks, whose frames keep what they worked on.

The twin keeps the last fifty in a full deque. Each is a cycle (exception, traceback,
frame, local variable), so that only the collector frees what the deque lets go.
"""

from __future__ import annotations

import collections
import collections.abc


class Download:
    """What was half done when it failed."""

    def __init__(self) -> None:
        self.received = ["part"] * 16


_failures: list[Exception] = []
_recent_failures: collections.deque[Exception] = collections.deque(maxlen=50)


def fetch() -> Download:
    """Fail half-way, with the download and the failure in local variables."""
    download = Download()
    failure = ConnectionError(f"lost after {len(download.received)} parts")
    raise failure


def attempt(failures: collections.abc.MutableSequence[Exception]) -> None:
    """Try to fetch, and keep the failure."""
    try:
        fetch()
    except ConnectionError as error:
        failures.append(error)


def leak(units: int) -> None:
    """Fail and keep every failure."""
    for _ in range(units):
        attempt(_failures)


def clean(units: int) -> None:
    """Fail and keep the last fifty failures."""
    for _ in range(units):
        attempt(_recent_failures)


def teardown() -> None:
    """Forget every failure."""
    _failures.clear()
    _recent_failures.clear()
