"""Which route grows an owner: its gains between readings of live traffic, by how many requests of each route ended."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import attrs

from leakdiff.compare.route_takers import with_takers
from leakdiff.compare.route_windows import Table, Value, Window, columns_of, levels_of, merged, windows_of
from leakdiff.compare.scenarios import fit
from leakdiff.model.routes import TIME, OwnerByRoute, RouteRate, RouteReading, names_of

_LEAST_READINGS = 6
_LEAST_GAIN = 8  # below it what is in flight is as much
_EMPTIED = 0.5  # share of the most that it held, from which a loss at once empties it
_MOST_WINDOWS = 100
_WINDOWS = (60, 30, 15, 8)  # fine ones tell routes apart, coarse ones hide what is in flight
_CANDIDATES = 12  # routes that are fitted: those that came most as it grew
_MOST_ROUTES = 6  # that are weighed against those that seem to do it
_ALIKE = 0.9  # correlation from which a route must be weighed as well
_EXPLAINED = 0.98  # share that a fit of levels must explain to be believed
_LEAST_EXPLAINED = 0.8  # share that a fit of windows must explain
_TOGETHER = 0.4  # correlation of one residual of a level with the next, from which they add up
_NOTHING = 1e-6  # squared entries a reading, below which nothing is left to explain
_SMALL = 0.02  # share of the whole gain below which a route's part is none
_OPEN = 0.2  # share of the whole gain that must be sure
_SAME = 1 - 1e-9  # cosine from which two routes came in the same proportion each time
_UNREAD = "its length cannot be read by its name"
_UNKNOWN = "it cannot be read on this system"


def owner_by_route(owner: str, readings: Sequence[RouteReading]) -> OwnerByRoute:
    """Say which routes grow an owner, and by how many entries for each request.

    Args:
        owner: Its path.
        readings: Readings, the earliest first.

    Returns:
        The rates, or why they are not known.
    """
    return _by_route(owner, "entries", readings, lambda reading: reading.lengths.get(owner))


def total_by_route(counted: Literal["blocks", "bytes"], readings: Sequence[RouteReading]) -> OwnerByRoute:
    """Say which routes grow the process, where no owner is known.

    Args:
        counted: ``blocks`` of Python's own allocator, or ``bytes`` of the C heap.
        readings: Readings, the earliest first.
    """
    if counted == "blocks":
        return _by_route("Python's own allocator", counted, readings, lambda reading: reading.blocks)
    return _by_route("the C heap", counted, readings, lambda reading: reading.native)


def _by_route(owner: str, counted: str, readings: Sequence[RouteReading], of: Value) -> OwnerByRoute:
    windows = merged(windows_of(readings, of), _MOST_WINDOWS)
    if not windows and any(of(reading) is None for reading in readings):
        return OwnerByRoute(owner=owner, counted=counted, why_not=_UNREAD if counted == "entries" else _UNKNOWN)
    seen = OwnerByRoute(
        owner=owner,
        counted=counted,
        gained=round(sum(window.gain for window in windows)),
        seconds=sum(window.seconds for window in windows),
        readings=sum(of(reading) is not None for reading in readings),
        lost=_lost(readings, of),
    )
    why_not = _too_little(seen, windows) or _emptied(seen, readings, of)
    if why_not:
        return attrs.evolve(seen, why_not=why_not)
    return _fitted(seen, windows)


def _lost(readings: Sequence[RouteReading], of: Value) -> int:
    """Return the most that was lost between two readings."""
    return max(0, *(round(-window.gain) for window in windows_of(readings, of)), 0)


def _emptied(seen: OwnerByRoute, readings: Sequence[RouteReading], of: Value) -> str:
    """Say that an owner was emptied: a cache that is cleared when it is full grows with requests until then."""
    most = max(value for reading in readings if (value := of(reading)) is not None)
    if seen.lost < max(_LEAST_GAIN, most * _EMPTIED):
        return ""
    return (
        f"it was emptied meanwhile, by {seen.lost:,} of at most {most:,} {seen.counted} at once: it does not only grow"
    )


def _too_little(seen: OwnerByRoute, windows: Sequence[Window]) -> str:
    if seen.readings < 2:
        return "its length was not read beside traffic: readings begin after a watch or a look at this page"
    if seen.readings < _LEAST_READINGS:
        return f"there are {seen.readings} readings of it so far, and {_LEAST_READINGS} are needed"
    if seen.gained <= 0:
        return f"it did not grow in the last {seen.seconds:.0f} s"
    if not any(window.requests for window in windows):
        return f"it gained {seen.gained:,} in {seen.seconds:.0f} s in which no request ended"
    if seen.gained < _LEAST_GAIN:
        return f"it gained {seen.gained:,} in {seen.seconds:.0f} s, too few to tell routes apart"
    return ""


# -- fitting ---------------------------------------------------------------------------------------


def _fitted(seen: OwnerByRoute, windows: Sequence[Window]) -> OwnerByRoute:
    """Return the first answer that leaves nothing open: of levels, of windows of several lengths, with takers."""
    ran = {name: sum(column) for name, column in columns_of(windows).items()}
    answers = []
    for table in _tables(windows):
        answers.append(_weighed(seen, table, ran))
        if answers[-1].rates and not answers[-1].unclear:
            return answers[-1]
    takers = with_takers(seen, windows)
    if takers is not None:
        return takers
    return next((answer for answer in answers if answer.rates), answers[-1])


def _tables(windows: Sequence[Window]) -> Iterator[Table]:
    """Return what to fit, in turn.

    What is in flight moves every level a little and is forgotten at the next: then levels tell most. What only some
    requests leave adds up in levels, and a fit to them would be too sure: then their residuals go together.
    """
    levels = levels_of(windows)
    if _are_independent(levels):
        yield levels
    for number in _WINDOWS:
        some = merged(windows, number)
        if number == _WINDOWS[0] or len(some) + 1 >= _LEAST_READINGS:
            yield Table(columns_of(some), [window.gain for window in some])


def _are_independent(levels: Table) -> bool:
    """Tell whether a fit to levels explains nearly all, and what it leaves does not go on from one to the next."""
    rows = levels.rows(_candidates(levels))
    found = fit(rows, levels.gains)
    if found.explained < _EXPLAINED:
        return False
    left = [gain - sum(map(operator.mul, found.rates, row)) for row, gain in zip(rows, levels.gains, strict=True)]
    squares = sum(one * one for one in left)
    together = sum(one * other for one, other in itertools.pairwise(left))
    return bool(squares < _NOTHING * len(left) or together < _TOGETHER * squares)


def _weighed(seen: OwnerByRoute, table: Table, ran: Mapping[str, float]) -> OwnerByRoute:
    twins = _twins(table, _chosen(table, ran))
    names = list(twins)
    found = fit(table.rows(names), table.gains)
    if found.explained < _LEAST_EXPLAINED:
        return attrs.evolve(seen, why_not="it grew by different amounts while the same requests came")
    rates = []
    unclear = []
    for name, rate, margin in zip(names, found.rates, found.margins, strict=True):
        is_guilty = rate > margin * 2 and rate * ran[name] >= _SMALL * seen.gained
        if is_guilty and not twins[name]:
            rates.append(RouteRate(route=name, per_request=rate, margin=margin))
        elif is_guilty:
            unclear += [name, *twins[name]]
        elif margin * ran[name] >= _OPEN * seen.gained:
            unclear.append(name)
    rates.sort(key=lambda rate: -rate.per_request * ran[rate.route])
    why_not = f"the traffic does not tell apart {names_of(unclear)}" if unclear else ""
    if not rates and not unclear:
        why_not = "no route came as it grew"
    return attrs.evolve(seen, rates=tuple(rates), unclear=tuple(unclear), why_not=why_not)


def _chosen(table: Table, ran: Mapping[str, float]) -> list[str]:
    """Return the columns that a fit to all of them uses, and those so much like them that they might be it."""
    columns, names = table.columns, _candidates(table)
    rates = dict(zip(names, fit(table.rows(names), table.gains).rates, strict=True))
    used = sorted((name for name in names if rates[name] > 0), key=lambda name: -rates[name] * ran[name])
    used = used[:_MOST_ROUTES]
    like = {name: _likeness(name, used, columns) for name in columns if name not in used}
    room = max(0, min(_MOST_ROUTES, len(table.gains) // 2 - len(used)))
    weighed = sorted((name for name in like if like[name] >= _ALIKE), key=lambda name: -like[name])[:room]
    return [*used, *weighed] or [TIME]


def _candidates(table: Table) -> list[str]:
    """Return the columns that explain most, each after what those before it explain: a fit to all takes seconds."""
    left, columns, found = list(table.gains), dict(table.columns), list[str]()
    squares = {name: sum(value * value for value in column) for name, column in columns.items()}
    while columns and len(found) < _CANDIDATES:
        slopes = {name: sum(map(operator.mul, column, left)) for name, column in columns.items()}
        best = max(columns, key=lambda name: slopes[name] / math.sqrt(squares[name] or math.inf))
        rate = max(0.0, slopes[best] / (squares[best] or math.inf))
        left = [gain - rate * value for gain, value in zip(left, columns.pop(best), strict=True)]
        found.append(best)
    return found


def _twins(table: Table, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns that differ, each with those that came in the same proportion as it did every time."""
    found: dict[str, list[str]] = {}
    for name in names:
        same = (one for one in found if _cosine(table.columns[name], table.columns[one]) > _SAME)
        one = next(same, None)
        if one is None:
            found[name] = []
        else:
            found[one].append(name)
    return found


def _likeness(name: str, others: Iterable[str], columns: Mapping[str, Sequence[float]]) -> float:
    """Return the largest cosine between a column and others."""
    return max((_cosine(columns[name], columns[other]) for other in others), default=0.0)


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    squares = sum(a * a for a in one) * sum(b * b for b in other)
    return sum(map(operator.mul, one, other)) / math.sqrt(squares) if squares > 0 else 0.0
