"""The user's step, setup and teardown, run the same way every round."""

from __future__ import annotations

import asyncio
import inspect
import mmap
import os
import types
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from leakdiff.capture.kinds import dict_of_type, mro_of
from leakdiff.errors import BadCallable, CannotMeasure, StepFailed, StepForked
from leakdiff.interpreter import is_in_event_loop

Step = Callable[..., Any]
Host = Callable[[Callable[[], Any]], Any]
T = TypeVar("T")
_CLOSING_SECONDS = 5.0


class Workload:
    """Runs rounds of a step; coroutine functions are awaited in one event loop that stays alive."""

    def __init__(
        self, step: Step, setup: Step | None = None, teardown: Step | None = None, host: Host | None = None
    ) -> None:
        for role, function in (("step", step), ("setup", setup), ("teardown", teardown)):
            if function is not None and not callable(function):
                raise BadCallable(role, f"a {type(function).__name__}", "give a function, a method or a callable")
        self.step, self._setup, self._teardown, self._host = step, setup, teardown, host
        self.takes_units = takes_units(step)
        self.is_async = _is_async(step)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._came_back = mmap.mmap(-1, 1)  # shared with forked children: one of them returned from the step
        self._unit = 0

    def set_up(self) -> None:
        """Run setup, if there is one."""
        if self._setup is not None:
            self._guarded("setup", "setup", self._setup)

    def tear_down(self) -> None:
        """Run teardown, if there is one, and close the event loop; a forked child leaves both to its parent."""
        if os.getpid() != self._pid:
            return
        try:
            if self._teardown is not None:
                self._guarded("teardown", "teardown", self._teardown)
        finally:
            self._close_loop()

    def run(self, units: int, where: str) -> None:
        """Do ``units`` units of work.

        Raises:
            StepFailed: If the step raises; says which round, and which unit where it is known.
            StepForked: If the step returns in a child process.
        """
        self._unit = 0
        self._guarded("step", where, self._round, units)
        self._refuse_children(where)

    def _refuse_children(self, where: str) -> None:
        """Raise in a child that returned from the step, and in the parent of one."""
        if os.getpid() != self._pid:
            self._came_back[0] = 1
        if self._came_back[0]:
            raise StepForked(where)

    def roots(self) -> list[tuple[str, Any]]:
        """Return what holds the workload besides the user's own modules: its callables and the event loop."""
        named: list[tuple[str, Any]] = [("step", self.step), ("setup", self._setup), ("teardown", self._teardown)]
        if self._loop is not None:
            named.append(("event loop", self._loop))
        return [(role, found) for role, found in named if found is not None]

    def here(self, call: Callable[[], T]) -> T:
        """Call something in the thread in which the work is done: frames, contexts and trace functions are its own."""
        return call() if self._host is None else self._host(call)

    @contextmanager
    def measured(self, make: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
        """Make and enter a meter in the thread in which the work is done, and leave it there."""
        meter = self.here(make)
        entered = self.here(meter.__enter__)
        try:
            yield entered
        finally:
            self.here(lambda: meter.__exit__(None, None, None))

    def _guarded(self, role: str, where: str, function: Step, *args: object) -> None:
        try:
            result = function(*args)
            if is_awaitable(result):
                self._await(result)
        except (KeyboardInterrupt, StepForked, CannotMeasure):
            raise
        except BaseException as error:
            self._refuse_children(where)
            raise StepFailed(role, self._name_place(role, where), error) from error

    def _name_place(self, role: str, where: str) -> str:
        if role != "step":
            return role
        if self.takes_units:
            return f"{where} (the unit is not known: the step is given all units at once)"
        return f"{where}, unit {self._unit}"

    def _round(self, units: int) -> Any:
        if self.is_async:
            return self._async_round(units)
        if self.takes_units:
            return self.step(units)
        for unit in range(1, units + 1):
            self._unit = unit
            result = self.step()
            if is_awaitable(result):
                self._await(result)
        return None

    async def _async_round(self, units: int) -> None:
        if self.takes_units:
            await self.step(units)
            return
        for unit in range(1, units + 1):
            self._unit = unit
            await self.step()

    def _await(self, awaitable: Any) -> None:
        """Run an awaitable to its end in the loop of this check.

        Not by ``asyncio.Runner``: up to 3.12 each of its runs leaves strings behind, and it calls repr()
        on the result of the coroutine.
        """
        if self._loop is None:
            if is_in_event_loop():
                if type(awaitable) is types.CoroutineType:
                    awaitable.close()
                raise CannotMeasure(
                    "An asynchronous step",
                    "check was called inside a running event loop, which it would block",
                    "Call it from another thread: await asyncio.to_thread(leakdiff.check, step).",
                )
            self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(_as_coroutine(awaitable))

    def _close_loop(self) -> None:
        """Cancel what is still pending, as ``asyncio.run`` does, and close the loop."""
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        try:
            pending = asyncio.all_tasks(loop)
            for task in pending:
                task.cancel()
            if pending:
                loop.run_until_complete(asyncio.wait(pending, timeout=_CLOSING_SECONDS))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


async def _as_coroutine(awaitable: Any) -> None:
    await awaitable


def is_awaitable(result: object) -> bool:
    """Tell whether to await what a step returned, by its type: a lazy proxy must not be evaluated."""
    cls = type(result)
    if cls is types.GeneratorType:
        return bool(result.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE)  # type: ignore[attr-defined]
    return any("__await__" in dict_of_type(base) for base in mro_of(cls))


def _is_async(step: Step) -> bool:
    return inspect.iscoroutinefunction(step) or inspect.iscoroutinefunction(
        getattr(type(step), "__call__", None)  # noqa: B004 - it is looked at, not called
    )


def takes_units(step: Step) -> bool:
    """Tell whether a step is given the number of units (one required argument) or called once per unit (none).

    Raises:
        BadCallable: If it requires more than one argument.
    """
    try:
        parameters = inspect.signature(step).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        return False
    if inspect.isgeneratorfunction(step) or inspect.isasyncgenfunction(step):
        raise BadCallable("step", "a generator function", "calling it runs nothing of its body; give a plain function")
    required = [
        p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    keyword = [p for p in parameters if p.default is p.empty and p.kind is p.KEYWORD_ONLY]
    if len(required) == 1 and required[0].name == "self":
        raise BadCallable("step", "a function of a class", "give a bound method, or decorate it with @leakdiff.check()")
    if len(required) > 1 or keyword:
        names = ", ".join(p.name for p in [*required, *keyword])
        raise BadCallable("step", f"a callable that requires {names}", "it takes the number of units, or nothing")
    return len(required) == 1
