"""How one series goes: leave out the warm-up and what follows traffic, then find its slope and shape."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import attrs

from leakdiff.compare.lives import DAY, Bins, Life, Traffic, Who, bins_of, width_for
from leakdiff.compare.shapes import levels_of, pairs_alike, shape_of, steps_of
from leakdiff.compare.slopes import Estimate, Run, deviation, residuals, theil_sen
from leakdiff.model.history import Course
from leakdiff.model.trend import SeriesTrend, Slope

_SETTLES = (1.0, 2.0, 4.0, 8.0, 16.0)  # ages in hours at which a slow warm-up may be over
_FASTER = 1.5  # early growth above this many times the later one is warm-up
_OWN_SLOPE = 6.0  # hours from which on a life is asked for a slope of its own
_PARTS = ((0.0, 0.5), (0.5, 1.0), (2 / 3, 1.0))  # first half, latest half, latest third
_MOST_SPREAD = 20.0
_LEAST_READINGS = 8  # beyond one for each life, to tell what follows traffic
_STEADY_TRAFFIC = 0.01  # spread of traffic below which nothing can be seen to follow it


@attrs.frozen(eq=False)
class Fit:
    """Readings made ready for a slope.

    Attributes:
        bins: The lives.
        runs: The same with x in hours or units, and what follows traffic taken out of y.
        by_units: Whether x is units.
        spread: By how much taking it out widens the variance of the slope.
        day: Slots in a day if only readings of the same time of day can be compared, else 0.
    """

    bins: Sequence[Bins]
    runs: Sequence[Run]
    by_units: bool = False
    spread: float = 1.0
    day: int = 0

    def part(self, start: float = 0.0, end: float = 1.0) -> Estimate | None:
        """Return the slope between two shares of each life, or over all of it."""
        cut = [_between(run, start, end, self.day) for run in self.runs]
        return theil_sen([run for run in cut if len(run) > 1], day=self.day, spread=self.spread)


@attrs.frozen(eq=False)
class Measured:
    """A course, and the fits it was read from.

    Attributes:
        course: How the series goes.
        whole: From half an hour after each start on.
        settled: From where its growth is steady on.
    """

    course: Course
    whole: Fit
    settled: Fit


def measure_course(
    name: str, what: str, lives: Sequence[Life], traffic: Mapping[Who, Traffic], *, units_per_hour: float | None
) -> Measured | None:
    """Measure how one series of one version goes.

    Args:
        name: What the series is called.
        what: What its values are.
        lives: Its readings.
        traffic: Units of work by process.
        units_per_hour: What a process does on the average of a day; None where units are not counted.

    Returns:
        The course, or None where no two readings can be compared.
    """
    width = width_for(lives)
    thinned = [bins for life in lives if len(bins := bins_of(life, width, traffic)) > 1]
    if not thinned:
        return None
    is_counted = units_per_hour is not None and all(bins.rates is not None for bins in thinned)
    whole = _fit_of(thinned, 0 if is_counted else round(DAY / width))
    settled = _settled(whole)
    estimate = settled.part()
    if estimate is None:
        return None
    scale = units_per_hour if settled.by_units and units_per_hour is not None else 1.0
    course = _course(whole, settled, estimate, scale)
    points = sum(len(life.times) for life in lives)
    trend = attrs.evolve(course.trend, name=name, what=what, points=points)
    return Measured(attrs.evolve(course, trend=trend), whole, settled)


def _course(whole: Fit, fit: Fit, estimate: Estimate, scale: float) -> Course:
    both = list(zip(fit.bins, fit.runs, strict=True))
    noise = deviation([left for run in fit.runs for left in residuals(run, estimate.slope.value)])
    level = statistics.median(value for run in fit.runs for value in run.y)
    steps = steps_of([levels_of(bins, run.x, run.y) for bins, run in both])
    alike = [pairs_alike(bins, run.y, fit.day) for bins, run in both]
    own = [theil_sen([run], day=fit.day) for bins, run in both if bins.ages[-1] - bins.ages[0] >= _OWN_SLOPE]
    parts = [_times(part.slope, scale) if (part := fit.part(*shares)) else None for shares in _PARTS]
    shape = shape_of(estimate, steps, runs=fit.runs, noise=noise, level=level, warmed=_warmed(whole, fit))
    trend = SeriesTrend(
        name="",
        what="",
        shape=shape,
        per_hour=_times(estimate.slope, scale),
        per_unit=estimate.slope if fit.by_units else None,
        significance=estimate.significance,
        hours=sum(bins.ages[-1] - bins.ages[0] for bins in whole.bins),
        baseline=statistics.median(statistics.median(bins.values[:3]) for bins in whole.bins),
        last=statistics.median(statistics.median(bins.values[-3:]) for bins in whole.bins),
    )
    return Course(
        trend=trend,
        steps=steps,
        early=parts[0],
        late=parts[1],
        latest=parts[2],
        span=max(bins.ages[-1] - bins.ages[0] for bins in fit.bins),
        alike=sum(pairs for pairs, _ in alike),
        alike_rose=sum(rose for _, rose in alike),
        lives=len(own) - own.count(None),
        rising=sum(found is not None and found.slope.value > 0 for found in own),
        noise=noise,
    )


def _times(slope: Slope, scale: float) -> Slope:
    return Slope(value=slope.value * scale, low=slope.low * scale, high=slope.high * scale)


def _warmed(whole: Fit, fit: Fit) -> float:
    """Return what was gained before growth settled, as a share of the level."""
    starts = [statistics.median(run.y[:3]) for run in whole.runs]
    settled = [statistics.median(run.y[:3]) for run in fit.runs]
    level = statistics.median(settled)
    return (level - statistics.median(starts)) / abs(level) if level and fit is not whole else 0.0


# -- warm-up ---------------------------------------------------------------------------------------


def _settled(whole: Fit) -> Fit:
    """Return the readings from where growth no longer slows down, or a third of the longest life, on."""
    fit = whole
    longest = max(bins.ages[-1] - bins.ages[0] for bins in whole.bins)
    for age in _SETTLES:
        if age > longest / 3 or not _slows_down(fit):
            break
        later = [left for bins in whole.bins if len(left := bins.since(age)) > 1]
        if not later:
            break
        fit = _fit_of(later, whole.day)
    return fit


def _slows_down(fit: Fit) -> bool:
    """Tell whether the first quarter of the lives grew clearly faster than the rest."""
    early = fit.part(0.0, 0.25)
    if early is None or early.slope.low <= 0:
        return False
    rest = fit.part(0.25, 1.0)
    return rest is not None and early.slope.value > _FASTER * rest.slope.value and early.slope.low > rest.slope.high


def _between(run: Run, start: float, end: float, lap: int) -> Run:
    """Cut a run to a share of its time; with ``lap``, of the time in which a day can begin."""
    if (start, end) == (0.0, 1.0) or not run.slots:
        return run
    span = run.slots[-1] - run.slots[0] - lap
    low, high = run.slots[0] + start * span, run.slots[0] + end * span + lap
    return run.only([at for at, slot in enumerate(run.slots) if span > 0 and low <= slot <= high])


# -- traffic ---------------------------------------------------------------------------------------


def _fit_of(lives: Sequence[Bins], day: int) -> Fit:
    """Choose what growth is counted over, hours or units, and take out of the readings what follows traffic.

    Readings are explained by a line and by the traffic of the moment at once, by least squares with a constant for
    each life; only the part of the traffic is taken out then. That it was guessed together with the slope widens
    the slope's variance by ``1 / (1 - r^2)``, r the correlation of x and traffic (variance inflation factor,
    Marquardt 1970, Technometrics 12:591).
    """
    if day:
        return Fit(lives, [Run(tuple(bins.ages), tuple(bins.values), tuple(bins.slots)) for bins in lives], day=day)
    by_hours = _explained(lives, [bins.ages for bins in lives])
    by_units = _explained(lives, [bins.units or () for bins in lives])
    best = by_units if by_units.left <= by_hours.left else by_hours
    middle = statistics.fmean(rate for bins in lives for rate in bins.rates or ())
    runs = [
        Run(
            tuple(x),
            tuple(y - best.follows * (rate - middle) for y, rate in zip(bins.values, bins.rates or (), strict=True)),
            tuple(bins.slots),
        )
        for bins, x in zip(lives, best.x, strict=True)
    ]
    return Fit(lives, runs, best is by_units, best.spread)


@attrs.frozen(eq=False)
class _Explained:
    """Readings explained by a line over x and by traffic.

    Attributes:
        x: What the line is over.
        follows: What a unit per hour of traffic adds.
        left: Sum of squares that stays unexplained.
        spread: Variance inflation of the slope.
    """

    x: Sequence[Sequence[float]]
    follows: float
    left: float
    spread: float


def _explained(lives: Sequence[Bins], columns: Sequence[Sequence[float]]) -> _Explained:
    xx = xr = rr = xy = ry = yy = 0.0
    level = 0.0
    for bins, column in zip(lives, columns, strict=True):
        rates = bins.rates or ()
        x, r, y = _centred(column), _centred(rates), _centred(bins.values)
        xx, xr, rr = xx + _dot(x, x), xr + _dot(x, r), rr + _dot(r, r)
        xy, ry, yy = xy + _dot(x, y), ry + _dot(r, y), yy + _dot(y, y)
        level += sum(rate * rate for rate in rates)
    free = sum(map(len, lives)) - len(lives)
    alone = yy - xy * xy / xx if xx > 0 else yy
    apart = xx * rr - xr * xr
    if free < _LEAST_READINGS or rr <= _STEADY_TRAFFIC**2 * level or apart * _MOST_SPREAD < xx * rr:
        return _Explained(columns, 0.0, alone, 1.0)
    follows, slope = (xx * ry - xr * xy) / apart, (rr * xy - xr * ry) / apart
    return _Explained(columns, follows, yy - slope * xy - follows * ry, xx * rr / apart)


def _centred(values: Sequence[float]) -> list[float]:
    middle = statistics.fmean(values)
    return [value - middle for value in values]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
