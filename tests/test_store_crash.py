"""The store under kill, forks, crowds, full disks, missing permissions and damage."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fresh import run_fresh
from leakdiff.errors import CannotRead, CannotWrite, LeakdiffError, StoreUnusable
from leakdiff.model.heap import Bound
from leakdiff.model.snapshot import Heap, Identity, Moment, OwnerSize, Snapshot
from leakdiff.store import schema
from leakdiff.store.files import load, save
from leakdiff.store.sqlite import SQLiteStore

KILLS = int(os.environ.get("LEAKDIFF_KILLS", "200"))
NOBODY = 65_534

# What the scripts have in common: processes that tell by a pipe which snapshots were acknowledged to them.
COMMON = """\
import ctypes, json, os, random, select, signal, sqlite3, sys, threading, time
from contextlib import closing
from leakdiff.errors import StoreUnusable
from leakdiff.model.snapshot import Heap, Identity, Moment, OwnerSize, Snapshot
from leakdiff.store.sqlite import SQLiteStore

def made(number, owners=30):
    sizes = (OwnerSize(path=f"app.module{o}.cache", kind="module", type="dict", entries=o + number, bytes=o * number)
             for o in range(owners))
    heap = Heap(owners=tuple(sizes)) if number % 3 else None
    return Snapshot(taken=Moment(1e9 + number), identity=Identity(host="pod", pid=os.getpid()), heap=heap)

def forked(work, fork=os.fork):
    # Runs work(tell) in a child; tell() writes an id to the pipe that is returned.
    out, into = os.pipe()
    child = fork()
    if child:
        os.close(into)
        return child, out
    try:
        os.close(out)
        work(lambda number: os.write(into, b"%d\\n" % number))
    except BaseException as error:
        os.write(into, f"{type(error).__name__}: {error}\\n".encode())
    finally:
        os._exit(0)

def told(child, out):
    os.waitpid(child, 0)
    with open(out) as pipe:
        return [int(line) if line.strip().isdigit() else line.strip() for line in pipe]

