"""The table of contents: what a check does, stage by stage."""

from __future__ import annotations

import functools
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, overload

import attrs

from leakdiff import __about__
from leakdiff.deep import confirming_tier, deep_tier, last_look
from leakdiff.errors import LeakdiffError
from leakdiff.interpreter import require_supported_interpreter
from leakdiff.model.evidence import Evidence
from leakdiff.model.opinion import WeakWork
from leakdiff.model.report import Cost, Report
from leakdiff.model.snapshot import Identity, Moment
from leakdiff.options import Options, another_prime, make_options

if TYPE_CHECKING:
    from leakdiff.capture.tiers import Bench, Further
    from leakdiff.capture.workload import Workload
    from leakdiff.judge.verdicts import Judgement

Step = Callable[..., Any]


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
    return examine(step, make_options(**knobs), setup=setup, teardown=teardown).report


def _decorate(
    function: Step, *, setup: Step | None, teardown: Step | None, knobs: dict[str, Any]
) -> Callable[..., Report]:
    make_options(**knobs)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Report:
        return check(functools.partial(function, *args, **kwargs), setup=setup, teardown=teardown, **knobs)

    return checked


@attrs.frozen
class Examined:
    """A report, and what it rests on.

    Attributes:
        report: The report.
        evidence: What was measured and found: names and numbers, like the report.
    """

    report: Report
    evidence: Evidence


def examine(step: Step, options: Options, *, setup: Step | None = None, teardown: Step | None = None) -> Examined:
    """Check a step as ``check`` does, and return the evidence as well.

    Raises:
        BadCallable: If ``step`` requires more than one argument.
        StepFailed: If ``step``, ``setup`` or ``teardown`` raises; says in which round.
        StepForked: If ``step`` returns in a forked child process.
        CannotMeasure: If something this check needs is in use by someone else.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    require_supported_interpreter()
    from leakdiff.capture.workload import Workload

    workload = Workload(step, setup, teardown)
    try:
        examined = examine_workload(workload, options)
    except BaseException:
        with suppress(LeakdiffError):
            workload.tear_down()
        raise
    workload.tear_down()
    return attrs.evolve(examined, report=attrs.evolve(examined.report, work=WeakWork(step, setup, teardown)))


def examine_workload(
    workload: Workload, options: Options, *, is_warm: bool = False, further: Further | None = None
) -> Examined:
    """Check a workload that stays open: it can be examined again, in the same event loop.

    Args:
        workload: The work; is not torn down.
        options: How the check runs.
        is_warm: Whether it has been set up and warmed up.
        further: Called once owners are known and watched, to run rounds of its own.

    Raises:
        StepFailed: If the work raises; says in which round.
        StepForked: If it returns in a forked child process.
        CannotMeasure: If something this check needs is in use by someone else.
    """
    from leakdiff.capture.tiers import Bench
    from leakdiff.render.progress import Progress

    progress = Progress()
    bench = Bench(workload, options, progress, is_warm=is_warm, further=further)
    try:
        judgement, evidence = _judged(bench)
    finally:
        progress.close()
    report = Report(
        verdict=judgement.verdict,
        because=judgement.because,
        findings=judgement.findings,
        rounds=tuple(bench.rounds),
        not_analysed=tuple(bench.notes),
        cost=Cost(cpu_seconds=bench.time.seconds(), walked=bench.walked),
        python=platform.python_version(),
        version=__about__.__version__,
        confidence=judgement.confidence,
        taken=Moment(utc=time.time()),
        identity=_this_process(),
    )
    return Examined(report, evidence)


def _this_process() -> Identity:
    """Say which process was checked: no more than is known without an import."""
    python, host = platform.python_version(), platform.node()
    return Identity(host=host, pid=os.getpid(), python=python, leakdiff=__about__.__version__)


def _judged(bench: Bench) -> tuple[Judgement, Evidence]:
    """Gather evidence and judge it; what is ambiguous is asked again, with more rounds of another prime of units."""
    from leakdiff.judge.verdicts import is_ambiguous, judge

    evidence = _gather(bench)
    judgement = judge(evidence)
    if not is_ambiguous(evidence, judgement):
        return judgement, evidence
    first = bench.options
    bench.options = attrs.evolve(first, rounds=2 * first.rounds, units=another_prime(first.units))
    bench.rounds.clear()
    bench.note(
        f"{first.rounds} rounds of {first.units:,} units could not tell; "
        f"asked again with {bench.options.rounds} rounds of {bench.options.units:,}"
    )
    evidence = _gather(bench)
    return judge(evidence), evidence


def _gather(bench: Bench) -> Evidence:
    """Run the tiers, each only if the one before it gives reason to; Ctrl-C ends them."""
    evidence = Evidence()
    try:
        for tier in (_cheap_tier, confirming_tier, deep_tier, last_look):
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
    return attrs.evolve(
        evidence,
        marked=tuple(marked),
        suspected=tuple(suspects(marked)),
        collector_is_off=bench.collector_is_off,
    )
