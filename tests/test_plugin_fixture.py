"""The fixture: a loop whose body is one unit of work, blocks that run once, objects that go, and watched containers."""

from __future__ import annotations

import gc
import json
import signal
import sys
import threading
from textwrap import dedent

import pytest

from fresh import run_fresh
from leakdiff.capture.lookup import how_far
from leakdiff.errors import BadRounds
from leakdiff.model.report import Verdict
from leakdiff.options import Options
from leakdiff.testing.rounds import Rounds, found_by

APP = """
import itertools

inflight = {}
limit = 3
numbers = itertools.count()


class Driver:
    pass


class Slotted:
    __slots__ = ()


class Service:
    def __init__(self):
        self.pending = []

    def take(self):
        self.pending.append(Driver())


def find():
    inflight[f"req-{next(numbers):08x}"] = Driver()


def look():
    return Driver()
"""

SETTLED = """
import gc, sys, threading


def test_everything_is_put_back():
    assert gc.get_freeze_count() < 1000
    assert gc.isenabled()
    assert sys.gettrace() is None
    assert not [thread for thread in threading.enumerate() if "Dummy" in thread.name]
"""
FAST = "rounds=3, units=5, patience=0.05"


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a small program, and no plugins but those that are asked for."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(app=APP)
    return pytester


def run(inner: pytest.Pytester, source: str, *options: str, settled: bool = True) -> pytest.RunResult:
    """Run tests of the program in another process, and after them one that sees that everything was put back."""
    end = SETTLED if settled else ""
    inner.makepyfile(test_app=f"import asyncio\nimport pytest\nimport app\n{dedent(source)}\n{end}")
    return inner.runpytest_subprocess("-pleakdiff.pytest_plugin", "-pno:cacheprovider", *options)


# -- loops -----------------------------------------------------------------------------------------


def test_the_body_of_a_loop_is_judged_as_one_unit_of_work(inner: pytest.Pytester) -> None:
    """A loop that leaks fails with the owner and the line in the test itself; one that does not passes."""
    result = run(
        inner,
        f"""
        def test_leaks(leakdiff):
            with leakdiff.no_growth():
                for _ in leakdiff.rounds({FAST}):
                    app.inflight[next(app.numbers)] = app.Driver()

        def test_alone(leakdiff):
            for _ in leakdiff.rounds({FAST}):
                app.find()

        def test_is_clean(leakdiff):
            with leakdiff.no_growth():
                for _ in leakdiff.rounds({FAST}):
                    app.look()
        """,
    )

    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: LEAK  app.inflight grows by 1.00 entries per unit*",
            "  put    test_app.py:*in test_leaks*app.inflight[[]next(app.numbers)] = app.Driver()",
            "*__ test_alone __*",
            "leakdiff: LEAK  app.inflight grows by 1.00 entries per unit*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_demands_of_a_block_and_of_its_loop_add_up(inner: pytest.Pytester) -> None:
    """What a block ignores or allows holds for the loop in it; what the loop says itself wins."""
    result = run(
        inner,
        f"""
        def test_ignored(leakdiff):
            with leakdiff.no_growth(ignore="app.inf*"):
                for _ in leakdiff.rounds({FAST}):
                    app.find()

        def test_allowed(leakdiff):
            with leakdiff.no_growth(max_growth=1):
                for _ in leakdiff.rounds({FAST}):
                    app.find()

        def test_the_loop_wins(leakdiff):
            with leakdiff.no_growth(max_growth=1):
                for _ in leakdiff.rounds(max_growth=0.5, {FAST}):
                    app.find()

        def test_unknown(leakdiff):
            leakdiff.rounds(units=0)
        """,
    )

    result.assert_outcomes(failed=2, passed=3)
    result.stdout.fnmatch_lines(["leakdiff: LEAK*app.inflight*", "leakdiff: units=0 cannot work*bad-option*"])


def test_what_only_the_thread_of_the_loop_has_is_seen(inner: pytest.Pytester) -> None:
    """Its local variables, and the values of its context variables, are owners as in any check."""
    result = run(
        inner,
        f"""
        from contextvars import ContextVar

        seen = ContextVar("seen", default=())

        def test_local(leakdiff):
            kept = []
            for _ in leakdiff.rounds({FAST}):
                kept.append(app.Driver())

        def test_context(leakdiff):
            for _ in leakdiff.rounds({FAST}):
                seen.set([*seen.get(), app.Driver()])
        """,
    )

    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: LEAK  test_local() local kept grows by 1.00 entries per unit*",
            "leakdiff: LEAK  current context seen grows by *",
        ]
    )