def integrity(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]
"""


def run(script: str) -> Any:
    """Run a script after what all of them have in common."""
    return run_fresh(COMMON + textwrap.dedent(script))


def small(taken: float = 1.0) -> Snapshot:
    """Return a snapshot with a few owners, one of them bounded."""
    owners = tuple(
        OwnerSize(path=f"app.o{number}", kind="module", type="dict", entries=3, bytes=9, bound=Bound("x", 9, number))
        for number in range(40)
    )
    return Snapshot(taken=Moment(taken), identity=Identity(host="pod"), heap=Heap(owners=owners))


# -- kill ------------------------------------------------------------------------------------------


def test_a_killed_writer_loses_at_most_the_snapshot_in_flight() -> None:
    """Killed at any moment, while the store is made too: it opens, is whole, and has all that was acknowledged."""
    answer = run(f"""
        dice, seen = random.Random(), {{"acknowledged": 0, "lost": 0, "surplus": [], "damage": []}}

        def add_for_ever(tell):
            store = SQLiteStore(path)
            for number in range(10**9):
                tell(store.add(made(number)))

        before = set()
        for turn in range({KILLS}):
            if turn % 10 == 0:
                path, before = f"store-{{turn}}.db", set()
            child, out = forked(add_for_ever)
            if turn % 2:
                select.select([out], [], [])  # one was acknowledged; every other time it may be too early for that
            time.sleep(dice.uniform(0, 0.03))
            os.kill(child, signal.SIGKILL)
            acknowledged = set(told(child, out))
            if (found := integrity(path)) != "ok":
                seen["damage"].append(found)
            with SQLiteStore(path) as store:
                kept = {{header.id for header in store.headers()}}
                assert len(store.points("rss")) == len(kept)
                assert all(store.get(number).taken.utc >= 1e9 for number in kept - before)
            seen["acknowledged"] += len(acknowledged)
            seen["lost"] += len((before | acknowledged) - kept)
            seen["surplus"].append(len(kept - before - acknowledged))
            before = kept
        seen["surplus"] = max(seen["surplus"])
        print(json.dumps(seen))
    """)

    assert answer["acknowledged"] >= KILLS // 2
    assert (answer["lost"], answer["damage"]) == (0, [])
    assert answer["surplus"] <= 1


def test_a_process_killed_while_it_prunes_leaves_a_whole_store() -> None:
    """What it deleted may be gone; the newest, and the series of what is left, are there."""
    answer = run("""
        dice, seen = random.Random(), []

        def prune_for_ever(tell):
            store = SQLiteStore("leaks.db")
            for number in range(10**9):
                tell(store.add(made(turn * 1_000 + number)))
                if number % 5 == 4:
                    store.prune(max_bytes=150_000, now=1e9)

        for turn in range(40):
            child, out = forked(prune_for_ever)
            time.sleep(dice.uniform(0, 0.05))
            os.kill(child, signal.SIGKILL)
            acknowledged = told(child, out)
            with SQLiteStore("leaks.db") as store:
                kept = [header.id for header in store.headers()]
                points = [len(store.points(name)) for name in ("rss", "owner.entries:app.module3.cache")]
                deep = len(store.headers(deep=True))
            newest = max(acknowledged, default=0) <= max(kept, default=0)
            seen.append([integrity("leaks.db"), newest, points == [len(kept), deep]])
        print(json.dumps(seen))
    """)

    assert answer == [["ok", True, True]] * 40


# -- crowds ----------------------------------------------------------------------------------------


def test_processes_and_threads_write_at_once_and_nothing_is_lost() -> None:
    """Two processes of four threads each, half of which share a store object; the file is made by whoever is first."""
    answer = run("""
        def crowd(tell):
            shared = SQLiteStore("leaks.db", timeout=60)
            stores = [shared, shared, SQLiteStore("leaks.db", timeout=60), SQLiteStore("leaks.db", timeout=60)]

            def write(store):
                for number in range(25):
                    tell(store.add(made(number)))

            threads = [threading.Thread(target=write, args=(store,)) for store in stores]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        children = [forked(crowd), forked(crowd)]
        acknowledged = [number for child, out in children for number in told(child, out)]
        with SQLiteStore("leaks.db") as store:
            kept = [header.id for header in store.headers()]
            points = len(store.points("rss"))
        print(json.dumps([len(acknowledged), sorted(acknowledged) == sorted(kept), points, integrity("leaks.db")]))
    """)

    assert answer == [200, True, 200, "ok"]


def test_a_store_is_made_once_by_many_at_once() -> None:
    """Eight processes open a store that is not there: none is refused, and it can shrink later."""
    answer = run("""
        answers = []
        for turn in range(10):
            path = f"store-{turn}.db"
            children = [forked(lambda tell: tell(SQLiteStore(path, timeout=60).add(made(1)))) for _ in range(8)]
            answers.append(sorted(number for child, out in children for number in told(child, out)))
            with closing(sqlite3.connect(path)) as connection:
                answers[-1] += connection.execute("PRAGMA auto_vacuum").fetchone()
        print(json.dumps(answers))
    """)

    assert answer == [[1, 2, 3, 4, 5, 6, 7, 8, 2]] * 10


# -- forks -----------------------------------------------------------------------------------------


def test_both_sides_of_a_fork_go_on_writing() -> None:
    """Also when the parent closes first: SQLite would then throw away the log of a child that it knew nothing of."""
    answer = run("""
        store = SQLiteStore("leaks.db")
        acknowledged = [store.add(made(0))]
        ready, go = os.pipe(), os.pipe()

        def before_and_after(tell):
            tell(store.add(made(1)))
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            for number in range(10):
                tell(store.add(made(number)))
            store.close()

        child, out = forked(before_and_after)
        os.read(ready[0], 1)
        acknowledged.append(store.add(made(2)))
        store.close()
        sees = integrity("leaks.db")  # an outsider, who would clean up if nobody seemed to be there
        os.write(go[1], b"x")
        acknowledged += told(child, out)
        with SQLiteStore("leaks.db") as store:
            kept = {header.id for header in store.headers()}
        print(json.dumps([len(acknowledged), kept == set(acknowledged), sees, integrity("leaks.db")]))
    """)

    assert answer == [13, True, "ok", "ok"]


def test_a_fork_while_other_threads_write_loses_nothing() -> None:
    """The fork waits for the transaction, not for the thread; children of children write too."""
    answer = run("""
        store, stop, acknowledged = SQLiteStore("leaks.db", timeout=60), threading.Event(), []

        def write_on():
            while not stop.is_set():
                acknowledged.append(store.add(made(len(acknowledged))))

        def with_a_child(tell):
            child, out = forked(lambda tell: [tell(store.add(made(number))) for number in range(3)])
            for number in [store.add(made(7)), *told(child, out)]:
                tell(number)

        threads = [threading.Thread(target=write_on) for _ in range(3)]
        for thread in threads:
            thread.start()
        children = [forked(with_a_child) for _ in range(15)]
        answers = [number for child, out in children for number in told(child, out)]
        stop.set()
        for thread in threads:
            thread.join()
        store.close()
        with SQLiteStore("leaks.db") as store:
            kept = {header.id for header in store.headers()}
        same = kept == {*acknowledged, *answers}
        print(json.dumps([len(answers), len(acknowledged) > 3, same, integrity("leaks.db")]))
    """)

    assert answer == [60, True, True, "ok"]


def test_a_store_in_memory_is_copied_by_a_fork() -> None:
    """Each side has what was there before, and goes on by itself."""
    answer = run("""
        store = SQLiteStore(":memory:")
        store.add(made(0))

        def add_two(tell):
            store.add(made(1))
            store.add(made(2))
            tell(store.info().snapshots)

        child, out = forked(add_two)
        print(json.dumps([told(child, out), store.info().snapshots]))
    """)

    assert answer == [[3], 1]


def test_a_child_of_a_fork_that_nobody_announced_is_refused() -> None:
    """C code forks behind Python's back: to write there would lose snapshots; the parent goes on."""
    answer = run("""
        store = SQLiteStore("leaks.db")
        store.add(made(0))

        def try_both(tell):
            for attempt in (lambda: store.add(made(1)), lambda: SQLiteStore("leaks.db"), store.headers, store.close):
                try:
                    attempt()
                except StoreUnusable as error:
                    tell(int("forked while it was in use" in str(error)))

        child, out = forked(try_both, fork=ctypes.PyDLL(None).fork)
        answers = told(child, out)
        store.add(made(2))
        store.close()
        with SQLiteStore("leaks.db") as store:
            print(json.dumps([answers, store.info().snapshots, integrity("leaks.db")]))
    """)

    assert answer == [[1, 1, 1], 2, "ok"]


