"""A second opinion: what objgraph, pympler and guppy3 say of the same work."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from leakdiff.errors import BadOption, LeakdiffError, StepGone
from leakdiff.interpreter import require_supported_interpreter
from leakdiff.model.opinion import SecondOpinion, Sighting, WeakWork
from leakdiff.model.report import Report
from leakdiff.model.signals import Phase

Step = Callable[..., Any]


def second_opinion(  # noqa: PLR0913 - the same as check takes, and the work of the report
    report: Report,
    step: Step | None = None,
    *,
    setup: Step | None = None,
    teardown: Step | None = None,
    units: int | None = None,
    work: WeakWork | None = None,
) -> SecondOpinion:
    """Ask objgraph, pympler and guppy3 about the same work, and compare what they say with a report.

    The work runs again, for one peer after the other: a warm-up of one round, and then the units that are compared.
    The peers read the whole heap, materialise the ``__dict__`` of instances for good, and call ``__class__``,
    ``__sizeof__`` and the like of the program's objects: leakdiff itself does none of that. They belong into a test
    or a REPL, not into a service.

    Args:
        report: The report to compare with.
        step: The work, as ``check`` takes it; from ``work`` if None.
        setup: Called once before; with a ``step`` of your own only.
        teardown: Called once after, whatever happens.
        units: Units each peer is shown; as many as the deep rounds of the report had, or the marked ones, if None.
        work: The work of the report, which is used where no ``step`` is given.

    Raises:
        StepGone: If no step is given and that of the report is gone.
        BadOption: If ``units`` cannot work.
        BadCallable: If ``step`` requires more than one argument.
        StepFailed: If the work raises.
    """
    require_supported_interpreter()
    from leakdiff.judge.opinions import opinion_on

    if units is None:
        units = _units_of(report)
    elif type(units) is not int or units < 1:
        raise BadOption("units", units, "a whole number of at least 1")
    if step is None:
        step, setup, teardown = _found(work or WeakWork())
    sightings = _ask_all(step, setup, teardown, units, _warmup(report))
    opinions = tuple(opinion_on(sighting, report) for sighting in sightings)
    return SecondOpinion(opinions, units, report.verdict.value, report.unit)


def _found(work: WeakWork) -> tuple[Step, Step | None, Step | None]:
    step, missing = work.find("step"), work.missing()
    if missing or step is None:
        raise StepGone(missing or "step")
    return step, work.find("setup"), work.find("teardown")


def _ask_all(step: Step, setup: Step | None, teardown: Step | None, units: int, warmup: int) -> list[Sighting]:
    from leakdiff.capture.peers import PEERS, ask
    from leakdiff.capture.workload import Workload

    workload = Workload(step, setup, teardown)
    try:
        workload.set_up()
        sightings = [ask(kind, workload, units, warmup) for kind in PEERS]
    except BaseException:
        with suppress(LeakdiffError):
            workload.tear_down()
        raise
    workload.tear_down()
    return sightings


def _units_of(report: Report) -> int:
    """Return how many units the report's own answer rests on."""
    for phase in (Phase.DEEP, Phase.MARK):
        units = sum(measured.units for measured in report.rounds if measured.phase is phase)
        if units:
            return units
    return 101


def _warmup(report: Report) -> int:
    return report.rounds[0].units if report.rounds else 1
