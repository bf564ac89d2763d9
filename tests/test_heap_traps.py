"""The traps of CPython's heap that leakdiff was built around: one test for each."""

from __future__ import annotations

import importlib.util
import textwrap

import pytest

from fresh import check_fresh, line_of, run_fresh

NUMPY = pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="numpy is not installed here")

# -- what gc does not show -------------------------------------------------------------------------

UNTRACKED = {
    "a dict from str to bytes": ("_kept = {}", "_kept[f'req-{number:08x}'] = number.to_bytes(40)", "dict"),
    "a dict from int to float": ("_kept = {}", "_kept[number] = number / 3", "dict"),
    "a set of str": ("_kept = set()", "_kept.add(f'req-{number:08x}')", "set"),
    "a list of str": ("_kept = []", "_kept.append(f'req-{number:08x}')", "list"),
    "a dict of tuples of atoms": ("_kept = {}", "_kept[number] = (number, str(number))", "dict"),
    "a bytearray": ("_kept = bytearray()", "_kept.extend(bytes(100))", "bytearray"),
}


@pytest.mark.parametrize("name", UNTRACKED)
def test_containers_that_gc_does_not_track_are_owners_like_others(name: str) -> None:
    """What holds only atoms is absent from ``gc.get_objects()``; it is found by walking to it."""
    definition, use, kind = UNTRACKED[name]
    source = f"""
import itertools

{definition}
_numbers = itertools.count(1000)


def step(units):
    for _ in range(units):
        number = next(_numbers)
        {use}
"""
    answer = check_fresh(source, units=101)

    assert answer.blamed == ("LEAK", "app._kept")
    assert answer.report["findings"][0]["owner_type"] == kind


def test_a_tuple_of_atoms_that_is_replaced_by_a_longer_one_is_found() -> None:
    """The owner is a name: the object under it is another one after each unit."""
    source = """
    _seen = ()
    _done = 1000


    def step(units):
        global _seen, _done
        for _ in range(units):
            _done += 1
            _seen = (*_seen, _done)
    """
    assert check_fresh(source).blamed == ("LEAK", "app._seen")


def test_two_owners_of_one_type_in_one_module_are_two_findings() -> None:
    """Dicts side by side in a module have names of their own: one does not speak for the other."""
    source = """
    _orders, _drivers, _quiet = {}, {}, {}
    _done = 0


    def step(units):
        global _done
        for _ in range(units):
            _done += 1
            _orders[_done] = [_done]
            _drivers[_done] = (_done, [_done], [_done])
            _quiet[_done % 10] = [_done]
    """
    assert sorted(map(str, check_fresh(source).accused)) == ["app._drivers", "app._orders"]


def test_two_owners_of_one_type_on_one_object_are_two_findings() -> None:
    """So have the lists of an instance, of a class and of a dict of lists by name on an instance."""
    source = """
    class Desk:
        shared = []
        kept = []

        def __init__(self):
            self.open = []
            self.closed = []


    _desk = Desk()


    def step(units):
        for number in range(units):
            _desk.open.append([number])
            _desk.closed.append([number])
            Desk.shared.append([number])
            Desk.kept.append([number])
    """
    expected = ["app.Desk.kept", "app.Desk.shared", "app._desk.closed", "app._desk.open"]

    assert sorted(map(str, check_fresh(source).accused)) == expected


@pytest.mark.parametrize("key", ["number", "(number, str(number))", "str(number)"])
def test_a_smaller_leak_beside_a_larger_one_is_one_whatever_its_keys(key: str) -> None:
    """Keys are references only in a dict that has one other than a str: an entry is an entry all the same."""
    source = f"""
import itertools

_large, _small = [], {{}}
_numbers = itertools.count(1000)


def step(units):
    for _ in range(units):
        number = next(_numbers)
        _small[{key}] = [number]
        _large.extend([[number], [number], [number]])
"""
    assert check_fresh(source).accused == ["app._large", "app._small"]


def test_alike_holders_under_one_dict_are_one_finding() -> None:
    """Lists by tenant have no names that may be shown: they are one owner."""
    source = """
    _by_tenant = {number: [] for number in range(7)}


    def step(units):
        for number in range(units):
            _by_tenant[number % 7].append([number])
    """
    assert check_fresh(source).accused == ["app._by_tenant[*]"]


