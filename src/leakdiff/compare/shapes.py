"""What the slope does not say: did it rise step by step, did it slow down, does traffic explain it."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Sequence

from leakdiff.compare.lives import Bins
from leakdiff.compare.slopes import Estimate, Run
from leakdiff.model.history import Steps
from leakdiff.model.series import Shape

_STEP = 3.0  # hours between two levels that are compared
_NO_MORE = 1.05  # traffic up to which the later of two readings counts as not busier
_STOPPED = 0.2  # share of its early rate below which it no longer grows
_ALL_AT_ONCE, _ENOUGH_STEPS, _STAYED_UP = 0.7, 5, 0.2
_MOSTLY = 0.6
_NOISY = 0.05  # noise above this share of the level
_LEAST = 0.005  # growth below this share of the level is none
_UNLIKELY = 0.05

Level = tuple[float, float, float]  # x, hours since the start, and the reading


def levels_of(bins: Bins, x: Sequence[float], y: Sequence[float]) -> list[Level]:
    """Return the levels of a life every few hours; what has only begun at the end is no level yet."""
    found: dict[int, list[int]] = defaultdict(list)
    for at, age in enumerate(bins.ages):
        found[int((age - bins.ages[0]) / _STEP)].append(at)
    latest = max(found, default=0)
    if 2 * len(found[latest]) < max(map(len, found.values())):
        del found[latest]
    return [
        (
            statistics.fmean(x[at] for at in places),
            statistics.fmean(bins.ages[at] for at in places),
            statistics.median(y[at] for at in places),
        )
        for places in found.values()
    ]


def steps_of(lives: Sequence[Sequence[Level]]) -> Steps:
    """Return what the steps between the levels of several lives tell together."""
    steps = [[_step(sooner, later) for sooner, later in itertools.pairwise(levels)] for levels in lives]
    steps = [[step for step in life if step[0] > 0] for life in steps]
    rates = sorted(gain / wide for life in steps for wide, _, gain in life)
    if not rates:
        return Steps()
    middle = statistics.median(rates)
    several = [life for life in steps if len(life) > 1]
    gains = [[gain for _, _, gain in life] for life in steps]
    return Steps(
        of=len(rates),
        rose=sum(rate > 0 for rate in rates),
        late=_late_share([[(wide, gain) for wide, _, gain in life] for life in several]),
        late_by_hours=_late_share([[(hours, gain) for _, hours, gain in life] for life in several]),
        even=rates[len(rates) // 4] / middle if middle > 0 else 0.0,
        largest=statistics.median([_largest_share(life) for life in gains if len(life) >= _ENOUGH_STEPS] or [0.0]),
        fell=statistics.median([_deepest_fall(life) for life in gains if sum(life) > 0] or [0.0]),
    )


def _step(sooner: Level, later: Level) -> Level:
    return later[0] - sooner[0], later[1] - sooner[1], later[2] - sooner[2]


def _late_share(lives: Sequence[Sequence[tuple[float, float]]]) -> float | None:
    early = [step for life in lives for step in life[: max(1, len(life) // 3)]]
    late = [step for life in lives for step in life[-max(1, len(life) // 3) :]]
    if sum(gain for _, gain in early) <= 0:
        return None
    return _rate(late) / _rate(early)


def _rate(steps: Sequence[tuple[float, float]]) -> float:
    return sum(gain for _, gain in steps) / sum(wide for wide, _ in steps)


def _largest_share(gains: Sequence[float]) -> float:
    risen = [max(0.0, gain) for gain in gains]
    return max(risen) / sum(risen) if sum(risen) > 0 else 0.0


def _deepest_fall(gains: Sequence[float]) -> float:
    return max(0.0, -min(gains)) / sum(gains)


def pairs_alike(bins: Bins, y: Sequence[float], day: int) -> tuple[int, int]:
    """Count the pairs of readings that traffic cannot explain, and those of them that rose.

    Args:
        bins: A life.
        y: Its readings.
        day: Slots in a day, where traffic is not known; the pairs are of the same time of day then. 0 where they
            cannot be.
    """
    pairs = rose = 0
    if bins.rates is None and day == 0:
        return 0, 0
    for sooner, later in itertools.combinations(range(len(bins)), 2):
        if bins.rates is not None:
            alike = bins.rates[later] <= _NO_MORE * bins.rates[sooner]
        else:
            alike = (bins.slots[later] - bins.slots[sooner]) % day == 0
        pairs += alike
        rose += alike and y[later] > y[sooner]
    return pairs, rose


def times_traffic(bins: Bins) -> float:
    """Return by how many times more a life grew from its first to its last reading than its traffic did."""
    if bins.rates is None or bins.rates[0] <= 0:
        return 0.0
    grew = bins.values[-1] / max(1.0, bins.values[0])
    return grew / max(1.0, bins.rates[-1] / bins.rates[0])


def shape_of(estimate: Estimate, steps: Steps, runs: Sequence[Run], *, noise: float, warmed: float) -> Shape:
    """Name how a series goes.

    Args:
        estimate: Its slope.
        steps: Its steps.
        runs: Its lives, in the x of the slope.
        noise: Standard deviation of what the slope leaves.
        warmed: What it gained before its growth settled, as a share of its level.
    """
    level = abs(statistics.median(value for run in runs for value in run.y))
    wide = max(run.x[-1] - run.x[0] for run in runs)
    if steps.largest > _ALL_AT_ONCE and steps.fell < _STAYED_UP and _gain(runs) > _LEAST * level:
        return Shape.STEP
    if estimate.significance <= _UNLIKELY and estimate.slope.low > 0 and estimate.slope.value * wide > _LEAST * level:
        return Shape.PLATEAU if steps.late is not None and steps.late < _STOPPED else Shape.LINEAR
    if warmed > _LEAST:
        return Shape.PLATEAU
    if _falls_back(runs, noise, level):
        return Shape.SAWTOOTH
    return Shape.NOISY if noise > _NOISY * level else Shape.FLAT


def _gain(runs: Sequence[Run]) -> float:
    return statistics.median(statistics.median(run.y[-3:]) - statistics.median(run.y[:3]) for run in runs)


def _falls_back(runs: Sequence[Run], noise: float, level: float) -> bool:
    """Tell whether it rises most of the time and drops by most of its range, more than once a life on the whole."""
    drops = rises = steps = 0
    for run in runs:
        gains = [later - sooner for sooner, later in itertools.pairwise(run.y)]
        reach = max(run.y) - min(run.y)
        steps += len(gains)
        rises += sum(gain > 0 for gain in gains)
        drops += sum(-gain > reach / 2 for gain in gains) if reach > max(_NOISY * level, 2 * noise) else 0
    return drops > len(runs) and rises > _MOSTLY * steps
