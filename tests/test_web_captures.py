"""Measurements that the endpoint begins: gentle, with progress, and nothing is left changed, whatever happens."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import tracemalloc
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fresh import run_fresh
from leakdiff import live
from leakdiff.capture import sites, stacks
from leakdiff.capture.collector import collect
from leakdiff.capture.stacks import AllocationWindow, in_use
from leakdiff.capture.turns import quick_turns
from leakdiff.capture.walk import Pacer
from leakdiff.errors import CannotMeasure
from leakdiff.model.report import Cost, Report, Verdict
from leakdiff.source_files import passes_on
from leakdiff.web import asgi, captures, frameworks, html, middleware, steps, wsgi
from leakdiff.web.captures import pace
from leakdiff.web.desk import Desk
from leakdiff.web.jobs import Job, Outcome
from leakdiff.web.messages import Request
from leakdiff.web.refusals import Busy
from leakdiff.web.routing import Asked, find_route, read_given
from leakdiff.web.settings import Settings
from leakdiff.web.view import View

ALL = """
import gc, json, sys, threading, time, tracemalloc
from leakdiff.web import captures
from leakdiff.web.desk import Desk
from leakdiff.web.settings import Settings

kept, cycles = [], []
stopped = threading.Event()


def serve():
    while not stopped.wait(0.001):
        kept.append({"number": [len(kept)]})


def ended(job):
    said = []
    while (found := desk.jobs.get(job.id)).state == "running":
        said.append(found.said)
        time.sleep(0.002)
    return found, said


