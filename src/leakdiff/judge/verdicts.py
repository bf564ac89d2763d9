"""Put the evidence together: findings, and the verdict of the whole run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import attrs

from leakdiff.judge.advice import advise, fix_of
from leakdiff.judge.artefacts import artefact_of, is_excused, runs_in_pytest
from leakdiff.judge.causes import cause_of
from leakdiff.judge.confidence import confidence
from leakdiff.judge.fingerprint import fingerprint
from leakdiff.judge.rules import BY_LENGTH, RULES, Opinion, opinion_on
from leakdiff.model.evidence import Evidence, Survivor, Suspect
from leakdiff.model.heap import Step
from leakdiff.model.native import C_HEAP, DESCRIPTORS, FROZEN, LEAKED_REFERENCES, UNCOLLECTED, NativeEvidence
from leakdiff.model.owner import Owner
from leakdiff.model.report import ACCUSING, Finding, TypeGrowth, Verdict
from leakdiff.model.series import Growth, Series, series_of
from leakdiff.model.signals import FLOORS, LEAST_NATIVE, Rate, rate_text

RANK = {
    Verdict.LEAK: 0,
    Verdict.NATIVE: 1,
    Verdict.FILLING: 2,
    Verdict.WARMUP: 3,
    Verdict.INCONCLUSIVE: 4,
    Verdict.CHURN: 5,
    Verdict.STABLE: 6,
}
_MOST_TYPES = 12
_EXPLAINED = 0.3  # share of the growth an owner must account for
_NOISE = {"native_bytes": LEAST_NATIVE}
_KEPT = 0.8  # share of its rate that a total must keep to the end
_KEPT_BYTES = 0.6
_ENOUGH_ROUNDS = 20
_IMMODEST = 2.0
_STEADY = 0.3
_IDLE = 0.5
_REFERENCE = 8  # bytes
_TABLES = ("list", "dict", "set", "frozenset", "bytearray")
_WITH_NODES = (
    "collections.OrderedDict",
    "functools._lru_cache_wrapper",
)  # they have a block of their own for each entry


@attrs.frozen
class Judgement:
    """The verdict of a run, its reason, the findings, and how sure it is."""

    verdict: Verdict
    because: str
    findings: tuple[Finding, ...] = ()
    confidence: str = ""


def judge(evidence: Evidence) -> Judgement:
    """Say what the evidence amounts to, and how sure that is."""
    judgement = _judge(evidence)
    if evidence.interrupted is not None:
        return judgement
    return attrs.evolve(judgement, confidence=confidence(evidence, judgement.verdict, judgement.findings))


def is_ambiguous(evidence: Evidence, judgement: Judgement) -> bool:
    """Tell whether more rounds, of another number of units, may say more."""
    can_tell = evidence.is_whole and evidence.interrupted is None and evidence.idle_share < _IDLE
    return judgement.verdict is Verdict.INCONCLUSIVE and can_tell


def _judge(evidence: Evidence) -> Judgement:
    suspected = evidence.suspected
    if evidence.interrupted is not None:
        return Judgement(Verdict.INCONCLUSIVE, _interrupted(evidence, suspected))
    cycles = [explained(finding, {}) for finding in uncollected(evidence)]
    if cycles and not evidence.growing:
        return Judgement(Verdict.LEAK, cycles[0].because, tuple(cycles))
    if not suspected:
        return Judgement(Verdict.STABLE, _nothing_grows(evidence))
    if not evidence.growing:
        return Judgement(Verdict.STABLE, _not_confirmed(suspected), tuple(_owned(evidence, [])))
    if evidence.idle_share >= _IDLE:
        return Judgement(Verdict.INCONCLUSIVE, _grows_by_itself(evidence))
    going = going_on(evidence)
    findings = [*_owned(evidence, going), *without_owner(evidence)]
    rates = {growth.signal: growth.rate for growth in evidence.growing}
    return _conclude(evidence, going, [explained(finding, rates) for finding in findings])


def explained(finding: Finding, rates: Mapping[str, float]) -> Finding:
    """Say what kind of mistake a finding is and what to do about it; excuse what is known to be no mistake.

    Args:
        finding: What grows.
        rates: Signals of the whole process per unit, by name.
    """
    cause = cause_of(finding, per_unit=rates)
    if cause is not None:
        finding = attrs.evolve(finding, cause=cause, advice=fix_of(cause, finding.code))
    known = artefact_of(finding, sys.version_info[:2]) if finding.verdict is Verdict.LEAK else None
    if known is None:
        return finding
    if known.does_excuse(in_test=runs_in_pytest()):
        finding = attrs.evolve(finding, verdict=Verdict.STABLE, because=known.reason, advice="", cause=None)
    return attrs.evolve(finding, artefact=known.reason, advice=known.remedy or finding.advice)


# -- do the totals go on? --------------------------------------------------------------------------


def going_on(evidence: Evidence) -> list[Growth]:
    """Return what was still growing at its old rate at the end of the watched rounds."""
    if not evidence.watched:
        return list(evidence.growing)
    return [growth for growth in evidence.growing if _keeps_its_rate(growth, evidence)]


def _keeps_its_rate(growth: Growth, evidence: Evidence) -> bool:
    watched = series_of(evidence.watched, growth.signal)
    if watched.swings:  # most rounds gain, but some take it all away again: what is left between the falls tells
        least = _NOISE.get(growth.signal, 0.0)
        return watched.mean > least and (watched.climbs() or watched.mean >= _KEPT * growth.rate)
    if growth.signal == "native_bytes":  # buffers grow by leaps, rarer and larger: only the whole tells
        return watched.mean >= _KEPT_BYTES * growth.series.mean
    if min(watched.gains) < 0 and watched.climbs():
        return watched.mean >= _KEPT_BYTES * growth.rate
    late = watched.last_third()
    return late.rate >= _KEPT * growth.rate and late.total > 0


def is_accounted_for(evidence: Evidence) -> bool:
    """Tell whether an owner that goes on growing accounts for what goes on, or nothing goes on."""
    going = going_on(evidence)
    telling = [suspect for suspect in evidence.suspects if _goes_on(suspect)]
    return not going or _do_explain(telling, evidence, going)


def _goes_on(suspect: Suspect) -> bool:
    opinion = opinion_on(suspect)
    return opinion is not None and opinion.verdict in (Verdict.LEAK, Verdict.FILLING)


def opinions(evidence: Evidence) -> list[tuple[Suspect, Opinion]]:
    """Judge every suspect; excuses that rest on a length fall if all goes on and nobody else accounts for it."""
    going = going_on(evidence)
    rules = RULES
    if going and not _blocks_rest(evidence, going) and not is_accounted_for(evidence):
        rules = tuple(rule for rule in RULES if rule not in BY_LENGTH)
    judged = ((suspect, opinion_on(suspect, rules)) for suspect in evidence.suspects)
    told = [(suspect, opinion) for suspect, opinion in judged if opinion is not None]
    if going:
        return [(suspect, _modest(suspect, opinion, evidence, going)) for suspect, opinion in told]
    return [(suspect, opinion if _still_leaks(suspect, evidence) else _rested(opinion)) for suspect, opinion in told]


def _blocks_rest(evidence: Evidence, going: Sequence[Growth]) -> bool:
    """Tell whether Python's blocks grew and do so no more: what else goes on is not entries that have moved."""
    return "blocks" in {growth.signal for growth in evidence.growing} - {growth.signal for growth in going}


