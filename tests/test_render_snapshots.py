"""Snapshots and diffs on the screen and as JSON: the answer first, columns that align, safe whatever the names."""

from __future__ import annotations

import json
import textwrap
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.compare.difference import difference
from leakdiff.model.heap import Bound
from leakdiff.model.snapshot import Cgroup, Heap, Moment, OwnerSize, Snapshot, SnapshotCost, Tally
from leakdiff.render.snapshots import diff_plain, diff_text, snapshot_plain, snapshot_text
from snapshots import MIB, cheap, snapshot, st_snapshots

HOURS = 3_600.0
INFLIGHT = "app.matching._inflight"

BEFORE = snapshot(
    rss=100 * MIB,
    types={"app.matching.Result": (120, 6_720), "dict": (4_000, 900_000)},
    owners={INFLIGHT: (120, 280_000), "app.parse cache": (300, 90_000), "app.gone": (40, 4_000)},
    sites={"app/matching.py:41": (120, 6_720)},
    resources={"tasks": {"answer() at app/matching.py:12": 3}, "threads": {"MainThread at app/main.py:90": 1}},
    units=1_000,
)
AFTER = snapshot(
    at=6 * HOURS,
    rss=150 * MIB,
    native=31 * MIB,
    types={"bytes": (20_000, 46_000_000), "app.matching.Result": (20_120, 1_126_720), "dict": (4_000, 900_000)},
    owners={INFLIGHT: (20_120, 48_600_000), "app.parse cache": (312, 93_600)},
    bounds={"app.parse cache": Bound("lru_cache(maxsize)", 999, 312)},
    sites={"app/matching.py:41": (20_120, 1_126_720)},
    resources={"tasks": {"answer() at app/matching.py:12": 203}, "threads": {"MainThread at app/main.py:90": 1}},
    units=75_000,
    label="after lunch",
)


def text_of(expected: str) -> str:
    """Return text as it is written in a test, without its margin."""
    return textwrap.dedent(expected).strip("\n")


def answer(before: Snapshot, after: Snapshot) -> str:
    """Return the first line of a diff."""
    return diff_text(difference(before, after)).splitlines()[0]


# -- whole texts -----------------------------------------------------------------------------------


def test_a_diff_is_told_on_the_first_screen() -> None:
    """Who grew, which kind of memory, every owner, type, site and resource that changed, and how fast."""
    assert diff_text(difference(BEFORE, AFTER)) == text_of("""
        leakdiff: 2 owners grew in 6.0 h: app.matching._inflight +20,000 entries, 46.1 MiB

          before     2026-03-01 12:00:00Z  matching 2.4.1 (3f9a2c1d77aa) on pod-1, pid 17
          after      2026-03-01 18:00:00Z  matching 2.4.1 (3f9a2c1d77aa) on pod-1, pid 17  'after lunch'

          memory     python objects           885.5 KiB  ->   45.8 MiB  +44.9 MiB  637 B per unit
                     fragmentation and other   59.1 MiB  ->   63.2 MiB   +4.1 MiB   58 B per unit
                     native heap               30.0 MiB  ->   31.0 MiB   +1.0 MiB   14 B per unit
                     resident set             100.0 MiB  ->  150.0 MiB  +50.0 MiB  708 B per unit

          owners     app.matching._inflight  120  ->  20,120  +20,000  +46.1 MiB      0.27 per unit
                     app.parse cache         300  ->     312      +12   +3.5 KiB   0.00016 per unit  312 of at most 999
                     app.gone                 40  ->       0      -40   -3.9 KiB  -0.00054 per unit

          types      bytes                  0  ->  20,000  +20,000  +43.9 MiB  0.27 per unit
                     app.matching.Result  120  ->  20,120  +20,000   +1.1 MiB  0.27 per unit

          sites      app/matching.py:41  120  ->  20,120  +20,000  +1.1 MiB  0.27 per unit

          resources  tasks answer() at app/matching.py:12  3  ->  203  +200  0.0027 per unit

          totals     objects         4,120  ->    44,120   +40,000  +44.9 MiB    0.54 per unit
                     native heap  30.0 MiB  ->  31.0 MiB  +1.0 MiB               14 B per unit
                     tasks               3  ->       203      +200             0.0027 per unit
    """)


