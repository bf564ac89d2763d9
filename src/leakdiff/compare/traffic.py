"""The part of a series that follows the traffic of the moment: how large it is, and how surely that is known."""

from __future__ import annotations

import itertools
import math
import operator
import statistics
from collections.abc import Sequence

import attrs

from leakdiff.compare.lives import Bins

_PARTS = 3  # of a life, each with a slope of its own
_LEAST_IN_PART = 6
BENT = 1.6  # noise that resembles itself from reading to reading makes up to so much
_LEAST_FREE = 8  # readings beyond what the lines use up, to tell what follows traffic
_STEADY = 0.01  # spread of traffic, as a share of it, below which nothing can be seen to follow it


@attrs.frozen(eq=False)
class Response:
    """How a series answers to traffic.

    Attributes:
        follows: What it is higher by for each unit per hour; 0 where that cannot be told.
        told_by: Sum of squares of the traffic that tells it; infinite where nothing is taken out.
        middle: Mean units per hour.
        left: Variance that stays unexplained.
        bend: How many times more one line leaves unexplained than lines for the thirds of each life do; 1 is straight.
    """

    follows: float = 0.0
    told_by: float = math.inf
    middle: float = 0.0
    left: float = 0.0
    bend: float = 1.0

    def without(self, bins: Bins) -> list[float]:
        """Return readings as they would be at mean traffic."""
        if not self.follows:
            return list(bins.values)
        return [y - self.follows * (rate - self.middle) for y, rate in zip(bins.values, bins.rates or (), strict=True)]

    def spread(self, lives: Sequence[Bins], columns: Sequence[Sequence[float]]) -> float:
        """Return by how much taking it out widens the variance of a slope over x.

        An error of the response turns into one of the slope as far as traffic goes along with x:
        ``1 + Sxr^2 / (Sxx told_by)``; for one line over all it is the variance inflation factor ``1 / (1 - r^2)``.
        """
        if not self.follows:
            return 1.0
        both = [(centred(column), centred(bins.rates or ())) for bins, column in zip(lives, columns, strict=True)]
        wide = sum(dot(x, x) for x, _ in both)
        along = sum(dot(x, rates) for x, rates in both)
        return 1 + along * along / (wide * self.told_by) if wide > 0 else 1.0


def response_of(lives: Sequence[Bins], columns: Sequence[Sequence[float]]) -> Response:
    """Find how readings answer to traffic, by least squares, together with growth over x.

    Growth is one line for each life, as long as that leaves little more unexplained than a line for each third of
    it: growth that slows down or stops would count as traffic wherever the two happen to go together.

    Args:
        lives: The readings.
        columns: x of the lines: hours or units.
    """
    whole, bent = _answer(lives, columns, 1), _answer(lives, columns, _PARTS)
    if whole is None:
        return Response()
    if bent is None:
        return whole
    bend = whole.left / bent.left if bent.left > 0 else math.inf if whole.left > 0 else 1.0
    return attrs.evolve(bent if bend > BENT else whole, bend=bend)


def _answer(lives: Sequence[Bins], columns: Sequence[Sequence[float]], parts: int) -> Response | None:
    """Compare readings with traffic, both freed of a line over x in every part of every life.

    That gives what a regression on the lines and traffic together gives (Frisch and Waugh 1933, Econometrica 1:387).
    """
    squares = products = values_left = level = 0.0
    free = 0
    for bins, column in zip(lives, columns, strict=True):
        for start, end in _cut(len(bins), parts):
            x = centred(column[start:end])
            rates, values = (_off_line(x, centred(every[start:end])) for every in (bins.rates or (), bins.values))
            squares, products = squares + dot(rates, rates), products + dot(rates, values)
            values_left += dot(values, values)
            free += end - start - 2
        level += sum(rate * rate for rate in bins.rates or ())
    if free < _LEAST_FREE or squares <= _STEADY**2 * level:
        return None
    middle = statistics.fmean(rate for bins in lives for rate in bins.rates or ())
    left = (values_left - products * products / squares) / free
    return Response(products / squares, squares, middle, left)


def left_over(lives: Sequence[Bins], columns: Sequence[Sequence[float]], response: Response) -> float:
    """Return the sum of squares that traffic and one slope over x do not explain."""
    xx = xy = yy = 0.0
    for bins, column in zip(lives, columns, strict=True):
        x, y = centred(column), centred(response.without(bins))
        xx, xy, yy = xx + dot(x, x), xy + dot(x, y), yy + dot(y, y)
    return yy - xy * xy / xx if xx > 0 else yy


def centred(values: Sequence[float]) -> list[float]:
    """Return values around their mean."""
    middle = sum(values) / len(values)
    return [value - middle for value in values]


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the sum of products."""
    total: float = sum(map(operator.mul, one, other))
    return total


def _cut(length: int, parts: int) -> list[tuple[int, int]]:
    """Cut a life into parts of equal length; nothing of it where they would be too short."""
    if length < max(3, parts * _LEAST_IN_PART if parts > 1 else 0):
        return []
    return list(itertools.pairwise(length * part // parts for part in range(parts + 1)))


def _off_line(x: Sequence[float], y: Sequence[float]) -> list[float]:
    squares = dot(x, x)
    slope = dot(x, y) / squares if squares > 0 else 0.0
    return [value - slope * at for at, value in zip(x, y, strict=True)]
