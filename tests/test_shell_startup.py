"""The command line starts light: what is heavy is imported by the command that needs it, and by no help."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

HEAVY = (
    "asyncio",
    "attr",
    "guppy",
    "jinja2",
    "networkx",
    "objgraph",
    "prometheus_client",
    "psutil",
    "pympler",
    "pytest",
    "rich",
    "sqlite3",
    "tracemalloc",
    "leakdiff.judge",
    "leakdiff.live",
    "leakdiff.model",
    "leakdiff.options",
    "leakdiff.session",
    "leakdiff.store",
)


def fresh(source: str) -> Any:
    """Run a source in a fresh interpreter that has nothing imported for this test, and return its last line."""
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def imported_by(statement: str) -> list[str]:
    """Return what of the heavy modules a statement imports."""
    told = f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules and name not in before]))"
    return list(fresh(f"import json, sys\nbefore = set(sys.modules)\n{statement}\n{told}"))


def test_importing_leakdiff_imports_nothing_heavy() -> None:
    """Not even attrs: a program that imports leakdiff for a bad day pays next to nothing on the others."""
    assert imported_by("import leakdiff") == []


@pytest.mark.parametrize(
    "arguments",
    ["--help", "check --help", "soak --help", "trend --help", "store prune --help", "render --help", "chekc"],
)
def test_help_and_usage_errors_import_nothing_heavy(arguments: str) -> None:
    """The parsers of all commands are made without what the commands need."""
    assert imported_by(f"from leakdiff.cli import main\nmain({arguments.split()!r})") == []


def test_the_measure_sees_what_is_imported() -> None:
    """What a command does need is found by the same means."""
    assert "attr" in imported_by("from leakdiff.cli import main\nmain(['cause'])")


def test_reading_a_store_asks_no_peer() -> None:
    """A trend needs SQLite and arithmetic, not objgraph, pympler, guppy3 or a referrer graph."""
    imported = imported_by("from leakdiff.cli import main\nmain(['trend', 'no-such-file'])")

    assert "leakdiff.live" in imported
    assert {"networkx", "objgraph", "pympler", "guppy", "jinja2"} & set(imported) == set()
