"""Run the test suites of well-known packages with and without ``pytest --leakdiff``, and compare: make suites.

Each suite comes from the package's source distribution and runs in an environment of its own, twice without and twice
with leakdiff. The outcome of no test may differ, and what leakdiff tells of is written down.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = REPOSITORY / ".cache" / "suites"
_LIMIT = 600  # seconds one run of a suite may take
_RUNS = 2
_MOST_OWNERS = 8
_MARK = "<!-- what follows is written by make suites -->"


@attrs.frozen
class Suite:
    """A package, pinned, and what its tests need.

    Attributes:
        pin: The requirement of its source distribution.
        needs: What its tests import besides.
        arguments: What pytest is given.
    """

    pin: str
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ("tests",)

    @property
    def name(self) -> str:
        """The name of the package."""
        return self.pin.partition("==")[0]


SUITES = (
    Suite("attrs==26.1.0", ("cloudpickle", "hypothesis", "pympler", "pytest-xdist")),
    Suite("blinker==1.9.0", ("pytest-asyncio",), ("-oasyncio_default_fixture_loop_scope=function", "tests")),
    Suite("cachetools==8.0.1"),
    Suite("click==8.5.1"),
    Suite("itsdangerous==2.2.0", ("freezegun",)),
    Suite("jinja2==3.1.6", ("trio",)),
    Suite("marshmallow==4.4.0", ("simplejson",)),
    Suite("more-itertools==11.2.1"),
    Suite("pluggy==1.7.0", ("pytest-benchmark",), ("testing",)),
    Suite("tenacity==9.2.1", ("tornado", "typeguard", "trio", "pytest-asyncio")),
)


@attrs.frozen
class Run:
    """One run of a suite.

    Attributes:
        outcomes: By test, what became of it.
        cpu: CPU seconds of pytest and what it started.
        status: The exit status of pytest.
        report: What ``--leakdiff-report`` wrote, or nothing.
    """

    outcomes: Mapping[str, str]
    cpu: float
    status: int
    report: Mapping[str, Any]


@attrs.frozen
class Row:
    """A suite, and how it ran without and with leakdiff."""

    suite: Suite
    plain: tuple[Run, ...]
    watched: tuple[Run, ...]

    @property
    def changed(self) -> list[str]:
        """Tests with another outcome under leakdiff than in any run without it; some have the time in their names."""
        usual, watched = [run.outcomes for run in self.plain], self.watched[0].outcomes
        lasting = [test for test in usual[0] if all(test in run for run in usual)]
        return [test for test in lasting if watched.get(test) not in {run[test] for run in usual}]

    @property
    def ratio(self) -> float:
        """CPU time under leakdiff over that without, each the least of its runs."""
        return min(run.cpu for run in self.watched) / min(run.cpu for run in self.plain)

    @property
    def outlived(self) -> Sequence[Mapping[str, Any]]:
        """Owners of what outlived its test, most first, without what tools keep."""
        found = self.watched[0].report.get("outlived", ())
        return [owner for owner in found if not owner["kept_by"]]


def main() -> int:
    """Run the suites and return 1 if leakdiff changed the outcome of any test, 2 if one could not be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only these packages")
    parser.add_argument("--markdown", type=Path, help="write the table into this file")
    parsed = parser.parse_args()
    rows, failed = [], []
    for suite in SUITES:
        if parsed.names and suite.name not in parsed.names:
            continue
        try:
            rows.append(measured(suite))
        except (subprocess.SubprocessError, OSError, ValueError) as error:
            failed.append(f"{suite.name}: {error}")
            print(failed[-1], file=sys.stderr)
            continue
        print(line(rows[-1]), flush=True)
    if parsed.markdown and rows:
        before = parsed.markdown.read_text(encoding="utf-8") if parsed.markdown.exists() else ""
        by_hand, _, _ = before.partition(_MARK)
        parsed.markdown.write_text(f"{by_hand}{_MARK}\n\n{as_markdown(rows, failed)}", encoding="utf-8")
    return 2 if failed else int(any(row.changed for row in rows))


def measured(suite: Suite) -> Row:
    """Run one suite, without and with leakdiff in turn."""
    folder = unpacked(suite)
    python = environment(suite, folder)
    plain, watched = [], []
    for _ in range(_RUNS):
        plain.append(run(suite, folder, python, "-pno:leakdiff"))
        report = folder / "leakdiff.json"
        watched.append(run(suite, folder, python, "--leakdiff=once", f"--leakdiff-report={report}", report=report))
    return Row(suite, tuple(plain), tuple(watched))