def _modest(suspect: Suspect, opinion: Opinion, evidence: Evidence, going: Sequence[Growth]) -> Opinion:
    """Excuse an owner without a length of its own that would hold far more than the process gains: it replaces."""
    whole = max((growth.rate for growth in going if growth.signal == "blocks"), default=0.0)
    claims = suspect.found.objects / max(1, evidence.deep_units)
    if suspect.lengths or suspect.is_buffer or suspect.found.orphan or whole == 0 or claims <= _IMMODEST * whole:
        return opinion
    return Opinion(Verdict.STABLE, "replaces what it holds: the process gains less than half of what is new under it")


def _still_leaks(suspect: Suspect, evidence: Evidence) -> bool:
    """Tell whether an owner kept its own rate to the end while the totals were slowed down by something else."""
    series = suspect.series
    late = series.last_third().mean
    keeps = suspect.rate > 0 and _KEPT * suspect.rate <= late <= suspect.rate / _KEPT
    if suspect.is_buffer:  # the heap grows by leaps under it: only its own length tells
        return keeps and min(series.gains, default=0) > 0
    if len(series.gains) < _ENOUGH_ROUNDS or suspect.found.objects <= 0:
        return False
    if series.swings:
        return series.climbs()
    blocks = series_of(evidence.watched, "blocks")
    if blocks.swings:  # where a saw-tooth stands at the end is chance: an entry takes a block at least
        return keeps and series.grew_in >= _KEPT * len(series.gains) and blocks.mean >= series.mean / 2
    own = suspect.found.objects / max(1, evidence.deep_units)
    covered = blocks.last_third().mean >= own / 2
    return keeps and covered and series.grew_in >= _KEPT * len(series.gains)


