"""How ``leakdiff.check`` is used: steps of every form, the decorator, the report, and what a clean run leaves out."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest

import leakdiff
from fresh import check_fresh, run_fresh, without_numbers

# -- steps -----------------------------------------------------------------------------------------

CALLS = """
import asyncio, collections, functools, json
import leakdiff

calls = collections.Counter()  # counting leaves nothing behind


def called(what):
    calls[str(what)] += 1


def check(step, **knobs):
    return leakdiff.check(step, units=29, patience=0.05, **knobs).verdict


class Work:
    def one(self):
        called("unit")

    def many(self, units):
        called(units)

    def __call__(self):
        called("unit")

    async def later(self):
        called("unit")

    async def many_later(self, units):
        called(units)


class Later:
    async def __call__(self, units):
        called(units)


work = Work()
"""
UNITS = {"unit": 29 * 7}  # two rounds of warm-up and five measured ones
ROUNDS = {"29": 7}
FORMS = {
    "a function without arguments": ("lambda: called('unit')", UNITS),
    "a function of the units": ("lambda units: called(units)", ROUNDS),
    "an argument with a default": ("lambda units='unit': called(units)", UNITS),
    "any arguments": ("lambda *args, **kwargs: called('unit' if not args else args)", UNITS),
    "a method": ("work.one", UNITS),
    "a method of the units": ("work.many", ROUNDS),
    "an object that can be called": ("work", UNITS),
    "a partial": ("functools.partial(called, 'unit')", UNITS),
    "a partial of a method": ("functools.partial(Work.many, work)", ROUNDS),
    "a builtin": ("functools.partial(dict.get, {}, 'unit')", {}),
    "a coroutine function": ("work.later", UNITS),
    "a coroutine function of the units": ("work.many_later", ROUNDS),
    "a partial of a coroutine function": ("functools.partial(work.later)", UNITS),
    "an object whose call is a coroutine": ("Later()", ROUNDS),
    "a function that returns a coroutine": ("lambda: work.later()", UNITS),
    "a function that returns a future": ("lambda units: asyncio.sleep(0, called(units))", ROUNDS),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_step_takes_the_units_or_is_called_once_for_each(form: str) -> None:
    """One required argument means the number of units; none means one call per unit. A clean run has no more calls."""
    step, expected = FORMS[form]
    verdict, calls = run_fresh(CALLS + f"verdict = check({step})\nprint(json.dumps([verdict, calls]))\n")

    assert verdict == "STABLE"
    assert calls == expected


def test_everything_asynchronous_runs_in_one_loop() -> None:
    """Setup, every round and teardown share a loop; what setup started lives on between the rounds."""
    source = """
    import asyncio

    loops = set()
    ticks = []
    task = None


    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0)


    async def setup():
        global task
        loops.add(id(asyncio.get_running_loop()))
        task = asyncio.create_task(tick())


    async def step(units):
        loops.add(id(asyncio.get_running_loop()))
        before = len(ticks)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(ticks) > before
        ticks.clear()


    async def teardown():
        loops.add(id(asyncio.get_running_loop()))
        task.cancel()


    def after():
        return [len(loops), task.cancelled()]
    """
    answer = check_fresh(source)

    assert answer.after == [1, True]
    assert answer.verdict == "STABLE"


def test_an_asynchronous_leak_has_its_owner() -> None:
    """Tasks that wait for ever are found through what holds them."""
    source = """
    import asyncio

    _waiting = set()


    async def step():
        task = asyncio.create_task(asyncio.Event().wait())
        _waiting.add(task)
        await asyncio.sleep(0)
    """
    assert check_fresh(source).blamed == ("LEAK", "app._waiting")


def test_inside_a_running_loop_a_plain_step_works_and_an_asynchronous_one_says_what_to_do() -> None:
    """``check`` cannot await in a loop that it blocks; from a thread it can."""
    script = CALLS + textwrap.dedent("""
        async def main():
            plain = check(work.one)
            try:
                check(work.later)
            except leakdiff.LeakdiffError as error:
                refused = str(error)
            threaded = await asyncio.to_thread(check, work.later)
            return [plain, refused, threaded]


        print(json.dumps(asyncio.run(main())))
        """)
    assert run_fresh(script) == [
        "STABLE",
        (
            "An asynchronous step cannot be measured: check was called inside a running event loop, which it would "
            "block. Call it from another thread: await asyncio.to_thread(leakdiff.check, step)."
        ),
        "STABLE",
    ]


def test_setup_comes_first_and_teardown_last() -> None:
    """Each runs once, also when the step raises; the step's error is the one that is told."""
    script = CALLS + textwrap.dedent("""
        calls = []


        def fail():
            calls.append("fail")
            raise ValueError


        roles = {"setup": lambda: calls.append("setup"), "teardown": lambda: calls.append("teardown")}
        verdict = check(lambda units: calls.append("step"), **roles)
        good, calls[:] = calls[:], []
        try:
            check(fail, **roles)
        except leakdiff.LeakdiffError as error:
            slug = error.slug, type(error.__cause__).__name__
        print(json.dumps([verdict, good, slug, calls]))
        """)
    assert run_fresh(script) == [
        "STABLE",
        ["setup", *["step"] * 7, "teardown"],
        ["step-failed", "ValueError"],
        ["setup", "fail", "teardown"],
    ]


