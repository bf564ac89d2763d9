"""A list that only the inner functions of a closure can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Reading:
    """One value from a sensor."""

    def __init__(self, celsius: float) -> None:
        self.celsius = celsius


def make_recorder() -> tuple[Callable[[Reading], None], Callable[[], object]]:
    """Return one function that records a reading, and one that forgets the last."""
    readings: list[Reading] = []

    def record(reading: Reading) -> None:
        readings.append(reading)

    def forget() -> object:
        return readings.pop() if readings else None

    return record, forget


_record, _forget = make_recorder()


def leak(units: int) -> None:
    """Record readings into the closure."""
    for _ in range(units):
        _record(Reading(21.5))


def clean(units: int) -> None:
    """Record readings and forget each one."""
    for _ in range(units):
        _record(Reading(21.5))
        _forget()


def teardown() -> None:
    """Forget every reading."""
    while _forget() is not None:
        pass