# -- looking changes the heap ----------------------------------------------------------------------


def test_looking_does_not_materialise_dicts() -> None:
    """A walk over 20,000 instances, and a leak of more, leaves no ``__dict__`` behind that was not there."""
    source = """
    import gc


    class Row:
        def __init__(self, number):
            self.number = number
            self.cells = [number]


    _rows = [Row(number) for number in range(20_000)]
    _kept = []


    def dicts():
        return sum(type(each) is dict and each.keys() == {"number", "cells"} for each in gc.get_objects())


    before = dicts()


    def step(units):
        for number in range(units):
            _kept.append(Row(number))


    def after():
        return dicts() - before
    """
    answer = check_fresh(source)

    assert answer.blamed == ("LEAK", "app._kept")
    assert answer.after < 200  # those of the few objects on the path


LOCALS = """
import gc, json, threading, weakref
import leakdiff

_kept = []


class Thing:
    pass


def step(units):
    for number in range(units):
        _kept.append([number])


def check():
    return leakdiff.check(step, units=29, patience=0.05)
"""


def test_locals_of_running_frames_are_not_pinned() -> None:
    """A local of a function that called check, or of one in another thread, dies when it is rebound."""
    script = LOCALS + textwrap.dedent("""
        alive = []
        looked = threading.Event()
        died = threading.Event()


        def other():
            thing = Thing()
            alive.append(weakref.ref(thing))
            looked.wait()
            thing = None
            died.set()
            threading.Event().wait(30)


        def main():
            thing = Thing()
            gone = weakref.ref(thing)
            thread = threading.Thread(target=other, daemon=True)
            thread.start()
            gc.disable()
            verdict = check().verdict
            thing = None
            looked.set()
            died.wait(30)
            print(json.dumps([verdict, gone() is None, alive[0]() is None]))


        main()
        """)
    assert run_fresh(script) == ["LEAK", True, True]


def test_a_dict_that_a_function_got_from_locals_keeps_its_content() -> None:
    """Up to 3.12 ``locals()`` is the very dict that leakdiff reads and lets go of: the function's stays whole."""
    script = LOCALS + textwrap.dedent("""
        def main():
            name = "orders"
            scope = locals()
            verdict = check().verdict
            print(json.dumps([verdict, scope["name"], eval("name", {}, scope)]))


        main()
        """)
    assert run_fresh(script) == ["LEAK", "orders", "orders"]


def test_class_bodies_and_exec_keep_their_names() -> None:
    """The namespace of code that is not optimised is the real one: it is read and left alone."""
    script = LOCALS + textwrap.dedent("""
        class Late:
            first = 1
            verdict = check().verdict
            second = first + 1


        space = {"check": check}
        exec("first = 1\\nverdict = check().verdict\\nsecond = first + 1", {"check": check}, space)
        print(json.dumps([Late.verdict, Late.second, space["verdict"], space["second"]]))
        """)
    assert run_fresh(script) == ["LEAK", 2, "LEAK", 2]


def test_a_second_check_gives_the_same_answer() -> None:
    """Reports that are kept, and the traces of the first check, are not the second's findings."""
    script = LOCALS + textwrap.dedent("""
        reports = [check() for _ in range(3)]
        clean = leakdiff.check(lambda: [object()], units=29)
        said = [[found.owner for found in report.leaks] for report in reports]
        marks = {found.fingerprint for report in reports for found in report.leaks}
        print(json.dumps([said, len(marks), clean.verdict]))
        """)
    assert run_fresh(script) == [[["__main__._kept"]] * 3, 1, "STABLE"]


def test_check_finds_a_leak_into_a_local_of_its_caller() -> None:
    """A list that only a running frame holds has no referrer at all: the frame is the root."""
    script = LOCALS + textwrap.dedent("""
        def main():
            waiting = []
            report = leakdiff.check(lambda: waiting.append([1]), units=29, patience=0.05)
            print(json.dumps([report.verdict, report.findings[0].owner]))


        main()
        """)
    verdict, owner = run_fresh(script)

    assert verdict == "LEAK"
    assert "waiting" in owner


