"""A list in a plain ``threading.local`` that every unit adds to."""

from __future__ import annotations

import threading


class Query:
    """One query that was run."""

    def __init__(self, text: str) -> None:
        self.text = text


_local = threading.local()


def setup() -> None:
    """Start the list of this thread."""
    _local.queries = []


def leak(units: int) -> None:
    """Note queries."""
    for _ in range(units):
        _local.queries.append(Query("SELECT 1"))


def clean(units: int) -> None:
    """Note queries and forget each one."""
    for _ in range(units):
        _local.queries.append(Query("SELECT 1"))
        _local.queries.pop()


def teardown() -> None:
    """Forget every query."""
    _local.queries.clear()
