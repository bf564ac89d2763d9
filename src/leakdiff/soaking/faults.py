"""Faults that strike a scenario midway: it is cancelled, its time runs out, an error comes, its peer is gone."""

from __future__ import annotations

import asyncio
import enum
import functools
import inspect
import random
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import attrs

from leakdiff.capture.kinds import dict_of_type, mro_of, qualname_of
from leakdiff.capture.midcalls import Midcalls
from leakdiff.errors import BadScenario, CannotMeasure
from leakdiff.source.cleanups import Cleanups

_MOST_ERRORS = 1_000  # of a peer that is gone, in one unit: who goes on after that never gives up
_LEARNING_SECONDS = 2.0
_cause_of: Callable[[BaseException], BaseException | None] = BaseException.__dict__["__cause__"].__get__

Function = Callable[[], Any]
Strike = Callable[[int], BaseException | None]


class Fault(enum.StrEnum):
    """What strikes, by the name of the function that asks for it."""

    CANCEL = "cancel_midway"
    TIMEOUT = "timeout_midway"
    ERROR = "raise_midway"
    DISCONNECT = "disconnect"


_SAID = {
    Fault.CANCEL: "cancelled",
    Fault.TIMEOUT: "timed out",
    Fault.ERROR: "raising",
    Fault.DISCONNECT: "disconnected",
}


@attrs.frozen(eq=False)
class Faulty:
    """A function that a fault strikes midway, each time at another place."""

    function: Function
    fault: Fault
    error: Callable[[], BaseException] = ConnectionResetError

    @property
    def name(self) -> str:
        """What a scenario of it is called unless it is given a name."""
        return f"{name_of(self.function)} {_SAID[self.fault]}"


def cancel_midway(function: Function) -> Faulty:
    """Cancel the task that runs a coroutine function while it waits, as when a client goes away.

    Args:
        function: A coroutine function without arguments.

    Returns:
        What ``leakdiff.Scenario`` takes. Where it strikes is drawn anew each time, from the places where a plain run of
        the function was seen to wait.

    Raises:
        BadScenario: If it is no coroutine function.
    """
    return _of_coroutine(function, Fault.CANCEL)


def timeout_midway(function: Function) -> Faulty:
    """Let an ``asyncio.timeout`` around a coroutine function expire while it waits.

    Args:
        function: A coroutine function without arguments.

    Raises:
        BadScenario: If it is no coroutine function.
    """
    return _of_coroutine(function, Fault.TIMEOUT)


def disconnect(function: Function) -> Faulty:
    """Raise ``ConnectionResetError`` where a coroutine function waits, and wherever it waits after that.

    Args:
        function: A coroutine function without arguments.

    Raises:
        BadScenario: If it is no coroutine function.
    """
    return _of_coroutine(function, Fault.DISCONNECT)


def raise_midway(function: Function, error: Callable[[], BaseException] = ConnectionResetError) -> Faulty:
    """Raise an error inside a function: where a coroutine function waits, or in a call that a plain one makes.

    Args:
        function: A function or a coroutine function without arguments.
        error: An exception class, or a function that makes an exception.

    Raises:
        BadScenario: If the function or the error cannot be used so.
    """
    _refuse_unusable(function, Fault.ERROR)
    made = error() if callable(error) else None
    if BaseException not in mro_of(type(made)):
        must = "Give an exception class, or a function without arguments that makes an exception."
        raise BadScenario(name_of(function), f"the error of raise_midway makes a {type(made).__name__}", must)
    return Faulty(function, Fault.ERROR, error)


def _of_coroutine(function: Function, fault: Fault) -> Faulty:
    _refuse_unusable(function, fault)
    if not is_coroutine_function(function):
        todo = "Use raise_midway, which works with plain functions, or make it a coroutine function."
        raise BadScenario(name_of(function), f"{fault.value} strikes where a task waits, and it is plain", todo)
    return Faulty(function, fault)


def _refuse_unusable(function: object, fault: Fault) -> None:
    if type(function) is Faulty:
        raise BadScenario(
            function.name, f"{fault.value} is put around another fault", "Give each fault its own scenario."
        )
    if not callable(function):
        raise BadScenario(fault.value, f"it is given a {type(function).__name__}", "Give it a function.")


def name_of(function: Any) -> str:
    """Return what to call a function: its name, or its class's where it is no function."""
    while type(function) is functools.partial:
        function = function.func
    if type(function) is types.MethodType:
        function = function.__func__
    is_function = type(function) is types.FunctionType or type(function) is types.BuiltinFunctionType
    return str(function.__name__) if is_function else qualname_of(type(function))


def is_coroutine_function(function: object) -> bool:
    """Tell whether calling something returns a coroutine."""
    call = next(
        (dict_of_type(base)["__call__"] for base in mro_of(type(function)) if "__call__" in dict_of_type(base)), None
    )
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


# -- where it strikes ------------------------------------------------------------------------------


