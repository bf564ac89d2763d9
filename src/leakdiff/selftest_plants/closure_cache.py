"""A cache in the closure of a decorator, and without a bound."""

from __future__ import annotations

import itertools
from collections.abc import Callable


def remembering(function: Callable[[int], list[int]]) -> Callable[[int], list[int]]:
    """Let a function remember what it returned."""
    results: dict[int, list[int]] = {}

    def remembered(number: int) -> list[int]:
        if number not in results:
            results[number] = function(number)
        if number < 0:
            results.clear()
        return results.get(number, [])

    return remembered


@remembering
def divisors(number: int) -> list[int]:
    """Return the divisors of a number."""
    return [divisor for divisor in (2, 3, 5, 7) if number % divisor == 0]


_numbers = itertools.count()


def leak(units: int) -> None:
    """Ask for ever new numbers."""
    for _ in range(units):
        divisors(next(_numbers))


def clean(units: int) -> None:
    """Ask for a dozen numbers."""
    for _ in range(units):
        divisors(next(_numbers) % 12)


def teardown() -> None:
    """Forget all: that is what a negative number asks for."""
    divisors(-1)
