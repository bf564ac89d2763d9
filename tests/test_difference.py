"""The difference of two snapshots: ranked gains that add up, and what cannot be compared, said."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given

from leakdiff.compare.difference import difference
from leakdiff.model.diff import Change, Changes, Diff
from leakdiff.model.heap import Bound
from leakdiff.model.snapshot import Cgroup, Heap, Memory, OwnerSize, Snapshot
from snapshots import MATCHING, MIB, NOON, cheap, snapshot, st_snapshots

SECTIONS = ("types", "owners", "sites", "resources", "memory", "totals")
HOUR = 3_600.0


def names(changes: Changes) -> list[str]:
    """Return the names of changes in their order."""
    return [change.name for change in changes]


def gains(diff: Diff, section: str) -> dict[str, tuple[int, int]]:
    """Return what each name of a section gained, in number and bytes."""
    return {change.name: (change.gained, change.gained_bytes) for change in getattr(diff, section)}


# -- what grew -------------------------------------------------------------------------------------


def test_types_are_compared_by_name() -> None:
    """A type has its counts and bytes of both sides; one that is on one side only has none on the other."""
    diff = difference(
        snapshot(types={"app.Result": (10, 560), "app.Gone": (2, 96)}),
        snapshot(types={"app.Result": (30, 1_680), "app.New": (1, 48)}),
    )

    assert diff.types == (
        Change("app.Result", 10, 30, 560, 1_680),
        Change("app.New", 0, 1, 0, 48),
        Change("app.Gone", 2, 0, 96, 0),
    )


def test_what_did_not_change_is_left_out() -> None:
    """A diff is of changes; equal counts and bytes are none."""
    diff = difference(
        snapshot(types={"dict": (5, 500), "str": (9, 450)}), snapshot(types={"dict": (5, 500), "str": (9, 451)})
    )

    assert names(diff.types) == ["str"]


def test_changes_are_ranked_by_bytes_then_number_then_name() -> None:
    """The order is total: the same two snapshots always read the same."""
    after = {"b": (1, 10), "a": (1, 10), "many": (7, 10), "heavy": (1, 900)}

    assert names(difference(snapshot(), snapshot(types=after)).types) == ["heavy", "many", "a", "b"]


def test_owners_are_compared_by_path() -> None:
    """Entries and retained bytes; the owner that gained most comes first."""
    diff = difference(
        snapshot(owners={"app.matching._inflight": (120, 280_000), "app.config": (40, 9_000)}),
        snapshot(owners={"app.matching._inflight": (20_120, 48_600_000), "app.config": (40, 9_000)}),
    )

    assert diff.owners == (Change("app.matching._inflight", 120, 20_120, 280_000, 48_600_000),)


def test_what_leakdiff_imported_meanwhile_is_no_growth() -> None:
    """A watch between two snapshots imports networkx: its tables are left out, and that is said."""
    used = snapshot(owners={"networkx.graphs": (10, 100), "app.cache": (1, 10)})
    before = snapshot(owners={"app.cache": (1, 10)})
    after = snapshot(owners={"networkx.graphs": (900, 9_000), "app.cache": (5, 50)})
    diff = difference(before, after)

    assert names(diff.owners) == ["app.cache"]
    assert diff.incomparable == ("networkx, which leakdiff imports, came between the two: what it holds is left out",)
    assert names(difference(used, after).owners) == ["networkx.graphs", "app.cache"]


def test_an_owner_is_the_same_in_another_process() -> None:
    """Pod, process id, boot and version differ; the path does not."""
    before = snapshot(owners={"app.matching._inflight": (120, 280_000)})
    after = snapshot(
        owners={"app.matching._inflight": (520, 1_200_000)}, host="pod-2", pid=99, boot_id="other", version="2.5.0"
    )

    assert gains(difference(before, after), "owners") == {"app.matching._inflight": (400, 920_000)}


def test_sites_are_named_by_file_line_and_function() -> None:
    """Two functions on one line are two sites; a line without a function is just the line."""
    diff = difference(
        snapshot(sites={"app.py:12": (1, 100)}),
        snapshot(sites={"app.py:12": (3, 300), "app.py:12 in fetch": (1, 50)}),
    )

    assert names(diff.sites) == ["app.py:12", "app.py:12 in fetch"]


def test_resources_are_named_by_kind() -> None:
    """A thread and a task of one name are two things."""
    diff = difference(
        snapshot(resources={"threads": {"worker-#": 4}}),
        snapshot(resources={"threads": {"worker-#": 6}, "tasks": {"fetch() at app.py:12": 3}}),
    )

    assert gains(diff, "resources") == {"tasks fetch() at app.py:12": (3, 0), "threads worker-#": (2, 0)}


def test_bounds_are_those_of_the_later_side() -> None:
    """A cache that fills is told with how far it is now; one that did not change is not told."""
    now = {"app.parse cache": Bound("lru_cache(maxsize)", 1_000, 312), "app.full": Bound("deque(maxlen)", 50, 50)}
    diff = difference(
        snapshot(owners={"app.parse cache": (300, 90_000), "app.full": (50, 400)}),
        snapshot(owners={"app.parse cache": (312, 93_600), "app.full": (50, 400)}, bounds=now),
    )

    assert diff.bounds == {"app.parse cache": now["app.parse cache"]}


# -- kinds of memory -------------------------------------------------------------------------------


def walked(*, objects: int, large: int, **memory: Any) -> Snapshot:
    """Return a snapshot whose heap has so many bytes, so many of them on the C heap."""
    return snapshot(types={"dict": (1, objects)}, walk={"large_bytes": large}, **memory)


def test_the_resident_set_is_told_by_kind() -> None:
    """Large Python objects are on the C heap too and count once; what is left over is fragmentation and other."""
    diff = difference(
        walked(objects=40 * MIB, large=10 * MIB, rss=100 * MIB, native=30 * MIB, shared=10 * MIB),
        walked(objects=70 * MIB, large=15 * MIB, rss=150 * MIB, native=45 * MIB, shared=11 * MIB),
    )

    assert diff.memory == (
        Change("python objects", 40 * MIB, 70 * MIB, 40 * MIB, 70 * MIB),
        Change("native heap", 20 * MIB, 30 * MIB, 20 * MIB, 30 * MIB),
        Change("fragmentation and other", 30 * MIB, 39 * MIB, 30 * MIB, 39 * MIB),
        Change("shared and files", 10 * MIB, 11 * MIB, 10 * MIB, 11 * MIB),
    )


def test_what_is_not_resident_is_no_kind_of_the_resident_set() -> None:
    """A gigabyte that was allocated and never touched is on the C heap and not in memory."""
    diff = difference(
        walked(objects=MIB, large=0, rss=20 * MIB, native=2 * MIB, shared=10 * MIB),
        walked(objects=MIB, large=0, rss=20 * MIB, native=1_024 * MIB, shared=10 * MIB),
    )

    assert gains(diff, "memory") == {
        "native heap": (7 * MIB, 7 * MIB),
        "fragmentation and other": (-7 * MIB, -7 * MIB),
    }
    assert gains(diff, "totals") == {"native heap": (1_022 * MIB, 1_022 * MIB)}


def test_a_c_heap_smaller_than_the_large_objects_is_empty_and_not_negative() -> None:
    """Large objects may come from another allocator than malloc."""
    small = walked(objects=9 * MIB, large=8 * MIB, rss=20 * MIB, native=MIB, shared=0)
    less = walked(objects=8 * MIB, large=7 * MIB, rss=20 * MIB, native=MIB, shared=0)

    assert names(difference(small, less).memory) == ["fragmentation and other", "python objects"]


@pytest.mark.parametrize(
    ("kinds", "missing"),
    [
        ({"native heap and large python objects", "small python objects and other", "shared and files"}, "heap"),
        ({"python objects", "native heap and other", "shared and files"}, "native"),
        ({"python objects", "native heap", "shared, fragmentation and other"}, "shared"),
        ({"python and native", "shared and files"}, "heap native"),
        ({"shared, python and native"}, "heap native shared"),
    ],
)
def test_kinds_that_one_side_cannot_tell_apart_are_one_on_both(kinds: set[str], missing: str) -> None:
    """Fewer kinds, the same sum; which side lacks the measure makes no difference."""
    whole = walked(objects=MIB, large=0, rss=20 * MIB, native=2 * MIB, shared=MIB)
    more = walked(objects=3 * MIB, large=MIB, rss=40 * MIB, native=8 * MIB, shared=3 * MIB)
    lacks: dict[str, Any] = {name: None for name in missing.split() if name != "heap"}
    poor = attrs.evolve(more, heap=None if "heap" in missing else more.heap, memory=attrs.evolve(more.memory, **lacks))

    for diff in (difference(whole, poor), difference(poor, whole)):
        assert set(names(diff.memory)) == kinds
        assert abs(diff.memory.gained_bytes) == 20 * MIB


# -- totals ----------------------------------------------------------------------------------------


def test_totals_are_of_what_both_sides_have() -> None:
    """Bytes of memory are told as number and bytes, what is counted as a number, objects as both."""
    before = snapshot(
        types={"dict": (5, 500)},
        resources={"threads": {"a": 1, "b": 1}},
        cgroup=Cgroup(version=2, usage=100, anon=50, file=30, oom_kills=0),
        memory=Memory(rss=100, uss=50, blocks=7, minor_faults=3),
    )
    after = snapshot(
        types={"dict": (8, 900)},
        resources={"threads": {"a": 3, "b": 1}},
        cgroup=Cgroup(version=2, usage=160, anon=90, oom_kills=1),
        memory=Memory(rss=170, pss=60, blocks=9, minor_faults=8),
    )

    assert gains(difference(before, after), "totals") == {
        "objects": (3, 400),
        "resident set": (70, 70),
        "container usage": (60, 60),
        "container anonymous": (40, 40),
        "minor page faults": (5, 0),
        "blocks": (2, 0),
        "threads": (2, 0),
        "OOM kills": (1, 0),
    }


def test_counts_from_a_start_are_compared_within_what_started() -> None:
    """Page faults count from the start of a process, OOM kills from that of a container."""
    counted = Memory(rss=100, minor_faults=3, major_faults=1)
    before = snapshot(memory=counted, cgroup=Cgroup(version=2, usage=1, oom_kills=0))
    later = attrs.evolve(
        before,
        memory=Memory(rss=100, minor_faults=9, major_faults=2),
        cgroup=Cgroup(version=2, usage=1, oom_kills=2),
    )
    restarted = attrs.evolve(later, identity=attrs.evolve(MATCHING, pid=18))
    elsewhere = attrs.evolve(later, identity=attrs.evolve(MATCHING, host="pod-2"))

    assert names(difference(before, later).totals) == ["minor page faults", "OOM kills", "major page faults"]
    assert names(difference(before, restarted).totals) == ["OOM kills"]
    assert names(difference(before, elsewhere).totals) == []


# -- time and units --------------------------------------------------------------------------------


def test_within_one_boot_the_clock_that_never_jumps_counts() -> None:
    """Somebody set the clock of the host between the two."""
    before, after = snapshot(), snapshot(at=60)
    jumped = attrs.evolve(after, taken=attrs.evolve(after.taken, utc=NOON - HOUR))

    assert difference(before, jumped).seconds == 60.0


def test_across_boots_the_time_of_day_counts() -> None:
    """Another host's monotonic clock says nothing."""
    before, after = snapshot(), snapshot(at=60, boot_id="other")
    other = attrs.evolve(after, taken=attrs.evolve(after.taken, monotonic=5.0))

    assert difference(before, other).seconds == 60.0


