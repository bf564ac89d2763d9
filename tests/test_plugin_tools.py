"""What pytest and the tools of tests keep while a body is repeated is told apart; what leaks beside it still fails."""

from __future__ import annotations

import pytest

from inner_session import Inner, run_inner

KEEPING = """
    import json
    import logging
    import time
    import unittest
    import warnings
    from unittest import mock

    import pytest

    pytestmark = pytest.mark.leakdiff(units=7, rounds=3, patience=0.05)
    LEAK = []
    MODULE_MOCK = mock.Mock()
    log = logging.getLogger("app")
    runs = iter(range(10**9))


    class App:
        port = 80


    @pytest.fixture
    def sender():
        return mock.MagicMock()


    def test_logs():
        log.warning("run %d", next(runs))

    def test_logs_and_clears(caplog):
        log.warning("run %d", next(runs))
        caplog.clear()

    def test_logs_quietly(caplog):
        caplog.set_level(logging.CRITICAL)
        log.warning("run %d", next(runs))

    def test_logs_and_leaks():
        for _ in range(60):
            log.warning("run %d", next(runs))
        LEAK.append([0])

    def test_prints_to_capsys(capsys):
        print("x" * 200)

    def test_prints_and_reads(capsys):
        print("x" * 200)
        capsys.readouterr()

    def test_prints():
        print("x" * 200)

    def test_patches(monkeypatch):
        monkeypatch.setattr(App, "port", next(runs))
        monkeypatch.setenv("APP_PORT", str(next(runs)))

    def test_patches_in_context(monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(App, "port", next(runs))

    def test_patches_and_leaks(monkeypatch):
        monkeypatch.setattr(App, "port", next(runs))
        LEAK.append([0])

    def test_finalizers(request):
        request.addfinalizer(lambda: None)

    def test_properties(record_property):
        record_property("run", next(runs))

    def test_mock_of_module():
        MODULE_MOCK.send(next(runs))

    def test_mock_of_fixture(sender):
        sender.post([next(runs)])

    def test_mock_reset(sender):
        sender.post([next(runs)])
        sender.reset_mock()

    def test_mock_children(sender):
        getattr(sender, f"post_{next(runs)}")

    def test_mock_and_leaks(sender):
        for name in "abcd":
            getattr(sender.client, name).post(next(runs))
        LEAK.append([0])

    def test_starts_patches():
        mock.patch.object(App, "port", next(runs)).start()

    def test_warns(recwarn):
        warnings.simplefilter("always")
        warnings.warn(f"run {next(runs)}")

    def test_warns_expectedly():
        with pytest.warns(UserWarning):
            warnings.warn(f"run {next(runs)}")

    def test_warns_into_the_registry():
        warnings.warn(f"run {next(runs)}")

    def test_patches_what_we_use(monkeypatch):
        monkeypatch.setattr(json, "dumps", None)
        monkeypatch.setattr(json, "loads", None)
        monkeypatch.setattr(time, "monotonic", lambda: 0.0)

    @pytest.fixture
    def stopped_clock(monkeypatch):
        monkeypatch.setattr(time, "monotonic", lambda: 0.0)

    def test_leaks_while_time_stands_still(stopped_clock):
        LEAK.append([0])

    def test_raises():
        with pytest.raises(LookupError):
            try:
                [][0]
            except IndexError as error:
                raise LookupError from error


    class TestCase(unittest.TestCase):
        def test_cleanups(self):
            self.addCleanup(lambda: None)

        def test_cleanups_done(self):
            self.addCleanup(lambda: None)
            self.doCleanups()

        def test_subtests(self):
            with self.subTest(run=next(runs)):
                self.assertTrue(True)

        def test_unittest_clean(self):
            with self.assertRaises(ValueError):
                int("x")
"""

LOGS = "pytest keeps the log records of a test until it has ended"
OUTPUT = "pytest keeps the output of a test until it has ended"
PATCHES = "monkeypatch keeps what it has to put back until the test has ended"
CALLS = "a mock remembers every call until reset_mock()"
WARNINGS = "pytest keeps every warning of a test until it has ended"


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Inner:
    """Run all of them once."""
    return run_inner(tmp_path_factory.mktemp("kept"), {"test_kept.py": KEEPING})


