"""What is suspended: tasks by coroutine and line, generators by name; no code of theirs is run, few frames are made."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import textwrap
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fresh import run_fresh
from leakdiff.capture.resources import read_resources

# What every script below prints: the tallies of some kinds as pairs, and the notes. From CPython 3.14 on asyncio
# keeps its tasks where nobody can list them without running their code: there a walk of the heap brings them.
SHOW = """
import gc, json, sys
from leakdiff.capture import resources

def read_resources(suspended=()):
    if sys.version_info >= (3, 14) and "_asyncio" in sys.modules:
        task, mro = sys.modules["_asyncio"].Task, type.__dict__["__mro__"]
        met = [obj for obj in gc.get_objects() if any(cls is task for cls in mro.__get__(type(obj)))]
        suspended = [*suspended, *met]
    return resources.read_resources(suspended)

def show(*kinds, suspended=(), **more):
    found, notes = read_resources(suspended)
    tallies = {kind: [[tally.name, tally.count] for tally in getattr(found, kind)] for kind in kinds}
    print(json.dumps({**tallies, "notes": notes, **more}))
"""


def run_shown(script: str) -> Any:
    """Run a script that ends with ``show(...)``; where it says ``# @here``, the answer names that line ``here``."""
    source = SHOW + textwrap.dedent(script)
    lines = [(number, line) for number, line in enumerate(source.splitlines(), start=1) if "  # @" in line]
    found = json.dumps(run_fresh(source))
    for number, line in lines:
        found = re.sub(rf"script\.py:{number}\b", line.partition("  # @")[2], found)
    return json.loads(found)


# -- asyncio ---------------------------------------------------------------------------------------


def test_tasks_are_counted_by_coroutine_and_line() -> None:
    """The line is the innermost one of the user's: inside awaited coroutines, generators and async generators."""
    found = run_shown("""
        import asyncio
        async def stream():
            yield 1
            await asyncio.sleep(60)  # @stream
        async def consume():
            async for _ in stream():
                pass
        class Custom:
            def __await__(self):
                yield from asyncio.sleep(60).__await__()  # @await
        async def inner():
            await asyncio.sleep(60)  # @inner
        async def outer():
            await asyncio.wait_for(inner(), 50)  # @outer
        async def custom():
            await Custom()
        async def main():
            made = [outer(), outer(), consume(), custom()]
            tasks = [asyncio.create_task(coroutine) for coroutine in made]
            await asyncio.sleep(0.02)
            tasks.append(asyncio.create_task(inner()))
            show("tasks")
            for task in tasks:
                task.cancel()
        asyncio.run(main())
    """)
    waits = {name: count for name, count in found["tasks"] if name.startswith(("outer", "inner"))}

    assert found["notes"] == []
    assert ["consume at stream in stream", 1] in found["tasks"]
    assert ["custom at await in Custom.__await__", 1] in found["tasks"]
    assert ["main, running", 1] in found["tasks"]
    assert waits.pop("inner, not started") == 1
    # Until 3.11 wait_for() makes a task of what it waits for.
    if sys.version_info < (3, 12):
        assert waits == {"outer at outer": 2, "inner at inner": 2}
    else:
        assert waits == {"outer at inner in inner": 2}


def test_lines_of_a_few_stand_for_many() -> None:
    """Three of five hundred have a line, the others the name alone; the sum is right, and no more frames are made."""
    found = run_shown("""
        import asyncio, gc, types
        async def fetch():
            await asyncio.sleep(60)  # @fetch
        async def worker():
            await fetch()
        async def main():
            tasks = [asyncio.create_task(worker()) for _ in range(500)]
            await asyncio.sleep(0.02)
            read_resources()
            read_resources()
            inner = [task.get_coro().cr_await for task in tasks]
            frames = sum(type(ref) is types.FrameType for one in inner for ref in gc.get_referents(one))
            show("tasks", frames=frames)
            for task in tasks:
                task.cancel()
        asyncio.run(main())
    """)

    assert found["tasks"] == [
        ["worker in fetch", 497],
        ["worker at fetch in fetch", 3],
        ["main, running", 1],
    ]
    assert found["frames"] == 3


