"""The table of contents: what a check does, stage by stage."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, overload

import attrs

from leakdiff import __about__
from leakdiff.errors import LeakdiffError
from leakdiff.interpreter import require_supported_interpreter
from leakdiff.model.evidence import Evidence, Survivor, Suspect
from leakdiff.model.report import Cost, Report
from leakdiff.model.signals import LEAST_BLOCKS, LEAST_NATIVE
from leakdiff.options import Options, make_options

if TYPE_CHECKING:
    from leakdiff.capture.sites import Traces
    from leakdiff.capture.tiers import Bench, Deep
    from leakdiff.model.owner import Accumulation
    from leakdiff.model.signals import Round

Step = Callable[..., Any]
_MOST_SUSPECTS = 12
DEEP_ROUNDS = 3


@overload
def check(step: Step, *, setup: Step | None = ..., teardown: Step | None = ..., **knobs: Any) -> Report: ...
@overload
def check(
    step: None = ..., *, setup: Step | None = ..., teardown: Step | None = ..., **knobs: Any
) -> Callable[[Step], Callable[..., Report]]: ...
def check(
    step: Step | None = None, *, setup: Step | None = None, teardown: Step | None = None, **knobs: Any
) -> Report | Callable[[Step], Callable[..., Report]]:
    """Say whether repeating a piece of work leaks, what grows for each unit of it, and who holds that.

    Without ``step`` it is a decorator: calling the decorated function or method repeats its body and
    returns the report.

    Args:
        step: The work. Takes the number of units to do (one required argument) or nothing, and is then
            called once per unit. Coroutine functions are awaited in one event loop that stays alive.
        setup: Called once before; may be a coroutine function.
        teardown: Called once after, whatever happens.
        **knobs: See ``leakdiff.options.Options``: ``rounds``, ``units``, ``warmup``, ``patience`` and so on.

    Returns:
        A report of names and numbers; it holds no object of the program. Ctrl-C gives the report of the
        rounds so far, with the verdict INCONCLUSIVE.

    Raises:
        BadOption: If a knob is unknown or cannot work.
        BadCallable: If ``step`` requires more than one argument.
        StepFailed: If ``step``, ``setup`` or ``teardown`` raises; says in which round.
        StepForked: If ``step`` returns in a forked child process.
        CannotMeasure: If something this check needs is in use by someone else.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    if step is None:
        return functools.partial(_decorate, setup=setup, teardown=teardown, knobs=knobs)
    return _check(step, setup, teardown, make_options(**knobs))


def _decorate(
    function: Step, *, setup: Step | None, teardown: Step | None, knobs: dict[str, Any]
) -> Callable[..., Report]:
    make_options(**knobs)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Report:
        return check(functools.partial(function, *args, **kwargs), setup=setup, teardown=teardown, **knobs)

    return checked


def _check(step: Step, setup: Step | None, teardown: Step | None, options: Options) -> Report:
    require_supported_interpreter()
    from leakdiff.capture.tiers import Bench
    from leakdiff.capture.workload import Workload
    from leakdiff.judge.verdicts import judge
    from leakdiff.render.progress import Progress

    progress = Progress()
    workload = Workload(step, setup, teardown)
    bench = Bench(workload, options, progress)
    try:
        evidence = _gather(bench)
    except BaseException:
        with suppress(LeakdiffError):
            workload.tear_down()
        raise
    finally:
        progress.close()
    workload.tear_down()
    judgement = judge(evidence)
    return Report(
        verdict=judgement.verdict,
        because=judgement.because,
        findings=judgement.findings,
        rounds=tuple(bench.rounds),
        not_analysed=tuple(bench.notes),
        cost=Cost(cpu_seconds=bench.time.seconds(), walked=bench.walked),
        python=platform.python_version(),
        version=__about__.__version__,
    )


