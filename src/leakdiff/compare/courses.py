"""How one series goes: leave out the warm-up and what follows traffic, then find its slope and shape."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import attrs

from leakdiff.compare.lives import DAY, Bins, Life, Traffic, Who, bins_of, width_for
from leakdiff.compare.shapes import levels_of, pairs_alike, shape_of, steps_of, times_traffic
from leakdiff.compare.slopes import Estimate, Run, noise_around, pair_slopes, theil_sen
from leakdiff.compare.traffic import Response, left_over, response_of
from leakdiff.model.history import Course
from leakdiff.model.trend import SeriesTrend, Slope

_SETTLES = (1.0, 2.0, 4.0, 8.0, 16.0)  # ages in hours at which a slow warm-up may be over
_FASTER = 1.5  # early growth above this many times the later one is warm-up
_OWN_SLOPE = 6.0  # hours from which on a life is asked for a slope of its own
_NO_RESPONSE = Response()


@attrs.frozen(eq=False)
class Fit:
    """Readings made ready for a slope.

    Attributes:
        bins: The lives.
        runs: The same with x in hours or units, and what follows traffic taken out of y.
        by_units: Whether x is units.
        response: What follows traffic.
        spread: By how much taking it out widens the variance of the slope.
        day: Slots in a day if only readings of the same time of day can be compared, else 0.
    """

    bins: Sequence[Bins]
    runs: Sequence[Run]
    by_units: bool = False
    response: Response = _NO_RESPONSE
    spread: float = 1.0
    day: int = 0

    def estimate(self) -> Estimate | None:
        """Return the slope."""
        return theil_sen(self.runs, day=self.day, spread=self.spread)

    def part(self, start: float, end: float) -> Estimate | None:
        """Return the slope between two shares of each life."""
        cut = [_between(bins, start, end, self.day) for bins in self.bins]
        cut = [bins for bins in cut if len(bins) > 1]
        if not cut:
            return None
        part = _fit_of(cut, self.day) if self.day else _fit(cut, by_units=self.by_units, response=self.response)
        return part.estimate()


@attrs.frozen(kw_only=True)
class Subject:
    """A series to be measured.

    Attributes:
        name: What it is called.
        what: What its values are.
        is_total: Whether it is one of the process as a whole, such as memory, rather than an owner's.
    """

    name: str
    what: str
    is_total: bool = False


@attrs.frozen(eq=False)
class Measured:
    """A course, and the readings it was read from, from half an hour after each start on."""

    course: Course
    whole: Fit


def measure_course(
    subject: Subject, lives: Sequence[Life], traffic: Mapping[Who, Traffic], *, units_per_hour: float | None
) -> Measured | None:
    """Measure how one series of one version goes.

    Args:
        subject: Which.
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
    fit, estimate = _settled(whole)
    if estimate is None:  # less than a day: all that can be said is what the hours say
        whole = fit = _fit(thinned, by_units=False, response=_NO_RESPONSE)
        estimate = fit.estimate()
    if estimate is None:
        return None
    scale = units_per_hour if fit.by_units and units_per_hour is not None else 1.0
    course = _course(whole, fit, estimate, scale)
    told = _told_of_a_total(course, fit, scale) if subject.is_total else _told_of_an_owner(course, fit)
    points = sum(len(life.times) for life in lives)
    trend = attrs.evolve(told.trend, name=subject.name, what=subject.what, points=points)
    return Measured(attrs.evolve(told, trend=trend), whole)


def _course(whole: Fit, fit: Fit, estimate: Estimate, scale: float) -> Course:
    noise = noise_around(fit.runs, estimate.slope.value, day=fit.day)
    steps = steps_of([levels_of(bins, run.x, run.y) for bins, run in zip(fit.bins, fit.runs, strict=True)])
    trend = SeriesTrend(
        name="",
        what="",
        shape=shape_of(estimate, steps, fit.runs, noise=noise, warmed=_warmed(whole, fit)),
        per_hour=_times(estimate.slope, scale),
        per_unit=estimate.slope if fit.by_units else None,
        significance=estimate.significance,
        hours=sum(map(_span, whole.bins)),
        baseline=statistics.median(statistics.median(bins.values[:3]) for bins in whole.bins),
        last=statistics.median(statistics.median(bins.values[-3:]) for bins in whole.bins),
    )
    return Course(
        trend=trend,
        steps=steps,
        span=max(map(_span, fit.bins)),
        settled=max(0.0, min(bins.ages[0] for bins in fit.bins) - min(bins.ages[0] for bins in whole.bins)),
        noise=noise,
        bend=fit.response.bend,
    )