def test_lines_are_read_of_a_hundred_tasks_in_all() -> None:
    """However many coroutines there are, looking leaves at most a hundred frames; all are counted."""
    found = run_shown("""
        import asyncio
        scope = {"asyncio": asyncio}
        for number in range(60):
            exec(f"async def job_{number}(): await asyncio.sleep(60)", scope)
        async def main():
            tasks = [asyncio.create_task(scope[f"job_{number}"]()) for number in range(60) for _ in range(2)]
            await asyncio.sleep(0.02)
            show("tasks")
            for task in tasks:
                task.cancel()
        asyncio.run(main())
    """)
    jobs = [(name, count) for name, count in found["tasks"] if name.startswith("job_")]

    assert sum(count for _, count in jobs) == 120
    assert sum(count for name, count in jobs if " at " in name) == 100


def test_tasks_of_loops_in_other_threads_are_counted() -> None:
    """Every loop's tasks are listed."""
    found = run_shown("""
        import asyncio, threading
        ready = threading.Event()
        async def elsewhere():
            ready.set()
            await asyncio.sleep(0.3)  # @there
        thread = threading.Thread(target=asyncio.run, args=(elsewhere(),))
        thread.start()
        ready.wait()
        while True:
            found, _ = read_resources()
            if any(" at " in tally.name for tally in found.tasks):
                break
        show("tasks")
        thread.join()
    """)

    assert found["tasks"] == [["elsewhere at there", 1]]


def test_done_tasks_are_not_counted_and_found_ones_once() -> None:
    """A task that the walk met is the one that asyncio lists; one that ended is no task any more."""
    found = run_shown("""
        import asyncio
        async def job():
            await asyncio.sleep(60)  # @job
        async def quick():
            pass
        async def main():
            tasks = [asyncio.create_task(job()), asyncio.create_task(quick())]
            await asyncio.sleep(0.02)
            show("tasks", suspended=[*tasks, asyncio.Task.__new__(asyncio.Task), object()])
            tasks[0].cancel()
        asyncio.run(main())
    """)

    # The task that was never started by its __init__ is pending as far as it knows, and has no coroutine.
    assert found["tasks"] == [["NoneType", 1], ["job at job", 1], ["main, running", 1]]


def test_tasks_that_only_a_walk_met_are_counted() -> None:
    """Since 3.14 asyncio lists its tasks where only C code finds them."""
    found = run_shown("""
        import asyncio
        from leakdiff.capture import tasks
        tasks._REGISTRIES = ()
        read_resources = resources.read_resources  # asks for what is given alone
        async def job():
            await asyncio.sleep(60)  # @job
        async def main():
            met = [asyncio.create_task(job())]
            await asyncio.sleep(0.02)
            show("tasks", suspended=met)
            met[0].cancel()
        asyncio.run(main())
    """)

    assert found["tasks"] == [["job at job", 1]]


def test_looking_again_leaves_nothing_behind() -> None:
    """After the first time, which leaves the frames of a few, no reading adds an object."""
    found = run_shown("""
        import asyncio, gc, threading
        async def job():
            await asyncio.sleep(60)
        async def main():
            tasks = [asyncio.create_task(job()) for _ in range(50)]
            over = threading.Event()
            thread = threading.Thread(target=over.wait)
            thread.start()
            await asyncio.sleep(0.02)
            counts = []
            for _ in range(4):
                read_resources(tasks)
                gc.collect()
                counts.append(len(gc.get_objects()))
            show(counts=[count - counts[1] for count in counts[1:]])
            over.set()
            thread.join()
            for task in tasks:
                task.cancel()
        asyncio.run(main())
    """)

    assert found["counts"] == [0, 0, 0]


