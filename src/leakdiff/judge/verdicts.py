"""Put the evidence together: findings, and the verdict of the whole run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import attrs

from leakdiff.judge.advice import advise
from leakdiff.judge.fingerprint import fingerprint
from leakdiff.judge.rules import opinion_on
from leakdiff.model.evidence import Evidence, Suspect, Survivor
from leakdiff.model.heap import Step
from leakdiff.model.owner import Accumulation
from leakdiff.model.report import Finding, TypeGrowth, Verdict
from leakdiff.model.series import Growth, series_of
from leakdiff.model.signals import FLOORS, Rate, rate_text

_RANK = {Verdict.LEAK: 0, Verdict.NATIVE: 1, Verdict.FILLING: 2, Verdict.WARMUP: 3, Verdict.INCONCLUSIVE: 4, Verdict.STABLE: 5}
_MOST_TYPES = 12
_EXPLAINED = 0.3  # share of the growth an owner must account for
_NATIVE_FLOOR = 16.0  # bytes per unit: one malloc(16) costs 32
_STEADY = 0.3
_IDLE = 0.5


@attrs.frozen
class Judgement:
    """The verdict of a run, its reason, and the findings."""

    verdict: Verdict
    because: str
    findings: tuple[Finding, ...] = ()


def judge(evidence: Evidence) -> Judgement:
    """Say what the evidence amounts to."""
    suspected, growing = evidence.suspected, evidence.growing
    if evidence.interrupted is not None:
        return Judgement(Verdict.INCONCLUSIVE, _interrupted(evidence, suspected))
    if not suspected:
        return Judgement(Verdict.STABLE, _nothing_grows(evidence))
    if not growing:
        return Judgement(Verdict.STABLE, _not_confirmed(suspected))
    if evidence.idle_share >= _IDLE:
        return Judgement(Verdict.INCONCLUSIVE, _grows_by_itself(evidence))
    findings = [*_owned(evidence, growing), *_without_owner(evidence, growing)]
    return _conclude(evidence, growing, findings)


# -- findings --------------------------------------------------------------------------------------


def _owned(evidence: Evidence, growing: Sequence[Growth]) -> list[Finding]:
    findings = []
    for suspect in evidence.suspects:
        opinion = opinion_on(suspect)
        if opinion is not None and _is_worth_telling(suspect, evidence, growing):
            findings.append(_finding(suspect, evidence, opinion.verdict, opinion.because))
    return _one_for_each_owner(findings)


def _one_for_each_owner(findings: Sequence[Finding]) -> list[Finding]:
    """Merge findings of the same owner name, such as the lists of several keys: the heaviest speaks for all."""
    first: dict[tuple[str | None, Verdict], Finding] = {}
    for finding in findings:
        key = finding.owner, finding.verdict
        first[key] = _merged(first[key], finding) if key in first else finding
    return list(first.values())


def _merged(one: Finding, other: Finding) -> Finding:
    rate = attrs.evolve(
        one.per_unit,
        objects=one.per_unit.objects + other.per_unit.objects,
        bytes=one.per_unit.bytes + other.per_unit.bytes,
    )
    counted = [item.entries_per_unit for item in (one, other) if item.entries_per_unit is not None]
    return attrs.evolve(
        one,
        per_unit=rate,
        entries=one.entries + other.entries,
        entries_per_unit=sum(counted) if counted else None,
        types=_merged_types(one.types, other.types),
        sites=tuple(dict.fromkeys([*one.sites, *other.sites])),
    )


def _merged_types(one: Sequence[TypeGrowth], other: Sequence[TypeGrowth]) -> tuple[TypeGrowth, ...]:
    types = {growth.name: growth for growth in one}
    for growth in other:
        known = types.get(growth.name)
        types[growth.name] = growth if known is None else attrs.evolve(
            known, per_unit=known.per_unit + growth.per_unit, count=known.count + growth.count
        )
    return tuple(sorted(types.values(), key=_named_first))


def _named_first(growth: TypeGrowth) -> tuple[bool, int, str]:
    """Order types with a name of their own before builtins, then by count."""
    return "." not in growth.name, -growth.count, growth.name


def _is_worth_telling(suspect: Suspect, evidence: Evidence, growing: Sequence[Growth]) -> bool:
    """Leave out what is tiny beside the whole growth."""
    found = suspect.found
    if found.buffer_bytes:
        return True
    whole = max((growth.rate for growth in growing if growth.signal == "blocks"), default=0.0)
    return (found.objects or found.entries) / evidence.deep_units >= 0.01 * whole


def _finding(suspect: Suspect, evidence: Evidence, verdict: Verdict, because: str) -> Finding:
    found, owner, units = suspect.found, suspect.owner, evidence.deep_units
    types = [
        TypeGrowth(name, count / units, count, owner.sites_by_type.get(name))
        for name, count in sorted(found.types.items(), key=lambda item: (-item[1], item[0]))
    ]
    atoms = found.objects - sum(found.types.values())
    if atoms > 0 and owner.entry_types:
        types.extend(_entries_as_types(suspect, atoms, units))
    types.sort(key=_named_first)
    entries = found.entries or len(found.members)
    size = found.bytes + sum(mean * atoms // len(owner.entry_types) for _, mean in owner.entry_types if atoms > 0)
    return Finding(
        verdict=verdict,
        because=because,
        fingerprint=fingerprint(owner.name or found.types and min(found.types), owner.name and owner.type),
        owner=owner.name,
        owner_type=owner.type,
        entries=owner.length,
        path=owner.steps,
        depth=owner.depth,
        types=tuple(types[:_MOST_TYPES]),
        key_shape=owner.key_shape,
        sites=owner.born,
        per_unit=_rate(evidence, found.objects / units, size / units),
        per_entry=max(found.retained, size) / entries if found.entries else None,
        entries_per_unit=_entry_rate(suspect, units),
        bound=owner.bound,
        advice=advise(verdict, owner),
        graph=found.graph,
    )


def _entry_rate(suspect: Suspect, units: int) -> float | None:
    if suspect.gains and suspect.found.entries:
        return sum(suspect.gains) / (len(suspect.gains) * suspect.watched_units)
    return suspect.found.entries / units if suspect.found.entries else None


def _entries_as_types(suspect: Suspect, atoms: int, units: int) -> list[TypeGrowth]:
    share = atoms // len(suspect.owner.entry_types)
    sites = suspect.owner.sites_by_type
    known = suspect.found.types
    return [
        TypeGrowth(name, share / units, share, sites.get(name))
        for name, _ in suspect.owner.entry_types
        if name not in known and share
    ]


def _rate(evidence: Evidence, objects: float, size: float) -> Rate:
    blocks = series_of(evidence.confirming, "blocks")
    native = series_of(evidence.confirming, "native_bytes")
    known = any(measured.native_bytes is not None for measured in evidence.confirming)
    return Rate(objects=objects, bytes=size, blocks=blocks.mean, native_bytes=native.mean if known else None)


# -- growth without an owner -----------------------------------------------------------------------


def _without_owner(evidence: Evidence, growing: Sequence[Growth]) -> list[Finding]:
    """Say NATIVE for what no Python object owns; never beside owners that explain the growth."""
    whole = {growth.signal: growth.rate for growth in growing}
    if _is_explained(evidence, whole):
        return []
    orphans = [suspect for suspect in evidence.suspects if suspect.found.orphan]
    if orphans:
        return [_finding(suspect, evidence, Verdict.NATIVE, _why_orphan(suspect)) for suspect in orphans[:3]]
    blocks = whole.get("blocks", 0.0)
    if blocks > 0 and _is_steady(evidence, "blocks"):
        return [_leaked_references(evidence, blocks)]
    if whole.get("native_bytes", 0.0) >= _NATIVE_FLOOR and _is_steady(evidence, "native_bytes"):
        return [_c_heap(evidence, whole["native_bytes"])]
    if whole.get("fds", 0.0) > 0:
        return [_descriptors(evidence, whole["fds"])]
    return []


def _is_explained(evidence: Evidence, whole: Mapping[str, float]) -> bool:
    """Tell whether the owners that were found, also those that have stopped, account for the growth."""
    owned = [suspect.found for suspect in evidence.suspects if not suspect.found.orphan and opinion_on(suspect)]
    units = max(1, evidence.deep_units)
    if whole.get("blocks", 0.0) > 0:
        counted = sum(max(found.objects, found.entries) for found in owned) / units
        return counted >= _EXPLAINED * whole["blocks"] or _explains_bytes(owned, units, whole)
    return _explains_bytes(owned, units, whole)


def _explains_bytes(owned: Sequence[Accumulation], units: int, whole: Mapping[str, float]) -> bool:
    """Tell whether the bytes under some owners account for what grows on the C heap."""
    native = whole.get("native_bytes", 0.0)
    return native > 0 and sum(found.bytes for found in owned) / units >= _EXPLAINED * native


def _is_steady(evidence: Evidence, signal: str) -> bool:
    """Tell whether a signal grew in every round but the first, all rounds alike."""
    gains = [m.of(signal) / m.units for m in evidence.marked[1:] or evidence.marked]
    gains += [m.of(signal) / m.units for m in evidence.confirming]
    middle = sorted(gains)[len(gains) // 2]
    off = sum(abs(gain - middle) > _STEADY * middle for gain in gains)
    return min(gains) > 0 and off * 4 <= len(gains)


def _why_orphan(suspect: Suspect) -> str:
    found = suspect.found
    if found.cyclic:
        way = " → ".join([suspect.owner.type, *(step.type for step in suspect.owner.steps[2:])])
        return (
            f"no root reaches them and gc cannot free them: a cycle through something that hides its references ({way})"
        )
    return (
        f"gc sees them but nothing refers to them: {found.unexplained} reference(s) to each that no visible "
        "object explains, so C code keeps or leaked a reference"
    )


def _leaked_references(evidence: Evidence, blocks: float) -> Finding:
    size = evidence.survivors[0].bytes if evidence.survivors else 0.0
    return _ownerless(
        evidence,
        "leaked references",
        f"{rate_text(blocks)} Python memory blocks per unit stay allocated in every round, and no object that gc or a "
        "walk of the heap can reach holds them: C code leaked references to objects without members",
        Rate(objects=0.0, bytes=size, blocks=blocks, native_bytes=series_of(evidence.confirming, "native_bytes").mean),
        evidence.survivors[:3],
    )


def _c_heap(evidence: Evidence, native: float) -> Finding:
    return _ownerless(
        evidence,
        "C heap",
        f"{native:,.1f} bytes per unit of the C heap stay in use in every round while Python's own blocks do not "
        "grow: memory that C code allocates and never frees",
        Rate(objects=0.0, bytes=0.0, blocks=series_of(evidence.confirming, "blocks").mean, native_bytes=native),
        (),
    )


def _descriptors(evidence: Evidence, fds: float) -> Finding:
    return _ownerless(
        evidence,
        "file descriptors",
        f"{rate_text(fds)} file descriptors per unit stay open and no Python object holds them",
        _rate(evidence, 0.0, 0.0),
        (),
        Verdict.LEAK,
    )


def _ownerless(
    evidence: Evidence,
    kind: str,
    because: str,
    rate: Rate,
    survivors: Sequence[Survivor],
    verdict: Verdict = Verdict.NATIVE,
) -> Finding:
    sites = tuple(dict.fromkeys(site for survivor in survivors for site in survivor.sites))
    place = f"{os.path.basename(sites[0].file)}:{sites[0].function}" if sites else ""
    return Finding(
        verdict=verdict,
        because=because,
        fingerprint=fingerprint("native", kind, place),
        owner=None,
        owner_type=kind,
        entries=0,
        path=(Step(f"native: {kind}, no referrer", "native"),),
        depth=1,
        types=(),
        key_shape=None,
        sites=sites,
        per_unit=rate,
        advice=advise(verdict, None, kind),
    )


# -- the run ---------------------------------------------------------------------------------------


def _conclude(evidence: Evidence, growing: Sequence[Growth], findings: list[Finding]) -> Judgement:
    findings.sort(key=lambda finding: _RANK[finding.verdict])  # stable: the heavier stay first
    told = tuple(finding for finding in findings if finding.verdict is not Verdict.STABLE)
    if told:
        return Judgement(told[0].verdict, told[0].because, tuple(findings))
    if findings:
        return Judgement(Verdict.STABLE, findings[0].because, tuple(findings))
    if all(growth.rate <= FLOORS[growth.signal] for growth in growing if FLOORS[growth.signal]):
        return Judgement(Verdict.STABLE, f"only allocator noise: {_rates(growing)}, not the same in every round")
    return Judgement(
        Verdict.INCONCLUSIVE,
        f"something grows ({_rates(growing)}) but not steadily, and no owner was found; "
        "run it with more rounds or a larger number of units",
    )


def _nothing_grows(evidence: Evidence) -> str:
    units = sum(measured.units for measured in evidence.marked)
    return f"nothing grew in {len(evidence.marked)} rounds of {evidence.marked[0].units} units ({units:,} units)"


def _not_confirmed(suspected: Sequence[Growth]) -> str:
    return (
        f"grew under the mark ({_rates(suspected)}) but not between two full collections: "
        "what grew was replaced or has stopped growing"
    )


def _interrupted(evidence: Evidence, suspected: Sequence[Growth]) -> str:
    so_far = f"; until then {_rates(suspected)}" if suspected else ""
    return f"interrupted in {evidence.interrupted} after {len(evidence.rounds)} measured rounds{so_far}"


def _grows_by_itself(evidence: Evidence) -> str:
    return (
        f"the process also grows while no unit is running ({evidence.idle_share:.0%} as fast): "
        "a thread goes on allocating. Stop it in setup, or make each step wait for it"
    )


_NOUNS = {"blocks": "blocks", "native_bytes": "native bytes", "fds": "file descriptors", "threads": "threads"}


def _rates(growing: Sequence[Growth]) -> str:
    return ", ".join(f"{rate_text(growth.rate)} {_NOUNS[growth.signal]} per unit" for growth in growing)