def test_a_loop_in_a_coroutine_awaits_in_its_body(inner: pytest.Pytester) -> None:
    """Asynchronous tests have the plain loop; a block and expect_gone work in them as well."""
    result = run(
        inner,
        f"""
        pytestmark = pytest.mark.anyio

        async def test_leaks(leakdiff):
            for _ in leakdiff.rounds({FAST}):
                await asyncio.sleep(0)
                app.find()

        async def test_is_clean(leakdiff):
            for _ in leakdiff.rounds({FAST}):
                await asyncio.sleep(0)
                app.look()

        async def test_block_is_clean(leakdiff):
            with leakdiff.no_growth():
                await asyncio.sleep(0)
                driver = app.Driver()

        async def test_still_a_local(leakdiff):
            driver = app.Driver()
            leakdiff.expect_gone(driver, grace=0).check()

        async def test_goes(leakdiff):
            driver = app.Driver()
            await asyncio.sleep(0)
            leakdiff.expect_gone(driver)
        """,
        "-panyio",
        "-knot trio",
    )

    result.assert_outcomes(failed=2, passed=4, deselected=5)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: LEAK  app.inflight grows*",
            "leakdiff: ALIVE  app.Driver should be gone, but the local driver of test_still_a_local() holds it*",
        ]
    )


def test_an_error_in_the_body_is_what_the_test_shows(inner: pytest.Pytester) -> None:
    """The check ends at once, also where somebody keeps the loop; a leak that it would have found is not told."""
    result = run(
        inner,
        """
        def test_raises(leakdiff):
            for _ in leakdiff.rounds():
                app.find()
                raise ValueError("of the user")

        def test_raises_in_a_later_pass(leakdiff):
            loop = leakdiff.rounds()
            for number, _ in enumerate(loop):
                if number == 40:
                    raise ValueError("in pass 40")

        def test_is_skipped(leakdiff):
            for _ in leakdiff.rounds():
                pytest.skip("not today")
        """,
    )

    result.assert_outcomes(failed=2, passed=1, skipped=1)
    result.stdout.fnmatch_lines(["E*ValueError: of the user", "E*ValueError: in pass 40"])
    result.stdout.no_fnmatch_line("*bad-rounds*")


def test_a_loop_that_is_left_early_fails_with_one_sentence(inner: pytest.Pytester) -> None:
    """By break, by return, by keeping it, or by catching what it raised: nothing can be said then."""
    result = run(
        inner,
        """
        def test_break(leakdiff):
            with leakdiff.no_growth():
                for _ in leakdiff.rounds():
                    break

        def test_return(leakdiff):
            for _ in leakdiff.rounds():
                return

        def test_keep(leakdiff):
            loop = leakdiff.rounds()
            next(loop)
            next(loop)

        def test_catch(leakdiff):
            with pytest.raises(ValueError):
                for _ in leakdiff.rounds():
                    raise ValueError

        def test_never_begun(leakdiff):
            leakdiff.rounds()
        """,
    )

    result.assert_outcomes(failed=4, passed=2)
    result.stdout.fnmatch_lines(
        ["leakdiff: The loop over leakdiff.rounds() was left in pass 1, before it had measured*bad-rounds[]]"] * 2
        + ["leakdiff: The loop over leakdiff.rounds() was left in pass 2,*"]
    )


