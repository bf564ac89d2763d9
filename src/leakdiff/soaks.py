"""Soak a program: run a mix of scenarios for a while, and say what leaks, by which of them, and what comes of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import attrs

from leakdiff.errors import LeakdiffError
from leakdiff.interpreter import require_supported_interpreter
from leakdiff.model.report import ACCUSING, Verdict
from leakdiff.model.soak import Growth, NeverRan, Projection, ScenarioRun, SoakReport
from leakdiff.options import Options, another_prime
from leakdiff.session import Examined, examine_workload
from leakdiff.soaking.faults import Fault, Faulty, cancel_midway, disconnect, raise_midway, timeout_midway
from leakdiff.soaking.plan import Plan, make_plan
from leakdiff.soaking.scenarios import Scenario, listed

if TYPE_CHECKING:
    from leakdiff.soaking.traffic import Traffic

__all__ = ["Scenario", "cancel_midway", "disconnect", "raise_midway", "soak", "timeout_midway"]

Scenarios = Scenario | Faulty | Callable[[], Any] | Sequence[Scenario | Faulty | Callable[[], Any]]

_ROUNDS = 5
_IF_IT_GROWS = 30  # rounds that it takes to say what, who and by which scenario
_IF_STABLE = 24  # the same where nothing has grown so far: it may take a little longer than there is time for
_LEAST_SHARE = 3  # a look with fewer units than this part of the largest says nothing new
_USUAL_UNITS = 101
_OF_THE_RAREST = 8  # units of the rarest scenario that a round should have
_CALIBRATED = 0.1  # seconds after which the time of a unit is known well enough
_PATIENCE = 0.08  # share of the time that is spent on watching whether an owner stops
_LEAST_PATIENCE, _MOST_PATIENCE = 0.1, 1.5  # seconds
_ATTRIBUTION = 0.2  # share of the time in which it is told which scenario makes it grow
_LEAST_ATTRIBUTION = 1.0  # seconds
_TRACED_SECONDS = 1.0
_TRACED_SHARE = 0.1
_TRACED_ROUNDS = 3
_MOST_TRACED = 5_000
_TRACED_AT_ONCE = 11


def soak(  # noqa: PLR0913 - each is a knob of its own
    scenarios: Scenarios,
    *,
    duration: float | str | None = None,
    units: int | None = None,
    rate: float | None = None,
    concurrency: int | None = None,
    seed: int = 0,
    load: Literal["steady", "ramp", "burst"] = "steady",
    limit: int | str | None = None,
    per_day: float | None = None,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[[], Any] | None = None,
) -> SoakReport:
    """Run a weighted mix of scenarios in rounds, and say whether it leaks, who holds that and which scenario does it.

    Rounds become longer as long as nothing grows, so that what leaks rarely shows too; a sure leak ends the soak.

    Args:
        scenarios: What to repeat: functions and coroutine functions without arguments, ``Scenario``s of them, and what
            ``cancel_midway``, ``timeout_midway``, ``raise_midway`` and ``disconnect`` make of them.
        duration: Seconds it may take, or a text such as ``"10m"``; 30 seconds where ``units`` is not given either. A
            soft budget: it is shared out by how long the first units take, and what was begun then comes to its end.
        units: How many units it may run, 100 or more; about as many, like the duration.
        rate: Units that arrive per second; None for each as soon as there is room. In the duration 30 should arrive.
        concurrency: How many may run at a time: tasks of one event loop, threads for plain functions. One by one if
            None; with a rate, any number of tasks.
        seed: Of the random numbers; the same seed draws the same order and the same places of faults.
        load: How the units of a round arrive: ``"steady"``; ``"ramp"``, from none to twice the rate or from one to the
            concurrency; ``"burst"``, a second's worth or as many as may run at once.
        limit: Bytes at which the process is killed, or a text such as ``"2G"``; the container's where it has one.
        per_day: Units a day in production, for the projection; as fast as ``rate`` if None.
        setup: Called once before; may be a coroutine function.
        teardown: Called once after, whatever happens.

    Returns:
        A report of names and numbers. Ctrl-C gives what was found so far.

    Raises:
        BadOption: If an argument cannot work.
        BadScenario: If a scenario cannot be run.
        StepFailed: If a scenario raises what its fault does not explain, or setup or teardown raises.
        CannotMeasure: If something that is needed is in use by someone else, or a fault has no place to strike.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    plan = make_plan(
        duration=duration,
        units=units,
        rate=rate,
        concurrency=concurrency,
        seed=seed,
        load=load,
        limit=limit,
        per_day=per_day,
    )
    return soak_planned(scenarios, plan, setup=setup, teardown=teardown)