def test_units_are_counted_within_one_process() -> None:
    """What another process did is no work between the two snapshots."""
    before = snapshot(units=1_000)

    assert difference(before, snapshot(at=60, units=75_000)).units == 74_000
    assert difference(before, snapshot(at=60, units=1_000)).units == 0
    assert difference(before, snapshot(at=60, units=75_000, pid=18)).units is None
    assert difference(before, snapshot(at=60, units=20)).units is None
    assert difference(before, snapshot(at=60)).units is None


# -- what cannot be compared -----------------------------------------------------------------------

_NO_HEAP = (
    "the heap was not walked {}: types, owners and sites are not compared, "
    "and Python objects not told apart from other memory"
)
_CUT = (
    "the walk of the heap ended at its budget {}: types and bytes of owners are not compared, "
    "nor owners it may not have come to"
)
_LEAST = (
    "containers are listed from 10 entries on before and from 100 after: "
    "those with fewer than 100 are compared only where both sides list them"
)


@pytest.mark.parametrize(
    ("sentence", "before", "after"),
    [
        (_NO_HEAP.format("before"), attrs.evolve(snapshot(), heap=None), snapshot()),
        (_NO_HEAP.format("after"), snapshot(), attrs.evolve(snapshot(), heap=None)),
        (_NO_HEAP.format("on either side"), attrs.evolve(snapshot(), heap=None), attrs.evolve(snapshot(), heap=None)),
        (_CUT.format("before"), snapshot(walk={"is_whole": False}), snapshot()),
        (_CUT.format("on either side"), snapshot(walk={"is_whole": False}), snapshot(walk={"is_whole": False})),
        (
            "resources were not counted after: they are not compared",
            snapshot(),
            attrs.evolve(snapshot(), resources=None),
        ),
        (
            "allocation sites are not known before (tracemalloc was off or too large): they are not compared",
            snapshot(),
            snapshot(sites={}),
        ),
        (
            "the sides are of different versions of the program: a site may be new only because its line moved",
            snapshot(sites={}),
            snapshot(sites={}, version="2.5.0"),
        ),
        ("owners were not asked for after: they are not compared", snapshot(), snapshot(walk={"owners": None})),
        (
            "the C heap was not measured after: it is not told apart from other memory",
            snapshot(),
            snapshot(native=None),
        ),
        (
            "shared memory was not measured on either side: it is not told apart from other memory",
            snapshot(shared=None),
            snapshot(shared=None),
        ),
        (
            "objects of Python 3.12.1 and 3.13.0 differ in size: bytes may change for that alone",
            snapshot(),
            snapshot(python="3.13.0"),
        ),
        (
            "matching and billing are probably not the same program: a name may mean another thing",
            snapshot(),
            snapshot(service="billing"),
        ),
        (
            "the side given as before was taken later than the other: what gained here was lost in time",
            snapshot(at=60),
            snapshot(),
        ),
        ("units of work were not counted before: there is no growth per unit", snapshot(), snapshot(units=5)),
        (
            "units of work were counted in two processes: there is no growth per unit",
            snapshot(units=1),
            snapshot(units=5, pid=18),
        ),
        (
            "units of work went from 5,000 down to 20: there is no growth per unit",
            snapshot(units=5_000),
            snapshot(units=20),
        ),
        (
            _LEAST,
            snapshot(walk={"least_entries": 10}),
            snapshot(walk={"least_entries": 100}),
        ),
    ],
)
def test_what_cannot_be_compared_is_said(sentence: str, before: Snapshot, after: Snapshot) -> None:
    """One sentence for one reason, and no others."""
    assert difference(before, after).incomparable == (sentence,)