def unpacked(suite: Suite) -> Path:
    """Return the folder of a package's source distribution, fetched once."""
    home = CACHE / suite.name
    home.mkdir(parents=True, exist_ok=True)
    (home / "pytest.ini").touch()  # a package without one must not get ours
    if not list(home.glob("*.tar.gz")):
        command = ["download", "--quiet", "--no-deps", "--no-binary", suite.name, "--dest", str(home), suite.pin]
        subprocess.run([sys.executable, "-m", "pip", *command], check=True, stderr=subprocess.DEVNULL)
    archive = next(iter(home.glob("*.tar.gz")))
    with tarfile.open(archive) as packed:
        top = packed.getnames()[0].partition("/")[0]
        packed.extractall(home, filter="data")
    return home / top


def environment(suite: Suite, folder: Path) -> Path:
    """Return the Python of an environment with the package, what its tests need, and leakdiff."""
    home = folder.parent / "venv"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        needs = ["pytest", *suite.needs, str(folder), str(REPOSITORY)]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *needs], check=True, stderr=subprocess.DEVNULL)
        (home / "ready").touch()
    return python


def run(suite: Suite, folder: Path, python: Path, *options: str, report: Path | None = None) -> Run:
    """Run a suite once."""
    junit = folder / "outcomes.xml"
    command = [str(python), "-m", "pytest", "-q", "-pno:cacheprovider", f"--junitxml={junit}", *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(
        [*command, *suite.arguments], cwd=folder, env=environ, timeout=_LIMIT, check=False, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise ValueError(f"pytest ended with {done.returncode}: {done.stdout[-500:].decode(errors='replace')}")
    written = json.loads(report.read_text(encoding="utf-8")) if report is not None else {}
    return Run(
        outcomes(junit), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.returncode, written
    )


def outcomes(junit: Path) -> dict[str, str]:
    """Return what became of each test, from JUnit's file."""
    found: dict[str, str] = {}
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        worst = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        found[f"{case.get('classname')}::{case.get('name')}"] = worst
    return found


def line(row: Row) -> str:
    """Return a suite's row of the table."""
    tests = row.watched[0].outcomes
    passed = sum(outcome == "passed" for outcome in tests.values())
    return (
        f"| {row.suite.pin} | {len(tests):,} | {passed:,} | {len(row.changed)} | {len(row.outlived)} | "
        f"{min(run.cpu for run in row.plain):.1f} s | {row.ratio:.2f} |"
    )


def as_markdown(rows: Sequence[Row], failed: Sequence[str]) -> str:
    """Return the whole page."""
    today = datetime.datetime.now(datetime.UTC).date()
    parts = [
        "## What was run\n",
        (
            f"`make suites` on {today}, CPython {platform.python_version()}, {os.cpu_count()} cores: the tests of "
            "packages' source distributions with `pytest --leakdiff`, and without the plugin. CPU time is the least "
            f"of {_RUNS} runs.\n"
        ),
        "| package | tests | passed | other outcome | owners told of | CPU time without | with, as a multiple |",
        "|---|---|---|---|---|---|---|",
        *map(line, rows),
        "",
        *(f"Could not be run: {text}\n" for text in failed),
        "## What outlived its test\n",
    ]
    for row in rows:
        parts.extend(told(row))
    return "\n".join(parts) + "\n"


def told(row: Row) -> list[str]:
    """Return what is told of one suite."""
    head = [f"### {row.suite.name}\n", *(f"Other outcome: `{test}`\n" for test in row.changed)]
    if not row.outlived:
        return [*head, "Nothing but what pytest and its plugins keep.\n"]
    shown = [
        f"* `{owner['owner']}`: {', '.join(f'{count:,} {name}' for name, count in owner['types'][:3])}, from "
        f"{counted(owner['tests'])}"
        for owner in row.outlived[:_MOST_OWNERS]
    ]
    more = len(row.outlived) - _MOST_OWNERS
    return [*head, *shown, *([f"* and {more} more"] if more > 0 else []), ""]


def counted(tests: Sequence[str]) -> str:
    """Say of how many tests something is; of growth that gc does not see, that cannot be told."""
    if not tests:
        return "tests that cannot be told"
    return f"{len(tests):,} {'test' if len(tests) == 1 else 'tests'}"


if __name__ == "__main__":
    sys.exit(main())
