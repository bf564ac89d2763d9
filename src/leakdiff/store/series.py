"""The readings of a snapshot that a store keeps as series."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence

from leakdiff.model.snapshot import Heap, OwnerSize, Snapshot, Tally

ENTRIES, BYTES = "owner.entries:", "owner.bytes:"
_MOST_OWNERS = 300  # by entries, and as many by bytes


def series_of_snapshot(snapshot: Snapshot, known: Collection[str] = frozenset()) -> dict[str, float]:
    """Return the readings of a snapshot by name of their series.

    The names are ``rss``, ``uss``, ``native``, ``blocks``, ``cgroup.usage``, ``cgroup.anon``, ``heap.objects``,
    ``heap.bytes``, ``threads``, ``tasks``, ``descriptors``, ``owner.entries:PATH`` and ``owner.bytes:PATH``.

    Args:
        snapshot: What to read.
        known: Paths of owners that have a series already; they are read however small they are.
    """
    readings = dict(_process(snapshot))
    for owner in kept_owners(snapshot, known):
        readings[ENTRIES + owner.path] = float(owner.entries)
        readings[BYTES + owner.path] = float(owner.bytes)
    readings.update((ENTRIES + watched.name, float(watched.count)) for watched in snapshot.watched)
    return readings


def kept_owners(snapshot: Snapshot, known: Collection[str] = frozenset()) -> list[OwnerSize]:
    """Return the owners whose readings are kept: the largest, the longest, and those kept before."""
    owners = (snapshot.heap.owners if snapshot.heap is not None else None) or ()
    longest = heapq.nsmallest(_MOST_OWNERS, owners, key=lambda owner: (-owner.entries, owner.path))
    largest = heapq.nsmallest(_MOST_OWNERS, owners, key=lambda owner: (-owner.bytes, owner.path))
    top = {owner.path for owner in (*longest, *largest)}
    return [owner for owner in owners if owner.path in top or owner.path in known]


def _process(snapshot: Snapshot) -> Iterator[tuple[str, float]]:
    memory, cgroup, resources = snapshot.memory, snapshot.cgroup, snapshot.resources
    readings = {
        "rss": memory.rss,
        "uss": memory.uss,
        "native": memory.native,
        "blocks": memory.blocks,
        "cgroup.usage": cgroup.usage if cgroup else None,
        "cgroup.anon": cgroup.anon if cgroup else None,
        "threads": _total(resources.threads) if resources else None,
        "tasks": _total(resources.tasks) if resources else None,
        "descriptors": _total(resources.descriptors) if resources else None,
        **_whole_heap(snapshot.heap),
    }
    return ((name, float(value)) for name, value in readings.items() if value is not None)


def _whole_heap(heap: Heap | None) -> dict[str, int]:
    if heap is None or not heap.is_whole:  # where a budget ended the walk, the totals say nothing
        return {}
    return {"heap.objects": heap.objects, "heap.bytes": heap.bytes}


def _total(tallies: Sequence[Tally]) -> int:
    return sum(tally.count for tally in tallies)
