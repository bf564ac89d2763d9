"""What a mark cannot see by itself must not become an accusation, and must not hide one."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from fresh import check_fresh, shell, write_module

LEAK = """
_inflight = {}
_numbers = iter(range(10**9))


def leak():
    number = next(_numbers)
    _inflight[f"req-{number:08x}"] = [number, str(number)]
"""

NO_LEAK = """
def leak():
    pass
"""

# Steady states: full when the check begins, or as long as they will ever be.
STEADY = {
    "a full deque of plain entries": """
        import collections

        _events = collections.deque(([number] for number in range(200)), maxlen=200)


        def step(units):
            for number in range(units):
                leak()
                _events.append([number])
    """,
    "a full deque of exceptions with tracebacks": """
        import collections

        _errors = collections.deque(maxlen=200)


        def fail(number):
            error = None
            try:
                raise ValueError(number)
            except ValueError as caught:
                error = caught  # the frame holds the error, whose traceback holds the frame
                return error


        def setup():
            _errors.extend(fail(number) for number in range(200))


        def step(units):
            for number in range(units):
                leak()
                _errors.append(fail(number))
    """,
    "a full lru_cache of documents": """
        import functools
        import xml.dom.minidom

        _numbers_seen = iter(range(10**9))


        @functools.lru_cache(maxsize=50)
        def parse(number):
            return xml.dom.minidom.parseString(f"<order id='{number}'><item/><item/></order>")


        def setup():
            step(60)


        def step(units):
            for _ in range(units):
                leak()
                parse(next(_numbers_seen))
    """,
    "a full lru_cache of plain entries": """
        import functools

        _numbers_seen = iter(range(10**9))


        @functools.lru_cache(maxsize=100)
        def shout(number):
            return str(number) * 3


        def setup():
            step(150)


        def step(units):
            for _ in range(units):
                leak()
                shout(next(_numbers_seen))
    """,
    "a dict bounded by hand, of trees with parent links": """
        _trees = {}
        _ids = iter(range(10**9))


        class Node:
            def __init__(self, parent):
                self.parent = parent
                self.children = [Node(self) for _ in range(3)] if parent is None else []


        def setup():
            step(120)


        def step(units):
            for _ in range(units):
                leak()
                _trees[next(_ids)] = Node(None)
                if len(_trees) > 100:
                    del _trees[next(iter(_trees))]
    """,
    "a ring of classes": """
        import collections

        _classes = collections.deque(maxlen=20)


        def setup():
            step(25)


        def step(units):
            for number in range(units):
                leak()
                _classes.append(type("Row", (), {"number": number}))
    """,
    "garbage in cycles": """
        class Node:
            def __init__(self):
                self.me = self


        def step(units):
            for _ in range(units):
                leak()
                Node()
    """,
    "gc disabled, and a collection by hand every 500 units": """
        import gc

        gc.disable()
        _done = 0


        class Node:
            def __init__(self):
                self.me = self


        def step(units):
            global _done
            for _ in range(units):
                leak()
                Node()
                _done += 1
                if _done % 500 == 0:
                    gc.collect()


        def after():
            return gc.isenabled()
    """,
}


@pytest.mark.parametrize("name", STEADY)
def test_a_steady_state_is_stable(name: str) -> None:
    """What replaces old entries by new ones, or leaves garbage for later, does not grow."""
    answer = check_fresh(NO_LEAK + textwrap.dedent(STEADY[name]))

    assert answer.verdict == "STABLE"
    assert answer.accused == []


@pytest.mark.parametrize("name", STEADY)
def test_a_leak_beside_a_steady_state_is_named_first(name: str) -> None:
    """The churn of a full cache neither hides the leak beside it nor takes the blame."""
    answer = check_fresh(LEAK + textwrap.dedent(STEADY[name]))

    assert answer.blamed == ("LEAK", "app._inflight")
    assert answer.accused == ["app._inflight"]


WALK = """
import random

