"""Watching live traffic: what survives a window is told from what is in flight, and nothing is left changed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import leakdiff
from fresh import run_fresh
from leakdiff.errors import BadOption

# Three threads serve requests: each is in flight for a while, goes into caches that are full and evict, and one in ten
# opens a session that lives longer than a window. What is kept of every 25th differs from test to test.
SERVICE = """
import collections, gc, itertools, json, os, random, signal, threading, time, tracemalloc, weakref
import leakdiff

inflight, sessions, leaked = {}, {}, {}
recent, last = collections.OrderedDict(), collections.deque(maxlen=200)
numbers, stopped = itertools.count(), threading.Event()


class Result:
    def __init__(self, number):
        self.parts, self.body = [number], bytes(100)
        self.itself = self  # what is let go is garbage that only the collector frees


class Cache:
    def __init__(self):
        self.maxsize, self.items = 300, {}

    def put(self, key, value):
        if len(self.items) >= self.maxsize:
            self.items.pop(next(iter(self.items)), None)
        self.items[key] = value


cache = Cache()


def keep(number):
    pass


def handle(number, waiting):
    inflight[number] = Result(number)
    waiting.append(number)
    if len(waiting) > 20:
        finish(waiting.popleft())
    cache.put(number, Result(number))
    recent[number] = [number]
    while len(recent) > 300:
        recent.popitem(last=False)
    last.append(Result(number))
    if number % 10 == 0:
        sessions[number] = {"user": [number]}
    if number % 500 == 0:
        for old in [key for key in list(sessions) if key < number - 2_000]:
            sessions.pop(old, None)
    if number % 25 == 0:
        keep(number)


def finish(number):
    del inflight[number]


def serve():
    waiting = collections.deque()
    while not stopped.is_set():
        for _ in range(5):
            handle(next(numbers), waiting)
        time.sleep(0.002)