def _told_of_a_total(course: Course, fit: Fit, scale: float) -> Course:
    """Add what is asked of totals only: does it go on in the latest half, and does every life rise."""
    early, late = fit.part(0.0, 0.5), fit.part(0.5, 1.0)
    long = [run for bins, run in zip(fit.bins, fit.runs, strict=True) if _span(bins) >= _OWN_SLOPE]
    own = [statistics.median(slopes) for run in long if (slopes := pair_slopes(run, day=fit.day))]
    return attrs.evolve(
        course,
        early=_times(early.slope, scale) if early is not None else None,
        late=_times(late.slope, scale) if late is not None else None,
        lives=len(own),
        rising=sum(slope > 0 for slope in own),
    )


def _told_of_an_owner(course: Course, fit: Fit) -> Course:
    """Add what is asked of owners only: does traffic explain it."""
    both = list(zip(fit.bins, fit.runs, strict=True))
    alike = [pairs_alike(bins, run.y, fit.day) for bins, run in both]
    return attrs.evolve(
        course,
        plain=steps_of([levels_of(bins, run.x, bins.values) for bins, run in both]),
        alike=sum(pairs for pairs, _ in alike),
        alike_rose=sum(rose for _, rose in alike),
        outgrew=statistics.median(map(times_traffic, fit.bins)),
    )


def _span(bins: Bins) -> float:
    return bins.ages[-1] - bins.ages[0]


def _times(slope: Slope, scale: float) -> Slope:
    return Slope(value=slope.value * scale, low=slope.low * scale, high=slope.high * scale)


def _warmed(whole: Fit, fit: Fit) -> float:
    """Return what was gained before growth settled, as a share of the level."""
    starts = [statistics.median(run.y[:3]) for run in whole.runs]
    settled = [statistics.median(run.y[:3]) for run in fit.runs]
    level = statistics.median(settled)
    return (level - statistics.median(starts)) / abs(level) if level and fit is not whole else 0.0


# -- warm-up ---------------------------------------------------------------------------------------


def _settled(whole: Fit) -> tuple[Fit, Estimate | None]:
    """Return the readings from where growth no longer slows down, or a third of the longest life, on; and the slope."""
    fit, estimate = whole, whole.estimate()
    longest = max(map(_span, whole.bins))
    for age in _SETTLES:
        if age > longest / 3 or estimate is None or not _slows_down(fit, estimate):
            break
        later = [left for bins in whole.bins if len(left := _since(bins, age)) > 1]
        if not later:
            break
        fit = _fit_of(later, whole.day)
        estimate = fit.estimate()
    return fit, estimate


def _slows_down(fit: Fit, estimate: Estimate) -> bool:
    """Tell whether the first quarter of the lives grew clearly faster than the rest."""
    early = fit.part(0.0, 0.25)
    if early is None or early.slope.low <= 0 or early.slope.value <= estimate.slope.value:
        return False
    rest = fit.part(0.25, 1.0)
    return rest is not None and early.slope.value > _FASTER * rest.slope.value and early.slope.low > rest.slope.high


def _since(bins: Bins, age: float) -> Bins:
    return bins.only([at for at, found in enumerate(bins.ages) if found >= age])


def _between(bins: Bins, start: float, end: float, lap: int) -> Bins:
    """Cut a life to a share of its time; with ``lap``, of the time in which a day can begin."""
    span = bins.slots[-1] - bins.slots[0] - lap
    low, high = bins.slots[0] + start * span, bins.slots[0] + end * span + lap
    return bins.only([at for at, slot in enumerate(bins.slots) if span > 0 and low <= slot <= high])


# -- traffic ---------------------------------------------------------------------------------------


def _fit_of(lives: Sequence[Bins], day: int) -> Fit:
    """Choose what growth is counted over, hours or units, whichever leaves less; take out what follows traffic."""
    if day:
        return Fit(lives, [Run(tuple(bins.ages), tuple(bins.values), tuple(bins.slots)) for bins in lives], day=day)
    hours, units = [bins.ages for bins in lives], [bins.units or () for bins in lives]
    responses = response_of(lives, hours), response_of(lives, units)
    by_units = left_over(lives, units, responses[1]) <= left_over(lives, hours, responses[0])
    return _fit(lives, by_units=by_units, response=responses[by_units])


def _fit(lives: Sequence[Bins], *, by_units: bool, response: Response) -> Fit:
    columns = [bins.units or () if by_units else bins.ages for bins in lives]
    runs = [
        Run(tuple(x), tuple(response.without(bins)), tuple(bins.slots)) for bins, x in zip(lives, columns, strict=True)
    ]
    return Fit(lives, runs, by_units=by_units, response=response, spread=response.spread(lives, columns))
