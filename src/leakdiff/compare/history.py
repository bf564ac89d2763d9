"""From the points of a history to how every series of every version goes, and what restarts do to it."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from leakdiff.compare.courses import Measured, Subject, measure_course
from leakdiff.compare.lives import DAY, HOUR, WARM_UP, Life, Traffic, Who, lives_of, most_read, traffic_of
from leakdiff.model.history import BYTES, ENTRIES, MEMORY, Fullest, History, VersionHistory
from leakdiff.model.trend import Point

Points = Mapping[str, Sequence[Point]]
_LIMITED = ("cgroup.anon", "cgroup.usage", MEMORY)
_WHAT = {MEMORY: "bytes", "native": "bytes", "heap.bytes": "bytes", "blocks": "blocks"}
_WHAT |= {"cgroup.anon": "bytes", "cgroup.usage": "bytes"}
_NUMBERS = ("descriptors", "threads", "tasks")
_HALF, _LITTLE = 0.5, 0.25  # shares of the growth that a restart undoes, or does not
_AS_OFTEN = 0.9  # share of the readings of ``rss`` that must also have ``uss`` for it to be the better one
_TOLD, _TOLD_UNCOUNTED = 0.05, 0.2  # growth in a life, as a share of its level, that a restart can be seen to undo


def history_of(points: Points) -> History:
    """Measure a history.

    Args:
        points: Readings by name of their series: ``rss``, ``uss``, ``native``, ``blocks``, ``heap.bytes``,
            ``cgroup.usage``, ``cgroup.anon``, ``descriptors``, ``threads``, ``tasks``, ``owner.entries:PATH``,
            ``owner.bytes:PATH``; others are not looked at.
    """
    lives = {name: lives_of(found) for name, found in _chosen(points).items() if found}
    everything = [life for found in lives.values() for life in found]
    if not everything:
        return History()
    traffic = traffic_of(everything)
    measured = {version: _measured(version, lives, traffic) for version in _versions(everything)}
    times = _times(everything)
    return History(
        versions=tuple(_version(version, lives, traffic, measured[version]) for version in measured),
        resets_on_restart=_resets([found[MEMORY] for found in measured.values() if MEMORY in found]),
        fullest=_fullest(lives),
        replicas=len({who[0] for who in times}),
        processes=len(times),
        points=sum(map(len, times.values())),
        hours=(max(map(max, times.values())) - min(map(min, times.values()))) / HOUR,
    )


def _times(lives: Iterable[Life]) -> dict[Who, set[float]]:
    """Return when each process was read."""
    times: dict[Who, set[float]] = defaultdict(set)
    for life in lives:
        times[life.who].update(life.times)
    return times


def points_by_instance(points: Points) -> dict[str, dict[str, list[Point]]]:
    """Return the readings of each life of a process by itself, the earliest first."""
    apart: dict[str, dict[str, list[Point]]] = {}
    for point, name in sorted(
        ((point, name) for name, found in points.items() for point in found), key=lambda pair: pair[0].time
    ):
        apart.setdefault(point.instance, {}).setdefault(name, []).append(point)
    return apart


def _chosen(points: Points) -> dict[str, Sequence[Point]]:
    """Return the series that are looked at, memory under one name."""
    own, resident = points.get("uss", ()), points.get("rss", ())
    chosen = {MEMORY: own if len(own) >= _AS_OFTEN * len(resident) else resident}
    known = (*_WHAT, *_NUMBERS)
    chosen |= {name: found for name, found in points.items() if name in known or name.startswith((ENTRIES, BYTES))}
    if chosen.get("cgroup.anon"):
        chosen.pop("cgroup.usage", None)
    return chosen


def _subject(name: str) -> Subject:
    if name.startswith(ENTRIES):
        return Subject(name=name.removeprefix(ENTRIES), what="entries")
    if name.startswith(BYTES):
        return Subject(name=name.removeprefix(BYTES), what="bytes")
    return Subject(name=name, what=_WHAT.get(name, "number"), is_total=name in _WHAT)


# -- versions --------------------------------------------------------------------------------------


def _versions(lives: Iterable[Life]) -> list[str]:
    """Return the versions, in the order in which they were first seen."""
    first: dict[str, float] = {}
    for life in lives:
        first[life.version] = min(life.times[0], first.get(life.version, life.times[0]))
    return sorted(first, key=lambda version: (first[version], version))


def _measured(version: str, lives: Mapping[str, Sequence[Life]], traffic: Mapping[Who, Traffic]) -> dict[str, Measured]:
    """Measure every series of one version."""
    found = {}
    rate = _units_per_hour([one for who, one in traffic.items() if who[2] == version])
    for name, all_lives in lives.items():
        own = [life for life in all_lives if life.version == version]
        measured = measure_course(_subject(name), own, traffic, units_per_hour=rate) if own else None
        if measured is not None:
            found[name] = measured
    return found


def _version(
    version: str, lives: Mapping[str, Sequence[Life]], traffic: Mapping[Who, Traffic], measured: Mapping[str, Measured]
) -> VersionHistory:
    own = {name: [life for life in found if life.version == version] for name, found in lives.items()}
    everything = list(most_read(life for found in own.values() for life in found).values())
    return VersionHistory(
        version=version,
        courses={name: found.course for name, found in measured.items()},
        longest=max((life.times[-1] - life.times[0]) / HOUR for life in everything),
        hours_of_day=len(set(_hours_of_day(everything))),
        counts_units=any(who[2] == version for who in traffic),
        has_owners=any(name.startswith(ENTRIES) for name, found in own.items() if found),
    )


def _hours_of_day(lives: Iterable[Life]) -> Iterator[int]:
    """Return the hours of the day in which there are readings after warm-up."""
    for life in lives:
        for hour in {int(time // HOUR) for time in life.times if time >= life.started + WARM_UP * HOUR}:
            yield hour % 24


def _units_per_hour(traffic: Iterable[Traffic]) -> float | None:
    """Return what one process does in an hour, each hour of the day seen counting alike."""
    rates: dict[int, list[float]] = defaultdict(list)
    for process in traffic:
        first, last = int(process.times[0] // HOUR) + 1, int(process.times[-1] // HOUR)
        for hour in range(first, last):
            rates[hour % 24].append(process.at((hour + 1) * HOUR) - process.at(hour * HOUR))
    if not rates:
        return None
    return statistics.fmean(statistics.fmean(found) for found in rates.values())


# -- restarts and the limit ------------------------------------------------------------------------


@attrs.frozen
class _Span:
    """Memory at both ends of one life, without what follows traffic where that is counted."""

    replica: str
    start: float
    end: float
    first: float
    last: float
    is_counted: bool


def _resets(measured: Sequence[Measured]) -> bool | None:
    """Tell whether restarts after lives that grew undo at least half of the growth, or next to nothing of it."""
    undone = []
    for before, after in _restarts(measured):
        grown = before.last - before.first
        if grown > (_TOLD if before.is_counted else _TOLD_UNCOUNTED) * before.first:
            undone.append((before.last - after.first) / grown)
    share = statistics.median(undone) if undone else None
    if share is None or _LITTLE < share < _HALF:
        return None
    return share >= _HALF


def _restarts(measured: Sequence[Measured]) -> Iterator[tuple[_Span, _Span]]:
    spans = [span for found in measured for span in _spans(found, _mean_traffic(measured))]
    spans.sort(key=lambda span: (span.replica, span.start))
    for before, after in itertools.pairwise(spans):
        if before.replica == after.replica and after.start >= before.end:
            yield before, after


def _mean_traffic(measured: Sequence[Measured]) -> float:
    return statistics.fmean(found.whole.response.middle for found in measured) if measured else 0.0


def _spans(found: Measured, traffic: float) -> Iterator[_Span]:
    """Return the ends of each life as they would be at a traffic that is the same for all versions."""
    response = found.whole.response
    more = response.follows * (traffic - response.middle)
    for bins, run in zip(found.whole.bins, found.whole.runs, strict=True):
        yield _Span(
            replica=bins.who[0],
            start=bins.started,
            end=bins.started + bins.ages[-1] * HOUR,
            first=statistics.median(run.y[:3]) + more,
            last=statistics.median(run.y[-3:]) + more,
            is_counted=found.whole.day == 0,
        )


def _fullest(lives: Mapping[str, Sequence[Life]]) -> Fullest | None:
    """Return the highest level of the last day, of the processes that are still seen."""
    series = next((name for name in _LIMITED if lives.get(name)), None)
    if series is None:
        return None
    end = max(life.times[-1] for life in lives[series])
    alive = [life for life in lives[series] if life.times[-1] >= end - DAY / 8]
    levels = [_highest([v for t, v in zip(life.times, life.values, strict=True) if t >= end - DAY]) for life in alive]
    return Fullest(series=series, level=max(levels))


def _highest(values: Sequence[float]) -> float:
    """Return the highest of medians of three neighbours, so that a single reading does not count."""
    if len(values) < 3:
        return max(values)
    return max(statistics.median(values[at : at + 3]) for at in range(len(values) - 2))
