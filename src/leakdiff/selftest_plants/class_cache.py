"""A cache on a class, keyed by what the instances were made with, and without a bound."""

from __future__ import annotations

import itertools
from typing import ClassVar


class Tariff:
    """What a place costs; the same place gives the same tariff."""

    known: ClassVar[dict[str, Tariff]] = {}

    def __init__(self, place: str) -> None:
        self.place = place
        self.steps = [1.0, 0.8]

    @classmethod
    def of(cls, place: str) -> Tariff:
        """Return the tariff of a place."""
        if place not in cls.known:
            cls.known[place] = cls(place)
        return cls.known[place]


_numbers = itertools.count()


def leak(units: int) -> None:
    """Ask for the tariffs of ever new places."""
    for _ in range(units):
        Tariff.of(f"place-{next(_numbers)}")


def clean(units: int) -> None:
    """Ask for the tariffs of a dozen places."""
    for _ in range(units):
        Tariff.of(f"place-{next(_numbers) % 12}")


def teardown() -> None:
    """Forget all tariffs."""
    Tariff.known.clear()