def test_ctrl_c_returns_the_report_of_the_rounds_so_far() -> None:
    """In Python as in the shell: INCONCLUSIVE, with what was measured."""
    script = CALLS + textwrap.dedent("""
        def step(units):
            called(units)
            if calls["29"] == 6:
                raise KeyboardInterrupt


        report = leakdiff.check(step, units=29)
        print(json.dumps([str(report), len(report.rounds)]))
        """)
    line, rounds = run_fresh(script)

    assert line == "leakdiff: INCONCLUSIVE  interrupted in round 4 of 5 after 3 measured rounds"
    assert rounds == 3


# -- the decorator ---------------------------------------------------------------------------------


def test_as_a_decorator_it_repeats_functions_and_methods() -> None:
    """The decorated callable keeps its name and arguments and returns the report."""
    script = CALLS + textwrap.dedent('''
        @leakdiff.check(units=29, patience=0.05)
        def serve(name, *, retries):
            """Serve."""
            called((name, retries))


        class Service:
            def __init__(self):
                self.kept = []

            @leakdiff.check(units=29, patience=0.05)
            def serve(self, size):
                self.kept.append([0] * size)

            @leakdiff.check(units=29, patience=0.05)
            async def serve_later(self, size, units):
                self.kept.extend([0] for _ in range(units))


        service = Service()
        clean = serve("x", retries=3)
        leak = service.serve(4)
        later = service.serve_later(4)
        print(json.dumps({
            "name": [serve.__name__, serve.__doc__],
            "clean": [clean.verdict, calls],
            "leak": [leak.verdict, leak.findings[0].owner],
            "later": [later.verdict, later.findings[0].owner],
        }))
        ''')
    assert run_fresh(script) == {
        "name": ["serve", "Serve."],
        "clean": ["STABLE", {"('x', 3)": 29 * 7}],
        "leak": ["LEAK", "__main__.service.kept"],
        "later": ["LEAK", "__main__.service.kept"],
    }


def test_a_decorator_with_an_unknown_knob_fails_where_it_stands() -> None:
    """The mistake shows when the module is imported, not when the test runs."""
    with pytest.raises(leakdiff.LeakdiffError, match=r"^unit=29 cannot work: unit must be one of "):
        leakdiff.check(unit=29)(lambda: None)


# -- refusals --------------------------------------------------------------------------------------


