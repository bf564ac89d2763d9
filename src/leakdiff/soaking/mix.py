"""Which scenario comes when: a weighted mix, drawn by a seeded generator, so that a run can be repeated."""

from __future__ import annotations

import random
from collections.abc import Sequence

_FAVOURED = 0.75  # share of a round that one scenario gets where scenarios are to be told apart


class Mix:
    """Draws rounds of units.

    How many units each scenario gets is not left to chance: it differs from its share by less than one, over any number
    of rounds, so that rounds are alike. Only the order is.
    """

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        whole = sum(weights)
        self.shares = tuple(weight / whole for weight in weights)
        self._due = [0.0] * len(weights)
        self._random = random.Random(seed)  # noqa: S311 - not a secret: the same seed draws the same run

    def draw(self, units: int) -> list[int]:
        """Return the scenarios of a round, by their position, in the order of their arrival."""
        return self._shuffled(_apportioned(self._due, self.shares, units))

    def draw_favouring(self, scenario: int, units: int) -> list[int]:
        """Return a round of which one scenario gets most, and the others their share of the rest."""
        rest = 1 - self.shares[scenario]
        shares = [(1 - _FAVOURED) * share / rest if rest else 0.0 for share in self.shares]
        shares[scenario] = _FAVOURED if rest else 1.0
        return self._shuffled(_apportioned([0.0] * len(shares), shares, units))

    def _shuffled(self, counts: Sequence[int]) -> list[int]:
        drawn = [scenario for scenario, count in enumerate(counts) for _ in range(count)]
        self._random.shuffle(drawn)
        return drawn


def _apportioned(due: list[float], shares: Sequence[float], units: int) -> list[int]:
    """Return how many units each gets, and carry what it is owed on to the next round.

    Args:
        due: What each is owed from before; is brought up to date.
        shares: The share of each.
        units: How many there are.
    """
    for at, share in enumerate(shares):
        due[at] += share * units
    counts = [max(0, int(owed)) for owed in due]
    while sum(counts) > units:
        counts[max(range(len(due)), key=lambda at: (counts[at] > 0, counts[at] - due[at], -at))] -= 1
    while sum(counts) < units:
        counts[max(range(len(due)), key=lambda at: (due[at] - counts[at], -at))] += 1
    for at, count in enumerate(counts):
        due[at] -= count
    return counts
