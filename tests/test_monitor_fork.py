"""The monitor at forks and at the end of a process, each in an interpreter of its own: no hang, no crash, no word."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from fresh import Ended, _run, run_fresh, write_module

_TOOLS = """
import gc, json, os, sys, threading, time
import leakdiff.monitor
from leakdiff.monitor import Monitor
from leakdiff.watcher import World, _deepen

def until(is_so):
    for _ in range(6000):
        if is_so():
            return True
        time.sleep(0.01)
    return False

def in_child(work):
    reader, writer = os.pipe()
    if not (pid := os.fork()):
        try:
            os.write(writer, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    said = b""
    while part := os.read(reader, 65536):
        said += part
    _, status = os.waitpid(pid, 0)
    return [json.loads(said), status]

def threads():
    return sorted(thread.name for thread in threading.enumerate())

class Signs:
    "A world whose walks tell when they go on."
    def __init__(self):
        self.is_walking = threading.Event()
    def deepen(self, taken, should_stop):
        self.is_walking.set()
        return _deepen(taken, should_stop)
    def world(self):
        return World(deepen=self.deepen)

def large(count=40_000):
    return {f"key-{at}": [at, {"value": str(at)}] for at in range(count)}
"""


def told(script: str) -> Any:
    """Run a script after the tools and return what its last line holds as JSON."""
    return run_fresh(_TOOLS + textwrap.dedent(script))


def ended(tmp_path: Path, script: str) -> Ended:
    """Run a script after the tools and say how its process ended."""
    path = write_module(tmp_path, _TOOLS + textwrap.dedent(script), "script.py")
    return _run([sys.executable, str(path)], str(tmp_path))


# -- forks -----------------------------------------------------------------------------------------


def test_a_forked_child_goes_on_with_a_life_of_its_own() -> None:
    """It measures under its own pid into the same store, and the parent goes on as well."""
    said = told("""
        from leakdiff.store.sqlite import SQLiteStore

        monitor = Monitor(0.02, store="history.sqlite", cpu_share=1.0, deep="never")
        monitor.start()
        assert until(lambda: monitor.health().measurements >= 3)

        def work():
            first = monitor.health()
            went_on = until(lambda: monitor.health().measurements >= 3)
            return [first.pid == os.getpid(), first.running, threads(), went_on, monitor.stop(), threads()]

        child = in_child(work)
        then = monitor.health().measurements
        went_on = until(lambda: monitor.health().measurements > then + 3)
        monitor.stop()
        pids = {header.identity.pid for header in SQLiteStore("history.sqlite").headers()}
        health = monitor.health()
        print(json.dumps([child, went_on, len(pids), health.store_failures, health.measurement_failures]))
    """)

    both = ["MainThread", "leakdiff-monitor"]
    assert said == [[[True, True, both, True, True, ["MainThread"]], 0], True, 2, 0, 0]


def test_a_forked_child_is_asked_for_the_same_as_its_parent() -> None:
    """Its listeners and owners are there, with what it measures itself; what the child forgets, the parent does not."""
    said = told("""
        import types

        app = types.ModuleType("app")
        app.cache = {1: 1}
        sys.modules["app"] = app
        monitor = Monitor(0.02, cpu_share=1.0, deep="never", owners=["app.cache"])
        seen = []
        monitor.listen(seen.append)
        monitor.start()
        assert until(lambda: len(seen) >= 2)

        def work():
            seen.clear()
            app.cache[2] = 2
            assert until(lambda: len(seen) >= 2)
            mine = {snapshot.identity.pid == os.getpid() for snapshot in seen}
            monitor.unregister("app.cache")
            return [list(mine), seen[-1].watched[0].count, monitor.health().callback_failures]

        print(json.dumps([in_child(work), monitor.stop(60), seen[-1].watched[0].count, list(monitor.owners)]))
    """)

    assert said == [[[[True], 2, 0], 0], True, 1, ["app.cache"]]


def test_a_fork_in_the_middle_of_a_measurement_leaves_no_lock_behind() -> None:
    """The parent's thread holds the turn; the child has a turn of its own."""
    said = told("""
        is_measuring, may_go_on, parent = threading.Event(), threading.Event(), os.getpid()

        def units():
            if os.getpid() == parent:
                is_measuring.set()
                may_go_on.wait(60)
            return 42

        monitor = Monitor(0.02, cpu_share=1.0, deep="never", units=units)
        monitor.start()
        assert is_measuring.wait(60)
        refused = monitor.measure_now() is None
        child = in_child(lambda: [until(lambda: monitor.measure_now() is not None), monitor.stop()])
        may_go_on.set()
        print(json.dumps([refused, child, monitor.stop(60)]))
    """)

    assert said == [True, [[True, True], 0], True]


def test_forks_in_the_middle_of_walks_harm_nobody() -> None:
    """Six children are forked while the heap is walked; each measures, and walks its own copy of the heap."""
    said = told("""
        heap, signs = large(), Signs()
        monitor = Monitor(0.01, cpu_share=1.0, deep="always", _world=signs.world())
        monitor.start()
        children = []
        for number in range(6):
            signs.is_walking.clear()
            assert signs.is_walking.wait(60)
            time.sleep(0.02 * number)
            enough = (lambda: monitor.health().deep) if number < 2 else (lambda: signs.is_walking.is_set())
            children.append(in_child(lambda: [until(enough), monitor.health().measurement_failures]))
        print(json.dumps([children, monitor.stop(60), monitor.health().measurement_failures]))
    """)

    assert said == [[[[True, 0], 0]] * 6, True, 0]


def test_what_does_not_run_is_not_started_by_a_fork() -> None:
    """Neither a monitor that was never started nor one that was stopped."""
    said = told("""
        never, stopped = Monitor(), Monitor()
        stopped.start()
        stopped.stop()
        print(json.dumps(in_child(lambda: [threads(), never.health().running, stopped.health().running])))
    """)

    assert said == [[["MainThread"], False, False], 0]


def test_a_monitor_that_nobody_holds_goes_on_too() -> None:
    """Its thread holds it, in the parent and in the child."""
    said = told("""
        Monitor(3_600.0).start()
        gc.collect()
        print(json.dumps([threads(), in_child(threads)]))
    """)

    both = ["MainThread", "leakdiff-monitor"]
    assert said == [both, [both, 0]]


def test_a_child_of_a_child_goes_on_too() -> None:
    """As under a daemon that forks twice."""
    said = told("""
        monitor = Monitor(3_600.0)
        monitor.start()

        def of_child():
            return in_child(lambda: [threads(), monitor.health().pid == os.getpid()])

        print(json.dumps(in_child(of_child)))
    """)

    assert said == [[[["MainThread", "leakdiff-monitor"], True], 0], 0]


def test_a_child_may_end_in_the_middle_of_a_walk() -> None:
    """It runs its exit functions, as after a plain ``os.fork``."""
    said = told("""
        heap, signs = large(), Signs()
        Monitor(0.01, cpu_share=1.0, deep="always", _world=signs.world()).start()
        assert signs.is_walking.wait(60)
        if not (pid := os.fork()):
            signs.is_walking.clear()
            assert signs.is_walking.wait(60)
            sys.exit(7)
        print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    """)

    assert said == 7


def test_workers_of_a_frozen_parent_keep_their_heap_frozen() -> None:
    """As under gunicorn with preload: each worker has a thread and a pid of its own and walks, and nobody unfreezes."""
    said = told("""
        heap = large()
        monitor = Monitor(0.01, cpu_share=1.0, deep="always")
        monitor.start()
        gc.collect()
        gc.freeze()

        def work():
            frozen = gc.get_freeze_count()
            walked = until(lambda: monitor.health().deep)
            health = monitor.health()
            still = gc.get_freeze_count() > 0.9 * frozen > 40_000
            return [walked, still, health.pid == os.getpid(), health.measurement_failures]

        print(json.dumps([in_child(work) for _ in range(3)]))
    """)

    assert said == [[[True, True, True, 0], 0]] * 3


@pytest.mark.parametrize(
    ("method", "expected"),
    [("fork", [["MainThread", "leakdiff-monitor"], True, True]), ("spawn", [["MainThread"], None, None])],
)
def test_children_of_multiprocessing(method: str, expected: list[Any]) -> None:
    """Forked ones go on by themselves; a spawned one begins anew, and has a monitor if the program starts one there."""
    said = told(f"""
        import multiprocessing

        monitor = None

        def work(pipe):
            health = monitor.health() if monitor else None
            names = [name for name in threads() if "Queue" not in name]
            pipe.send([names, health and health.running, health and health.pid == os.getpid()])
            pipe.close()

        if __name__ == "__main__":
            monitor = Monitor(0.01, cpu_share=1.0, deep="always")
            monitor.start()
            context = multiprocessing.get_context("{method}")
            reader, writer = context.Pipe(duplex=False)
            child = context.Process(target=work, args=(writer,))
            child.start()
            names = reader.recv()
            child.join(60)
            print(json.dumps([names, child.exitcode]))
    """)

    assert said == [expected, 0]


# -- the end of a process --------------------------------------------------------------------------

_WALKING = """
import atexit

# Registered before the monitor's own, so that it is called after it.
atexit.register(lambda: print(monitor.health().deep, monitor.health().running))
heap, signs = large(120_000), Signs()
monitor = Monitor(0.01, store="history.sqlite", cpu_share=1.0, deep="always", _world=signs.world())
monitor.start()
assert signs.is_walking.wait(60)
"""


@pytest.mark.parametrize(("ending", "code"), [("", 0), ("sys.exit(3)", 3), ("raise ZeroDivisionError", 1)])
def test_a_process_ends_in_the_middle_of_a_walk(tmp_path: Path, ending: str, code: int) -> None:
    """The walk is given up, the thread is gone before the interpreter is, and nothing is said."""
    process = ended(tmp_path, _WALKING + ending)

    assert (process.code, process.out) == (code, "0 False\n")
    assert process.err == "" or code == 1
    assert "Exception ignored" not in process.err
    assert "Fatal" not in process.err


def test_a_process_ends_though_a_callback_hangs(tmp_path: Path) -> None:
    """Its thread is a daemon that is waited for no longer than a second."""
    process = ended(
        tmp_path,
        """
        from leakdiff.model.report import Verdict
        from leakdiff.model.trend import Trend

        hangs = threading.Event()

        def on_change(trend):
            hangs.set()
            time.sleep(10_000)

        world = World(trend=lambda store: Trend(verdict=Verdict.LEAK, because="it was so"))
        Monitor(0.01, cpu_share=1.0, deep="never", on_change=on_change, _world=world).start()
        assert hangs.wait(60)
        """,
    )

    assert process == Ended(0, "", "")


def test_a_process_ends_though_its_store_is_locked(tmp_path: Path) -> None:
    """What could not be stored is lost with it; the failure was counted and logged before."""
    process = ended(
        tmp_path,
        """
        import logging, sqlite3

        logging.getLogger("leakdiff").addHandler(logging.NullHandler())
        monitor = Monitor(0.01, store="history.sqlite", cpu_share=1.0, deep="never")
        monitor.start()
        assert until(lambda: monitor.health().measurements >= 3)
        other = sqlite3.connect("history.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert until(lambda: monitor.health().store_failures)
        print(monitor.health().pending > 0)
        """,
    )

    assert process == Ended(0, "True\n", "")


def test_a_service_goes_on_after_its_main_thread(tmp_path: Path) -> None:
    """A process whose other threads serve on is measured until the last of them ends."""
    process = ended(
        tmp_path,
        """
        def serve():
            threading.main_thread().join()
            then = monitor.health().measurements
            print(until(lambda: monitor.health().measurements > then + 3))

        monitor = Monitor(0.01, cpu_share=1.0, deep="never")
        monitor.start()
        threading.Thread(target=serve).start()
        """,
    )

    assert process == Ended(0, "True\n", "")


def test_control_c_reaches_the_program(tmp_path: Path) -> None:
    """It interrupts the main thread as ever; the monitor goes on."""
    process = ended(
        tmp_path,
        _WALKING
        + textwrap.dedent("""
        import signal

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("interrupted", monitor.health().running)
        """),
    )

    assert process == Ended(0, "interrupted True\n0 False\n", "")


def test_nothing_is_imported_once_the_thread_runs(tmp_path: Path) -> None:
    """A fork in the middle of an import would leave the child with a module that nobody finishes."""
    process = ended(
        tmp_path,
        """
        monitor = Monitor(0.01, store="history.sqlite", cpu_share=1.0, deep="always", on_change=lambda trend: None)
        monitor.start()
        before = set(sys.modules)
        assert until(lambda: monitor.health().deep >= 3)
        monitor.trend()
        print(sorted(set(sys.modules) - before))
        """,
    )

    assert process == Ended(0, "[]\n", "")
