"""The plugin leaves nothing behind, however many tests run, and is light where nobody uses it."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

QUIET = (
    "-q",
    "-p",
    "no:randomly",
    "-p",
    "no:schemathesis",
    "-p",
    "no:asyncio",
    "-p",
    "no:anyio",
    "-p",
    "no:cacheprovider",
)
TESTS = 1_000
COUNTING = """
    import gc, json, sys
    import pytest

    counted = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(item):
        result = yield
        number = item.callspec.params["number"]
        if number in (200, 999):
            session = sys.modules.get("leakdiff.testing.session")
            if session is not None:  # what was found is kept to the end, to be told
                session.session_of(item.config).results.clear()
            gc.collect()
            counted[number] = sys.getallocatedblocks()
        return result

    def pytest_unconfigure():
        with open("counted.json", "w") as file:
            json.dump((counted[999] - counted[200]) / 799, file)
"""
PLAIN = """
    import pytest

    @pytest.mark.parametrize("number", range(1_000))
    def test_one(number):
        assert sorted([2, 1])
"""


def blocks_per_test(folder: Path, source: str, *arguments: str) -> float:
    """Run so many tests and return how many memory blocks each of them leaves, those of pytest included."""
    (folder / "conftest.py").write_text(textwrap.dedent(COUNTING), encoding="utf-8")
    (folder / "test_many.py").write_text(textwrap.dedent(source), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", *QUIET, *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return float(json.loads((folder / "counted.json").read_text("utf-8")))


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> float:
    """What pytest itself keeps of each test: its report, its item, its name."""
    return blocks_per_test(tmp_path_factory.mktemp("without"), PLAIN, "-p", "no:leakdiff")


def test_an_unmarked_test_leaves_nothing_of_ours(without: float, tmp_path: Path) -> None:
    """Over 1,000 tests: not a tenth of a block each."""
    assert blocks_per_test(tmp_path, PLAIN) - without < 0.1


def test_a_marked_test_leaves_only_what_is_told_of_it(without: float, tmp_path: Path) -> None:
    """Its result is kept to the end, and two properties for JUnit in its report; nothing else."""
    marked = PLAIN.replace("@pytest", "@pytest.mark.leakdiff(rounds=3, units=2, warmup=1)\n    @pytest", 1)

    assert blocks_per_test(tmp_path, marked) - without < 15


def test_a_test_that_is_watched_leaves_only_its_number(without: float, tmp_path: Path) -> None:
    """For each object that outlives it, its address: pytest keeps about 25 for each test."""
    assert blocks_per_test(tmp_path, PLAIN, "--leakdiff") - without < 40


def test_a_session_without_leakdiff_imports_one_module_of_it(tmp_path: Path) -> None:
    """The rest is imported by the first test that asks for it."""
    (tmp_path / "test_one.py").write_text(
        "import sys\n"
        "def test_one():\n"
        "    ours = {name for name in sys.modules if name.partition('.')[0] == 'leakdiff'}\n"
        "    assert ours <= {'leakdiff', 'leakdiff.__about__', 'leakdiff.pytest_plugin'}, ours\n"
        "    assert not {'networkx', 'psutil', 'pympler', 'attrs'} & sys.modules.keys()\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", *QUIET, "-p", "no:hypothesispytest", "-p", "no:xdist"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stdout


def test_a_session_that_finds_nothing_imports_no_report_and_is_in_no_hook(tmp_path: Path) -> None:
    """What reports are made with takes 30 ms to import, and the hook that hands them on runs three times a test."""
    (tmp_path / "test_one.py").write_text("def test_one(): pass\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure(config):\n"
        "    dear = {'model.report', 'model.baseline', 'judge.outlived', 'render.text', 'testing.demands'}\n"
        "    print('IMPORTED', sorted(dear & {name.removeprefix('leakdiff.') for name in sys.modules}))\n"
        "    print('REGISTERED', config.pluginmanager.has_plugin('leakdiff-session'))\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", *QUIET, "-p", "no:hypothesispytest", "-p", "no:xdist", "--leakdiff"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert "nothing outlived them" in ended.stdout, ended.stdout + ended.stderr
    assert "IMPORTED []\nREGISTERED False\n" in ended.stdout


@pytest.mark.parametrize("arguments", [(), ("--leakdiff",)], ids=["unused", "once"])
def test_what_the_plugin_keeps_is_gone_with_the_session(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Of sessions one after the other in one process nothing of ours outlives pytest's own configuration."""
    (tmp_path / "test_some.py").write_text("def test_one(): pass\ndef test_two(): pass\n", encoding="utf-8")
    source = f"""
    import gc, pytest

    for _ in range(4):
        pytest.main({[*QUIET, *arguments]!r})
    gc.collect()
    alive = [f"{{type(found).__module__}}.{{type(found).__name__}}" for found in gc.get_objects()]
    configured = alive.count("_pytest.config.Config")
    ours = ("session.Session", "once.Once", "settings.Settings")
    print("KEPT", max(alive.count(f"leakdiff.testing.{{name}}") for name in ours) <= configured <= 1)
    gone = ("lifetimes.Lifetimes", "lifetimes.Survivors", "walk.Walk", "newborn.Newborn")
    print("GONE", not any(f"leakdiff.capture.{{name}}" in alive for name in gone))
    """
    command = [sys.executable, "-c", textwrap.dedent(source)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert "KEPT True\nGONE True\n" in ended.stdout, ended.stdout + ended.stderr
