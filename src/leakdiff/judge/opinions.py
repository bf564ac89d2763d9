"""Compare what a peer saw with a report: it agrees, is blind, or differs; each with a reason."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import attrs

from leakdiff.model.opinion import PeerOpinion, Sighting, Stance, TypeSeen
from leakdiff.model.report import ACCUSING, Finding, Report, Verdict
from leakdiff.model.signals import rate_text

_NEAR = 1.25  # rates that differ by less than this factor are the same
_MOST_NAMED = 3
_GROWING = (*ACCUSING, Verdict.FILLING, Verdict.WARMUP, Verdict.INCONCLUSIVE)


class _Match(enum.Enum):
    """How a peer saw what one finding says."""

    SAME = "same"
    OTHER = "other"
    UNSEEN = "unseen"


@attrs.frozen
class _Compared:
    """One finding, how a peer saw it, and the types it saw with their rates."""

    finding: Finding
    match: _Match
    said: str


def opinion_on(sighting: Sighting, report: Report) -> PeerOpinion:
    """Say how a peer's answer compares with a report."""
    if sighting.absent:
        return PeerOpinion(sighting, Stance.ABSENT, sighting.absent)
    told = [finding for finding in report.findings if finding.verdict in _GROWING]
    if not told:
        return PeerOpinion(sighting, *_beside_nothing(sighting, report))
    ours = _rates(told)
    compared = [_compare(finding, sighting, ours) for finding in told]
    return PeerOpinion(sighting, *_summed_up(compared, report))


def _beside_nothing(sighting: Sighting, report: Report) -> tuple[Stance, str]:
    unsure = report.verdict is Verdict.INCONCLUSIVE
    if not sighting.types:
        said = "leakdiff cannot tell, and it sees nothing grow" if unsure else "it sees nothing grow either"
        return (Stance.BLIND if unsure else Stance.AGREES), said
    here = "leakdiff cannot tell" if unsure else f"leakdiff says {report.verdict}: {report.because}"
    return Stance.DIFFERS, f"it sees {_listed(sighting.types)} per {report.unit}; {here}"


def _summed_up(compared: Sequence[_Compared], report: Report) -> tuple[Stance, str]:
    same = [each for each in compared if each.match is _Match.SAME]
    other = [each for each in compared if each.match is _Match.OTHER]
    unseen = [each for each in compared if each.match is _Match.UNSEEN]
    parts = [f"it sees {', '.join(each.said for each in same)} per {report.unit}, as leakdiff does"] if same else []
    parts.extend(f"of {_name(each.finding)} it sees {each.said}" for each in other)
    if unseen:
        parts.append(_why_unseen([each.finding for each in unseen]))
    if same and not other and not unseen:
        return Stance.AGREES, f"{parts[0]}{_more(report)}"
    return (Stance.DIFFERS if same or other else Stance.BLIND), "; ".join(parts)


def _more(report: Report) -> str:
    stops = any(finding.verdict is Verdict.FILLING for finding in report.findings)
    return "; that it will stop, no count can tell" if stops else ""


# -- one finding -----------------------------------------------------------------------------------


def _compare(finding: Finding, sighting: Sighting, ours: Mapping[str, float]) -> _Compared:
    seen = _by_short_name((each.name, each.per_unit) for each in sighting.types if each.per_unit > 0)
    shared = [growth.name for growth in finding.types if _short(growth.name) in seen]
    same = [name for name in shared if _are_near(seen[_short(name)], ours[_short(name)])]
    if same:
        return _Compared(finding, _Match.SAME, _named(same, seen))
    if shared:
        counted = ", ".join(f"{rate_text(ours[_short(name)])} {name}" for name in shared[:_MOST_NAMED])
        return _Compared(finding, _Match.OTHER, f"{_named(shared, seen)}, and leakdiff {counted}")
    return _compare_bytes(finding, sighting)


def _compare_bytes(finding: Finding, sighting: Sighting) -> _Compared:
    """Compare by the bytes of the owner's type: a buffer or a table that grows in place is no new object."""
    sizes = _by_short_name((each.name, each.bytes) for each in sighting.types)
    grown = sizes[_short(finding.owner_type)]
    if finding.owner is None or grown <= 0:
        return _Compared(finding, _Match.UNSEEN, "")
    own = finding.per_unit.bytes
    said = f"{grown:,.0f} bytes of {finding.owner_type}"
    if _are_near(grown, own):
        return _Compared(finding, _Match.SAME, said)
    return _Compared(finding, _Match.OTHER, f"{said} and no object, and leakdiff {own:,.0f} bytes")


def _rates(told: Sequence[Finding]) -> Counter[str]:
    return _by_short_name((growth.name, growth.per_unit) for finding in told for growth in finding.types)


def _by_short_name(rates: Iterable[tuple[str, float]]) -> Counter[str]:
    """Add up rates by the last part of a name: objgraph names no outer class, and guppy3 no package."""
    summed: Counter[str] = Counter()
    for name, rate in rates:
        summed[_short(name)] += rate  # type: ignore[assignment] # a Counter may count in fractions
    return summed


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _are_near(one: float, other: float) -> bool:
    return 0 < one <= _NEAR * other and other <= _NEAR * one


# -- words -----------------------------------------------------------------------------------------


def _why_unseen(findings: Sequence[Finding]) -> str:
    reasons = {f"it sees nothing of {_name(finding)}: {_nature(finding)}": None for finding in findings}
    return "; ".join(reasons)


def _nature(finding: Finding) -> str:
    """Say what makes a growth hard to see for who counts objects."""
    if finding.owner is None and not finding.types:
        return "C code holds it, where no object can be counted"
    counted = [growth.name for growth in finding.types if growth.per_unit > 0]
    if not counted:
        return f"a {finding.owner_type} grows in place, and no object is new"
    return f"what grows there is {', '.join(counted[:_MOST_NAMED])}"


def _name(finding: Finding) -> str:
    return finding.owner or f"the {finding.owner_type}"


def _named(names: Sequence[str], rates: Mapping[str, float]) -> str:
    return ", ".join(f"{rate_text(rates[_short(name)])} {name}" for name in names[:_MOST_NAMED])


def _listed(types: Sequence[TypeSeen]) -> str:
    return ", ".join(
        f"{rate_text(each.per_unit)} {each.name}" if each.per_unit > 0 else f"{each.bytes:,.0f} bytes of {each.name}"
        for each in types[:_MOST_NAMED]
    )
