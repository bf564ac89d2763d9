"""The code behind an owner, end to end: what a check says of lines that put entries in and take them out."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest

from fresh import check_fresh, line_of, run_fresh

CONDITIONAL = """
    import itertools

    _numbers = itertools.count()
    _inflight = {}

    class Ride:
        pass

    def match(rid, accepted):
        _inflight[rid] = Ride()  # put
        if accepted:
            del _inflight[rid]  # gone

    def step(units):
        for number in itertools.islice(_numbers, units):
            match(f"req-{number:08x}", number % 4 != 0)
"""

ALIASED = """
    class Bus:
        def __init__(self):
            self.listeners = []

    class Listener:
        pass

    def register(known, listener):
        known.append(listener)  # put

    bus = Bus()

    def step(units):
        for _ in range(units):
            register(bus.listeners, Listener())
"""

NEVER_CANCELLED = """
    import asyncio

    class Call:
        pass

    _background = set()

    async def ring(call):
        answer = asyncio.get_running_loop().create_future()
        await answer  # waits

    async def step(units):
        for _ in range(units):
            task = asyncio.create_task(ring(Call()))  # made
            _background.add(task)  # put
            await asyncio.sleep(0)
"""

CLASSES_OWN = """
    class Session:
        seen = {}

        def __init__(self, key):
            self.seen[key] = self  # put

        def close(self, key):
            self.seen.pop(key, None)  # gone

    def step(units):
        for _ in range(units):
            Session(object())
"""


def lines(sites: list[dict[str, Any]]) -> list[int]:
    """Return the line numbers of some sites."""
    return [site["line"] for site in sites]


def test_the_conditional_removal_is_named_with_its_condition() -> None:
    """The removal wandered into an ``if``: that line, and the condition, are what the reader needs."""
    answer = check_fresh(CONDITIONAL)
    code = answer.report["findings"][0]["code"]

    assert lines(code["puts"]) == [line_of(CONDITIONAL, "# put")]
    assert lines(code["gones"]) == [line_of(CONDITIONAL, "# gone")]
    assert code["gones"][0]["only"] == f"only if accepted (line {line_of(CONDITIONAL, '# gone') - 1})"
    assert code["puts"][0]["per_unit"] == pytest.approx(1.0, abs=0.01)
    assert code["gones"][0]["per_unit"] == pytest.approx(-0.75, abs=0.05)
    assert code["summary"].startswith("1 insert, 1 removal, and the removal runs only if accepted (line ")


def test_a_line_that_was_seen_to_put_entries_in_is_named_whatever_it_calls_them() -> None:
    """A helper that gets the list as an argument names it otherwise."""
    code = check_fresh(ALIASED).report["findings"][0]["code"]

    assert lines(code["puts"]) == [line_of(ALIASED, "# put")]
    assert code["puts"][0]["per_unit"] == pytest.approx(1.0, abs=0.01)
    assert code["gones"] == []
    assert "no removal anywhere" in code["summary"]


def test_a_task_that_waits_for_ever_is_told_with_its_await_and_its_creator() -> None:
    """The leaked goroutine: where it waits, who made it."""
    answer = check_fresh(NEVER_CANCELLED)
    finding = answer.report["findings"][0]

    assert finding["owner"] == "app._background"
    assert lines(finding["waiting"]) == [line_of(NEVER_CANCELLED, "# waits")]
    assert line_of(NEVER_CANCELLED, "# made") in lines(finding["sites"])
    assert f"app.py:{line_of(NEVER_CANCELLED, '# waits')}  in ring" in answer.text


def test_a_class_attribute_is_found_through_self() -> None:
    """What instances put into a dict of their class."""
    code = check_fresh(CLASSES_OWN).report["findings"][0]["code"]

    assert lines(code["puts"]) == [line_of(CLASSES_OWN, "# put")]
    assert lines(code["gones"]) == [line_of(CLASSES_OWN, "# gone")]


def test_a_trace_function_in_use_is_left_alone() -> None:
    """A debugger or a coverage tool goes on; the source is read all the same, and a note says what was not measured."""
    traced = """
        import sys

        def tracer(frame, event, argument):
            return None

        def setup():
            sys.settrace(tracer)

        def after():
            return sys.gettrace() is tracer
    """
    answer = check_fresh(textwrap.dedent(CONDITIONAL) + textwrap.dedent(traced))
    code = answer.report["findings"][0]["code"]

    assert answer.after is True
    assert lines(code["puts"]) == [line_of(CONDITIONAL, "# put")]
    assert code["puts"][0]["per_unit"] is None
    assert "a trace function is in use" in answer.notes


def test_tracing_ends_with_the_round() -> None:
    """No trace function stays: not in this thread, not for new ones, not on frames that are suspended."""
    source = textwrap.dedent(NEVER_CANCELLED) + textwrap.dedent(
        """
            import sys, threading

            def after():
                frames = [task.get_coro().cr_frame for task in _background]
                return [sys.gettrace(), threading.gettrace(), [f.f_trace for f in frames if f and f.f_trace]]
            """
    )

    assert check_fresh(source).after == [None, None, []]


METER = """
    import json, sys
    from leakdiff.capture.lines import LineMeter

    kept = []

    def put():
        kept.append(1)  # put

    def gone():
        kept.pop()  # gone

    with LineMeter([lambda: len(kept)], lambda path: path == __file__, seconds=SECONDS) as meter:
        for _ in range(10_000):
            put(); put(); gone()
    moves = [[line[1], rise, fall] for line, rise, fall in meter.moves(0)]
    print(json.dumps({"moves": moves, "net": meter.net(0, 1), "was_cut": meter.was_cut, "kept": len(kept)}))
