"""``pytest --leakdiff``: what outlives the tests of a session, who holds it, and what is told of that."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from builder import heap
from leakdiff.judge.fingerprint import fingerprint
from leakdiff.model.baseline import Baseline, KnownLeak
from leakdiff.ownership.gains import find_gains

QUIET = (
    "-p",
    "no:randomly",
    "-p",
    "no:schemathesis",
    "-p",
    "no:asyncio",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestWarning",
)
TELLING = """
    import json
    import pytest
    from leakdiff.testing.session import session_of

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(config):
        session = session_of(config)
        with open("told.json", "w") as file:
            json.dump([session.outlived, session.watched, session.notes], file)
"""


class Told:
    """What a session told: its output, and what it keeps for a report."""

    def __init__(self, result: pytest.RunResult, folder: Path) -> None:
        self.result = result
        self.text = result.stdout.str()
        self.outlived, self.watched, self.notes = json.loads((folder / "told.json").read_text("utf-8"))

    def owner(self, name: str) -> dict[str, Any]:
        """Return what is told of an owner."""
        found: list[dict[str, Any]] = [item for item in self.outlived if item["owner"] == name]
        assert len(found) == 1, [item["owner"] for item in self.outlived]
        return found[0]

    @property
    def suspects(self) -> list[str]:
        """The owners of which no reason is known to keep what they keep, in order."""
        return [item["owner"] for item in self.outlived if not item["kept_by"]]


def watch(pytester: pytest.Pytester, *arguments: str, conftest: str = "", **modules: str) -> Told:
    """Run the tests of some modules once, in an interpreter of their own."""
    pytester.makeconftest(textwrap.dedent(TELLING) + textwrap.dedent(conftest))
    for name, source in modules.items():
        pytester.path.joinpath(f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    result = pytester.runpytest_subprocess("--leakdiff", *QUIET, *arguments, timeout=60)
    return Told(result, pytester.path)


# -- what outlives tests ---------------------------------------------------------------------------

APP = """
    class Order:
        def __init__(self, secret):
            self.lines = [secret]

    orders, names, shelf, last = {}, {}, [], None
"""
SESSION = """
    import pytest, app

    class Cache:
        def __init__(self):
            self.kept = []

    @pytest.fixture(scope="session")
    def database():
        return [app.Order(1) for _ in range(500)]

    @pytest.fixture(scope="module")
    def tables(database):
        yield [app.Order(1) for _ in range(500)]

    @pytest.mark.parametrize("number", range(5))
    def test_order(number, database, tables):
        app.orders[number + 1000] = app.Order("hunter2")

    @pytest.mark.parametrize("number", range(20))
    def test_name(number):
        app.names[f"sw0rdfish {number}"] = b"hunter2" + bytes([number])

    @pytest.mark.parametrize("number", range(6))
    def test_cache(number):
        if app.last is None:
            app.last = Cache()
        app.last.kept.append([number])

    def test_shelf():
        app.shelf.append([app.Order("hunter2") for _ in range(30)])

    def test_import():
        import decimal, wave, xml.dom.minidom
        assert wave.open

    def test_clean():
        assert [app.Order(1)]

    def test_failure():
        here = app.Order("hunter2")
        assert here is None
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run one session with many kinds of tests."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("once")
    for name, source in {"conftest": TELLING, "app": APP, "test_session": SESSION}.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "--leakdiff", *QUIET, "--rootdir=."]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    lines = ended.stdout.splitlines()
    return Told(pytest.RunResult(ended.returncode, lines, [], 0.0), folder)


def test_nothing_fails_by_what_outlives_a_test(session: Told) -> None:
    """It is a summary: only the test that fails by itself does."""
    session.result.assert_outcomes(passed=34, failed=1)

    assert session.watched == 35


def test_an_owner_is_told_with_its_path_and_the_tests_that_it_gained_from(session: Told) -> None:
    """That is what a reader needs to look at the right line, and to mark the right test."""
    told = session.owner("app.orders")

    assert told["owner_type"] == "dict"
    assert told["path"] == "module app ─ orders ─ [*] ─ app.Order"
    assert told["tests"] == [f"test_session.py::test_order[{number}]" for number in range(5)]
    assert (told["entries"], dict(told["types"])["app.Order"]) == (5, 5)