def test_a_loop_stands_neither_in_another_nor_in_a_marked_test(inner: pytest.Pytester) -> None:
    """Both would repeat the same work; each is refused with a sentence."""
    result = run(
        inner,
        """
        def test_nested(leakdiff):
            for _ in leakdiff.rounds():
                for _ in leakdiff.rounds():
                    pass

        @pytest.mark.leakdiff
        def test_marked(leakdiff):
            for _ in leakdiff.rounds():
                pass

        @pytest.mark.leakdiff
        def test_marked_block(leakdiff):
            with leakdiff.no_growth():
                pass

        @pytest.mark.leakdiff
        def test_marked_check(leakdiff):
            leakdiff.check(app.look)
        """,
    )

    result.assert_outcomes(failed=4, passed=1)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: A loop over leakdiff.rounds() began inside another one.*bad-rounds[]]",
            "leakdiff: leakdiff.rounds() stands in a test with the marker*bad-rounds[]]",
            "leakdiff: leakdiff.no_growth() stands in a test with the marker*bad-rounds[]]",
            "leakdiff: leakdiff.check() stands in a test with the marker*bad-rounds[]]",
        ]
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent in another way there")
def test_ctrl_c_ends_the_session_and_puts_everything_back(inner: pytest.Pytester) -> None:
    """Whether the body runs or the check does; the tests that follow are not run."""
    inner.makeconftest(
        """
        import gc

        def pytest_unconfigure():
            print("frozen:", gc.get_freeze_count() > 1000)
        """
    )
    result = run(
        inner,
        f"""
        import os, signal, time, threading

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored, as for what runs behind

        def test_endless(leakdiff):
            threading.Timer(0.2, os.kill, (os.getpid(), {int(signal.SIGINT)})).start()
            for _ in leakdiff.rounds(rounds=1_000_000):
                time.sleep(0.0001)
        """,
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*", "frozen: False"])


def test_ctrl_c_while_the_loop_waits_for_the_check_ends_both() -> None:
    """What the check asks the thread of the loop to do may raise: the check ends by it, and nothing stays frozen."""
    rounds = Rounds(Options(rounds=3, units=5, warmup=1, patience=0.05))
    kept: list[list[int]] = []
    exchange = rounds._exchange  # noqa: SLF001 - a test cannot time a key press
    asked = exchange.call

    def interrupted(function: object) -> object:  # noqa: ARG001 - in place of what was asked for
        def press() -> None:
            raise KeyboardInterrupt

        return asked(press)

    exchange.call = interrupted  # type: ignore[method-assign]
    for _ in rounds:
        kept.append([len(kept)])

    with pytest.raises(KeyboardInterrupt):
        found_by(rounds)
    assert rounds.examined is not None
    assert rounds.examined.report.verdict is Verdict.INCONCLUSIVE
    assert gc.get_freeze_count() < 1000


def test_a_loop_that_is_dropped_leaves_no_thread_and_no_mark() -> None:
    """The check has ended when the loop has, however early."""
    threads = threading.active_count()
    for passes in (1, 6, 17):
        rounds = Rounds(Options(rounds=3, units=5, warmup=1))
        for _ in rounds:
            if rounds.passes == passes:
                break
        rounds.close()

        with pytest.raises(BadRounds, match=f"in pass {passes}"):
            found_by(rounds)
        assert gc.get_freeze_count() < 1000
    assert threading.active_count() == threads


def test_a_line_of_the_loop_is_measured_as_in_a_check() -> None:
    """Lines that move an owner, C calls that leave memory: the frame that runs already is traced, and let go of."""
    found = run_fresh(
        """
        import ctypes, json, sys, weakref
        from leakdiff.options import Options
        from leakdiff.testing.rounds import Rounds, found_by

        class Driver: pass
        inflight = {}
        malloc = ctypes.CDLL(None).malloc
        malloc.restype = ctypes.c_void_p

        def entries():
            number, rounds = 0, Rounds(Options(units=29, patience=0.05))
            for _ in rounds:
                number += 1
                driver = Driver()
                inflight[number] = driver
                inflight[-number] = driver
                del inflight[-number]
            report = found_by(rounds).report
            code = report.findings[0].code
            moved = [(site.site.code, site.per_unit) for site in (*code.puts, *code.gones)]
            gone = weakref.ref(driver)
            inflight.clear()
            del driver
            return [report.findings[0].owner, moved, gone() is None]

        def native():
            rounds = Rounds(Options(units=29, patience=0.05))
            for _ in rounds:
                malloc(1000)
            found = found_by(rounds).report.findings[0]
            return [str(found.verdict), found.sites[0].code, found.native.calls[0].function]

        print(json.dumps([entries(), native(), sys.gettrace() is None and sys.getprofile() is None]))
        """
    )

    owner, moved, is_gone = found[0]
    assert owner == "__main__.inflight"
    assert ["inflight[number] = driver", 1.0] in moved
    assert ["del inflight[-number]", -1.0] in moved
    assert is_gone
    assert found[1:] == [["NATIVE", "malloc(1000)", "malloc"], True]


# -- blocks that run once --------------------------------------------------------------------------


def test_what_a_block_leaves_behind_is_told_as_a_fact(inner: pytest.Pytester) -> None:
    """What, how many, and who holds it: a module, the value of a fixture, or an object in a local variable."""
    result = run(
        inner,
        """
        @pytest.fixture
        def service():
            return app.Service()

        def test_module(leakdiff):
            with leakdiff.no_growth():
                for _ in range(3):
                    app.find()

        def test_fixture(leakdiff, service):
            with leakdiff.no_growth():
                service.take()

        def test_local(leakdiff):
            mine = app.Service()
            with leakdiff.no_growth():
                mine.take()

        class TestClass:
            def test_self(self, leakdiff):
                self.service = app.Service()
                with leakdiff.no_growth():
                    self.service.take()
        """,
    )

    result.assert_outcomes(failed=4, passed=1)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: GREW  3 app.Driver born in this block are alive after it, held by app.inflight    [[]*",
            "  what   +3 app.Driver*",
            "  owner  app.inflight     dict, 3 entries         keys: str*",
            "  path   module app ─ inflight ─ [[][*][]] ─ app.Driver",
            "leakdiff: GREW  1 app.Driver born in this block is alive after it, held by fixture service.pending*",
            "leakdiff: GREW  1 app.Driver *, held by test_local() local mine.pending*",
            "leakdiff: GREW  1 app.Driver *, held by the test's TestClass.service.pending*",
        ]
    )