# -- what can crash or hang ------------------------------------------------------------------------


def test_no_module_is_passed_to_get_referents() -> None:
    """On 3.12.0-3.12.5 ``gc.get_referents(<module _asyncio>)`` hands out freed objects: modules are read by dict."""
    source = """
    import asyncio, gc, types

    _asyncio = asyncio.events
    _kept = []
    asked = []
    get_referents = gc.get_referents


    def spy(*objects):
        asked.extend(type(each).__name__ for each in objects if issubclass(type(each), types.ModuleType))
        return get_referents(*objects)


    gc.get_referents = spy


    async def step(units):
        for number in range(units):
            await asyncio.sleep(0)
            _kept.append([number])


    def after():
        return asked
    """
    answer = check_fresh(source)

    assert answer.after == []
    assert answer.blamed == ("LEAK", "app._kept")


SERVICE = """
import asyncio
import contextvars

request_id = contextvars.ContextVar("request_id", default="")
_sessions = {}
_server = None
_port = 0
_done = 0


class Session:
    def __init__(self, name, reader):
        self.name = name
        self.reader = reader
        self.me = self


async def serve(reader, writer):
    global _done
    try:
        while line := await reader.readline():
            _done += 1
            request_id.set(line.decode().strip())
            session = Session(request_id.get(), reader)
            KEEP
            await asyncio.wait_for(asyncio.sleep(0), 5)
            writer.write(b"done " + line)
            await writer.drain()
    finally:
        writer.close()


async def setup():
    global _server, _port
    _server = await asyncio.start_server(serve, "127.0.0.1", 0)
    _port = _server.sockets[0].getsockname()[1]


async def request(number):
    reader, writer = await asyncio.open_connection("127.0.0.1", _port)
    for turn in range(2):
        writer.write(f"{number}-{turn}\\n".encode())
        await writer.drain()
        await reader.readline()
    writer.close()
    await writer.wait_closed()


async def step(units):
    async with asyncio.TaskGroup() as group:
        for number in range(units):
            group.create_task(request(number))


async def teardown():
    _server.close()
"""


def test_an_asyncio_service_neither_hangs_nor_aborts() -> None:
    """Server, connections, task groups, timeouts and contexts on this interpreter; the map that leaks is named."""
    answer = check_fresh(SERVICE.replace("KEEP", "_sessions[f'req-{_done:08x}'] = session"), units=13)

    assert answer.blamed == ("LEAK", "app._sessions")


def test_an_asyncio_service_that_keeps_nothing_is_stable() -> None:
    """The same service without the map."""
    assert check_fresh(SERVICE.replace("KEEP", "del session"), units=13).verdict == "STABLE"


def test_tuples_under_construction_do_not_crash_the_walk() -> None:
    """``tuple(generator)`` is visible before its items are there: nothing indexes it."""
    source = """
    import threading

    threading.stack_size(256 * 1024)
    _kept = []
    stopped = threading.Event()
    started = threading.Semaphore(0)


    def slow(number):
        yield [number]
        yield {"number": [number]}
        started.release()
        stopped.wait()


    def build(number):
        _kept.append(tuple(slow(number)))


    def step(units):
        for number in range(units):
            threading.Thread(target=build, args=(number,), daemon=True).start()
            started.acquire()
            if number % 2:
                _kept.append([number])
    """
    answer = check_fresh(source, units=4, rounds=3, warmup=1)

    assert answer.verdict == "LEAK"


def test_a_check_inside_a_tuple_under_construction_is_safe() -> None:
    """A program may be in the middle of ``tuple(...)`` itself, with a step that leaks."""
    script = LOCALS + textwrap.dedent("""
        def parts():
            yield [1]
            yield check().verdict
            yield [2]


        print(json.dumps(tuple(parts())))
        """)
    assert run_fresh(script) == [[1], "LEAK", [2]]


