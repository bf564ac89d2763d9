"""Snapshots from a readable description, and strategies for any snapshot, for tests that need no live process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from hypothesis import strategies as st

from leakdiff.model.heap import Bound, Site
from leakdiff.model.snapshot import (
    RESOURCE_KINDS,
    Cgroup,
    Heap,
    Identity,
    Memory,
    Moment,
    OwnerSize,
    Resources,
    SiteCount,
    Snapshot,
    SnapshotCost,
    Tally,
    TypeCount,
)
from strategies import texts

NOON = 1_772_366_400.0  # 2026-03-01 12:00:00Z
MIB = 1024**2

MATCHING = Identity(
    service="matching",
    version="2.4.1",
    revision="3f9a2c1d77aa00ff",
    host="pod-1",
    pid=17,
    started=NOON - 3_600,
    boot_id="b0075",
    python="3.12.1",
    leakdiff="0.2.0",
)

Amounts = Mapping[str, tuple[int, int]]  # how many and how many bytes, by name


# -- by hand ---------------------------------------------------------------------------------------


def snapshot(  # noqa: PLR0913 - a snapshot has so many sides
    *,
    at: float = 0.0,
    types: Amounts | None = None,
    owners: Amounts | None = None,
    sites: Amounts | None = None,
    bounds: Mapping[str, Bound] | None = None,
    resources: Mapping[str, Mapping[str, int]] | None = None,
    walk: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Snapshot:
    """Return a deep snapshot of the matching service.

    Args:
        at: Seconds after noon.
        types: Count and bytes by type name.
        owners: Entries and retained bytes by path.
        sites: Blocks and bytes by ``file:line``; None for tracemalloc off.
        bounds: Bound by path, of owners that have one.
        resources: Count by name by kind of resource.
        walk: Attributes of the heap that differ, such as ``is_whole``.
        **facts: Attributes of the snapshot, its identity or its memory that differ, such as ``pid`` or ``rss``.
    """
    heap = Heap(
        types=tuple(TypeCount(name, *amount) for name, amount in (types or {}).items()),
        owners=tuple(_owner(path, *amount, (bounds or {}).get(path)) for path, amount in (owners or {}).items()),
        sites=None if sites is None else tuple(SiteCount(site(place), *sites[place]) for place in sites),
    )
    return attrs.evolve(
        cheap(at=at, **facts), heap=attrs.evolve(heap, **(walk or {})), resources=_resources(resources or {})
    )


def cheap(*, at: float = 0.0, **facts: Any) -> Snapshot:
    """Return a cheap measurement of the matching service, without heap and resources; ``facts`` as above."""
    memory = _changed(Memory(rss=100 * MIB, shared=10 * MIB, native=30 * MIB, blocks=400_000), facts)
    taken = Moment(NOON + at, 1_000.0 + at)
    made: Snapshot = _changed(Snapshot(taken=taken, identity=_changed(MATCHING, facts), memory=memory), facts)
    return made


def site(place: str) -> Site:
    """Return a site from ``file:line`` or ``file:line in function``."""
    file, _, rest = place.rpartition(":")
    line, _, function = rest.partition(" in ")
    return Site(file, int(line), function)


def _owner(path: str, entries: int, size: int, bound: Bound | None) -> OwnerSize:
    return OwnerSize(path=path, kind="module", type="dict", entries=entries, bytes=size, bound=bound)


def _resources(counts: Mapping[str, Mapping[str, int]]) -> Resources:
    return Resources(**{kind: tuple(Tally(*item) for item in tallies.items()) for kind, tallies in counts.items()})


def _changed(value: Any, facts: Mapping[str, Any]) -> Any:
    known = attrs.fields_dict(type(value))
    return attrs.evolve(value, **{name: fact for name, fact in facts.items() if name in known})


# -- by chance -------------------------------------------------------------------------------------

_COUNTS = st.integers(0, 9) | st.integers(0, 10**12)
_SECONDS = st.floats(-1e12, 1e12)
_MAYBE = st.none() | _COUNTS
# Few names, so that two snapshots have some in common, and any others.
_NAMES = st.sampled_from(("app.Result", "app.cache", "app.sessions[*].log", "dict")) | texts
_BOUNDS = st.builds(Bound, texts, _COUNTS, _COUNTS)
_SITES = st.builds(Site, st.sampled_from(("app.py", "/app/lib.py")) | texts, st.integers(1, 3), texts, texts)


def _some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=4).map(tuple)


identities = st.builds(
    Identity,
    service=st.sampled_from(("", "matching")) | texts,
    version=texts,
    revision=texts,
    host=st.sampled_from(("pod-1", "pod-2")) | texts,
    pid=st.integers(1, 3),
    started=st.just(0.0) | _SECONDS,
    boot_id=st.sampled_from(("", "b0075")) | texts,
    python=st.sampled_from(("3.12.1", "3.13.0")) | texts,
    leakdiff=texts,
)
memories = st.builds(
    Memory,
    rss=_COUNTS,
    uss=_MAYBE,
    pss=_MAYBE,
    shared=_MAYBE,
    native=_MAYBE,
    blocks=_COUNTS,
    minor_faults=_MAYBE,
    major_faults=_MAYBE,
)
cgroups = st.builds(
    Cgroup,
    version=st.sampled_from((1, 2)),
    usage=_COUNTS,
    limit=_MAYBE,
    anon=_MAYBE,
    file=_MAYBE,
    inactive_file=_MAYBE,
    oom_kills=_MAYBE,
)
resources = st.builds(Resources, **{kind: _some(st.builds(Tally, _NAMES, _COUNTS)) for kind in RESOURCE_KINDS})


@st.composite
def heaps(draw: Callable[..., Any], *, whole: bool | None = None, least: int | None = None) -> Heap:
    """Draw what a walk could have seen; ``whole`` and ``least`` fix how far it came and what it lists."""
    least_entries = draw(st.sampled_from((0, 4, 10))) if least is None else least
    owner = st.builds(
        OwnerSize,
        path=_NAMES,
        kind=st.sampled_from(("module", "class", "frame")),
        type=texts,
        entries=_COUNTS.map(lambda more: least_entries + more),
        bytes=_COUNTS,
        containers=st.integers(1, 3),
        key_shape=st.none() | texts,
        bound=st.none() | _BOUNDS,
        entry_bytes=st.none() | st.floats(0, 1e12),
        sized_by=st.sampled_from((None, "pympler", "walk")),
    )
    return Heap(
        types=draw(_some(st.builds(TypeCount, _NAMES, _COUNTS, _COUNTS))),
        large_bytes=draw(_COUNTS),
        owners=draw(st.none() | _some(owner)),
        least_entries=least_entries,
        sites=draw(st.none() | _some(st.builds(SiteCount, _SITES, _COUNTS, _COUNTS))),
        is_whole=draw(st.booleans()) if whole is None else whole,
    )


def st_snapshots(
    *, deep: bool | None = None, whole: bool | None = None, least: int | None = None
) -> st.SearchStrategy[Snapshot]:
    """Return a strategy for any snapshot: cheap or deep, of any process at any time.

    Args:
        deep: Whether the heap was walked; None for either.
        whole: Whether the walk came to its end; None for either.
        least: Entries below which containers are not listed; None for any.
    """
    heap: st.SearchStrategy[Heap | None] = heaps(whole=whole, least=least) if deep is not False else st.none()
    return st.builds(
        Snapshot,
        taken=st.builds(Moment, _SECONDS, _SECONDS),
        identity=identities,
        label=st.none() | texts,
        memory=memories,
        cgroup=st.none() | cgroups,
        resources=st.none() | resources,
        heap=st.none() | heap if deep is None else heap,
        units=_MAYBE,
        watched=_some(st.builds(Tally, _NAMES, _COUNTS)),
        left_out=_some(texts),
        cost=st.builds(
            SnapshotCost,
            cpu_seconds=_SECONDS,
            seconds=_SECONDS,
            longest_stall=_SECONDS,
            memory=_COUNTS,
            walked=_COUNTS,
        ),
    )
