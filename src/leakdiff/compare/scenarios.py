"""Which scenario grows an owner: least squares of its gain by round on how often each scenario ran in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from leakdiff.model.soak import Growth

Matrix = Sequence[Sequence[float]]

_TINY = 1e-9  # of the largest, below which a pivot is none
_SMALL = 0.02  # share of the whole gain below which a scenario's part is none
# Standard errors between which the truth lies in 95 of 100 fits, by degrees of freedom: quantiles of Student's t.
_SURE = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
_OPEN = 0.2  # share of the whole gain that must be sure
_EXPLAINED = 0.8  # share of the gain that has to follow the scenarios
_DIFFER = "rounds of the same mix differ too much"


@attrs.frozen
class Fit:
    """Coefficients of a least-squares fit that are not negative.

    Attributes:
        rates: By column.
        errors: Standard errors, by column; infinite where the columns do not tell.
        explained: Share of the sum of squares that the fit explains.
        free: Degrees of freedom: rounds beyond the rates that were fitted, at least 1.
    """

    rates: tuple[float, ...]
    errors: tuple[float, ...]
    explained: float
    free: int

    @property
    def margins(self) -> tuple[float, ...]:
        """By how much each rate may be off, in 95 of 100 fits."""
        sure = _SURE[min(self.free, len(_SURE)) - 1]
        return tuple(sure * error for error in self.errors)


def fit(counts: Matrix, gains: Sequence[float]) -> Fit:
    """Fit gains by round to counts by round and column, without a constant.

    By normal equations and the active sets of Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23).

    Args:
        counts: For each round, how often each scenario ran.
        gains: For each round, what was gained.

    Returns:
        The fit, with what it leaves open.
    """
    width = len(counts[0])
    products = [[sum(row[i] * row[j] for row in counts) for j in range(width)] for i in range(width)]
    against = [sum(row[i] * gain for row, gain in zip(counts, gains, strict=True)) for i in range(width)]
    rates = _not_negative(products, against)
    left = [gain - sum(r * c for r, c in zip(rates, row, strict=True)) for row, gain in zip(counts, gains, strict=True)]
    squares, whole = sum(one * one for one in left), sum(gain * gain for gain in gains)
    free = max(1, len(gains) - sum(rate > 0 for rate in rates))
    variance = squares / free
    errors = tuple(math.sqrt(variance * spread) if spread < math.inf else math.inf for spread in _spreads(products))
    return Fit(tuple(rates), errors, 1 - squares / whole if whole else 1.0, free)


def _not_negative(products: Matrix, against: Sequence[float]) -> list[float]:
    width = len(against)
    rates, active = [0.0] * width, []
    least = _TINY * max(map(abs, against), default=0.0)
    for _ in range(3 * width + 3):
        slopes = [against[i] - sum(products[i][j] * rates[j] for j in range(width)) for i in range(width)]
        best = max((i for i in range(width) if i not in active), key=lambda i: slopes[i], default=None)
        if best is None or slopes[best] <= least:
            break
        active.append(best)
        rates = _shrunk(products, against, active, rates)
    return rates


def _shrunk(products: Matrix, against: Sequence[float], active: list[int], rates: list[float]) -> list[float]:
    """Solve for the active columns; go towards it only as far as nothing becomes negative, and drop what would."""
    while active:
        solved = solve([[products[i][j] for j in active] for i in active], [against[i] for i in active])
        if solved is None:  # a column that others make up
            del active[-1]
            continue
        if min(solved) > 0:
            found = [0.0] * len(rates)
            for i, value in zip(active, solved, strict=True):
                found[i] = value
            return found
        steps = [rates[i] / (rates[i] - x) for i, x in zip(active, solved, strict=True) if x <= 0 and rates[i] > x]
        step = min(steps, default=0.0)
        for i, value in zip(active, solved, strict=True):
            rates[i] += step * (value - rates[i])
        gone = min(range(len(active)), key=lambda at: (solved[at] > 0, rates[active[at]]))
        rates[active[gone]] = 0.0
        del active[gone]
    return [0.0] * len(rates)


def solve(matrix: Matrix, right: Sequence[float]) -> list[float] | None:
    """Solve a square system by elimination with row pivots; None where it is singular."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    scales = [max(map(abs, row[:size])) for row in rows]
    for at in range(size):
        pivot = max(range(at, size), key=lambda i: abs(rows[i][at]) / (scales[i] or 1.0))
        if abs(rows[pivot][at]) <= _TINY * (scales[pivot] or 1.0):
            return None
        rows[at], rows[pivot] = rows[pivot], rows[at]
        scales[at], scales[pivot] = scales[pivot], scales[at]
        for i in range(at + 1, size):
            factor = rows[i][at] / rows[at][at]
            rows[i] = [value - factor * above for value, above in zip(rows[i], rows[at], strict=True)]
    found = [0.0] * size
    for at in range(size - 1, -1, -1):
        known = sum(rows[at][j] * found[j] for j in range(at + 1, size))
        found[at] = (rows[at][size] - known) / rows[at][at]
    return found