def soak_planned(
    scenarios: object,
    plan: Plan,
    *,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[[], Any] | None = None,
) -> SoakReport:
    """Soak by a plan that has been checked, as ``soak`` does.

    Args:
        scenarios: As for ``soak``.
        plan: How to soak.
        setup: Called once before.
        teardown: Called once after, whatever happens.

    Returns:
        The report.

    Raises:
        BadScenario: If a scenario cannot be run.
        StepFailed: If a scenario raises what its fault does not explain, or setup or teardown raises.
        CannotMeasure: If something that is needed is in use by someone else, or a fault has no place to strike.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    require_supported_interpreter()
    from leakdiff.soaking.traffic import Traffic

    traffic = Traffic(listed(scenarios), plan, setup, teardown)
    run = _Run(traffic, plan)
    try:
        found = run.to_the_end()
    except BaseException:
        with suppress(LeakdiffError):
            traffic.tear_down()
        raise
    traffic.tear_down()
    return found


@attrs.define(eq=False)
class _Run:
    """One soak: its traffic, its clock, and the last look that came to its end."""

    traffic: Traffic
    plan: Plan
    _started: float = attrs.field(factory=time.monotonic)
    _seconds_per_unit: float = 0.0
    _last: Examined | None = None
    _largest: int = 0
    _growth: list[Growth] = attrs.field(factory=list)
    _cpu_seconds: float = 0.0

    def to_the_end(self) -> SoakReport:
        """Look, with more units each time, until something is sure or the budget is spent."""
        units = self._warm_up()
        interrupted = False
        while units and not interrupted:
            interrupted = not self._look(units)
            units = self._following(units)
        parts, traced = ((), 0) if interrupted else self._unexercised()
        return self._told(parts, traced, interrupted=interrupted)

    # -- how much ------------------------------------------------------------------------------------

    def _warm_up(self) -> int:
        """Set up, see how long a unit takes, and return how many a round shall have."""
        self.traffic.set_up()
        self.traffic.run(1, "the warm-up")  # with imports, and with learning where faults can strike
        units, wall = 1, 0.0
        while wall < _CALIBRATED and units <= max(1, self._left() // (2 * _IF_IT_GROWS)):
            started = time.monotonic()
            self.traffic.run(units, "the warm-up")
            wall = time.monotonic() - started
            self._seconds_per_unit = max(wall / units, 1 / self.plan.rate if self.plan.rate else 0.0)
            units *= 2
        rarest = min(self.traffic.mix.shares)
        wanted = max(_USUAL_UNITS, math.ceil(_OF_THE_RAREST / rarest))
        return _prime_below(min(wanted, self._left() // _IF_IT_GROWS))

    def _left(self) -> int:
        """Return how many units there is time for."""
        left = math.inf
        if self.plan.units is not None:
            left = self.plan.units - self.traffic.units
        if self.plan.duration is not None:
            seconds = self._started + self.plan.duration - time.monotonic()
            left = min(left, seconds / self._seconds_per_unit if self._seconds_per_unit else left)
        return max(0, int(left)) if left < math.inf else 1_000_000

    def _following(self, units: int) -> int:
        """Return how many units the rounds of another look shall have; 0 if there shall be none."""
        verdict = self._last.report.verdict if self._last is not None else Verdict.INCONCLUSIVE
        room = self._left() // (_IF_STABLE if verdict is Verdict.STABLE else _IF_IT_GROWS)
        if verdict in ACCUSING or room < 1:
            return 0
        following = min(another_prime(another_prime(units)), _prime_below(room))
        return following if _LEAST_SHARE * following >= self._largest else 0

    # -- looks ---------------------------------------------------------------------------------------

    def _look(self, units: int) -> bool:
        """Examine the mix in rounds of so many units, and tell whether that came to its end."""
        from leakdiff.soaking.attribution import Attribution

        seconds = self.plan.duration or (self.plan.units or 0) * self._seconds_per_unit
        patience = max(_LEAST_PATIENCE, min(_MOST_PATIENCE, _PATIENCE * seconds))
        attribution = Attribution(self.traffic, max(_LEAST_ATTRIBUTION, _ATTRIBUTION * seconds))
        options = Options(rounds=_ROUNDS, units=units, warmup=0, patience=patience)
        before, started = self.traffic.units, time.monotonic()
        examined = examine_workload(self.traffic, options, is_warm=True, further=attribution)
        self._seconds_per_unit = (time.monotonic() - started) / max(1, self.traffic.units - before)
        self._cpu_seconds += examined.report.cost.cpu_seconds
        if self._says_more(examined, units):
            self._last = examined
            self._growth = attribution.growths(examined.evidence, examined.report.findings)
        self._largest = max(units, self._largest)
        return examined.evidence.interrupted is None

    def _says_more(self, examined: Examined, units: int) -> bool:
        """Tell whether a look says more than the one before: of two where nothing grows, that with more units."""
        if self._last is None:
            return True
        are_stable = examined.report.verdict is self._last.report.verdict is Verdict.STABLE
        return examined.evidence.interrupted is None and (units >= self._largest or not are_stable)

    def _unexercised(self) -> tuple[tuple[NeverRan, ...], int]:
        """Run some more units with a trace function, and return what of their functions did not run."""
        from leakdiff.capture.exercised import LinesRun
        from leakdiff.source.unexercised import unexercised

        last = self._last
        lines, before = LinesRun(), self.traffic.units
        if last is None:
            return (), 0
        if not lines.is_possible:
            self._note("which lines ran was not looked at: a trace function is in use")
            return (), 0
        seconds = min(_TRACED_SECONDS, _TRACED_SHARE * (self.plan.duration or math.inf))
        deadline = time.monotonic() + seconds
        at_once = max(1, min(_TRACED_AT_ONCE, int(seconds / max(self._seconds_per_unit, 1e-9))))
        wanted = min(_MOST_TRACED, _TRACED_ROUNDS * self._largest)
        self.traffic.is_alone = True
        try:
            with lines:
                while self.traffic.units - before < wanted and time.monotonic() < deadline:
                    self.traffic.run(at_once, "the round traced by line")
        except KeyboardInterrupt:
            self._note("which lines ran was not looked at to the end: it was interrupted")
        except LeakdiffError as error:  # traced units are many times slower: time limits of their own may strike them
            self._note(f"which lines ran was not looked at to the end: {str(error).partition(';')[0]}")
        finally:
            self.traffic.is_alone = False
        return unexercised(list(lines.functions())), self.traffic.units - before

    # -- what is told --------------------------------------------------------------------------------

    def _note(self, text: str) -> None:
        if self._last is not None:
            report = self._last.report
            report = attrs.evolve(report, not_analysed=(*report.not_analysed, text))
            self._last = attrs.evolve(self._last, report=report)

    def _told(self, parts: tuple[NeverRan, ...], traced: int, *, interrupted: bool) -> SoakReport:
        from leakdiff.render.soaks import also_of, grows_text

        examined = self._last
        if examined is None:
            raise KeyboardInterrupt
        if interrupted and examined.evidence.interrupted is None:
            self._note("a further look, with more units a round, was interrupted")
            examined = self._last or examined
        names = [one.scenario.called for one in self.traffic.running]
        grows = {one.fingerprint: grows_text(one, names) for one in self._growth}
        findings = tuple(attrs.evolve(one, grows=grows.get(one.fingerprint, "")) for one in examined.report.findings)
        cost = attrs.evolve(examined.report.cost, cpu_seconds=self._cpu_seconds)
        found = SoakReport(
            report=attrs.evolve(examined.report, findings=findings, cost=cost),
            scenarios=self._scenarios(),
            growth=tuple(self._growth),
            projection=self._projection(examined),
            unexercised=parts,
            missing_faults=self._missing_faults(),
            traced=traced,
            seed=self.plan.seed,
            units=self.traffic.units,
            seconds=time.monotonic() - self._started,
            interrupted=interrupted,
        )
        return attrs.evolve(found, report=attrs.evolve(found.report, also=also_of(found)))

    def _scenarios(self) -> tuple[ScenarioRun, ...]:
        return tuple(
            ScenarioRun(
                name=one.scenario.called,
                share=share,
                units=one.units,
                fault=one.scenario.fault or "",
                struck=one.striker.struck if one.striker is not None else 0,
                growth={growth.owner: growth.known[at] for growth in self._growth if at in growth.known},
            )
            for at, (one, share) in enumerate(zip(self.traffic.running, self.traffic.mix.shares, strict=True))
        )

    def _missing_faults(self) -> tuple[str, ...]:
        """Return the faults that no scenario has; plain functions can only raise."""
        has = {one.scenario.fault for one in self.traffic.running}
        can = list(Fault) if any(one.is_async for one in self.traffic.running) else [Fault.ERROR]
        return tuple(fault.value for fault in can if fault not in has)

    def _projection(self, examined: Examined) -> Projection | None:
        from leakdiff.soaking.projection import paces_of, project, units_a_day

        if not examined.report.leaks:
            return None
        limit, used = room_for(self.plan.limit)
        return project(
            paces_of(examined.report, examined.evidence),
            units_per_day=units_a_day(self.plan.per_day, self.plan.rate),
            limit=limit,
            used=used,
        )


def room_for(limit: int | None) -> tuple[int | None, int | None]:
    """Return the limit of memory, and what is in use of it: by all of the container where the limit is its own.

    Args:
        limit: Bytes, of this process; None to take the container's.

    Returns:
        Both in bytes; None for what is not known.
    """
    from leakdiff.capture.cgroups import read_cgroup
    from leakdiff.capture.process import read_memory

    group = read_cgroup() if limit is None else None
    if group is None:
        return limit, read_memory(cheap=True).rss
    return group.limit, group.usage - (group.inactive_file or 0)  # without what the kernel gives back at once


def _prime_below(most: int) -> int:
    """Return the largest prime up to a number, at least 1."""
    found = max(1, most)
    while found > 3 and any(found % divisor == 0 for divisor in range(2, math.isqrt(found) + 1)):
        found -= 1
    return found
