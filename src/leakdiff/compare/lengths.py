"""Owners known by path and their lengths at two or more moments → suspects for the judge."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from leakdiff.model.diff import Change, Diff
from leakdiff.model.evidence import Suspect
from leakdiff.model.owner import Accumulation, Owner
from leakdiff.model.snapshot import OwnerSize, Snapshot

_MOST = 12
_A_WHILE = 0.5  # share of the time between the snapshots
_TELLING = 3.0  # entries that must be expected since the later snapshot for a third look to tell anything


def suspects_of_diff(
    diff: Diff, owners: Mapping[str, Owner], since: float | None, unit: float
) -> tuple[list[Suspect], list[str]]:
    """Return the owners that gained between two snapshots, with their length now as a third reading.

    Args:
        diff: What changed.
        owners: Owners that exist now, by path.
        since: Seconds from the later snapshot until now; None where now is another process.
        unit: Seconds by which rates count.

    Returns:
        The suspects, in the diff's order, and what could not be looked at, in sentences.
    """
    changes = [change for change in diff.owners.growing() if change.gained > 0]
    later = (since or 0.0) / unit
    told = [change for change in changes[:_MOST] if change.name in owners]
    found = [_suspect(change, owners[change.name], max(diff.seconds, 1.0) / unit, later) for change in told]
    gone = [change.name for change in changes[:_MOST] if change.name not in owners]
    notes = [f"not in this process any more: {', '.join(gone)}"] if gone else []
    if len(changes) > _MOST:
        notes.append(f"{len(changes) - _MOST} owners that gained less were not looked at")
    return found, notes


def _suspect(change: Change, owner: Owner, between: float, later: float) -> Suspect:
    rate = change.gained / between
    lengths: tuple[int, ...] = (change.before, change.after)
    units: tuple[float, ...] = (between,)
    has_grown = owner.length > change.after  # that it has not says something only after a while
    if rate * later >= _TELLING and (has_grown or later >= _A_WHILE * between):
        lengths, units = (*lengths, owner.length), (*units, later)
    return Suspect(accumulation(change.gained, change.gained_bytes), owner, lengths, units, rate)


def grown_paths(snapshots: Sequence[Snapshot]) -> list[str]:
    """Return the paths of owners that gained entries between every two of some snapshots, the heaviest first."""
    tables = [_entries(taken) for taken in snapshots]
    grown = [
        size
        for size in _owners(snapshots[-1])
        if all(later > sooner for sooner, later in itertools.pairwise(table.get(size.path, 0) for table in tables))
    ]
    return [size.path for size in sorted(grown, key=lambda size: (-size.bytes, -size.entries, size.path))][:_MOST]


def suspects_of_snapshots(snapshots: Sequence[Snapshot], owners: Mapping[str, Owner]) -> list[Suspect]:
    """Return owners with their lengths in some snapshots of one process; the unit is a second."""
    times = [taken.taken.monotonic for taken in snapshots]
    gaps = tuple(max(0.001, later - sooner) for sooner, later in itertools.pairwise(times))
    tables = [_entries(taken) for taken in snapshots]
    weights = {size.path: size.bytes / max(1, size.entries) for size in _owners(snapshots[-1])}
    found = []
    for path, owner in owners.items():
        lengths = tuple(table.get(path, 0) for table in tables)
        gained = lengths[-1] - lengths[0]
        size = round(weights.get(path, 0.0) * gained)
        found.append(Suspect(accumulation(gained, size), owner, lengths, gaps, gained / sum(gaps)))
    return found


def _owners(taken: Snapshot) -> Sequence[OwnerSize]:
    return (taken.heap.owners if taken.heap is not None else None) or ()


def _entries(taken: Snapshot) -> dict[str, int]:
    return {size.path: size.entries for size in _owners(taken)}


def accumulation(entries: int, size: int) -> Accumulation:
    """Return what is known of an owner's gain from lengths alone: no object of it was looked at."""
    return Accumulation(
        path=(),
        members=(),
        reached=frozenset(),
        entries=entries,
        buffer_bytes=0,
        objects=0,
        bytes=0,
        retained=max(0, size),
        types={},
    )
