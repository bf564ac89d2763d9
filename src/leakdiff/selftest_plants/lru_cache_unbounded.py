"""An ``lru_cache`` without a bound, asked for something new every time."""

from __future__ import annotations

import functools
import itertools

_numbers = itertools.count()


def look_up(article: str) -> list[str]:
    """Find the price of one article."""
    return [article, "9.99"]


find_price = functools.lru_cache(maxsize=None)(look_up)
find_recent_price = functools.lru_cache(maxsize=64)(look_up)


def leak(units: int) -> None:
    """Ask for new articles through the cache that keeps all."""
    for number in itertools.islice(_numbers, units):
        find_price(f"article-{number}")


def clean(units: int) -> None:
    """Ask for new articles through the cache that keeps 64, and is soon full."""
    for number in itertools.islice(_numbers, units):
        find_recent_price(f"article-{number}")


def teardown() -> None:
    """Empty both caches."""
    find_price.cache_clear()
    find_recent_price.cache_clear()