thread = threading.Thread(target=serve)
thread.start()
desk = Desk(Settings(cooldown=0), None)
state = sys.getswitchinterval(), gc.get_threshold(), list(gc.callbacks), gc.isenabled()
captures.live._rehearse()
snapshot, snapshot_said = ended(captures.begin_snapshot(desk))
watch, watch_said = ended(captures.begin_watch(desk, 0.6))
tracing, tracing_said = ended(captures.begin_tracing(desk, 0.5))
mine = []
mine.append(mine)
del mine
collection, _ = ended(captures.begin_collection(desk))
stopped.set()
thread.join()
print(json.dumps({
    "states": [job.state for job in (snapshot, watch, tracing, collection)],
    "said": [job.said for job in (snapshot, watch, tracing, collection)],
    "facts": [dict(job.outcome.facts) for job in (snapshot, watch, tracing, collection)],
    "progress": [snapshot_said, watch_said, tracing_said],
    "kept": [one.id for one in desk.snapshots()],
    "owners": [owner.path for owner in desk.latest().snapshot.heap.owners],
    "verdict": watch.outcome.report.verdict,
    "findings": [[found.verdict, found.owner] for found in watch.outcome.report.findings],
    "traced": [[site.function for site in sample.stack] for sample in tracing.outcome.profile.samples],
    "own": [s.file for sample in tracing.outcome.profile.samples for s in sample.stack[:1] if "/leakdiff/" in s.file],
    "is_put_back": state == (sys.getswitchinterval(), gc.get_threshold(), list(gc.callbacks), gc.isenabled()),
    "tracing": tracemalloc.is_tracing(),
    "frozen": gc.get_freeze_count(),
}))
"""


@pytest.fixture(scope="module")
def done() -> Any:
    """Return what one of each measurement said of a small service that leaks, in a process of its own."""
    return run_fresh(ALL)


# -- each of them, in a small service --------------------------------------------------------------


def test_each_is_done_and_puts_everything_back(done: Any) -> None:
    """Switch interval, collector, callbacks, frozen heap and tracemalloc are afterwards as they were."""
    assert done["states"] == ["done"] * 4
    assert done["is_put_back"]
    assert (done["tracing"], done["frozen"] < 1_000) == (False, True)


def test_a_snapshot_is_kept_and_says_what_it_cost(done: Any) -> None:
    """It has a name, the owners that the service can be asked for, and its costs."""
    assert done["kept"] == ["s1"]
    assert "__main__.kept" in done["owners"]
    assert "objects" in done["said"][0]
    assert list(done["facts"][0]) == ["CPU", "longest stall of other threads", "memory of its tables", "left out"]


def test_a_watch_makes_a_report_and_says_how_far_it_is(done: Any) -> None:
    """The leak is found, and progress names the walks, the windows and the seconds."""
    said = done["progress"][1]

    assert done["verdict"] == "LEAK"
    assert done["findings"][0] == ["LEAK", "__main__.kept"]
    assert any(one.startswith("walking the heap, the first") for one in said)
    assert any(one.startswith("window 1 of 2, ") and one.endswith(" of 1 s") for one in said)


def test_tracing_tells_by_full_stack_what_is_still_there(done: Any) -> None:
    """The line that allocates is on top of its stack by qualified name, and nothing that leakdiff allocated is told."""
    traced = done["traced"][0]

    assert traced[0] == "__main__.serve"
    assert "threading.Thread.run" in traced
    assert done["own"] == []


def test_tracing_says_what_it_cost(done: Any) -> None:
    """What an allocation took longer, the tables, and what reading them took."""
    facts = done["facts"][2]

    assert facts["cost while it was on"].endswith(" us longer an allocation")
    assert {"memory of its tables", "CPU of reading", "longest stall of other threads"} <= facts.keys()


def test_a_collection_says_what_it_found(done: Any) -> None:
    """A cycle is counted, and the memory before and after is there."""
    assert int(done["said"][3].split()[0].replace(",", "")) >= 1
    assert done["facts"][3]["could not be freed"] == "nothing"
    assert {"all threads waited", "resident memory before", "resident memory after"} <= done["facts"][3].keys()


# -- shorter turns ---------------------------------------------------------------------------------


def test_turns_are_short_within_the_block_only() -> None:
    """The interval is that of before afterwards, also when the block raises and when it lies in another."""
    before = sys.getswitchinterval()
    within = []
    with suppress(KeyError), quick_turns(), quick_turns():
        within.append(sys.getswitchinterval())
        raise KeyError

    assert within[0] < before
    assert sys.getswitchinterval() == before


def test_the_last_of_several_blocks_puts_the_interval_back() -> None:
    """Threads that answer at a time share it: none puts it back while another is at it."""
    before = sys.getswitchinterval()
    first, second = quick_turns(), quick_turns()
    first.__enter__()
    within = sys.getswitchinterval()
    second.__enter__()
    first.__exit__(None, None, None)
    between = sys.getswitchinterval()
    second.__exit__(None, None, None)

    assert within == between < before
    assert sys.getswitchinterval() == before


def test_an_interval_that_somebody_sets_meanwhile_is_left_alone() -> None:
    """It is the program's own, and ours is not put over it."""
    before = sys.getswitchinterval()
    try:
        with quick_turns():
            sys.setswitchinterval(0.002)
        after = sys.getswitchinterval()
    finally:
        sys.setswitchinterval(before)

    assert round(1e6 * after) == 2_000