"""


def test_a_line_meter_books_rises_and_falls_on_the_lines_that_make_them() -> None:
    """What a line puts in and another takes out do not cancel out."""
    script = METER.replace("SECONDS", "60")
    found = run_fresh(script)

    assert found["moves"] == [[line_of(script, "# put"), 20_000, 0], [line_of(script, "# gone"), 0, 10_000]]
    assert [line for (_, line), _ in found["net"]] == [line_of(script, "# put")]
    assert not found["was_cut"]


def test_a_line_meter_gives_up_when_it_takes_too_long() -> None:
    """The program ends as it would have, and what was seen until then is told."""
    script = METER.replace("SECONDS", "1e-9")
    found = run_fresh(script)

    assert found["was_cut"]
    assert found["kept"] == 10_000
    assert 0 < found["moves"][0][1] < 20_000


THREADS = """
    import json, sys, threading
    from leakdiff.capture.lines import LineMeter

    kept = []

    def work():
        for _ in range(50):
            kept.append(1)  # put

    with LineMeter([lambda: len(kept)], lambda path: path == __file__) as meter:
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
    print(json.dumps([[line[1], rise, fall] for line, rise, fall in meter.moves(0)]))
"""


def test_a_line_meter_follows_threads_that_start_meanwhile() -> None:
    """A step that works in threads of its own is measured there."""
    assert [line_of(THREADS, "# put"), 50, 0] in run_fresh(THREADS)


def test_reports_with_code_are_json() -> None:
    """What the source says can be stored and compared like the rest."""
    report = check_fresh(ALIASED).report

    assert json.loads(json.dumps(report)) == report


THREAD_LEFT = """
    import gc, json, sys, threading, time, weakref
    from leakdiff.capture.lines import LineMeter

    class Kept(list):
        pass

    kept = Kept()
    seen = weakref.ref(kept)
    stop = threading.Event()
    traces = []

    def work():
        while not stop.is_set():
            time.sleep(0.001)
        traces.append(sys.gettrace())

    def run(gauge):
        with LineMeter([gauge], lambda path: path == __file__):
            worker = threading.Thread(target=work)
            worker.start()
        return worker

    worker = run(lambda box=kept: len(box))
    time.sleep(0.05)
    del kept
    gc.collect()
    gone = seen() is None
    stop.set()
    worker.join()
    print(json.dumps({"gone": gone, "traces": traces}))
"""


def test_a_thread_that_outlives_the_round_is_no_longer_traced() -> None:
    """It takes the trace function back itself, and nothing that was measured is kept alive by it."""
    assert run_fresh(THREAD_LEFT) == {"gone": True, "traces": [None]}


OTHERS_TRACE = """
    import json, sys, threading
    from leakdiff.capture.lines import LineMeter

    def mine(frame, event, argument):
        return None

    with LineMeter([lambda: 0], lambda path: True):
        sys.settrace(mine)
        threading.settrace(mine)
    print(json.dumps([sys.gettrace() is mine, threading.gettrace() is mine]))
"""


def test_a_debugger_that_attaches_meanwhile_stays() -> None:
    """Only our own trace function is taken back."""
    assert run_fresh(OTHERS_TRACE) == [True, True]
