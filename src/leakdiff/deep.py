"""The tiers of a check that run only if something grows: is it so, what is it, who holds it, and which lines do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from leakdiff.model.code import Code, Moves
from leakdiff.model.evidence import Evidence, Survivor, Suspect
from leakdiff.model.native import C_HEAP, DESCRIPTORS, FROZEN, HIDDEN_CYCLE, LEAKED_REFERENCES
from leakdiff.model.report import ACCUSING
from leakdiff.model.series import series_of

if TYPE_CHECKING:
    from leakdiff.capture.owners import LengthWatch, OwnerReader
    from leakdiff.capture.sites import Line, Traces
    from leakdiff.capture.tiers import Bench, Deep
    from leakdiff.model.owner import Accumulation, Owner

DEEP_ROUNDS = 3
_MOST_SUSPECTS = 12
_MOST_NAMED = 60  # with those that are excused
_MOST_READ = 4  # owners of which the source is read
_TELLING = 0.2  # share of the blocks that a line must leave to be looked into


def confirming_tier(bench: Bench, evidence: Evidence) -> Evidence:
    """Measure the suspected signals again without a mark."""
    from leakdiff.capture.tiers import confirming_rounds, idle_share
    from leakdiff.compare.growth import confirmed

    if not evidence.suspected:
        return evidence
    expected = {growth.signal: growth.rate for growth in evidence.suspected}
    confirming = confirming_rounds(bench, expected)
    growing = confirmed(evidence.suspected, confirming)
    idle = idle_share(bench, confirming) if growing else 0.0
    return attrs.evolve(evidence, confirming=tuple(confirming), growing=tuple(growing), idle_share=idle)


def deep_tier(bench: Bench, evidence: Evidence) -> Evidence:
    """Walk the heap before and after further rounds: what grew, who holds it, how that goes on, which lines do it."""
    if not evidence.growing:
        return evidence
    from leakdiff.capture.native import orphan_references
    from leakdiff.capture.owners import OwnerReader, watch_lengths
    from leakdiff.capture.tiers import deep_rounds, traced_round, watched_rounds
    from leakdiff.ownership import accumulate  # noqa: F401 - networkx is imported before anything is measured

    expected = [series_of(evidence.confirming, signal).likely_rate for signal in ("objects", "native_bytes")]
    deep = deep_rounds(bench, DEEP_ROUNDS, *expected)
    reader = OwnerReader(deep.newborn, deep.roots)
    found, owners = _most_suspicious(_accumulations(bench, deep), reader)
    holders = [reader.holders(accumulation) for accumulation in found]
    references = [orphan_references(deep.newborn, accumulation) for accumulation in found]
    watch = watch_lengths(reader, found)
    units, is_whole, bench.walked = deep.units, deep.is_whole, len(deep.newborn.walk.addresses)
    del deep, reader
    traces = traced_round(bench, units // DEEP_ROUNDS, holders)
    del holders
    watched = watched_rounds(bench, watch, units // DEEP_ROUNDS, sum(item.bytes for item in found[:1]) / units)
    suspects = [
        Suspect(
            found=accumulation,
            owner=owner,
            lengths=watch.lengths(position),
            units=tuple(measured.units for measured in watched),
            rate=watch.rate_at_first(position, watched)
            if position in watch.recounted
            else (accumulation.entries or accumulation.buffer_bytes) / units,
            references=references[position],
        )
        for position, (accumulation, owner) in enumerate(zip(found, owners, strict=True))
    ]
    evidence = attrs.evolve(evidence, deep_units=units, is_whole=is_whole, watched=tuple(watched))
    evidence = attrs.evolve(evidence, **_with_sites(suspects, traces))
    evidence = _with_code(bench, evidence, watch)
    if bench.further is not None:
        bench.further(bench, evidence, watch)
    return evidence


def last_look(bench: Bench, evidence: Evidence) -> Evidence:
    """Where the totals still grow but no owner does, see once more whether they do without a mark."""
    from leakdiff.judge.verdicts import is_accounted_for

    if not evidence.growing or is_accounted_for(evidence):
        return evidence
    return _native_tier(bench, confirming_tier(bench, evidence))


def _native_tier(bench: Bench, evidence: Evidence) -> Evidence:
    """Where no Python object owns what grows, find the lines and C functions that make it."""
    from leakdiff.capture import native
    from leakdiff.capture.tiers import freezes
    from leakdiff.judge.verdicts import without_owner

    found = without_owner(evidence)
    if not found or found[0].owner is not None:
        return evidence
    rate, kind = found[0].per_unit, found[0].owner_type
    if kind == DESCRIPTORS:
        return _with_lines(evidence, native.descriptor_lines(bench, rate.descriptors or 0.0))
    if kind == C_HEAP:
        return _with_c_heap(bench, evidence, rate.native_bytes or 0.0)
    orphans = [suspect for suspect in evidence.suspects if suspect.found.orphan]
    is_cycle = bool(orphans) and orphans[0].found.cyclic
    stays = native.Stays(rate.blocks or 0.0, rate.bytes)
    telling = [survivor for survivor in evidence.survivors if survivor.blocks >= _TELLING * stays.blocks]
    lines = [(site.file, site.line) for survivor in telling for site in survivor.sites]
    kind = HIDDEN_CYCLE if is_cycle else LEAKED_REFERENCES
    if not orphans and freezes(bench, stays.blocks):
        kind = FROZEN
    references = orphans[0].references if orphans else ""
    return attrs.evolve(evidence, native=native.native_evidence(bench, kind, stays, lines, references))


def _with_c_heap(bench: Bench, evidence: Evidence, rate: float) -> Evidence:
    from leakdiff.capture import native
    from leakdiff.capture.tiers import native_lines

    lines = native.likeliest(native_lines(bench, rate), rate)
    stays = native.Stays(0.0, rate)
    found = native.native_evidence(bench, C_HEAP, stays, [line for line, _ in lines])
    return attrs.evolve(_with_lines(evidence, lines), native=found)


def _with_lines(evidence: Evidence, lines: Sequence[tuple[Line, float]]) -> Evidence:
    """Take lines of a round measured by line for what survives."""
    from leakdiff.capture.sites import Sources

    sources = Sources()
    return attrs.evolve(evidence, survivors=tuple(Survivor((sources.site(*line),), 0.0, left) for line, left in lines))


def _with_sites(suspects: list[Suspect], traces: Traces) -> dict[str, Any]:
    from leakdiff.capture.owners import with_births
    from leakdiff.capture.sites import Sources

    sources = Sources()
    survivors = [Survivor(sources.sites(stack), blocks, size) for stack, blocks, size in traces.survivors]
    largest = {"": traces.survivors[0][0]} if traces.survivors else {}
    placed = []
    for suspect, own in zip(suspects, traces.by_holder, strict=True):
        stacks = largest if suspect.is_buffer else own or traces.everywhere
        placed.append(attrs.evolve(suspect, owner=with_births(suspect.owner, suspect.found, stacks, sources)))
    return {"suspects": tuple(placed), "survivors": tuple(survivors)}


def _with_code(bench: Bench, evidence: Evidence, watch: LengthWatch) -> Evidence:
    """Read the source of the owners that will be accused, and see which of its lines ran."""
    from leakdiff.capture.tiers import moves_by_line
    from leakdiff.judge.artefacts import is_excused
    from leakdiff.judge.verdicts import opinions

    judged = [suspect for suspect, opinion in opinions(evidence) if opinion.verdict in ACCUSING]
    accused = {id(suspect) for suspect in judged if not is_excused(suspect.owner.way)}
    chosen = [at for at, suspect in enumerate(evidence.suspects) if id(suspect) in accused][:_MOST_READ]
    moves = moves_by_line(bench, watch, {at: evidence.suspects[at].rate for at in chosen if at in watch.extents})
    read = list(evidence.suspects)
    for at in chosen:
        read[at] = with_code(read[at], moves.get(at, ()))
    return attrs.evolve(evidence, suspects=tuple(read))


def with_code(suspect: Suspect, moves: Sequence[Moves] = ()) -> Suspect:
    """Read the lines that put entries into a suspect's owner and take them out, and the bound they enforce.

    Args:
        suspect: An owner that is accused.
        moves: Lines that were seen to do so.
    """
    from leakdiff.source.read import read_code

    home = suspect.owner.home
    if home is None:
        return suspect
    code = read_code(home, moves)
    if home.outer is not None:
        code = _beside(read_code(home.outer), code)
    if suspect.owner.waiting or _holds_pending(suspect.owner):
        code = _with_ends(code, suspect.owner)
    return _bounded_by_code(attrs.evolve(suspect, code=code))


def _beside(outer: Code, code: Code) -> Code:
    """Put what the program's own code does before what the library does for it."""
    is_told = bool(outer.puts or outer.gones)
    return attrs.evolve(
        code,
        puts=(*outer.puts, *code.puts),
        gones=(*outer.gones, *code.gones),
        made=tuple(dict.fromkeys((*outer.made, *code.made))),
        misses=tuple(dict.fromkeys((*outer.misses, *code.misses))),
        summary=outer.summary if is_told else code.summary,
        missing="" if is_told else code.missing,
        bound=code.bound or outer.bound,
    )


