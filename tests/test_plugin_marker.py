"""The marker: what it takes, what it stands beside, and what it says where a body cannot be repeated."""

from __future__ import annotations

import pytest

from inner_session import Inner, run_inner

ARGUMENTS = "frames, ignore, max_growth, max_objects, max_seconds, patience, rounds, units, verdicts, warmup"
NO_LOOP = ("-p", "no:asyncio", "-p", "no:anyio")
MARKED = """
    import functools
    import os
    import unittest

    import pytest

    quick = functools.partial(pytest.mark.leakdiff, units=7, rounds=3, patience=0.05)
    LEAK = []
    runs = iter(range(10**9))
    again = iter(range(10**9))
    skips = iter(range(10**9))


    # -- forms

    @pytest.mark.leakdiff
    def test_bare():
        LEAK.append([0])

    @pytest.mark.leakdiff()
    def test_called():
        assert sorted([3, 1]) == [1, 3]

    @pytest.mark.leakdiff(rounds=3, units=7, warmup=2)
    def test_with_arguments():
        assert True

    @quick()
    @pytest.mark.parametrize("number", [1, 2])
    def test_parametrised(number):
        if number == 2:
            LEAK.append([0])

    @quick(units=5)
    class TestMarked:
        def test_method(self):
            LEAK.append([0])

        @quick(units=3)
        def test_closer(self):
            assert True

    @quick()
    class TestCase(unittest.TestCase):
        def test_of_case(self):
            LEAK.append([0])

        def test_of_case_fails(self):
            self.assertEqual(1, 2)

        @unittest.expectedFailure
        def test_of_case_expected(self):
            LEAK.append([0])

        @unittest.skip("no")
        def test_of_case_skipped(self):
            LEAK.append([0])

        async def test_of_case_without_loop(self):
            pass


    # -- what may grow

    @quick(ignore="test_marker.LEAK")
    def test_ignored():
        LEAK.append([0])

    @quick(ignore=["other.*", "*.LEAK"])
    def test_ignored_by_pattern():
        LEAK.append([0])

    @quick(max_growth=1.5)
    def test_allowed():
        LEAK.append([0])

    @quick(max_growth=1.5)
    def test_too_much():
        LEAK.extend([[0], [0]])

    @quick(verdicts="NATIVE")
    def test_other_verdict():
        LEAK.append([0])

    @functools.lru_cache(maxsize=100_000)
    def cached(number):
        return [number]

    @quick(verdicts=["FILLING", "LEAK"])
    def test_filling_asked_for():
        cached(next(runs))

    @quick()
    def test_filling():
        cached(next(runs))


    # -- beside others

    @quick()
    @pytest.mark.xfail(strict=True)
    def test_xfail():
        LEAK.append([0])

    @quick()
    @pytest.mark.skip
    def test_skip():
        LEAK.append([0])

    @quick()
    @pytest.mark.skipif(True, reason="no")
    def test_skipif():
        LEAK.append([0])

    @quick()
    def test_skips_itself():
        pytest.skip("not here")

    @quick()
    def test_fails():
        assert [1] == [2]

    @pytest.fixture
    def broken():
        raise RuntimeError("broken")

    @pytest.fixture
    def breaking():
        yield
        raise RuntimeError("breaking")

    @quick()
    def test_setup_error(broken):
        LEAK.append([0])

    @quick()
    def test_teardown_error(breaking):
        LEAK.append([0])


    # -- cannot be repeated

    def once_only():
        assert next(again) == 0, "the seat is taken"

    @quick()
    def test_only_once():
        once_only()

    @quick()
    def test_skips_later():
        if next(skips) == 20:
            pytest.skip("enough")

    @quick()
    async def test_no_loop():
        pass

    @quick()
    def test_forks():
        if os.fork() == 0:
            os._exit(0)
        os.wait()


    # -- wrong arguments

    @pytest.mark.leakdiff(7)
    def test_positional():
        pass

    @pytest.mark.leakdiff(raunds=3)
    def test_unknown():
        pass

    @pytest.mark.leakdiff(rounds=0)
    def test_no_rounds():
        pass

    @pytest.mark.leakdiff(rounds="many")
    def test_many_rounds():
        pass

    @pytest.mark.leakdiff(verdicts="MAYBE")
    def test_maybe():
        pass

    @pytest.mark.leakdiff(max_growth=-1)
    def test_shrink():
        pass

    @pytest.mark.leakdiff(ignore=3)
    def test_ignore_three():
        pass
"""


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Inner:
    """Run all of them once, without a plugin that runs coroutines."""
    return run_inner(tmp_path_factory.mktemp("marked"), {"test_marker.py": MARKED}, *NO_LOOP)


