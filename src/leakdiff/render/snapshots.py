"""Snapshots and diffs: as text for a reader, as plain dicts (format 1) for a program."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import attrs

from leakdiff.model.diff import Change, Changes, Diff, Side
from leakdiff.model.heap import Bound
from leakdiff.model.signals import rate_text
from leakdiff.model.snapshot import (
    RESOURCE_KINDS,
    Cgroup,
    Heap,
    Memory,
    OwnerSize,
    Resources,
    SiteCount,
    Snapshot,
    SnapshotCost,
    Tally,
    TypeCount,
)
from leakdiff.render.plain import counted, printable, size, when, who_of
from leakdiff.render.text import short_path

FORMAT = 1

_MOST_ROWS = 10
_KEY = 9  # columns of the longest key, "resources" and "container"
_LEAST_SPAN = 600.0  # seconds between two snapshots below which growth per hour says nothing
_RESIDENT = "resident set"  # the total that the kinds of memory add up to

_T = TypeVar("_T")
_Row = tuple[str, ...]
_Pace = tuple[float, str]  # how many units or hours lie between two snapshots, and which of the two it is


# -- a snapshot as text ----------------------------------------------------------------------------


def snapshot_text(snapshot: Snapshot) -> str:
    """Return a snapshot as text: what it is in one line, then its parts; ends without a newline."""
    heap = snapshot.heap
    return _document(
        f"leakdiff: {_claim(snapshot)}",
        _section("taken", [_circumstances(snapshot)]),
        _section("memory", _table(list(_memory_rows(snapshot.memory)))),
        _section("container", _table(list(_container_rows(snapshot.cgroup))) if snapshot.cgroup else []),
        _section("owners", _listed(heap.owners or (), _owner_row, (0, 4, 5, 6)) if heap else []),
        _section("types", _listed(heap.types, _type_row) if heap else []),
        _section("sites", _listed(heap.sites or (), _site_row) if heap else []),
        _section("watched", _listed(snapshot.watched, _watched_row)),
        _section("resources", _listed(_by_count(snapshot.resources), _resource_row) if snapshot.resources else []),
        _section("cost", [_cost(snapshot.cost)]),
        _notes(snapshot.left_out),
    )


def _claim(snapshot: Snapshot) -> str:
    label = printable(f"'{snapshot.label}', ") if snapshot.label else ""
    memory = f"{label}{who_of(snapshot.identity)}: resident set {size(snapshot.memory.rss)}"
    if snapshot.heap is None:
        return f"{memory}; the heap was not walked"
    least = "" if snapshot.heap.is_whole else "at least "
    return f"{memory}, {least}{counted(snapshot.heap.objects, 'object')} of {size(snapshot.heap.bytes)}"


def _circumstances(snapshot: Snapshot) -> str:
    who, taken = snapshot.identity, snapshot.taken
    facts = [when(taken)]
    if 0 < who.started <= taken.utc:
        facts.append(f"{_span(taken.utc - who.started)} after its start")
    if snapshot.units is not None:
        facts.append(f"{counted(snapshot.units, 'unit')} of work")
    facts.extend(
        f"{name} {printable(version)}"
        for name, version in (("Python", who.python), ("leakdiff", who.leakdiff))
        if version
    )
    return ", ".join(facts)


def _memory_rows(memory: Memory) -> Iterator[_Row]:
    sizes = {
        _RESIDENT: memory.rss,
        "unique set": memory.uss,
        "proportional set": memory.pss,
        "shared and files": memory.shared,
        "native heap": memory.native,
    }
    counts = {
        "blocks": memory.blocks,
        "minor page faults": memory.minor_faults,
        "major page faults": memory.major_faults,
    }
    yield from ((name, size(value)) for name, value in sizes.items() if value is not None)
    yield from ((name, f"{value:,}") for name, value in counts.items() if value is not None)


def _container_rows(cgroup: Cgroup) -> Iterator[_Row]:
    limit = f"of {size(cgroup.limit)}" if cgroup.limit is not None else "without a limit"
    yield "usage", size(cgroup.usage), limit
    sizes = {
        "anonymous": cgroup.anon,
        "page cache": cgroup.file,
        "inactive page cache": cgroup.inactive_file,
    }
    yield from ((name, size(value), "") for name, value in sizes.items() if value is not None)
    if cgroup.oom_kills is not None:
        yield "OOM kills", f"{cgroup.oom_kills:,}", ""


def _owner_row(owner: OwnerSize) -> _Row:
    return (
        printable(owner.path),
        counted(owner.entries, "entry", "entries"),
        size(owner.bytes),
        f"{size(owner.entry_bytes)} each" if owner.entry_bytes is not None else "",
        printable(owner.type) + (f" in {owner.containers:,} places" if owner.containers > 1 else ""),
        f"keys: {printable(owner.key_shape)}" if owner.key_shape else "",
        _limit(owner.bound),
    )


def _limit(bound: Bound | None) -> str:
    return f"{bound.filled:,} of at most {bound.limit:,}" if bound is not None else ""


def _type_row(found: TypeCount) -> _Row:
    return printable(found.name), f"{found.count:,}", size(found.bytes)


def _site_row(found: SiteCount) -> _Row:
    site = found.site
    where = f" in {site.function}" if site.function else ""
    place = printable(f"{short_path(site.file)}:{site.line}{where}")
    return place, counted(found.count, "block"), size(found.bytes)


def _watched_row(tally: Tally) -> _Row:
    return printable(tally.name), counted(tally.count, "entry", "entries")


def _by_count(resources: Resources) -> list[tuple[str, Tally]]:
    """Return what is held with its kind, most in number first."""
    held = [(kind, tally) for kind in RESOURCE_KINDS for tally in getattr(resources, kind)]
    return sorted(held, key=lambda found: (-found[1].count, found[0], found[1].name))


def _resource_row(found: tuple[str, Tally]) -> _Row:
    kind, tally = found
    return printable(f"{kind} {tally.name}"), f"{tally.count:,}"


def _cost(cost: SnapshotCost) -> str:
    return (
        f"{cost.cpu_seconds:.3f} CPU s in {cost.seconds:.3f} s, longest stall {cost.longest_stall * 1000:.1f} ms, "
        f"{size(cost.memory)} of tables, {counted(cost.walked, 'object')} walked"
    )


# -- a diff as text --------------------------------------------------------------------------------


def diff_text(diff: Diff) -> str:
    """Return a diff as text: the answer in one line, then what changed by kind; ends without a newline."""
    pace = _pace(diff)
    return _document(
        f"leakdiff: {_answer(diff)}",
        "\n".join((_section("before", [_side(diff.before)]), _section("after", [_side(diff.after)]))),
        _section("memory", _memory_table(diff, pace)),
        _section("owners", _listed(diff.owners, lambda change: _bounded_row(change, pace, diff.bounds), (0, 7))),
        _section("types", _listed(diff.types, lambda change: _count_row(change, pace))),
        _section("sites", _listed(diff.sites, lambda change: _count_row(_shortened(change), pace))),
        _section("resources", _listed(diff.resources, lambda change: _count_row(change, pace))),
        _section("totals", _listed(_other_totals(diff), lambda change: _total_row(change, pace))),
        _notes(diff.incomparable),
    )


def _answer(diff: Diff) -> str:
    for changes, kind, nouns in (
        (diff.owners, "owner", ("entry", "entries")),
        (diff.types, "type", ("object", "objects")),
        (diff.resources, "resource", ("", "")),
    ):
        if grown := changes.growing():
            # What gained entries says more than what merely holds something that became larger.
            first = next((change for change in grown if change.gained > 0), grown[0])
            return f"{counted(len(grown), kind)} grew in {_span(diff.seconds)}: {_gain(first, *nouns)}"
    return _nothing(diff)


def _gain(change: Change, noun: str, plural: str) -> str:
    count = f"+{counted(change.gained, noun, plural)}".rstrip() if change.gained > 0 else ""
    heavier = size(change.gained_bytes) if change.gained_bytes else ""
    gain = ", ".join(part for part in (count, heavier) if part)
    return f"{printable(change.name)} {gain if count else f'+{gain}'}"


def _nothing(diff: Diff) -> str:
    far = "as far as can be compared, " if diff.incomparable else ""
    resident = diff.memory.gained_bytes
    but = f" but the resident set, by {size(resident)}" if resident > 0 else ""
    return f"{far}nothing grew in {_span(diff.seconds)}{but}"


def _side(side: Side) -> str:
    label = printable(f"  '{side.label}'") if side.label else ""
    return f"{when(side.taken)}  {who_of(side.identity)}{label}"


def _pace(diff: Diff) -> _Pace | None:
    """Return what to divide gains by: units of work where counted, else hours, and only in the life of one process."""
    if diff.units is not None and diff.units > 0:
        return diff.units, "unit"
    if diff.seconds > _LEAST_SPAN and diff.before.identity.instance == diff.after.identity.instance:
        return diff.seconds / 3600, "hour"
    return None


def _memory_table(diff: Diff, pace: _Pace | None) -> list[str]:
    if not diff.memory:
        return []
    rows = [_size_row(change, pace) for change in diff.memory]
    resident = [change for change in diff.totals if change.name == _RESIDENT]
    sums = [_size_row(change, pace) for change in resident] or [(_RESIDENT, "", "", "", "+0 B", "")]
    return _table([*rows, *sums])


def _other_totals(diff: Diff) -> list[Change]:
    return [change for change in diff.totals if change.name != _RESIDENT]


def _size_row(change: Change, pace: _Pace | None) -> _Row:
    gained = change.gained_bytes
    sizes = size(change.bytes_before), "->", size(change.bytes_after)
    return printable(change.name), *sizes, _signed(gained), _rate(size, gained, pace)


def _count_row(change: Change, pace: _Pace | None) -> _Row:
    counts = f"{change.before:,}", "->", f"{change.after:,}", f"{change.gained:+,}"
    heavier = _signed(change.gained_bytes) if change.bytes_before or change.bytes_after else ""
    in_number = change.gained or not change.gained_bytes
    rate = _rate(rate_text, change.gained, pace) if in_number else _rate(size, change.gained_bytes, pace)
    return printable(change.name), *counts, heavier, rate


def _bounded_row(change: Change, pace: _Pace | None, bounds: dict[str, Bound]) -> _Row:
    return *_count_row(change, pace), _limit(bounds.get(change.name))


def _total_row(change: Change, pace: _Pace | None) -> _Row:
    """Return the row of a total: one in bytes has them as its number too."""
    if (change.before, change.after) != (change.bytes_before, change.bytes_after):
        return _count_row(change, pace)
    name, before, arrow, after, gained, rate = _size_row(change, pace)
    return name, before, arrow, after, gained, "", rate


def _shortened(change: Change) -> Change:
    return attrs.evolve(change, name=short_path(change.name))


def _rate(shown: Callable[[float], str], gained: int, pace: _Pace | None) -> str:
    return f"{shown(gained / pace[0])} per {pace[1]}" if pace is not None else ""


def _signed(count: int) -> str:
    return f"+{size(count)}" if count >= 0 else size(count)


# -- parts of a page -------------------------------------------------------------------------------


def _document(*blocks: str) -> str:
    return "\n\n".join(block for block in blocks if block)


def _section(key: str, lines: Iterable[str]) -> str:
    """Return lines with a key before the first; nothing if there are none."""
    keys = [key]
    return "\n".join(f"  {keys.pop() if keys else '':<{_KEY}}  {line}".rstrip() for line in lines)


def _notes(notes: Iterable[str]) -> str:
    return "\n".join(_section("note", [printable(note)]) for note in notes)


def _listed(items: Sequence[_T], row: Callable[[_T], _Row], left: Container[int] = (0,)) -> list[str]:
    """Return a table of the first items, and how many more there are."""
    lines = _table([row(item) for item in items[:_MOST_ROWS]], left)
    more = len(items) - _MOST_ROWS
    return [*lines, f"and {more:,} more"] if more > 0 else lines


def _table(rows: Sequence[_Row], left: Container[int] = (0,)) -> list[str]:
    """Return rows with aligned columns: those named to the left, others to the right, empty ones not at all."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    used = [(at, width, at in left) for at, width in enumerate(widths) if width]
    return [
        "  ".join(row[at].ljust(width) if to_left else row[at].rjust(width) for at, width, to_left in used).rstrip()
        for row in rows
    ]