def _holds_pending(owner: Owner) -> bool:
    """Tell whether tasks, futures, timers or threads are on the way from an owner to what grows."""
    return any(_is_pending(step.type) for step in owner.steps[owner.depth :])


def _is_pending(name: str) -> bool:
    return name.endswith(("Future", "Task", "Timer", "TimerHandle", "Thread"))


def _with_ends(code: Code, owner: Owner) -> Code:
    """Say who ends what waits among the entries, beside who takes them out of the owner.

    Where a library holds them, as the event loop does its timers, the line that made them is the one that puts them in.
    """
    from leakdiff.source.pending import who_ends
    from leakdiff.source_files import is_users_file

    makers = [site for name, site in owner.sites_by_type.items() if _is_pending(name)]
    found = who_ends([*makers, *owner.born])
    is_theirs = any(is_users_file(put.site.file) for put in code.puts)
    made = () if found.made is None or is_theirs else (found.made,)
    ends = [end for end in found.ends if end.site not in [gone.site for gone in code.gones]]
    gones = (*code.gones, *ends) if is_theirs else (*ends, *code.gones)
    return attrs.evolve(code, puts=(*made, *code.puts), gones=gones, pending=found.summary)


def _bounded_by_code(suspect: Suspect) -> Suspect:
    """Give an owner the bound its code enforces, where it has not passed it."""
    bound = suspect.code.bound if suspect.code is not None else None
    longest = max((*suspect.lengths, suspect.owner.length))
    if bound is None or suspect.owner.bound is not None or longest > bound.limit:
        return suspect
    return attrs.evolve(suspect, owner=attrs.evolve(suspect.owner, bound=attrs.evolve(bound, filled=longest)))


def _accumulations(bench: Bench, deep: Deep) -> list[Accumulation]:
    from leakdiff.ownership.accumulate import find_accumulations

    graph = deep.newborn.as_graph(DEEP_ROUNDS, deep.units)
    for note in graph.left_out:
        bench.note(note)
    return find_accumulations(graph)


def _most_suspicious(found: Sequence[Accumulation], reader: OwnerReader) -> tuple[list[Accumulation], list[Owner]]:
    """Return the largest accumulations with their owners: as many as hold enough whose owner is not excused."""
    from leakdiff.judge.artefacts import is_excused

    owners: list[Owner] = []
    left = _MOST_SUSPECTS
    for accumulation in found[:_MOST_NAMED]:
        owners.append(reader.read(accumulation))
        left -= not is_excused(owners[-1].way)
        if left == 0:
            break
    return list(found[: len(owners)]), owners