def test_growth_that_gc_does_not_see_is_told_without_its_tests(session: Told) -> None:
    """A dict from str to bytes is tracked no more than its entries are: its length alone tells."""
    told = session.owner("app.names")

    assert 18 <= told["entries"] <= 20
    assert told["tests"] == []
    assert "from some of the tests: which cannot be told" in session.text


def test_a_cache_made_by_a_test_is_an_owner_of_what_others_put_into_it(session: Told) -> None:
    """The test that made it is not one of those that filled it."""
    assert session.owner("app.last.kept")["tests"] == [f"test_session.py::test_cache[{n}]" for n in range(1, 6)]
    assert session.owner("app.last")["tests"] == ["test_session.py::test_cache[0]"]


def test_what_gained_from_most_tests_comes_first(session: Told) -> None:
    """What one test left once may be a cache, however large; what many tests added to is more likely a leak."""
    order = session.suspects

    assert order.index("app.orders") < order.index("app.shelf")
    assert order.index("app.last.kept") < order.index("app.last")
    assert dict(session.owner("app.shelf")["types"])["app.Order"] == 30


def test_fixtures_and_imports_are_not_told(session: Told) -> None:
    """Values of wider fixtures are gone by the end; modules that a test imported stay by design."""
    text = "\n".join(session.suspects)

    assert all(word not in text for word in ("database", "tables", "wave", "decimal", "xml"))


def test_what_pytest_keeps_is_told_apart(session: Told) -> None:
    """The last failure is kept for a debugger, and with it the locals of the test."""
    kept = {item["owner"]: item["kept_by"] for item in session.outlived if item["kept_by"]}

    assert "pytest keeps the last failure" in kept["sys.last_value"]
    assert "kept by pytest, its plugins, or C code" in session.text


def test_the_summary_is_honest_about_one_look(session: Told) -> None:
    """It names no leak, and says how to find out."""
    told = session.text.partition("= leakdiff =")[2]

    assert "LEAK" not in told
    assert "run --leakdiff=repeat" in told
    assert "leakdiff itself took " in told


def test_no_value_is_told(session: Told) -> None:
    """Neither keys nor values of the program are in the summary or in what a report is made of."""
    told = session.text.partition("= leakdiff =")[2] + json.dumps(session.outlived)

    assert "hunter2" not in told
    assert "sw0rdfish" not in told


def test_a_clean_session_says_so(pytester: pytest.Pytester) -> None:
    """Two lines, no advice."""
    told = watch(pytester, test_clean="def test_one(): assert [[1]]\ndef test_two(): assert {1: []}")

    assert told.outlived == []
    assert "2 tests watched once: nothing outlived them under an owner of the program's own" in told.text
    assert "--leakdiff=repeat" not in told.text


def test_a_module_that_a_test_imports_may_gain_from_later_tests(pytester: pytest.Pytester) -> None:
    """What it held when it was imported is warm-up; what is added then is not, whether gc sees it or not."""
    told = watch(
        pytester,
        lazy="shelf = [[1], [2]]\nnames = {str(n): b'' for n in range(5)}",
        test_lazy="""
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_one(number):
            import lazy
            if number:
                lazy.shelf.append([number])
                lazy.names[f"a{number}"] = b""
        """,
    )

    assert told.suspects == ["lazy.shelf", "lazy.names"]
    assert len(told.owner("lazy.shelf")["tests"]) == 5
    assert told.owner("lazy.names")["entries"] == 5


def test_plugins_of_the_program_are_owners_too(pytester: pytest.Pytester) -> None:
    """Only pytest holds an object that was registered as a plugin; what it keeps is not pytest's."""
    told = watch(
        pytester,
        conftest="""
        class Recorder:
            def __init__(self):
                self.calls = []

            def pytest_runtest_teardown(self, item):
                self.calls.append([1])

        def pytest_configure(config):
            config.pluginmanager.register(Recorder())
        """,
        test_some="def test_one(): pass\ndef test_two(): pass",
    )

    assert told.suspects == ["plugin Recorder.calls"]