def test_what_cannot_be_compared_is_noted() -> None:
    """Two cheap measurements tell memory only, and the first line does not claim more."""
    assert diff_text(difference(cheap(), cheap(at=2, rss=120 * MIB))) == text_of("""
        leakdiff: as far as can be compared, nothing grew in 2 s but the resident set, by 20.0 MiB

          before     2026-03-01 12:00:00Z  matching 2.4.1 (3f9a2c1d77aa) on pod-1, pid 17
          after      2026-03-01 12:00:02Z  matching 2.4.1 (3f9a2c1d77aa) on pod-1, pid 17

          memory     small python objects and other   60.0 MiB  ->   80.0 MiB  +20.0 MiB
                     resident set                    100.0 MiB  ->  120.0 MiB  +20.0 MiB

          note       {heap}
          note       resources were not counted on either side: they are not compared
    """).format(
        heap="the heap was not walked on either side: types, owners and sites are not compared, "
        "and Python objects not told apart from other memory"
    )


def test_nothing_is_one_line_and_the_two_sides() -> None:
    """Good news is short."""
    assert diff_text(difference(snapshot(), snapshot(at=2))) == text_of("""
        leakdiff: nothing grew in 2 s

          before     2026-03-01 12:00:00Z  matching 2.4.1 (3f9a2c1d77aa) on pod-1, pid 17
          after      2026-03-01 12:00:02Z  matching 2.4.1 (3f9a2c1d77aa) on pod-1, pid 17
    """)


def test_a_snapshot_is_told_on_the_first_screen() -> None:
    """What it is, when, its memory and container, and the largest of everything."""
    events = OwnerSize(
        path="app.sessions[*].events",
        kind="module",
        type="collections.deque",
        entries=1_600,
        bytes=900_000,
        containers=16,
        bound=Bound("deque(maxlen)", 8_000, 1_600),
    )
    inflight = OwnerSize(
        path=INFLIGHT,
        kind="module",
        type="dict",
        entries=20_120,
        bytes=48_600_000,
        key_shape="str 'req-' + 8 hex",
        entry_bytes=2_355.2,
        sized_by="pympler",
    )
    taken = attrs.evolve(
        AFTER,
        heap=attrs.evolve(AFTER.heap or Heap(), owners=(inflight, events)),
        cgroup=Cgroup(
            version=2,
            usage=190 * MIB,
            limit=512 * MIB,
            anon=150 * MIB,
            file=40 * MIB,
            inactive_file=32 * MIB,
            oom_kills=0,
        ),
        watched=(Tally(INFLIGHT, 20_120),),
        left_out=("numpy arrays were not looked into",),
        cost=SnapshotCost(cpu_seconds=0.0412, seconds=0.06, longest_stall=0.0081, memory=700_000, walked=44_120),
    )

    assert snapshot_text(taken) == text_of("""
        leakdiff: {claim}

          taken      {taken}

          memory     resident set      150.0 MiB
                     shared and files   10.0 MiB
                     native heap        31.0 MiB
                     blocks              400,000

          container  usage                190.0 MiB  of 512.0 MiB
                     anonymous            150.0 MiB
                     page cache            40.0 MiB
                     inactive page cache   32.0 MiB
                     OOM kills                    0

          owners     {inflight}
                     {events}

          types      bytes                20,000   43.9 MiB
                     app.matching.Result  20,120    1.1 MiB
                     dict                  4,000  878.9 KiB

          sites      app/matching.py:41  20,120 blocks  1.1 MiB

          watched    app.matching._inflight  20,120 entries

          resources  tasks answer() at app/matching.py:12  203
                     threads MainThread at app/main.py:90    1

          cost       0.041 CPU s in 0.060 s, longest stall 8.1 ms, 683.6 KiB of tables, 44,120 objects walked

          note       numpy arrays were not looked into
    """).format(
        claim="'after lunch', matching 2.4.1 (3f9a2c1d77aa) on pod-1, pid 17: "
        "resident set 150.0 MiB, 44,120 objects of 45.8 MiB",
        taken="2026-03-01 18:00:00Z, 7.0 h after its start, 75,000 units of work, Python 3.12.1, leakdiff 0.2.0",
        inflight="app.matching._inflight  20,120 entries   46.3 MiB  2.3 KiB each  "
        "dict                            keys: str 'req-' + 8 hex",
        events="app.sessions[*].events   1,600 entries  878.9 KiB                "
        "collections.deque in 16 places                            1,600 of at most 8,000",
    )


def test_a_cheap_measurement_is_told_without_what_it_has_not() -> None:
    """No empty sections; that the heap was not walked stands in the first line."""
    bare = cheap(service="", version="", revision="", host="", python="", leakdiff="", started=0.0)

    assert snapshot_text(bare) == text_of("""
        leakdiff: a process, pid 17: resident set 100.0 MiB; the heap was not walked

          taken      2026-03-01 12:00:00Z

          memory     resident set      100.0 MiB
                     shared and files   10.0 MiB
                     native heap        30.0 MiB
                     blocks              400,000

          cost       0.000 CPU s in 0.000 s, longest stall 0.0 ms, 0 B of tables, 0 objects walked
    """)