@attrs.define(eq=False)
class Striker:
    """Strikes one scenario again and again.

    Attributes:
        faulty: The function and its fault.
        name: Of the scenario.
        random: Draws where.
        places: How many places a plain run was seen to have; 0 before one.
        struck: How often it struck.
    """

    faulty: Faulty
    name: str
    random: random.Random
    places: int = 0
    struck: int = 0
    _cleanups: Cleanups = attrs.field(factory=Cleanups)

    async def learn(self) -> None:
        """Run the function plainly and count the places where it waits."""
        seen = _Seen()
        try:
            async with asyncio.timeout(_LEARNING_SECONDS) as scope:
                await _interrupted(self.faulty.function(), seen.count)
        except TimeoutError:  # it waits for what only its end brings
            if not scope.expired():
                raise
        self._learned(seen.number)

    def learn_plain(self) -> None:
        """Run a plain function and count the calls that an error can come out of."""
        with Midcalls(self._cleanups) as calls:
            self.faulty.function()
        self._learned(calls.seen)

    def _learned(self, places: int) -> None:
        self.places = places
        if not places:
            is_plain = not is_coroutine_function(self.faulty.function)
            saw = "called no Python function" if is_plain else "never waited"
            raise CannotMeasure(
                f"What {self.faulty.fault.value} does to the scenario {self.name!r}",
                f"a plain run of it {saw}, so there is no place to strike",
                "Take the fault away, or soak a function that does.",
            )

    async def run(self) -> None:
        """Run the function, and strike; that it ends by this is as it should be.

        Raises:
            BaseException: What it raises that is not by the fault.
        """
        seen = _Seen(self.random.randint(1, self.places))
        try:
            await self._struck(seen)
        except BaseException as error:
            if not seen.explains(error):
                raise
        self._count(seen)

    async def _struck(self, seen: _Seen) -> None:
        coroutine = self.faulty.function()
        if self.faulty.fault is Fault.CANCEL:
            await _interrupted(coroutine, seen.cancel)
        elif self.faulty.fault is Fault.TIMEOUT:
            async with asyncio.timeout(None) as scope:
                await _interrupted(coroutine, lambda number: seen.expire(number, scope))
        elif self.faulty.fault is Fault.ERROR:
            await _interrupted(coroutine, lambda number: seen.throw(number, self.faulty.error))
        else:
            await _interrupted(coroutine, lambda number: self._gone(number, seen))

    def _gone(self, number: int, seen: _Seen) -> BaseException | None:
        if number - seen.at > _MOST_ERRORS:
            raise CannotMeasure(
                f"What disconnect does to the scenario {self.name!r}",
                f"it still awaits after {_MOST_ERRORS:,} connection errors",
                "Let it give up at some time, as it would have to when its peer is gone.",
            )
        return seen.throw_on(number)

    def run_plain(self) -> None:
        """Run a plain function, and raise in one of the calls it makes.

        Raises:
            BaseException: What it raises that is not by the fault.
        """
        at = self.random.randint(1, self.places)
        calls = Midcalls(self._cleanups, at, self.faulty.error)
        seen = _Seen(at)
        try:
            with calls:
                self.faulty.function()
        except BaseException as error:
            if calls.error is None or not _is_by(error, [calls.error]):
                raise
        seen.number, seen.has_struck = calls.seen, calls.error is not None
        calls.error = None
        self._count(seen)

    def _count(self, seen: _Seen) -> None:
        self.struck += seen.has_struck
        if not seen.has_struck and seen.number:  # this time it had fewer places
            self.places = seen.number


@attrs.define(eq=False)
class _Seen:
    """What happens in one unit.

    Attributes:
        at: Where to strike.
        number: How many places there were so far.
        has_struck: Whether it has.
        thrown: The errors that were thrown in.
    """

    at: int = 0
    number: int = 0
    has_struck: bool = False
    thrown: list[BaseException] = attrs.field(factory=list)

    def count(self, number: int) -> None:
        self.number = number

    def _is_here(self, number: int) -> bool:
        self.number = number
        self.has_struck |= number == self.at
        return number == self.at

    def cancel(self, number: int) -> None:
        task = asyncio.current_task()
        if self._is_here(number) and task is not None:
            task.cancel()  # it is running: it will be cancelled where it begins to wait

    def expire(self, number: int, scope: asyncio.Timeout) -> None:
        if self._is_here(number):
            scope.reschedule(0)

    def throw(self, number: int, make: Callable[[], BaseException]) -> BaseException | None:
        if not self._is_here(number):
            return None
        self.thrown.append(make())
        return self.thrown[-1]

    def throw_on(self, number: int) -> BaseException | None:
        """Throw an error here and everywhere after."""
        self._is_here(number)
        if not self.has_struck:
            return None
        self.thrown.append(ConnectionResetError("the peer is gone (leakdiff.disconnect)"))
        return self.thrown[-1]

    def explains(self, error: BaseException) -> bool:
        """Tell whether the fault is why the unit ended like this; let go of what was thrown."""
        thrown, self.thrown = self.thrown, []
        return self.has_struck and _is_by(error, thrown)


def _is_by(error: BaseException, thrown: list[BaseException]) -> bool:
    """Tell whether an exception is one that was thrown in, was raised from one, or is a group of nothing else."""
    found: BaseException | None = error
    while found is not None:
        if any(found is one for one in thrown) or (not thrown and _is_a_stop(found)):
            return True
        if BaseExceptionGroup in mro_of(type(found)):
            return all(_is_by(one, thrown) for one in found.exceptions)  # type: ignore[attr-defined]
        found = _cause_of(found)
    return False


def _is_a_stop(error: BaseException) -> bool:
    return asyncio.CancelledError in mro_of(type(error)) or TimeoutError is type(error)


@types.coroutine
def _interrupted(coroutine: Coroutine[Any, Any, Any], strike: Strike) -> Generator[Any, Any, None]:
    """Run a coroutine to its end; at each place where it waits, ask what is to be thrown in there instead."""
    number, go_on, sent = 0, coroutine.send, None
    try:
        while True:
            waiting = go_on(sent)
            number += 1
            go_on, sent = coroutine.throw, strike(number)
            if sent is not None:
                continue
            try:
                sent = yield waiting
                go_on = coroutine.send
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - all that comes is for the coroutine
                sent = error
    except StopIteration:
        return
    finally:
        sent = None  # an exception holds this frame
        coroutine.close()
