"""What the whole history in the monitor's store amounts to: does it leak, since which version, who, and until when."""

from __future__ import annotations

from leakdiff.model.report import ACCUSING
from leakdiff.model.trend import OwnerTrend, SeriesTrend, Trend
from leakdiff.render.plain import counted, size
from leakdiff.render.trends import per_day, trend_headline
from leakdiff.store.series import ENTRIES
from leakdiff.web.cells import amount, span
from leakdiff.web.routing import Asked
from leakdiff.web.view import Cell, Column, Facts, Link, Table, Text, View
from leakdiff.web.views.parts import filled, notes_of, path_of, plain

_HOUR, _DAY = 3_600.0, 24.0


def trend(asked: Asked) -> View:
    """Say what the whole history amounts to: does it leak, since which version, who, and until when."""
    found = asked.desk.trend()
    return View(
        title="Trend",
        verdict=found.verdict.value,
        said=trend_said(found),
        blocks=[
            Facts(title="What it amounts to", rows=tuple(_trend_rows(found))),
            _owners(found),
            *([Text(title="What to do", text=found.advice)] if found.advice else []),
            *notes_of(found.notes, "What could not be judged"),
        ],
        data=plain(found),
    )


def trend_said(found: Trend) -> str:
    """Return a trend in one sentence, without its verdict."""
    return trend_headline(found).removeprefix(f"leakdiff: {found.verdict}").strip()


def _trend_rows(found: Trend) -> list[tuple[str, Cell]]:
    is_said = found.because in trend_said(found)
    rows: list[tuple[str, Cell]] = [] if is_said else [("because", found.because)]
    if found.memory is not None:
        rows.append(("memory", _course(found.memory)))
    if found.deploy is not None:
        deploy = found.deploy
        rows.append(("since version", f"{deploy.version or 'without a name'}: {per_day(deploy.per_hour)}"))
        rows.append(("before it", f"{deploy.before or 'without a name'}: {per_day(deploy.per_hour_before)}"))
    if found.resets_on_restart is not None:
        rows.append(("a restart", "brings memory back" if found.resets_on_restart else "does not bring memory back"))
    if found.to_limit is not None:
        rows.append(("time to the limit", time_to_limit(found)))
    if found.enough_in is not None:
        rows.append(("enough to tell in", span(found.enough_in * _HOUR)))
    rests = f"{counted(found.points, 'snapshot')} of {counted(found.processes, 'process', 'processes')}"
    rows.append(("rests on", f"{rests} on {counted(found.replicas, 'host')} over {span(found.hours * _HOUR)}"))
    return rows


def time_to_limit(found: Trend) -> str | None:
    """Say when the container's limit is reached; None where that is not known."""
    limit = found.to_limit
    if limit is None:
        return None
    if limit.low <= 0:
        return f"{size(limit.limit)} is reached"
    soonest = span(limit.low * _HOUR)
    until = f" to {span(limit.high * _HOUR)}" if limit.high is not None else " at the soonest, if ever"
    return f"{size(limit.limit)} in {soonest}{until}"


def _course(series: SeriesTrend) -> str:
    is_bytes = series.what == "bytes"
    level = [amount(round(value), "bytes" if is_bytes else "number") for value in (series.baseline, series.last)]
    slope = series.per_hour
    rates = [
        per_day(value) if is_bytes else f"{value * _DAY:,.1f} a day" for value in (slope.value, slope.low, slope.high)
    ]
    return f"{series.shape}, {level[0]} at first, {level[1]} at last; {rates[0]} ({rates[1]} to {rates[2]})"


def _owners(found: Trend) -> Table:
    return Table(
        title="Owners that grow",
        columns=(
            Column("Owner", "code"),
            Column("Verdict"),
            Column("Entries", "number"),
            Column("Entries a day", "change"),
            Column("Bytes", "bytes"),
            Column("Bytes a day", "bytes change"),
            Column("Bound"),
            Column("Because"),
        ),
        rows=tuple(_owner_row(owner) for owner in found.owners),
        empty="none that was seen" if found.verdict in ACCUSING else "none",
    )


def _owner_row(owner: OwnerTrend) -> tuple[Cell, ...]:
    grows = owner.bytes
    return (
        Link(owner.path, path_of(ENTRIES + owner.path)),
        owner.verdict.value,
        round(owner.entries.last),
        round(owner.entries.per_hour.value * _DAY, 1),
        round(grows.last) if grows is not None else None,
        grows.per_hour.value * _DAY if grows is not None else None,
        filled(owner.bound),
        owner.because,
    )
