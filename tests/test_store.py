"""The store: a history of snapshots in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.errors import BadOption, SnapshotNotFound, StoreLocked, StoreUnusable
from leakdiff.model.heap import Bound
from leakdiff.model.kept import Header, StoreInfo
from leakdiff.model.snapshot import (
    Cgroup,
    Heap,
    Identity,
    Memory,
    Moment,
    OwnerSize,
    Resources,
    Snapshot,
    Tally,
    TypeCount,
)
from leakdiff.model.trend import Point
from leakdiff.store import schema
from leakdiff.store.database import Database
from leakdiff.store.interface import Store
from leakdiff.store.retention import surplus
from leakdiff.store.series import series_of_snapshot
from leakdiff.store.sqlite import SQLiteStore, open_store

HOUR, DAY = 3_600.0, 86_400.0
NOW = 20_000 * DAY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """Give an empty store."""
    with SQLiteStore(tmp_path / "leaks.db") as made:
        yield made


def cheap(taken: float = NOW, rss: int = 1_000, *, pid: int = 7, label: str | None = None) -> Snapshot:
    """Return a measurement without a walk."""
    identity = Identity(service="matching", version="2.4.1", host="pod-1", pid=pid, started=NOW - DAY)
    return Snapshot(taken=Moment(taken, 5.0), identity=identity, label=label, memory=Memory(rss=rss, blocks=50))


def deep(*owners: OwnerSize, taken: float = NOW, pid: int = 7) -> Snapshot:
    """Return a measurement with a walk that saw these owners."""
    heap = Heap(types=(TypeCount("dict", 3, 552), TypeCount("str", 10, 600)), owners=owners)
    return attrs.evolve(cheap(taken, pid=pid), heap=heap)


def owner(path: str, entries: int = 3, size: int = 700, bound: Bound | None = None) -> OwnerSize:
    """Return a dict reached by this path."""
    return OwnerSize(path=path, kind="module", type="dict", entries=entries, bytes=size, bound=bound)


def refusal(place: object, **options: bool) -> str:
    """Return what opening a store says, without its name."""
    with pytest.raises(StoreUnusable) as caught:
        SQLiteStore(place, **options)  # type: ignore[arg-type]
    return str(caught.value).partition(" cannot be used: ")[2]


# -- a history -------------------------------------------------------------------------------------


def test_what_is_added_can_be_got(store: SQLiteStore) -> None:
    """Under an id that grows, and whole."""
    before, after = deep(owner("app._seen", bound=Bound("lru_cache", 9, 3))), cheap(NOW + 1)
    first, second = store.add(before), store.add(after)

    assert first < second
    assert (store.get(first), store.get(second)) == (before, after)


def test_the_latest_is_the_one_taken_last(store: SQLiteStore) -> None:
    """Not the one added last: replicas are not added in order."""
    assert store.latest() is None
    store.add(cheap(NOW + 2))
    store.add(deep(taken=NOW + 1))
    store.add(deep(taken=NOW))

    latest = [store.latest(), store.latest(deep=True), store.latest(deep=False)]
    assert [found.taken.utc for found in latest if found] == [NOW + 2, NOW + 1, NOW + 2]


def test_an_id_that_is_not_there_is_said(store: SQLiteStore) -> None:
    """It may have been thinned out."""
    with pytest.raises(SnapshotNotFound, match="has no snapshot 42"):
        store.get(42)


def test_an_id_is_never_given_twice(store: SQLiteStore) -> None:
    """Whoever noted an id never gets another snapshot under it."""
    first = store.add(cheap(NOW - 9 * DAY))
    store.prune(max_age=DAY, now=NOW)

    assert store.add(cheap()) > first


def test_headers_say_what_there_is_without_reading_it(store: SQLiteStore) -> None:
    """In the order in which they were taken."""
    later, earlier = cheap(NOW + 1, label="after"), deep(owner("app._seen"))
    numbers = store.add(later), store.add(earlier)

    headers = store.headers()
    assert [(header.id, header.taken) for header in headers] == [(numbers[1], NOW), (numbers[0], NOW + 1)]
    assert [(header.label, header.is_deep) for header in headers] == [(None, True), ("after", False)]
    assert {header.identity for header in headers} == {later.identity}
    assert all(100 < header.bytes < 2_000 for header in headers)


def test_headers_can_be_chosen(store: SQLiteStore) -> None:
    """By time, the end left out; by process, label and depth; and all together."""
    one, two, three = (
        store.add(cheap(NOW, label="a")),
        store.add(cheap(NOW + 1, pid=8, label="b")),
        store.add(deep(taken=NOW + 2)),
    )

    def chosen(**filters: object) -> list[int]:
        return [header.id for header in store.headers(**filters)]  # type: ignore[arg-type]

    assert chosen(since=NOW + 1) == [two, three]
    assert chosen(since=NOW, until=NOW + 2) == [one, two]
    assert chosen(instance=cheap(pid=8).identity.instance) == [two]
    assert chosen(label="a") == [one]
    assert chosen(deep=True) == [three]
    assert chosen(deep=False, since=NOW + 1, label="b") == [two]
    assert chosen(label="none such") == []


def test_a_history_outlives_the_store(tmp_path: Path) -> None:
    """What one process stored another reads."""
    with SQLiteStore(tmp_path / "leaks.db") as written:
        number = written.add(cheap())
    with SQLiteStore(tmp_path / "leaks.db", must_exist=True) as read:
        assert read.get(number) == cheap()


def test_info_counts(store: SQLiteStore) -> None:
    """Snapshots, deep ones, processes, the time they span and what they take."""
    assert attrs.evolve(store.info(), bytes=0) == StoreInfo(
        snapshots=0, deep=0, processes=0, first=None, last=None, bytes=0, schema=1
    )
    for snapshot in (cheap(), cheap(NOW + 1, pid=8), deep(taken=NOW + 2)):
        store.add(snapshot)

    info = store.info()
    assert attrs.evolve(info, bytes=0) == StoreInfo(
        snapshots=3, deep=1, processes=2, first=NOW, last=NOW + 2, bytes=0, schema=1
    )
    assert info.bytes >= 8 * 4_096


def test_names_that_are_no_text_can_be_stored(store: SQLiteStore) -> None:
    """A file name need not be UTF-8, and an attribute can have any name."""
    odd = "app.\udc80\x00[*]"
    number = store.add(attrs.evolve(deep(owner(odd, bound=Bound(odd, 9, 3))), label=odd))

    assert store.get(number).label == odd
    assert [header.id for header in store.headers(label=odd)] == [number]
    assert [point.value for point in store.points(f"owner.entries:{odd}")] == [3.0]


# -- series ----------------------------------------------------------------------------------------


def test_every_reading_of_a_snapshot_has_its_series() -> None:
    """Memory, the container, the heap, resources and owners; a watched length is one of its owner."""
    snapshot = attrs.evolve(
        deep(owner("app._seen", entries=3, size=700)),
        memory=Memory(rss=1, uss=2, native=3, blocks=4),
        cgroup=Cgroup(version=2, usage=5, anon=6),
        resources=Resources(
            threads=(Tally("a", 1), Tally("b", 2)), tasks=(Tally("c", 4),), descriptors=(Tally("file", 5),)
        ),
        watched=(Tally("app._queue", 9),),
    )

    assert series_of_snapshot(snapshot) == {
        "rss": 1.0,
        "uss": 2.0,
        "native": 3.0,
        "blocks": 4.0,
        "cgroup.usage": 5.0,
        "cgroup.anon": 6.0,
        "threads": 3.0,
        "tasks": 4.0,
        "descriptors": 5.0,
        "heap.objects": 13.0,
        "heap.bytes": 1_152.0,
        "owner.entries:app._seen": 3.0,
        "owner.bytes:app._seen": 700.0,
        "owner.entries:app._queue": 9.0,
    }


def test_what_was_not_read_has_no_point() -> None:
    """Neither what the platform cannot tell nor totals of a walk that its budget ended."""
    cut = attrs.evolve(deep(owner("app._seen")), heap=Heap(owners=(owner("app._seen"),), is_whole=False))

    assert series_of_snapshot(cheap()) == {"rss": 1_000.0, "blocks": 50.0}
    assert series_of_snapshot(cut).keys() == {
        "rss",
        "blocks",
        "owner.entries:app._seen",
        "owner.bytes:app._seen",
    }


def test_only_the_longest_and_largest_owners_become_series() -> None:
    """Of 2,000 owners 300 by entries and 300 by bytes; the store stays bounded."""
    owners = [owner(f"app.o{number:04}", entries=number, size=2_000 - number) for number in range(2_000)]
    paths = {name.partition(":")[2] for name in series_of_snapshot(deep(*owners)) if name.startswith("owner.entries:")}

    assert paths == {f"app.o{number:04}" for number in (*range(300), *range(1_700, 2_000))}


def test_an_owner_that_was_once_large_keeps_its_series(store: SQLiteStore) -> None:
    """However many others are larger now; so does a watched one."""
    store.add(deep(owner("app.shrinks", 90)))
    store.add(attrs.evolve(cheap(NOW + 1), watched=(Tally("app.watched", 5),)))
    crowd = [owner(f"app.o{number}", entries=1_000, size=9_000) for number in range(700)]
    store.add(
        deep(*crowd, owner("app.shrinks", 1, 1), owner("app.watched", 1, 1), owner("app.new", 1, 1), taken=NOW + 2)
    )

    assert [point.value for point in store.points("owner.entries:app.shrinks")] == [90.0, 1.0]
    assert [point.value for point in store.points("owner.entries:app.watched")] == [5.0, 1.0]
    assert store.points("owner.entries:app.new") == []


def test_points_say_when_and_of_which_process(store: SQLiteStore) -> None:
    """In order of time, whatever the order in which they were added."""
    store.add(attrs.evolve(cheap(NOW + 1, rss=2_000, pid=8), units=44))
    store.add(cheap(NOW, rss=1_000))

    shared = {"replica": "pod-1", "started": NOW - DAY, "version": "2.4.1"}
    assert store.points("rss") == [
        Point(time=NOW, value=1_000.0, instance=cheap().identity.instance, **shared),  # type: ignore[arg-type]
        Point(time=NOW + 1, value=2_000.0, units=44, instance=cheap(pid=8).identity.instance, **shared),  # type: ignore[arg-type]
    ]
    assert [point.time for point in store.points("rss", since=NOW + 1)] == [NOW + 1]
    assert [point.time for point in store.points("rss", until=NOW + 1)] == [NOW]
    assert store.points("nothing") == []


def test_series_are_named_in_order(store: SQLiteStore) -> None:
    """Every name once."""
    for taken in (NOW, NOW + 1):
        store.add(deep(owner("app._seen"), taken=taken))

    assert store.series() == [
        "blocks",
        "heap.bytes",
        "heap.objects",
        "owner.bytes:app._seen",
        "owner.entries:app._seen",
        "rss",
    ]


def test_bounds_are_those_of_the_last_snapshot_that_lists_the_owner(store: SQLiteStore) -> None:
    """A deploy can change a limit, or take it away; an owner that is not listed keeps its last one."""
    small, large = Bound("lru_cache", 100, 40), Bound("lru_cache", 1_000, 60)
    store.add(deep(owner("app.a", bound=small), owner("app.b", bound=small), owner("app.c", bound=small)))
    store.add(deep(owner("app.a", bound=large), owner("app.b"), taken=NOW + 2))
    store.add(deep(owner("app.a", bound=small), owner("app.b", bound=small), taken=NOW + 1))

    assert store.bounds() == {"app.a": large, "app.c": small}


def test_the_limit_is_that_of_the_last_snapshot_taken_in_a_container(store: SQLiteStore) -> None:
    """A limit that was lifted is no limit any more."""
    assert store.limit() is None
    store.add(attrs.evolve(cheap(NOW), cgroup=Cgroup(version=2, usage=5, limit=800)))
    store.add(cheap(NOW + 9))
    assert store.limit() == 800

    store.add(attrs.evolve(cheap(NOW + 1), cgroup=Cgroup(version=2, usage=5)))
    assert store.limit() is None


# -- retention -------------------------------------------------------------------------------------


def test_pruning_thins_what_is_old(store: SQLiteStore) -> None:
    """All of the last 24 hours, an hourly one for a week, then a daily one; points go with their snapshots."""
    times = [NOW - 600.0 * number for number in range(int(10 * DAY / 600))]
    for taken in times:
        store.add(cheap(taken))
    deleted = store.prune(now=NOW)

    kept = [header.taken for header in store.headers()]
    ages = [NOW - taken for taken in kept]
    assert deleted == len(times) - len(kept)
    assert sum(age <= DAY for age in ages) == 145
    assert sum(DAY < age <= 7 * DAY for age in ages) == 144
    assert sum(age > 7 * DAY for age in ages) == 3
    assert [point.time for point in store.points("rss")] == kept
    assert store.prune(now=NOW) == 0


def test_thinning_prefers_deep_snapshots_and_keeps_every_process(store: SQLiteStore) -> None:
    """A deep one says more; another process's says something else."""
    hour = NOW - 3 * DAY
    store.add(cheap(hour))
    chosen = store.add(deep(taken=hour + 60))
    store.add(deep(taken=hour + 120))
    other = store.add(cheap(hour + 180, pid=8))
    store.prune(now=NOW)

    assert [header.id for header in store.headers()] == [chosen, other]


