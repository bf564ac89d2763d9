"""One session of tests: its settings, its baseline, and what was found in it."""

from __future__ import annotations

from collections.abc import Generator
from json import dumps, loads  # by their names: a test may have json patched while its report is made
from typing import TYPE_CHECKING, Any, Self

import attrs
import pytest

from leakdiff.errors import BaselineMissing
from leakdiff.model.verdict import ACCUSING, Novelty
from leakdiff.testing.settings import Settings, read_settings

if TYPE_CHECKING:
    from leakdiff.model.baseline import Baseline
    from leakdiff.model.report import Report

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
        owners: Owners of the leaks that no baseline knows, or what stands for them.
        fingerprints: The fingerprints of the same leaks.
        report: The report as ``Report.as_dict()`` has it; None where there is none.
        is_failure: Whether the test fails by it.
        cpu_seconds: What it cost, without the test's own body.
        known: The leaks as a baseline has them; None where none is written.
        page: What a page shows of the report; None where no page is written.
    """

    test: str
    kind: str
    verdict: str
    headline: str
    text: str
    owners: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    report: dict[str, Any] | None = None
    is_failure: bool = False
    cpu_seconds: float = 0.0
    known: tuple[dict[str, Any], ...] | None = None
    page: dict[str, Any] | None = None

    @property
    def is_known(self) -> bool:
        """Whether it leaks, and a baseline knows all of it."""
        is_leak = self.report is not None and self.verdict in ACCUSING
        return is_leak and not self.owners and not self.is_failure

    @classmethod
    def of(cls, test: str, kind: str, report: Report, *, is_failure: bool) -> Self:
        """Return what a report says of a test."""
        from leakdiff.model.baseline import new_leaks

        leaks = new_leaks(report)
        return cls(
            test=test,
            kind=kind,
            verdict=report.verdict.value,
            headline=str(report),
            text=report.text(),
            owners=tuple(dict.fromkeys(finding.owner or finding.owner_type for finding in leaks)),
            fingerprints=tuple(dict.fromkeys(finding.fingerprint for finding in leaks)),
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
        written: What the baseline that is to be written holds before, or None.
        results: What was found, in the process that prints the summary.
        notes: What could not be looked at, in sentences.
        outlived: What outlived tests that were watched once, by owner, as ``Outlived.as_dict()`` has it.
        watched: How many tests were watched once.
        others: How many more objects outlived these, under no name that was found.
        once_cpu_seconds: What that cost.
    """

    config: pytest.Config
    settings: Settings
    baseline: Baseline | None = None
    written: Baseline | None = None
    results: list[Result] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    outlived: list[dict[str, Any]] = attrs.field(factory=list)
    watched: int = 0
    others: int = 0
    once_cpu_seconds: float = 0.0
    _untold: dict[str, list[Result]] = attrs.field(factory=dict)

    def found(self, test: str, kind: str, report: Report, *, is_failure: bool) -> Result:
        """Return what a report says of a test, with all that the files that were asked for need of it."""
        told = _without_known(report) if self.settings.new_only else report
        result = Result.of(test, kind, told, is_failure=is_failure)
        if self.written is not None:
            leaks = self.written.updated(report, target=test).known
            known = tuple(attrs.asdict(leak) for leak in leaks if leak.target == test)
            result = attrs.evolve(result, known=known)
        if any(path.suffix == ".html" for path in self.settings.reports):
            from leakdiff.render.html import as_page

            result = attrs.evolve(result, page=as_page(told))
        return result

    def tell(self, item: pytest.Item, result: Result) -> None:
        """Keep a result until the test's report takes it along, and give JUnit its short form."""
        if not self.config.pluginmanager.is_registered(self):  # from here on only: it is called three times a test
            self.config.pluginmanager.register(self, "leakdiff-session")
        self._untold.setdefault(item.nodeid, []).append(result)
        item.user_properties.append(("leakdiff.verdict", result.verdict))
        for owner in result.owners[:_MOST_PROPERTIES]:
            item.user_properties.append(("leakdiff.owner", owner))
        for fingerprint in result.fingerprints[:_MOST_PROPERTIES]:
            item.user_properties.append(("leakdiff.fingerprint", fingerprint))

    def note(self, text: str) -> None:
        """Keep a sentence for the summary, once."""
        if text not in self.notes:
            self.notes.append(text)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, pytest.TestReport]:
        """Give a report of a test what was found until then: it crosses from xdist's workers like that."""
        report: Any = yield
        found = self._untold.pop(item.nodeid, ())
        if found or self.notes:
            report.leakdiff = dumps({"results": [attrs.asdict(result) for result in found], "notes": self.notes})
            self.notes.clear()  # it takes them in again, where the summary is printed
        return report  # type: ignore[no-any-return]

    def take(self, text: str) -> None:
        """Take in what came with a test's report."""
        told = loads(text)
        for note in told["notes"]:
            self.note(note)
        for fields in told["results"]:
            lists = {name: tuple(held) for name, held in fields.items() if isinstance(held, list)}
            self.results.append(Result(**{**fields, **lists}))

    @property
    def told(self) -> list[Result]:
        """What is to be told: all results, or those that no baseline knows."""
        return [found for found in self.results if not (self.settings.new_only and found.is_known)]

    @property
    def leaks(self) -> list[Result]:
        """What leaks, the failures first."""
        leaks = [found for found in self.told if found.verdict in ACCUSING or found.is_failure]
        return sorted(leaks, key=lambda found: not found.is_failure)


def _without_known(report: Report) -> Report:
    """Return a report that has new leaks without those that are known; another as it is."""
    from leakdiff.model.baseline import new_leaks

    if not (new := new_leaks(report)):
        return report
    kept = tuple(finding for finding in report.findings if finding.novelty is not Novelty.KNOWN)
    return attrs.evolve(report, verdict=new[0].verdict, because=new[0].because, findings=kept)


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
        baseline = _known(settings)
        config.stash[_KEY] = Session(config, settings, baseline, _written(settings, baseline))
    return config.stash[_KEY]


def _known(settings: Settings) -> Baseline | None:
    """Read the baseline; one that this session writes need not be there."""
    path = settings.baseline
    if path is None or (path == settings.write_baseline and not path.exists()):
        return None
    from leakdiff.model.baseline import Baseline

    try:
        return Baseline.load(path)
    except BaselineMissing:
        raise BaselineMissing(str(path), f"pytest --leakdiff-write-baseline={path}") from None


def _written(settings: Settings, baseline: Baseline | None) -> Baseline | None:
    """Read what the baseline that is to be written holds: lines of tests that do not run stay."""
    path = settings.write_baseline
    if path is None:
        return None
    from leakdiff.model.baseline import Baseline

    return Baseline.load(path) if path.exists() else baseline or Baseline()


def has_session(config: pytest.Config) -> bool:
    """Tell whether anything of leakdiff was asked for in this process."""
    return _KEY in config.stash
