"""Snapshots of a live process: idle is idle, nothing is left changed, and files of two processes compare like one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import leakdiff
from fresh import run_fresh
from leakdiff.errors import BadOption
from leakdiff.model.snapshot import Snapshot

# -- idle ------------------------------------------------------------------------------------------

IDLE = """
snapshots = [leakdiff.snapshot() for _ in range(4)]
print(json.dumps([
    {kind: [str(change) for change in getattr(later - sooner, kind)] for kind in ("types", "owners", "resources")}
    for sooner, later in itertools.pairwise(snapshots)
]))
"""

PLAIN = """
import itertools, json
import leakdiff

things = {number: [number] for number in range(100)}
"""

BUSY_WITH_NOTHING = """
import asyncio, itertools, json, socket, threading, types
import leakdiff

stopped, ready = threading.Event(), threading.Event()


def work():
    local = {number: [number] for number in range(10)}
    stopped.wait()
    return local


def suspended():
    local = [1, 2, 3, 4, 5]
    yield local


async def wait():
    local = [1, 2, 3, 4, 5]
    await asyncio.sleep(1_000)
    return local


async def main():
    tasks = [asyncio.create_task(wait()) for _ in range(50)]
    await asyncio.sleep(0.05)
    ready.set()
    await asyncio.gather(*tasks)


for _ in range(5):
    threading.Thread(target=work, daemon=True).start()
threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
ready.wait()
generators = [suspended() for _ in range(200)]
for generator in generators:
    next(generator)
waiting = asyncio.new_event_loop()
pair = socket.socketpair()
"""


@pytest.mark.parametrize("program", [PLAIN, BUSY_WITH_NOTHING], ids=["plain", "threads, tasks and generators"])
def test_two_snapshots_of_an_idle_process_differ_by_nothing(program: str) -> None:
    """From the first call on: no type, no owner, no resource, whatever waits in the process."""
    assert run_fresh(program + IDLE) == [{"types": [], "owners": [], "resources": []}] * 3


IMPORTS = """
import itertools, json
import leakdiff

first = leakdiff.snapshot()
import collections.abc


@collections.abc.Mapping.register
class Registered:
    pass


first = None
"""


def test_what_abc_remembers_does_not_count() -> None:
    """A class registered with an ABC makes abc forget its answers; asking for them again is not growth."""
    assert run_fresh(IMPORTS + IDLE) == [{"types": [], "owners": [], "resources": []}] * 3


TRACED = """
import json, tracemalloc
import leakdiff

leakdiff.snapshot(owners=False)
tracemalloc.start(1)
kept = []


def keep(count):
    for number in range(count):
        kept.append([number] * 50)


keep(100)
first, second = leakdiff.snapshot(owners=False), leakdiff.snapshot(owners=False)
keep(300)
last = leakdiff.snapshot(owners=False)
print(json.dumps({
    "idle": [change.gained_bytes for change in (second - first).sites.growing()],
    "grown": [[change.name, change.gained] for change in (last - second).sites.growing()][:1],
    "code": [found.site.code for found in last.heap.sites if found.site.code],
    "is_tracing": [tracemalloc.is_tracing(), tracemalloc.get_traceback_limit()],
}))
"""


def test_allocation_sites_are_read_where_the_program_traces_them() -> None:
    """Idle, lines gain next to nothing, though snapshots are kept; the line that keeps something is told first."""
    seen = run_fresh(TRACED)
    [[line, gained]] = seen["grown"]

    assert sum(seen["idle"]) < 8_192
    assert line.endswith("script.py:12 in keep")
    assert gained >= 300
    assert seen["code"] == []
    assert seen["is_tracing"] == [True, 1]


UNTRACED = """
import json, tracemalloc
import leakdiff

asked, left_alone = leakdiff.snapshot(sites=True), leakdiff.snapshot()
print(json.dumps([asked.heap.sites, left_alone.heap.sites, tracemalloc.is_tracing()]))
"""


def test_tracing_is_not_turned_on_for_a_snapshot() -> None:
    """Asking for sites where the program does not trace allocations gives none, and changes nothing."""
    assert run_fresh(UNTRACED) == [None, None, False]


# -- nothing is left changed -----------------------------------------------------------------------

STATE = """
import gc, json, signal, sys, threading, time, tracemalloc, warnings
import leakdiff

gc.set_threshold(1_234, 7, 9)
gc.disable()
things = {}


def state():
    return [
        gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.get_freeze_count(), len(gc.callbacks), len(gc.garbage),
        tracemalloc.is_tracing(), sys.getswitchinterval(), sys.getrecursionlimit(), str(sys.getprofile()),
        str(sys.gettrace()), threading.active_count(), len(warnings.filters), str(signal.getsignal(signal.SIGINT)),
        signal.getsignal(signal.SIGALRM).value, sys.stdout is sys.__stdout__, str(sys.get_asyncgen_hooks()),
    ]


