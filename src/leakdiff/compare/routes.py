"""Which route grows an owner: its gains between readings of live traffic, by how many requests of each route ended."""

from __future__ import annotations

import itertools
import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import attrs

from leakdiff.compare.scenarios import fit, solve
from leakdiff.model.routes import OwnerByRoute, RouteRate, RouteReading

TIME = "second, whatever is asked for"
_LEAST_READINGS = 6
_LEAST_GAIN = 8  # below it what is in flight is as much
_MOST_WINDOWS = 100
_WINDOWS = (60, 30, 15, 8)  # fine ones tell routes apart, coarse ones hide what is in flight
_CANDIDATES = 12  # routes that are fitted: those that came most as it grew
_MOST_ROUTES = 6  # that are weighed against those that seem to do it
_ALIKE = 0.9  # correlation from which a route must be weighed as well
_EXPLAINED = 0.98  # share that a fit of levels, or one with takers, must explain to be believed
_LEAST_EXPLAINED = 0.8  # share that a fit of windows must explain
_TOGETHER = 0.4  # correlation of one residual of a level with the next, from which they add up
_NOTHING = 1e-6  # squared entries a reading, below which nothing is left to explain
_SMALL = 0.02  # share of the whole gain below which a route's part is none
_OPEN = 0.2  # share of the whole gain that must be sure
_SURE = 2.0  # standard errors
_UNSURE = 0.15  # of a rate: routes that come together leave more open
_SHOWN = 0.05  # entries per request below which a route is no taker
_SAME = 1 - 1e-9  # cosine from which two routes came in the same proportion each time
_UNREAD = "its length cannot be read by its name"
_UNKNOWN = "it cannot be read on this system"


@attrs.frozen
class Window:
    """What came and what was gained between two readings."""

    seconds: float
    requests: Mapping[str, int]
    gain: float


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


def _by_route(
    owner: str, counted: str, readings: Sequence[RouteReading], of: Callable[[RouteReading], int | None]
) -> OwnerByRoute:
    windows = merged(_windows(readings, of), _MOST_WINDOWS)
    if not windows and any(of(reading) is None for reading in readings):
        return OwnerByRoute(owner=owner, counted=counted, why_not=_UNREAD if counted == "entries" else _UNKNOWN)
    seen = OwnerByRoute(
        owner=owner,
        counted=counted,
        gained=round(sum(window.gain for window in windows)),
        seconds=sum(window.seconds for window in windows),
        readings=sum(of(reading) is not None for reading in readings),
    )
    why_not = _too_little(seen, windows)
    if why_not:
        return attrs.evolve(seen, why_not=why_not)
    return _fitted(seen, windows)


def _windows(readings: Sequence[RouteReading], of: Callable[[RouteReading], int | None]) -> list[Window]:
    """Return what lies between each reading that has the value and the next one that has; others are made up for."""
    windows: list[Window] = []
    before: tuple[float, int] | None = None
    came: Counter[str] = Counter()
    for reading in readings:
        came.update(reading.requests)
        value = of(reading)
        if value is None:
            continue
        if before is not None:
            windows.append(Window(reading.time - before[0], came, value - before[1]))
        before, came = (reading.time, value), Counter()
    return windows


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


def merged(windows: Sequence[Window], number: int) -> list[Window]:
    """Return windows so that there are at most so many, of as many readings each."""
    if not windows:
        return []
    size = max(1, math.ceil(len(windows) / number))
    groups = [windows[at : at + size] for at in range(0, len(windows), size)]
    if len(groups) > 1 and len(groups[-1]) < size:
        groups[-2:] = [[*groups[-2], *groups[-1]]]
    return [_one(group) for group in groups]


def _one(group: Sequence[Window]) -> Window:
    came: Counter[str] = Counter()
    for window in group:
        came.update(window.requests)
    return Window(sum(window.seconds for window in group), came, sum(window.gain for window in group))


# -- fitting ---------------------------------------------------------------------------------------


@attrs.frozen
class Table:
    """Columns of requests by route, and what was gained beside them: by window, or as levels about their means."""

    columns: Mapping[str, Sequence[float]]
    gains: Sequence[float]

    def rows(self, names: Sequence[str]) -> list[list[float]]:
        """Return some columns, row by row."""
        return [list(row) for row in zip(*(self.columns[name] for name in names), strict=True)]


