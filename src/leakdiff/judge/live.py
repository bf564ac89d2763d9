"""What live traffic shows: owners that keep what windows or snapshots put into them."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from leakdiff.judge.rules import (
    Opinion,
    Rule,
    bounded_and_filling,
    only_weak_references,
    opinion_on,
    rises_and_falls,
    stopped_growing,
)
from leakdiff.judge.verdicts import RANK, Judgement, finding_of
from leakdiff.model.evidence import Evidence, Suspect
from leakdiff.model.report import Finding, Verdict
from leakdiff.model.signals import rate_text

_FEW = 3  # entries below which growth may be an accident
_KEPT = 0.5  # share of its earlier rate that an owner must keep to be accused
_LEAST_READINGS = 4


def judge_live(suspects: Sequence[Suspect], duration: float, looked: str, unit: str) -> Judgement:
    """Say who leaks under live traffic.

    Args:
        suspects: Owners that gained, with their lengths afterwards.
        duration: The seconds, hours or units of work in which they gained it.
        looked: What was looked at, for the sentence that nothing grew.
        unit: What the duration counts, in the singular.
    """
    evidence = Evidence(suspects=tuple(suspects), deep_units=duration)
    findings = [_finding(suspect, evidence, unit) for suspect in suspects]
    findings.sort(key=lambda finding: RANK[finding.verdict])  # stable: the heavier stay first
    told = [finding for finding in findings if finding.verdict is not Verdict.STABLE]
    if told:
        return Judgement(told[0].verdict, told[0].because, tuple(findings))
    return Judgement(Verdict.STABLE, f"nothing grew that stayed, in {looked}", tuple(findings))


def _finding(suspect: Suspect, evidence: Evidence, unit: str) -> Finding:
    opinion = opinion_on(suspect, RULES) or Opinion(Verdict.INCONCLUSIVE, "grew, but how it goes on is not known")
    because = opinion.because.replace("per unit", f"per {unit}")
    finding = finding_of(suspect, evidence, opinion.verdict, because)
    return (
        finding if opinion.verdict is Verdict.LEAK else attrs.evolve(finding, advice=_ADVICE.get(opinion.verdict, ""))
    )


def too_few(suspect: Suspect) -> Opinion | None:
    """Do not accuse what gained a handful of entries: that may be an accident of the traffic."""
    gained = suspect.found.entries + max(0, suspect.series.total)
    if suspect.is_buffer or suspect.found.entries == 0 or gained >= 2 * _FEW:
        return None
    return Opinion(Verdict.INCONCLUSIVE, f"gained {gained} entries only; watch longer, or under more traffic")


def no_longer_grows(suspect: Suspect) -> Opinion | None:
    """Excuse an owner that gained less than half as much afterwards: what it held was in flight, or it fills up."""
    series = suspect.series
    if not series.gains or suspect.rate <= 0 or series.mean >= _KEPT * suspect.rate:
        return None
    least, most = min(suspect.lengths), max(suspect.lengths)
    if series.total <= 0:
        return Opinion(Verdict.STABLE, f"did not go on: between {least:,} and {most:,} afterwards")
    return Opinion(
        Verdict.WARMUP,
        f"slows down: {rate_text(suspect.rate)} per unit at first, {rate_text(series.mean)} afterwards; watch longer "
        "to see whether it stops",
    )


def goes_on(suspect: Suspect) -> Opinion | None:
    """Accuse what survived its window, and went on growing while its length was watched."""
    series = suspect.series
    if len(series.gains) < _LEAST_READINGS and not suspect.found.orphan:
        return None
    return Opinion(
        Verdict.LEAK,
        f"what was put in during one window was still there after the next, and it went on by "
        f"{rate_text(series.mean)} per unit, up to {max(suspect.lengths):,}; no bound was found",
    )


def keeps_between_snapshots(suspect: Suspect) -> Opinion | None:
    """Accuse what grew between two snapshots and at least half as fast since."""
    series = suspect.series
    if len(series.gains) != 2:
        return None
    if series.gains[1] <= 0:
        return Opinion(Verdict.STABLE, f"has not grown since: {suspect.lengths[1]:,} then, {suspect.lengths[2]:,} now")
    first, second = (gain / units for gain, units in zip(series.gains, series.units, strict=True))
    return Opinion(
        Verdict.LEAK,
        f"grew between the snapshots by {rate_text(first)} per unit and since then by {rate_text(second)}, "
        f"up to {suspect.lengths[-1]:,}; no bound was found",
    )


def seen_twice_only(suspect: Suspect) -> Opinion | None:
    """Accuse nobody from two snapshots alone."""
    if len(suspect.series.gains) != 1:
        return None
    before, after = suspect.lengths
    return Opinion(
        Verdict.INCONCLUSIVE,
        f"{before:,} entries before, {after:,} after: two looks cannot tell whether it goes on; "
        "explain the diff again later, or use leakdiff.watch()",
    )


RULES: tuple[Rule, ...] = (
    only_weak_references,
    bounded_and_filling,
    seen_twice_only,
    rises_and_falls,
    stopped_growing,
    too_few,
    keeps_between_snapshots,
    no_longer_grows,
    goes_on,
)
_ADVICE = {
    Verdict.INCONCLUSIVE: "look again later: what goes on growing is a leak, what does not was traffic in flight",
    Verdict.WARMUP: "look again later: a cache that fills up stops by itself",
}