def test_what_is_no_growth_of_a_block_is_left_out(inner: pytest.Pytester) -> None:
    """Local variables, imports, garbage, bounded caches, what pytest and Python keep, and what is allowed."""
    result = run(
        inner,
        """
        import collections, functools, logging, warnings

        newest = collections.deque(maxlen=2)

        @functools.lru_cache(maxsize=8)
        def cached(key):
            return app.Driver()

        def test_local(leakdiff):
            with leakdiff.no_growth():
                kept = [app.Driver() for _ in range(5)]

        def test_import(leakdiff):
            with leakdiff.no_growth():
                import wsgiref.simple_server

        def test_garbage(leakdiff):
            with leakdiff.no_growth():
                one = app.Driver()
                one.itself = one
                del one

        def test_bounded(leakdiff):
            with leakdiff.no_growth():
                newest.append(app.Driver())
                cached(1)

        def test_kept_by_pytest(leakdiff, caplog, monkeypatch, tmp_path):
            with leakdiff.no_growth():
                logging.getLogger("of the test").warning("with %s", app.Driver())
                monkeypatch.setattr(app, "limit", 4)

        def test_ignored(leakdiff):
            with leakdiff.no_growth(ignore=["app.in*"]):
                app.find()

        def test_allowed(leakdiff):
            with leakdiff.no_growth(max_growth=2):
                app.find()
                app.find()

        def test_an_error_is_shown_alone(leakdiff):
            with leakdiff.no_growth():
                app.find()
                raise ValueError("of the user")
        """,
    )

    result.assert_outcomes(failed=1, passed=8)
    result.stdout.fnmatch_lines(["E*ValueError: of the user"])


def test_blocks_nest(inner: pytest.Pytester) -> None:
    """The inner one tells what is its own; where it is content, the outer one tells what is."""
    result = run(
        inner,
        """
        def test_inner(leakdiff):
            with leakdiff.no_growth(ignore="*"):
                with leakdiff.no_growth():
                    app.find()

        def test_outer(leakdiff):
            with leakdiff.no_growth():
                with leakdiff.no_growth():
                    app.look()
                app.find()
                app.find()
        """,
    )

    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: GREW  1 app.Driver born in this block is alive*held by app.inflight*",
            "leakdiff: GREW  2 app.Driver born in this block are alive*held by app.inflight*",
        ]
    )


