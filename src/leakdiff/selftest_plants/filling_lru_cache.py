"""An ``lru_cache`` whose ``maxsize`` is far away: it grows now, and will stop."""

from __future__ import annotations

import functools
import itertools

_numbers = itertools.count()


@functools.lru_cache(maxsize=100_000)
def find_price(article: str) -> list[str]:
    """Find the price of one article."""
    return [article, "9.99"]


def clean(units: int) -> None:
    """Ask for a new article each time."""
    for number in itertools.islice(_numbers, units):
        find_price(f"article-{number}")


def teardown() -> None:
    """Empty the cache."""
    find_price.cache_clear()