@pytest.mark.parametrize(
    ("test", "outcome", "leaks"),
    [
        ("test_bare", "failure", ["test_marker.LEAK"]),
        ("test_called", "passed", []),
        ("test_parametrised[1]", "passed", []),
        ("test_parametrised[2]", "failure", ["test_marker.LEAK"]),
        ("test_method", "failure", ["test_marker.LEAK"]),
        ("test_closer", "passed", []),
        ("test_of_case", "failure", ["test_marker.LEAK"]),
        ("test_of_case_expected", "skipped", ["test_marker.LEAK"]),
        ("test_ignored", "passed", ["test_marker.LEAK"]),
        ("test_ignored_by_pattern", "passed", ["test_marker.LEAK"]),
        ("test_allowed", "passed", ["test_marker.LEAK"]),
        ("test_too_much", "failure", ["test_marker.LEAK"]),
        ("test_other_verdict", "passed", ["test_marker.LEAK"]),
        ("test_filling_asked_for", "failure", []),
        ("test_filling", "passed", []),
        ("test_xfail", "skipped", ["test_marker.LEAK"]),
        ("test_forks", "passed", []),
    ],
)
def test_a_marked_test_fails_by_what_it_must_not_do(inner: Inner, test: str, outcome: str, leaks: list[str]) -> None:
    """Bare or with arguments, on functions, classes, parameters and test cases; what may grow is told all the same."""
    assert (inner.outcomes[test], inner.leaks(test)) == (outcome, leaks)


@pytest.mark.parametrize(
    "test", ["test_of_case_skipped", "test_skip", "test_skipif", "test_skips_itself", "test_setup_error"]
)
def test_what_does_not_run_to_its_end_is_not_repeated(inner: Inner, test: str) -> None:
    """A test that is skipped, or whose fixture breaks, is skipped or breaks as ever."""
    assert inner.outcomes[test] == ("error" if test == "test_setup_error" else "skipped")
    assert test not in inner.looks


def test_the_report_is_the_failure(inner: Inner) -> None:
    """A leak is told by the report alone: no traceback, no frame of ours."""
    text = inner.texts["test_bare"]

    assert "leakdiff: LEAK  test_marker.LEAK grows by 1.00 entries per unit" in text
    assert "\n  path   module test_marker ─ LEAK ─ [*] ─ list\n" in text
    assert "Traceback" not in text
    assert "bodies.py" not in inner.out


@pytest.mark.parametrize(("test", "said"), [("test_fails", "assert [1] == [2]"), ("test_of_case_fails", "1 != 2")])
def test_a_test_that_fails_does_so_as_without_the_marker(inner: Inner, test: str, said: str) -> None:
    """The first run of the body is the test: what it raises is its failure, with its own traceback."""
    assert inner.outcomes[test] == "failure"
    assert said in inner.texts[test]
    assert "leakdiff" not in inner.texts[test]
    assert test not in inner.looks


def test_a_teardown_error_stands_beside_the_leak(inner: Inner) -> None:
    """Both are told."""
    assert inner.outcomes["test_teardown_error"] == "failure, error"
    assert "RuntimeError: breaking" in inner.texts["test_teardown_error"]
    assert "LEAK  test_marker.LEAK" in inner.texts["test_teardown_error"]


def test_arguments_say_how_it_is_repeated(inner: Inner) -> None:
    """So many rounds of so many runs; those of the nearest marker count."""
    assert inner.looks["test_with_arguments"]["report"]["because"] == "nothing grew in 3 rounds of 7 units (21 units)"
    assert inner.looks["test_closer"]["report"]["because"] == "nothing grew in 3 rounds of 3 units (9 units)"