def test_a_block_that_could_not_be_looked_at_is_inconclusive(inner: pytest.Pytester) -> None:
    """Where the walk ends before it has found anything, the test does not pass, but where that is what it asks for."""
    result = run(
        inner,
        """
        def test_too_large(leakdiff):
            with leakdiff.no_growth(max_objects=1_000):
                app.find()

        def test_is_accepted(leakdiff):
            with leakdiff.no_growth(max_objects=1_000, verdicts="LEAK"):
                app.find()
        """,
        "--junitxml=junit.xml",
    )

    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: INCONCLUSIVE  what was born in this block may be held where nobody looked",
            "  why    the walk stopped after * objects (max_objects=1,000)",
            "  fix    let it go on: leakdiff.no_growth(max_objects=..., max_seconds=...)",
            "*= leakdiff =*",
            "test_app.py::test_too_large: INCONCLUSIVE  what was born in this block may be held where nobody looked",
        ]
    )
    result.stdout.no_fnmatch_line("*STABLE*")
    assert "leakdiff.owner" not in (inner.path / "junit.xml").read_text(encoding="utf-8")


# -- objects that should go ------------------------------------------------------------------------


def test_an_object_that_stays_fails_with_who_holds_it(inner: pytest.Pytester) -> None:
    """In the call phase, after the variables of the test are gone: by a module, a fixture's function, C code."""
    result = run(
        inner,
        """
        import collections, ctypes, weakref

        @pytest.fixture
        def waiting():
            driver = app.Driver()
            yield weakref.ref(driver)

        def test_module(leakdiff):
            driver = app.Driver()
            app.inflight["req-00000001"] = driver
            leakdiff.expect_gone(driver, grace=0)

        def test_generator(leakdiff, waiting):
            leakdiff.expect_gone(waiting(), grace=0)

        def test_c_code(leakdiff):
            driver = app.Driver()
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(driver))
            leakdiff.expect_gone(driver, grace=0)

        def test_two(leakdiff):
            driver = app.Driver()
            app.inflight[1], app.Service.last = driver, driver
            leakdiff.expect_gone(driver, grace=0)

        recent = collections.deque(maxlen=8)

        def test_bounded_container(leakdiff):
            driver = app.Driver()
            recent.append(driver)
            leakdiff.expect_gone(driver, grace=0)
        """,
    )

    result.assert_outcomes(failed=5, passed=1)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: ALIVE  app.Driver should be gone, but app.inflight holds it    [[]*",
            "  path   module app ─ inflight ─ [[][*][]] ─ app.Driver",
            "  why    it was alive after a collection and 0 s of grace",
            "leakdiff: ALIVE  app.Driver should be gone, but the local driver of waiting() holds it*",
            "leakdiff: ALIVE  app.Driver should be gone, and no path leads to it",
            "  path   no referrer: held by C code",
            "  refs   reference count 1, 0 visible referrers",
            "leakdiff: ALIVE  app.Driver should be gone, but app.* holds it*",
            "  also   held by app.*",
            "leakdiff: ALIVE  app.Driver should be gone, but test_app.recent holds it*",
        ]
    )


def test_an_object_that_goes_passes(inner: pytest.Pytester) -> None:
    """At once, by a collection, by another thread within the time of grace, or where only pytest has it."""
    result = run(
        inner,
        """
        import logging, threading

        def test_variable_of_the_test(leakdiff):
            driver = app.Driver()
            leakdiff.expect_gone(driver)

        def test_cycle(leakdiff):
            driver = app.Driver()
            driver.itself = driver
            gone = leakdiff.expect_gone(driver)
            del driver
            gone.check()
            assert gone.took_collection

        def test_block(leakdiff):
            driver = app.Driver()
            with leakdiff.expect_gone(driver):
                del driver

        def test_grace(leakdiff):
            driver = app.Driver()
            timer = threading.Timer(0.1, print, [driver])
            timer.start()
            leakdiff.expect_gone(driver, grace=30)

        def test_logged(leakdiff):
            driver = app.Driver()
            logging.getLogger("of the test").warning("with %s", driver)
            leakdiff.expect_gone(driver, grace=0)
        """,
    )

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["note: *test_logged: app.Driver was expected to be gone, and only pytest holds it*"])


