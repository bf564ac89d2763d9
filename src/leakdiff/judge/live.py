"""What live traffic shows: owners that keep what windows or snapshots put into them."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Container, Iterator, Sequence

import attrs

from leakdiff.judge.rules import (
    Opinion,
    Rule,
    bounded_and_filling,
    noun,
    only_weak_references,
    opinion_on,
)
from leakdiff.judge.verdicts import RANK, Judgement, explained, finding_of, one_for_each_owner
from leakdiff.model.diff import Diff
from leakdiff.model.evidence import Evidence, Suspect
from leakdiff.model.report import ACCUSING, Finding, Verdict
from leakdiff.model.signals import rate_text

_MUCH = 1 << 20  # bytes of the C heap
_NOTABLE = 4_096  # bytes of objects
_FEW = 3  # entries below which growth may be an accident
_KEPT = 0.5  # share of its earlier rate that an owner must keep to be accused
_LEAST_READINGS = 4
_RESTING_READINGS = 5
_TELLING = 3.0  # entries that must be expected before it means anything that none came
_CHANCE = 3.0  # standard deviations of a count within which a shortfall is chance
_CLEAR = 3.0  # how many times its largest fall an owner must have risen
_CLEAR_OF_SURVIVORS = 2.0  # the same where objects are known to have outlived their window


def judge_live(suspects: Sequence[Suspect], duration: float, looked: str, unit: str) -> Judgement:
    """Say who leaks under live traffic.

    Args:
        suspects: Owners that gained, with their lengths afterwards.
        duration: The seconds, hours or units of work in which they gained it.
        looked: What was looked at, for the sentence that nothing grew.
        unit: What the duration counts, in the singular.
    """
    evidence = Evidence(suspects=tuple(suspects), deep_units=duration)
    merged = one_for_each_owner([_finding(suspect, evidence, unit) for suspect in suspects])
    findings = [explained(finding, {}) for finding in merged]
    findings.sort(key=lambda finding: RANK[finding.verdict])  # stable: the heavier stay first
    told = [finding for finding in findings if finding.verdict is not Verdict.STABLE]
    if told:
        return Judgement(told[0].verdict, told[0].because, tuple(findings))
    return Judgement(Verdict.STABLE, f"nothing grew that stayed, in {looked}", tuple(findings))


def beyond_owners(judgement: Judgement, diff: Diff, owners: Container[str]) -> Judgement:
    """Call nothing clean that grew without an owner, or under one that is not there to be looked at.

    Args:
        judgement: What the owners that are there amount to.
        diff: All that changed.
        owners: Paths of the owners that are there.
    """
    if judgement.verdict in ACCUSING:
        return judgement
    gone = [change.name for change in diff.owners if change.gained > 0 and change.name not in owners]
    if gone:
        because = f"{gone[0]}, which gained most of what is not here, is not in this process: explain it where it is"
        return attrs.evolve(judgement, verdict=Verdict.INCONCLUSIVE, because=because)
    grown = [*_grown(diff)]
    if judgement.verdict is not Verdict.STABLE or not grown:
        return judgement
    because = f"no owner was seen that goes on growing, but these grew: {', '.join(grown)}"
    return attrs.evolve(judgement, verdict=Verdict.INCONCLUSIVE, because=because)


def _grown(diff: Diff) -> Iterator[str]:
    """Yield what grew by more than an accident: totals by name, and the type that gained most."""
    for change in diff.totals:
        if change.name == "native heap" and change.gained >= _MUCH:
            yield f"the C heap by {change.gained:,} bytes"
        if change.name == "descriptors" and change.gained >= _FEW:
            yield f"file descriptors by {change.gained:,}"
    for change in diff.types[:1]:
        if change.gained >= 2 * _FEW and change.gained_bytes >= _NOTABLE:
            yield f"{change.name} by {change.gained:,} objects"


def _finding(suspect: Suspect, evidence: Evidence, unit: str) -> Finding:
    opinion = opinion_on(suspect, RULES) or Opinion(Verdict.INCONCLUSIVE, "grew, but how it goes on is not known")
    because = opinion.because.replace("per unit", f"per {unit}")
    finding = finding_of(suspect, evidence, opinion.verdict, because)
    if _was_dated(suspect) and finding.entries_per_unit is not None:  # two whole walks tell more than a few readings
        finding = attrs.evolve(finding, entries_per_unit=suspect.rate)
    return (
        finding if opinion.verdict is Verdict.LEAK else attrs.evolve(finding, advice=_ADVICE.get(opinion.verdict, ""))
    )


def _was_dated(suspect: Suspect) -> bool:
    """Tell whether it was found by what was born in windows, rather than by lengths alone."""
    return bool(suspect.found.path)


def comes_and_goes(suspect: Suspect) -> Opinion | None:
    """Excuse what falls about as far as it rises: traffic in flight, or a cache that evicts.

    What is in flight may share a container with what leaks: then it rises on the whole, by far more than it falls.
    """
    lengths = suspect.lengths
    fall = max((high - now for high, now in zip(itertools.accumulate(lengths, max), lengths, strict=True)), default=0)
    if fall <= 0 or len(lengths) <= _LEAST_READINGS:
        return None
    third = max(1, len(lengths) // 3)
    rise = statistics.median(lengths[-third:]) - statistics.median(lengths[:third])
    gained = (suspect.found.entries or suspect.found.buffer_bytes) + max(0.0, rise)
    if gained > (_CLEAR_OF_SURVIVORS if suspect.found.reached else _CLEAR) * fall:
        return None
    return Opinion(Verdict.STABLE, f"rises and falls: between {min(lengths):,} and {max(lengths):,} {noun(suspect)}")


def has_stopped(suspect: Suspect) -> Opinion | None:
    """Excuse an owner that has not grown for so long that several entries were due."""
    series = suspect.series
    quiet = len(list(itertools.takewhile(lambda gain: gain <= 0, reversed(series.gains))))
    due = suspect.rate * sum(series.units[len(series.gains) - quiet :])
    if quiet < _RESTING_READINGS or (due < _TELLING and not suspect.is_buffer):
        return None
    return Opinion(Verdict.STABLE, f"stopped growing at {max(suspect.lengths):,} {noun(suspect)}")


def too_few(suspect: Suspect) -> Opinion | None:
    """Do not accuse what gained a handful of entries: that may be an accident of the traffic."""
    afterwards = max(0, suspect.series.total)
    gained = suspect.found.entries + afterwards if _was_dated(suspect) else max(suspect.found.entries, afterwards)
    if suspect.is_buffer or suspect.found.entries == 0 or gained >= 2 * _FEW:
        return None
    return Opinion(Verdict.INCONCLUSIVE, f"gained {gained} entries only; watch longer, or under more traffic")


def no_longer_grows(suspect: Suspect) -> Opinion | None:
    """Excuse an owner that gained far less afterwards: what it held was in flight, or it fills up."""
    series = suspect.series
    due = suspect.rate * sum(series.units)
    if not series.gains or suspect.rate <= 0 or series.total >= _KEPT * due:
        return None
    least, most = min(suspect.lengths), max(suspect.lengths)
    if due < _TELLING and not suspect.is_buffer:
        return Opinion(Verdict.INCONCLUSIVE, f"too slow to tell whether it goes on: {due:.1f} were due; watch longer")
    if series.total <= 0:
        return Opinion(Verdict.STABLE, f"did not go on: between {least:,} and {most:,} afterwards")
    if not _falls_short(series.total, due):
        return None
    return Opinion(
        Verdict.WARMUP,
        f"slows down: {rate_text(suspect.rate)} per unit at first, {rate_text(series.mean)} afterwards; watch longer "
        "to see whether it stops",
    )


def _falls_short(gained: float, due: float) -> bool:
    """Tell whether a gain is less than half of what was due, and not by chance."""
    return gained < _KEPT * due and due - gained > _CHANCE * math.sqrt(max(1.0, due))


def goes_on(suspect: Suspect) -> Opinion | None:
    """Accuse what survived its window, and went on growing while its length was watched."""
    series = suspect.series
    if len(series.gains) < _LEAST_READINGS or series.total <= 0:
        return None
    seen = "what was put in during one window was still there after the next" if suspect.found.reached else "gained"
    return Opinion(
        Verdict.LEAK,
        f"{seen}, and it went on by {rate_text(series.mean)} per unit, up to {max(suspect.lengths):,}; "
        "no bound was found",
    )


def keeps_between_snapshots(suspect: Suspect) -> Opinion | None:
    """Accuse what grew between two snapshots and about as fast since."""
    series = suspect.series
    if len(series.gains) != 2:
        return None
    if series.gains[1] <= 0:
        return Opinion(Verdict.STABLE, f"has not grown since: {suspect.lengths[1]:,} then, {suspect.lengths[2]:,} now")
    first, second = (gain / units for gain, units in zip(series.gains, series.units, strict=True))
    if _falls_short(series.gains[1], first * series.units[1]):
        return Opinion(
            Verdict.WARMUP,
            f"slows down: {rate_text(first)} per unit between the snapshots, {rate_text(second)} since; look again",
        )
    return Opinion(
        Verdict.LEAK,
        f"grew between the snapshots by {rate_text(first)} per unit and since then by {rate_text(second)}, "
        f"up to {suspect.lengths[-1]:,}; no bound was found",
    )


def keeps_at_every_look(suspect: Suspect) -> Opinion | None:
    """Accuse what had grown at each of four looks or more."""
    series = suspect.series
    if _was_dated(suspect) or len(series.gains) < _LEAST_READINGS - 1 or min(series.gains) <= 0:
        return None
    first, last = series.gains[0] / series.units[0], series.gains[-1] / series.units[-1]
    if _falls_short(series.gains[-1], first * series.units[-1]):
        return Opinion(
            Verdict.WARMUP,
            f"slows down: {rate_text(first)} per unit at first, {rate_text(last)} at last; watch longer "
            "to see whether it stops",
        )
    return Opinion(
        Verdict.LEAK,
        f"grew between every two of {len(suspect.lengths)} looks, by {rate_text(series.mean)} per unit, "
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
    comes_and_goes,
    has_stopped,
    too_few,
    keeps_between_snapshots,
    keeps_at_every_look,
    no_longer_grows,
    goes_on,
)
_ADVICE = {
    Verdict.INCONCLUSIVE: "look again later: what goes on growing is a leak, what does not was traffic in flight",
    Verdict.WARMUP: "look again later: a cache that fills up stops by itself",
}
