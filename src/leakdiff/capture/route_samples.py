"""What the measured requests of a route did, as medians that one large request does not move."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from leakdiff.model.routes import LEAST_MEASURED

_MOST_KEPT = 51  # measured requests of a route, the latest ones: enough for a median and how sure it is


class Measured(Protocol):
    """What is asked of whatever measured a request; ``RequestMeter`` says what each is."""

    was_alone: bool
    has_steps: bool

    @property
    def highest(self) -> int:
        """The highest level, with what ran in between."""

    @property
    def highest_of_steps(self) -> int:
        """The highest level, of the steps alone."""

    @property
    def kept(self) -> int | None:
        """What is left."""

    @property
    def kept_of_steps(self) -> int | None:
        """What is left, of the steps alone."""


class RouteSample:
    """What the latest measured requests did, and the highest level of all of them."""

    __slots__ = ("_allocated", "_kept", "number", "peak")

    def __init__(self) -> None:
        self.number = self.peak = 0
        self._allocated, self._kept = deque[int](maxlen=_MOST_KEPT), deque[int](maxlen=_MOST_KEPT)

    def add(self, allocated: int, kept: int | None) -> None:
        """Note one; what it kept is None if a full collection ran."""
        self.number += 1
        if allocated > self.peak:  # noqa: PLR1730 - max is a call, and lets other threads in
            self.peak = allocated
        self._allocated.append(allocated)
        if kept is not None:
            self._kept.append(kept)

    @property
    def allocated(self) -> float | None:
        """The median of what they held at most."""
        return _median(tuple(self._allocated))

    @property
    def kept(self) -> float | None:
        """The median of what they left behind."""
        return _median(tuple(self._kept))

    @property
    def kept_between(self) -> tuple[float, float] | None:
        """Between what the true median of that lies."""
        return _between(tuple(self._kept))


def _median(values: Sequence[int]) -> float | None:
    return float(statistics.median(values)) if values else None


def _between(values: Sequence[int]) -> tuple[float, float] | None:
    """Return between what the true median lies in 95 of 100 cases, whatever the distribution.

    How many of n values lie below it is binomial (n, 1/2): the bounds are the values at n/2 less and more 1.96
    standard deviations, which are sqrt(n)/2 (Conover, Practical Nonparametric Statistics, 3.2).
    """
    if len(values) < LEAST_MEASURED:
        return None
    low = int(len(values) / 2 - 0.98 * math.sqrt(len(values)))
    ordered = sorted(values)
    return float(ordered[low]), float(ordered[-1 - low])