@pytest.mark.parametrize(
    ("test", "reason", "remedy"),
    [
        ("test_logs", LOGS, "-p no:logging"),
        ("test_logs_and_clears", LOGS, "caplog.clear() does not free"),
        ("test_prints_to_capsys", OUTPUT, "readouterr()"),
        ("test_patches", PATCHES, "with monkeypatch.context()"),
        ("test_finalizers", "pytest keeps what addfinalizer() was given until the test has ended", "with statement"),
        ("test_properties", "pytest keeps properties, markers and sections of a test for its report", "outside"),
        ("test_mock_of_module", CALLS, "reset_mock()"),
        ("test_mock_of_fixture", CALLS, "reset_mock()"),
        ("test_mock_children", "a mock keeps a child for every attribute that it was asked for", "the same names"),
        ("test_starts_patches", "mock keeps every patch that was started until it is stopped", "with patch(...)"),
        ("test_warns", WARNINGS, "pytest.warns"),
        (
            "test_cleanups",
            "unittest keeps what addCleanup() and enterContext() were given until the test has ended",
            "doCleanups()",
        ),
    ],
)
def test_what_a_tool_keeps_is_named_with_its_remedy_and_fails_no_test(
    inner: Inner, test: str, reason: str, remedy: str
) -> None:
    """The test passes, its report says which tool keeps what, and what to do so that it does not."""
    assert inner.outcomes[test] == "passed"
    assert inner.verdict(test) in ("STABLE", "WARMUP")  # a buffer that is doubled now and then grows in fewer rounds
    assert remedy in inner.kept(test)[reason]


@pytest.mark.parametrize(
    "test",
    [
        "test_logs_quietly",
        "test_prints_and_reads",
        "test_prints",
        "test_patches_in_context",
        "test_mock_reset",
        "test_warns_expectedly",
        "test_raises",
        "test_cleanups_done",
        "test_unittest_clean",
    ],
)
def test_each_remedy_is_true(inner: Inner, test: str) -> None:
    """With the remedy nothing is kept any more, nor by what keeps nothing in the first place."""
    assert (inner.outcomes[test], inner.verdict(test)) == ("passed", "STABLE")
    assert inner.kept(test) == {}


def test_subtests_fail_no_test(inner: Inner) -> None:
    """A subtest leaves a report behind where pytest knows of subtests."""
    assert inner.verdict("test_subtests") == "STABLE"
    assert inner.outcomes["test_subtests"].startswith("passed")


@pytest.mark.parametrize(
    ("test", "reason"),
    [("test_logs_and_leaks", LOGS), ("test_patches_and_leaks", PATCHES), ("test_mock_and_leaks", CALLS)],
)
def test_a_leak_beside_what_a_tool_keeps_fails(inner: Inner, test: str, reason: str) -> None:
    """It is found however small it is beside that, and told first; the tool is named after it."""
    assert inner.outcomes[test] == "failure"
    assert inner.leaks(test) == ["test_kept.LEAK"]
    assert reason in inner.kept(test)
    assert inner.texts[test].index("test_kept.LEAK") < inner.texts[test].index(f"known  {reason}")


def test_the_registry_of_warnings_is_the_programs(inner: Inner) -> None:
    """Texts that differ stay in the module's registry in production as well: that leak is told beside pytest's list."""
    test = "test_warns_into_the_registry"

    assert inner.outcomes[test] == "failure"
    assert inner.leaks(test) == ["test_kept.__warningregistry__"]
    assert WARNINGS in inner.kept(test)


def test_a_test_may_patch_what_leakdiff_uses(inner: Inner) -> None:
    """Neither a json module that is patched nor a clock that stands still keeps a leak from being told."""
    assert inner.verdict("test_patches_what_we_use") == "STABLE"
    assert inner.outcomes["test_leaks_while_time_stands_still"] == "failure"
    assert inner.leaks("test_leaks_while_time_stands_still") == ["test_kept.LEAK"]


# -- the tool decides ------------------------------------------------------------------------------