def _gather(bench: Bench) -> Evidence:
    """Run the tiers, each only if the one before it gives reason to; Ctrl-C ends them."""
    evidence = Evidence()
    try:
        for tier in (_cheap_tier, _confirming_tier, _deep_tier, _last_look):
            evidence = tier(bench, evidence)
    except KeyboardInterrupt:
        measured = tuple(bench.rounds)
        return attrs.evolve(evidence, interrupted=bench.where, marked=evidence.marked or measured)
    return evidence


def _cheap_tier(bench: Bench, evidence: Evidence) -> Evidence:
    from leakdiff.capture.tiers import marked_rounds, warm_up
    from leakdiff.compare.growth import suspects

    warm_up(bench)
    marked = marked_rounds(bench)
    return attrs.evolve(evidence, marked=tuple(marked), suspected=tuple(suspects(marked)))


def _confirming_tier(bench: Bench, evidence: Evidence) -> Evidence:
    from leakdiff.capture.tiers import confirming_rounds, idle_share
    from leakdiff.compare.growth import confirmed

    if not evidence.suspected:
        return evidence
    expected = {growth.signal: growth.rate for growth in evidence.suspected}
    confirming = confirming_rounds(bench, expected)
    growing = confirmed(evidence.suspected, confirming)
    idle = idle_share(bench, confirming) if growing else 0.0
    return attrs.evolve(evidence, confirming=tuple(confirming), growing=tuple(growing), idle_share=idle)


def _deep_tier(bench: Bench, evidence: Evidence) -> Evidence:
    if not evidence.growing:
        return evidence
    from leakdiff.capture.owners import OwnerReader, watch_lengths
    from leakdiff.capture.tiers import deep_rounds, traced_round, watched_rounds
    from leakdiff.ownership import accumulate  # noqa: F401 - networkx is imported before anything is measured

    objects = _per_unit(evidence.confirming, "objects")
    deep = deep_rounds(bench, DEEP_ROUNDS, objects, _per_unit(evidence.confirming, "native_bytes"))
    found = _accumulations(bench, deep)
    reader = OwnerReader(deep.newborn, deep.roots)
    owners = [reader.read(accumulation) for accumulation in found]
    holders = [reader.holders(accumulation) for accumulation in found]
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
            rate=(accumulation.entries or accumulation.buffer_bytes) / units,
        )
        for position, (accumulation, owner) in enumerate(zip(found, owners, strict=True))
    ]
    evidence = attrs.evolve(evidence, deep_units=units, is_whole=is_whole, watched=tuple(watched))
    return attrs.evolve(evidence, **_with_sites(suspects, traces))


def _last_look(bench: Bench, evidence: Evidence) -> Evidence:
    """Where the totals still grow but no owner does, see once more whether they do without a mark."""
    from leakdiff.judge.verdicts import is_accounted_for

    if not evidence.growing or is_accounted_for(evidence):
        return evidence
    return _line_tier(bench, _confirming_tier(bench, evidence))


def _line_tier(bench: Bench, evidence: Evidence) -> Evidence:
    """Where the C heap alone grows, find the lines that make it."""
    growing = {growth.signal: growth.rate for growth in evidence.growing}
    if growing.get("native_bytes", 0.0) < LEAST_NATIVE or growing.get("blocks", 0.0) > LEAST_BLOCKS:
        return evidence
    from leakdiff.capture.sites import Sources
    from leakdiff.capture.tiers import native_lines

    sources = Sources()
    lines = native_lines(bench, growing["native_bytes"])
    survivors = tuple(Survivor((sources.site(*line),), 0.0, size) for line, size in lines)
    return attrs.evolve(evidence, survivors=survivors)


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


def _per_unit(rounds: tuple[Round, ...], signal: str) -> float:
    return sum(measured.of(signal) for measured in rounds) / sum(measured.units for measured in rounds)


def _accumulations(bench: Bench, deep: Deep) -> list[Accumulation]:
    from leakdiff.ownership.accumulate import find_accumulations

    graph = deep.newborn.as_graph(DEEP_ROUNDS, deep.units)
    for note in graph.left_out:
        bench.note(note)
    return find_accumulations(graph)[:_MOST_SUSPECTS]