def start():
    threads = [threading.Thread(target=serve, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    while next(numbers) < 2_500:  # by then caches are full and sessions come and go
        time.sleep(0.01)
    return threads


def told(report):
    return {
        "verdict": report.verdict,
        "because": report.because,
        "accused": [finding.owner for finding in report.findings if finding.verdict in ("LEAK", "NATIVE")],
        "first": report.findings[0].owner if report.findings else None,
        "notes": report.not_analysed,
        "text": report.text(),
        "rate": report.findings[0].entries_per_unit if report.findings else None,
        "unit": report.unit,
    }


def watch(seconds=2.0):
    threads = start()
    began, before = time.monotonic(), len(leaked)
    report = leakdiff.watch(seconds)
    truth = (len(leaked) - before) / (time.monotonic() - began)
    stopped.set()
    for thread in threads:
        thread.join()
    return told(report) | {"truth": truth}
"""
KEEPS = """
def keep(number):
    leaked[number] = Result(number)
"""
WATCH = """
print(json.dumps(watch()))
"""


def test_what_survives_a_window_is_accused_and_nothing_else() -> None:
    """A leak comes first; what is in flight, evicted, bounded or let go in time is not accused."""
    seen = run_fresh(SERVICE + KEEPS + WATCH)

    assert seen["accused"] == ["__main__.leaked"], seen["text"]
    assert seen["verdict"] == "LEAK"
    assert seen["because"].startswith("what was put in during one window was still there after the next")
    assert seen["unit"] == "second"
    assert seen["truth"] / 3 < seen["rate"] < seen["truth"] * 3
    assert seen["notes"] == []


def test_a_service_that_keeps_nothing_is_stable() -> None:
    """However much traffic there is."""
    seen = run_fresh(SERVICE + WATCH)

    assert seen["accused"] == [], seen["text"]
    assert seen["verdict"] == "STABLE", seen["text"]


FORGETS = """
def finish(number):
    if number % 25:
        del inflight[number]
"""


def test_a_leak_among_what_is_in_flight_is_seen() -> None:
    """The map of requests in flight that forgets to let some of them go: it is told from the others in it."""
    seen = run_fresh(SERVICE + FORGETS + WATCH)

    assert seen["accused"] == ["__main__.inflight"], seen["text"]


TEXTS = """
def keep(number):
    leaked[f"req-{number:08x}"] = b"%d is the answer" % number
"""


def test_a_dict_of_text_to_bytes_is_seen() -> None:
    """What gc does not track has no date; the length of the dict tells."""
    seen = run_fresh(SERVICE + TEXTS + WATCH)

    assert seen["accused"] == ["__main__.leaked"], seen["text"]
    assert "keys: str 'req-' + 8 hex" in seen["text"]


ASYNC = """
import asyncio, json, time
import leakdiff

pending, subscribers, running = {}, [], [True]


class Subscriber:
    def __init__(self, number):
        self.buffer = [number] * 10


async def request(number):
    pending[number] = [number]
    await asyncio.sleep(0.02)
    if number % 10 == 0:
        subscribers.append(Subscriber(number))
    del pending[number]


async def main():
    number, tasks = 0, set()
    while running[0]:
        for _ in range(4):
            number += 1
            task = asyncio.create_task(request(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(0.005)
    await asyncio.gather(*tasks)


async def watched():
    service = asyncio.create_task(main())
    await asyncio.sleep(0.3)
    watching = leakdiff.watching(2.0)
    with watching:
        until = time.monotonic() + 30
        while watching._thread.is_alive() and time.monotonic() < until:
            await asyncio.sleep(0.02)
    running[0] = False
    await service
    return watching.report


report = asyncio.run(watched())
accused = [finding.owner for finding in report.findings if finding.verdict == "LEAK"]
print(json.dumps([report.verdict, accused, report.text()]))
"""


def test_an_asyncio_service_is_watched_from_a_thread() -> None:
    """The loop goes on serving; tasks and what they hold are in flight."""
    verdict, accused, text = run_fresh(ASYNC)

    assert (verdict, accused) == ("LEAK", ["__main__.subscribers"]), text


# -- nothing is left changed -----------------------------------------------------------------------

ENDS = """
def state():
    return [gc.isenabled(), gc.get_threshold(), gc.get_debug(), len(gc.callbacks), tracemalloc.is_tracing()]


class Interrupting(Exception):
    pass


def interrupt(*_):
    raise Interrupting


def end_by(sent):
    threading.Timer(0.8, os.kill, (os.getpid(), sent)).start()
    try:
        leakdiff.watch(60)
    except (KeyboardInterrupt, Interrupting) as error:
        return type(error).__name__


def fail(count):
    with leakdiff.watching(count) as seen:
        raise LookupError


gc.set_threshold(654, 9, 8)
leakdiff.watch(0.3)
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGUSR1, interrupt)
before, frozen, threads = state(), gc.get_freeze_count(), start()
ended = [end_by(signal.SIGINT), gc.get_freeze_count(), end_by(signal.SIGUSR1), gc.get_freeze_count()]
try:
    fail(0.3)
except LookupError:
    ended += ["LookupError", gc.get_freeze_count()]
after = state()
gc.disable()
again = leakdiff.watch(0.6)
ended += [gc.isenabled(), gc.get_freeze_count()]
gc.enable()
stopped.set()
for thread in threads:
    thread.join()
dead = [weakref.ref(result) for result in leaked.values()]
for kept in (leaked, cache.items, last, inflight):
    kept.clear()
sessions.clear()
del kept, threads
gc.collect()
print(json.dumps({
    "before": before, "after": after, "frozen": frozen, "ended": ended,
    "kept": sum(type(obj) is Result for obj in gc.get_objects()), "leaked": len(dead),
    "alive": sum(one() is not None for one in dead), "verdict": again.verdict,
}))
"""


def test_a_watch_leaves_the_collector_as_it_was_however_it_ends() -> None:
    """By itself, by Ctrl-C, by an exception of a signal handler or of the watched block: nothing stays frozen.

    Cyclic garbage that was made meanwhile is collected afterwards, and while the report lives on, what the program
    lets go of dies.
    """
    seen = run_fresh(SERVICE + KEEPS + ENDS)

    assert seen["after"] == seen["before"]
    assert seen["frozen"] == 0
    assert seen["ended"] == [None, 0, "Interrupting", 0, "LookupError", 0, False, 0]
    assert seen["leaked"] > 10
    assert (seen["kept"], seen["alive"]) == (0, 0)


FROZEN = """
ballast = [[number] for number in range(5_000)]
gc.collect()
gc.freeze()
frozen = gc.get_freeze_count()
seen = watch()
print(json.dumps(seen | {"frozen": [frozen, gc.get_freeze_count()]}))
"""


def test_a_heap_that_someone_else_froze_is_left_frozen() -> None:
    """Then lengths at the borders of the windows tell instead, and the report says so."""
    seen = run_fresh(SERVICE + KEEPS + FROZEN)
    before, after = seen["frozen"]

    assert "__main__.leaked" in seen["accused"], seen["text"]
    assert seen["because"].startswith("grew between every two of 4 looks")
    assert len(seen["notes"]) == 1
    assert "the heap was frozen by someone else (gc.freeze" in seen["notes"][0]
    assert before >= after > 5_000


TWICE = """
threads = start()
reports = []
watches = [threading.Thread(target=lambda: reports.append(leakdiff.watch(2.0))) for _ in range(2)]
for one in watches:
    one.start()
for one in watches:
    one.join()
stopped.set()
print(json.dumps([[told(report) for report in reports], gc.get_freeze_count()]))
"""


def test_two_watches_at_once_do_not_disturb_each_other() -> None:
    """Only one may freeze the heap; the other compares lengths, and both are right."""
    reports, frozen = run_fresh(SERVICE + KEEPS + TWICE)

    assert frozen < 1_000  # 3.12 starts with some frozen objects of its own
    assert sorted(len(report["notes"]) for report in reports) == [0, 1]
    assert all("__main__.leaked" in report["accused"] for report in reports), [report["text"] for report in reports]


# -- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seconds", 0),
        ("seconds", -1),
        ("seconds", float("nan")),
        ("seconds", float("inf")),
        ("seconds", 86_400),
        ("seconds", "60"),
        ("seconds", True),
        ("windows", 1),
        ("windows", 0),
        ("windows", 51),
        ("windows", 2.0),
        ("windows", True),
        ("budget", 0),
        ("budget", float("nan")),
        ("budget", None),
    ],
)
def test_an_argument_that_cannot_work_is_refused(name: str, value: Any) -> None:
    """At once, by the function and by the context manager."""
    arguments: dict[str, Any] = {name: value}

    with pytest.raises(BadOption, match=name):
        leakdiff.watch(**arguments)
    with pytest.raises(BadOption, match=name):
        leakdiff.watching(**arguments)


BUDGET = """
ballast = [[number] for number in range(200_000)]
threads = start()
report = leakdiff.watch(0.6, budget=0.000001)
stopped.set()
print(json.dumps(told(report)))
"""


def test_a_walk_that_may_not_go_on_says_so() -> None:
    """A watch with a spent budget ends with a report that says what was left out."""
    seen = run_fresh(SERVICE + KEEPS + BUDGET)

    assert any("the walk stopped after" in note for note in seen["notes"])
    assert seen["accused"] == []


def test_a_watch_that_stops_its_own_event_loop_says_so() -> None:
    """It blocks the loop of its thread: that nothing grew meanwhile says nothing of what the loop serves."""
    script = """
    import asyncio, json, leakdiff

    leaked = {}

    async def serve():
        while True:
            leaked[len(leaked)] = [0]
            await asyncio.sleep(0.001)

    async def main():
        serving = asyncio.create_task(serve())
        await asyncio.sleep(0.05)
        blocked = leakdiff.watch(0.3)
        free = await asyncio.to_thread(leakdiff.watch, 0.6)
        serving.cancel()
        print(json.dumps([blocked.verdict, blocked.because, free.verdict, free.findings[0].owner]))

    asyncio.run(main())
    """
    verdict, because, free, owner = run_fresh(textwrap.dedent(script))

    assert verdict == "INCONCLUSIVE"
    assert because == (
        "an event loop runs in this thread, and stood still meanwhile: await asyncio.to_thread(leakdiff.watch, 60)"
    )
    assert (free, owner) == ("LEAK", "__main__.leaked")


def test_ctrl_c_ends_a_watch_with_a_report() -> None:
    """Whoever has seen enough gets no traceback, and is told how much was seen."""
    script = """
    import gc, json, os, signal, threading, leakdiff

    signal.signal(signal.SIGINT, signal.default_int_handler)
    leakdiff.watch(0.1)
    before = gc.get_freeze_count()
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
    report = leakdiff.watch(60)
    print(json.dumps([report.verdict, report.because, gc.get_freeze_count() - before]))
    """
    verdict, because, frozen = run_fresh(textwrap.dedent(script))

    assert verdict == "INCONCLUSIVE"
    assert because.startswith("interrupted after ")
    assert because.endswith(" of 60 s: watch again, to the end")
    assert frozen == 0


def test_a_script_that_ended_in_a_prompt_still_has_its_source(tmp_path: Path) -> None:
    """``python -i`` takes away the name of the file; the lines that put in and take out are read all the same."""
    script = """
        import itertools, threading, time

        pending = {}

        def handle(number):
            pending[number] = bytearray(500)
            if number % 2:
                del pending[number]

        def serve():
            for number in itertools.count():
                handle(number)
                time.sleep(0.0005)

        threading.Thread(target=serve, daemon=True).start()
        """
    (tmp_path / "shop.py").write_text(textwrap.dedent(script))
    asked = "import leakdiff; print(leakdiff.watch(1).why())\n"
    command = [sys.executable, "-i", "shop.py"]
    ended = subprocess.run(command, input=asked, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert (
        "  gone   shop.py:9  in handle             del pending[number]      only if number % 2 (line 8)" in ended.stdout
    )
