"""Write what a session of tests found into the files that were asked for, once it has ended."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from leakdiff.__about__ import __version__
from leakdiff.errors import LeakdiffError
from leakdiff.model.baseline import Baseline, KnownLeak
from leakdiff.model.verdict import ACCUSING
from leakdiff.render.text import short_path
from leakdiff.store.files import write_whole
from leakdiff.testing.session import Result, Session
from leakdiff.testing.summary import what_it_holds

FORMAT = 1

_OF_PAGES = ("page", "known")  # fields of a result that its report says better
_ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


class Files:
    """A plugin of the process that prints the summary: with xdist that is the controller."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lines: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the files; where one cannot be written, the others are, and pytest does not end with 0."""
        if session.config.getoption("collectonly"):
            return
        for write, path in self._asked_for():
            try:
                self._lines.append(write(path, exitstatus))
            except LeakdiffError as error:
                self._lines.append(f"{error} [{error.slug}]")
                session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def _asked_for(self) -> Iterator[tuple[Callable[[Path, int], str], Path]]:
        settings = self._session.settings
        if settings.write_baseline is not None:
            yield self._write_baseline, settings.write_baseline
        for path in settings.reports:
            yield self._write_report, path

    def _write_baseline(self, path: Path, exitstatus: int) -> str:
        if exitstatus not in _ENDED:
            return f"{short_path(str(path))} was not written: pytest did not run to its end"
        baseline = baseline_of(self._session)
        baseline.save(path)
        return f"{short_path(str(path))} now holds {len(baseline.known):,} known leak(s)"

    def _write_report(self, path: Path, exitstatus: int) -> str:
        write_whole(path, rendered(self._session, path, exitstatus))
        return f"{short_path(str(path))} holds what was found"

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was written, and what could not be."""
        for line in self._lines:
            terminalreporter.write_line(f"leakdiff: {line}")


def baseline_of(session: Session) -> Baseline:
    """Return the baseline with the leaks of all tests that ran; what it holds of others stays."""
    before = session.written.known if session.written is not None else ()
    looks = [(found.test, found.known) for found in session.results if found.known is not None]
    leaks = [KnownLeak(**fields) for _, known in looks for fields in known]
    ran = {test for test, _ in looks}
    merged = {(leak.target, leak.fingerprint): leak for leak in leaks}  # one test may be looked at several times
    return Baseline((*(leak for leak in before if leak.target not in ran), *merged.values()))


def rendered(session: Session, path: Path, exitstatus: int) -> bytes:
    """Return what a file is to hold, by the ending of its name."""
    if path.suffix == ".json":
        return (json.dumps(as_dict(session, exitstatus), indent=2, sort_keys=True) + "\n").encode()
    from leakdiff.render.html import render_session

    return render_session(_page(session, exitstatus)).encode()


def as_dict(session: Session, exitstatus: int) -> dict[str, Any]:
    """Return what a session found as plain dicts, lists, texts and numbers: format 1."""
    tests = [_without(found, *_OF_PAGES) for found in session.told]
    facts = {"format": FORMAT, "settings": _settings(session), "outlived": session.outlived}
    return {**_facts(session, exitstatus), **facts, "tests": tests}


def _page(session: Session, exitstatus: int) -> dict[str, Any]:
    """Return what the page of a session shows, failures and leaks first."""
    ordered = sorted(session.told, key=lambda found: (not found.is_failure, found.verdict not in ACCUSING))
    watched = f"{session.watched:,} watched once, " if session.watched else ""
    title = f"{watched}{len(ordered):,} checked, {len(session.leaks):,} leak"
    tests = [{**_without(found, "report", "known"), "lines": found.text.split("\n")} for found in ordered]
    outlived = [_owner(item) for item in session.outlived]
    return {**_facts(session, exitstatus), "title": title, "tests": tests, "outlived": outlived}


def _owner(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page shows of one owner of what outlived tests."""
    told = {
        "holds": what_it_holds(item),
        "tests": ", ".join(item["tests"]),
        "path": item["path"],
        "also": f"held by {', '.join(item['also'])}" if item["also"] else "",
        "known": item["kept_by"],
    }
    rows = [[name, text] for name, text in told.items() if text]
    return {"owner": item["owner"], "type": item["owner_type"], "fingerprint": item["fingerprint"], "rows": rows}


def _facts(session: Session, exitstatus: int) -> dict[str, Any]:
    cost = sum(found.cpu_seconds for found in session.results) + session.once_cpu_seconds
    return {
        "leakdiff": __version__,
        "python": platform.python_version(),
        "exit_status": int(exitstatus),
        "watched": session.watched,
        "others": session.others,
        "notes": list(session.notes),
        "cost": {"cpu_seconds": round(cost, 6)},
    }


def _without(found: Result, *names: str) -> dict[str, Any]:
    return {name: held for name, held in attrs.asdict(found).items() if name not in names}


def _settings(session: Session) -> dict[str, Any]:
    """Return the settings as JSON can hold them."""
    settings = session.settings
    return {
        **attrs.asdict(settings),
        "reports": [str(path) for path in settings.reports],
        "baseline": str(settings.baseline) if settings.baseline is not None else None,
        "write_baseline": str(settings.write_baseline) if settings.write_baseline is not None else None,
    }