_random = random.Random(SEED)
_queue = [[number] for number in range(300)]


def step(units):
    for number in range(units):
        leak()
        length = len(_queue)
        wanted = length + _random.choice((-3, -2, -1, 1, 2, 3)) + round((300 - length) / 60)
        while len(_queue) < wanted:
            _queue.append([number])
        del _queue[: max(0, len(_queue) - wanted)]
"""


@pytest.mark.parametrize("seed", range(6))
def test_a_queue_that_walks_at_random_is_stable(seed: int) -> None:
    """A queue whose length wanders about a mean is not a leak, whichever way it happened to wander."""
    answer = check_fresh(NO_LEAK + WALK.replace("SEED", str(seed)), units=101)

    assert answer.verdict == "STABLE"
    assert answer.accused == []


@pytest.mark.parametrize("seed", range(2))
def test_a_leak_beside_a_queue_that_walks_at_random_is_named_first(seed: int) -> None:
    """The leak beside such a queue is named, the queue is not."""
    answer = check_fresh(LEAK + WALK.replace("SEED", str(seed)), units=101)

    assert answer.blamed == ("LEAK", "app._inflight")
    assert answer.accused == ["app._inflight"]


def test_a_program_that_disabled_gc_finds_it_disabled() -> None:
    """The check collects by hand; the program's choice stands."""
    answer = check_fresh(NO_LEAK + textwrap.dedent(STEADY["gc disabled, and a collection by hand every 500 units"]))

    assert answer.after is False


FULL = {
    "a deque that fills": ("app._events", "_events = collections.deque(maxlen=10_000)", "_events.append([number])"),
    "a queue that fills": ("app._jobs", "_jobs = queue.Queue(maxsize=10_000)", "_jobs.put_nowait([number])"),
    "an lru_cache that fills": (
        "app.parse",
        "@functools.lru_cache(maxsize=10_000)\ndef parse(number):\n    return [number]",
        "parse(number)",
    ),
}


@pytest.mark.parametrize("name", FULL)
def test_what_is_bounded_and_still_fills_is_no_leak(name: str) -> None:
    """A bounded container grows until it is full: FILLING, with its bound."""
    owner, definition, use = FULL[name]
    source = f"""
import collections, functools, queue

{definition}
_numbers = iter(range(10**9))


def step(units):
    for _ in range(units):
        number = next(_numbers)
        {use}
"""
    answer = check_fresh(source)
    finding = answer.report["findings"][0]

    assert answer.verdict == "FILLING"
    assert (answer.owner or "").startswith(owner)
    assert finding["bound"]["limit"] == 10_000


# -- the smallest leaks ----------------------------------------------------------------------------


def test_a_leak_on_one_of_a_thousand_units_is_found(tmp_path: Path) -> None:
    """With enough units a round, one entry in 1,000 units grows in every round."""
    write_module(
        tmp_path,
        """
        _rare = []
        _done = 0


        def step(units):
            global _done
            for _ in range(units):
                _done += 1
                if _done % 1000 == 0:
                    _rare.append([_done])
        """,
    )
    ended = shell(tmp_path, "check", "app.py", "--units", "1009", "--patience", "0.2", "--json", "report.json")

    assert ended.code == 1, ended.out + ended.err
    assert ended.out.startswith("leakdiff: LEAK  app._rare grows by 0.0009")  # 9 or 10 in 10,000


def test_sixteen_bytes_of_malloc_a_unit_are_found(tmp_path: Path) -> None:
    """Memory that no Python object owns is NATIVE: no owner is invented for it."""
    write_module(
        tmp_path,
        """
        import ctypes

        _malloc = ctypes.CDLL(None).malloc
        _malloc.argtypes, _malloc.restype = [ctypes.c_size_t], ctypes.c_void_p


        def step(units):
            for _ in range(units):
                _malloc(16)
        """,
    )
    ended = shell(tmp_path, "check", "app.py", "--units", "1009", "--patience", "0.2", "--json", "report.json")
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    (finding,) = report["findings"]

    assert ended.code == 1, ended.out + ended.err
    assert report["verdict"] == "NATIVE"
    assert finding["owner"] is None
    assert 16 <= finding["per_unit"]["native_bytes"] <= 40