def _spreads(products: Matrix) -> list[float]:
    """Return the diagonal of the inverse; infinite where there is none."""
    width = len(products)
    found = []
    for i in range(width):
        column = solve(products, [float(i == j) for j in range(width)])
        found.append(max(0.0, column[i]) if column is not None else math.inf)
    return found


# -- what it says ----------------------------------------------------------------------------------


def growth_of(owner: str, fingerprint: str, counted: str, counts: Matrix, gains: Sequence[float]) -> Growth:
    """Say how much an owner grows for each unit of each scenario.

    Args:
        owner: What grows.
        fingerprint: Of its finding.
        counted: What the gains count: ``entries``, ``blocks`` or ``bytes``.
        counts: For each round, how often each scenario ran.
        gains: For each round, what was gained.

    Returns:
        The rates, or why they are not known.
    """
    if not gains:
        return Growth(owner, fingerprint, counted, why_not="no round was run to tell")
    if sum(gains) <= 0:
        return Growth(owner, fingerprint, counted, why_not="it did not grow in the rounds that were to tell")
    found = fit(counts, gains)
    if found.explained < _EXPLAINED:
        return Growth(owner, fingerprint, counted, why_not="the same mix made it grow by different amounts")
    whole = sum(gains)
    ran = [sum(row[i] for row in counts) for i in range(len(counts[0]))]
    if alike := _alike(counts):
        return Growth(owner, fingerprint, counted, unclear=alike, why_not="they came together in every round")
    unclear = _unclear(found, ran, whole)
    rates = tuple(
        rate if i not in unclear and rate > found.margins[i] and rate * ran[i] >= _SMALL * whole else 0.0
        for i, rate in enumerate(found.rates)
    )
    return Growth(owner, fingerprint, counted, rates=rates, unclear=unclear, why_not=_DIFFER if unclear else "")


def _alike(counts: Matrix) -> tuple[int, ...]:
    """Return the scenarios that came in the same proportion in every round."""
    columns = list(zip(*counts, strict=True))
    width = range(len(columns))
    return tuple(i for i in width if any(i != j and _same_way(columns[i], columns[j]) for j in width))


def _unclear(found: Fit, ran: Sequence[float], whole: float) -> tuple[int, ...]:
    """Return the scenarios whose part of the growth the rounds leave open, or that are neither guilty nor innocent."""
    return tuple(
        i
        for i, (rate, margin, error, often) in enumerate(
            zip(found.rates, found.margins, found.errors, ran, strict=True)
        )
        if often == 0 or margin * often >= _OPEN * whole or (rate <= margin and error * often >= _SMALL * whole)
    )


def _same_way(one: Sequence[float], other: Sequence[float]) -> bool:
    """Tell whether two scenarios came in the same proportion in every round."""
    common = sum(a * b for a, b in zip(one, other, strict=True))
    squares = sum(a * a for a in one) * sum(b * b for b in other)
    return squares > 0 and common * common > (1 - _TINY) * squares
