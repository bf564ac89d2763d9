"""How sure a verdict is, because of what, and what would make it surer: one sentence beside every verdict."""

from __future__ import annotations

from collections.abc import Sequence

from leakdiff.model.evidence import Evidence
from leakdiff.model.report import ACCUSING, Finding, Verdict
from leakdiff.model.series import Series, series_of
from leakdiff.model.signals import Round, rate_text

_SURE = 10  # rounds that grew, all of them: by accident that happens once in 1,000 times
_NOUNS = {
    "blocks": "memory blocks",
    "native_bytes": "bytes of the C heap",
    "fds": "file descriptors",
    "threads": "threads",
}


def confidence(evidence: Evidence, verdict: Verdict, findings: Sequence[Finding]) -> str:
    """Say how sure a verdict is; the chance of an accident is that of as many heads in a row (a sign test)."""
    if verdict in ACCUSING:
        return _of_growth(evidence)
    if verdict is Verdict.FILLING:
        bound = next((finding.bound for finding in findings if finding.bound is not None), None)
        return f"sure, as far as {bound.kind} is enforced" if bound is not None else ""
    if verdict in (Verdict.WARMUP, Verdict.CHURN):
        return "fairly sure: more rounds, or more patience, would show whether it ends there"
    if verdict is Verdict.STABLE:
        return _of_rest(evidence.marked)
    return "not sure: run it with more rounds, or with another number of units"


def _of_growth(evidence: Evidence) -> str:
    rounds = [*evidence.marked[1:], *evidence.confirming, *evidence.watched]
    known = [growth.signal for growth in evidence.growing]
    if not rounds or not known:
        return ""
    signal = "blocks" if "blocks" in known else known[0]
    series = series_of(rounds, signal)
    grew, of = series.grew_in, len(series.gains)
    said = f"{_NOUNS[signal]} grew in {grew} of {of} rounds{_spread(series)}"
    if grew == of >= _SURE:
        return f"sure: {said}; by accident that happens less than once in {2**of if of < 20 else 1_000_000:,} times"
    return f"fairly sure: {said}; more rounds would make it surer (rounds={2 * max(1, len(evidence.marked))})"


def _spread(series: Series) -> str:
    rates = [gain / units for gain, units in zip(series.gains, series.units, strict=True)]
    least, most = rate_text(min(rates)), rate_text(max(rates))
    return f", by {least} per unit" if least == most else f", by {least} to {most} per unit"


def _of_rest(rounds: Sequence[Round]) -> str:
    if not rounds:
        return ""
    units = max(measured.units for measured in rounds)
    return f"sure of what leaks at least once in {units:,} units; what leaks more rarely shows with more units a round"
