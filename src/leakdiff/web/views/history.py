"""One series of the monitor's store over time, in this process and in others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

import attrs

from leakdiff.model.snapshot import Identity
from leakdiff.model.trend import Point
from leakdiff.store.series import BYTES, ENTRIES
from leakdiff.web.charts import thinned, whole
from leakdiff.web.desk import Desk
from leakdiff.web.refusals import NotKnown, NotMeasured
from leakdiff.web.routing import Asked
from leakdiff.web.view import Block, Cell, Column, Facts, Kind, Link, Table, View
from leakdiff.web.views.parts import (
    MOST_POINTS,
    drawn,
    kind_of,
    name_of,
    only_like,
    pairs,
    path_of,
    plain,
)

_MOST_PROCESSES = 20
_MOST_READINGS = 48  # in the table
_MOST_NAMES = 60
_HOUR, _DAY = 3_600.0, 24.0
_SPANS = ((_HOUR, "hour"), (6 * _HOUR, "6 hours"), (_DAY * _HOUR, "day"), (3 * _DAY * _HOUR, "3 days"))


# -- one series ------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class _Life:
    """The readings of one life of a process."""

    is_this: bool
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """Which process."""
        last = self.points[-1]
        pid = last.instance.rpartition(":")[0].rpartition(":")[2]
        return f"{last.replica} pid {pid}{' (this one)' if self.is_this else ''}"


def history(asked: Asked) -> View:
    """Say how one series went, in this process and in others of the same store."""
    series, since = asked.given["series"], asked.given["since"]
    desk = asked.desk
    if desk.monitor is None:
        raise NotMeasured("History", "It takes a monitor: asgi_app(monitor=leakdiff.Monitor(...)).")
    names, points = _ranked(desk, desk.series()), desk.points(series, since)
    if not points and names and series not in names:
        raise NotKnown("series", series, "Those there are stand under history.")
    lives, kind = _lives(points, desk.identity()), kind_of(series)
    return View(
        title=f"History of {name_of(series)}",
        said=_said(series, kind, lives),
        blocks=_blocks(series, kind, lives, only_like(names, str, asked.given["like"])),
        data={
            "series": series,
            "kind": "bytes" if kind == "bytes" else "number",
            "processes": [_plain_life(life) for life in lives[:_MOST_PROCESSES]],
            "left_out": max(0, len(lives) - _MOST_PROCESSES),
            "names": names,
        },
    )


def _lives(points: Sequence[Point], identity: Identity) -> list[_Life]:
    """Return the readings by life of a process: this one first, then the latest."""
    ordered = sorted(points, key=lambda point: (point.instance, point.time))
    lives = [
        _Life(is_this=instance == identity.instance, points=tuple(readings))
        for instance, readings in groupby(ordered, key=lambda point: point.instance)
    ]
    return sorted(lives, key=lambda life: (not life.is_this, -life.points[-1].time))


def _said(series: str, kind: Kind, lives: Sequence[_Life]) -> str:
    chart = drawn(pairs(lives[0].points), kind) if lives else None
    if chart is None:
        return "Nothing was read yet: the monitor's next measurement will be the first."
    who = "in this process" if lives[0].is_this else f"in {lives[0].name}"
    return f"{name_of(series)} {who}: {chart.said}."


def _blocks(series: str, kind: Kind, lives: Sequence[_Life], names: Sequence[str]) -> list[Block]:
    first = pairs(lives[0].points) if lives else []
    chart = drawn(first, kind)
    return [
        *([Facts(title=lives[0].name, rows=(("over time", chart),))] if chart is not None else []),
        Facts(title="Look at", rows=tuple(_span_row(series, seconds, name) for seconds, name in _SPANS)),
        *([_processes(lives, kind)] if len(lives) > 1 else []),
        Table(
            title="Readings",
            columns=(Column("Time", "time"), Column(name_of(series), kind)),
            rows=tuple((at, whole(value)) for at, value in thinned(first[::-1], _MOST_READINGS)),
            empty="none in this time",
            left_out=max(0, len(first) - _MOST_READINGS),
        ),
        _choices(names),
    ]


def _span_row(series: str, seconds: float, name: str) -> tuple[str, Cell]:
    return f"the last {name}", Link(name, f"/history?series={quote(series, safe='')}&since={seconds:.0f}")


def _processes(lives: Sequence[_Life], kind: Kind) -> Table:
    return Table(
        title="Other lives of processes in the store",
        columns=(
            Column("Process"),
            Column("Version"),
            Column("From", "time"),
            Column("To", "time"),
            Column("First", kind),
            Column("Last", kind),
            Column("Over time", "chart"),
        ),
        rows=tuple(_life_row(life, kind) for life in lives[1 : _MOST_PROCESSES + 1]),
        left_out=max(0, len(lives) - 1 - _MOST_PROCESSES),
    )


def _life_row(life: _Life, kind: Kind) -> tuple[Cell, ...]:
    first, last = life.points[0], life.points[-1]
    line = drawn(pairs(life.points), kind)
    return life.name, last.version or None, first.time, last.time, whole(first.value), whole(last.value), line


def _ranked(desk: Desk, names: Sequence[str]) -> list[str]:
    """Return the names of series: of the whole process first, then of owners, the largest first."""
    try:
        heap = desk.latest().snapshot.heap
    except NotMeasured:
        heap = None
    known = heap.owners if heap is not None and heap.owners is not None else ()
    ranks = {f"{start}{owner.path}": at for at, owner in enumerate(known) for start in (ENTRIES, BYTES)}

    def rank(name: str) -> tuple[bool, bool, int, str]:
        return name.startswith((ENTRIES, BYTES)), name.startswith(BYTES), ranks.get(name, len(ranks)), name

    return sorted(names, key=rank)


def _choices(names: Sequence[str]) -> Table:
    shown = names[:_MOST_NAMES]
    return Table(
        title="Series",
        columns=(Column("Series", "code"), Column("Values")),
        rows=tuple((Link(name, path_of(name)), kind_of(name)) for name in shown),
        empty="none",
        left_out=max(0, len(names) - len(shown)),
    )


def _plain_life(life: _Life) -> dict[str, Any]:
    last, points = life.points[-1], pairs(life.points)
    return {
        "instance": last.instance,
        "replica": last.replica,
        "version": last.version,
        "started": last.started,
        "is_this": life.is_this,
        "points": plain(thinned(points, MOST_POINTS)),
        "left_out": max(0, len(points) - MOST_POINTS),
    }
