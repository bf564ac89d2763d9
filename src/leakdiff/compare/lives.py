"""Lives of processes: points of a series split where a process ended, thinned to medians, beside their traffic."""

from __future__ import annotations

import itertools
import math
import statistics
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import attrs

from leakdiff.model.trend import Point

HOUR = 3_600.0
DAY = 24 * HOUR
WARM_UP = 0.5  # hours after a start that are never looked at: imports, first requests, pools
_MOST_BINS, _MOST_BINS_OF_LIFE = 240, 64
_MINUTES = (1, 2, 5, 10, 15, 20, 30, 60, 90, 120, 180, 240, 360, 480, 720, 1_440)  # each divides a day
_MOMENT = HOUR / 2  # the traffic that a single reading is held against is that of so many seconds before it

Who = tuple[str, str, str]  # replica, instance and version


@attrs.frozen(eq=False)
class Life:
    """The readings of one series in one life of a process, in time order.

    Attributes:
        who: Replica, instance and version.
        started: When the process started, UTC seconds; the first reading where that is not known.
        times: UTC seconds.
        values: The readings.
        units: Units of work done by then; not a number where they were not counted.
    """

    who: Who
    started: float
    times: Sequence[float]
    values: Sequence[float]
    units: Sequence[float]

    @property
    def version(self) -> str:
        """What it ran."""
        return self.who[2]

    @property
    def last_age(self) -> float:
        """Hours from the start to the last reading."""
        return (self.times[-1] - self.started) / HOUR


@attrs.frozen(eq=False)
class Bins:
    """A life thinned to one median for each interval of a clock.

    Attributes:
        who: Replica, instance and version.
        started: When the process started, UTC seconds.
        ages: Hours since the start.
        values: Medians.
        slots: Number of the interval.
        units: Units of work done by then; None where they are not counted.
        rates: Units per hour around then.
    """

    who: Who
    started: float
    ages: Sequence[float]
    values: Sequence[float]
    slots: Sequence[int]
    units: Sequence[float] | None = None
    rates: Sequence[float] | None = None

    def __len__(self) -> int:
        return len(self.ages)

    def only(self, places: Sequence[int]) -> Bins:
        """Return the readings at these places."""
        return Bins(
            who=self.who,
            started=self.started,
            ages=[self.ages[at] for at in places],
            values=[self.values[at] for at in places],
            slots=[self.slots[at] for at in places],
            units=[self.units[at] for at in places] if self.units is not None else None,
            rates=[self.rates[at] for at in places] if self.rates is not None else None,
        )


@attrs.frozen(eq=False)
class Traffic:
    """The units of work that one process had done, over time."""

    times: Sequence[float]
    units: Sequence[float]

    def at(self, time: float) -> float:
        """Return the units done by then, on a line between the readings around it."""
        after = bisect_right(self.times, time)
        if after in (0, len(self.times)):
            return self.units[max(0, after - 1)]
        start, end = self.times[after - 1], self.times[after]
        share = (time - start) / (end - start)
        return self.units[after - 1] + share * (self.units[after] - self.units[after - 1])

    def rate(self, end: float, width: float) -> float:
        """Return the units per hour in the interval that ends at a time."""
        start = max(end - width, self.times[0])
        if end - start < width / 4:  # at the beginning: take what comes after
            start, end = self.times[0], min(self.times[0] + width, self.times[-1])
        return (self.at(end) - self.at(start)) / (end - start) * HOUR if end > start else 0.0


def lives_of(points: Iterable[Point]) -> list[Life]:
    """Split points by process, those of each in order of time; the first that started comes first."""
    columns: dict[Who, tuple[array[float], array[float], array[float]]] = {}
    started: dict[Who, float] = {}
    for point in points:
        who = (point.replica, point.instance, point.version)
        if who not in columns:
            columns[who], started[who] = (array("d"), array("d"), array("d")), point.started
        times, values, units = columns[who]
        times.append(point.time)
        values.append(point.value)
        units.append(math.nan if point.units is None else point.units)
    lives = [_life(who, found, started[who]) for who, found in columns.items()]
    return sorted(lives, key=lambda life: (life.started, life.who))


def _life(who: Who, columns: Sequence[Sequence[float]], started: float) -> Life:
    times = columns[0]
    if list(times) != sorted(times):
        order = sorted(range(len(times)), key=lambda at: times[at])
        columns = [[column[at] for at in order] for column in columns]
    is_known = 0 < started <= columns[0][0]
    return Life(who, started if is_known else columns[0][0], *columns)


def most_read(lives: Iterable[Life]) -> dict[Who, Life]:
    """Return for every process the series that was read most often."""
    found: dict[Who, Life] = {}
    for life in lives:
        if life.who not in found or len(life.times) > len(found[life.who].times):
            found[life.who] = life
    return found


def traffic_of(lives: Iterable[Life]) -> dict[Who, Traffic]:
    """Return the traffic of every process that counts its units."""
    found = {who: _traffic(life) for who, life in most_read(lives).items()}
    return {who: traffic for who, traffic in found.items() if traffic is not None}


def _traffic(life: Life) -> Traffic | None:
    """Return the units of one life; None where they were not counted, or began anew."""
    told = [(time, units) for time, units in zip(life.times, life.units, strict=True) if not math.isnan(units)]
    if len(told) < 2 or told[-1][1] <= told[0][1]:
        return None
    if any(later[1] < sooner[1] or later[0] <= sooner[0] for sooner, later in itertools.pairwise(told)):
        return None
    return Traffic([time for time, _ in told], [units for _, units in told])


# -- thinning --------------------------------------------------------------------------------------


def width_for(lives: Sequence[Life]) -> float:
    """Return seconds of an interval such that the medians are few enough for all pairs of them to be compared."""
    gaps = [later - sooner for life in lives for sooner, later in itertools.pairwise(life.times)]
    if not gaps:
        return _MINUTES[0] * 60.0
    whole = sum(life.times[-1] - life.times[0] for life in lives)
    longest = max(life.times[-1] - life.times[0] for life in lives)
    least = max(0.8 * statistics.median(gaps), whole / _MOST_BINS, longest / _MOST_BINS_OF_LIFE)
    return next((minutes * 60.0 for minutes in _MINUTES if minutes * 60 >= least), DAY)


def bins_of(life: Life, width: float, traffic: Mapping[Who, Traffic]) -> Bins:
    """Thin a life, its first half hour left out."""
    first = life.times[0]
    offset = round(first / width)
    values: dict[int, list[float]] = defaultdict(list)
    times: dict[int, list[float]] = defaultdict(list)
    warm = life.started + WARM_UP * HOUR
    for time, value in zip(life.times, life.values, strict=True):
        if time >= warm:
            slot = int((time - first) / width + 0.5)
            values[slot].append(value)
            times[slot].append(time)
    middles = [sum(found) / len(found) for found in times.values()]
    ends = [(found[-1], width if len(found) > 1 else min(width, _MOMENT)) for found in times.values()]
    counted = traffic.get(life.who)
    return Bins(
        who=life.who,
        started=life.started,
        ages=[(time - life.started) / HOUR for time in middles],
        values=[statistics.median(found) for found in values.values()],
        slots=[slot + offset for slot in values],
        units=[counted.at(time) for time in middles] if counted else None,
        rates=[counted.rate(end, wide) for end, wide in ends] if counted else None,
    )
