"""Orders in flight, by number: they are taken out only if the driver accepts."""

from __future__ import annotations

import itertools


class Ride:
    """An order in flight."""

    def __init__(self, *, accepted: bool) -> None:
        self.accepted = accepted


_numbers = itertools.count()
_in_flight: dict[int, Ride] = {}


def match(*, accepted: bool) -> None:
    """Match one order; the removal has wandered into the branch."""
    number = next(_numbers)
    ride = _in_flight[number] = Ride(accepted=accepted)
    if ride.accepted:
        del _in_flight[number]


def leak(units: int) -> None:
    """Match orders that drivers decline."""
    for _ in range(units):
        match(accepted=False)


def clean(units: int) -> None:
    """Match orders that drivers accept."""
    for _ in range(units):
        match(accepted=True)
