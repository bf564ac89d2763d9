"""What is new beside a baseline, what was known, and what is fixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from leakdiff.model.baseline import KnownLeak
from leakdiff.model.native import C_HEAP, DESCRIPTORS
from leakdiff.model.report import ACCUSING, Finding, Novelty, Report, Verdict
from leakdiff.model.signals import rate_text

NATIVE_OWNER = "without an owner"

_GREW = 2.0  # a known leak that grows so many times faster is told
_SAME = 0.1  # a rate that is off by less is the same: the file shall not change for noise
_STILL_THERE = (*ACCUSING, Verdict.WARMUP, Verdict.INCONCLUSIVE)


def compared(report: Report, known: Sequence[KnownLeak], target: str) -> Report:
    """Return a report with every leak called NEW or KNOWN, and with the owners that are FIXED."""
    by_fingerprint = {leak.fingerprint: leak for leak in [*known, *_of(target, known)]}  # its own come last: they win
    return attrs.evolve(
        report,
        findings=tuple(_told(finding, by_fingerprint, target, report.unit) for finding in report.findings),
        fixed=_fixed(report, _of(target, known)),
    )


def updated(report: Report, known: Sequence[KnownLeak], target: str) -> tuple[KnownLeak, ...]:
    """Return what is known once the leaks of a report are written down."""
    before = {leak.fingerprint: leak for leak in _of(target, known)}
    found: dict[str, KnownLeak] = {}
    for finding in report.leaks:  # the heavier of two with one fingerprint comes first
        found.setdefault(finding.fingerprint, _written(finding, before.get(finding.fingerprint), report, target))
    if report.verdict is Verdict.INCONCLUSIVE:  # what it did not get to is not fixed
        found = {**before, **found}
    others = [leak for leak in known if leak.target != target]
    return (*others, *found.values())


def rate_of(finding: Finding) -> tuple[float, str]:
    """Return how much a finding grows per unit, and what that counts."""
    rate = finding.per_unit
    if finding.entries_per_unit:
        return finding.entries_per_unit, "entries"
    if finding.owner is None and rate.descriptors and finding.owner_type == DESCRIPTORS:
        return rate.descriptors, "descriptors"
    if finding.owner is None and not finding.types:
        return (rate.blocks or 0.0, "blocks") if _is_blocks(finding) else (rate.native_bytes or 0.0, "native bytes")
    return (rate.objects, "objects") if rate.objects else (rate.bytes, "bytes")


def _is_blocks(finding: Finding) -> bool:
    return (finding.per_unit.blocks or 0.0) > 0 and finding.owner_type != C_HEAP


def _of(target: str, known: Iterable[KnownLeak]) -> list[KnownLeak]:
    return [leak for leak in known if leak.target == target]


# -- what is known ---------------------------------------------------------------------------------


def _told(finding: Finding, known: Mapping[str, KnownLeak], target: str, unit: str) -> Finding:
    if finding.verdict not in ACCUSING:
        return finding
    leak = known.get(finding.fingerprint)
    if leak is None:
        return attrs.evolve(finding, novelty=Novelty.NEW)
    because = finding.because
    if leak.target == target and (faster := _faster(finding, leak, unit)):
        because = f"{because}; {faster}"
    return attrs.evolve(finding, novelty=Novelty.KNOWN, because=because)


def _faster(finding: Finding, leak: KnownLeak, unit: str) -> str:
    rate, counted = rate_of(finding)
    if counted != leak.counted or rate <= _GREW * leak.per_unit:
        return ""
    return (
        f"it grows faster than the baseline knows: by {rate_text(rate)} {counted} per {unit}, "
        f"and {rate_text(leak.per_unit)} were written down"
    )


def _fixed(report: Report, known: Sequence[KnownLeak]) -> tuple[str, ...]:
    if report.verdict is Verdict.INCONCLUSIVE:
        return ()
    there = {finding.fingerprint for finding in report.findings if finding.verdict in _STILL_THERE}
    gone = [leak.owner or f"{leak.verdict} growth {NATIVE_OWNER}" for leak in known if leak.fingerprint not in there]
    return tuple(sorted(set(gone)))


# -- what is written down --------------------------------------------------------------------------


def _written(finding: Finding, before: KnownLeak | None, report: Report, target: str) -> KnownLeak:
    rate, counted = rate_of(finding)
    made = KnownLeak(
        target=target,
        fingerprint=finding.fingerprint,
        owner=finding.owner,
        verdict=finding.verdict.value,
        cause=finding.cause.slug if finding.cause else None,
        per_unit=float(f"{rate:.3g}"),
        counted=counted,
        since=report.version,
    )
    if before is None:
        return made
    kept = attrs.evolve(made, since=before.since, why=before.why)
    if before.counted == counted and abs(before.per_unit - rate) <= _SAME * before.per_unit:
        return attrs.evolve(kept, per_unit=before.per_unit)
    return kept