def _span(seconds: float) -> str:
    """Return a time as ``2 s``, ``45 min``, ``6.0 h`` or ``3.5 days``, whatever its direction."""
    seconds = abs(seconds)
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 259_200 else f"{seconds / 86400:.1f} days"


# -- plain -----------------------------------------------------------------------------------------


def snapshot_plain(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as plain dicts, lists, texts and numbers; None for what was not looked at."""
    heap = snapshot.heap
    return {
        "format": FORMAT,
        "label": snapshot.label,
        "taken": attrs.asdict(snapshot.taken),
        "identity": attrs.asdict(snapshot.identity),
        "units": snapshot.units,
        "memory": attrs.asdict(snapshot.memory),
        "cgroup": attrs.asdict(snapshot.cgroup) if snapshot.cgroup is not None else None,
        "owners": _plain_list(heap.owners if heap else None),
        "types": _plain_list(heap.types if heap else None),
        "sites": _plain_list(heap.sites if heap else None),
        "heap": _plain_heap(heap) if heap else None,
        "resources": _plain_resources(snapshot.resources),
        "watched": _plain_list(snapshot.watched),
        "left_out": list(snapshot.left_out),
        "cost": attrs.asdict(snapshot.cost),
    }


def _plain_heap(heap: Heap) -> dict[str, Any]:
    return {
        "objects": heap.objects,
        "bytes": heap.bytes,
        "large_bytes": heap.large_bytes,
        "least_entries": heap.least_entries,
        "is_whole": heap.is_whole,
    }


def _plain_list(values: Iterable[Any] | None) -> list[dict[str, Any]] | None:
    return None if values is None else [attrs.asdict(value) for value in values]


def _plain_resources(resources: Resources | None) -> list[dict[str, Any]] | None:
    if resources is None:
        return None
    return [{"kind": kind, "name": tally.name, "count": tally.count} for kind, tally in _by_count(resources)]


def diff_plain(diff: Diff) -> dict[str, Any]:
    """Return a diff as plain dicts, lists, texts and numbers."""
    return {
        "format": FORMAT,
        "before": attrs.asdict(diff.before),
        "after": attrs.asdict(diff.after),
        "seconds": diff.seconds,
        "units": diff.units,
        "grew": diff.grew,
        "memory": _plain_changes(diff.memory),
        "owners": _plain_changes(diff.owners),
        "types": _plain_changes(diff.types),
        "sites": _plain_changes(diff.sites),
        "resources": _plain_changes(diff.resources),
        "totals": _plain_changes(diff.totals),
        "bounds": [{"path": path, **attrs.asdict(bound)} for path, bound in sorted(diff.bounds.items())],
        "incomparable": list(diff.incomparable),
    }


def _plain_changes(changes: Changes) -> list[dict[str, Any]]:
    return [
        {**attrs.asdict(change), "gained": change.gained, "gained_bytes": change.gained_bytes} for change in changes
    ]
