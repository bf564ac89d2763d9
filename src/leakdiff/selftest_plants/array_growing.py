"""An ``array.array`` that is only ever appended to."""

from __future__ import annotations

import array

_samples = array.array("d")


def leak(units: int) -> None:
    """Append sixteen samples a unit."""
    for _ in range(units):
        _samples.extend(array.array("d", range(16)))


def clean(units: int) -> None:
    """Append sixteen samples a unit, and keep the last 512."""
    for _ in range(units):
        _samples.extend(array.array("d", range(16)))
        del _samples[:-512]


def teardown() -> None:
    """Empty the array."""
    del _samples[:]