# -- the answer ------------------------------------------------------------------------------------


def test_the_answer_names_the_owner_that_gained_entries() -> None:
    """What merely holds it, and is heavier by as much and a little more, is not the place to look."""
    before = snapshot(owners={"app.registry": (20, 5_000), "app.registry[*]": (100, 4_000)})
    after = snapshot(at=60, owners={"app.registry": (20, 95_100), "app.registry[*]": (400, 94_000)})

    assert answer(before, after) == "leakdiff: 2 owners grew in 60 s: app.registry[*] +300 entries, 87.9 KiB"


def test_an_owner_may_grow_in_bytes_alone() -> None:
    """As many entries, each of them larger."""
    before, after = snapshot(owners={"app.logs": (20, 5_000)}), snapshot(at=60, owners={"app.logs": (20, 15_240)})

    assert answer(before, after) == "leakdiff: 1 owner grew in 60 s: app.logs +10.0 KiB"


def test_types_answer_where_no_owner_grew() -> None:
    """Something grows, and what it is can be said."""
    before, after = snapshot(), snapshot(at=60, types={"app.Node": (1, 64)})

    assert answer(before, after) == "leakdiff: 1 type grew in 60 s: app.Node +1 object, 64 B"


def test_resources_answer_where_no_type_grew() -> None:
    """Descriptors and threads leak without any bytes."""
    after = snapshot(at=60, resources={"descriptors": {"socket": 40, "file": 1}})

    assert answer(snapshot(), after) == "leakdiff: 2 resources grew in 60 s: descriptors socket +40"


def test_a_native_leak_is_not_nothing() -> None:
    """No name grew, and the resident set did."""
    before, after = snapshot(), snapshot(at=24 * HOURS, rss=200 * MIB)

    assert answer(before, after) == "leakdiff: nothing grew in 24.0 h but the resident set, by 100.0 MiB"


@pytest.mark.parametrize(
    ("shown", "seconds"),
    [
        ("0 s", 0.0),
        ("0.25 s", 0.25),
        ("2 s", 2.0),
        ("119 s", 119.0),
        ("45 min", 2_700.0),
        ("2.0 h", 7_200.0),
        ("71.0 h", 255_600.0),
        ("3.5 days", 302_400.0),
        ("2.0 h", -7_200.0),
    ],
)
def test_time_has_a_unit(shown: str, seconds: float) -> None:
    """As many digits as say something; in which order the two were taken is a note."""
    assert f"nothing grew in {shown}" in answer(snapshot(), snapshot(at=seconds))


# -- rates -----------------------------------------------------------------------------------------


def test_growth_is_per_hour_without_units() -> None:
    """Over more than ten minutes of one process."""
    before, after = snapshot(owners={"app.cache": (10, 100)}), snapshot(at=2 * HOURS, owners={"app.cache": (35, 100)})

    assert "  owners     app.cache  10  ->  35  +25  +0 B  12.50 per hour" in diff_text(difference(before, after))


@pytest.mark.parametrize(
    "after", [snapshot(at=600, types={"dict": (9, 9)}), snapshot(at=2 * HOURS, types={"dict": (9, 9)}, pid=18)]
)
def test_no_rate_is_told_over_minutes_or_between_processes(after: Snapshot) -> None:
    """A burst has no rate, and what another process holds did not grow here."""
    assert " per " not in diff_text(difference(snapshot(), after))


# -- long lists ------------------------------------------------------------------------------------


def test_long_lists_end_with_how_many_more() -> None:
    """Ten rows fit the screen; of the others it is said how many there are."""
    many = snapshot(types={f"app.T{number:02}": (1, 90 - number) for number in range(13)})
    compared = diff_text(difference(snapshot(), many)).split("\n\n")[3].splitlines()
    shown = snapshot_text(many).split("\n\n")[3].splitlines()

    assert len(compared) == len(shown) == 11
    assert compared[0].startswith("  types      app.T00")
    assert compared[-1] == shown[-1] == "             and 3 more"


# -- anything --------------------------------------------------------------------------------------

_SNAPSHOT_SECTIONS = (
    "taken",
    "memory",
    "container",
    "owners",
    "types",
    "sites",
    "watched",
    "resources",
    "cost",
    "note",
)
_DIFF_SECTIONS = ("before", "after", "memory", "owners", "types", "sites", "resources", "totals", "note")
_STARTS = ("leakdiff: ", " " * 13, *(f"  {key:<9}  " for key in (*_SNAPSHOT_SECTIONS, *_DIFF_SECTIONS)))


