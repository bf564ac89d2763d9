"""Run rounds of a mix: coroutines as tasks of one event loop that stays alive, plain functions in threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from leakdiff.capture.workload import Step, Workload
from leakdiff.errors import LeakdiffError, StepFailed
from leakdiff.soaking.load import Arrivals
from leakdiff.soaking.mix import Mix
from leakdiff.soaking.plan import Plan
from leakdiff.soaking.scenarios import Running, Scenario

_ANY_NUMBER = float("inf")


class _ScenarioFailed(Exception):
    """Carries the exception of a scenario, its cause, through the event loop."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name)
        self.role, self.unit = f"scenario {name!r}", number + 1


class Traffic(Workload):
    """A workload of which each round is a mix of scenarios.

    Attributes:
        running: The scenarios.
        mix: What draws them.
        favoured: The scenario that gets most of a round, by its position; None for the usual mix.
        is_alone: Whether units run one after the other in the thread that asks, as soon as they can.
    """

    def __init__(self, scenarios: Sequence[Scenario], plan: Plan, setup: Step | None, teardown: Step | None) -> None:
        super().__init__(self._arrive, setup, teardown)
        self.running = tuple(Running.of(scenario, plan.seed) for scenario in scenarios)
        self.mix = Mix([scenario.weight for scenario in scenarios], plan.seed)
        self.favoured: int | None = None
        self.is_alone = False
        self._plan = plan
        self._pool: ThreadPoolExecutor | None = None
        self._is_ready = False

    @property
    def units(self) -> int:
        """How many units ran so far, over all scenarios."""
        return sum(running.units for running in self.running)

    def run(self, units: int, where: str) -> None:
        """Run a round of so many units.

        Raises:
            StepFailed: If a scenario raises what its fault does not explain; names the scenario.
        """
        try:
            super().run(units, where)
        except StepFailed as error:
            failed = error.__cause__
            if isinstance(failed, LeakdiffError):
                raise failed from None
            if not isinstance(failed, _ScenarioFailed) or failed.__cause__ is None:
                raise
            raise StepFailed(failed.role, f"{where}, unit {failed.unit}", failed.__cause__) from failed.__cause__

    def roots(self) -> list[tuple[str, Any]]:
        """Return what holds the scenarios besides the user's own modules."""
        others = [(role, found) for role, found in super().roots() if role != "step"]
        return [*((f"scenario {one.scenario.called}", one.scenario.plain) for one in self.running), *others]

    def tear_down(self) -> None:
        """Run teardown, and end the event loop and the threads."""
        try:
            super().tear_down()
        finally:
            if self._pool is not None:
                self._pool.shutdown()

    def _arrive(self, units: int) -> Any:
        drawn = self.mix.draw(units) if self.favoured is None else self.mix.draw_favouring(self.favoured, units)
        is_plain = not any(running.is_async for running in self.running)
        if is_plain and (self.is_alone or self._plan.concurrency in (None, 1)):
            return self._one_by_one(drawn)
        return self._in_loop(drawn)

    def _arrivals(self, units: int) -> Arrivals:
        if self.is_alone:
            return Arrivals(units, None, 1, "steady")
        most = self._plan.concurrency or (_ANY_NUMBER if self._plan.rate else 1)
        return Arrivals(units, self._plan.rate, most, self._plan.load)

    # -- plain functions, one after the other --------------------------------------------------------

    def _one_by_one(self, drawn: Sequence[int]) -> None:
        if not self._is_ready:
            self._learn_plain()
        arrivals, started = self._arrivals(len(drawn)), time.monotonic()
        for number, at in enumerate(drawn):
            wait = started + arrivals.at(number) - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self._call(self.running[at], number)
        if (rest := started + arrivals.end - time.monotonic()) > 0:
            time.sleep(rest)

    def _learn_plain(self) -> None:
        self._is_ready = True
        for running in self.running:
            if running.striker is not None:
                _run_apart(running.striker.learn_plain, running, 0)

    def _call(self, running: Running, number: int) -> None:
        running.units += 1
        _run_apart(running.call, running, number)

    # -- in the event loop ---------------------------------------------------------------------------

    async def _in_loop(self, drawn: Sequence[int]) -> None:
        if not self._is_ready:
            await self._prepare()
        arrivals, loop = self._arrivals(len(drawn)), asyncio.get_running_loop()
        started = loop.time()
        serving = _Serving()
        try:
            for number, at in enumerate(drawn):
                wait = started + arrivals.at(number) - loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                while len(serving.tasks) >= arrivals.room(number):
                    await serving.until_one_ends()
                serving.raise_first()
                serving.add(self._start(self.running[at], number))
            while serving.tasks:
                await serving.until_one_ends()
        finally:
            await serving.end_all()
        await asyncio.sleep(
            max(0.0, started + arrivals.end - loop.time())
        )  # what a unit has scheduled for the loop's next turn belongs to its round

    def _start(self, running: Running, number: int) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        if running.is_async:
            running.units += 1
            return loop.create_task(_served(running, number))
        if self._pool is not None and not self.is_alone:
            return loop.run_in_executor(self._pool, self._call, running, number)
        done: asyncio.Future[None] = loop.create_future()
        self._call(running, number)
        done.set_result(None)
        return done

    async def _prepare(self) -> None:
        """Learn where faults can strike, and start the threads: nothing shall be new in a round that is measured."""
        self._is_ready = True
        most = self._plan.concurrency or 1
        if most > 1 and not all(running.is_async for running in self.running):
            self._pool = ThreadPoolExecutor(most, "leakdiff-soak")
            together = threading.Barrier(most + 1)
            try:
                started = [self._pool.submit(together.wait) for _ in range(most)]
                together.wait()
            except BaseException:  # a thread that cannot be started, or Ctrl-C: the others would wait for ever
                together.abort()
                raise
            for one in started:
                one.result()
        for running in self.running:
            if running.striker is not None and running.is_async:
                await asyncio.create_task(_learned(running))
            elif running.striker is not None:
                _run_apart(running.striker.learn_plain, running, 0)