def test_an_unknown_knob_is_refused_with_those_there_are() -> None:
    """A ValueError, as a caller expects, that lists the names."""
    with pytest.raises(ValueError, match=r"unit must be one of .*patience, rounds, units, warmup\.$") as caught:
        leakdiff.check(lambda: None, unit=29)

    assert isinstance(caught.value, leakdiff.LeakdiffError)


@pytest.mark.parametrize(
    "knobs", [{"rounds": 1}, {"rounds": True}, {"units": 0}, {"units": 2.0}, {"warmup": -1}, {"patience": 0}]
)
def test_a_knob_that_cannot_work_is_refused(knobs: dict[str, Any]) -> None:
    """Before anything runs, with the name, the value and what it must be."""
    ((name, value),) = knobs.items()
    with pytest.raises(ValueError, match=rf"^{name}={value} cannot work: {name} must be a "):
        leakdiff.check(lambda: pytest.fail("it ran"), **knobs)


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (7, "step cannot be used: it is a int; give a function, a method or a callable."),
        (
            lambda one, two: (one, two),
            "step cannot be used: it is a callable that requires one, two; it takes the number of units, or nothing.",
        ),
        (
            lambda *, name: name,
            "step cannot be used: it is a callable that requires name; it takes the number of units, or nothing.",
        ),
    ],
)
def test_what_cannot_be_a_step_is_refused(step: object, sentence: str) -> None:
    """A TypeError, as a caller expects, with what it saw and what to give."""
    with pytest.raises(TypeError) as caught:
        leakdiff.check(step)  # type: ignore[call-overload]

    assert str(caught.value) == sentence
    assert isinstance(caught.value, leakdiff.LeakdiffError)


# -- the report ------------------------------------------------------------------------------------

SERVICE = """
import itertools

_inflight = {}
_numbers = itertools.count()


class Result:
    def __init__(self, rid):
        self.rid = rid
        self.stops = []


def find_driver():
    rid = f"req-{next(_numbers):08x}"
    _inflight[rid] = Result(rid)


def step(units):
    for _ in range(units):
        find_driver()
"""


def test_the_report_of_a_leak_tells_everything_on_the_first_screen() -> None:
    """One line of claim, then what, owner, path, where born, why and what to do."""
    answer = check_fresh(SERVICE)
    lines = [line.rstrip() for line in answer.text.splitlines()]
    heads = [line[2:7].strip() for line in lines[2:]]

    assert answer.line == lines[0]
    assert answer.line.startswith("leakdiff: LEAK  app._inflight grows by 1.00 entries per unit, ")
    assert answer.line.partition("never shrinks    [")[2].rstrip("]") == answer.report["findings"][0]["fingerprint"]
    rows = sorted(set(heads), key=heads.index)
    assert [row for row in rows if row in ("what", "owner", "path", "born", "why", "fix")] == [
        "what", "owner", "path", "born", "why", "fix",
    ]  # fmt: skip
    assert [row for row in rows if row in ("each", "made", "put", "code", "cause")] == [
        "each", "made", "put", "code", "cause",
    ]  # fmt: skip
    assert "  owner  app._inflight     dict, 406 entries         keys: str 'req-' + 8 hex" in lines
    assert "  path   module app ─ _inflight ─ [*] ─ Result" in [line.replace("app.Result", "Result") for line in lines]
    assert any("app.py:16  in find_driver" in line or "app.py:11  in Result.__init__" in line for line in lines)


def test_the_json_of_a_leak_has_every_field_of_format_1() -> None:
    """The names are the schema: they stay, whatever is found."""
    report = check_fresh(SERVICE).report
    (finding,) = report["findings"]

    assert report["format"] == 1
    assert {"verdict", "because", "findings", "rounds", "not_analysed"} <= report.keys()
    assert {
        "verdict", "fingerprint", "owner", "path", "types", "key_shape", "sites", "per_unit", "bound", "because",
    } <= finding.keys()  # fmt: skip
    assert {"objects", "bytes", "blocks", "native_bytes"} <= finding["per_unit"].keys()
    assert all({"name", "per_unit", "count"} <= growth.keys() for growth in finding["types"])
    assert all({"file", "line", "function"} <= site.keys() for site in finding["sites"])
    assert [(step["step"], step["type"]) for step in finding["path"][:2]] == [("app", "module"), ("._inflight", "dict")]
    assert finding["bound"] is None
    assert {growth["name"]: growth["per_unit"] for growth in finding["types"]} == {
        "app.Result": 1.0, "list": 1.0, "str": 1.0,
    }  # fmt: skip