@pytest.mark.parametrize(
    "after",
    [
        snapshot(at=60),
        snapshot(at=60, pid=18, host="pod-2", boot_id="other"),
        snapshot(at=60, version="2.5.0"),
        snapshot(at=60, python="3.12.9"),
        snapshot(at=60, service=""),
    ],
)
def test_a_replica_a_restart_or_a_deploy_can_be_compared(after: Snapshot) -> None:
    """Nothing is said where nothing is in doubt: names are the same, and sizes within a minor version of Python."""
    assert difference(snapshot(), after).incomparable == ()


def test_types_of_a_walk_that_was_cut_are_not_compared() -> None:
    """The rest of the heap would look like growth."""
    cut = snapshot(types={"dict": (5, 500)}, walk={"is_whole": False})
    diff = difference(cut, snapshot(types={"dict": (9, 900)}))

    assert diff.types == ()
    assert "objects" not in names(diff.totals)
    assert "small python objects and other" in names(difference(cut, snapshot(rss=200 * MIB)).memory)


def test_a_walk_that_was_cut_tells_the_entries_of_the_owners_it_came_to() -> None:
    """A length is exact however far the walk came; what hangs on it, and who else is there, is not known."""
    cut = snapshot(owners={"app.cache": (10, 1_000), "app.gone": (40, 9_000)}, walk={"is_whole": False})
    whole = snapshot(owners={"app.cache": (25, 7_000), "app.other": (30, 3_000)})

    assert difference(cut, whole).owners == (Change("app.cache", 10, 25), Change("app.gone", 40, 0))


