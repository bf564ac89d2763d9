"""The snapshots that are kept, and what changed between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from leakdiff.model.diff import Change, Changes, Diff, Side
from leakdiff.model.kept import Header
from leakdiff.model.snapshot import Snapshot
from leakdiff.render.plain import counted
from leakdiff.render.snapshots import diff_plain
from leakdiff.render.text import short_path
from leakdiff.watcher import told
from leakdiff.web.desk import Desk, Kept
from leakdiff.web.refusals import NotMeasured
from leakdiff.web.routing import Asked
from leakdiff.web.view import Block, Cell, Column, Facts, Form, Input, Link, Table, Text, View
from leakdiff.web.views.parts import filled, notes_of, plain, plain_header, snapshot_form

_MOST_HEADERS = 100
_LOST = 1 << 10  # bytes that an owner or a type has lost from which it has a row of its own
_KINDS = ("owners", "types", "sites", "resources", "memory", "totals")


# -- those that are kept ---------------------------------------------------------------------------


def snapshots(asked: Asked) -> View:
    """List the snapshots taken here and those in the monitor's store."""
    desk = asked.desk
    kept, (headers, fault) = desk.snapshots(), _headers(desk)
    names = [one.id for one in kept] + [str(header.id) for header in headers[:_MOST_HEADERS]]
    stored = f", {len(headers):,} with a walk of the heap in the monitor's store" if desk.monitor is not None else ""
    return View(
        title="Snapshots",
        said=f"{counted(len(kept), 'snapshot')} taken here{stored}.",
        blocks=[
            *([Text(title="What is broken", text=fault)] if fault else []),
            _taken_here(kept),
            *([_in_store(headers)] if desk.monitor is not None and not fault else []),
            *([_diff_form(names)] if len(names) > 1 else []),
            snapshot_form(),
        ],
        data={
            "snapshots": [_plain_kept(one) for one in kept],
            "stored": [plain(header) for header in headers[:_MOST_HEADERS]],
            "left_out": max(0, len(headers) - _MOST_HEADERS),
            "faults": [fault] if fault else [],
        },
    )


def _headers(desk: Desk) -> tuple[list[Header], str]:
    """Return the headers in the store; where it cannot be read, none, and why."""
    try:
        return desk.headers(), ""
    except Exception as error:  # noqa: BLE001 - a store may be anybody's
        return [], told(error)


def _taken_here(kept: Sequence[Kept]) -> Table:
    before = [one.id for one in kept[1:]]
    return Table(
        title="Taken here",
        columns=(
            Column("Snapshot"),
            Column("Taken", "time"),
            Column("Label"),
            Column("Objects", "number"),
            Column("Bytes", "bytes"),
            Column("RSS", "bytes"),
            Column("With the one before"),
        ),
        rows=tuple(_kept_row(one, name) for one, name in zip_longest(kept, before)),
        empty="none yet: press Snapshot",
    )


def _kept_row(one: Kept, before: str | None) -> tuple[Cell, ...]:
    snapshot = one.snapshot
    heap = (snapshot.heap.objects, snapshot.heap.bytes) if snapshot.heap is not None else (None, None)
    link = Link("diff", f"/diff?base={before}&head={one.id}") if before is not None else None
    name = Link(one.id, f"/summary?snapshot={one.id}")
    return name, snapshot.taken.utc, snapshot.label, *heap, snapshot.memory.rss, link


def _in_store(headers: Sequence[Header]) -> Table:
    return Table(
        title="In the monitor's store",
        columns=(
            Column("Snapshot"),
            Column("Taken", "time"),
            Column("Process"),
            Column("Version"),
            Column("Label"),
            Column("Stored", "bytes"),
        ),
        rows=tuple(_header_row(header) for header in headers[:_MOST_HEADERS]),
        empty="none with a walk of the heap yet",
        left_out=max(0, len(headers) - _MOST_HEADERS),
    )


def _header_row(header: Header) -> tuple[Cell, ...]:
    who = header.identity
    name = Link(str(header.id), f"/summary?snapshot={header.id}")
    return name, header.taken, f"{who.host} pid {who.pid}", who.version or None, header.label, header.bytes


def _diff_form(names: Sequence[str]) -> Form:
    return Form(
        label="Diff",
        to="/diff",
        method="get",
        inputs=(
            Input(name="base", label="from", value=names[1], choices=tuple(names)),
            Input(name="head", label="to", value=names[0], choices=tuple(names)),
        ),
        said="What changed from one to the other.",
    )


def _plain_kept(one: Kept) -> dict[str, Any]:
    heap = one.snapshot.heap
    return {
        **plain_header(one.id, one.snapshot),
        "rss": one.snapshot.memory.rss,
        "objects": heap.objects if heap is not None else None,
        "bytes": heap.bytes if heap is not None else None,
    }


# -- what changed ----------------------------------------------------------------------------------


def diff(asked: Asked) -> View:
    """Say what changed between two snapshots."""
    limit = int(asked.given["limit"])
    (base, before), (head, after) = _sides(asked)
    found = after - before
    left_out = {kind: max(0, len(getattr(found, kind)) - limit) for kind in _KINDS}
    return View(
        title=f"Diff of {base} and {head}",
        said=f"{str(found).removeprefix('leakdiff: ')}.",
        blocks=_diff_blocks(found, base, head, limit),
        data={"base": base, "head": head, **_plain_diff(found, limit), "left_out": left_out},
    )


