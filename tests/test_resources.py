"""Threads, descriptors, sockets and children: counted by name, running no code of theirs."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fresh import line_of, run_fresh
from leakdiff.capture import resources
from leakdiff.capture.places import most_telling, place_of
from leakdiff.capture.resources import read_resources
from leakdiff.model.snapshot import Resources, Tally

SLEEP = [shutil.which("sleep") or "sleep", "60"]
TRUE = [shutil.which("true") or "true"]


def tallies(kind: tuple[Tally, ...]) -> dict[str, int]:
    """Return counts by name."""
    return {tally.name: tally.count for tally in kind}


# -- threads ---------------------------------------------------------------------------------------


class Waiting:
    """Threads that wait in ``here`` until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.threads: list[threading.Thread] = []

    def start(self, thread: threading.Thread) -> None:
        """Start one and remember to end it."""
        thread.start()
        self.threads.append(thread)

    def here(self) -> None:
        """Wait."""
        self.over.wait()


LINE = Waiting.here.__code__.co_firstlineno + 2


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    """End all threads with the test."""
    some = Waiting()
    yield some
    some.over.set()
    for thread in some.threads:
        thread.join()


def test_threads_are_counted_by_name_and_the_user_s_line(waiting: Waiting) -> None:
    """Numbers in names are ``#``, so that a pool is one line; the line is not that of the lock inside the library."""
    for number in range(3):
        waiting.start(threading.Thread(target=waiting.here, name=f"worker-{number}_7"))
    found, notes = read_resources()
    at = f"{Path(__file__).name}:{LINE} in Waiting.here"

    assert tallies(found.threads)[f"worker-#_# at {at}"] == 3
    assert notes == []


def test_the_thread_that_looks_has_no_line() -> None:
    """Two snapshots taken at two lines of a program differ by nothing."""
    first = read_resources()[0].threads
    second = read_resources()[0].threads

    assert first == second
    assert "MainThread" in tallies(first)


def test_our_own_threads_are_not_counted(waiting: Waiting) -> None:
    """A monitor is not part of what it watches."""
    before = read_resources()[0].threads
    waiting.start(threading.Thread(target=waiting.here, name="leakdiff-monitor"))

    assert read_resources()[0].threads == before


def test_a_thread_that_threading_does_not_know_is_counted() -> None:
    """C code and ``_thread`` start threads without a record of them."""
    script = """
        import _thread, json, threading, time
        from leakdiff.capture.resources import read_resources
        lock = threading.Lock()
        lock.acquire()
        def low():
            started.append(1)
            lock.acquire()  # here
        started = []
        _thread.start_new_thread(low, ())
        while not started:
            time.sleep(0.001)
        time.sleep(0.01)
        print(json.dumps([[tally.name, tally.count] for tally in read_resources()[0].threads]))
        lock.release()
    """
    expected = f"unnamed thread at script.py:{line_of(script, '# here')} in low"

    assert run_fresh(script) == [["MainThread", 1], [expected, 1]]


def test_no_code_of_a_thread_is_run(waiting: Waiting) -> None:
    """A subclass of Thread may make anything of its name and identity."""

    class Hostile(threading.Thread):
        hostile = False

        def __getattribute__(self, name: str) -> Any:
            if type(self).hostile:
                raise AssertionError(name)
            return super().__getattribute__(name)

    waiting.start(Hostile(target=waiting.here, name="hostile"))
    Hostile.hostile = True
    found, notes = read_resources()
    Hostile.hostile = False

    assert notes == []
    assert [count for name, count in tallies(found.threads).items() if name.startswith("hostile at ")] == [1]


def test_frames_of_threads_are_not_kept(waiting: Waiting) -> None:
    """Looking at a thread leaves no cycle with our own frames for the collector."""
    waiting.start(threading.Thread(target=waiting.here))
    read_resources()
    gc.collect()
    gc.disable()
    try:
        read_resources()
        freed = gc.collect()
    finally:
        gc.enable()

    assert freed == 0


# -- places ----------------------------------------------------------------------------------------


def code_in(file: str) -> types.CodeType:
    """Return code that says it is from a file."""
    return compile("1", file, "exec")


def test_a_file_is_named_below_the_folder_it_was_imported_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is the same in another folder, environment or release; an unknown folder leaves the file's name."""
    monkeypatch.setattr(sys, "path", ["", "/", "/srv/shop-2.4.1", "/srv", "/venv/site-packages", Path("/odd")])

    assert place_of(code_in("/srv/shop-2.4.1/shop/cart.py"), 12) == "shop/cart.py:12"
    assert place_of(code_in("/venv/site-packages/lib/pool.py"), 3) == "lib/pool.py:3"
    assert place_of(code_in("/odd/thing.py"), None) == "thing.py:1"
    assert place_of(code_in("<string>"), 1) == "<string>:1"


def test_the_user_s_innermost_code_says_most() -> None:
    """Then an installed package's; the standard library's and the first of ours only if there is nothing else."""
    library, installed, user = asyncio.__file__, "/venv/site-packages/lib/pool.py", "/srv/shop/cart.py"
    own = resources.__file__

    assert most_telling([code_in(file) for file in (library, installed, user, user)]) == 2
    assert most_telling([code_in(file) for file in (own, library, installed)]) == 2
    assert most_telling([code_in(file) for file in (own, library)]) == 1
    assert most_telling([code_in(file) for file in (own, own)]) == 0


# -- descriptors and sockets -----------------------------------------------------------------------