def test_how_output_is_captured_decides_who_keeps_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Captured in memory it is pytest's; without pytest's logging no record is kept."""
    folder = tmp_path_factory.mktemp("sys")
    inner = run_inner(
        folder, {"test_kept.py": KEEPING}, "--capture=sys", "-p", "no:logging", "-k", "test_prints or test_logs"
    )

    assert inner.kept("test_prints").keys() == {OUTPUT}
    assert inner.kept("test_logs") == {}
    assert inner.leaks("test_logs_and_leaks") == ["test_kept.LEAK"]


HYPOTHESIS = """
    import pytest
    from hypothesis import assume, given, settings, strategies

    pytestmark = pytest.mark.leakdiff(units=3, rounds=3, patience=0.05)
    few = settings(max_examples=5, database=None, derandomize=True)
    LEAK = []

    @few
    @given(strategies.lists(strategies.integers()))
    def test_clean(values):
        assert sorted(values) == sorted(values, reverse=True)[::-1]

    @few
    @given(strategies.integers())
    def test_leaks(value):
        LEAK.append([value])

    @few
    @given(strategies.integers())
    def test_fails(value):
        assert value < 0

    @settings(max_examples=5, database=None, derandomize=True)
    @given(strategies.integers())
    def test_unhealthy(value):
        assume(False)
"""


def test_hypothesis(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Examples are part of the body: clean ones pass, a leak is found, what hypothesis has to say is said by itself."""
    inner = run_inner(tmp_path_factory.mktemp("hypothesis"), {"test_given.py": HYPOTHESIS})

    assert inner.outcomes["test_clean"] == "passed"
    assert inner.leaks("test_leaks") == ["test_given.LEAK"]
    assert inner.looks["test_leaks"]["report"]["findings"][0]["entries_per_unit"] == 5
    assert "assert 0 < 0" in inner.texts["test_fails"]
    assert "leakdiff" not in inner.texts["test_fails"].replace("leakdiff/", "")
    assert "hypothesis.errors" in inner.texts["test_unhealthy"]


# -- clean bodies ----------------------------------------------------------------------------------

