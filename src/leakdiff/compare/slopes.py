"""Slopes that outliers do not move: Theil-Sen and Mann-Kendall over the lives of several processes."""

from __future__ import annotations

import itertools
import math
import statistics
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import attrs

from leakdiff.model.trend import Slope

_Z = statistics.NormalDist().inv_cdf(0.975)
_SMALL = 10  # mean readings of a life up to which the exact distribution is used, and no autocorrelation is seen
_MOST_PAIRS_EXACT = 400
_MOST_ALIKE = 0.97  # autocorrelation above which the formulas no longer hold


@attrs.frozen
class Run:
    """Readings of one life of a process, in time order.

    Attributes:
        x: What growth is counted over: hours, or units of work.
        y: The readings.
        slots: Number of the interval of a common clock that each reading fell in.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    slots: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.x)

    def only(self, places: Sequence[int]) -> Run:
        """Return the readings at these places."""
        x, y = (tuple(column[at] for at in places) for column in (self.x, self.y))
        return Run(x, y, tuple(self.slots[at] for at in places))


@attrs.frozen
class Estimate:
    """A slope, and how likely it is an accident.

    Attributes:
        slope: Theil-Sen slope with its 95 % interval.
        significance: Two-sided probability of the Mann-Kendall test.
        pairs: How many pairs of readings it rests on.
    """

    slope: Slope
    significance: float
    pairs: int


def theil_sen(runs: Sequence[Run], *, day: int = 0, spread: float = 1.0) -> Estimate | None:
    """Estimate one slope for several lives; only readings of the same life are compared.

    The slope is the median over all pairs within lives (Sen 1968, J. Am. Stat. Assoc. 63:1379; over several places
    as in Helsel and Frans 2006, Environ. Sci. Technol. 40:4066), its interval the pairs at the ranks
    ``(N -+ 1.96 sigma) / 2`` (Gilbert 1987, Statistical Methods for Environmental Pollution Monitoring, 16.5). The
    Mann-Kendall statistics of the lives add up, and so do their variances (Hirsch, Slack and Smith 1982, Water
    Resour. Res. 18:107), each corrected for ties, autocorrelation and what the lives have in common.

    Args:
        runs: The lives.
        day: Slots in a day: compare readings of the same time of day only, which leaves out a daily cycle.
            0 compares all.
        spread: By how much more than seen the variance is known to be, such as for a covariate that was regressed out.

    Returns:
        The estimate, or None where no two readings can be compared.
    """
    slopes = sorted(itertools.chain.from_iterable(pair_slopes(run, day=day) for run in runs))
    if not slopes:
        return None
    middle = statistics.median(slopes)
    score = _signs(slopes)
    plain = sum(_variance(run, day) for run in runs)
    variance = plain * spread * _inflation(runs, middle, day)
    significance = _exact(runs, score) if _is_small(runs, day, spread) else None
    if significance is None:
        significance = _normal(score, variance)
    low, high = _ranks(len(slopes), variance)
    return Estimate(Slope(value=middle, low=slopes[low], high=slopes[high]), significance, len(slopes))


def pair_slopes(run: Run, *, day: int = 0) -> list[float]:
    """Return the slope between every two readings, or between every two of the same time of day."""
    if day:
        return [slope for season in _seasons(run, day) for slope in pair_slopes(season)]
    x, y = run.x, run.y
    return [
        (later - sooner) / (end - start)
        for at, (start, sooner) in enumerate(zip(x, y, strict=True))
        for end, later in zip(x[at + 1 :], y[at + 1 :], strict=True)
        if end != start
    ]


def kendall_variance(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the variance of the Mann-Kendall statistic of independent readings.

    Corrected for ties on both sides (Kendall 1975, Rank Correlation Methods, 4th edition).
    """
    n = len(x)
    if n < 2:
        return 0.0
    ties_x, ties_y = _ties(x), _ties(y)
    variance = n * (n - 1) * (2 * n + 5) / 18
    variance -= sum(tied * (tied - 1) * (2 * tied + 5) for tied in ties_x + ties_y) / 18
    variance += _falling(ties_x, 2) * _falling(ties_y, 2) / (2 * n * (n - 1))
    if n > 2:
        variance += _falling(ties_x, 3) * _falling(ties_y, 3) / (9 * n * (n - 1) * (n - 2))
    return variance