def test_the_time_of_grace_ends_where_a_test_has_stopped_the_clock(inner: pytest.Pytester) -> None:
    """As freezegun does: it is measured by the clock there was before."""
    result = run(
        inner,
        """
        import time

        def test_stopped(leakdiff, monkeypatch):
            readings = iter([0.0] * 500)  # in the end it raises: nobody waits for ever
            monkeypatch.setattr(time, "monotonic", lambda: next(readings))
            monkeypatch.setattr(time, "sleep", lambda seconds: None)
            driver = app.inflight[1] = app.Driver()
            leakdiff.expect_gone(driver, grace=0.05)
        """,
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["leakdiff: ALIVE  app.Driver should be gone, but app.inflight holds it*"])


def test_what_pytest_holds_does_not_excuse_others(inner: pytest.Pytester) -> None:
    """Where there are more references than those of pytest, C code is said to hold the object."""
    result = run(
        inner,
        """
        import ctypes, logging

        def test_logged_and_leaked(leakdiff):
            driver = app.Driver()
            logging.getLogger("of the test").warning("with %s", driver)
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(driver))
            leakdiff.expect_gone(driver, grace=0)
        """,
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["leakdiff: ALIVE  app.Driver should be gone, and no path leads to it"])


def test_a_variable_of_the_test_is_told_apart(inner: pytest.Pytester) -> None:
    """Checked before the test has ended, an object may be alive by its own variable: delete that."""
    result = run(
        inner,
        """
        def test_block(leakdiff):
            driver = app.Driver()
            with leakdiff.expect_gone(driver, grace=0):
                pass

        def test_block_and_module(leakdiff):
            driver = app.inflight[1] = app.Driver()
            with leakdiff.expect_gone(driver, grace=0):
                pass
        """,
    )

    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: ALIVE  app.Driver should be gone, but the local driver of test_block() holds it*",
            "  fix    `del driver` before it is checked*",
            "leakdiff: ALIVE  app.Driver should be gone, but app.inflight holds it*",
        ]
    )


def test_what_cannot_be_expected_is_refused(inner: pytest.Pytester) -> None:
    """Each with what it is and what to do: no weak reference, the value of a fixture, a bad time of grace."""
    result = run(
        inner,
        """
        @pytest.fixture
        def driver():
            return app.Driver()

        def test_number(leakdiff):
            leakdiff.expect_gone(3)

        def test_slots(leakdiff):
            leakdiff.expect_gone(app.Slotted())

        def test_fixture(leakdiff, driver):
            leakdiff.expect_gone(driver)

        def test_grace(leakdiff):
            leakdiff.expect_gone(app.Driver(), grace=-1)
        """,
    )

    result.assert_outcomes(failed=4, passed=1)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: This int cannot be watched: objects of its type cannot be weakly referenced.*cannot-expect[]]",
            "leakdiff: This app.Slotted cannot be watched: *__weakref__*cannot-expect[]]",
            "leakdiff: This app.Driver cannot be watched: it is the value of 'driver'*cannot-expect[]]",
            "leakdiff: grace=-1 cannot work*bad-option[]]",
        ]
    )


def test_nothing_is_asked_of_a_test_that_failed_anyway(inner: pytest.Pytester) -> None:
    """Its own error is what it shows: its variables live on in the traceback."""
    result = run(
        inner,
        """
        def test_fails(leakdiff):
            driver = app.Driver()
            leakdiff.expect_gone(driver)
            leakdiff.watch_container("app.inflight")
            app.find()
            assert not driver, "of the user"
        """,
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["E*AssertionError: of the user"])
    result.stdout.no_fnmatch_line("leakdiff: *")


# -- containers ------------------------------------------------------------------------------------


def test_a_container_that_gains_entries_fails_the_test(inner: pytest.Pytester) -> None:
    """By the end of the test or of a block, with how many and of what; also where another one replaced it."""
    result = run(
        inner,
        """
        def test_gains(leakdiff):
            leakdiff.watch_container("app.inflight")
            app.find()
            app.find()

        def test_block(leakdiff):
            with leakdiff.watch_container("app.inflight", max_growth=1):
                app.find()
            app.find()

        def test_is_replaced(leakdiff, monkeypatch):
            leakdiff.watch_container("app.inflight")
            monkeypatch.setattr(app, "inflight", dict.fromkeys(range(99)))

        def test_shrinks(leakdiff):
            leakdiff.watch_container("app.inflight")
            app.inflight.clear()
        """,
    )

    result.assert_outcomes(failed=2, passed=3)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: GREW  app.inflight gained 2 entries: 0 before, 2 now",
            "  what   the newest: app.Driver",
            "  owner  app.inflight     dict, 2 entries         keys: str*",
            "  why    it may gain 0",
            "leakdiff: GREW  app.inflight gained 95 entries: 4 before, 99 now",
        ]
    )