@given(
    st.lists(st.tuples(st.floats(0, 12 * DAY), st.integers(1, 2), st.booleans()), max_size=40),
    st.floats(0, 3 * DAY),
)
def test_thinning_leaves_one_of_each_slot(made: list[tuple[float, int, bool]], later: float) -> None:
    """Never the last of an hour or a day, nothing of the last day, and nothing more at the same moment."""
    headers = [
        Header(id=number, taken=NOW - age, identity=Identity(pid=pid), is_deep=is_deep)
        for number, (age, pid, is_deep) in enumerate(made)
    ]
    gone = set(surplus(headers, NOW))
    kept = [header for header in headers if header.id not in gone]

    def days(some: list[Header]) -> set[tuple[str, float]]:
        return {(header.identity.instance, header.taken // DAY) for header in some}

    assert days(kept) == days(headers)
    assert all(NOW - headers[number].taken > DAY for number in gone)
    assert surplus(kept, NOW) == []
    assert set(surplus(headers, NOW + later)) >= set(surplus(kept, NOW + later))


def test_pruning_by_age_deletes_what_is_older(store: SQLiteStore) -> None:
    """Without thinning, everything younger stays; what belonged to the deleted alone goes too."""
    store.add(deep(owner("app.gone", bound=Bound("x", 9, 3)), taken=NOW - 2 * DAY, pid=8))
    kept = [store.add(cheap(NOW - age)) for age in (DAY, 60.0, 0.0)]

    assert store.prune(max_age=DAY, thin=False, now=NOW) == 1
    assert [header.id for header in store.headers()] == kept
    assert (store.info().processes, store.series(), store.bounds()) == (1, ["blocks", "rss"], {})


def test_pruning_by_size_deletes_the_oldest_and_shrinks_the_file(store: SQLiteStore, tmp_path: Path) -> None:
    """The file really becomes smaller than was asked for; the newest stay."""
    owners = [owner(f"app.module{number}.cache", entries=number * 7, size=number * 977) for number in range(200)]
    numbers = [store.add(deep(*owners, taken=NOW + number)) for number in range(60)]
    store.prune(thin=False)  # what is still in the log goes into the file
    before = store.info().bytes
    deleted = store.prune(max_bytes=before // 3, thin=False, now=NOW)

    assert 0 < deleted < 60
    assert [header.id for header in store.headers()] == numbers[deleted:]
    assert (tmp_path / "leaks.db").stat().st_size <= before // 3
    assert store.info().bytes <= before // 3


def test_pruning_a_file_that_cannot_shrink_ends(tmp_path: Path) -> None:
    """Another tool can have rewritten the file so that what is free in it stays free."""
    with SQLiteStore(tmp_path / "leaks.db") as store:
        for number in range(30):
            store.add(deep(*(owner(f"app.o{number}.{other}") for other in range(99)), taken=NOW + number))
    with closing(sqlite3.connect(tmp_path / "leaks.db")) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("PRAGMA auto_vacuum = NONE")
        other.execute("VACUUM")
    with SQLiteStore(tmp_path / "leaks.db") as store:
        assert store.prune(max_bytes=1, now=NOW) == 29


def test_pruning_by_size_leaves_the_last_snapshot(store: SQLiteStore) -> None:
    """A limit smaller than one snapshot does not empty the store."""
    store.add(cheap(NOW))
    last = store.add(cheap(NOW + 1))

    assert store.prune(max_bytes=1, now=NOW) == 1
    assert [header.id for header in store.headers()] == [last]


@pytest.mark.parametrize("limits", [{"max_age": 0}, {"max_age": float("nan")}, {"max_bytes": -1}])
def test_a_limit_that_would_delete_everything_is_refused(store: SQLiteStore, limits: dict[str, float]) -> None:
    """Nothing is deleted by a mistake in a sign."""
    store.add(cheap())
    with pytest.raises(BadOption, match="must be above 0"):
        store.prune(**limits)  # type: ignore[arg-type]

    assert store.info().snapshots == 1


# -- opening ---------------------------------------------------------------------------------------


def test_a_url_or_a_path_opens_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes for a relative path, four for an absolute one, as SQLAlchemy has it."""
    monkeypatch.chdir(tmp_path)
    places: list[str | Path] = ["sqlite:///a.db", f"sqlite:///{tmp_path}/a.db", "a.db", Path("a.db")]
    for number, place in enumerate(places):
        opened = open_store(place)
        opened.add(cheap(NOW + number))
        opened.close()
    with SQLiteStore(tmp_path / "a.db") as store:
        assert store.info().snapshots == 4


def test_a_name_with_odd_characters_is_a_name(tmp_path: Path) -> None:
    """Nothing in a path is taken for a part of a URL."""
    for name in ("a?mode=memory", "50%25", "#1", "ä b"):
        with SQLiteStore(tmp_path / name) as store:
            store.add(cheap())

    assert {path.name for path in tmp_path.iterdir()} == {"a?mode=memory", "50%25", "#1", "ä b"}


def test_a_store_can_be_in_memory() -> None:
    """For tests, and for a monitor that keeps its history for itself."""
    with SQLiteStore("sqlite:///:memory:") as store, SQLiteStore(":memory:") as other:
        store.add(cheap())
        store.add(cheap(NOW - 9 * DAY))
        store.add(cheap(NOW - 9 * DAY + 60))

        assert store.prune(now=NOW) == 1
        assert (store.info().snapshots, other.info().snapshots) == (2, 0)
        assert store.info().bytes > 0


def test_a_store_is_opened_as_itself(store: SQLiteStore) -> None:
    """Whoever wrote it: anything with the methods of a store is one."""
    opened: Store = open_store(store)

    assert opened is store


@pytest.mark.parametrize(
    "place", ["", "sqlite:///", "sqlite://a.db", "sqlite:a.db", "postgresql://host/leaks", 7, None]
)
def test_what_stands_for_no_store_is_refused(place: object) -> None:
    """Other databases, URLs with a slash too few, and what is no name."""
    with pytest.raises(BadOption, match="sqlite:///PATH"):
        open_store(place)  # type: ignore[arg-type]


def test_a_store_is_its_owners_only(store: SQLiteStore, tmp_path: Path) -> None:
    """Names of code and hosts are nobody else's business; also in the files that SQLite puts beside it."""
    store.add(cheap())

    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_store_that_must_exist_is_not_made(tmp_path: Path) -> None:
    """A slip in a name does not leave an empty store behind; neither does an empty file become one."""
    (tmp_path / "empty").touch()

    assert refusal(tmp_path / "none", must_exist=True).startswith("it cannot be found: No such file or directory.")
    assert refusal(tmp_path / "empty", must_exist=True).startswith("it is empty.")
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [("empty", 0)]


def test_what_cannot_be_a_store_is_refused(tmp_path: Path) -> None:
    """A folder, a folder that is not there, a pipe, a name with a NUL."""
    os.mkfifo(tmp_path / "pipe")

    assert refusal(tmp_path) == "it is a folder. Name another file."
    assert refusal(tmp_path / "no" / "such").startswith("it cannot be made: No such file or directory.")
    assert refusal(tmp_path / "pipe") == "it is a pipe or a device. Name another file."
    assert refusal("a\0b") == "its name holds a NUL. Name another file."


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """With tables of its own, or a mark of its own, or neither a database at all."""
    (tmp_path / "text").write_text("a,b\n" * 2_000, encoding="utf-8")
    for name, statement in (("tables", "CREATE TABLE users (name)"), ("mark", "PRAGMA application_id = 77")):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute(statement)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    assert refusal(tmp_path / "tables") == "it is an SQLite database of another program. Name another file."
    assert refusal(tmp_path / "mark") == "it is an SQLite database of another program. Name another file."
    assert refusal(tmp_path / "text").startswith("it is no leakdiff store")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_closed_store_says_so(store: SQLiteStore) -> None:
    """Closing twice is no error."""
    store.close()
    store.close()

    with pytest.raises(StoreUnusable, match="it was closed"):
        store.add(cheap())


def test_a_store_that_is_deleted_is_begun_again(store: SQLiteStore, tmp_path: Path) -> None:
    """A service goes on for weeks; its snapshots must not go into a file that nobody can see."""
    store.add(cheap())
    for path in tmp_path.iterdir():
        path.unlink()
    number = store.add(cheap(NOW + 1))

    with SQLiteStore(tmp_path / "leaks.db", must_exist=True) as other:
        assert [header.id for header in other.headers()] == [number]


def test_a_locked_store_says_so_and_goes_on(tmp_path: Path) -> None:
    """Others may hold it for a while; nothing is written by halves."""
    with SQLiteStore(tmp_path / "leaks.db", timeout=0.05) as store:
        store.add(cheap())
        with closing(sqlite3.connect(tmp_path / "leaks.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreLocked, match=r"others held it for 0\.05 s"):
                store.add(cheap(NOW + 1))
            assert store.info().snapshots == 1
            other.execute("ROLLBACK")
        store.add(cheap(NOW + 1))

        assert store.info().snapshots == 2


def test_a_thread_that_waits_too_long_for_its_turn_is_told(tmp_path: Path) -> None:
    """The threads of a process use a store in turn, and none waits for ever."""
    database = Database(str(tmp_path / "leaks.db"), timeout=0.05)
    with database.reading(), pytest.raises(StoreLocked), database.reading():
        pass
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM snapshots").fetchone() == (0,)
    database.close()


def test_a_store_says_where_it_is(store: SQLiteStore, tmp_path: Path) -> None:
    """And nothing of what it holds."""
    assert repr(store) == f"<SQLiteStore {tmp_path}/leaks.db>"


# -- layouts ---------------------------------------------------------------------------------------


def _add_moods(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE snapshots ADD COLUMN mood TEXT DEFAULT 'fine'")


def _fail(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE points")
    raise OSError("power cut")


def _layout(path: Path) -> tuple[int, list[str]]:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return version, [row[1] for row in connection.execute("PRAGMA table_info(snapshots)")]


def test_an_older_layout_is_brought_to_the_present_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all it holds; a new store has all steps at once."""
    with SQLiteStore(tmp_path / "old") as store:
        store.add(deep(owner("app._seen")))
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, _add_moods))
    with SQLiteStore(tmp_path / "old") as store, SQLiteStore(tmp_path / "new") as new:
        store.add(cheap(NOW + 1))

        assert [header.is_deep for header in store.headers()] == [True, False]
        assert store.get(1) == deep(owner("app._seen"))
        assert (store.info().schema, new.info().schema) == (2, 2)
    assert _layout(tmp_path / "old") == _layout(tmp_path / "new")
    assert "mood" in _layout(tmp_path / "old")[1]


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store stays as it was, and the old leakdiff can still use it."""
    with SQLiteStore(tmp_path / "old") as store:
        store.add(cheap())
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, _add_moods, _fail))
        with pytest.raises(OSError, match="power cut"):
            SQLiteStore(tmp_path / "old")

    assert _layout(tmp_path / "old")[0] == 1
    with SQLiteStore(tmp_path / "old") as store:
        assert len(store.points("rss")) == 1


def test_a_newer_layout_asks_for_an_upgrade(tmp_path: Path) -> None:
    """An older leakdiff does not write into what it does not know."""
    SQLiteStore(tmp_path / "newer").close()
    with closing(sqlite3.connect(tmp_path / "newer")) as connection:
        connection.execute("PRAGMA user_version = 9")

    assert refusal(tmp_path / "newer") == (
        "it was written by a newer leakdiff (schema 9; this one reads up to 1). Upgrade leakdiff."
    )