# -- lengths that lie ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [37, 130, 288])
def test_a_double_buffer_is_no_leak(size: int) -> None:
    """Two halves change places; what a swap puts away is as long as what it lets go of."""
    answer = check_fresh(f"""
        _front, _back = [], []


        def step(units):
            global _front, _back
            for number in range(units):
                _back.append([number, str(number)])
                if len(_back) >= {size}:
                    _front, _back = _back, []
    """)

    assert answer.verdict in ("STABLE", "CHURN")


def test_entries_taken_from_a_simple_queue_do_not_count() -> None:
    """Its list keeps the places of what was taken for a while: how long that is goes up and down."""
    answer = check_fresh(
        """
        import queue

        _waiting = queue.SimpleQueue()
        _numbers = iter(range(10**9))


        def step(units):
            for _ in range(units):
                number = next(_numbers)
                _waiting.put([number])
                if number % 4:
                    _waiting.get()
    """,
        units=101,
        patience=1.0,
    )

    assert answer.verdict == "LEAK"
    assert (answer.owner or "").startswith("app._waiting")


def test_cancelled_timers_do_not_count() -> None:
    """An event loop clears them when half of all are cancelled: those that were not are the leak."""
    answer = check_fresh(
        """
        import asyncio

        _numbers = iter(range(10**9))


        async def step(units):
            loop = asyncio.get_running_loop()
            for _ in range(units):
                number = next(_numbers)
                timer = loop.call_later(900, print, [number])
                if number % 5 > 1:
                    timer.cancel()
    """,
        units=101,
        patience=1.0,
    )

    assert answer.verdict == "LEAK"
    assert answer.owner == "event loop._scheduled"


def test_functions_registered_with_atexit_have_an_owner() -> None:
    """The interpreter does not list them, but it counts them."""
    answer = check_fresh("""
        import atexit


        class Connection:
            def close(self):
                pass


        def step(units):
            for _ in range(units):
                atexit.register(Connection().close)
    """)

    assert (answer.verdict, answer.owner) == ("LEAK", "atexit callbacks")


def test_functions_that_are_taken_back_from_atexit_are_no_leak() -> None:
    """Its count does not fall up to CPython 3.13, but nothing is held."""
    answer = check_fresh("""
        import atexit


        class Connection:
            def close(self):
                pass


        def step(units):
            for _ in range(units):
                close = Connection().close
                atexit.register(close)
                atexit.unregister(close)
    """)

    assert answer.verdict == "STABLE"


@pytest.mark.parametrize(("mine", "verdict"), [("", "LEAK"), ("gc.collect()", "STABLE")])
def test_cycles_leak_while_nobody_collects(mine: str, verdict: str) -> None:
    """A check collects after each round; a program that has turned gc off and does not, keeps its cycles."""
    answer = check_fresh(f"""
        import gc


        def setup():
            gc.disable()


        def step(units):
            for _ in range(units):
                ring = []
                ring.append(ring)
            {mine}
    """)

    assert answer.verdict == verdict


def test_a_slow_leak_beside_a_cache_that_becomes_full_is_found() -> None:
    """What goes on at the same low rate while the fast growth ends was there all the time."""
    answer = check_fresh(
        """
        _lost, _cache = [], {}
        _numbers = iter(range(10**9))


        def step(units):
            for _ in range(units):
                number = next(_numbers)
                if len(_cache) < 800:
                    _cache[number] = [number]
                if number % 25 == 0:
                    _lost.append([number])
    """,
        units=101,
    )

    assert (answer.verdict, answer.owner) == ("LEAK", "app._lost")
