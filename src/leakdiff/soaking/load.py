"""When the units of a round arrive, and how many may run at a time: steady, rising or in bursts."""

from __future__ import annotations

import math

import attrs

from leakdiff.soaking.plan import Load


@attrs.frozen
class Arrivals:
    """The load of one round.

    Attributes:
        units: How many arrive in it.
        rate: How many per second on average; None for as soon as there is room.
        most: How many may run at the same time.
        load: How they are spread: evenly; rising, from none to twice the rate or from one at a time to the most; or in
            bursts, of what comes in a second or of as many as may run.
    """

    units: int
    rate: float | None
    most: float
    load: Load

    def at(self, number: int) -> float:
        """Return when a unit arrives, in seconds from the start of the round; the first is number 0."""
        if self.rate is None:
            return 0.0
        if self.load == "ramp":  # so many have come by then: the integral of a rate that rises evenly
            return math.sqrt(number * self.units) / self.rate
        if self.load == "burst":
            size = max(2, round(self.rate))
            return number // size * size / self.rate
        return number / self.rate

    @property
    def end(self) -> float:
        """When the round is over, if it is not late: the next one starts where its rate has it."""
        return self.units / self.rate if self.rate is not None else 0.0

    def room(self, number: int) -> float:
        """Return how many may be running when a unit starts, itself included."""
        if self.rate is None and self.load == "ramp":
            return max(1, math.ceil(self.most * (number + 1) / self.units))
        if self.rate is None and self.load == "burst":
            return 1 if number % self.most == 0 else self.most
        return self.most
