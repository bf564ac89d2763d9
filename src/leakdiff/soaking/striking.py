"""Strike a scenario where its fault says: at another place of it each time, and tell what it ended by."""

from __future__ import annotations

import asyncio
import random
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import attrs

from leakdiff.capture.kinds import mro_of
from leakdiff.capture.midcalls import Midcalls
from leakdiff.errors import CannotMeasure
from leakdiff.soaking.faults import Fault, Faulty, is_coroutine_function
from leakdiff.source.cleanups import Cleanups

_MOST_ERRORS = 1_000  # of a peer that is gone, in one unit: who goes on after that never gives up
_LEARNING_SECONDS = 2.0
_LEARNING_RUNS = 8  # plain runs to learn from: one that finds its answer in a cache waits less often than others
_LEARNED_SECONDS = 0.2  # after which no other plain run is begun
_cause_of: Callable[[BaseException], BaseException | None] = BaseException.__dict__["__cause__"].__get__

Strike = Callable[[int], BaseException | None]


@attrs.define(eq=False)
class Striker:
    """Strikes one scenario again and again.

    Attributes:
        faulty: The function and its fault.
        name: Of the scenario.
        random: Draws where.
        places: How many places a run was seen to have at most; 0 before one.
        struck: How often it struck.
    """

    faulty: Faulty
    name: str
    random: random.Random
    places: int = 0
    struck: int = 0
    _fewer: int = 0  # places of the last run that ended before it was struck
    _cleanups: Cleanups = attrs.field(factory=Cleanups)

    async def learn(self) -> None:
        """Run the function plainly some times, and see at how many places it waits at most.

        Raises:
            CannotMeasure: If it never waits.
        """
        begun = time.monotonic()
        for _ in range(_LEARNING_RUNS):
            self._ran_plainly(await self._places_now())
            if time.monotonic() - begun > _LEARNED_SECONDS:
                break
        self._require_places()

    async def _places_now(self) -> int:
        seen = _Seen()
        try:
            async with asyncio.timeout(_LEARNING_SECONDS) as scope:
                await _interrupted(self.faulty.function(), seen.count)
        except TimeoutError:  # it waits for what only its end brings
            if not scope.expired():
                raise
        return seen.number

    def learn_plain(self) -> None:
        """Run a plain function some times, and see out of how many calls an error can come at most.

        Raises:
            CannotMeasure: If it makes none, or another tool has the profile function.
        """
        begun = time.monotonic()
        for _ in range(_LEARNING_RUNS):
            with Midcalls(self._cleanups) as calls:
                self.faulty.function()
            self._ran_plainly(calls.seen)
            if time.monotonic() - begun > _LEARNED_SECONDS:
                break
        self._require_places()

    def _ran_plainly(self, places: int) -> None:
        self.places = max(self.places, places)

    def _require_places(self) -> None:
        if not self.places:
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
        seen = _Seen(self._drawn())
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
        at = self._drawn()
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

    def _drawn(self) -> int:
        """Draw where to strike: of all places, and every other time of those that short runs have too."""
        most = self._fewer if self._fewer and self.random.random() < 0.5 else self.places
        return self.random.randint(1, most)

    def _count(self, seen: _Seen) -> None:
        self.struck += seen.has_struck
        if not seen.has_struck:
            self._fewer = seen.number


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


def _is_by(error: BaseException, thrown: list[BaseException], seen: frozenset[int] = frozenset()) -> bool:
    """Tell whether an exception is one that was thrown in, was raised from one, or is a group of nothing else."""
    found: BaseException | None = error
    while found is not None and id(found) not in seen:  # causes may go round in a circle
        seen |= {id(found)}
        if any(found is one for one in thrown) or (not thrown and _is_a_stop(found)):
            return True
        if BaseExceptionGroup in mro_of(type(found)):
            return all(_is_by(one, thrown, seen) for one in found.exceptions)  # type: ignore[attr-defined]
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
