"""What a result looks like as tables: the same for rich, for notebooks and for text.

Cells are bounded and printable; whoever renders them escapes what its own format needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs

from leakdiff.model.alive import Alive, Holders, InstanceOwners
from leakdiff.model.diff import Change, Changes, Diff
from leakdiff.model.entries import Entries, Entry
from leakdiff.model.named import Named
from leakdiff.model.one_line import bounded
from leakdiff.model.opinion import SecondOpinion
from leakdiff.model.report import Finding, Findings, Report
from leakdiff.model.signals import rate_text
from leakdiff.model.snapshot import Owners, OwnerSize, Sites, Snapshot, Types
from leakdiff.model.soak import SoakReport
from leakdiff.model.trend import OwnerTrends, Trend
from leakdiff.render import alive as alive_text
from leakdiff.render.pictures.names import columns
from leakdiff.render.plain import size
from leakdiff.render.text import claim, headline, rows, short_path, title, told
from leakdiff.render.trends import per_day, trend_headline

_MOST_ROWS = 10
_LONGEST_CELL = 500

_Row = tuple[str, ...]


@attrs.frozen
class Sheet:
    """One table.

    Attributes:
        title: What it shows, in a line.
        heads: Names of its columns; empty where rows are a name and a text each.
        rows: Its cells.
        numbers: Positions of the columns that are numbers.
        notes: What is to be said below it.
    """

    title: str
    heads: tuple[str, ...] = ()
    rows: tuple[_Row, ...] = ()
    numbers: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return bounded(f"<Sheet {len(self.rows):,} rows: {self.title}>")


def sheets_of(value: Any) -> tuple[Sheet, ...]:
    """Return the tables of a result; every cell bounded and printable."""
    make = next((_MAKERS[cls] for cls in type(value).__mro__ if cls in _MAKERS), None)
    return tuple(_clean(sheet) for sheet in make(value)) if make is not None else (Sheet(bounded(repr(value))),)


def sheets_text(sheets: Iterable[Sheet]) -> str:
    """Return tables as text; ends without a newline."""
    return "\n\n".join("\n".join(_lines(sheet)) for sheet in sheets)


def _lines(sheet: Sheet) -> Iterator[str]:
    yield sheet.title
    table = [*([sheet.heads] if sheet.heads else []), *sheet.rows]
    widths = [max(map(columns, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (
            _padded(cell, width, is_number=at in sheet.numbers)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"  {'  '.join(cells)}".rstrip()
    yield from (f"  {note}" for note in sheet.notes)


def _padded(cell: str, width: int, *, is_number: bool) -> str:
    """Fill a cell to so many columns of a terminal, of which some characters take two."""
    room = " " * (width - columns(cell))
    return room + cell if is_number else cell + room


def _clean(sheet: Sheet) -> Sheet:
    return attrs.evolve(
        sheet,
        title=bounded(sheet.title, _LONGEST_CELL),
        rows=tuple(tuple(bounded(cell, _LONGEST_CELL) for cell in row) for row in sheet.rows),
        notes=tuple(bounded(note, _LONGEST_CELL) for note in sheet.notes),
    )


# -- reports ---------------------------------------------------------------------------------------


def _report(report: Report) -> Iterator[Sheet]:
    shown = told(report)
    notes = [report.confidence, *report.not_analysed]
    if shown:
        notes.append("findings[0].why() tells all of the first, why() of all")
    yield _found(shown, headline(report), notes)


def _soak(soak: SoakReport) -> Iterator[Sheet]:
    yield from _report(soak.report)
    runs = tuple((run.name, f"{run.units:,}", f"{run.struck:,}" if run.fault else "") for run in soak.scenarios)
    yield Sheet(f"{soak.units:,} units", ("scenario", "units", "struck"), runs, frozenset({1, 2}))


def _findings(findings: Findings) -> Iterator[Sheet]:
    yield _found(findings, repr(findings).partition(":")[0].strip("<>"))


def _found(findings: Sequence[Finding], name: str, notes: Iterable[str] = ()) -> Sheet:
    shown = tuple(_finding_row(finding) for finding in findings[:_MOST_ROWS])
    left = _left_out(len(findings))
    heads = ("", "verdict", "what grows", "each", "cause") if shown else ()
    return Sheet(name, heads, shown, frozenset({3}), tuple(filter(None, (*left, *notes))))


def _finding_row(finding: Finding) -> _Row:
    each = size(finding.per_entry) if finding.per_entry else ""
    cause = finding.cause.slug if finding.cause is not None else ""
    return finding.fingerprint, str(finding.verdict), claim(finding), each, cause


def _finding(finding: Finding) -> Iterator[Sheet]:
    yield Sheet(title(finding), (), tuple(rows(finding)))


def _opinion(opinion: SecondOpinion) -> Iterator[Sheet]:
    name = f"second opinion on {opinion.verdict}, {opinion.units:,} {opinion.unit}s for each"
    shown = tuple((each.sighting.peer, str(each.stance), each.because) for each in opinion)
    yield Sheet(name, ("peer", "", "because"), shown)


# -- who keeps something alive ----------------------------------------------------------------------


def _alive(alive: Alive) -> Iterator[Sheet]:
    yield Sheet(alive_text.claim(alive), (), tuple(alive_text.rows(alive)))


def _holders(holders: Holders) -> Iterator[Sheet]:
    shown = tuple((held.where, held.type, f"{held.references:,}", held.whose) for held in holders[:_MOST_ROWS])
    heads = ("held at", "by", "references", "whose") if shown else ()
    yield Sheet(f"{len(holders):,} holders", heads, shown, frozenset({2}), _left_out(len(holders)))


def _instance_owners(owners: InstanceOwners) -> Iterator[Sheet]:
    shown = tuple((f"{one.count:,}", f"{one.share:.1%}", one.path, one.type) for one in owners[:_MOST_ROWS])
    heads = ("instances", "share", "path", "type") if shown else ()
    notes = _left_out(len(owners)) or (() if shown else (owners.note,))
    yield Sheet(f"{len(owners):,} owners of instances", heads, shown, frozenset({0, 1}), notes)


# -- snapshots and diffs ---------------------------------------------------------------------------


def _snapshot(snapshot: Snapshot) -> Iterator[Sheet]:
    name = repr(snapshot).strip("<>")
    if not snapshot.is_deep:
        yield Sheet(name, notes=("a cheap measurement, without a walk of the heap",))
        return
    yield Sheet(name, notes=snapshot.left_out)
    for shown in (snapshot.owners, snapshot.types, snapshot.sites):
        if shown:
            yield from sheets_of(shown)


def _owners(owners: Owners) -> Iterator[Sheet]:
    yield _table(owners, "owners", ("owner", "entries", "retains", "keys"), _owner_row, (1, 2))


def _owner_row(owner: OwnerSize) -> _Row:
    return owner.path, f"{owner.entries:,}", size(owner.bytes), owner.key_shape or ""


def _types(types: Types) -> Iterator[Sheet]:
    heads = ("type", "objects", "bytes")
    yield _table(types, "types", heads, lambda each: (each.name, f"{each.count:,}", size(each.bytes)), (1, 2))


def _sites(sites: Sites) -> Iterator[Sheet]:
    heads = ("line", "blocks", "bytes", "")
    yield _table(
        sites,
        "sites",
        heads,
        lambda each: (
            f"{short_path(each.site.file)}:{each.site.line}",
            f"{each.count:,}",
            size(each.bytes),
            each.site.code,
        ),
        (1, 2),
    )


def _diff(diff: Diff) -> Iterator[Sheet]:
    yield Sheet(str(diff), notes=diff.incomparable)
    named = {"owners": diff.owners, "types": diff.types, "lines": diff.sites, "resources": diff.resources}
    for name, changes in named.items():
        if growing := changes.growing():
            yield _changed(growing, f"{name} that grew")


def _changes(changes: Changes) -> Iterator[Sheet]:
    yield _changed(changes, "changes")


def _changed(changes: Changes, name: str) -> Sheet:
    return _table(changes, name, ("name", "before", "after", "gained", "bytes"), _change_row, (1, 2, 3, 4))


def _change_row(change: Change) -> _Row:
    sign = "+" if change.gained_bytes > 0 else ""
    gained = f"{sign}{size(change.gained_bytes)}" if change.gained_bytes else ""
    return change.name, f"{change.before:,}", f"{change.after:,}", f"{change.gained:+,}", gained


def _table(values: Named[Any], name: str, heads: _Row, row: Callable[[Any], _Row], numbers: Iterable[int]) -> Sheet:
    if not values:
        return Sheet(f"no {name}", notes=(values.note,) if values.note else ())
    shown = tuple(row(value) for value in values[:_MOST_ROWS])
    return Sheet(f"{len(values):,} {name}", heads, shown, frozenset(numbers), _left_out(len(values)))


def _left_out(count: int) -> tuple[str, ...]:
    more = count - _MOST_ROWS
    return (f"and {more:,} more: a slice or like(text) shows others",) if more > 0 else ()


# -- trends and entries ----------------------------------------------------------------------------


def _trend(trend: Trend) -> Iterator[Sheet]:
    yield Sheet(trend_headline(trend), notes=tuple(filter(None, (trend.because, trend.advice, *trend.notes))))
    if trend.owners:
        yield from _owner_trends(trend.owners)


def _owner_trends(owners: OwnerTrends) -> Iterator[Sheet]:
    yield _table(owners, "owners", ("owner", "verdict", "entries a day", "bytes a day"), _owner_trend_row, (2, 3))


def _owner_trend_row(owner: Any) -> _Row:
    grown = per_day(owner.bytes.per_hour.value).removesuffix(" a day") if owner.bytes is not None else ""
    return owner.path, str(owner.verdict), rate_text(owner.entries.per_hour.value * 24), grown


def _entries(entries: Entries) -> Iterator[Sheet]:
    name = f"the newest {len(entries):,} of {entries.length:,} entries of {entries.where}, {entries.type}"
    heads = ("key", "value") if any(entry.key for entry in entries) else ("", "value")
    shown = tuple(row for entry in entries for row in _entry_rows(entry))
    yield Sheet(name, heads if shown else (), shown)


def _entry_rows(entry: Entry) -> Iterator[_Row]:
    yield entry.key.text if entry.key is not None else "", entry.value.text
    for name, text in entry.value.parts:
        yield "", f"  {name}: {text}"
    if entry.value.more:
        yield "", f"  and {entry.value.more:,} more"


_MAKERS: dict[type, Callable[[Any], Iterable[Sheet]]] = {
    Report: _report,
    SoakReport: _soak,
    Findings: _findings,
    Finding: _finding,
    SecondOpinion: _opinion,
    Alive: _alive,
    Holders: _holders,
    InstanceOwners: _instance_owners,
    Snapshot: _snapshot,
    Owners: _owners,
    Types: _types,
    Sites: _sites,
    Diff: _diff,
    Changes: _changes,
    Trend: _trend,
    OwnerTrends: _owner_trends,
    Entries: _entries,
}
