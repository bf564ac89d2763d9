"""A cache on a long-lived object, and without a bound."""

from __future__ import annotations

import itertools


class Geocoder:
    """Finds where addresses are, and remembers."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[float, float, list[str]]] = {}

    def find(self, address: str) -> tuple[float, float, list[str]]:
        """Return where an address is."""
        if address not in self.found:
            self.found[address] = (52.5, 13.4, [address])
        return self.found[address]


_geocoder = Geocoder()
_numbers = itertools.count()


def leak(units: int) -> None:
    """Look for ever new addresses."""
    for _ in range(units):
        _geocoder.find(f"{next(_numbers)} High Street")


def clean(units: int) -> None:
    """Look for a dozen addresses."""
    for _ in range(units):
        _geocoder.find(f"{next(_numbers) % 12} High Street")


def teardown() -> None:
    """Forget every address."""
    _geocoder.found.clear()