def test_containers_under_one_path_must_be_as_many_if_the_walk_was_cut() -> None:
    """One more container that the walk came to is no growth of the others."""

    def logs(entries: int, containers: int) -> Snapshot:
        log = OwnerSize(
            path="app.sessions[*].log", kind="module", type="list", entries=entries, bytes=0, containers=containers
        )
        return snapshot(walk={"owners": (log,), "is_whole": False})

    assert gains(difference(logs(40, 4), logs(60, 4)), "owners") == {"app.sessions[*].log": (20, 0)}
    assert difference(logs(40, 4), logs(60, 5)).owners == ()


@pytest.mark.parametrize(("entries", "told"), [(9, []), (99, []), (100, ["app.cache"])])
def test_an_owner_that_one_side_may_only_not_have_listed_is_no_growth(entries: int, told: list[str]) -> None:
    """With 99 entries it may have had 99 before; with 100 it has at least one more than could be hidden."""
    few, many = {"least_entries": 4}, {"least_entries": 100}
    without, listed = snapshot(walk=many), snapshot(owners={"app.cache": (entries, 640)}, walk=few)

    assert names(difference(without, listed).owners) == told
    assert names(difference(listed, without).owners) == told


# -- any two snapshots -----------------------------------------------------------------------------


@given(st_snapshots())
def test_a_snapshot_differs_from_itself_by_nothing(some: Snapshot) -> None:
    """No section has a change, no owner a bound, and no time passed."""
    diff = difference(some, some)

    assert [getattr(diff, section) for section in SECTIONS] == [()] * len(SECTIONS)
    assert (diff.seconds, diff.units, diff.bounds, diff.grew) == (0.0, 0 if some.units is not None else None, {}, False)


