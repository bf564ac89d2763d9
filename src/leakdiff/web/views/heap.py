"""What is on the heap: memory by kind, and types, of one snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from leakdiff import live
from leakdiff.compare.difference import kinds_of
from leakdiff.model.snapshot import Cgroup, Heap, Memory, Snapshot, SnapshotCost, TypeCount
from leakdiff.render.plain import counted, size
from leakdiff.web.refusals import NotMeasured
from leakdiff.web.routing import Asked
from leakdiff.web.view import Block, Cell, Column, Facts, Link, Table, View
from leakdiff.web.views.parts import (
    GAINED,
    chosen,
    facts_of,
    gain,
    heap_before,
    notes_of,
    nothing_like,
    of_snapshot,
    only_like,
    plain,
    plain_gain,
    plain_header,
    sentence,
    snapshot_form,
)

# -- summary ---------------------------------------------------------------------------------------


def summary(asked: Asked) -> View:
    """Say how much memory the process has, of which kinds, and what its heap amounts to."""
    try:
        kept = asked.desk.kept(asked.given["snapshot"])
    except NotMeasured:
        return _summary("now", live.measure(who=asked.desk.settings.who))
    return _summary(kept.id, kept.snapshot)


def _summary(name: str, snapshot: Snapshot) -> View:
    heap, kinds = snapshot.heap, kinds_of(snapshot)
    blocks: list[Block] = [
        Facts(title="Which", rows=_which(name, snapshot)),
        Facts(title="Memory", rows=_memory(snapshot.memory)),
        *([Facts(title="Container", rows=_container(snapshot.cgroup))] if snapshot.cgroup is not None else []),
        _kinds(kinds, snapshot.memory.rss),
        *([Facts(title="Heap", rows=_heap(heap)), Facts(title="Cost", rows=_cost(snapshot.cost))] if heap else []),
        *notes_of(snapshot.left_out),
        *([snapshot_form()] if heap is None else []),
    ]
    return View(
        title="Summary",
        said=_summary_said(snapshot, kinds),
        blocks=blocks,
        data={
            "snapshot": plain_header(name, snapshot),
            "memory": plain(snapshot.memory),
            "container": plain(snapshot.cgroup),
            "kinds": kinds,
            "heap": _plain_heap(heap) if heap is not None else None,
            "cost": plain(snapshot.cost),
            "left_out": list(snapshot.left_out),
        },
    )


def _summary_said(snapshot: Snapshot, kinds: Mapping[str, int]) -> str:
    cgroup, heap = snapshot.cgroup, snapshot.heap
    within = f" of {size(cgroup.limit)} that its container may have" if cgroup and cgroup.limit else ""
    largest = max(kinds, key=lambda kind: kinds[kind])
    walked = (
        f", and the heap has {heap.objects:,} objects" if heap else "; the heap was not walked yet: take a snapshot"
    )
    most = f"most of it is {largest} ({size(kinds[largest])})"
    return f"The process has {size(snapshot.memory.rss)}{within}; {most}{walked}."


def _which(name: str, snapshot: Snapshot) -> tuple[tuple[str, Cell], ...]:
    rows: list[tuple[str, Cell]] = [("snapshot", name), ("taken", str(snapshot.taken))]
    if snapshot.label:
        rows.append(("label", snapshot.label))
    if snapshot.units is not None:
        rows.append(("units of work", f"{snapshot.units:,}"))
    return tuple(rows)


def _memory(memory: Memory) -> tuple[tuple[str, Cell], ...]:
    sizes = {
        "resident set": memory.rss,
        "unique set": memory.uss,
        "proportional set": memory.pss,
        "shared and files": memory.shared,
        "native heap": memory.native,
    }
    counts = {"memory blocks": memory.blocks, "minor faults": memory.minor_faults, "major faults": memory.major_faults}
    return (
        *((name, size(value)) for name, value in sizes.items() if value is not None),
        *((name, f"{value:,}") for name, value in counts.items() if value is not None),
    )


def _container(cgroup: Cgroup) -> tuple[tuple[str, Cell], ...]:
    share = f", {cgroup.usage / cgroup.limit:.0%} used" if cgroup.limit else ""
    sizes = {"usage": cgroup.usage, "anonymous": cgroup.anon, "page cache": cgroup.file}
    return (
        ("limit", f"{size(cgroup.limit)}{share}" if cgroup.limit is not None else "none"),
        *((name, size(value)) for name, value in sizes.items() if value is not None),
        *((("OOM kills", f"{cgroup.oom_kills:,}"),) if cgroup.oom_kills is not None else ()),
    )


def _kinds(kinds: Mapping[str, int], rss: int) -> Table:
    rows = tuple((name, count, f"{count / rss:.0%}" if rss else None) for name, count in kinds.items())
    columns = (Column("Kind"), Column("Bytes", "bytes"), Column("Share"))
    return Table(title="Resident set by kind", columns=columns, rows=rows)


def _heap(heap: Heap) -> tuple[tuple[str, Cell], ...]:
    return (
        ("objects", f"{heap.objects:,}{'' if heap.is_whole else ' at least: the walk ended early'}"),
        ("bytes", size(heap.bytes)),
        ("of them on the C heap", size(heap.large_bytes)),
        ("types", Link(f"{len(heap.types):,}", "/types")),
        ("owners", Link(f"{len(heap.owners or ()):,} that have {heap.least_entries:,} entries or more", "/owners")),
        ("sites", Link(f"{len(heap.sites):,}" if heap.sites is not None else "not traced", "/sites")),
    )


def _cost(cost: SnapshotCost) -> tuple[tuple[str, Cell], ...]:
    return (
        ("CPU", f"{cost.cpu_seconds:.3f} s"),
        ("time", f"{cost.seconds:.3f} s"),
        ("longest stall", f"{cost.longest_stall * 1000:.1f} ms"),
        ("its own tables", size(cost.memory)),
        ("objects walked", f"{cost.walked:,}"),
    )


def _plain_heap(heap: Heap) -> dict[str, Any]:
    return {
        "objects": heap.objects,
        "bytes": heap.bytes,
        "large_bytes": heap.large_bytes,
        "types": len(heap.types),
        "owners": len(heap.owners) if heap.owners is not None else None,
        "sites": len(heap.sites) if heap.sites is not None else None,
        "least_entries": heap.least_entries,
        "is_whole": heap.is_whole,
    }


# -- types -------------------------------------------------------------------------------


def types(asked: Asked) -> View:
    """Say how many objects of each type there are, and how many bytes they take."""
    found, like, limit = chosen(asked), asked.given["like"], int(asked.given["limit"])
    rows = only_like(found.heap.types, lambda kind: kind.name, like)
    shown, left_out = rows[:limit], max(0, len(rows) - limit)
    known = {kind.name: (kind.count, kind.bytes) for kind in heap_before(found).types}
    before = known if found.before is not None else None
    gains = [gain(kind.name, kind.count, kind.bytes, before) for kind in shown]
    columns = (Column("Type", "code"), Column("Objects", "number"), Column("Bytes", "bytes"), *GAINED)
    cells = tuple((kind.name, kind.count, kind.bytes, *gained) for kind, gained in zip(shown, gains, strict=True))
    return View(
        title="Types",
        said=_types_said(found.heap, rows, like),
        blocks=[
            facts_of(found),
            Table(columns=columns, rows=cells, empty=nothing_like("type", like), left_out=left_out),
            *notes_of(found.snapshot.left_out),
        ],
        data={
            **of_snapshot(found),
            "objects": found.heap.objects,
            "bytes": found.heap.bytes,
            "types": [{**attrs.asdict(kind), **plain_gain(gained)} for kind, gained in zip(shown, gains, strict=True)],
            "left_out": left_out,
        },
    )


def _types_said(heap: Heap, rows: Sequence[TypeCount], like: str) -> str:
    if not rows:
        return sentence(nothing_like("type", like))
    first = rows[0]
    most = f"{first.name} takes most: {counted(first.count, 'object')}, {size(first.bytes)}"
    if like:
        return f"{counted(len(rows), 'type')} like {like!r}; {most}."
    return f"{counted(heap.objects, 'object')} {'takes' if heap.objects == 1 else 'take'} {size(heap.bytes)}; {most}."