def _rested(opinion: Opinion) -> Opinion:
    """Nothing grows any more as a whole: then no owner leaks."""
    if opinion.verdict is not Verdict.LEAK:
        return opinion
    return Opinion(Verdict.STABLE, "grew at first, but the process as a whole has stopped growing")


# -- findings --------------------------------------------------------------------------------------


def _owned(evidence: Evidence, going: Sequence[Growth]) -> list[Finding]:
    judged, whole = opinions(evidence), _whole(evidence, going)
    accused = {id(suspect) for suspect, opinion in judged if opinion.verdict in ACCUSING}
    findings = [
        attrs.evolve(
            finding_of(suspect, evidence, opinion.verdict, opinion.because),
            shared_with=_sharers(suspect, evidence, accused) if id(suspect) in accused else (),
        )
        for suspect, opinion in judged
        if _is_worth_telling(suspect, evidence, whole)
    ]
    return _outermost(one_for_each_owner(findings))


def _sharers(suspect: Suspect, evidence: Evidence, accused: AbstractSet[int]) -> tuple[str, ...]:
    """Return the names of other accused owners of the same objects."""
    others = [evidence.suspects[at] for at in suspect.found.sharers if at < len(evidence.suspects)]
    names = [other.owner.name for other in others if id(other) in accused]
    return tuple(dict.fromkeys(name for name in names if name is not None and name != suspect.owner.name))


def _outermost(findings: Sequence[Finding]) -> list[Finding]:
    """Make owners inside an owner that is accused as well part of it: they are one cause."""
    accused = [finding for finding in findings if _is_accused(finding)]
    return [
        finding
        for finding in findings
        if not any(_is_inside(finding, other) for other in accused if other is not finding)
    ]


def _is_accused(finding: Finding) -> bool:
    return finding.verdict is Verdict.LEAK and not is_excused(finding.path[: finding.depth])


def _is_inside(finding: Finding, other: Finding) -> bool:
    if finding.owner is None or other.owner is None or finding.verdict is not Verdict.LEAK:
        return False
    if finding.owner.startswith(f"{other.owner} →"):  # a part without a name of its own, such as what a buffer is in
        return True
    return bool(other.entries_per_unit) and finding.owner.startswith((f"{other.owner}.", f"{other.owner}["))


def one_for_each_owner(findings: Sequence[Finding]) -> list[Finding]:
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
        length=one.length + other.length,
        entries_per_unit=sum(counted) if counted else None,
        types=_merged_types(one.types, other.types),
        sites=tuple(dict.fromkeys([*one.sites, *other.sites])),
    )


def _merged_types(one: Sequence[TypeGrowth], other: Sequence[TypeGrowth]) -> tuple[TypeGrowth, ...]:
    types = {growth.name: growth for growth in one}
    for growth in other:
        known = types.get(growth.name)
        types[growth.name] = (
            growth
            if known is None
            else attrs.evolve(known, per_unit=known.per_unit + growth.per_unit, count=known.count + growth.count)
        )
    return tuple(sorted(types.values(), key=_named_first))


def _named_first(growth: TypeGrowth) -> tuple[bool, int, str]:
    """Order types with a name of their own before builtins, then by count."""
    return "." not in growth.name, -growth.count, growth.name


def _is_worth_telling(suspect: Suspect, evidence: Evidence, whole: float) -> bool:
    """Leave out what is tiny beside the whole growth, and what no root reaches: that is told by itself."""
    found = suspect.found
    if found.orphan:
        return False
    if found.buffer_bytes:
        return True
    return (found.objects or found.entries) / max(1, evidence.deep_units) >= 0.01 * whole


def _whole(evidence: Evidence, going: Sequence[Growth]) -> float:
    """Return the blocks per unit that grow as a whole; where some of it is excused, those under other owners."""
    blocks = max((growth.rate for growth in going if growth.signal == "blocks"), default=0.0)
    accused = [suspect for suspect in evidence.suspects if not is_excused(suspect.owner.way)]
    if len(accused) == len(evidence.suspects):
        return blocks
    return min(blocks, sum(map(_blocks_of, accused)) / max(1, evidence.deep_units))