@given(st_snapshots(), st_snapshots())
def test_any_text_is_safe_lines_with_known_keys(before: Snapshot, after: Snapshot) -> None:
    """Rendering never raises, depends on nothing else, and no name breaks a line or reaches the terminal unescaped."""
    diff = difference(before, after)
    texts = [snapshot_text(before), diff_text(diff)]

    assert texts == [snapshot_text(before), diff_text(diff)]
    for text in texts:
        assert all(char.isprintable() for char in text.replace("\n", ""))
        assert text.encode()
        assert all(not line or line.ljust(13).startswith(_STARTS) for line in text.split("\n"))


@given(st_snapshots(), st_snapshots())
def test_sections_of_any_text_have_no_gaps(before: Snapshot, after: Snapshot) -> None:
    """One blank line between two sections, none at the end, and no line ends in blanks."""
    for text in (snapshot_text(before), diff_text(difference(before, after))):
        lines = text.split("\n")

        assert text.startswith("leakdiff: ")
        assert lines[-1]
        assert all(one or other for one, other in pairwise(lines))
        assert all(line == line.rstrip(" ") for line in lines)


@pytest.mark.parametrize("utc", [1e20, -1e20, float("inf"), float("nan")])
def test_a_time_that_no_calendar_has_is_told_in_seconds(utc: float) -> None:
    """A file may say anything; it is shown, not believed."""
    odd = attrs.evolve(snapshot(), taken=Moment(utc, 0.0))

    assert f"  taken      {utc:g} s" in snapshot_text(odd)
    assert f"  before     {utc:g} s" in diff_text(difference(odd, snapshot()))


def test_the_values_themselves_give_their_text() -> None:
    """``text()`` is what a reader calls."""
    assert BEFORE.text() == snapshot_text(BEFORE)
    assert (AFTER - BEFORE).text() == diff_text(difference(BEFORE, AFTER))


# -- plain -----------------------------------------------------------------------------------------

_SNAPSHOT_KEYS = {
    "format",
    "label",
    "taken",
    "identity",
    "units",
    "memory",
    "cgroup",
    "owners",
    "types",
    "sites",
    "heap",
    "resources",
    "watched",
    "left_out",
    "cost",
}
_LISTS = ("memory", "owners", "types", "sites", "resources", "totals")
_DIFF_KEYS = {"format", "before", "after", "seconds", "units", "grew", "bounds", "incomparable", *_LISTS}
_CHANGE_KEYS = {"name", "before", "after", "bytes_before", "bytes_after", "gained", "gained_bytes"}


def test_a_change_as_plain_values() -> None:
    """What stands on the screen stands here as names and numbers."""
    plain = diff_plain(difference(BEFORE, AFTER))

    assert plain["owners"][0] == {
        "name": INFLIGHT,
        "before": 120,
        "after": 20_120,
        "bytes_before": 280_000,
        "bytes_after": 48_600_000,
        "gained": 20_000,
        "gained_bytes": 48_320_000,
    }
    assert plain["bounds"] == [{"path": "app.parse cache", "kind": "lru_cache(maxsize)", "limit": 999, "filled": 312}]
    assert (plain["seconds"], plain["units"], plain["grew"]) == (21_600.0, 74_000, True)


def test_a_snapshot_as_plain_values() -> None:
    """Sections are lists of dicts; what was not looked at is None and not an empty list."""
    plain = snapshot_plain(BEFORE)

    assert plain["types"][0] == {"name": "app.matching.Result", "count": 120, "bytes": 6_720}
    assert plain["sites"][0]["site"] == {"file": "app/matching.py", "line": 41, "function": "", "code": ""}
    assert plain["resources"][1] == {"kind": "threads", "name": "MainThread at app/main.py:90", "count": 1}
    assert plain["heap"]["objects"] == 4_120
    assert snapshot_plain(cheap())["owners"] is None


@given(st_snapshots(), st_snapshots())
def test_plain_values_survive_json_with_the_documented_keys(before: Snapshot, after: Snapshot) -> None:
    """What a program loads is what was written, to the last surrogate, and no key comes and goes."""
    told, compared = snapshot_plain(before), diff_plain(difference(before, after))

    assert json.loads(json.dumps(told)) == told
    assert json.loads(json.dumps(compared)) == compared
    assert told["format"] == compared["format"] == 1
    assert set(told) == _SNAPSHOT_KEYS
    assert set(compared) == _DIFF_KEYS
    assert all(set(change) == _CHANGE_KEYS for key in _LISTS for change in compared[key])


@given(st.floats(0, 1e9), st.integers(0, 10**12))
def test_an_answer_is_one_line_over_any_time(seconds: float, rss: int) -> None:
    """Whatever lies between two sides, the first line alone says what grew."""
    assert answer(cheap(), cheap(at=seconds, rss=rss)).startswith(
        "leakdiff: as far as can be compared, nothing grew in"
    )