def test_a_store_that_nobody_closed_is_closed_at_the_end() -> None:
    """Neither a warning nor a log file stays, in the parent as in a child that ends of itself."""
    answer = run("""
        import subprocess
        script = '''
        import os, sys
        sys.path.insert(0, ".")
        from script_parts import made
        from leakdiff.store.sqlite import SQLiteStore
        store = SQLiteStore("leaks.db")
        store.add(made(0))
        if os.fork() == 0:
            store.add(made(1))
            sys.exit()
        os.wait()
        store.add(made(2))
        '''
        import textwrap
        source = open("script.py").read()
        open("script_parts.py", "w").write(source[:source.index("def forked")])
        ended = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(script)],
                               capture_output=True, text=True)
        left = sorted(name for name in os.listdir() if name.startswith("leaks.db"))
        with SQLiteStore("leaks.db") as store:
            print(json.dumps([ended.returncode, ended.stderr, left, store.info().snapshots]))
    """)

    assert answer == [0, "", ["leaks.db"], 3]


# -- full disks ------------------------------------------------------------------------------------


@pytest.fixture
def tiny_disk() -> Iterator[Path]:
    """Give a file system of 1 MiB of its own."""
    with tempfile.TemporaryDirectory() as name:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "leakdiff-test", name]
        if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            pytest.skip("only root can mount a small disk; the next test limits the file size instead")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)  # noqa: S607 - where it lies differs


def test_a_full_disk_is_said_and_once_there_is_space_the_store_goes_on(tiny_disk: Path) -> None:
    """What was stored before is all there; a file that cannot be saved leaves nothing behind."""
    with SQLiteStore(tiny_disk / "leaks.db") as store:
        store.add(small())
        (tiny_disk / "ballast").write_bytes(b"x" * 300_000)
        with pytest.raises(StoreUnusable, match="the disk is full") as caught:
            _add_for_ever(store)
        before = store.info().snapshots
        with pytest.raises(CannotWrite, match="No space left"):
            _fill(tiny_disk)
        with pytest.raises(StoreUnusable):
            store.add(small())
        names = {path.name for path in tiny_disk.iterdir()}
        (tiny_disk / "ballast").unlink()
        store.add(small())

        assert "what was stored before is intact" in str(caught.value)
        assert store.info().snapshots == before + 1
        assert not any(name.startswith(".leakdiff") for name in names)
    assert _integrity(tiny_disk / "leaks.db") == "ok"