def test_no_code_of_a_task_is_run() -> None:
    """A subclass of Task may define anything: neither it nor its metaclass is asked."""
    found = run_shown("""
        import asyncio
        calls = []
        def noted(name):
            def method(self, *args):
                if armed:
                    calls.append(name)
                return getattr(super(Task, self), name)(*args)
            return method
        class Meta(type(asyncio.Task)):
            def __eq__(self, other):
                calls.append("meta eq")
                return True
            def __hash__(self):
                calls.append("meta hash")
                return 1
            def __getattribute__(self, name):
                if armed:
                    calls.append(f"meta {name}")
                return super().__getattribute__(name)
        armed = False
        NAMES = "__eq__ __hash__ __getattribute__ __repr__ done get_coro".split()
        Task = Meta("Task", (asyncio.Task,), {name: noted(name) for name in NAMES} | {
            "_coro": property(lambda self: calls.append("_coro")),
        })
        async def job():
            await asyncio.sleep(60)  # @job
        async def main():
            loop = asyncio.get_running_loop()
            loop.set_task_factory(lambda loop, coroutine, **more: Task(coroutine, loop=loop, **more))
            tasks = [loop.create_task(job())]
            await asyncio.sleep(0.02)
            calls.clear()
            global armed
            armed = True
            found, notes = read_resources(tasks)
            armed = False
            seen = list(calls)
            print(json.dumps([seen, [[tally.name, tally.count] for tally in found.tasks], notes]))
            sys.stdout.flush()
            import os
            os._exit(0)
        asyncio.run(main())
    """)

    assert found == [[], [["job at job", 1], ["main, running", 1]], []]


def test_tasks_of_another_implementation_are_counted_by_type() -> None:
    """The one in Python that asyncio has is such: nothing of it is read but its class."""
    found = run_shown("""
        import asyncio
        async def job():
            await asyncio.sleep(60)
        class Cython:
            def __init__(self):
                self.inner = asyncio.sleep(60).__await__()
            def send(self, value):
                return self.inner.send(value)
            def throw(self, *error):
                return self.inner.throw(*error)
            def close(self):
                self.inner.close()
            def __await__(self):
                return self
        import collections.abc
        collections.abc.Coroutine.register(Cython)
        async def main():
            loop = asyncio.get_running_loop()
            tasks = [asyncio.tasks._PyTask(job(), loop=loop), asyncio.Task(Cython(), loop=loop)]
            await asyncio.sleep(0.02)
            show("tasks")
            for task in tasks:
                task.cancel()
        asyncio.run(main())
    """)

    assert found["tasks"] == [["__main__.Cython", 1], ["asyncio.tasks.Task", 1], ["main, running", 1]]


def test_asyncio_is_not_imported_to_look_for_tasks() -> None:
    """A program without asyncio stays one."""
    found = run_shown("""
        from leakdiff.capture.resources import read_resources
        read_resources()
        show("tasks", loaded=[name for name in sys.modules if name.partition(".")[0] in ("asyncio", "_asyncio")])
    """)

    assert (found["tasks"], found["notes"], found["loaded"]) == ([], [], [])


# -- generators ------------------------------------------------------------------------------------


def numbers() -> Iterator[int]:
    """Be suspended at a number."""
    yield from (number for number in range(3))


async def later() -> AsyncIterator[int]:
    """Be an async generator."""
    yield 1


async def soon() -> None:
    """Be a coroutine that is never awaited."""


def test_generators_are_counted_by_name_unless_they_ended() -> None:
    """Generators, coroutines and async generators, begun or not; reading them makes no frame."""
    begun, ended, fresh, coroutine = numbers(), numbers(), numbers(), soon()
    next(begun)
    list(ended)
    made = [begun, ended, fresh, later(), coroutine, object(), [numbers()]]
    found, _ = read_resources(made)
    frames = [ref for obj in made for ref in gc.get_referents(obj) if type(ref) is types.FrameType]
    coroutine.close()

    assert {tally.name: tally.count for tally in found.generators} == {"numbers": 2, "later": 1, "soon": 1}
    assert frames == []


def test_an_async_generator_that_ended_is_not_counted() -> None:
    """Also where the loop still refers to it by its hooks."""

    async def exhaust(some: AsyncIterator[int]) -> None:
        async for _ in some:
            pass

    ended = later()
    asyncio.run(exhaust(ended))

    assert read_resources([ended])[0].generators == ()