def gained(before: tuple[Tally, ...], after: tuple[Tally, ...]) -> dict[str, int]:
    """Return what there is more of."""
    was, now = tallies(before), tallies(after)
    return {name: now[name] - was.get(name, 0) for name in now if now[name] != was.get(name, 0)}


def test_descriptors_are_counted_by_kind(tmp_path: Path) -> None:
    """Kinds only: no name of a file, a deleted one said so, and not the one that the listing needs."""
    before = read_resources()[0].descriptors
    kept = tmp_path / "customer-4711.txt"
    kept.touch()
    reader, writer = os.pipe()
    with kept.open(), tempfile.TemporaryFile(), Path("/dev/null").open(), socket.socket():
        after = read_resources()[0].descriptors
    os.close(reader)
    os.close(writer)

    assert gained(before, after) == {"file": 1, "deleted file": 1, "device": 1, "socket": 1, "pipe": 2}
    assert read_resources()[0].descriptors == before


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux alone has them")
def test_what_the_kernel_makes_is_named_by_what_it_is() -> None:
    """An event poll has no file, and a memory file's name is the program's."""
    import select

    before = read_resources()[0].descriptors
    memory = os.memfd_create("customer-4711")
    with select.epoll():
        after = read_resources()[0].descriptors
    os.close(memory)

    assert gained(before, after) == {"anon_inode:[eventpoll]": 1, "memfd": 1}


def test_without_proc_descriptors_are_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their number is known from psutil; that their kinds are not is said."""
    monkeypatch.setattr(resources, "_DESCRIPTORS", "/nowhere")
    found, notes = read_resources()

    assert tallies(found.descriptors) == {"descriptor": psutil.Process().num_fds()}
    assert notes == ["file descriptors could be counted, but not by kind"]


def test_sockets_are_counted_by_protocol_and_state() -> None:
    """A listener, both ends of a connection and a datagram socket."""
    before = read_resources()[0].sockets
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("127.0.0.1", 0))
            after = read_resources()[0].sockets

    assert gained(before, after) == {"tcp ESTABLISHED": 2, "tcp LISTEN": 1, "udp": 1}


def test_more_sockets_than_can_be_read_quickly_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The states are left out and that is said; the descriptors are counted."""
    monkeypatch.setattr(resources, "_MOST_SOCKETS", 1)
    with socket.socket(), socket.socket():
        found, notes = read_resources()

    assert found.sockets == ()
    assert tallies(found.descriptors)["socket"] >= 2
    assert notes == [f"the states of {tallies(found.descriptors)['socket']} sockets were not read; at most 1 are"]


# -- child processes -------------------------------------------------------------------------------


def test_children_are_counted_by_name() -> None:
    """A child that ended and that nobody waited for is one, too."""
    before = read_resources()[0].children
    with subprocess.Popen(SLEEP) as living, subprocess.Popen(TRUE, stdout=subprocess.PIPE) as ended:
        assert ended.stdout is not None
        ended.stdout.read()
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        after = read_resources()[0].children
        living.kill()

    assert gained(before, after) == {"sleep": 1, "true (ended, not waited for)": 1}


def test_a_child_that_ends_while_we_look_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the list of children and their names there is time to go."""

    def gone(process: psutil.Process) -> str:
        raise psutil.NoSuchProcess(process.pid)

    monkeypatch.setattr(psutil.Process, "status", gone)
    with subprocess.Popen(SLEEP) as living:
        found, notes = read_resources()
        living.kill()

    assert (found.children, notes) == ((), [])


# -- together --------------------------------------------------------------------------------------


def letters() -> Iterator[str]:
    """Be a generator."""
    yield "a"


def digits() -> Iterator[str]:
    """Be another one."""
    yield "1"


def words() -> Iterator[str]:
    """Be a third."""
    yield "one"


def refuse(*_: object, **__: object) -> Any:
    """Fail as psutil does where it may not look."""
    raise psutil.AccessDenied


def test_each_part_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails gives a sentence each, and the rest is there."""
    monkeypatch.setattr(psutil, "Process", refuse)
    monkeypatch.setattr(resources, "thread_names", refuse)
    found, notes = read_resources([letters()])

    assert (found.threads, found.sockets, found.children) == ((), (), ())
    assert tallies(found.generators) == {"letters": 1}
    assert found.descriptors != ()
    assert notes == [
        "threads could not be read: psutil.AccessDenied",
        "sockets could not be read: psutil.AccessDenied",
        "child processes could not be read: psutil.AccessDenied",
    ]


def test_the_order_is_by_number_then_name() -> None:
    """Two readings of the same process are equal, in order too."""
    made = [words(), letters(), digits(), words()]
    first, second = read_resources(made)[0], read_resources(made[::-1])[0]

    assert isinstance(first, Resources)
    assert first == second
    assert [(tally.name, tally.count) for tally in first.generators] == [("words", 2), ("digits", 1), ("letters", 1)]


def test_a_forked_child_reads_its_own() -> None:
    """It has one thread and no children, whatever the parent has."""
    found = run_fresh("""
        import json, os, threading
        from leakdiff.capture.resources import read_resources
        over = threading.Event()
        thread = threading.Thread(target=over.wait)
        thread.start()
        read_resources()
        reader, writer = os.pipe()
        if not os.fork():
            found, notes = read_resources()
            seen = [[[tally.name, tally.count] for tally in kind] for kind in (found.threads, found.children)]
            os.write(writer, json.dumps([seen, notes]).encode())
            os._exit(0)
        os.wait()
        over.set()
        thread.join()
        print(json.dumps(json.loads(os.read(reader, 1000))))
    """)

    assert found == [[[["MainThread", 1]], []], []]