def _add_for_ever(store: SQLiteStore) -> None:
    for number in range(10_000):
        store.add(small(number))


def _fill(folder: Path) -> None:
    for number in range(1_000):
        save(small(number), folder / f"file-{number}")


def test_a_limit_on_file_size_is_like_a_full_disk() -> None:
    """As with ``ulimit -f`` or a quota: a clear error, nothing half-written, and the store goes on afterwards."""
    answer = run("""
        import resource
        store, sentence = SQLiteStore("leaks.db"), None
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        kept = 0
        try:
            for number in range(10_000):
                store.add(made(number))
                kept += 1
        except StoreUnusable as error:
            sentence = str(error).partition(" cannot be used: ")[2]
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store.add(made(1))
        snapshots = store.info().snapshots
        store.close()
        print(json.dumps([kept > 3, snapshots - kept, sentence, integrity("leaks.db")]))
    """)

    assert answer[:2] == [True, 1]
    assert answer[2].startswith("the system could not read or write it (")
    assert answer[3] == "ok"


# -- permissions -----------------------------------------------------------------------------------


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a folder that everybody may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be nobody for a while, where the tests run as root, whom no permission stops."""
    if os.getuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_what_may_not_be_read_is_said(public: Path) -> None:
    """A store and a file of somebody else."""
    SQLiteStore(public / "leaks.db").close()
    save(small(), public / "before")
    for path in (public / "leaks.db", public / "before"):
        path.chmod(0)
    with unprivileged():
        with pytest.raises(StoreUnusable, match="permission denied"):
            SQLiteStore(public / "leaks.db")
        with pytest.raises(CannotRead, match="permission denied"):
            load(public / "before")


def test_where_nothing_may_be_written_is_said(public: Path) -> None:
    """A new store, and a new file."""
    public.chmod(0o555)
    with unprivileged():
        with pytest.raises(StoreUnusable, match="it cannot be made: Permission denied"):
            SQLiteStore(public / "leaks.db")
        with pytest.raises(CannotWrite, match="Permission denied"):
            save(small(), public / "before")


@pytest.mark.parametrize("folder_mode", [0o777, 0o555])
def test_a_store_without_write_permission_can_be_read(public: Path, folder_mode: int) -> None:
    """A copy on a read-only disk, say; only writing is refused, and nothing is left beside it."""
    with SQLiteStore(public / "leaks.db") as store:
        store.add(small())
    (public / "leaks.db").chmod(0o444)
    public.chmod(folder_mode)
    with unprivileged(), SQLiteStore(public / "leaks.db", must_exist=True) as store:
        assert store.latest() == small()
        assert len(store.points("rss")) == store.info().snapshots == 1
        with pytest.raises(StoreUnusable, match="it can only be read"):
            store.add(small())
        with pytest.raises(StoreUnusable, match="it can only be read"):
            store.prune()


def test_an_old_layout_that_can_only_be_read_is_said(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have to be changed first."""
    SQLiteStore(public / "leaks.db").close()
    (public / "leaks.db").chmod(0o444)
    public.chmod(0o555)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, lambda _: None))
    with unprivileged(), pytest.raises(StoreUnusable, match=r"its layout is old \(schema 1, now 2\)"):
        SQLiteStore(public / "leaks.db")


def test_a_store_whose_log_cannot_be_read_is_refused_rather_than_read_without_it(public: Path) -> None:
    """Copied from under a writer with its log, into a folder where SQLite can prepare nothing."""
    with SQLiteStore(public / "live.db") as store:
        store.add(small())
        shutil.copy(public / "live.db", public / "copy.db")
        shutil.copy(public / "live.db-wal", public / "copy.db-wal")
    for path in public.iterdir():
        path.chmod(0o444)
    public.chmod(0o555)
    with unprivileged(), pytest.raises(StoreUnusable, match="copy both files into another"):
        SQLiteStore(public / "copy.db", must_exist=True)

    public.chmod(0o755)
    with SQLiteStore(public / "copy.db", must_exist=True) as store:
        assert store.latest() == small()


