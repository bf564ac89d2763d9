"""A baseline: leaks that somebody has looked at and accepts for now, kept in a file beside the code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

import attrs

from leakdiff.model.one_line import one_line
from leakdiff.model.report import Novelty, Report

if TYPE_CHECKING:
    from leakdiff.model.report import Finding


@attrs.frozen(kw_only=True)
class KnownLeak:
    """One leak that is known.

    Attributes:
        target: What was checked when it was found, such as ``app/matching.py:step``.
        fingerprint: The fingerprint of the finding.
        owner: The owner's name; None where no Python object owns the growth.
        verdict: ``LEAK`` or ``NATIVE``.
        cause: Slug of the cause; None where none was named.
        per_unit: How much it grew per unit of work when it was written down.
        counted: What ``per_unit`` counts: ``entries``, ``objects``, ``blocks``, ``bytes``, ``native bytes`` or
            ``descriptors``.
        since: Version of leakdiff that wrote it down first.
        why: Why it is accepted, by hand; leakdiff keeps it.
    """

    target: str
    fingerprint: str
    owner: str | None
    verdict: str
    cause: str | None = None
    per_unit: float
    counted: str
    since: str
    why: str = ""

    __repr__ = one_line


@attrs.frozen
class Baseline:
    """All leaks that are known, of any number of targets.

    Attributes:
        known: The leaks; no two of one target have the same fingerprint.
    """

    known: tuple[KnownLeak, ...] = ()

    def __repr__(self) -> str:
        return f"<Baseline {len(self.known)} known leak(s)>"

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a baseline from a file that ``save`` or ``leakdiff check --write-baseline`` wrote.

        Raises:
            BaselineMissing: If there is no such file; says how to make one.
            BadBaseline: If it holds no baseline that this leakdiff can read.
        """
        from leakdiff.store.baselines import load

        return cls(load(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, whole or not at all; the same baseline gives the same bytes.

        Raises:
            CannotWrite: If the file cannot be written; nothing half-written stays.
        """
        from leakdiff.store.baselines import save

        save(self.known, path)

    def compare(self, report: Report, *, target: str = "") -> Report:
        """Return the report with every leak called NEW or KNOWN, and with the owners that are FIXED.

        A leak is KNOWN if its fingerprint is in the baseline, whatever the target: it is the same owner. Only what
        this target leaked before can be FIXED. A known leak that grows more than twice as fast as when it was
        written down says so in its reason.

        Args:
            report: The report of a check.
            target: The name of what was checked, as the baseline has it.
        """
        from leakdiff.judge.novelty import compared

        return compared(report, self.known, target)

    def updated(self, report: Report, *, target: str = "") -> Baseline:
        """Return a baseline with this target's leaks as the report has them; other targets' stay.

        What is known already keeps its ``why`` and ``since``. A report that is INCONCLUSIVE adds leaks and takes
        none away.

        Args:
            report: The report of a check.
            target: The name of what was checked.
        """
        from leakdiff.judge.novelty import updated

        return attrs.evolve(self, known=updated(report, self.known, target))


def new_leaks(report: Report) -> tuple[Finding, ...]:
    """Return the leaks of a report that are not KNOWN; without a baseline that is all of them."""
    return tuple(finding for finding in report.leaks if finding.novelty is not Novelty.KNOWN)


def novelty_sentence(report: Report) -> str:
    """Say in a sentence what a baseline says of a report; empty where there was none, or nothing to say."""
    known = sum(finding.novelty is Novelty.KNOWN for finding in report.leaks)
    new = sum(finding.novelty is Novelty.NEW for finding in report.leaks)
    said = []
    if new:
        said.append(f"{_counted(new, 'leak is', 'leaks are')} NEW, {known} KNOWN to the baseline")
    elif known:
        said.append(f"nothing NEW: {_counted(known, 'leak is', 'leaks are')} KNOWN to the baseline")
    if report.fixed:
        said.append(f"FIXED since the baseline: {', '.join(report.fixed)}")
    return "; ".join(said)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