def finding_of(suspect: Suspect, evidence: Evidence, verdict: Verdict, because: str) -> Finding:
    """Put what is known of a suspect into a finding."""
    found, owner, units = suspect.found, suspect.owner, evidence.deep_units
    types = [
        TypeGrowth(name, count / units, count, owner.sites_by_type.get(name)) for name, count in found.types.items()
    ]
    atoms = _entries_as_types(suspect, units)
    if found.entries:
        types = [attrs.evolve(growth, per_entry=growth.count / found.entries) for growth in types]
        atoms = [attrs.evolve(growth, per_entry=growth.count / found.entries) for growth in atoms]
    types = sorted([*types, *atoms], key=_named_first)
    beside = sum(atom.count * _bytes_of(owner, atom.name) for atom in atoms)
    size = found.bytes + max(0, beside - found.buffer_bytes)  # large texts among the entries are buffers, too
    objects = sum(growth.count for growth in types)
    return Finding(
        verdict=verdict,
        because=because,
        fingerprint=fingerprint(owner.name or min(found.types, default=""), owner.type),
        owner=owner.name,
        owner_type=owner.type,
        length=owner.length,
        path=owner.steps,
        depth=owner.depth,
        types=tuple(types[:_MOST_TYPES]),
        key_shape=owner.key_shape,
        sites=owner.born,
        per_unit=_rate(evidence, objects / units, size / units),
        per_entry=max(found.retained, size) / found.entries if found.entries else None,
        entries_per_unit=_entry_rate(suspect, units),
        bound=owner.bound,
        advice=advise(verdict, owner.name or ""),
        code=suspect.code,
        retained=found.retained / units if found.entries or found.reached else None,
        share=found.share / units if found.reached else None,
        shape=suspect.series.shape,
        waiting=owner.waiting,
        graph=found.graph,
    )


def _entry_rate(suspect: Suspect, units: float) -> float | None:
    if not suspect.found.entries:
        return None
    return suspect.series.mean if suspect.series.gains and suspect.series.mean > 0 else suspect.found.entries / units


def _entries_as_types(suspect: Suspect, units: float) -> list[TypeGrowth]:
    """Count the keys and values that gc cannot tell from old ones: so many an entry, times the entries gained."""
    gained, sites = suspect.found.entries, suspect.owner.sites_by_type
    counted = [(entry.name, round(entry.per_entry * gained)) for entry in suspect.owner.entry_types]
    return [
        TypeGrowth(name, count / units, count, sites.get(name))
        for name, count in counted
        if name not in suspect.found.types and count > 0
    ]


def _bytes_of(owner: Owner, name: str) -> float:
    return next((entry.bytes for entry in owner.entry_types if entry.name == name), 0.0)


def _rate(evidence: Evidence, objects: float, size: float) -> Rate:
    blocks = series_of(evidence.confirming, "blocks")
    native = series_of(evidence.confirming, "native_bytes")
    known = any(measured.native_bytes is not None for measured in evidence.confirming)
    return Rate(
        objects=objects,
        bytes=size,
        blocks=blocks.mean,
        native_bytes=native.mean if known else None,
        descriptors=series_of(evidence.confirming, "fds").mean,
    )


# -- growth without an owner -----------------------------------------------------------------------


def without_owner(  # noqa: PLR0911 - one return for each kind of growth
    evidence: Evidence,
) -> list[Finding]:
    """Say NATIVE for what no Python object owns; never beside owners that explain the growth."""
    going = going_on(evidence)
    owned = [suspect for suspect in evidence.suspects if not suspect.found.orphan and opinion_on(suspect)]
    if not going or not evidence.is_whole:
        return []
    if _do_explain(owned, evidence, going) or _has_growing_buffer(evidence):
        return []
    orphans = [suspect for suspect in evidence.suspects if suspect.found.orphan]
    if orphans:
        return [_orphaned(suspect, evidence) for suspect in orphans[:3]]
    whole = {growth.signal: growth.rate for growth in going}
    blocks = whole.get("blocks", 0.0)
    if blocks > 0:
        tracked = series_of(evidence.confirming, "objects").likely_rate
        is_leaked = tracked < _EXPLAINED * blocks and _is_steady(evidence, "blocks")
        return [_leaked_references(evidence, _typical(evidence, "blocks"))] if is_leaked else []
    if whole.get("native_bytes", 0.0) >= LEAST_NATIVE and _is_steady(evidence, "native_bytes"):
        return [_c_heap(evidence, _typical(evidence, "native_bytes"))]
    if whole.get("fds", 0.0) > 0:
        return [_descriptors(evidence, whole["fds"])]
    return []


