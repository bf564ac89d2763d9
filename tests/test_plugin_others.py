"""Beside other plugins of pytest: each works, or one clear sentence says what does not."""

from __future__ import annotations

import pytest

from inner_session import Inner, run_inner

SUITE = {
    "conftest.py": """
        import gc

        def pytest_unconfigure(config):
            if not hasattr(config, "workerinput"):
                print("frozen:", gc.get_freeze_count() > 1000)
    """,
    "test_suite.py": """
        import asyncio
        import itertools
        import logging
        import unittest

        import pytest

        quick = pytest.mark.leakdiff(units=7, rounds=3, patience=0.05)
        LEAK = []
        OTHER = []

        def test_unmarked():
            assert sorted([3, 1]) == [1, 3]

        @quick
        def test_clean():
            assert sorted([3, 1]) == [1, 3]

        @quick
        def test_leak():
            LEAK.append([0])

        @quick
        @pytest.mark.asyncio
        async def test_coroutine_leak():
            await asyncio.sleep(0)
            LEAK.append([0])

        @quick
        def test_log():
            logging.getLogger("app").warning("logged")

        @quick
        class TestCase(unittest.TestCase):
            def test_of_case(self):
                OTHER.append([0])

        @quick
        def test_skipped():
            pytest.skip("not here")
    """,
}
LEAKS = {
    "test_leak": ["test_suite.LEAK"],
    "test_coroutine_leak": ["test_suite.LEAK"],
    "test_of_case": ["test_suite.OTHER"],
}
OUTCOMES = {
    "test_unmarked": "passed",
    "test_clean": "passed",
    "test_leak": "failure",
    "test_coroutine_leak": "failure",
    "test_log": "passed",
    "test_of_case": "failure",
    "test_skipped": "skipped",
}


def found(inner: Inner) -> dict[str, list[str]]:
    """Return the owners of what leaks, by test."""
    return {test: leaks for test in inner.looks if (leaks := inner.leaks(test))}


@pytest.mark.parametrize(
    "options",
    [("-n2",), ("-p", "no:logging"), ("-p", "randomly")],
    ids=["xdist", "without-logging", "randomly"],
)
def test_the_suite_says_the_same(tmp_path_factory: pytest.TempPathFactory, options: tuple[str, ...]) -> None:
    """In workers, without pytest's logging, or in any order."""
    inner = run_inner(tmp_path_factory.mktemp("suite"), SUITE, *options)

    assert inner.outcomes == OUTCOMES
    assert found(inner) == LEAKS
    assert "frozen: False" in inner.out
    assert ("randomly-seed" in inner.out) == ("randomly" in options)


@pytest.mark.skipif(int(pytest.__version__.split(".")[0]) >= 9, reason="pytest-forked itself fails with pytest 9")
def test_in_a_child_for_each_test(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With --forked each test is measured in its own process, and told in this one."""
    inner = run_inner(tmp_path_factory.mktemp("forked"), SUITE, "--forked")

    assert {test: outcome for test, outcome in inner.outcomes.items() if test != "test_skipped"} == {
        test: outcome for test, outcome in OUTCOMES.items() if test != "test_skipped"
    }
    assert found(inner) == LEAKS


def test_coverage_is_measured_all_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Owners are found; that coverage has the trace function, so that no line is seen to run, is said."""
    inner = run_inner(tmp_path_factory.mktemp("covered"), SUITE, "--cov=.", "--cov-branch", "--cov-report=term")

    assert inner.outcomes == OUTCOMES
    assert found(inner) == LEAKS
    assert "which lines put entries in was not measured" in inner.texts["test_leak"]
    assert "LEAK.append([0])" in inner.texts["test_leak"]  # read in the source
    assert "test_suite.py" in inner.out.partition("coverage:")[2]


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["alone", "xdist"])
def test_every_test_can_be_repeated(tmp_path_factory: pytest.TempPathFactory, options: tuple[str, ...]) -> None:
    """--leakdiff=repeat checks those without a marker as well, each once."""
    inner = run_inner(tmp_path_factory.mktemp("repeat"), SUITE, "--leakdiff=repeat", *options)

    assert inner.outcomes == OUTCOMES
    assert found(inner) == LEAKS
    assert sorted(inner.looks) == sorted(set(OUTCOMES) - {"test_skipped"})


def test_a_failure_is_run_again_where_that_is_asked_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With --reruns a leak is looked at twice, and stays one."""
    inner = run_inner(tmp_path_factory.mktemp("reruns"), SUITE, "--reruns=1", "-k", "test_leak")

    assert inner.outcomes["test_leak"].endswith("failure")
    assert inner.out.count("test_suite.py::test_leak: LEAK  test_suite.LEAK") == 2
    assert "1 failed" in inner.out
    assert "1 rerun" in inner.out


def test_the_first_leak_can_end_the_session(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With -x it does, as any failure."""
    inner = run_inner(tmp_path_factory.mktemp("first"), SUITE, "-x")

    assert list(inner.outcomes) == ["test_unmarked", "test_clean", "test_leak"]
    assert inner.code == 1


def test_the_debugger_can_be_asked_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With --pdb it opens at a leak; without input it ends the session, and nothing breaks."""
    inner = run_inner(tmp_path_factory.mktemp("debugged"), SUITE, "--pdb", "-k", "clean or test_leak")

    assert "leakdiff: LEAK  test_suite.LEAK" in inner.out
    assert "(Pdb)" in inner.out
    assert "INTERNALERROR" not in inner.out


SLOW = {
    "conftest.py": SUITE["conftest.py"],
    "test_slow.py": """
        import gc
        import signal
        import threading
        import time

        import pytest

        runs = iter(range(10**9))

        def end_the_time():
            timers = [thread for thread in threading.enumerate() if type(thread) is threading.Timer]
            if timers:
                threading.Thread(target=timers[0].function, args=timers[0].args).start()
            else:
                signal.setitimer(signal.ITIMER_REAL, 0.01)

        @pytest.mark.timeout(80)
        @pytest.mark.leakdiff
        def test_hangs():
            if next(runs) == 30:
                end_the_time()  # now: however busy the machine is, it is in the midst of our rounds
                time.sleep(90)

        def test_after():
            assert gc.isenabled()
            assert gc.get_freeze_count() < 1000
    """,
}


def test_a_timeout_is_the_tests_failure(tmp_path_factory: pytest.TempPathFactory) -> None:
    """In the midst of our rounds it is told in its own words, with the place and what can be done."""
    inner = run_inner(tmp_path_factory.mktemp("slow"), SLOW, "--timeout-method=signal")
    text = inner.texts["test_hangs"]

    assert inner.outcomes == {"test_hangs": "failure", "test_after": "passed"}
    assert "Timeout (>80.0s) from pytest-timeout." in text
    assert "leakdiff was repeating the body (round 2 of 5, unit 8): allow the test more time" in text
    assert "time.sleep(90)" in text
    assert "tiers.py" not in text
    assert "frozen: False" in inner.out


def test_a_timeout_by_a_thread_ends_the_session(tmp_path_factory: pytest.TempPathFactory) -> None:
    """That method always does: it shows where every thread is."""
    inner = run_inner(tmp_path_factory.mktemp("slow"), SLOW, "--timeout-method=thread")

    assert inner.code != 0
    assert "Timeout" in inner.out
    assert "in test_hangs" in inner.out
