"""A leak so slow that a round of a hundred units does not meet it."""

from __future__ import annotations

import itertools


class SlowQuery:
    """A query that took too long."""

    def __init__(self, text: str) -> None:
        self.text = text


_numbers = itertools.count(1)
_slow_queries: list[SlowQuery] = []


def run_query(number: int) -> bool:
    """Run the nth query, and remember it if it was slow: every thousandth is."""
    if number % 1_000:
        return False
    _slow_queries.append(SlowQuery("select 1"))
    return True


def leak(units: int) -> None:
    """Run queries and keep the slow ones."""
    for number in itertools.islice(_numbers, units):
        run_query(number)


def clean(units: int) -> None:
    """Run queries, and report and forget the slow ones."""
    for number in itertools.islice(_numbers, units):
        if run_query(number):
            _slow_queries.pop()


def teardown() -> None:
    """Forget every slow query."""
    _slow_queries.clear()