def _sides(asked: Asked) -> tuple[tuple[str, Snapshot], tuple[str, Snapshot]]:
    desk, base, head = asked.desk, asked.given["base"], asked.given["head"]
    later = Kept(head, desk.snapshot(head)) if head is not None else _latest(desk, is_alone=base is None)
    if base is not None:
        return (base, desk.snapshot(base)), (later.id, later.snapshot)
    when = later.snapshot.taken.utc
    earlier = next((one for one in desk.snapshots() if one.snapshot.taken.utc < when), None)
    if earlier is None:
        todo = desk.under_way("snapshot") or "Take another."
        raise NotMeasured("What changed", f"It takes two snapshots, and only one is kept here. {todo}")
    return (earlier.id, earlier.snapshot), (later.id, later.snapshot)


def _latest(desk: Desk, *, is_alone: bool) -> Kept:
    """Return the later side: where neither is named, of two that somebody took, whatever the monitor saw since."""
    taken = desk.snapshots()
    return taken[0] if is_alone and len(taken) > 1 else desk.latest()


def _plain_diff(found: Diff, limit: int) -> dict[str, Any]:
    """Return a diff for JSON, each list as long as is asked for."""
    whole = diff_plain(found)
    del whole["format"]
    shown = {change["name"] for change in whole["owners"][:limit]}
    whole["bounds"] = [bound for bound in whole["bounds"] if bound["path"] in shown]
    listed: dict[str, Any] = plain({name: held[:limit] if name in _KINDS else held for name, held in whole.items()})
    return listed


def _diff_blocks(found: Diff, base: str, head: str, limit: int) -> list[Block]:
    return [
        Facts(
            title="From and to",
            rows=(
                (f"from {base}", _side(found.before)),
                (f"to {head}", _side(found.after)),
                ("the other way", Link("swap", f"/diff?base={head}&head={base}")),
                ("as a profile", Link("pprof", f"/pprof/heap?base={base}&head={head}&by=owners")),
            ),
        ),
        *notes_of(found.incomparable, "What cannot be compared"),
        _sizes("Resident set by kind", found.memory, limit),
        _owner_changes(found, limit),
        _counts("Types", "Objects", found.types, limit),
        _counts("Sites", "Blocks", found.sites, limit),
        _counts("Resources", "Number", found.resources, limit),
        _sizes("Totals", found.totals, limit),
    ]


def _side(side: Side) -> str:
    who = side.identity
    label = f", {side.label!r}" if side.label else ""
    return (
        f"{side.taken}, {who.service or 'a process'} {who.version}".rstrip() + f" on {who.host}, pid {who.pid}{label}"
    )


_GAINS = (Column("Gained", "change"), Column("Bytes after", "bytes"), Column("Bytes gained", "bytes change"))


def _owner_changes(found: Diff, limit: int) -> Table:
    changes, left_out = _worth_a_row(found.owners, limit)
    return Table(
        title="Owners",
        columns=(
            Column("Owner", "code"),
            Column("Before", "number"),
            Column("After", "number"),
            *_GAINS,
            Column("Bound"),
        ),
        rows=tuple((*_row(change), filled(found.bounds.get(change.name))) for change in changes),
        empty="none changed by much" if left_out else "none changed",
        left_out=left_out,
    )


def _worth_a_row(changes: Changes, limit: int) -> tuple[list[Change], int]:
    """Return what gained, or lost much, and how many others there are: small losses say nothing of a leak."""
    shown = [one for one in changes if not _is_small_loss(one)][:limit]
    return shown, len(changes) - len(shown)


def _is_small_loss(change: Change) -> bool:
    is_sized = change.bytes_before or change.bytes_after
    return bool(is_sized and change.gained <= 0 and -_LOST < change.gained_bytes <= 0)


def _counts(title: str, what: str, changes: Changes, limit: int) -> Table:
    shown, left_out = _worth_a_row(changes, limit)
    return Table(
        title=title,
        columns=(Column(what, "code"), Column("Before", "number"), Column("After", "number"), *_GAINS),
        rows=tuple(_row(change) for change in shown),
        empty="none changed by much" if left_out else "none changed",
        left_out=left_out,
    )


def _row(change: Change) -> tuple[Cell, ...]:
    is_sized = change.bytes_before or change.bytes_after
    sizes = (change.bytes_after, change.gained_bytes) if is_sized else (None, None)
    return short_path(change.name), change.before, change.after, change.gained, *sizes


def _sizes(title: str, changes: Changes, limit: int) -> Table:
    """Return totals; what is a number and no size has it as such."""
    rows = [
        (change.name, change.bytes_before, change.bytes_after, change.gained_bytes)
        if (change.before, change.after) == (change.bytes_before, change.bytes_after)
        else (change.name, f"{change.before:,}", f"{change.after:,}", f"{change.gained:+,}")
        for change in changes[:limit]
    ]
    return Table(
        title=title,
        columns=(
            Column("What"),
            Column("Before", "bytes"),
            Column("After", "bytes"),
            Column("Gained", "bytes change"),
        ),
        rows=tuple(rows),
        empty="none changed",
        left_out=max(0, len(changes) - limit),
    )