def test_an_interval_that_is_shorter_already_is_left_alone() -> None:
    """A program that wants turns still shorter has them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    try:
        with quick_turns():
            within = sys.getswitchinterval()
        after = sys.getswitchinterval()
    finally:
        sys.setswitchinterval(before)

    assert round(1e6 * within) == round(1e6 * after) == 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_forked_within_has_its_own_interval_and_no_tracing() -> None:
    """Nobody in the child will leave the blocks, so what they changed is put back at once."""
    before = round(1e6 * sys.getswitchinterval())
    reading, writing = os.pipe()
    with quick_turns(), AllocationWindow():
        pid = os.fork()
        if pid == 0:
            os.write(writing, f"{round(1e6 * sys.getswitchinterval())} {tracemalloc.is_tracing()}".encode())
            os._exit(0)
        os.waitpid(pid, 0)

    assert os.read(reading, 99).decode() == f"{before} False"
    os.close(reading)
    os.close(writing)


# -- how gently ------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [0, 1_000, 3_000_000, 30_000_000, 300_000_000])
def test_the_larger_the_heap_the_less_a_walk_rests(blocks: int) -> None:
    """It rests as long as it can and still ends within half its budget, and never less than a fifth of the time."""
    planned, smaller = pace(blocks, 60.0), pace(blocks // 2, 60.0)

    assert 0.0005 <= planned.rest <= smaller.rest <= 0.004
    assert planned.seconds <= 31.0 or planned.rest == 0.0005


def test_many_references_are_gone_through_in_parts_and_let_go_of() -> None:
    """Parts come in order, each object is referred to by its part alone, and the list is empty in the end."""
    refs: list[Any] = [[number] for number in range(10_000)]
    counts: set[int] = set()
    seen: list[int] = []
    pacer = Pacer(work=0.0, should_stop=lambda: False)
    for part in pacer.in_parts(refs):
        counts.update(map(sys.getrefcount, part))
        seen.extend(ref[0] for ref in part)

    assert seen == list(range(10_000))
    assert refs == []
    assert len(counts) == 1


WATCHED = """
import gc, json, time
gc.set_threshold(100, 3, 3)
ballast = [[number] for number in range(150_000)]
from leakdiff import live
live._rehearse()
gc.collect()
before = gc.get_stats()[2]["collections"]
live.watch_with(0.06, 2, 60.0, time.sleep, rest=0.0005)
kept = [[number] for number in range(5_000)]
print(json.dumps(gc.get_stats()[2]["collections"] - before))
"""


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from CPython 3.14 on full collections are due otherwise")
def test_a_watch_brings_no_full_collection_upon_the_program() -> None:
    """The collector still knows how large the heap is: what is new afterwards is too little for a full collection."""
    assert run_fresh(WATCHED) == 0


# -- tracing, when something is in the way ---------------------------------------------------------


def test_a_tracemalloc_that_was_on_is_left_on_and_its_growth_is_told() -> None:
    """What was allocated before the window is not in it, and that there was one is said."""
    tracemalloc.start(5)
    try:
        before = [bytes(1_000 + number) for number in range(20)]
        with AllocationWindow() as window:
            within = [bytes(2_000 + number) for number in range(10)]
            profile = window.read().profile
        is_on = tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    found = [sample for sample in profile.samples if sample.stack[0].file == __file__]

    assert is_on
    assert [len(before), len(within)] == [20, 10]
    assert [sample.objects for sample in found if sample.bytes > 5_000] == [11]  # and the list
    assert "was left on" in profile.left_out[0]


def test_tracing_is_over_before_what_was_traced_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """To group and name stacks takes far longer than the window, and would be traced itself."""
    seen: list[bool] = []
    read = stacks._usage  # noqa: SLF001

    def watched(traces: tracemalloc.Snapshot) -> Any:
        seen.append(tracemalloc.is_tracing())
        return read(traces)

    monkeypatch.setattr(stacks, "_usage", watched)
    with AllocationWindow() as window:
        kept = [bytes(1_000 + number) for number in range(10)]
        profile = window.read().profile

    assert seen == [False]
    assert sum(sample.bytes for sample in profile.samples) > 10 * 1_000 <= sum(map(len, kept))


def test_the_stacks_beyond_what_a_profile_may_have_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that hold most are told one by one."""
    monkeypatch.setattr(stacks, "MOST_STACKS", 2)
    usage: stacks.Usage = {((__file__, number),): (1, 1_024 * number) for number in range(1, 6)}
    profile = stacks._profile(usage, notes=("first",))  # noqa: SLF001

    assert [sample.bytes for sample in profile.samples] == [5_120, 4_096]
    assert profile.left_out == ("first", "3 stacks more, with 6,144 bytes in all")


FRAMEWORK, STDLIB = "/venv/lib/site-packages/framework.py", threading.__file__
SERVER = ("/venv/lib/site-packages/server.py", 1)


