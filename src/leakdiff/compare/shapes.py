"""What the slope does not say: did it rise step by step, did it slow down, does traffic explain it."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Sequence

from leakdiff.compare.lives import Bins
from leakdiff.compare.slopes import Estimate, Run
from leakdiff.model.history import Steps
from leakdiff.model.trend import Shape

_STEP = 3.0  # hours between two levels that are compared
_NO_MORE = 1.05  # traffic up to which the later of two readings counts as not busier
SLOWED = 0.6  # late growth below this share of the early one is no steady growth
STOPPED = 0.2
_ALL_AT_ONCE, _ENOUGH_STEPS = 0.7, 5
_NOISY = 0.05  # noise above this share of the level
_LEAST = 0.005  # growth below this share of the level is none
_UNLIKELY = 0.05


def levels_of(bins: Bins, x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    """Return the levels of a life every few hours, as pairs of x and y."""
    found: dict[int, list[int]] = defaultdict(list)
    for at, age in enumerate(bins.ages):
        found[int((age - bins.ages[0]) / _STEP)].append(at)
    return [
        (statistics.fmean(x[at] for at in places), statistics.median(y[at] for at in places))
        for places in found.values()
    ]


def steps_of(lives: Sequence[Sequence[tuple[float, float]]]) -> Steps:
    """Return what the steps between the levels of several lives tell together."""
    steps = [
        [(end - start, later - sooner) for (start, sooner), (end, later) in itertools.pairwise(levels)]
        for levels in lives
    ]
    steps = [[(wide, gain) for wide, gain in life if wide > 0] for life in steps]
    rates = sorted(gain / wide for life in steps for wide, gain in life)
    if not rates:
        return Steps()
    middle = statistics.median(rates)
    return Steps(
        of=len(rates),
        rose=sum(rate > 0 for rate in rates),
        late=_late_share([life for life in steps if len(life) > 1]),
        even=rates[len(rates) // 4] / middle if middle > 0 else 0.0,
        largest=statistics.median([_largest_share(life) for life in steps if len(life) >= _ENOUGH_STEPS] or [0.0]),
        fell=statistics.median([_deepest_fall(life) for life in steps if sum(gain for _, gain in life) > 0] or [0.0]),
    )


def _late_share(lives: Sequence[Sequence[tuple[float, float]]]) -> float | None:
    early = [step for life in lives for step in life[: max(1, len(life) // 3)]]
    late = [step for life in lives for step in life[-max(1, len(life) // 3) :]]
    if sum(gain for _, gain in early) <= 0:
        return None
    return _rate(late) / _rate(early)


def _rate(steps: Sequence[tuple[float, float]]) -> float:
    return sum(gain for _, gain in steps) / sum(wide for wide, _ in steps)


def _largest_share(steps: Sequence[tuple[float, float]]) -> float:
    gains = [max(0.0, gain) for _, gain in steps]
    return max(gains) / sum(gains) if sum(gains) > 0 else 0.0


def _deepest_fall(steps: Sequence[tuple[float, float]]) -> float:
    gains = [gain for _, gain in steps]
    return max(0.0, -min(gains)) / sum(gains)


def pairs_alike(bins: Bins, y: Sequence[float], day: int) -> tuple[int, int]:
    """Count the pairs of readings that traffic cannot explain, and those of them that rose.

    Args:
        bins: A life.
        y: Its readings.
        day: Slots in a day, where traffic is not known; the pairs are of the same time of day then.
    """
    pairs = rose = 0
    for sooner, later in itertools.combinations(range(len(bins)), 2):
        if bins.rates is not None:
            alike = bins.rates[later] <= _NO_MORE * bins.rates[sooner]
        else:
            alike = (bins.slots[later] - bins.slots[sooner]) % day == 0
        pairs += alike
        rose += alike and y[later] > y[sooner]
    return pairs, rose


def shape_of(
    estimate: Estimate, steps: Steps, *, runs: Sequence[Run], noise: float, level: float, warmed: float
) -> Shape:
    """Name how a series goes.

    Args:
        estimate: Its slope.
        steps: Its steps.
        runs: Its lives, in the x of the slope.
        noise: Standard deviation of what the slope leaves.
        level: Its median.
        warmed: What it gained before its growth settled, as a share of the level.
    """
    wide = max(run.x[-1] - run.x[0] for run in runs)
    gain = estimate.slope.value * wide
    if estimate.significance <= _UNLIKELY and estimate.slope.low > 0 and gain > _LEAST * abs(level):
        return _rising(steps)
    if warmed > _LEAST:
        return Shape.PLATEAU
    if _falls_back(runs, noise, level):
        return Shape.SAWTOOTH
    return Shape.NOISY if noise > _NOISY * abs(level) else Shape.FLAT


def _rising(steps: Steps) -> Shape:
    if steps.largest > _ALL_AT_ONCE:
        return Shape.STEP
    return Shape.PLATEAU if steps.late is not None and steps.late < STOPPED else Shape.LINEAR


def _falls_back(runs: Sequence[Run], noise: float, level: float) -> bool:
    """Tell whether it drops by most of its range, more than once a life on the whole."""
    drops = 0
    for run in runs:
        reach = max(run.y) - min(run.y)
        if reach > max(_NOISY * abs(level), 2 * noise):
            drops += sum(sooner - later > 0.5 * reach for sooner, later in itertools.pairwise(run.y))
    return drops > len(runs)