before = state()
first = leakdiff.snapshot()
things.update((number, [number]) for number in range(100))
second = leakdiff.snapshot(label="second")
report = leakdiff.explain(second - first)
after = state()
print(json.dumps({"before": before, "after": after, "cost": [
    second.cost.cpu_seconds > 0, second.cost.seconds > 0, second.cost.walked > 1_000, second.cost.memory > 10_000,
    0 < second.cost.longest_stall < 10, second.label, second.is_deep,
]}))
"""


def test_settings_of_the_program_are_left_as_they_were() -> None:
    """Garbage collection, tracing, hooks, threads and signals are the same after looking; what it cost is told."""
    seen = run_fresh(STATE)

    assert seen["after"] == seen["before"]
    assert seen["cost"] == [True, True, True, True, True, "second", True]


FORKED = """
import gc, json, os
import leakdiff

first = leakdiff.snapshot()
child = os.fork()
if child == 0:
    sooner, later = leakdiff.snapshot(), leakdiff.snapshot()
    empty = not (later - sooner).types and not (later - sooner).owners
    os._exit(0 if empty and sooner.identity.pid == os.getpid() else 1)
_, status = os.waitpid(child, 0)
second = leakdiff.snapshot()
print(json.dumps([os.waitstatus_to_exitcode(status), [str(change) for change in (second - first).owners]]))
"""


@pytest.mark.skipif(not hasattr(sys.modules["os"], "fork"), reason="needs fork")
def test_a_forked_child_is_a_process_of_its_own() -> None:
    """It rehearses again, has its own identity, and leaves the parent as it was."""
    assert run_fresh(FORKED) == [0, []]


# -- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("label", 3),
        ("label", b"x"),
        ("sites", "always"),
        ("sites", None),
        ("budget", 0),
        ("budget", -1.0),
        ("budget", float("nan")),
        ("budget", True),
        ("budget", "60"),
    ],
)
def test_an_argument_that_cannot_work_is_refused(name: str, value: Any) -> None:
    """Before anything is looked at."""
    arguments: dict[str, Any] = {name: value}

    with pytest.raises(BadOption, match=name):
        leakdiff.snapshot(**arguments)


ASKED = """
import json
import leakdiff

taken = leakdiff.snapshot(
    label="deploy", owners=False, units=lambda: 41, service="shop", version="2.4.1", revision="3f9a2c"
)
later = leakdiff.snapshot(units=lambda: 141, service="shop", version="2.4.1", revision="3f9a2c")
failing = leakdiff.snapshot(units=lambda: 1 / 0)
print(json.dumps({
    "identity": [taken.identity.service, taken.identity.version, taken.identity.revision, taken.label, taken.units],
    "owners": taken.heap.owners,
    "units": (later - taken).units,
    "failing": [failing.units, len(failing.left_out)],
    "now": leakdiff.diff(taken).seconds > 0,
    "instance": taken.identity.instance == later.identity.instance,
    "repr": repr(taken),
}))
"""


def test_a_snapshot_says_what_it_was_told() -> None:
    """Who it is, how much work was done; what was not asked for is not there; a diff with one side is to now."""
    seen = run_fresh(ASKED)

    assert seen["identity"] == ["shop", "2.4.1", "3f9a2c", "deploy", 41]
    assert seen["owners"] is None
    assert seen["units"] == 100
    assert seen["failing"] == [None, 1]
    assert seen["now"]
    assert seen["instance"]
    assert seen["repr"].startswith("<Snapshot 'deploy' ")


# -- two processes ---------------------------------------------------------------------------------

SERVICE = """
import functools, json, sys
import leakdiff


class Matching:
    def __init__(self):
        self._inflight = {{}}

    def serve(self, number):
        self._inflight[f"req-{{number:08x}}"] = {{"driver": [number], "rider": [number]}}


@functools.lru_cache(maxsize=64)
def parse(number):
    return [number]


matching = Matching()


def serve(start, count):
    for number in range(start, start + count):
        matching.serve(number)
        parse(number)


serve(0, {requests})
first = leakdiff.snapshot()
serve({requests}, 700)
second = leakdiff.snapshot()
first.save({path!r})
print(json.dumps([change.name for change in (second - first).owners.growing()]))
"""


def test_files_of_two_processes_name_the_owner_that_one_process_names(tmp_path: Path) -> None:
    """The same program, once with more requests: the diff of two files leads with the owner that grew."""
    paths = [str(tmp_path / name) for name in ("small.json.gz", "large.json.gz")]
    inside = [
        run_fresh(SERVICE.format(requests=requests, path=path))
        for requests, path in zip((300, 1_300), paths, strict=True)
    ]
    small, large = (Snapshot.load(path) for path in paths)
    diff = large - small
    grown = {change.name: change.gained for change in diff.owners.growing()}

    assert inside[0] == inside[1]
    assert next(iter(grown)) == inside[0][0] == "__main__.matching._inflight"
    assert grown["__main__.matching._inflight"] == 1_000
    assert "__main__.parse cache" not in grown
    assert list(grown) == inside[0]
    assert small.identity.instance != large.identity.instance