@pytest.mark.parametrize(
    ("inside", "module", "is_ours"),
    [
        (["/srv/app.py"], middleware, False),
        ([FRAMEWORK], middleware, False),
        ([STDLIB, FRAMEWORK], asgi, False),
        ([FRAMEWORK], frameworks, False),
        ([FRAMEWORK], steps, False),
        ([FRAMEWORK], wsgi, False),
        ([], middleware, True),
        ([STDLIB], middleware, True),
        ([FRAMEWORK], html, True),
        ([STDLIB], captures, True),
    ],
)
def test_what_a_framework_allocates_below_the_middleware_is_the_services(
    inside: list[str], module: types.ModuleType, *, is_ours: bool
) -> None:
    """Requests are handed on by a file of ours, which is in each of their stacks; what we do ourselves is ours."""
    stack = [*((file, 1) for file in inside), (str(module.__file__), 1), SERVER]

    assert sites.is_ours(stack) is is_ours


def test_every_file_that_hands_requests_on_is_known_to() -> None:
    """One that is forgotten would make what frameworks allocate below it leakdiff's own, and hide it."""
    folder = Path(str(asgi.__file__)).parent
    calls = re.compile(
        r"(self\._app|get_response|handler)\((scope|environ|request)\b|_endpoint if is_ours else self\._app"
    )
    handing_on = [path for path in folder.glob("*.py") if calls.search(path.read_text("utf-8"))]

    assert len(handing_on) >= 4
    assert all(passes_on(str(path)) for path in handing_on)


def test_what_leakdiff_allocated_itself_is_said_to_be_left_out() -> None:
    """It is not in the sum, and a reader can tell."""
    with AllocationWindow() as window:
        kept = live.measure()
        profile = window.read().profile

    assert kept is not None
    assert profile.left_out[-1].endswith(" bytes that leakdiff allocated itself")


def test_a_window_that_raises_leaves_no_tracing() -> None:
    """Whatever ends it, tracemalloc is off again."""
    with pytest.raises(KeyError), AllocationWindow():
        raise KeyError

    assert not tracemalloc.is_tracing()


def test_tracing_ends_when_there_is_as_much_as_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read, and said to have ended early."""
    monkeypatch.setattr(stacks, "MOST_TRACES", 0)
    job = ended(desk := Desk(Settings(cooldown=0), None), captures.begin_tracing(desk, 600.0))

    assert job.state == "done"
    assert "It ended before 600 s" in job.said


def test_tracing_gives_up_where_too_much_is_traced_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """To read it would stop all threads; what is on stays on."""
    monkeypatch.setattr(stacks, "MOST_TRACES", 0)
    tracemalloc.start()
    try:
        kept = bytes(1_000)
        with pytest.raises(CannotMeasure, match="was on already"), AllocationWindow():
            pass
        is_on = tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()

    assert (is_on, len(kept)) == (True, 1_000)


def test_tracing_says_when_somebody_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job fails with a sentence instead of telling of nothing."""
    monkeypatch.setattr(captures.time, "sleep", lambda _: tracemalloc.stop())  # type: ignore[attr-defined]
    job = ended(desk := Desk(Settings(cooldown=0), None), captures.begin_tracing(desk, 600.0))

    assert (job.state, job.slug) == ("failed", "cannot-measure")
    assert "somebody else stopped tracemalloc" in job.said


def test_what_is_in_use_is_told_with_the_frames_that_are_kept() -> None:
    """As many as the program asked tracemalloc for, and that is said."""
    tracemalloc.start(1)
    try:
        kept = [bytes(3_000 + number) for number in range(10)]
        profile = in_use().profile
    finally:
        tracemalloc.stop()
    found = [sample for sample in profile.samples if sample.stack[0].file == __file__ and sample.bytes > 30_000]

    assert [(sample.objects, len(sample.stack)) for sample in found] == [(len(kept) + 1, 1)]
    assert "keeps 1 frame of a stack" in profile.left_out[0]


# -- collections -----------------------------------------------------------------------------------