def exact_significance(lengths: Iterable[int], score: int) -> float:
    """Return the two-sided probability of a Mann-Kendall statistic over several short lives without ties.

    The number of falling pairs of ``n`` readings in random order has the generating function
    ``prod (1 + q + ... + q^i), i < n`` (Kendall 1938, Biometrika 30:81); over lives these multiply.
    """
    ways = [1]
    for length in lengths:
        for terms in range(2, length + 1):
            ways = _times_ones(ways, terms)
    pairs = len(ways) - 1
    extreme = (pairs - abs(score)) // 2  # the fewest falling, or rising, pairs
    return min(1.0, 2 * sum(ways[: extreme + 1]) / sum(ways))


def autocorrelation(runs: Sequence[Sequence[float]]) -> float:
    """Return the lag-1 autocorrelation of residuals around a line, over several lives together.

    What a short series makes too small is added back: ``(2 + 4 rho) / n``, the bias of least squares around a fitted
    line (van Giersbergen 2005, Economics Letters 89:75). Never below 0.
    """
    runs = [run for run in runs if len(run) > 2]
    squares = sum(value * value for run in runs for value in run)
    if not runs or squares <= 0:
        return 0.0
    products = sum(sooner * later for run in runs for sooner, later in itertools.pairwise(run))
    length = statistics.fmean(map(len, runs))
    seen = products / squares * length / (length - 1)
    if length <= _SMALL:
        return 0.0
    return min(_MOST_ALIKE, max(0.0, (seen * length + 2) / (length - 4)))


def hamed_rao(length: int, alike: float) -> float:
    """Return by how much autocorrelation inflates the variance of the Mann-Kendall statistic.

    Hamed and Rao 1998 (J. Hydrol. 204:182), for a first-order autoregressive process, with the correlation of ranks
    ``6/pi asin(rho/2)``.
    """
    if length < 4 or alike <= 0:
        return 1.0
    total, power = 0.0, 1.0
    for lag in range(1, length - 2):
        power *= alike
        total += (length - lag) * (length - lag - 1) * (length - lag - 2) * 6 / math.pi * math.asin(power / 2)
        if power < 1e-4:
            break
    return 1 + 2 * total / (length * (length - 1) * (length - 2))


def design_effect(residuals: Iterable[tuple[int, float]]) -> float:
    """Return how much less several lives tell than independent ones, from residuals by slot.

    The square of a slot's sum over the sum of its squares (the design effect of Kish 1965, Survey Sampling, with the
    slots as clusters): 1 for independent lives, their number for identical ones.
    """
    by_slot: dict[int, list[float]] = defaultdict(list)
    for slot, value in residuals:
        by_slot[slot].append(value)
    shared = [values for values in by_slot.values() if len(values) > 1]
    squares = sum(value * value for values in shared for value in values)
    return max(1.0, sum(sum(values) ** 2 for values in shared) / squares) if squares > 0 else 1.0


def residuals(run: Run, slope: float) -> list[float]:
    """Return what a line of this slope leaves, around its median."""
    left = [y - slope * x for x, y in zip(run.x, run.y, strict=True)]
    middle = statistics.median(left) if left else 0.0
    return [value - middle for value in left]