def _has_growing_buffer(evidence: Evidence) -> bool:
    """Tell whether a buffer goes on growing: what it is made of cannot be told from leaked references."""
    return any(suspect.is_buffer and _goes_on(suspect) for suspect in evidence.suspects)


def _do_explain(owned: Sequence[Suspect], evidence: Evidence, going: Sequence[Growth]) -> bool:
    """Tell whether some owners account for the growth: in blocks, or in bytes of the C heap."""
    units = max(1, evidence.deep_units)
    whole = {growth.signal: growth.rate for growth in going}
    counted = sum(_blocks_of(suspect) for suspect in owned) / units
    if whole.get("blocks", 0.0) > 0 and counted >= _EXPLAINED * whole["blocks"]:
        return True
    native = max(whole.get("native_bytes", 0.0), 0.0)
    if native == 0.0:
        return "blocks" not in whole and counted > 0
    # A reference takes 8 bytes of its container, also one to an object that is shared.
    held = sum(suspect.found.bytes + _REFERENCE * suspect.found.entries for suspect in owned)
    return held / units >= _EXPLAINED * native


def _blocks_of(suspect: Suspect) -> int:
    """Estimate the memory blocks under an owner: most objects with members have a second one for those."""
    found = suspect.found
    counts = {**found.types, **{entry.name: entry.count for entry in _entries_as_types(suspect, 1)}}
    several = sum(count for name, count in counts.items() if "." in name or name in _TABLES)
    nodes = found.entries if suspect.owner.type in _WITH_NODES else 0
    return max(sum(counts.values()), found.objects, found.entries) + several + nodes


def _typical(evidence: Evidence, signal: str) -> float:
    """Return the median gain per unit over all measured rounds but the first."""
    return series_of([*evidence.marked[1:], *evidence.confirming, *evidence.watched], signal).rate


