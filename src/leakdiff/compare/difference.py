"""Two snapshots, of any processes and any time apart → what changed between them, ranked, with sums that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import attrs

from leakdiff.model.diff import Change, Changes, Diff, Side
from leakdiff.model.heap import Bound
from leakdiff.model.owner import LIBRARIES
from leakdiff.model.snapshot import RESOURCE_KINDS, Heap, Resources, SiteCount, Snapshot

_Amounts = Mapping[str, tuple[int, int]]  # how many and how many bytes, by name

_LEAST_BYTES = 4_096  # what an owner must retain more or less to be told where its length is the same

_LONGEST_LIST = 500  # lines; a snapshot lists no more of them
_END_OF_LIST = 2  # times what the last line of a list has: what is missing there must have had to be told

_PAIR = {(True, False): "before", (False, True): "after", (True, True): "on either side"}

# What remains of the resident set, by whether the whole heap was walked and the C heap measured.
_REST = {
    (True, True): "fragmentation and other",
    (True, False): "native heap and other",
    (False, True): "small python objects and other",
    (False, False): "python and native",
}


def difference(before: Snapshot, after: Snapshot) -> Diff:
    """Say what changed between two snapshots.

    They may be of one process or of two, of other hosts and versions, and in any order of time; what cannot be
    compared is left out on both sides and said in ``incomparable``.

    Args:
        before: The side to compare with.
        after: The side whose gains are told.
    """
    owners = _owners(_listing(before.heap), _listing(after.heap))
    return Diff(
        before=_side(before),
        after=_side(after),
        seconds=_seconds(before, after),
        units=_units(before, after),
        types=_compared(_types(before), _types(after)),
        owners=owners,
        sites=_compared(_told(before, after), _told(after, before)),
        resources=_compared(_resources(before), _resources(after)),
        memory=_memory(before, after),
        totals=_totals(before, after),
        bounds=_bounds(after, owners),
        incomparable=tuple(_incomparable(before, after)),
    )


def kinds_of(snapshot: Snapshot) -> dict[str, int]:
    """Return the resident set in bytes by kind of memory; the kinds add up to it."""
    return {name: size for name, (_, size) in _kinds(snapshot, _measured(snapshot)).items()}


def _side(snapshot: Snapshot) -> Side:
    return Side(snapshot.taken, snapshot.identity, snapshot.label)


def _seconds(before: Snapshot, after: Snapshot) -> float:
    """Return the time between two sides; negative if they are in the wrong order."""
    if before.identity.boot_id and before.identity.boot_id == after.identity.boot_id:
        return after.taken.monotonic - before.taken.monotonic
    return after.taken.utc - before.taken.utc


def _units(before: Snapshot, after: Snapshot) -> int | None:
    if before.units is None or after.units is None or not _is_one_process(before, after):
        return None
    return after.units - before.units if after.units >= before.units else None


def _is_one_process(before: Snapshot, after: Snapshot) -> bool:
    return before.identity.instance == after.identity.instance


# -- by name ---------------------------------------------------------------------------------------


def _compared(before: _Amounts | None, after: _Amounts | None) -> Changes:
    """Return what changed, most bytes gained first, then most in number, then by name; nothing if a side is unknown."""
    if before is None or after is None:
        return Changes()
    both = (_change(name, before, after) for name in before.keys() | after.keys())
    changed = [change for change in both if change.gained or change.gained_bytes]
    return Changes(sorted(changed, key=lambda change: (-change.gained_bytes, -change.gained, change.name)))


def _change(name: str, before: _Amounts, after: _Amounts) -> Change:
    (count, size), (count_after, size_after) = before.get(name, (0, 0)), after.get(name, (0, 0))
    return Change(name, count, count_after, size, size_after)


def _amounts(found: Iterable[tuple[str, int, int]]) -> _Amounts:
    """Add up what has the same name, so that sums stay whole."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for name, count, size in found:
        counts[name] += count
        sizes[name] += size
    return {name: (count, sizes[name]) for name, count in counts.items()}


def _whole(snapshot: Snapshot) -> Heap | None:
    """Return the heap if it was walked to the end: counts of a part cannot be compared with anything."""
    return snapshot.heap if snapshot.heap is not None and snapshot.heap.is_whole else None