def test_a_body_that_fails_when_repeated_says_so(inner: Inner) -> None:
    """With the run in which it failed, and the traceback of the test's own code."""
    text = inner.texts["test_only_once"]

    assert (
        "test_only_once cannot be checked for leaks: it passed once, and when it was repeated it raised "
        "AssertionError (warm-up round 1 of 1, unit 1). Take the marker away, or make a test that can be repeated. "
        "[bad-body]" in text
    )
    assert "in once_only" in text
    assert "AssertionError: the seat is taken" in text
    assert "leakdiff/" not in text


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("test_skips_later", "when it was repeated it raised Skipped (round 2 of 3, unit 6)"),
        ("test_no_loop", "it is a coroutine function, and no plugin runs those; install pytest-asyncio or anyio"),
        ("test_of_case_without_loop", "it is a coroutine method, and its test case has no event loop to run it in"),
    ],
)
def test_a_body_that_cannot_be_repeated_is_no_silent_skip(inner: Inner, test: str, said: str) -> None:
    """It fails with one sentence that says why."""
    assert inner.outcomes[test] == "failure"
    assert said in inner.texts[test]
    assert "[bad-body]" in inner.texts[test]


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("test_positional", "must be given arguments by name: rounds=5, units=11"),
        ("test_unknown", f"raunds=3 cannot work: raunds must be one of {ARGUMENTS}."),
        ("test_no_rounds", "rounds=0 cannot work: rounds must be a whole number of at least 2"),
        ("test_many_rounds", "rounds='many' cannot work: rounds must be a whole number of at least 2"),
        ("test_maybe", "verdicts='MAYBE' cannot work: verdicts must be some of LEAK, NATIVE"),
        ("test_shrink", "max_growth=-1 cannot work: max_growth must be a number"),
        ("test_ignore_three", 'ignore=3 cannot work: ignore must be a pattern such as "app.cache.*"'),
    ],
)
def test_wrong_arguments_are_told_in_one_sentence(inner: Inner, test: str, said: str) -> None:
    """With the slug of the message, and without a traceback."""
    assert inner.outcomes[test] == "failure"
    assert said in inner.texts[test]
    assert "[bad-option]" in inner.texts[test]
    assert "Traceback" not in inner.texts[test]


# -- what is no function, and what cannot be measured ------------------------------------------------

OTHERS = {
    "conftest.py": """
        import gc

        import pytest

        gc.collect()
        gc.freeze()

        class Recipe(pytest.Item):
            def runtest(self):
                assert self.name == "soup"

        class Book(pytest.File):
            def collect(self):
                yield Recipe.from_parent(self, name="soup")

        def pytest_collect_file(file_path, parent):
            return Book.from_parent(parent, path=file_path) if file_path.suffix == ".book" else None

        @pytest.hookimpl(tryfirst=True)
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker("leakdiff")
    """,
    "soup.book": "",
    "test_doctest.py": '''
        import gc

        def add(one, other):
            """
            >>> add(1, 2)
            3
            """
            return one + other

        def test_frozen_by_others():
            assert gc.get_freeze_count() > 1000

        def test_collects_under_a_frozen_heap():
            gc.collect()
    ''',
}


def test_what_has_no_function_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Items of other kinds and doctests cannot be repeated; where a measurement is not possible, that is said too."""
    inner = run_inner(tmp_path_factory.mktemp("items"), OTHERS, "--doctest-modules")

    assert "it is a Recipe, which has no function to call again" in inner.texts["soup"]
    assert "it is a DoctestItem, which has no function to call again" in inner.texts["test_doctest.add"]
    assert "[bad-body]" in inner.texts["soup"]
    assert inner.outcomes["test_frozen_by_others"] == "passed"
    assert "frozen by someone else" in inner.looks["test_frozen_by_others"]["text"]
    assert "New objects cannot be measured" in inner.texts["test_collects_under_a_frozen_heap"]
    assert "[cannot-measure]" in inner.texts["test_collects_under_a_frozen_heap"]
    assert inner.code == 1


INTERRUPTED = """
    import gc

    import pytest

    pytestmark = pytest.mark.leakdiff
    runs = iter(range(10**9))

    def test_ctrl_c():
        if next(runs) == 20:
            raise KeyboardInterrupt

    def test_after():
        pass

    def pytest_unconfigure(config):
        print("frozen:", gc.get_freeze_count() > 1000)
"""


def test_ctrl_c_ends_the_session_as_ever(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Inside the rounds too: no test after it runs, and the heap is not left frozen."""
    files = {"test_stop.py": INTERRUPTED, "conftest.py": "from test_stop import pytest_unconfigure\n"}
    inner = run_inner(tmp_path_factory.mktemp("stop"), files)

    assert inner.code == 2
    assert "KeyboardInterrupt" in inner.out
    assert "frozen: False" in inner.out
    assert "test_after" not in inner.outcomes