def test_a_container_that_is_not_there_is_refused_with_what_was_found(inner: pytest.Pytester) -> None:
    """No module, no such name, or nothing that has entries; and one that is not there any more."""
    result = run(
        inner,
        """
        def test_module(leakdiff):
            leakdiff.watch_container("nowhere.inflight")

        def test_name(leakdiff):
            leakdiff.watch_container("app.Service.inflight.deep")

        def test_number(leakdiff):
            leakdiff.watch_container("app.limit")

        def test_goes(leakdiff, monkeypatch):
            leakdiff.watch_container("app.inflight")
            monkeypatch.delattr(app, "inflight")

        def test_argument(leakdiff):
            leakdiff.watch_container(app.inflight)
        """,
    )

    result.assert_outcomes(failed=5, passed=1)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: The container nowhere.inflight cannot be watched: no module of that name*cannot-expect[]]",
            "leakdiff: The container app.Service.inflight.deep cannot be watched: app.Service is there*'inflight'*",
            "leakdiff: The container app.limit cannot be watched: it is a int,*cannot-expect[]]",
            "leakdiff: The container app.inflight cannot be watched: app is there*cannot-expect[]]",
            "leakdiff: path=a dict cannot work*bad-option[]]",
        ]
    )


def test_how_far_a_path_leads_is_told_without_running_code() -> None:
    """The longest part of a path that leads to something, and the type of that."""
    assert how_far("collections.abc.Mapping.nothing") == ("collections.abc.Mapping", "abc.ABCMeta")
    assert how_far("sys.modules") == ("sys.modules", "dict")
    assert how_far("no_such_module.at_all") == ("", "")
    assert how_far("leakdiff.errors.LeakdiffError") == ("", "")


# -- in bodies that are repeated -------------------------------------------------------------------


def test_expectations_are_checked_in_each_pass(inner: pytest.Pytester) -> None:
    """Of a marked test and of a loop; they do not pile up, nor do they grow themselves."""
    result = run(
        inner,
        f"""
        @pytest.mark.leakdiff({FAST})
        def test_marked(leakdiff):
            driver = app.Driver()
            leakdiff.expect_gone(driver)
            leakdiff.watch_container("app.inflight")

        @pytest.mark.leakdiff({FAST})
        def test_marked_and_leaks(leakdiff):
            leakdiff.watch_container("app.inflight")
            app.find()

        def test_loop(leakdiff):
            for _ in leakdiff.rounds({FAST}):
                driver = app.Driver()
                leakdiff.watch_container("app.inflight")
                with leakdiff.expect_gone(driver):
                    del driver

        def test_loop_leaks(leakdiff):
            for _ in leakdiff.rounds({FAST}):
                leakdiff.watch_container("app.inflight")
                app.find()

        def test_the_end_of_the_test_is_no_pass(leakdiff):
            for _ in leakdiff.rounds({FAST}):
                driver = app.Driver()
                leakdiff.expect_gone(driver)
        """,
    )

    result.assert_outcomes(failed=3, passed=3)
    result.stdout.fnmatch_lines(
        [
            "leakdiff: GREW  app.inflight gained 1 entry: 0 before, 1 now",
            "leakdiff: GREW  app.inflight gained 1 entry: 1 before, 2 now",
            "leakdiff: Whether app.Driver is gone would be told at the end of the test*bad-rounds[]]",
        ]
    )