def _types(snapshot: Snapshot) -> _Amounts | None:
    heap = _whole(snapshot)
    return None if heap is None else _amounts((found.name, found.count, found.bytes) for found in heap.types)


def _sites(snapshot: Snapshot) -> _Amounts | None:
    sites = _listed_sites(snapshot)
    return None if sites is None else _amounts((_line_of(found), found.count, found.bytes) for found in sites)


def _told(snapshot: Snapshot, other: Snapshot) -> _Amounts | None:
    """Leave out lines so small that the other side's list may have ended before them."""
    sites, others = _sites(snapshot), _sites(other)
    if sites is None or others is None:
        return None
    is_cut_off = len(_listed_sites(other) or ()) >= _LONGEST_LIST
    least = _END_OF_LIST * min(size for _, size in others.values()) if is_cut_off else 0
    return {line: amount for line, amount in sites.items() if line in others or amount[1] >= least}


def _listed_sites(snapshot: Snapshot) -> tuple[SiteCount, ...] | None:
    return None if snapshot.heap is None else snapshot.heap.sites


def _line_of(found: SiteCount) -> str:
    where = f" in {found.site.function}" if found.site.function else ""
    return f"{found.site.file}:{found.site.line}{where}"


def _resources(snapshot: Snapshot) -> _Amounts | None:
    held = snapshot.resources
    if held is None:
        return None
    return _amounts(
        (f"{kind} {tally.name}", tally.count, 0) for kind in RESOURCE_KINDS for tally in getattr(held, kind)
    )


# -- owners ----------------------------------------------------------------------------------------


@attrs.frozen
class _Listing:
    """The owners one side lists, and what it means that it does not list one.

    Attributes:
        owners: Entries and retained estimate by path.
        containers: How many containers have a path.
        least: Containers with fewer entries are not listed.
        is_whole: Whether the walk came to all of them.
    """

    owners: _Amounts
    containers: Mapping[str, int]
    least: int
    is_whole: bool


def _listing(heap: Heap | None) -> _Listing | None:
    if heap is None or heap.owners is None:
        return None
    containers: Counter[str] = Counter()
    for owner in heap.owners:
        containers[owner.path] += owner.containers
    owners = _amounts((owner.path, owner.entries, owner.bytes) for owner in heap.owners)
    return _Listing(owners, containers, heap.least_entries, heap.is_whole)


def _owners(before: _Listing | None, after: _Listing | None) -> Changes:
    if before is None or after is None:
        return Changes()
    imported = _imported_between(before, after)
    known = {path for path in before.owners.keys() | after.owners.keys() if _can_tell(path, before, after)}
    known = {path for path in known if path.partition(".")[0] not in imported}
    sized = before.is_whole and after.is_whole
    changes = _compared(_kept(before.owners, known, sized=sized), _kept(after.owners, known, sized=sized))
    return Changes(change for change in changes if change.gained or _is_notable(change))


def _imported_between(before: _Listing, after: _Listing) -> set[str]:
    """Return libraries that came into the process between the two, for leakdiff's sake alone as a rule.

    What they hold after their import is no growth; a program that leaks through one of them had it before.
    """
    had, have = ({path.partition(".")[0] for path in side.owners} for side in (before, after))
    return (have - had).intersection(LIBRARIES)


def _is_notable(change: Change) -> bool:
    """Tell whether what an owner retains changed by more than what an estimate from another walk may differ by."""
    return abs(change.gained_bytes) >= max(_LEAST_BYTES, max(change.bytes_before, change.bytes_after) / 10)


def _can_tell(path: str, before: _Listing, after: _Listing) -> bool:
    """Tell whether it is known what an owner had on both sides."""
    if path not in after.owners:
        return _is_absent(before.owners[path][0], before, after)
    if path not in before.owners:
        return _is_absent(after.owners[path][0], after, before)
    listed_alike = before.is_whole and after.is_whole and before.least == after.least
    return listed_alike or before.containers[path] == after.containers[path]


def _is_absent(entries: int, there: _Listing, here: _Listing) -> bool:
    """Tell whether an owner that one side lists was not there on the other, or at least much smaller."""
    return here.is_whole and entries >= max(there.least, here.least)


