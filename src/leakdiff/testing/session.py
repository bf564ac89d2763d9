"""One session of tests: its settings, its baseline, and what was found in it."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, Self

import attrs
import pytest

from leakdiff.model.baseline import Baseline, new_leaks
from leakdiff.model.report import Report, Verdict
from leakdiff.testing.settings import Settings, read_settings

_MOST_PROPERTIES = 5  # findings that are told in JUnit's file


@attrs.frozen(kw_only=True)
class Result:
    """What one look at one test found; names and numbers, as JSON can carry them from one process to another.

    Attributes:
        test: The node id.
        kind: What looked: ``check``, ``soak``, ``gone``, ``container`` or ``no_growth``.
        verdict: The verdict.
        headline: What it says in one line.
        text: All of it, as text.
        owners: Owners of the leaks, or what stands for them; new ones only, where that was asked for.
        report: The report as ``Report.as_dict()`` has it; None where there is none.
        is_failure: Whether the test fails by it.
        cpu_seconds: What it cost, without the test's own body.
    """

    test: str
    kind: str
    verdict: str
    headline: str
    text: str
    owners: tuple[str, ...] = ()
    report: dict[str, Any] | None = None
    is_failure: bool = False
    cpu_seconds: float = 0.0

    @classmethod
    def of(cls, test: str, kind: str, report: Report, *, is_failure: bool) -> Self:
        """Return what a report says of a test."""
        leaks = new_leaks(report)
        return cls(
            test=test,
            kind=kind,
            verdict=report.verdict.value,
            headline=str(report),
            text=report.text(),
            owners=tuple(dict.fromkeys(finding.owner or finding.owner_type for finding in leaks)),
            report=report.as_dict(),
            is_failure=is_failure,
            cpu_seconds=report.cost.cpu_seconds,
        )


@attrs.define(eq=False)
class Session:
    """What is known of a session of tests, in the process that prints its summary and in each that runs tests.

    Attributes:
        config: Pytest's.
        settings: What was asked for.
        baseline: Leaks that are known, or None.
        results: What was found, in the process that prints the summary.
        notes: What could not be looked at, in sentences.
    """

    config: pytest.Config
    settings: Settings
    baseline: Baseline | None = None
    results: list[Result] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    _untold: dict[str, list[Result]] = attrs.field(factory=dict)

    def tell(self, item: pytest.Item, result: Result) -> None:
        """Keep a result until the test's report takes it along, and give JUnit its short form."""
        self._untold.setdefault(item.nodeid, []).append(result)
        item.user_properties.append(("leakdiff.verdict", result.verdict))
        for owner in result.owners[:_MOST_PROPERTIES]:
            item.user_properties.append(("leakdiff.owner", owner))

    def note(self, text: str) -> None:
        """Keep a sentence for the summary, once."""
        if text not in self.notes:
            self.notes.append(text)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, pytest.TestReport]:
        """Give the report of a test what was found in it: it crosses from xdist's workers like that."""
        report: Any = yield
        found = self._untold.pop(item.nodeid, ()) if call.when == "call" else ()
        if found:
            report.leakdiff = json.dumps([attrs.asdict(result) for result in found])
        return report  # type: ignore[no-any-return]

    def take(self, text: str) -> None:
        """Take in what came with a test's report."""
        for fields in json.loads(text):
            self.results.append(Result(**{**fields, "owners": tuple(fields["owners"])}))

    @property
    def leaks(self) -> list[Result]:
        """What leaks, the failures first."""
        told = [found for found in self.results if found.verdict in (Verdict.LEAK, Verdict.NATIVE) or found.is_failure]
        return sorted(told, key=lambda found: not found.is_failure)


_KEY = pytest.StashKey[Session]()


def session_of(config: pytest.Config) -> Session:
    """Return the session, which begins when it is first asked for.

    Raises:
        BadOption: If an option cannot work.
        BaselineMissing: If there is no baseline where one was named.
        BadBaseline: If there is something else.
    """
    if _KEY not in config.stash:
        settings = read_settings(config)
        baseline = Baseline.load(settings.baseline) if settings.baseline is not None else None
        session = config.stash[_KEY] = Session(config, settings, baseline)
        config.pluginmanager.register(session, "leakdiff-session")
    return config.stash[_KEY]


def has_session(config: pytest.Config) -> bool:
    """Tell whether anything of leakdiff was asked for in this process."""
    return _KEY in config.stash