CLEAN = """
    import asyncio
    import concurrent.futures
    import datetime
    import json
    import logging
    import pathlib
    import re
    import sqlite3
    import subprocess
    import sys
    import threading
    import unittest

    import anyio
    import pytest
    import pytest_asyncio

    pytestmark = pytest.mark.leakdiff(units=5, rounds=3, patience=0.05)
    runs = iter(range(10**9))
    frees_names = sys.version_info[:2] != (3, 12)  # where pathlib's interned parts of paths are never freed

    @pytest.fixture(scope="session")
    def of_session():
        return {}

    @pytest.fixture(scope="module")
    def of_module(of_session):
        yield []

    @pytest.fixture(scope="class", autouse=True)
    def of_class():
        yield set()

    @pytest.fixture
    def of_function(of_module, of_class):
        yield {"a": 1}

    @pytest_asyncio.fixture
    async def of_loop():
        await asyncio.sleep(0)
        yield [1]
        await asyncio.sleep(0)

    @pytest.fixture
    async def of_anyio(anyio_backend):
        await anyio.sleep(0)
        yield [1]

    def test_fixtures(of_session, of_module, of_class, of_function):
        assert of_function["a"] == 1

    @pytest.mark.parametrize("number", [1, 2])
    def test_parametrised(number):
        assert number

    class TestMethods:
        def setup_method(self):
            self.seen = []

        def test_method(self):
            assert self.seen == []

        @staticmethod
        def test_static():
            assert True

    def test_files(tmp_path):
        path = tmp_path / (f"{next(runs)}.txt" if frees_names else "one.txt")
        path.write_text("x")
        assert [found.name for found in tmp_path.iterdir()] == [path.name]
        path.unlink()

    def test_subprocess():
        subprocess.run([sys.executable, "-IS", "-c", ""], check=True)

    def test_threads():
        thread = threading.Thread(target=len, args=("x",))
        thread.start()
        thread.join()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            assert list(pool.map(len, ["a", "b"])) == [1, 1]

    def test_library(caplog):
        caplog.set_level(logging.ERROR)
        logging.getLogger("app.quiet").debug("run %d", next(runs))
        with sqlite3.connect(":memory:") as database:
            database.execute("create table runs (number)")
            database.execute("insert into runs values (?)", (next(runs),))
        database.close()
        assert json.loads(json.dumps({"run": next(runs)}))
        assert re.match(r"(\\d+)", str(next(runs)))
        assert datetime.datetime.strptime("2020-01-01", "%Y-%m-%d").isoformat()
        assert pathlib.Path(".").resolve().exists()

    @pytest.mark.asyncio
    async def test_asyncio(of_loop):
        await asyncio.gather(asyncio.create_task(asyncio.sleep(0)), asyncio.to_thread(len, "x"))

    @pytest.mark.asyncio(loop_scope="session")
    async def test_asyncio_session():
        async with asyncio.timeout(5):
            await asyncio.sleep(0)

    def test_asyncio_run():
        asyncio.run(asyncio.sleep(0))

    @pytest.mark.anyio
    async def test_anyio(of_anyio):
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
        await anyio.to_thread.run_sync(len, "x")

    class TestCase(unittest.TestCase):
        def setUp(self):
            self.seen = []

        def test_unittest(self):
            self.assertEqual(self.seen, [])

    class TestIsolated(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            self.seen = []

        async def test_isolated(self):
            await asyncio.sleep(0)
            self.assertEqual(self.seen, [])
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_clean_bodies_are_stable(tmp_path_factory: pytest.TempPathFactory, mode: str) -> None:
    """Whatever runs a body, and whatever it uses that tidies up after itself: nothing is said against it.

    Up to 3.12 each run of asyncio.Runner leaves strings behind, which go later: it must not look like a leak.
    """
    chosen = "not trio" if mode == "auto" else ""  # in that mode pytest-asyncio takes anyio's tests, and knows no trio
    options = (f"--asyncio-mode={mode}", "-k", chosen)
    inner = run_inner(tmp_path_factory.mktemp(mode), {"test_clean.py": CLEAN}, *options)

    assert [text for test, text in inner.texts.items() if inner.outcomes[test] != "passed"] == []
    assert {test: look["headline"] for test, look in inner.looks.items() if look["verdict"] != "STABLE"} == {}
    assert len(inner.looks) == (15 if chosen else 16)
    assert inner.code == 0


# -- who holds it ----------------------------------------------------------------------------------

HOLDING = """
    import unittest

    import pytest

    pytestmark = pytest.mark.leakdiff(units=7, rounds=3, patience=0.05)
    runs = iter(range(10**9))

    class Hub:
        def __init__(self):
            self.items = []

    @pytest.fixture
    def hub():
        return Hub()

    @pytest.fixture
    def around(hub):
        return 1

    @pytest.fixture(scope="session")
    def cache():
        return {}

    def test_attribute(hub):
        hub.items.append([0])

    def test_inner_fixture(around, request):
        request.getfixturevalue("hub").items.append([0])

    def test_asked_for(request):
        request.getfixturevalue("hub").items.append([0])

    def test_plain_dict(cache):
        cache[next(runs)] = [0]

    @pytest.mark.parametrize("given", [[]])
    def test_parameter(given):
        given.append([0])

    def test_node(request):
        request.node.seen = getattr(request.node, "seen", [])
        request.node.seen.append([0])

    class TestSelf:
        def setup_method(self):
            self.seen = []

        def test_self(self):
            self.seen.append([0])

    class TestCase(unittest.TestCase):
        def setUp(self):
            self.seen = []

        def test_unittest_self(self):
            self.seen.append([0])

    class TestIsolated(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            self.seen = []

        async def test_isolated_self(self):
            self.seen.append([0])
"""


@pytest.fixture(scope="module")
def holding(tmp_path_factory: pytest.TempPathFactory) -> Inner:
    """Run all of them once."""
    return run_inner(tmp_path_factory.mktemp("held"), {"test_held.py": HOLDING})


@pytest.mark.parametrize(
    ("test", "owner"),
    [
        ("test_attribute", "fixture hub.items"),
        ("test_inner_fixture", "fixture hub.items"),
        ("test_asked_for", "fixture hub.items"),
        ("test_plain_dict", "fixture cache"),
        ("test_parameter[given0]", "fixture given"),
        ("test_node", "test.seen"),
        ("test_self", "test self.seen"),
        ("test_unittest_self", "test self.seen"),
        ("test_isolated_self", "test self.seen"),
    ],
)
def test_what_only_pytest_holds_has_the_name_that_the_test_gives_it(holding: Inner, test: str, owner: str) -> None:
    """A fixture's value is told by the fixture's name and the test's object as self, and never excused as pytest's."""
    assert holding.outcomes[test] == "failure"
    assert holding.leaks(test) == [owner]


def test_a_fixture_is_told_with_the_lines_that_fill_it(holding: Inner) -> None:
    """The path starts at the fixture, and its code is found as that of any other object."""
    text = holding.texts["test_attribute"]

    assert "path   pytest fixture ─ hub ─ items ─ [*] ─ list" in text
    assert "in test_attribute     hub.items.append([0])" in text