def _kept(owners: _Amounts, known: set[str], *, sized: bool) -> _Amounts:
    """Return the owners that can be compared; bytes only if both walks saw all that hangs on them."""
    return {path: (entries, size if sized else 0) for path, (entries, size) in owners.items() if path in known}


def _bounds(after: Snapshot, owners: Changes) -> dict[str, Bound]:
    changed = {change.name for change in owners}
    listed = (after.heap.owners if after.heap else None) or ()
    return {owner.path: owner.bound for owner in listed if owner.bound is not None and owner.path in changed}


# -- memory ----------------------------------------------------------------------------------------


def _memory(before: Snapshot, after: Snapshot) -> Changes:
    """Return the kinds of memory that changed; those that one side cannot tell apart are one kind on both."""
    known = _measured(before) & _measured(after)
    return _compared(_kinds(before, known), _kinds(after, known))


def _measured(snapshot: Snapshot) -> frozenset[str]:
    """Return which kinds of memory a side can tell from the rest."""
    values = {"heap": _whole(snapshot), "native": snapshot.memory.native, "shared": snapshot.memory.shared}
    return frozenset(name for name, value in values.items() if value is not None)


def _kinds(snapshot: Snapshot, known: frozenset[str]) -> _Amounts:
    """Decompose the resident set so that the kinds add up to it.

    What is allocated need not be resident: pages that were never touched, or are swapped out, are on the heap and
    not in the resident set. So no kind is larger than what the kinds before it leave.
    """
    left, kinds = snapshot.memory.rss, {}
    for name, size in _parts(snapshot, known):
        kinds[name] = min(size, left)
        left -= kinds[name]
    rest = _REST["heap" in known, "native" in known]
    kinds[rest if "shared" in known else f"shared, {rest}"] = left
    return {name: (size, size) for name, size in kinds.items()}