SAVED = """
import gc, json
from leakdiff.capture.collector import collect


class Node:
    def __init__(self):
        self.itself = self


collect()
gc.freeze()
Node()
gc.set_debug(gc.DEBUG_SAVEALL)
done = collect()
print(json.dumps([{kind.name: kind.count for kind in done.uncollectable}, done.frozen, gc.get_freeze_count()]))
"""


def test_a_collection_names_what_it_could_not_free_and_leaves_a_frozen_heap() -> None:
    """What went to ``gc.garbage`` is told by type and stays there; frozen objects are counted and stay frozen."""
    kinds, told, frozen = run_fresh(SAVED)

    assert kinds["__main__.Node"] == 1
    assert told == frozen > 1_000


def test_a_collection_counts_what_nothing_reached() -> None:
    """A cycle is an object that was found; memory is read on both sides."""
    cycle: list[Any] = []
    cycle.append(cycle)
    del cycle
    done = collect()

    assert done.unreachable >= 1
    assert done.before.blocks > 0 < done.after.blocks


# -- the views -------------------------------------------------------------------------------------


def ended(desk: Desk, job: Job) -> Job:
    """Wait for a job and return it."""
    until = time.monotonic() + 60
    while (found := desk.jobs.get(job.id)).state == "running":
        assert time.monotonic() < until
        threading.Event().wait(0.002)
    return found


def post(desk: Desk, path: str) -> View:
    """Return what the view of a POST says."""
    request = Request(method="POST", path=path.partition("?")[0], query=path.partition("?")[2])
    route, _ = find_route("POST", request.path)
    view = route.load()(Asked(desk=desk, request=request, format="json", given=read_given(route, request)))
    assert isinstance(view, View)
    return view


@pytest.mark.parametrize("path", ["/snapshot", "/watch?seconds=7", "/tracing?seconds=7", "/gc"])
def test_an_action_says_where_its_result_will_be(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is accepted, and another one is refused for as long as it runs."""
    go_on = threading.Event()
    for work in ("_of_snapshot", "_of_watch", "_of_tracing", "_of_collection"):
        monkeypatch.setattr(captures, work, lambda *_: go_on.wait(30) and Outcome(said="done"))
    monkeypatch.setattr(live, "snapshot_with", lambda *_: None)
    monkeypatch.setattr(live, "watch_with", lambda *_, **__: None)
    monkeypatch.setattr(captures, "_trace", lambda *_: 7.0)
    desk = Desk(Settings(cooldown=0), None)
    view = post(desk, path)
    with pytest.raises(Busy):
        post(desk, path)
    go_on.set()
    job = ended(desk, desk.jobs.all()[0])

    assert (view.status, view.location) == (202, f"/jobs/{job.id}")
    assert (view.data["job"], view.data["url"], view.data["kind"]) == (job.id, f"jobs/{job.id}", job.kind)
    assert (job.state, job.kind) == ("done", path.partition("?")[0][1:])


def test_a_watch_tells_its_windows_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait of a watch is told, and the share never falls."""
    told: list[tuple[float, str]] = []

    def watched(seconds: float, windows: int, _: float, wait: Any, **pace: Any) -> Report:
        assert not pace["should_stop"]()
        for _ in range(windows):
            wait(seconds / 3)
        for _ in range(20):
            wait(seconds / 60)
        return Report(verdict=Verdict.STABLE, because="nothing grew", cost=Cost(0.1, 5), python="3", version="1")

    monkeypatch.setattr(live, "watch_with", watched)
    desk = Desk(Settings(cooldown=0), None)
    monkeypatch.setattr(desk, "begin", lambda *given, **_: given[1](lambda *said: told.append(said)))
    outcome: Any = captures.begin_watch(desk, 0.3)
    said = list(dict.fromkeys(text.partition(",")[0] for _, text in told))

    assert outcome.said == "STABLE: nothing grew"
    assert said == ["walking the heap", "window 1 of 2", "window 2 of 2", "reading lengths"]
    assert [share for share, _ in told] == sorted(share for share, _ in told)