def test_hostile_objects_are_left_alone(pytester: pytest.Pytester) -> None:
    """Nothing of theirs is called: not even by what compares, hashes or prints them."""
    told = watch(
        pytester,
        test_hostile="""
        class Meta(type):
            __hash__ = __eq__ = __module__ = None

        class Hostile(metaclass=Meta):
            def refuse(self, *_):
                raise SystemExit("called")
            __eq__ = __hash__ = __repr__ = __bool__ = __len__ = __getattribute__ = __sizeof__ = refuse
            __class__ = property(refuse)

        kept = []

        def test_one():
            kept.append(Hostile())
            kept.append({0: Hostile()})

        def test_two():
            kept.append([Hostile()])
        """,
    )

    told.result.assert_outcomes(passed=2)
    assert len(told.owner("test_hostile.kept")["tests"]) == 2


# -- a guest ---------------------------------------------------------------------------------------


def test_tests_that_collect_garbage_find_what_they_would_without_us(pytester: pytest.Pytester) -> None:
    """A cycle that is older than the test goes, and what is new is among all objects; it is still told."""
    told = watch(
        pytester,
        test_gc="""
        import gc, weakref

        class Node:
            def __init__(self):
                self.me = self

        old, kept = [Node()], []

        def test_old_cycle():
            seen = weakref.ref(old.pop())
            kept.append([1])
            assert seen() is not None
            gc.collect()
            assert seen() is None
            mine = [Node()]
            kept.append([2])
            assert any(found is mine for found in gc.get_objects())

        def test_garbage_of_another_test():
            kept.append([Node()])
            kept.pop()
            assert gc.collect() > 0
        """,
    )

    told.result.assert_outcomes(passed=2)
    assert told.owner("test_gc.kept")["tests"] == ["test_gc.py::test_old_cycle"]
    assert told.owner("test_gc.kept")["entries"] == 2


def test_old_garbage_is_collected_between_tests(pytester: pytest.Pytester) -> None:
    """Where it takes a small share of the time: a long session must not keep it to the end."""
    told = watch(
        pytester,
        conftest="""
        from leakdiff.capture import lifetimes

        lifetimes._SHARE = 1e9  # as if ages had passed
        """,
        test_old="""
        import weakref

        class Node:
            def __init__(self):
                self.me = self

        old, kept = [Node()], []
        seen = weakref.ref(old[0])

        def test_drop():
            old.clear()
            assert seen() is not None
            kept.append([1])

        def test_gone():
            assert seen() is None
            kept.append([2])
        """,
    )

    told.result.assert_outcomes(passed=2)
    assert len(told.owner("test_old.kept")["tests"]) == 2


def test_everything_is_put_back(pytester: pytest.Pytester) -> None:
    """No hook stays, and nothing is frozen that was not."""
    told = watch(
        pytester,
        conftest="""
        import gc

        before = len(gc.callbacks), gc.get_freeze_count(), gc.isenabled(), gc.get_threshold()

        @pytest.hookimpl(trylast=True)
        def pytest_unconfigure():
            assert (len(gc.callbacks), gc.get_freeze_count(), gc.isenabled(), gc.get_threshold()) == before
        """,
        test_one="import gc\ndef test_one(): assert gc.get_freeze_count() > 1000",
    )

    assert told.result.ret == 0


def test_a_heap_that_the_program_froze_stays_frozen(pytester: pytest.Pytester) -> None:
    """Its marks are the program's own; we add to them, and take none away."""
    told = watch(
        pytester,
        conftest="""
        import gc

        def pytest_collection_finish():
            gc.freeze()

        @pytest.hookimpl(trylast=True)
        def pytest_unconfigure():
            assert gc.get_freeze_count() > 5000
        """,
        test_one="kept = []\ndef test_one(): kept.append([1])",
    )

    assert told.result.ret == 0
    assert told.suspects == ["test_one.kept"]


def test_a_test_that_thaws_the_heap_is_left_out_with_a_note(pytester: pytest.Pytester) -> None:
    """Then all objects look new: what it left is not told, rather than told wrongly."""
    told = watch(
        pytester,
        test_thaw="""
        import gc
        kept = []
        def test_thaw():
            gc.unfreeze()
            kept.append([1])
        def test_two():
            kept.append([2])
        """,
    )

    assert told.notes == ["1 test called gc.unfreeze(): what outlived it is not known"]
    assert told.owner("test_thaw.kept")["tests"] == ["test_thaw.py::test_two"]


