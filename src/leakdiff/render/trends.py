"""A trend as text: one line, or the whole first screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from leakdiff.model.report import ACCUSING, Verdict
from leakdiff.model.trend import OwnerTrend, SeriesTrend, Slope, TimeToLimit, Trend, TrendRow
from leakdiff.render.plain import counted, printable, size

FORMAT = 1
_DAY = 24.0
_MOST_OWNERS = 4
_DAYS_FROM = 48.0  # hours from which on a time is told in days


def trend_headline(trend: Trend) -> str:
    """Return the trend in one line."""
    return f"leakdiff: {trend.verdict}  {printable(_claim(trend))}"


def trend_text(trend: Trend) -> str:
    """Return the whole trend; ends without a newline."""
    lines = [trend_headline(trend), ""]
    lines.extend(f"  {name:<7}  {printable(text)}" for name, text in _rows(trend))
    return "\n".join(lines)


# -- the first line --------------------------------------------------------------------------------


def _claim(trend: Trend) -> str:
    since = f", since {trend.deploy.version}" if trend.deploy is not None else ""
    if trend.verdict is Verdict.NATIVE:
        memory = f", memory grows by {per_day(trend.memory.per_hour.value)}" if trend.memory is not None else ""
        return f"the C heap grows and no Python object owns it{memory}{since}"
    if trend.verdict is Verdict.LEAK:
        return f"{_leak(trend)}{since}"
    soon = f"; in about {_hours(trend.enough_in)}" if trend.enough_in is not None else ""
    return f"{trend.because}{soon}"


def _leak(trend: Trend) -> str:
    accused = next((owner for owner in trend.owners if owner.verdict is trend.verdict), None)
    if accused is not None:
        return f"{accused.path} {'grow' if _is_resource(accused) else 'grows'} by {_rates(accused)} a day"
    grows = f" by {per_day(trend.memory.per_hour.value)}" if trend.memory is not None else ""
    return f"memory grows{grows}, and no owner that was seen does"


def _rates(owner: OwnerTrend) -> str:
    entries, told = owner.entries.per_hour.value * _DAY, []
    if entries > 0:
        told.append(_count(entries) if _is_resource(owner) else f"{_count(entries)} entries")
    if owner.bytes is not None and owner.bytes.per_hour.value > 0:
        told.append(size(owner.bytes.per_hour.value * _DAY))
    return " and ".join(told) or "nothing"


def _is_resource(owner: OwnerTrend) -> bool:
    """Tell whether it is a number of descriptors, threads or tasks, and no container."""
    return owner.entries.what == "number"


# -- the rows --------------------------------------------------------------------------------------


def _rows(trend: Trend) -> Iterator[tuple[str, str]]:
    if trend.memory is not None:
        yield "memory", _memory(trend.memory)
    yield from _owners(trend)
    if trend.deploy is not None:
        yield "since", f"{trend.deploy.version}, memory {per_day(trend.deploy.per_hour)}"
        yield "was", f"{trend.deploy.before}, memory {per_day(trend.deploy.per_hour_before)}"
    if trend.resets_on_restart is not None:
        yield "restart", _RESTART[trend.resets_on_restart]
    if trend.to_limit is not None:
        yield "limit", _limit(trend.to_limit)
    if trend.verdict in ACCUSING:
        yield "why", trend.because
    if trend.advice:
        yield "fix" if trend.verdict in ACCUSING else "do", trend.advice
    if trend.points:
        yield "rests", _rests(trend)
    for note in trend.notes:
        yield "note", note


_RESTART = {
    True: "brings memory back to where it started",
    False: "does not bring memory back: what grows is there again after a start",
}


def _memory(memory: SeriesTrend) -> str:
    slope = memory.per_hour
    start, last = size(memory.baseline), size(memory.last)
    levels = last if start == last else f"{start} after a start, {last} at last"
    unit = f"; {_small(memory.per_unit)} per unit" if memory.per_unit is not None else ""
    return f"{levels}; {per_day(slope.value)} ({size(slope.low * _DAY)} to {size(slope.high * _DAY)}){unit}"


def _small(slope: Slope) -> str:
    return f"{slope.value:.1f} B" if abs(slope.value) < 1_000 else size(slope.value)


def _owners(trend: Trend) -> Iterator[tuple[str, str]]:
    for owner in trend.owners[:_MOST_OWNERS]:
        if owner.verdict is trend.verdict:
            yield "owner", _owner(owner)
        else:
            yield "also", f"{_owner(owner)}  {owner.verdict}: {owner.because}"
    if len(trend.owners) > _MOST_OWNERS:
        yield "also", f"{len(trend.owners) - _MOST_OWNERS:,} more owners"


def _owner(owner: OwnerTrend) -> str:
    entries = owner.entries.last
    facts = [f"{_count(entries)} {'open' if _is_resource(owner) else 'entries'}"]
    if owner.bytes is not None:
        facts.append(size(owner.bytes.last))
    gained = owner.entries.per_hour.value  # lengths are read more often than bytes: only rates can be compared
    if owner.bytes is not None and gained > 0 and owner.bytes.per_hour.value > 0:
        facts.append(f"{size(owner.bytes.per_hour.value / gained)} each")
    return f"{owner.path}     {', '.join(facts)}"


def _limit(limit: TimeToLimit) -> str:
    where = size(limit.limit)
    if limit.low <= 0:
        return f"{where} is reached"
    if limit.high is None:
        return f"reaches {where} in {_hours(limit.low)} at the soonest, if ever"
    in_days = limit.low >= _DAYS_FROM
    low, high = (round(hours / _DAY if in_days else hours) for hours in (limit.low, limit.high))
    return f"reaches {where} in {low:,}{f'-{high:,}' if high != low else ''} {'days' if in_days else 'h'}"


def _rests(trend: Trend) -> str:
    processes = counted(trend.processes, "process", "processes")
    replicas = counted(trend.replicas, "replica")
    return f"on {counted(trend.points, 'snapshot')} of {replicas} ({processes}) over {_hours(trend.hours)}"


# -- words -----------------------------------------------------------------------------------------


def per_day(per_hour: float) -> str:
    """Return bytes an hour as bytes a day."""
    return f"{size(per_hour * _DAY)} a day"


def _count(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.1f}"


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{max(1, round(hours * 60))} min"
    return f"{hours:,.0f} h" if hours < 4 * _DAY else f"{hours / _DAY:,.0f} days"


# -- tables and plain values -----------------------------------------------------------------------


def table_text(rows: Sequence[TrendRow], by: str) -> str:
    """Return a table: how memory goes by version or by life of a process, or how each owner goes."""
    if not rows:
        return f"leakdiff: nothing to tell by {by}"
    lines = [[by, "a day", "from", "to", "shape", "over"]]
    lines.extend(_cells(row) for row in rows)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _cells(row: TrendRow) -> list[str]:
    trend = row.memory if row.entries is None else row.entries
    name = printable(row.name) or "(no version)"
    if trend is None:
        return [name, "?", "", "", "", ""]
    level = size if trend.what == "bytes" else _count
    grown = level(trend.per_hour.value * _DAY)
    if row.entries is not None and row.memory is not None:
        grown = f"{grown}, {size(row.memory.per_hour.value * _DAY)}"
    return [name, grown, level(trend.baseline), level(trend.last), str(trend.shape), f"{trend.hours:,.0f} h"]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = cells
    told = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
    return "  ".join(told).rstrip()


def table_plain(rows: Sequence[TrendRow]) -> dict[str, Any]:
    """Return a table as plain values, format 1."""
    return {"format": FORMAT, "rows": [attrs.asdict(row) for row in rows]}


def trend_plain(trend: Trend) -> dict[str, Any]:
    """Return a trend as plain values, format 1; rates are by the hour."""
    return {"format": FORMAT, **attrs.asdict(trend)}
