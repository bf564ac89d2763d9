"""From a report to the outcome of a test."""

from __future__ import annotations

from typing import NoReturn

import pytest

from leakdiff.errors import LeakdiffError
from leakdiff.judge.novelty import rate_of
from leakdiff.model.report import Finding, Novelty, Report, Verdict
from leakdiff.testing.demands import Demands
from leakdiff.testing.session import Session


def conclude(session: Session, item: pytest.Item, kind: str, report: Report, demands: Demands) -> None:
    """Keep what a report says of a test, and fail the test if it says what the test must not do.

    Raises:
        Failed: With the report as its text, and no traceback.
    """
    if session.baseline is not None:
        report = session.baseline.compare(report, target=item.nodeid)
    is_failure = fails(_accepted(session, item.nodeid, report), demands)
    found = session.found(item.nodeid, kind, report, is_failure=is_failure)
    session.tell(item, found)
    if is_failure:
        refuse(found.text)


def _accepted(session: Session, test: str, report: Report) -> Report:
    """Return a report with the leaks KNOWN that this session writes down.

    They fail no test: one that ends with its first leak would hide those that come after it, and they would be missing
    in the baseline.
    """
    if session.written is None:
        return report
    return session.written.updated(report, target=test).compare(report, target=test)


def fails(report: Report, demands: Demands) -> bool:
    """Tell whether a report says what a test must not do."""
    if report.verdict is Verdict.INCONCLUSIVE:
        return Verdict.INCONCLUSIVE in demands.verdicts
    return any(_is_against(finding, demands) for finding in report.findings)


def _is_against(finding: Finding, demands: Demands) -> bool:
    if finding.verdict not in demands.verdicts or finding.novelty is Novelty.KNOWN:
        return False
    if demands.max_growth and rate_of(finding)[0] <= demands.max_growth:
        return False
    cause = finding.cause.slug if finding.cause is not None else ""
    return not demands.ignores(finding.owner or "", finding.owner_type, cause, finding.fingerprint)


def refuse(text: str) -> NoReturn:
    """Fail a test with a text of ours, and no traceback.

    Raises:
        Failed: Always.
    """
    __tracebackhide__ = True
    raise pytest.fail.Exception(text, pytrace=False) from None


def refuse_error(error: LeakdiffError) -> NoReturn:
    """Fail a test because it cannot be checked.

    Raises:
        Failed: Always.
    """
    __tracebackhide__ = True
    refuse(f"leakdiff: {error} [{error.slug}]")