@given(st_snapshots(), st_snapshots())
def test_swapping_sides_negates(before: Snapshot, after: Snapshot) -> None:
    """What is gained one way is lost the other way, by the same names."""
    there, back = difference(before, after), difference(after, before)

    assert there.seconds == -back.seconds
    for section in SECTIONS:
        lost = {name: (-count, -size) for name, (count, size) in gains(back, section).items()}
        assert gains(there, section) == lost


def listed_entries(heap: Heap | None) -> int:
    """Return the entries of all owners together."""
    return sum(owner.entries for owner in (heap and heap.owners) or ())


@given(st_snapshots(deep=True, whole=True, least=4), st_snapshots(deep=True, whole=True, least=4))
def test_gains_by_type_and_owner_add_up(before: Snapshot, after: Snapshot) -> None:
    """The gains of the parts are the gain of the whole; of owners, in entries, for their bytes are an estimate."""
    diff, heap, heap_after = difference(before, after), before.heap, after.heap

    assert heap is not None
    assert heap_after is not None
    assert diff.types.gained == heap_after.objects - heap.objects
    assert diff.types.gained_bytes == heap_after.bytes - heap.bytes
    if heap.owners is not None and heap_after.owners is not None:
        assert diff.owners.gained == listed_entries(heap_after) - listed_entries(heap)
    if heap.sites is not None and heap_after.sites is not None:
        assert diff.sites.gained == sum(s.count for s in heap_after.sites) - sum(s.count for s in heap.sites)
        assert diff.sites.gained_bytes == sum(s.bytes for s in heap_after.sites) - sum(s.bytes for s in heap.sites)


@given(st_snapshots(), st_snapshots())
def test_gains_by_kind_of_memory_add_up_to_the_resident_set(before: Snapshot, after: Snapshot) -> None:
    """Whatever was measured on which side, the kinds are the whole resident set, each once and none below 0."""
    diff = difference(before, after)

    assert diff.memory.gained_bytes == after.memory.rss - before.memory.rss
    assert diff.memory.gained == diff.memory.gained_bytes
    assert all(change.before >= 0 and change.after >= 0 for change in diff.memory)


@given(st_snapshots(), st_snapshots())
def test_changes_are_changes_in_a_total_order(before: Snapshot, after: Snapshot) -> None:
    """Nothing without a gain or a loss, no name twice, and the largest gain first."""
    diff = difference(before, after)

    for section in SECTIONS:
        changes = getattr(diff, section)
        keys = [(-change.gained_bytes, -change.gained, change.name) for change in changes]
        assert keys == sorted(keys)
        assert all(change.gained or change.gained_bytes for change in changes)
        assert len(set(names(changes))) == len(changes)


@given(st_snapshots(), st_snapshots())
def test_subtracting_is_the_difference(before: Snapshot, after: Snapshot) -> None:
    """``after - before`` reads as it is written, and anything else cannot be subtracted."""
    assert after - before == difference(before, after)
    with pytest.raises(TypeError):
        after - 1


def test_a_cheap_measurement_tells_memory_and_blocks() -> None:
    """Between two of them nothing but the process's own numbers is known."""
    diff = difference(cheap(), cheap(at=60, rss=120 * MIB, blocks=410_000))

    assert gains(diff, "totals") == {"resident set": (20 * MIB, 20 * MIB), "blocks": (10_000, 0)}
    assert diff.types == diff.owners == diff.sites == diff.resources == ()


def test_an_estimate_that_hardly_changed_is_not_told() -> None:
    """Another walk reaches things by another way first: what an owner retains wavers by some kilobytes."""
    before = snapshot(owners={"app.cache": (100, 1_000_000), "app.log": (100, 1_000_000)})
    after = snapshot(at=60, owners={"app.cache": (100, 1_050_000), "app.log": (100, 1_500_000)})

    assert [change.name for change in difference(before, after).owners] == ["app.log"]
