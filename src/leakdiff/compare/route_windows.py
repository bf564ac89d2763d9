"""Readings of live traffic as windows: what came and what was gained between two of them, and tables to fit."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import attrs

from leakdiff.model.routes import TIME, RouteReading

Value = Callable[[RouteReading], int | None]


@attrs.frozen
class Window:
    """What came and what was gained between two readings."""

    seconds: float
    requests: Mapping[str, int]
    gain: float


def windows_of(readings: Sequence[RouteReading], of: Value) -> list[Window]:
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


# -- tables ----------------------------------------------------------------------------------------


@attrs.frozen
class Table:
    """Columns of requests by route, and what was gained beside them: by window, or as levels about their means."""

    columns: Mapping[str, Sequence[float]]
    gains: Sequence[float]

    def rows(self, names: Sequence[str]) -> list[list[float]]:
        """Return some columns, row by row."""
        return [list(row) for row in zip(*(self.columns[name] for name in names), strict=True)]


def columns_of(windows: Sequence[Window]) -> dict[str, list[float]]:
    """Return how often each route came in each window; time is one of them, for what grows by itself."""
    routes = sorted({route for window in windows for route in window.requests})
    columns: dict[str, list[float]] = {
        route: [float(window.requests.get(route, 0)) for window in windows] for route in routes
    }
    columns[TIME] = [window.seconds for window in windows]
    return columns


def levels_of(windows: Sequence[Window]) -> Table:
    """Return what was there after each window instead of what came in it, about its mean."""
    columns = {name: _about_mean(column) for name, column in columns_of(windows).items()}
    return Table(columns, _about_mean([window.gain for window in windows]))


def _about_mean(steps: Sequence[float]) -> list[float]:
    levels = [0.0, *itertools.accumulate(steps)]
    mean = sum(levels) / len(levels)
    return [level - mean for level in levels]