def test_two_runs_differ_by_numbers_only() -> None:
    """Findings, names, reasons and their order are the same on the next run; so is the fingerprint."""
    first, second = check_fresh(SERVICE).report, check_fresh(SERVICE).report
    marks = [[found["fingerprint"] for found in report["findings"]] for report in (first, second)]
    for report in (first, second):
        for found in report["findings"]:
            code = [site for key in ("puts", "gones", "made", "misses") for site in found["code"][key]]
            for site in found["sites"] + code + [growth["site"] for growth in found["types"] if growth["site"]]:
                site["file"] = site["file"].rpartition("/")[2]  # another temporary folder

    assert marks[0] == marks[1]
    assert without_numbers(first) == without_numbers(second)


def test_json_is_sorted_ascii_and_ends_with_a_line() -> None:
    """``json()`` encodes ``as_dict()``: keys sorted, no character above ASCII, one newline at the end."""
    report = leakdiff.Report(verdict=leakdiff.Verdict.STABLE, because="nothing grew — at all")
    text = report.json()

    assert json.loads(text) == report.as_dict()
    assert text.isascii()
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(json.loads(text))


@pytest.mark.parametrize("verdict", ["LEAK", "NATIVE", "INCONCLUSIVE"])
def test_expect_clean_raises_an_assertion_error_that_carries_the_report(verdict: str) -> None:
    """At the end of a test: the text of the report is the message."""
    report = leakdiff.Report(verdict=leakdiff.Verdict(verdict), because="it grew")
    with pytest.raises(AssertionError) as caught:
        report.expect_clean()

    assert isinstance(caught.value, leakdiff.LeakFound)
    assert caught.value.report is report
    assert str(caught.value) == report.text() == f"leakdiff: {verdict}  it grew"


@pytest.mark.parametrize("verdict", ["STABLE", "FILLING", "WARMUP"])
def test_expect_clean_is_silent_where_nothing_leaks(verdict: str) -> None:
    """What is bounded and still fills, or slows down, is no reason to fail a test."""
    report = leakdiff.Report(verdict=leakdiff.Verdict(verdict), because="no")
    report.expect_clean()

    assert report.leaks == ()


def test_a_report_counts_in_its_repr_and_is_iterated_by_finding() -> None:
    """A repr says how much, not what."""
    script = SERVICE + textwrap.dedent("""
        import json
        import leakdiff

        report = leakdiff.check(step, units=29, patience=0.05)
        findings = list(report)
        print(json.dumps([repr(report), repr(findings[0]), findings == list(report.findings) == list(report.leaks)]))
        """)
    report, finding, same = run_fresh(script)

    assert report.startswith("<Report LEAK, 1 finding, ")
    assert finding.startswith("<Finding LEAK  __main__._inflight grows by 1.00 entries per unit")
    assert same


def test_the_graph_of_a_finding_is_names_and_numbers() -> None:
    """``finding.graph`` is a networkx graph that holds texts and counts, and no object of the program."""
    script = SERVICE + textwrap.dedent("""
        import json
        import leakdiff
        import networkx

        graph = leakdiff.check(step, units=29, patience=0.05).findings[0].graph
        plain = all(type(each) in (str, int, float, bool, type(None))
                    for _, held in [*graph.nodes(data=True), *((0, held) for *_, held in graph.edges(data=True))]
                    for each in held.values())
        print(json.dumps([isinstance(graph, networkx.DiGraph), plain, sorted(map(str, graph.nodes))]))
        """)
    is_graph, plain, nodes = run_fresh(script)

    assert is_graph
    assert plain
    assert any("Result" in node for node in nodes)


