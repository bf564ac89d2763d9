"""Who holds what: containers by name, their entries, and how their length went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from leakdiff.model.snapshot import OwnerSize
from leakdiff.render.plain import counted, size
from leakdiff.store.series import ENTRIES
from leakdiff.web.charts import thinned
from leakdiff.web.desk import Desk
from leakdiff.web.refusals import NotMeasured
from leakdiff.web.routing import Asked
from leakdiff.web.view import Cell, Column, Link, Points, Table, View
from leakdiff.web.views.parts import (
    Amounts,
    Chosen,
    Gain,
    chosen,
    drawn,
    facts_of,
    filled,
    gain,
    heap_before,
    notes_of,
    nothing_like,
    of_snapshot,
    only_like,
    pairs,
    path_of,
    plain,
    plain_gain,
    sentence,
)

_MOST_LINES = 100  # owners whose length is drawn: each is a question to the store
_LINE_SPAN = 86_400.0  # seconds of it
_LINE_POINTS = 60
_COLUMNS = (
    Column("Owner", "code"),
    Column("Entries", "number"),
    Column("Gained", "change"),
    Column("Bytes", "bytes"),
    Column("Bytes gained", "bytes change"),
    Column("Bound"),
    Column("Over time", "chart"),
    Column("Keys"),
    Column("Type", "code"),
    Column("Newest keys"),
    Column("Each", "bytes"),
    Column("Finding"),
)
_NOT_IN_TEXT = ("Type", "Each", "Finding")  # a line of a terminal has no room for them


def owners(asked: Asked) -> View:
    """Say which containers there are by name, how long each is, and how that went."""
    found, like, limit = chosen(asked), asked.given["like"], int(asked.given["limit"])
    if found.heap.owners is None:
        raise NotMeasured(f"Who holds what in snapshot {found.id}", "It was taken without owners: take another.")
    rows = only_like(found.heap.owners, lambda owner: owner.path, like)
    before = _before(found)
    told = _told(asked.desk, rows[:limit], before)
    left_out = max(0, len(rows) - limit)
    used = [at for at, one in enumerate(_COLUMNS) if asked.format != "text" or one.name not in _NOT_IN_TEXT]
    shown = Table(
        columns=tuple(_COLUMNS[at] for at in used),
        rows=tuple(tuple(each.cells()[at] for at in used) for each in told),
        empty=nothing_like("owner", like),
        left_out=left_out,
    )
    return View(
        title="Owners",
        said=_said(found, rows, before, like),
        blocks=[facts_of(found), shown, *notes_of(found.snapshot.left_out)],
        data={
            **of_snapshot(found),
            "least_entries": found.heap.least_entries,
            "owners": [each.plain() for each in told],
            "left_out": left_out,
        },
    )


def _before(found: Chosen) -> Amounts | None:
    known = heap_before(found).owners
    return {owner.path: (owner.entries, owner.bytes) for owner in known} if known is not None else None


def _said(found: Chosen, rows: Sequence[OwnerSize], before: Amounts | None, like: str) -> str:
    if not rows:
        return sentence(nothing_like("owner", like))
    first = max(rows, key=lambda owner: owner.bytes)
    said = f"{first.path} holds most: {counted(first.entries, 'entry', 'entries')}, {size(first.bytes)}"
    if before is None or found.before is None:
        return f"{said}."
    gains = [(owner.entries - before[owner.path][0], owner.path) for owner in rows if owner.path in before]
    gained, path = max(gains, default=(0, ""))
    grown = f"; {path} gained most since snapshot {found.before.id}: {gained:+,} entries" if gained > 0 else ""
    return f"{said}{grown}."


@attrs.frozen(kw_only=True)
class _Told:
    """One owner with all that is known of it here."""

    owner: OwnerSize
    gain: Gain
    line: Points
    keys: tuple[str, ...]
    fingerprint: str | None
    has_history: bool

    def cells(self) -> tuple[Cell, ...]:
        """Return its row."""
        owner, fingerprint = self.owner, self.fingerprint
        places = f" in {owner.containers:,} places" if owner.containers > 1 else ""
        return (
            Link(owner.path, path_of(ENTRIES + owner.path)) if self.has_history else owner.path,
            owner.entries,
            self.gain[0],
            owner.bytes,
            self.gain[1],
            filled(owner.bound),
            drawn(self.line, "number"),
            owner.key_shape,
            f"{owner.type}{places}",
            ", ".join(self.keys) or None,
            owner.entry_bytes,
            Link(fingerprint, f"/findings/{fingerprint}") if fingerprint is not None else None,
        )

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        told: dict[str, Any] = plain(self.owner)
        told |= {**plain_gain(self.gain), "finding": self.fingerprint, "over_time": plain(self.line)}
        return told | ({"keys": list(self.keys)} if self.keys else {})


def _told(desk: Desk, rows: Sequence[OwnerSize], before: Amounts | None) -> list[_Told]:
    lines = lengths_of(desk, [owner.path for owner in rows[:_MOST_LINES]])
    found = {finding.owner: finding.fingerprint for seen in reversed(desk.reports()) for finding in seen.report}
    # What was not listed before may have been there, and short: it is not said to have gained all it has.
    return [
        _Told(
            owner=owner,
            gain=gain(owner.path, owner.entries, owner.bytes, before if before and owner.path in before else None),
            line=lines.get(owner.path, ()),
            keys=shown_keys(desk, owner.path),
            fingerprint=found.get(owner.path),
            has_history=desk.monitor is not None,
        )
        for owner in rows
    ]


# -- over time -------------------------------------------------------------------------------------


def lengths_of(desk: Desk, paths: Sequence[str], seconds: float = _LINE_SPAN) -> dict[str, Points]:
    """Return how long owners were in this process: from the monitor's store, else from the snapshots kept here."""
    instance, lines = desk.identity().instance, _kept_lengths(desk, paths)
    try:
        for path in paths:
            stored = [point for point in desk.points(ENTRIES + path, seconds) if point.instance == instance]
            if len(stored) > len(lines[path]):
                lines[path] = pairs(stored)
    except Exception:  # noqa: BLE001, S110 - a store may be anybody's, and the index says what is wrong with it
        pass
    return {path: thinned(line, _LINE_POINTS) for path, line in lines.items()}


def _kept_lengths(desk: Desk, paths: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {path: [] for path in paths}
    for kept in reversed(desk.snapshots()):
        heap = kept.snapshot.heap
        for owner in (heap.owners if heap is not None else None) or ():
            if owner.path in lines:
                lines[owner.path].append((kept.snapshot.taken.utc, float(owner.entries)))
    return lines


def shown_keys(desk: Desk, path: str) -> tuple[str, ...]:
    """Return what the redactor lets out of an owner's newest keys; nothing without one."""
    if desk.settings.redactor is None:
        return ()
    from leakdiff.capture.samples import newest_keys

    return newest_keys(path, desk.settings.redactor)