def test_tests_that_check_themselves_find_a_heap_that_nobody_froze(pytester: pytest.Pytester) -> None:
    """They set marks of their own; the summary says that they were not watched."""
    told = watch(
        pytester,
        test_marked="""
        import pytest
        kept = []

        @pytest.mark.leakdiff(units=7, rounds=3)
        def test_marked():
            assert sorted([2, 1])

        def test_fixture(leakdiff):
            report = leakdiff.check(lambda: sorted([2, 1]), units=7, rounds=3)
            assert report.not_analysed == ()

        def test_plain():
            kept.append([1])
        """,
    )

    told.result.assert_outcomes(passed=3)
    assert told.notes == ["2 tests check themselves for leaks, and were not watched"]
    assert told.suspects == ["test_marked.kept"]
    assert "2 checks: 2 STABLE; 0 failed" in told.text


def test_an_interrupted_session_tells_what_it_saw(pytester: pytest.Pytester) -> None:
    """Fixtures are torn down before the look, as at any end."""
    told = watch(
        pytester,
        "-x",
        test_stop="""
        import pytest
        kept = []

        @pytest.fixture(scope="session")
        def wide():
            return [[1] for _ in range(100)]

        def test_one(wide):
            kept.append([1])

        def test_two(wide):
            raise RuntimeError

        def test_three(wide):
            kept.append([3])
        """,
    )

    assert told.watched == 2
    assert told.owner("test_stop.kept")["tests"] == ["test_stop.py::test_one"]
    assert "wide" not in "".join(told.suspects)


# -- other processes, and what is known ------------------------------------------------------------

SHELF = """
    import pytest
    shelf = []

    @pytest.mark.parametrize("number", range(8))
    def test_shelf(number):
        shelf.append([number])
"""


def test_workers_of_xdist_send_what_they_found(pytester: pytest.Pytester) -> None:
    """Each looks at its own process; the controller makes one owner of what has the same name."""
    told = watch(pytester, "-n2", test_shelf=SHELF)

    told.result.assert_outcomes(passed=8)
    assert told.watched == 8
    assert told.suspects == ["test_shelf.shelf"]
    assert sorted(told.owner("test_shelf.shelf")["tests"]) == [f"test_shelf.py::test_shelf[{n}]" for n in range(8)]


def test_a_worker_that_goes_down_is_said(pytester: pytest.Pytester) -> None:
    """What outlived its tests went with it."""
    told = watch(pytester, "-n1", "--max-worker-restart=0", test_crash="import os\ndef test_one(): os._exit(1)")

    assert told.notes == ["a worker went down (gw0): what outlived the tests it ran is not known"]


def test_owners_that_the_baseline_knows_are_left_out_where_that_is_asked_for(pytester: pytest.Pytester) -> None:
    """By their fingerprint, which is that of a leak that was checked."""
    known = KnownLeak(
        target="another",
        fingerprint=fingerprint("test_shelf.shelf", "list"),
        owner="test_shelf.shelf",
        verdict="LEAK",
        per_unit=1.0,
        counted="entries",
        since="0",
    )
    Baseline((known,)).save(pytester.path / "known.json")

    told = watch(pytester, "--leakdiff-baseline=known.json", "--leakdiff-new-only", test_shelf=SHELF)
    assert told.suspects == []
    told = watch(pytester, "--leakdiff-baseline=known.json", test_shelf=SHELF)
    assert told.suspects == ["test_shelf.shelf"]


# -- the graph -------------------------------------------------------------------------------------


def test_holders_of_the_same_objects_are_told_together() -> None:
    """What adds nothing of its own comes behind, and is named with the first that holds the same."""
    graph = heap(rounds=4)
    graph.holder("orders", grown=4).holder("index", "list", grown=4)
    graph.each_round(1, "app.Order", under="orders", name="order").link("index", "order")

    first, second = find_gains(graph.graph())
    assert (first.births, second.births) == ((1, 2, 3, 4), (1, 2, 3, 4))
    assert (first.also, second.also) == ((1,), ())


def test_an_object_counts_once_for_each_place_that_gained_it() -> None:
    """What is younger than what holds it was gained by that, and not by what is above."""
    graph = heap(rounds=4)
    graph.holder("module", "types.ModuleType").in_round(1, 1, "app.Cache", under="module", name="cache")
    graph.each_round(1, "app.Order", under="cache", name="order")

    found = {gain.found.path: gain for gain in find_gains(graph.graph())}
    counted = Counter(gain.found.objects for gain in found.values())
    assert counted == {1: 3, 2: 1}  # the cache with the order of its own round, and an order under it for each other