def test_containers_that_other_threads_change_are_read_all_the_same() -> None:
    """Dicts, sets and deques that grow and shrink while the walk passes raise nothing and accuse nobody."""
    source = """
    import collections, threading

    _kept = {}
    _busy, _members, _events = {}, set(), collections.deque(maxlen=500)
    _numbers = iter(range(10**9))


    def change():
        while True:
            for number in range(40):
                _busy[number] = [number]
                _members.add((number,))
                _events.append([number])
            _busy.clear()
            _members.clear()


    def setup():
        threading.Thread(target=change, daemon=True).start()


    def step(units):
        for _ in range(units):
            number = next(_numbers)
            _kept[f"req-{number:08x}"] = [number]
    """
    answer = check_fresh(source, units=307)

    assert answer.accused in (["app._kept"], [])
    assert answer.verdict in ("LEAK", "INCONCLUSIVE")


def test_closed_streams_are_passed_by() -> None:
    """A closed StringIO or BytesIO raises on every question; an open one beside it is measured."""
    source = """
    import io

    _closed = [io.StringIO("x"), io.BytesIO(b"x"), io.TextIOWrapper(io.BytesIO())]
    for stream in _closed:
        stream.close()
    _log = io.StringIO()


    def step(units):
        for number in range(units):
            _log.write("line of a log that nobody reads " * 4)
    """
    answer = check_fresh(source, units=101)

    assert answer.verdict == "LEAK"
    assert (answer.owner or "").startswith("app._log")


def test_deep_chains_are_followed_without_recursion() -> None:
    """A linked list longer than any recursion limit is walked, and its head is the owner."""
    source = """
    _head = None


    class Link:
        def __init__(self, after):
            self.after = after


    for _ in range(5_000):
        _head = Link(_head)


    def step(units):
        global _head
        for _ in range(units):
            _head = Link(_head)
    """
    answer = check_fresh(source)

    assert answer.verdict == "LEAK"
    assert (answer.owner or "").startswith("app._head")


def test_sites_are_known_on_3_11_too() -> None:
    """Plain instances have no trace there (gh-101430): other objects of the same unit tell the line."""
    source = """
    class Order:
        def __init__(self, number):
            self.number = number
            self.lines = [number]  # made here


    _orders = {}
    _numbers = iter(range(10**9))


    def step(units):
        for _ in range(units):
            number = next(_numbers)
            _orders[number] = Order(number)  # kept here
    """
    answer = check_fresh(source)
    lines = {site["line"] for site in answer.report["findings"][0]["sites"]}

    assert answer.blamed == ("LEAK", "app._orders")
    assert lines & {line_of(source, "# made here"), line_of(source, "# kept here")}


# -- numpy -----------------------------------------------------------------------------------------


@NUMPY
def test_an_object_array_that_hides_its_entries_is_the_owner() -> None:
    """An array of objects does not tell gc what it holds; the walk reads it by an adapter."""
    source = """
    import numpy

    _slots = numpy.empty(100_000, dtype=object)
    _done = 0


    def step(units):
        global _done
        for _ in range(units):
            _slots[_done] = [_done]
            _done += 1
    """
    answer = check_fresh(source)

    assert answer.verdict == "LEAK"
    assert (answer.owner or "").startswith("app._slots")


@NUMPY
def test_array_subclasses_are_read_without_their_methods() -> None:
    """A subclass of ndarray may override anything: its C slots are read past that."""
    source = """
    import numpy

    calls = []
    working = [True]


    def noted(name):
        def method(self, *args, **kwargs):
            if not working[0]:
                calls.append(name)
            raise TypeError(name)
        return method


    Array = type("Array", (numpy.ndarray,), {
        "__module__": "app", **{name: noted(name) for name in ("__len__", "__getitem__", "__iter__", "__eq__",
        "__repr__", "__sizeof__", "__array__", "tolist")},
        **{name: property(noted(name)) for name in ("flat", "base", "dtype", "nbytes", "shape", "size")},
    })
    _arrays = [numpy.zeros(3, dtype=object).view(Array) for _ in range(10)]
    _kept = []


    def step(units):
        working[0] = True
        for number in range(units):
            _kept.append(numpy.ndarray.view(numpy.zeros(200), Array))
        working[0] = False


    def after():
        return calls
    """
    answer = check_fresh(source)

    assert answer.after == []
    assert answer.blamed == ("LEAK", "app._kept")