def _parts(snapshot: Snapshot, known: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Yield the kinds that were measured; Python objects above 512 bytes are on the C heap and count once."""
    memory, heap = snapshot.memory, snapshot.heap
    if "shared" in known:
        yield "shared and files", memory.shared or 0
    if "heap" in known and heap is not None:
        yield "python objects", heap.bytes
    if "native" in known and "heap" in known and heap is not None:
        yield "native heap", max(0, (memory.native or 0) - heap.large_bytes)
    elif "native" in known:
        yield "native heap and large python objects", memory.native or 0


def _totals(before: Snapshot, after: Snapshot) -> Changes:
    """Return the whole signals that both sides have and that changed."""
    found, found_after = dict(_signals(before)), dict(_signals(after))
    names = found.keys() & found_after.keys()
    if not _is_one_process(before, after):
        names -= {"minor page faults", "major page faults"}  # they count from the start of the process
    if before.identity.host != after.identity.host:
        names -= {"OOM kills"}  # they count from the start of the container
    return _compared({name: found[name] for name in names}, {name: found_after[name] for name in names})


def _signals(snapshot: Snapshot) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield what is known of the whole process: number and bytes, which are the same where bytes are counted."""
    for name, size in _whole_sizes(snapshot).items():
        if size is not None:
            yield name, (size, size)
    for name, count in _whole_counts(snapshot).items():
        if count is not None:
            yield name, (count, 0)
    if (heap := _whole(snapshot)) is not None:
        yield "objects", (heap.objects, heap.bytes)


def _whole_sizes(snapshot: Snapshot) -> dict[str, int | None]:
    memory, cgroup = snapshot.memory, snapshot.cgroup
    return {
        "resident set": memory.rss,
        "unique set": memory.uss,
        "proportional set": memory.pss,
        "native heap": memory.native,
        "container usage": cgroup.usage if cgroup else None,
        "container anonymous": cgroup.anon if cgroup else None,
        "page cache": cgroup.file if cgroup else None,
    }


def _whole_counts(snapshot: Snapshot) -> dict[str, int | None]:
    memory, cgroup, held = snapshot.memory, snapshot.cgroup, snapshot.resources
    return {
        "blocks": memory.blocks,
        "minor page faults": memory.minor_faults,
        "major page faults": memory.major_faults,
        "OOM kills": cgroup.oom_kills if cgroup else None,
        **{kind: _sum_of(held, kind) for kind in RESOURCE_KINDS},
    }


def _sum_of(held: Resources | None, kind: str) -> int | None:
    return None if held is None else sum(tally.count for tally in getattr(held, kind))


# -- what cannot be compared -----------------------------------------------------------------------


def _incomparable(before: Snapshot, after: Snapshot) -> Iterator[str]:
    yield from _of_identity(before, after)
    yield from _of_measures(before, after)
    yield from _of_units(before, after)
    if before.heap is not None and after.heap is not None:
        yield from _of_walks(before.heap, after.heap)
        yield from _of_sites(before, after)


def _of_identity(before: Snapshot, after: Snapshot) -> Iterator[str]:
    mine, theirs = before.identity, after.identity
    if mine.service and theirs.service and mine.service != theirs.service:
        yield f"{mine.service} and {theirs.service} are probably not the same program: a name may mean another thing"
    if _seconds(before, after) < 0:
        yield "the side given as before was taken later than the other: what gained here was lost in time"
    if mine.python and theirs.python and _minor(mine.python) != _minor(theirs.python):
        yield f"objects of Python {mine.python} and {theirs.python} differ in size: bytes may change for that alone"


def _minor(version: str) -> list[str]:
    """Return what decides the layout of objects: the version without the patch level."""
    return version.split(".")[:2]


def _of_measures(before: Snapshot, after: Snapshot) -> Iterator[str]:
    memory, memory_after = before.memory, after.memory
    if where := _where(before.heap is None, after.heap is None):
        yield (
            f"the heap was not walked {where}: types, owners and sites are not compared, "
            "and Python objects not told apart from other memory"
        )
    if where := _where(memory.native is None, memory_after.native is None):
        yield f"the C heap was not measured {where}: it is not told apart from other memory"
    if where := _where(memory.shared is None, memory_after.shared is None):
        yield f"shared memory was not measured {where}: it is not told apart from other memory"
    if where := _where(before.resources is None, after.resources is None):
        yield f"resources were not counted {where}: they are not compared"


def _where(lacks_before: bool, lacks_after: bool) -> str | None:  # noqa: FBT001 - a pair of sides, in their order
    """Return on which side something is missing; None if both have it."""
    return _PAIR.get((lacks_before, lacks_after))


def _of_units(before: Snapshot, after: Snapshot) -> Iterator[str]:
    if before.units is None and after.units is None:
        return
    if where := _where(before.units is None, after.units is None):
        yield f"units of work were not counted {where}: there is no growth per unit"
    elif not _is_one_process(before, after):
        yield "units of work were counted in two processes: there is no growth per unit"
    elif _units(before, after) is None:
        yield f"units of work went from {before.units:,} down to {after.units:,}: there is no growth per unit"


def _of_walks(before: Heap, after: Heap) -> Iterator[str]:
    if where := _where(not before.is_whole, not after.is_whole):
        yield (
            f"the walk of the heap ended at its budget {where}: types and bytes of owners are not compared, "
            "nor owners it may not have come to"
        )
    mine, theirs = _listing(before), _listing(after)
    if mine is not None and theirs is not None and (imported := sorted(_imported_between(mine, theirs))):
        yield f"{', '.join(imported)}, which leakdiff imports, came between the two: what it holds is left out"
    if where := _where(before.owners is None, after.owners is None):
        yield f"owners were not asked for {where}: they are not compared"
    elif before.least_entries != after.least_entries:
        least, least_after = before.least_entries, after.least_entries
        yield (
            f"containers are listed from {least:,} entries on before and from {least_after:,} after: "
            f"those with fewer than {max(least, least_after):,} are compared only where both sides list them"
        )


def _of_sites(before: Snapshot, after: Snapshot) -> Iterator[str]:
    sites, sites_after = _listed_sites(before), _listed_sites(after)
    if sites is None and sites_after is None:
        return  # nobody asked for them, and nothing is missing
    mine, theirs = before.identity, after.identity
    if where := _where(sites is None, sites_after is None):
        yield f"allocation sites are not known {where} (tracemalloc was off or too large): they are not compared"
    elif (mine.version, mine.revision) != (theirs.version, theirs.revision):
        yield "the sides are of different versions of the program: a site may be new only because its line moved"