# -- what a clean run leaves out -------------------------------------------------------------------


def test_a_clean_run_stops_at_the_cheap_tier() -> None:
    """No walk, no tracing, no networkx, no census of the whole heap: five rounds that look at what is new."""
    script = """
    import gc, json, sys, tracemalloc
    import leakdiff

    ballast = [[number] for number in range(50_000)]
    get_objects, start = gc.get_objects, tracemalloc.start
    lengths, started = [], []


    def counted(*args, **kwargs):
        found = get_objects(*args, **kwargs)
        lengths.append(len(found))
        return found


    gc.get_objects = counted
    tracemalloc.start = lambda *args: started.append(args) or start(*args)
    report = leakdiff.check(lambda: [object()], units=29)
    print(json.dumps({
        "verdict": report.verdict,
        "phases": [measured.phase for measured in report.rounds],
        "walked": report.cost.walked,
        "traced": len(started),
        "networkx": "networkx" in sys.modules,
        "most objects looked at": max(lengths) < 2_000,
    }))
    """
    assert run_fresh(script) == {
        "verdict": "STABLE",
        "phases": ["mark"] * 5,
        "walked": 0,
        "traced": 0,
        "networkx": False,
        "most objects looked at": True,
    }


def test_a_leak_is_traced_for_one_round_only() -> None:
    """Tracing makes allocation slow: the walks and all other rounds run without it."""
    script = """
    import json, tracemalloc
    import leakdiff

    kept, traced = [], []


    def step(units):
        traced.append(tracemalloc.is_tracing())
        kept.extend([number] for number in range(units))


    report = leakdiff.check(step, units=29, patience=0.05)
    print(json.dumps([report.verdict, sum(traced), report.cost.walked > 10_000]))
    """
    assert run_fresh(script) == ["LEAK", 1, True]


def test_a_walk_that_may_not_go_on_says_so_and_invents_nothing() -> None:
    """With a budget too small for the heap, the note says where it stopped; an owner that is named is the right one."""
    source = SERVICE + "\n_ballast = [[[number]] for number in range(30_000)]\n"
    answer = check_fresh(source, max_objects=1_000)

    assert "the walk stopped after" in answer.notes
    assert "max_objects=1,000" in answer.notes
    assert set(answer.accused) <= {"app._inflight", None}
    assert answer.verdict != "STABLE"


def test_importing_leakdiff_imports_no_heavy_package() -> None:
    """networkx, psutil and the peers wait until they are needed."""
    script = """
    import json, sys
    import leakdiff

    heavy = {"networkx", "psutil", "pympler", "objgraph", "guppy", "rich", "jinja2", "asyncio", "tracemalloc"}
    print(json.dumps(sorted(heavy & sys.modules.keys())))
    """
    assert run_fresh(script) == []


def test_what_is_ambiguous_is_asked_again_with_another_prime() -> None:
    """Growth that differs from round to round and that nobody owns: more rounds of another number of units may tell."""
    answer = check_fresh("""
        import ctypes, itertools

        _malloc = ctypes.CDLL(None).malloc
        _rounds = itertools.count()
        calls = []

        def setup():
            calls.append("setup")

        def step(units):
            for _ in range(units * (1, 40, 7, 90, 3)[next(_rounds) % 5]):
                _malloc(100)

        def after():
            return calls
    """)

    assert answer.verdict == "INCONCLUSIVE"
    assert answer.after == ["setup"]
    assert "5 rounds of 29 units could not tell" in answer.notes
    assert answer.notes.endswith("asked again with 10 rounds of 43")
    assert {measured["units"] for measured in answer.report["rounds"] if measured["phase"] == "mark"} == {43}
