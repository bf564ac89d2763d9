"""What a soak says: a report, and beside it scenarios, what they grow, what comes of it, and what did not run."""

from __future__ import annotations

from typing import Any

import attrs

from leakdiff.model.one_line import IN_BYTES, bounded, one_line
from leakdiff.model.report import Finding, Findings, Report, Verdict
from leakdiff.model.showing import Showing
from leakdiff.model.shown import Shown


@attrs.frozen
class ScenarioRun:
    """A scenario, and how often it ran.

    Attributes:
        name: Its name.
        share: Its share of the mix.
        units: How often it ran.
        fault: What strikes it midway, by the name of the function that asks for it; empty if nothing does.
        struck: How often it did.
        growth: By owner, what it gains for each unit of this scenario.
    """

    name: str
    share: float
    units: int
    fault: str = ""
    struck: int = 0
    growth: dict[str, float] = attrs.field(factory=dict)

    __repr__ = one_line


@attrs.frozen
class Growth:
    """What one finding grows by for each unit of each scenario.

    Attributes:
        owner: The owner, or what stands for it.
        fingerprint: Of the finding.
        counted: What is counted: ``entries``, ``blocks`` or ``bytes``.
        rates: By scenario, 0 for those that are unclear; empty where none is known.
        unclear: Positions of the scenarios of which it is not known.
        why_not: Why not.
    """

    owner: str
    fingerprint: str
    counted: str
    rates: tuple[float, ...] = ()
    unclear: tuple[int, ...] = ()
    why_not: str = ""

    __repr__ = one_line

    @property
    def known(self) -> dict[int, float]:
        """The rates that are known, by the position of the scenario."""
        return {at: rate for at, rate in enumerate(self.rates) if at not in self.unclear}


@attrs.frozen
class Projection:
    """When the memory is full, if all goes on as in the soak.

    Attributes:
        per_day: What leaks in a day: entries where one owner leaks, else bytes.
        each: Bytes of an entry; None where several things leak.
        bytes_per_day: What leaks in a day, in bytes.
        limit: Bytes at which the process is killed.
        used: Bytes that are in use now.
        soonest: Days until then, at least.
        latest: Days until then, at most.
    """

    per_day: float
    each: float | None
    bytes_per_day: float
    limit: int = attrs.field(metadata=IN_BYTES)
    used: int = attrs.field(metadata=IN_BYTES)
    soonest: float
    latest: float

    __repr__ = one_line


@attrs.frozen
class Ran:
    """A function that ran.

    Attributes:
        file: Its file.
        first: The line its definition starts at, decorators included.
        name: Its qualified name.
        lines: Its lines that have code.
        ran: Those that ran.
    """

    file: str
    first: int
    name: str
    lines: frozenset[int]
    ran: frozenset[int]

    __repr__ = one_line


@attrs.frozen
class NeverRan:
    """A part of a function that ran, of which no line did.

    Attributes:
        file: Its file.
        first: Its first line.
        last: Its last line.
        function: The function's qualified name.
        only: When it would run, such as ``only if not driver.accepted (line 55)``; empty if that is not known.
    """

    file: str
    first: int
    last: int
    function: str
    only: str = ""

    __repr__ = one_line


@attrs.frozen
class SoakReport(Showing):
    """The answer of a soak.

    Attributes:
        report: What grows and who holds it, as of ``leakdiff.check``.
        scenarios: The scenarios in their order, with how often they ran.
        growth: Which scenario grows what, by finding.
        projection: When the memory is full; None where the numbers do not carry it.
        unexercised: Parts of functions that did not run in the rounds that were traced.
        missing_faults: Faults that no scenario had, by the functions that ask for them.
        traced: Units that were traced to see what runs.
        seed: Of the random numbers.
        units: How many units ran, over all scenarios.
        seconds: How long it took.
        interrupted: Whether Ctrl-C ended it.
    """

    report: Report
    scenarios: tuple[ScenarioRun, ...] = ()
    growth: tuple[Growth, ...] = ()
    projection: Projection | None = None
    unexercised: tuple[NeverRan, ...] = ()
    missing_faults: tuple[str, ...] = ()
    traced: int = 0
    seed: int = 0
    units: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    def __str__(self) -> str:
        return str(self.report)

    def __repr__(self) -> str:
        return bounded(f"<SoakReport {self.verdict}, {len(self.scenarios):,} scenario(s), {self.units:,} units>")

    @property
    def verdict(self) -> Verdict:
        """The report's verdict."""
        return self.report.verdict

    @property
    def findings(self) -> Findings:
        """The report's findings."""
        return self.report.findings

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that are leaks: LEAK or NATIVE."""
        return self.report.leaks

    def top(self, most: int = 3) -> Findings:
        """Return the first few of the findings that are worth telling, as ``Report.top`` does.

        Raises:
            BadOption: If the number cannot work.
        """
        return self.report.top(most)

    def why(self) -> Shown:
        """Return all of it as text that shows itself at a prompt."""
        return Shown(self.text())

    def text(self) -> str:
        """Return all of it as text."""
        return self.report.text()

    def json(self) -> str:
        """Return it as JSON: the report's, with a key ``soak``."""
        from leakdiff.render.soaks import render_json

        return render_json(self)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``json()`` encodes."""
        from leakdiff.render.soaks import as_dict

        return as_dict(self)

    def expect_clean(self, **arguments: Any) -> None:
        """Raise unless nothing leaks.

        Args:
            **arguments: ``baseline`` and ``target``, as for ``Report.expect_clean``.

        Raises:
            LeakFound: If the verdict is LEAK or NATIVE, by a leak that is not in the baseline, or INCONCLUSIVE.
        """
        self.report.expect_clean(**arguments)