def noise_around(runs: Sequence[Run], slope: float, *, day: int = 0) -> float:
    """Return the standard deviation of what a slope leaves; with ``day``, of what also the time of day leaves."""
    if day:
        return deviation([gain for run in runs for _, gain in _daily_gains(run, slope, day)]) / math.sqrt(2)
    return deviation([left for run in runs for left in residuals(run, slope)])


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of normal noise with this median absolute value (1.4826 MAD)."""
    return 1.4826 * statistics.median(map(abs, values)) if values else 0.0


# -- seasons ---------------------------------------------------------------------------------------


def _seasons(run: Run, day: int) -> list[Run]:
    """Split a life by time of day."""
    places: dict[int, list[int]] = defaultdict(list)
    for at, slot in enumerate(run.slots):
        places[slot % day].append(at)
    return [run.only(found) for found in places.values() if len(found) > 1]


def _daily_gains(run: Run, slope: float, day: int) -> list[tuple[int, float]]:
    """Return by slot how much more each reading gained since the same time of the day before than the slope says."""
    left = dict(zip(run.slots, residuals(run, slope), strict=True))
    gains = [(slot, left[slot] - left[slot - day]) for slot in run.slots if slot - day in left]
    middle = statistics.median(gain for _, gain in gains) if gains else 0.0
    return [(slot, gain - middle) for slot, gain in gains]


def _sign_inflation(length: int, alike: float) -> float:
    """Return how much neighbours that are alike inflate the variance of a sum of signs.

    Signs of two normal values correlated by ``rho`` correlate by ``2/pi asin(rho)`` (Sheppard 1899).
    """
    if length < 2 or alike <= 0:
        return 1.0
    together = sum((1 - lag / length) * 2 / math.pi * math.asin(alike**lag) for lag in range(1, length))
    return 1 + 2 * together


# -- variance and probability ----------------------------------------------------------------------


def _variance(run: Run, day: int) -> float:
    if day:
        return sum(kendall_variance(season.x, season.y) for season in _seasons(run, day))
    return kendall_variance(run.x, run.y)


def _inflation(runs: Sequence[Run], slope: float, day: int) -> float:
    """Return how much larger the variance is than that of independent readings of independent lives."""
    if day:
        left = [_daily_gains(run, slope, day) for run in runs]
    else:
        left = [list(zip(run.slots, residuals(run, slope), strict=True)) for run in runs]
    together = design_effect(itertools.chain.from_iterable(left))
    alike = autocorrelation([[value for _, value in values] for values in left])
    if day:
        return together * _sign_inflation(max(map(len, left), default=0), alike)
    weights = [kendall_variance(run.x, run.y) for run in runs]
    whole = sum(weight * hamed_rao(len(run), alike) for run, weight in zip(runs, weights, strict=True))
    return together * whole / sum(weights) if sum(weights) else together


def _is_small(runs: Sequence[Run], day: int, spread: float) -> bool:
    pairs = sum(len(run) * (len(run) - 1) // 2 for run in runs)
    return day == 0 and spread == 1.0 and pairs <= _MOST_PAIRS_EXACT and all(len(run) <= _SMALL for run in runs)


def _exact(runs: Sequence[Run], score: int) -> float | None:
    """Return the exact probability; None where ties forbid it."""
    if any(len(set(column)) < len(column) for run in runs for column in (run.x, run.y)):
        return None
    return exact_significance(map(len, runs), score)


def _normal(score: int, variance: float) -> float:
    """Return the two-sided probability by the normal distribution, with the correction for continuity."""
    if variance <= 0:
        return 1.0
    return math.erfc(max(0, abs(score) - 1) / math.sqrt(2 * variance))


def _signs(slopes: Sequence[float]) -> int:
    """Return how many more slopes of a sorted list rise than fall."""
    return len(slopes) - bisect_right(slopes, 0) - bisect_left(slopes, 0)


def _ranks(pairs: int, variance: float) -> tuple[int, int]:
    half = _Z * math.sqrt(max(0.0, variance))
    return max(round((pairs - half) / 2) - 1, 0), min(round((pairs + half) / 2), pairs - 1)


def _times_ones(ways: Sequence[int], terms: int) -> list[int]:
    """Multiply a polynomial by ``1 + q + ... + q^(terms - 1)``."""
    sums = [0, *itertools.accumulate(ways)]
    last = len(ways)
    return [sums[min(at + 1, last)] - sums[max(0, at + 1 - terms)] for at in range(last + terms - 1)]


def _ties(values: Sequence[float]) -> list[int]:
    return [count for count in Counter(values).values() if count > 1]


def _falling(ties: Iterable[int], factors: int) -> int:
    """Return the sum of ``t (t - 1) ...`` over the ties."""
    return sum(math.perm(tied, factors) for tied in ties)
