"""``leakdiff.who_adds``: the call stacks that put entries into one container, exactly, and nothing left behind."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from fresh import line_of, run_fresh
from leakdiff.model.heap import Site
from leakdiff.model.shown import Shown
from leakdiff.model.tracking import Inserts, WatchCost, WhoAdds

needs_monitoring = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="needs sys.monitoring: run the tests with CPython 3.12 or newer"
)
needs_sampling = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="from CPython 3.12 on nothing is sampled: run the tests with CPython 3.11"
)

_APP = """
import json, sys, threading, time
import leakdiff

_inflight = {}


def find(rid):
    _inflight[rid] = object()  # find
    return rid


def keep(target, rid):
    target.setdefault(rid, 1)  # keep


def through_helper(rid):
    keep(_inflight, rid)  # through


def bulk(rid):
    _inflight.update(map(lambda n: ((rid, n), n), range(10)))  # bulk


def visit(rid):
    _inflight[rid] = 1  # visit puts
    del _inflight[rid]  # visit removes


def again(rid):
    _inflight["same"] = rid  # again


def loop(function, tag, times):
    for number in range(times):
        function((tag, number))


def work():
    _inflight["same"] = 0
    jobs = [(find, 300), (through_helper, 200), (bulk, 30), (visit, 100), (again, 50)]
    threads = [threading.Thread(target=loop, args=(job, job.__name__, times)) for job, times in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def counts(stacks):
    return {f"{one.site.function}:{one.site.line}": [one.entries, one.times] for one in stacks}


def once_watched():
    tools = getattr(sys, "monitoring", None)
    while tools.get_tool(3) is None if tools is not None else sys.getswitchinterval() > 0.001:
        time.sleep(0.005)
    time.sleep(0.15)


def told(seen):
    return {
        "puts": counts(seen.stacks),
        "gones": counts(seen.removals),
        "untold": seen.untold,
        "gained": seen.gained,
        "method": seen.method,
        "notes": seen.not_seen,
        "events": seen.cost.events,
        "exact": seen.is_exact,
        "line": str(seen),
        "text": seen.why(),
        "stacks": [[f"{site.function}:{site.line}" for site in one.stack] for one in seen.stacks],
    }


"""


def watched(script: str) -> Any:
    """Return what the last line of a script prints that watches the functions above."""
    return run_fresh(_APP + script)


def at(mark: str) -> int:
    """Return the line of a mark in the functions above."""
    return line_of(_APP, f"# {mark}")


EXPECTED = {
    f"find:{at('find')}": [300, 300],
    f"keep:{at('keep')}": [200, 200],
    f"bulk:{at('bulk')}": [300, 30],
    f"visit:{at('visit puts')}": [100, 100],
    f"work:{line_of(_APP, '= 0')}": [1, 1],
}


def test_work_of_ones_own_is_counted_exactly() -> None:
    """Each line that puts, also in threads that the work starts, with how much and how often; and no other line."""
    seen = watched("print(json.dumps(told(leakdiff.who_adds('__main__._inflight', step=work))))")

    assert seen["puts"] == EXPECTED
    assert seen["gones"] == {f"visit:{at('visit removes')}": [100, 100]}
    assert (seen["untold"], seen["gained"], seen["exact"]) == (0, 801, True)
    assert seen["line"].endswith("901 put in, from 5 places, and 100 taken out")


def test_a_stack_leads_from_the_line_to_who_called() -> None:
    """What a helper puts is told with who called the helper."""
    seen = watched("print(json.dumps(told(leakdiff.who_adds('__main__._inflight', step=lambda: through_helper(1)))))")
    (stack,) = seen["stacks"]

    assert stack[-2:] == [f"through_helper:{at('through')}", f"keep:{at('keep')}"]


@needs_monitoring
def test_threads_that_run_already_are_counted_exactly() -> None:
    """From CPython 3.12 on whoever puts is seen, in whichever thread, from then on."""
    seen = watched("""
import _thread
def wait_and_work():
    once_watched()
    work()
    _thread.interrupt_main()
worker = threading.Thread(daemon=True, target=wait_and_work)
worker.start()
seen = leakdiff.who_adds("__main__._inflight", seconds=60)
worker.join()
print(json.dumps(told(seen)))
""")

    assert seen["puts"] == EXPECTED
    assert seen["gones"] == {f"visit:{at('visit removes')}": [100, 100]}
    assert seen["untold"] == 0


@needs_monitoring
def test_a_function_that_runs_already_is_watched() -> None:
    """A loop that began before the watch did is seen at its next line."""
    seen = watched("""
stop = threading.Event()
def endless():
    number = 0
    while not stop.is_set():
        number += 1
        _inflight[number] = 1
        time.sleep(0.002)
worker = threading.Thread(daemon=True, target=endless)
worker.start()
seen = leakdiff.who_adds("__main__._inflight", seconds=0.3)
stop.set()
worker.join()
print(json.dumps(told(seen)))
""")

    assert [stack[-1].partition(":")[0] for stack in seen["stacks"]] == ["endless"]
    assert seen["gained"] - seen["untold"] == sum(entries for entries, _ in seen["puts"].values()) > 10
    assert seen["untold"] <= 1  # by the line that ran when the watch began


@needs_sampling
def test_threads_that_run_already_are_sampled_before_3_12() -> None:
    """What stays in the function that puts is found; the answer says that it was sampled."""
    seen = watched("""
stop = threading.Event()
def handle(rid):
    _inflight[rid] = object()
    time.sleep(0.005)
def serve():
    number = 0
    while not stop.is_set():
        number += 1
        handle(number)
def rest():
    while not stop.is_set():
        time.sleep(0.001)
threads = [threading.Thread(daemon=True, target=job) for job in (serve, rest)]
for thread in threads:
    thread.start()
interval = sys.getswitchinterval()
seen = leakdiff.who_adds("__main__._inflight", seconds=0.4)
stop.set()
for thread in threads:
    thread.join()
print(json.dumps({**told(seen), "interval": [interval, sys.getswitchinterval()]}))
""")
    (stack,) = seen["stacks"]

    assert [place.partition(":")[0] for place in stack[-2:]] == ["serve", "handle"]
    assert seen["method"].startswith("Sampled: ")
    assert (seen["exact"], seen["interval"][0]) == (False, seen["interval"][1])


@needs_sampling
def test_the_one_function_that_puts_is_named_by_the_source() -> None:
    """Before 3.12 what returns at once is not found on any stack: the source may know one function only that puts."""
    script = """
jobs = []
def put_job(number):
    jobs.append(number)
def put_there(number):
    jobs.append(number)
stop = threading.Event()
def serve():
    while not stop.is_set():
        {put}
        time.sleep(0.001)
worker = threading.Thread(daemon=True, target=serve)
worker.start()
seen = leakdiff.who_adds("__main__.jobs", seconds=0.2)
stop.set()
worker.join()
print(json.dumps(told(seen)))
"""
    one = watched(script.format(put="put_job(1)").replace("def put_there(number):\n    jobs.append(number)\n", ""))
    two = watched(script.format(put="put_job(1); put_there(1)"))
    line = line_of(_APP + script, "jobs.append(number)")

    assert (one["stacks"], one["untold"] > 10, one["exact"]) == ([], True, False)
    assert f"script.py:{line}) puts into it, and no other function that it shows does" in one["notes"][0]
    assert one["notes"][0].startswith("by the source, not seen: put_job (")
    assert not any(note.startswith("by the source") for note in two["notes"])


@needs_sampling
def test_nobody_is_named_where_nobody_is_known() -> None:
    """Where two threads may have done it, both may have, and none is counted as sure."""
    seen = watched("""
stop = threading.Event()
def one(rid):
    _inflight[rid] = 1
    time.sleep(0.002)
def other(rid):
    _inflight[rid] = 2
    time.sleep(0.002)
def serve(handle):
    number = 0
    while not stop.is_set():
        number += 1
        handle((id(handle), number))
threads = [threading.Thread(daemon=True, target=serve, args=(job,)) for job in (one, other)]
for thread in threads:
    thread.start()
seen = leakdiff.who_adds("__main__._inflight", seconds=0.4)
stop.set()
for thread in threads:
    thread.join()
print(json.dumps({**told(seen), "sure": sum(one.entries for one in seen), "perhaps": sum(o.perhaps for o in seen)}))
""")

    assert {stack[-1].partition(":")[0] for stack in seen["stacks"]} == {"one", "other"}
    assert seen["perhaps"] > seen["sure"]
    assert "it is not known who put them in: several threads could have" in "".join(seen["notes"])


def test_all_of_the_programs_lines_where_no_source_tells() -> None:
    """Code without a file, as at a prompt, is watched line by line."""
    seen = watched("""
space = {"_inflight": _inflight}
exec(compile("def typed():\\n    for n in range(7):\\n        _inflight[n] = n\\n", "<stdin>", "exec"), space)
print(json.dumps(told(leakdiff.who_adds("__main__._inflight", step=space["typed"], everywhere=True))))
""")

    assert seen["puts"] == {"typed:3": [7, 7]}
    assert "which makes them many times slower" in seen["method"]


def test_what_no_known_line_put_in_is_said() -> None:
    """Code that the source does not show puts entries in: their number is told, and what to do."""
    seen = watched("""
space = {"_inflight": _inflight}
exec(compile("def typed():\\n    for n in range(7):\\n        _inflight[n] = n\\n", "<stdin>", "exec"), space)
print(json.dumps(told(leakdiff.who_adds("__main__._inflight", step=space["typed"]))))
""")

    assert (seen["puts"], seen["untold"], seen["gained"]) == ({}, 7, 7)
    assert "of 7 entries it is not known who put them in" in seen["notes"][0]


def test_coroutines_and_generators_are_told_apart() -> None:
    """Tasks take turns within their lines: each line has its own entries."""
    seen = watched("""
import asyncio
async def take(tag):
    for number in range(20):
        _inflight[tag, number] = await asyncio.sleep(0, number)
def numbers():
    for number in range(5):
        _inflight["generated", number] = number
        yield number
async def serve():
    await asyncio.gather(*(take(tag) for tag in range(5)))
    return sum(numbers())
print(json.dumps(told(leakdiff.who_adds("__main__._inflight", step=serve))))
""")

    assert {place.partition(":")[0]: count for place, count in seen["puts"].items()} == {
        "take": [100, 100],
        "numbers": [5, 5],
    }
    assert seen["untold"] == 0


@pytest.mark.parametrize(
    ("made", "put"),
    [
        ("[]", "kept.append(n)"),
        ("set()", "kept.add(n)"),
        ("__import__('collections').deque()", "kept.appendleft(n)"),
        ("__import__('collections').OrderedDict()", "kept[n] = n"),
        ("__import__('collections').defaultdict(list)", "kept[n].append(n)"),
        ("type('Mine', (dict,), {'__len__': None})()", "kept[n] = n"),
    ],
)
def test_every_kind_of_container_is_watched(made: str, put: str) -> None:
    """Lengths are read by the slots of the classes in C, whatever a subclass says."""
    seen = watched(f"""
kept = {made}
def fill():
    for n in range(9):
        {put}
print(json.dumps(told(leakdiff.who_adds("__main__.kept", step=fill))))
""")

    assert ([count for _, count in seen["puts"].items()], seen["untold"]) == ([[9, 9]], 0)


def test_what_a_callback_takes_out_is_counted() -> None:
    """A task's callback in C removes it: no line does, which is said."""
    seen = watched("""
import asyncio
tasks = set()
async def serve():
    for _ in range(9):
        task = asyncio.create_task(asyncio.sleep(0))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.sleep(0.01)
print(json.dumps(told(leakdiff.who_adds("__main__.tasks", step=serve))))
""")

    assert list(seen["puts"].values()) == [[9, 9]]
    assert seen["line"].endswith("9 put in, from 1 place, and 9 taken out")
    assert seen["notes"] == [
        "of 9 entries it is not known who took them out: a callback, C code, or lines that the source does not show"
    ]


def test_a_cache_and_an_attribute_of_an_object_are_watched() -> None:
    """The line that calls a cached function fills the cache; a method fills its object's container."""
    seen = watched("""
import functools
@functools.lru_cache(maxsize=None)
def cached(number):
    return number
class Service:
    def __init__(self):
        self.kept = []
    def keep(self, number):
        self.kept.append(number)
service = Service()
def fill():
    for n in range(9):
        cached(n)
        service.keep(n)
print(json.dumps([told(leakdiff.who_adds(path, step=fill)) for path in ("__main__.cached", "__main__.service.kept")]))
""")

    assert [list(one["puts"].values()) for one in seen] == [[[9, 9]], [[9, 9]]]
    assert [next(iter(one["puts"])).partition(":")[0] for one in seen] == ["fill", "Service.keep"]


def test_a_program_short_of_stack_does_not_see_us() -> None:
    """What goes wrong in leakdiff stays there: deep recursion ends as it does without."""
    seen = watched("""
def deep(number):
    _inflight[number] = 1
    deep(number + 1)
def step():
    try:
        deep(0)
    except RecursionError:
        pass
told_ = told(leakdiff.who_adds("__main__._inflight", step=step))
print(json.dumps([told_["gained"], told_["puts"]]))
""")
    gained, puts = seen

    assert gained > 500
    assert [place.partition(":")[0] for place in puts] == ["deep"] * len(puts)


def test_functions_of_one_line_are_watched() -> None:
    """Their only line is the one they begin at, of which CPython 3.13 tells nothing by itself."""
    seen = watched("""
def brief(rid): _inflight[rid] = 1
def lazy(rid): _inflight.setdefault((rid, 2), 1)
def step():
    for n in range(9):
        brief(n)
        lazy(n)
print(json.dumps(told(leakdiff.who_adds("__main__._inflight", step=step))))
""")

    assert sorted(place.partition(":")[0] for place in seen["puts"]) == ["brief", "lazy"]
    assert (list(seen["puts"].values()), seen["untold"]) == ([[9, 9], [9, 9]], 0)


def test_lines_get_no_more_than_they_put_in_whatever_others_do() -> None:
    """Threads that take turns all the time, one of them unseen: what cannot be told apart is told of nobody."""
    seen = watched(f"""{_UNSEEN}
def keep_one(rid):
    _inflight.setdefault(rid, 1)
def step():
    sys.setswitchinterval(0.00001)
    jobs = [(find, 500), (keep_one, 500), (visit, 300), (again, 300)]
    threads = [threading.Thread(target=loop, args=(job, job.__name__, times)) for job, times in jobs]
    threads.append(threading.Thread(target=unseen, args=(10_000,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(json.dumps(told(leakdiff.who_adds("__main__._inflight", step=step))))
""")
    put = {place.partition(":")[0]: entries for place, (entries, _) in seen["puts"].items()}

    assert put["find"] <= 500
    assert put["keep_one"] <= 500
    assert put["visit"] <= 300
    assert put.get("again", 0) <= 10  # one entry more while it runs is believed to be its own
    assert sum(put.values()) + seen["untold"] >= 11_000


def test_a_queue_is_watched_inside() -> None:
    """The line of the standard library puts; the program's own line stands above it."""
    seen = watched("""
import queue
jobs = queue.Queue()
def produce():
    for n in range(9):
        jobs.put(n)
print(json.dumps(told(leakdiff.who_adds("__main__.jobs", step=produce))))
""")
    (stack,) = seen["stacks"]

    assert [place.partition(":")[0] for place in stack[-3:]] == ["produce", "Queue.put", "Queue._put"]
    assert seen["line"].startswith("leakdiff: __main__.jobs.queue gained 9 entries in ")


def test_a_name_that_gets_another_container_is_followed() -> None:
    """What a restart of the map puts into the new one is not lost, and the answer says so."""
    seen = watched("""
import _thread
def renew():
    global _inflight
    once_watched()
    _inflight = {}
    time.sleep(0.4)
    for n in range(5):
        _inflight[n] = n
    time.sleep(0.2)
    _thread.interrupt_main()
worker = threading.Thread(daemon=True, target=renew)
worker.start()
seen = leakdiff.who_adds("__main__._inflight", seconds=60)
worker.join()
print(json.dumps({**told(seen), "length": seen.length}))
""")

    assert (seen["length"], seen["gained"]) == (5, 5)
    assert seen["line"].startswith("leakdiff: __main__._inflight gained 5 entries in ")
    assert "the name was given to another container once" in "".join(seen["notes"])


@needs_monitoring
def test_entries_of_a_replaced_container_are_not_taken_out() -> None:
    """Nobody took out what it held, and it is freed while the new one is watched."""
    seen = watched("""
import _thread, weakref
class Kept(dict):
    pass
_inflight = Kept.fromkeys(range(10_000))
old = weakref.ref(_inflight)
freed = []
def renew():
    global _inflight
    once_watched()
    _inflight = {}
    time.sleep(0.3)
    freed.append(old() is None)
    find("new")
    _thread.interrupt_main()
worker = threading.Thread(daemon=True, target=renew)
worker.start()
seen = leakdiff.who_adds("__main__._inflight", seconds=60)
worker.join()
print(json.dumps({**told(seen), "freed": freed, "lost": seen.lost}))
""")

    assert (seen["gained"], seen["gones"], seen["lost"], seen["freed"]) == (1, {}, 0, [True])
    assert seen["puts"] == {f"find:{at('find')}": [1, 1]}


def test_a_container_replaced_by_the_work_is_said() -> None:
    """The name leads elsewhere when the work is done."""
    seen = watched("""
def restart():
    global _inflight
    find("old")
    _inflight = dict.fromkeys(range(50))
print(json.dumps(told(leakdiff.who_adds("__main__._inflight", step=restart))))
""")

    assert (seen["gained"], seen["puts"]) == (1, {f"find:{at('find')}": [1, 1]})
    assert "the name was given to another container once" in "".join(seen["notes"])


_UNSEEN = """
hidden = [_inflight.__setitem__]
text = "def unseen(n):\\n    for i in range(n): hidden[0](('unseen', i), 1)\\n"
exec(compile(text, "/lib/site-packages/x.py", "exec"), globals())
def handle(rid, bad=False):
    if bad:
        raise ValueError("bad")  # raises
    _inflight[rid] = 1  # handles
"""


def test_a_line_that_an_exception_ended_is_not_accused() -> None:
    """What code that is not watched puts in after it is nobody's."""
    seen = watched(f"""{_UNSEEN}
def step():
    try:
        handle(1, bad=True)
    except ValueError:
        pass
    unseen(1_000)
    handle(2)
print(json.dumps(told(leakdiff.who_adds("__main__._inflight", step=step))))
""")

    assert (list(seen["puts"].values()), seen["untold"]) == ([[1, 1]], 1_000)
    assert "of 1,000 entries it is not known who put them in" in "".join(seen["notes"])


@pytest.mark.parametrize("interval", [0.005, 0.00001])
def test_what_another_thread_puts_in_unseen_accuses_nobody(interval: float) -> None:
    """A thread that loses its turn in the midst of a line reads what others did: it is told of nobody, and said."""
    seen = watched(f"""{_UNSEEN}
def serve(thread):
    for number in range(2_000):
        handle((thread, number))
def step():
    sys.setswitchinterval({interval})
    threads = [threading.Thread(target=serve, args=(n,)) for n in range(2)]
    threads.append(threading.Thread(target=unseen, args=(20_000,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(json.dumps(told(leakdiff.who_adds("__main__._inflight", step=step))))
""")
    (put,) = (entries for entries, _ in seen["puts"].values())
    is_doubted = "it is not known which thread it was" in "".join(seen["notes"])

    assert [stack[-1].partition(":")[0] for stack in seen["stacks"]] == ["handle"]
    assert (seen["untold"], put <= 4_000) == (24_000 - put, True)
    assert seen["method"].startswith("Exact but for what several threads may have done" if is_doubted else "Exact")
    assert seen["exact"] is not is_doubted


def test_what_failed_to_be_booked_is_counted_all_the_same() -> None:
    """What is told of nobody makes up for the rest: entries put in less those taken out are what was gained."""
    seen = watched("""
def deep(number):
    _inflight[number] = 1
    deep(number + 1)
def step():
    try:
        deep(0)
    except RecursionError:
        pass
seen = leakdiff.who_adds("__main__._inflight", step=step)
print(json.dumps([seen.gained, seen.added - seen.removed]))
""")

    assert seen[0] == seen[1] > 500


_STATE = """
def state():
    tools = getattr(sys, "monitoring", None)
    found = [str(sys.gettrace()), str(threading.gettrace()), str(sys.getprofile()), threading.active_count()]
    found.append(sys.getswitchinterval())
    if tools is not None:
        tools.use_tool_id(3, "somebody")
        events = tools.events
        codes = [f.__code__ for f in (find, keep, bulk, visit)]
        found += [tools.get_tool(number) for number in range(6)]
        found += [tools.get_events(3)] + [tools.get_local_events(3, code) for code in codes]
        found += [str(tools.register_callback(3, event, None)) for event in (events.LINE, events.PY_RETURN)]
        tools.free_tool_id(3)
    return found
import gc
"""


@pytest.mark.parametrize(
    ("ends", "call"),
    [
        ("returns", "leakdiff.who_adds(path, step=work)"),
        ("waits", "leakdiff.who_adds(path, seconds=0.2)"),
        ("raises", "leakdiff.who_adds(path, step=lambda: 1 / 0)"),
        ("exits", "leakdiff.who_adds(path, step=sys.exit)"),
        ("Ctrl-C", "threading.Thread(target=press_ctrl_c).start(); leakdiff.who_adds(path, seconds=60)"),
        ("everywhere", "leakdiff.who_adds(path, step=work, everywhere=True)"),
    ],
)
def test_nothing_is_left_behind(ends: str, call: str) -> None:
    """However it ends, hooks, tools, turns and threads are as they were, and no object is kept."""
    seen = watched(
        _STATE
        + f"""
import signal
def press_ctrl_c():
    once_watched()
    signal.raise_signal(signal.SIGINT)
path = "__main__._inflight"
leakdiff.who_adds(path, step=lambda: None)
before = state()
gc.collect()
gc.disable()  # what only a collection would free counts as left behind
first = [len(gc.get_referrers(one.__code__)) for one in (find, keep, bulk)]
outcome = "fine"
try:
    {call}
except leakdiff.LeakdiffError as error:
    outcome = error.slug
time.sleep(0.05)
references = sys.getrefcount(_inflight)
referrers = [len(gc.get_referrers(one.__code__)) for one in (find, keep, bulk)]
names = {{"Ledger", "MonitoredLines", "TracedLines", "SampledStacks", "Running", "Lengths", "Watching", "Watched"}}
left = [type(one).__name__ for one in gc.get_objects() if type(one).__name__ in names]
print(json.dumps([before, state(), outcome, references, referrers == first, left]))
"""
    )
    before, after, outcome, references, same, left = seen

    assert after == before
    assert outcome == ("step-failed" if ends in ("raises", "exits") else "fine")
    assert (references, same, left) == (2, True, [])


def test_ctrl_c_gives_what_was_seen_so_far() -> None:
    """The answer says that it was ended early."""
    seen = watched("""
import signal
def fill():
    find("before")
    signal.raise_signal(signal.SIGINT)
    find("after")
print(json.dumps(told(leakdiff.who_adds("__main__._inflight", step=fill))))
""")

    assert seen["puts"] == {f"find:{at('find')}": [1, 1]}
    assert "Ctrl-C ended it early" in seen["notes"]


@needs_monitoring
def test_tools_of_others_are_left_alone() -> None:
    """A profiler that monitors goes on; where every number is taken, it says by whom."""
    seen = watched("""
tools = sys.monitoring
tools.use_tool_id(3, "their profiler")
heard = []
tools.register_callback(3, tools.events.PY_START, lambda code, offset: heard.append(1))
tools.set_local_events(3, find.__code__, tools.events.PY_START)
first = told(leakdiff.who_adds("__main__._inflight", step=lambda: find(1)))
tools.use_tool_id(4, "a coverage")
tools.use_tool_id(5, "another")
try:
    leakdiff.who_adds("__main__._inflight", step=lambda: find(2))
except leakdiff.LeakdiffError as error:
    second = str(error)
find(3)
print(json.dumps([first["puts"], len(heard), second, tools.get_tool(3)]))
""")

    assert seen[:2] == [{f"find:{at('find')}": [1, 1]}, 2]
    assert seen[2:] == [
        (
            "Who adds cannot be measured: all numbers that sys.monitoring has for tools like this one are taken by "
            "a coverage, another, their profiler. Stop one of them, or watch the length alone: leakdiff.track."
        ),
        "their profiler",
    ]


@needs_sampling
def test_a_debugger_is_not_driven_out() -> None:
    """Before CPython 3.12 one can trace at a time: who came first stays."""
    seen = watched("""
def tracer(frame, event, argument):
    return None
sys.settrace(tracer)
try:
    leakdiff.who_adds("__main__._inflight", step=work)
except leakdiff.LeakdiffError as error:
    print(json.dumps([str(error), sys.gettrace() is tracer]))
""")

    assert seen == [
        (
            "Who adds cannot be measured: somebody traces this thread already (sys.settrace: a debugger, or coverage). "
            "Stop that, or run it on CPython 3.12 or newer, where both can watch at once."
        ),
        True,
    ]


@needs_sampling
def test_suspended_locals_are_not_pinned() -> None:
    """Up to 3.12 a frame that was traced keeps a copy of its locals: those of suspended generators are freed."""
    seen = watched("""
import gc, weakref
class Thing: pass
def numbers():
    thing = Thing()
    yield weakref.ref(thing)
    _inflight[1] = 1
    thing = None
    yield None
made = numbers()
got = []
def step():
    got.append(next(made))
leakdiff.who_adds("__main__._inflight", step=step)
frame = made.gi_frame
next(made)
print(json.dumps([got[0]() is None]))
""")

    assert seen == [True]


def test_work_in_a_running_event_loop_is_refused() -> None:
    """It would wait for itself."""
    seen = watched("""
import asyncio
async def serve():
    pass
async def main():
    try:
        leakdiff.who_adds("__main__._inflight", step=serve)
    except leakdiff.LeakdiffError as error:
        return str(error)
print(json.dumps(asyncio.run(main())))
""")

    assert seen == (
        "An asynchronous step cannot be measured: an event loop runs in this thread, and would wait for it. "
        "Call it from another thread: await asyncio.to_thread(leakdiff.who_adds, path, step=step)."
    )


@needs_monitoring
def test_a_forked_child_is_not_watched() -> None:
    """Nobody there waits for an answer: its events are off, and its tool is free."""
    seen = watched("""
import os
def fork():
    reader, writer = os.pipe()
    if os.fork() == 0:
        find("child")
        os.write(writer, json.dumps([sys.monitoring.get_tool(3), len(_inflight)]).encode())
        os._exit(0)
    os.wait()
    find("parent")
    found.append(json.loads(os.read(reader, 99)))
found = []
seen = leakdiff.who_adds("__main__._inflight", step=fork)
print(json.dumps([told(seen)["puts"], found]))
""")

    assert seen == [{f"find:{at('find')}": [1, 1]}, [[None, 1]]]


def adding(**changes: Any) -> WhoAdds:
    """Return what was seen of a small service."""
    serve = Site("app/server.py", 12, "serve", "matching.find(rid)")
    find = Site("app/matching.py", 44, "find", "_inflight[rid] = result")
    fields: dict[str, Any] = {
        "owner": "app.matching._inflight",
        "type": "dict",
        "length": 1_512,
        "gained": 1_204,
        "seconds": 10.01,
        "stacks": (Inserts((serve, find), 1_104, 1_104, 0.917), Inserts((find,), 10, 100, 0.083)),
        "removals": (),
        "untold": 0,
        "method": "Exact: so it was",
        "cost": WatchCost(0.125, 2_408),
        "not_seen": ("what could not be seen",),
    }
    return WhoAdds(**{**fields, **changes})


def test_the_text_has_the_shape_of_a_report() -> None:
    """A headline, a block for each stack from the line that puts upwards, and how it was found out."""
    assert adding().why() == (
        "leakdiff: app.matching._inflight gained 1,204 entries in 10 s, from 1 place\n"
        "\n"
        "  1,104 entries (92%)\n"
        "  put    app/matching.py:44  in find               _inflight[rid] = result\n"
        "  from   app/server.py:12  in serve              matching.find(rid)\n"
        "\n"
        "  100 entries (8%), 10 times\n"
        "  put    app/matching.py:44  in find               _inflight[rid] = result\n"
        "\n"
        "  how    Exact: so it was\n"
        "  cost   0.12 CPU s in 10 s; the length was read 2,408 times\n"
        "  note   what could not be seen"
    )
    assert type(adding().why()) is Shown
    assert repr(adding()) == "<WhoAdds app.matching._inflight gained 1,204 entries in 10 s, from 1 place>"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stacks": (), "gained": 0}, "gained no entries in 10 s"),
        ({"stacks": (), "gained": 3, "untold": 3}, "gained 3 entries in 10 s, from nowhere that could be seen"),
        ({"gained": 1_200}, "gained 1,200 entries in 10 s: 1,204 put in, from 1 place, and 4 taken out"),
        ({"gained": -1}, "lost 1 entry in 10 s: 1,204 put in, from 1 place, and 1,205 taken out"),
    ],
)
def test_the_headline_says_what_came_of_it(changes: dict[str, Any], said: str) -> None:
    """What went in, what went out, and what is left of it."""
    assert str(adding(**changes)) == f"leakdiff: app.matching._inflight {said}"


def test_hostile_code_cannot_steer_a_terminal() -> None:
    """A line of source, a function or a file may hold escapes, and a stack may be deep."""
    line = Site("app/\x1b[2J.py", 1, "f\x1b[31m", "x = '\x1b]0;title\x07'")
    text = adding(stacks=(Inserts((line,) * 500, 1, 1, 1.0),)).why()

    assert "\x1b" not in text
    assert len(text.splitlines()) < 20