def _is_steady(evidence: Evidence, signal: str) -> bool:
    """Tell whether a signal grew in every round but the first, all rounds alike."""
    rounds = [*(evidence.marked[1:] or evidence.marked), *evidence.confirming, *evidence.watched]
    gains = [measured.of(signal) / measured.units for measured in rounds]
    middle = sorted(gains)[len(gains) // 2]
    off = sum(abs(gain - middle) > _STEADY * middle for gain in gains)
    return min(gains) > 0 and off * 4 <= len(gains)


def _orphaned(suspect: Suspect, evidence: Evidence) -> Finding:
    """Put what no root reaches into a finding: a leak of the interpreter's own registry, where it is known to be."""
    if suspect.owner.name is not None:
        return finding_of(suspect, evidence, Verdict.LEAK, _why_registered(suspect, evidence))
    return attrs.evolve(finding_of(suspect, evidence, Verdict.NATIVE, _why_orphan(suspect)), native=evidence.native)


def _why_registered(suspect: Suspect, evidence: Evidence) -> str:
    rate = rate_text(len(suspect.found.members) / max(1, evidence.deep_units))
    return (
        f"{rate} of them per unit are alive that no root reaches, and atexit counts as many more callbacks, "
        f"{suspect.owner.length:,} by now: what was registered is never taken back"
    )


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
    is_frozen = evidence.native is not None and evidence.native.kind == FROZEN
    why = (
        "and gc.freeze(), which the program calls all the time, has put as many objects out of the collector's sight: "
        "cycles among those are never freed"
        if is_frozen
        else "and no object that gc or a walk of the heap can reach holds them: C code leaked references to objects "
        "without members"
    )
    return _ownerless(
        LEAKED_REFERENCES,
        f"{rate_text(blocks)} Python memory blocks per unit stay allocated in every round, {why}",
        Rate(objects=0.0, bytes=size, blocks=blocks, native_bytes=series_of(evidence.confirming, "native_bytes").mean),
        evidence.survivors[:3],
        evidence.native,
    )


def _c_heap(evidence: Evidence, native: float) -> Finding:
    return _ownerless(
        C_HEAP,
        f"{native:,.1f} bytes per unit of the C heap stay in use in every round while Python's own blocks do not "
        "grow: memory that C code allocates and never frees",
        Rate(objects=0.0, bytes=0.0, blocks=series_of(evidence.confirming, "blocks").mean, native_bytes=native),
        evidence.survivors[:3],
        evidence.native,
    )


def uncollected(evidence: Evidence) -> list[Finding]:
    """Accuse cycles that only leakdiff's own collections free: the program has turned the collector off.

    Asked where nothing else grows: beside another leak they are garbage that the program may still collect.
    """
    freed = Series(
        tuple(measured.freed for measured in evidence.marked[1:]),
        tuple(measured.units for measured in evidence.marked[1:]),
    )
    if not evidence.collector_is_off or not freed.gains or min(freed.gains) <= 0:
        return []
    if min(freed.gains) * 2 < max(freed.gains):  # not the same in every round: some run has left them, not each unit
        return []
    return [
        _ownerless(
            UNCOLLECTED,
            f"gc is disabled, and {rate_text(freed.rate)} objects per unit refer to each other in cycles: they went "
            "only because leakdiff collects after each round",
            Rate(objects=freed.rate),
            (),
        )
    ]


def _descriptors(evidence: Evidence, fds: float) -> Finding:
    return _ownerless(
        DESCRIPTORS,
        f"{rate_text(fds)} file descriptors per unit stay open and no Python object holds them",
        _rate(evidence, 0.0, 0.0),
        evidence.survivors[:3] if evidence.survivors and not evidence.survivors[0].blocks else (),
    )


def _ownerless(
    kind: str, because: str, rate: Rate, survivors: Sequence[Survivor], native: NativeEvidence | None = None
) -> Finding:
    sites = tuple(dict.fromkeys(site for survivor in survivors for site in survivor.sites))
    verdict = Verdict.LEAK if kind in (DESCRIPTORS, UNCOLLECTED) else Verdict.NATIVE
    place = f"{os.path.basename(sites[0].file)}:{sites[0].function}" if sites else ""
    return Finding(
        verdict=verdict,
        because=because,
        fingerprint=fingerprint("native", kind, place),
        owner=None,
        owner_type=kind,
        length=0,
        path=(Step(f"native: {kind}, no referrer", "native"),),
        depth=1,
        types=(),
        key_shape=None,
        sites=sites,
        per_unit=rate,
        advice=advise(verdict, None, kind),
        native=native,
    )


# -- the run ---------------------------------------------------------------------------------------


def _conclude(evidence: Evidence, going: Sequence[Growth], findings: list[Finding]) -> Judgement:
    findings.sort(key=lambda finding: RANK[finding.verdict])  # stable: the heavier stay first
    told = [finding for finding in findings if finding.verdict is not Verdict.STABLE]
    if told:
        return Judgement(told[0].verdict, told[0].because, tuple(findings))
    if not going:
        because = findings[0].because if findings else _has_stopped(evidence)
        return Judgement(Verdict.STABLE, because, tuple(findings))
    owned = [suspect for suspect in evidence.suspects if not suspect.found.orphan]
    if findings and _do_explain(owned, evidence, going):
        return Judgement(Verdict.STABLE, findings[0].because, tuple(findings))
    if all(growth.rate <= max(FLOORS[growth.signal], _NOISE.get(growth.signal, 0.0)) for growth in going):
        return Judgement(Verdict.STABLE, f"only allocator noise: {_rates(going)}", tuple(findings))
    if not evidence.is_whole:
        because = f"something grows ({_rates(going)}), but the walk stopped early: raise max_objects or max_seconds"
        return Judgement(Verdict.INCONCLUSIVE, because, tuple(findings))
    return Judgement(
        Verdict.INCONCLUSIVE,
        f"something grows ({_rates(going)}) but no owner was found and it is not the same in every round; "
        "run it with more rounds or a larger number of units",
        tuple(findings),
    )


def _has_stopped(evidence: Evidence) -> str:
    return f"grew at first ({_rates(evidence.growing)}), but has stopped growing"


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
    return ", ".join(f"{rate_text(_rate_of(growth))} {_NOUNS[growth.signal]} per unit" for growth in growing)


def _rate_of(growth: Growth) -> float:
    """Return the rate that tells most: of what grows by leaps the median may be nothing."""
    return growth.rate if growth.rate > 0 else growth.series.mean