def _fitted(seen: OwnerByRoute, windows: Sequence[Window]) -> OwnerByRoute:
    """Return the first answer that leaves nothing open: of levels, of windows of several lengths, with takers."""
    ran = {name: sum(column) for name, column in _columns(windows).items()}
    answers = []
    for table in _tables(windows):
        answers.append(_weighed(seen, table, ran))
        if answers[-1].rates and not answers[-1].unclear:
            return answers[-1]
    takers = _with_takers(seen, windows)
    if takers is not None:
        return takers
    return next((answer for answer in answers if answer.rates), answers[-1])


def _tables(windows: Sequence[Window]) -> Iterator[Table]:
    """Return what to fit, in turn.

    What is in flight moves every level a little and is forgotten at the next: then levels tell most. What only some
    requests leave adds up in levels, and a fit to them would be too sure: then their residuals go together.
    """
    levels = _levels(windows)
    if _are_independent(levels):
        yield levels
    for number in _WINDOWS:
        some = merged(windows, number)
        if number == _WINDOWS[0] or len(some) + 1 >= _LEAST_READINGS:
            yield Table(_columns(some), [window.gain for window in some])


def _levels(windows: Sequence[Window]) -> Table:
    columns = {name: _about_mean(column) for name, column in _columns(windows).items()}
    return Table(columns, _about_mean([window.gain for window in windows]))


def _about_mean(steps: Sequence[float]) -> list[float]:
    levels = [0.0, *itertools.accumulate(steps)]
    mean = sum(levels) / len(levels)
    return [level - mean for level in levels]


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
    why_not = f"the traffic does not tell apart {', '.join(unclear)}" if unclear else ""
    if not rates and not unclear:
        why_not = "no route came as it grew"
    return attrs.evolve(seen, rates=tuple(rates), unclear=tuple(unclear), why_not=why_not)


def _columns(windows: Sequence[Window]) -> dict[str, list[float]]:
    """Return how often each route came in each window; time is one of them, for what grows by itself."""
    routes = sorted({route for window in windows for route in window.requests})
    columns: dict[str, list[float]] = {
        route: [float(window.requests.get(route, 0)) for window in windows] for route in routes
    }
    columns[TIME] = [window.seconds for window in windows]
    return columns


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


# -- where other routes take out -------------------------------------------------------------------


def _with_takers(seen: OwnerByRoute, windows: Sequence[Window]) -> OwnerByRoute | None:
    """Say which routes put in and which take out, where that explains it all; None where it does not."""
    some = merged(windows, _WINDOWS[0])
    columns = _columns(some)
    del columns[TIME]
    names = sorted(columns, key=lambda name: -sum(columns[name]))[: min(_CANDIDATES, max(1, len(some) // 3))]
    rates = _signed(names, [columns[name] for name in names], [window.gain for window in some])
    is_sure = all(rate.margin <= _UNSURE * abs(rate.per_request) for rate in rates)
    if not is_sure or not any(rate.per_request < 0 for rate in rates):
        return None
    return attrs.evolve(seen, rates=tuple(sorted(rates, key=lambda rate: -rate.per_request)))


def _signed(names: Sequence[str], columns: Sequence[Sequence[float]], gains: Sequence[float]) -> list[RouteRate]:
    """Fit rates of either sign; none where they do not explain the gains, or where the columns do not tell."""
    products = [[sum(a * b for a, b in zip(i, j, strict=True)) for j in columns] for i in columns]
    rates = solve(products, [sum(a * gain for a, gain in zip(i, gains, strict=True)) for i in columns])
    if rates is None:
        return []
    rows = zip(*columns, strict=True)
    left = [gain - sum(map(operator.mul, rates, row)) for gain, row in zip(gains, rows, strict=True)]
    squares = sum(one * one for one in left)
    if squares > (1 - _EXPLAINED) * sum(gain * gain for gain in gains):
        return []
    variance = squares / max(1, len(gains) - len(names))
    margins = [_SURE * math.sqrt(variance * spread) for spread in _spreads(products)]
    found = [RouteRate(route=n, per_request=r, margin=m) for n, r, m in zip(names, rates, margins, strict=True)]
    return [rate for rate in found if abs(rate.per_request) > max(_SHOWN, rate.margin)]


def _spreads(products: Sequence[Sequence[float]]) -> list[float]:
    """Return the diagonal of the inverse."""
    width = range(len(products))
    solved = (solve(products, [float(i == j) for j in width]) for i in width)
    return [max(0.0, column[i]) if column is not None else math.inf for i, column in enumerate(solved)]