def test_the_fixture_leaves_nothing_with_pytest(inner: pytest.Pytester) -> None:
    """However many tests have it: no plugin, no check and no thread outlives its test."""
    inner.makeconftest(
        """
        import gc, _thread

        def pytest_sessionfinish():
            from leakdiff.testing.fixture import Leakdiff

            gc.collect()
            alive = sum(type(found) is Leakdiff for found in gc.get_objects())
            print(f"alive: {alive}, threads: {_thread._count()}")
        """
    )
    result = run(
        inner,
        f"""
        @pytest.mark.parametrize("number", range(30))
        def test_passes(leakdiff, number):
            driver = app.Driver()
            leakdiff.expect_gone(driver)
            leakdiff.watch_container("app.inflight")
            with leakdiff.no_growth():
                app.look()

        @pytest.mark.parametrize("number", range(3))
        def test_loop(leakdiff, number):
            for _ in leakdiff.rounds({FAST}):
                app.look()

        @pytest.mark.parametrize("number", range(3))
        def test_fails(leakdiff, number):
            for _ in leakdiff.rounds({FAST}):
                break
        """,
        settled=False,
    )

    result.assert_outcomes(passed=33, failed=3)
    result.stdout.fnmatch_lines(["*alive: 0, threads: 0"])


def test_tests_that_check_themselves_are_not_repeated(inner: pytest.Pytester) -> None:
    """``--leakdiff=repeat`` leaves alone what has the fixture: its loops would be repeated in loops."""
    result = run(
        inner,
        f"""
        bodies = []

        def test_loop(leakdiff):
            bodies.append(1)
            for _ in leakdiff.rounds({FAST}):
                app.look()
            assert len(bodies) == 1
        """,
        "--leakdiff=repeat",
        "-ktest_loop",
    )

    result.assert_outcomes(passed=1, deselected=1)


def test_results_cross_the_workers_of_xdist(inner: pytest.Pytester) -> None:
    """What the fixture found is in the summary of the process that prints it, and in JUnit's file."""
    result = run(
        inner,
        """
        def test_block(leakdiff):
            with leakdiff.no_growth():
                app.find()

        def test_gone(leakdiff):
            driver = app.inflight[1] = app.Driver()
            leakdiff.expect_gone(driver, grace=0)

        def test_logged(leakdiff, caplog):
            driver = app.Driver()
            caplog.handler.records.append(driver)
            leakdiff.expect_gone(driver, grace=0)
        """,
        "-pxdist",
        "-n1",
        "--junitxml=junit.xml",
        settled=False,
    )

    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*= leakdiff =*",
            "test_app.py::test_block: GREW  1 app.Driver born in this block*",
            "test_app.py::test_gone: ALIVE  app.Driver should be gone, but app.inflight holds it*",
            "note: *test_logged: app.Driver was expected to be gone, and only pytest holds it*",
        ]
    )
    junit = (inner.path / "junit.xml").read_text(encoding="utf-8")
    assert '<property name="leakdiff.verdict" value="GREW" />' in junit
    assert junit.count('<property name="leakdiff.owner" value="app.inflight" />') == 2


@pytest.mark.parametrize("options", [(), ("-pxdist", "-n1")], ids=["alone", "xdist"])
def test_what_fixtures_find_is_told_as_well(inner: pytest.Pytester, options: tuple[str, ...]) -> None:
    """A check before the test and a block around it end in its setup and teardown: in the summary and in each file."""
    inner.makeconftest(
        """
        def pytest_unconfigure(config):
            from leakdiff.testing.session import session_of

            if hasattr(config, "workerinput"):
                return
            print("untold:", sum(map(len, session_of(config)._untold.values())))
        """
    )
    result = run(
        inner,
        f"""
        @pytest.fixture
        def checked(leakdiff):
            leakdiff.check(app.find, {FAST})

        @pytest.fixture
        def tight(leakdiff):
            with leakdiff.no_growth():
                yield

        def test_setup(checked):
            pass

        def test_teardown(tight):
            app.find()
        """,
        "--junitxml=junit.xml",
        "--leakdiff-report=leaks.json",
        *options,
        settled=False,
    )

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*= leakdiff =*",
            "test_app.py::test_setup: LEAK  app.inflight grows by 1.00 entries per unit*",
            "test_app.py::test_teardown: GREW  1 app.Driver born in this block*",
            "2 checks: *; 2 failed",
            "untold: 0",
        ]
    )
    looks = json.loads((inner.path / "leaks.json").read_text(encoding="utf-8"))["tests"]
    assert [look["verdict"] for look in looks] == ["LEAK", "GREW"]
    junit = (inner.path / "junit.xml").read_text(encoding="utf-8")
    assert junit.count('<property name="leakdiff.owner" value="app.inflight" />') == 2
