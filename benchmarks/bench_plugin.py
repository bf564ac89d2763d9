"""What the pytest plugin costs: installed and unused, with ``--leakdiff``, and for a marked test on a large heap.

Beside psleak, pytest-memray and pytest-leaks, where the interpreter that runs the suites has them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

QUIET = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "ignore")
_TIMEOUT = 600
_PER_FILE = 100
_OBJECTS = 1_000_000
_MARKED = 9
_IMPORTS = 15
_FEWER = 10  # times fewer tests for what is slow


@attrs.frozen
class Cost:
    """What a process took, in seconds."""

    cpu: float
    wall: float


@attrs.frozen
class Row:
    """A line of a table: what was run, and the cells of its figures."""

    name: str
    cells: tuple[str, ...]


@attrs.frozen
class Table:
    """Figures under a title."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


# -- running ---------------------------------------------------------------------------------------


def run(python: str, folder: Path, *arguments: str, **environment: str) -> tuple[Cost, str]:
    """Run a suite and return what it took, with its output.

    Raises:
        SystemExit: If it did not pass.
    """
    command = [python, "-m", "pytest", *QUIET, *arguments, "."]
    told = folder / "told.txt"
    with told.open("wb") as output:
        started = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, env={**os.environ, **environment}, start_new_session=True
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    text = told.read_text("utf-8", "replace")
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(arguments) or 'the suite'} ended with {child.returncode}:\n{text[-2000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall), text


def has(python: str, *modules: str) -> str:
    """Return why modules cannot be used by an interpreter; empty if they can."""
    source = f"import {', '.join(modules)}"
    ended = subprocess.run(
        [python, "-c", source], capture_output=True, text=True, timeout=_TIMEOUT, check=False, env=dict(os.environ)
    )
    return "" if ended.returncode == 0 else ended.stderr.strip().splitlines()[-1]


# -- a suite of trivial tests ----------------------------------------------------------------------


def write_trivial(folder: Path, tests: int) -> None:
    """Write so many tests that do next to nothing."""
    for start in range(0, tests, _PER_FILE):
        numbers = range(start, min(start + _PER_FILE, tests))
        source = "\n\n".join(f"def test_{number}():\n    assert 1 + {number} == {number + 1}" for number in numbers)
        (folder / f"test_{start}.py").write_text(f"{source}\n", encoding="utf-8")


def trivial_table(python: str, tests: int, runs: int) -> Table:
    """Compare suites with the plugin, without it, and with others; runs of all take turns."""
    ways: dict[str, tuple[str, ...]] = {
        "no plugin (-p no:leakdiff)": ("-p", "no:leakdiff"),
        "leakdiff, installed and unused": (),
        "pytest --leakdiff": ("--leakdiff",),
    }
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_trivial(folder, tests)
        taken: dict[str, list[Cost]] = {name: [] for name in ways}
        for _ in range(runs):
            for name, arguments in ways.items():
                taken[name].append(run(python, folder, *arguments)[0])
    base, *_ = [statistics.median(cost.cpu for cost in costs) for costs in taken.values()]
    rows = [Row(name, _cells(costs, base)) for name, costs in taken.items()]
    rows += [_memray(python, tests // _FEWER), _pytest_leaks(python)]
    return Table(f"A suite of {tests:,} trivial tests", ("", "CPU", "elapsed", "CPU beyond no plugin"), tuple(rows))


def _cells(costs: Sequence[Cost], base: float) -> tuple[str, ...]:
    cpu = statistics.median(cost.cpu for cost in costs)
    wall = statistics.median(cost.wall for cost in costs)
    return f"{cpu:.2f} s", f"{wall:.2f} s", f"{cpu / base - 1:+.1%}"


def _memray(python: str, tests: int) -> Row:
    """Run fewer tests with pytest-memray, once: it takes tens of milliseconds for each."""
    name = f"pytest --memray (pytest-memray, {tests:,} tests)"
    if why := has(python, "pytest_memray"):
        return Row(name, ("", "", f"cannot run: {why}"))
    with tempfile.TemporaryDirectory() as made:
        write_trivial(Path(made), tests)
        base, _ = run(python, Path(made), "-p", "no:leakdiff")
        cost, _ = run(python, Path(made), "-p", "no:leakdiff", "--memray", "--hide-memray-summary")
    return Row(name, _cells([cost], base.cpu))


def _pytest_leaks(python: str) -> Row:
    """Say why pytest-leaks is not among the figures."""
    if why := has(python, "pytest_leaks"):
        return Row("pytest -R :  (pytest-leaks)", ("", "", f"cannot run: {why}"))
    source = "import sys; sys.exit(not hasattr(sys, 'gettotalrefcount'))"
    is_debug = subprocess.run([python, "-c", source], timeout=_TIMEOUT, check=False).returncode == 0
    why = "not measured" if is_debug else "cannot run: it needs a debug build of Python"
    return Row("pytest -R :  (pytest-leaks)", ("", "", why))


# -- one marked test on a large heap ---------------------------------------------------------------

_HEAP = """
    import time
    import pytest

    HEAP = [[number] for number in range({objects})]
    SPENT = [0.0]

    def body():
        started = time.thread_time()
        made = [[] for _ in range(100)]
        SPENT[0] += time.thread_time() - started
        return made
"""
_TIMING = """
    import json, statistics, time, pytest

    BEYOND = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(item):
        spent = item.module.SPENT
        spent[0] = 0.0
        started = time.thread_time()
        try:
            return (yield)
        finally:
            BEYOND.append(time.thread_time() - started - spent[0])

    def pytest_unconfigure():
        with open("beyond.json", "w") as file:
            json.dump(BEYOND[3:], file)
"""
_LEAKDIFF = """
    @pytest.mark.leakdiff
    @pytest.mark.parametrize("number", range({marked}))
    def test_marked(number):
        body()
"""
_MEMRAY = """
    @pytest.mark.limit_leaks("1 MB")
    @pytest.mark.parametrize("number", range({marked}))
    def test_marked(number):
        body()
"""
_PSLEAK = """
    from psleak import MemoryLeakTestCase

    class TestLeak(MemoryLeakTestCase):
        pass

    for _number in range({marked}):
        setattr(TestLeak, f"test_{{_number}}", lambda self: self.execute(body))
"""
_PLAIN = """
    @pytest.mark.parametrize("number", range({marked}))
    def test_plain(number):
        body()
"""


def marked_table(python: str, runs: int) -> Table:
    """Measure what a clean check of one test costs beyond its body, on a small heap and on a large one."""
    ways = {
        "a test without a marker": (_PLAIN, (), "", {}),
        "@pytest.mark.leakdiff (66 bodies)": (_LEAKDIFF, (), "", {}),
        "@pytest.mark.limit_leaks (pytest-memray, 1 body)": (_MEMRAY, ("--memray",), "pytest_memray", {}),
        "psleak (as many bodies as it wants)": (_PSLEAK, (), "psleak", {"PYTHONMALLOC": "malloc"}),
    }
    rows = []
    for name, (source, arguments, needed, environment) in ways.items():
        if needed and (why := has(python, needed)):
            rows.append(Row(name, (f"cannot run: {why}", "")))
            continue
        cells = [
            _beyond(python, source, arguments, objects=objects, runs=runs, environment=environment)
            for objects in (1_000, _OBJECTS)
        ]
        rows.append(Row(name, tuple(f"{1000 * cell:.2f} ms" for cell in cells)))
    return Table("One clean test, beyond its bodies", ("", "1,000 objects", f"{_OBJECTS:,} objects"), tuple(rows))


def _beyond(  # noqa: PLR0913 - what a suite is made of
    python: str, source: str, arguments: Sequence[str], *, objects: int, runs: int, environment: Mapping[str, str]
) -> float:
    """Return the median over tests and runs, the first tests left out: they import what is used."""
    found: list[float] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        body = textwrap.dedent(_HEAP).format(objects=objects) + textwrap.dedent(source).format(marked=_MARKED)
        (folder / "test_heap.py").write_text(body, encoding="utf-8")
        (folder / "conftest.py").write_text(textwrap.dedent(_TIMING), encoding="utf-8")
        for _ in range(runs):
            run(python, folder, *arguments, **environment)
            found.extend(json.loads((folder / "beyond.json").read_text("utf-8")))
    return statistics.median(found)


# -- what importing it costs -----------------------------------------------------------------------


def import_table(python: str) -> Table:
    """Measure the import of the plugin's module once pytest is there, as in a suite that does not use it."""
    source = """
    import pytest, time, sys
    started = time.thread_time()
    import leakdiff.pytest_plugin
    print(time.thread_time() - started)
    """
    taken = []
    for _ in range(_IMPORTS):
        ended = subprocess.run(
            [python, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=_TIMEOUT, check=True
        )
        taken.append(float(ended.stdout))
    row = Row("import leakdiff.pytest_plugin", (f"{1000 * statistics.median(taken):.2f} ms",))
    return Table("Importing the plugin, beyond pytest", ("", "CPU"), (row,))


# -- telling ---------------------------------------------------------------------------------------


def as_text(tables: Sequence[Table]) -> Iterator[str]:
    """Yield lines for a terminal."""
    for table in tables:
        yield f"\n{table.title}"
        for row in table.rows:
            yield f"  {row.name:<50}  " + "  ".join(f"{cell:>12}" for cell in row.cells)


def as_markdown(tables: Sequence[Table], facts: str) -> str:
    """Write the page for the documentation."""
    lines = [
        "# Benchmarks of the pytest plugin",
        "",
        facts,
        "",
        (
            "CPU seconds of whole processes and medians; the ways of one table took turns. A clean test of `leakdiff` "
            "repeats its body 66 times, and what it costs is what remains when the bodies are taken away; "
            "`pytest-memray` runs the body once."
        ),
        "",
    ]
    for table in tables:
        lines += [f"## {table.title}", "", f"| {' | '.join(table.columns)} |"]
        lines.append("|---|" + "--:|" * (len(table.columns) - 1))
        lines += [f"| {' | '.join((row.name.replace('|', ' '), *row.cells))} |" for row in table.rows] + [""]
    return "\n".join(lines)


def facts_of(python: str, runs: int) -> str:
    """Say when it was measured and with which versions."""
    names = ["pytest", "leakdiff", "pytest-memray", "psleak", "pytest-leaks"]
    source = f"""
    import platform
    from importlib import metadata
    told = []
    for name in {names!r}:
        try:
            told.append(f"{{name}} {{metadata.version(name)}}")
        except metadata.PackageNotFoundError:
            pass
    print(f"CPython {{platform.python_version()}} on {{platform.system()}}, " + ", ".join(told))
    """
    ended = subprocess.run(
        [python, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=_TIMEOUT, check=True
    )
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    machine = f"{os.cpu_count()} CPUs, {runs} runs each, the slowest once"
    return f"Measured by `make bench-plugin` on {date}: {ended.stdout.strip()}; {machine}."


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    option = parser.add_argument
    option("--python", default=sys.executable, metavar="PATH", help="the interpreter that runs the suites")
    option("--tests", type=int, default=2_000, help="trivial tests of the suite (default: 2000)")
    option("--runs", type=int, default=5, help="how often each suite is run (default: 5)")
    option("--markdown", type=Path, metavar="PATH", help="write the tables to PATH")
    wishes = parser.parse_args()
    tables = [
        trivial_table(wishes.python, wishes.tests, wishes.runs),
        marked_table(wishes.python, 1),
        import_table(wishes.python),
    ]
    print("\n".join(as_text(tables)))
    if wishes.markdown:
        wishes.markdown.write_text(as_markdown(tables, facts_of(wishes.python, wishes.runs)), encoding="utf-8")


if __name__ == "__main__":
    main()