# -- damage ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the bytes of a store with some snapshots."""
    path = tmp_path_factory.mktemp("whole") / "leaks.db"
    with SQLiteStore(path) as store:
        for number in range(30):
            store.add(small(number))
    return path.read_bytes()


def _integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def _use_all(path: Path) -> str:
    """Use everything a store can do, and return how that was refused: as leakdiff refuses, or not at all."""
    try:
        with SQLiteStore(path) as store:
            for header in store.headers():
                store.get(header.id)
            for name in store.series():
                store.points(name)
            store.bounds(), store.limit(), store.info(), store.latest()
            store.add(small(99.0))
            store.prune(max_bytes=50_000, now=1e9)
    except LeakdiffError as error:
        return str(error)
    return ""


def test_random_bytes_are_no_store(tmp_path: Path) -> None:
    """Of any length, also with SQLite's own first bytes."""
    dice = random.Random(5)  # noqa: S311
    for length in (1, 99, 512, 5_000, 50_000):
        for start in (b"", b"SQLite format 3\x00"):
            (tmp_path / "store").write_bytes(start + dice.randbytes(length))

            assert "cannot be used" in _use_all(tmp_path / "store")


def test_a_truncated_store_is_refused_or_says_what_is_missing(tmp_path: Path, whole: bytes) -> None:
    """Wherever it ends: leakdiff's own errors only."""
    said = []
    for end in range(1, len(whole) - 4_096, len(whole) // 40):
        (tmp_path / "store").write_bytes(whole[:end])
        said.append(_use_all(tmp_path / "store"))
        for beside in tmp_path.glob("store*"):
            beside.unlink()

    assert all("cannot be used" in sentence for sentence in said)
    assert any("it is damaged" in sentence for sentence in said)


def test_flipped_bits_never_raise_anything_but_leakdiffs_own_errors(tmp_path: Path, whole: bytes) -> None:
    """In the header, in the tables, in the snapshots: it is refused, or it was not needed."""
    dice, said = random.Random(11), []  # noqa: S311
    for turn in range(150):
        damaged = bytearray(whole)
        for _ in range(1 if turn % 2 else 40):
            damaged[dice.randrange(200 if turn % 3 == 0 else len(damaged))] ^= 1 << dice.randrange(8)
        (tmp_path / "store").write_bytes(damaged)
        said.append(_use_all(tmp_path / "store"))
        for beside in tmp_path.glob("store*"):
            beside.unlink()

    refused = [sentence for sentence in said if sentence]
    assert len(refused) > 50
    assert all("cannot be used" in sentence for sentence in refused)


def test_a_damaged_snapshot_is_refused_alone(tmp_path: Path) -> None:
    """The others, and the series, can still be read."""
    with SQLiteStore(tmp_path / "leaks.db") as store:
        first, second = store.add(small()), store.add(small(2.0))
        with closing(sqlite3.connect(tmp_path / "leaks.db", isolation_level=None)) as other:
            other.execute("UPDATE snapshots SET payload = substr(payload, 1, 90) WHERE id = ?", (first,))
        with pytest.raises(StoreUnusable, match=f"its snapshot {first} cannot be read"):
            store.get(first)

        assert store.get(second) == small(2.0)
        assert len(store.points("rss")) == 2


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE snapshots SET taken = 'noon'",
        "UPDATE processes SET identity = '[1'",
        "UPDATE processes SET identity = '[' || id || ']'",
        "UPDATE snapshots SET label = x'ff'",
        "UPDATE snapshots SET label = CAST(x'ff' AS TEXT)",
        "ALTER TABLE processes RENAME TO lives",
    ],
)
def test_rows_that_cannot_be_ours_are_refused(tmp_path: Path, harm: str) -> None:
    """A number that is a text, a text that is none, an identity that is no JSON, a table that is not there."""
    with SQLiteStore(tmp_path / "leaks.db") as store:
        store.add(small())
        with closing(sqlite3.connect(tmp_path / "leaks.db", isolation_level=None)) as other:
            other.execute(harm)
        with pytest.raises(StoreUnusable, match=r"it is damaged|cannot be read"):
            store.headers()