class _Serving:
    """The units that run now; each leaves by itself when it ends, so that many that are slow cost nothing.

    Attributes:
        tasks: What runs them.
    """

    def __init__(self) -> None:
        self.tasks: set[asyncio.Future[None]] = set()
        self._failed: asyncio.Future[None] | None = None
        self._one_ended = asyncio.Event()

    def add(self, task: asyncio.Future[None]) -> None:
        """Take in a unit that was started; one that has ended already is none."""
        if task.done():
            task.result()
        else:
            self.tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self.tasks.discard(task)
        self._one_ended.set()
        has_failed = task.cancelled() or task.exception() is not None
        if has_failed and self._failed is None:
            self._failed = task

    async def until_one_ends(self) -> None:
        """Wait until one more has ended, and raise what it raised."""
        self._one_ended.clear()
        await self._one_ended.wait()
        self.raise_first()

    def raise_first(self) -> None:
        """Raise what the first of them raised that did."""
        if self._failed is not None:
            self._failed.result()

    async def end_all(self) -> None:
        """Cancel what still runs after one has failed, and wait for it."""
        left = list(self.tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _run_apart(call: Any, running: Running, number: int) -> None:
    """Call something in a context of its own, as web servers do for each request."""
    try:
        copy_context().run(call)
    except (KeyboardInterrupt, LeakdiffError):
        raise
    except BaseException as error:
        raise _ScenarioFailed(running.scenario.called, number) from error


async def _served(running: Running, number: int) -> None:
    try:
        await running.run()
    except (KeyboardInterrupt, LeakdiffError):
        raise
    except BaseException as error:
        raise _ScenarioFailed(running.scenario.called, number) from error


async def _learned(running: Running) -> None:
    try:
        if running.striker is not None:
            await running.striker.learn()
    except (KeyboardInterrupt, LeakdiffError):
        raise
    except BaseException as error:
        raise _ScenarioFailed(running.scenario.called, 0) from error
