"""Faults strike where a unit waits, each time elsewhere; what they do not explain is a failure."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from leakdiff import Scenario, cancel_midway, disconnect, raise_midway, timeout_midway
from leakdiff.errors import BadOption, BadScenario, CannotMeasure
from leakdiff.soaking.faults import Faulty, Striker
from leakdiff.soaking.scenarios import listed

PLACES = ["first", "second", "third"]


def seeded(seed: int) -> random.Random:
    """Return random numbers that are the same in every run."""
    return random.Random(seed)  # noqa: S311 - not a secret


class Worker:
    """Waits three times, and notes how far it came and what came in there."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.ended: Counter[str] = Counter()

    async def work(self) -> None:
        """Wait at each place."""
        for place in PLACES:
            try:
                await asyncio.sleep(0)
            except BaseException as error:
                self.ended[type(error).__name__] += 1
                self.came.append(place)
                raise


def strike(faulty: Faulty, times: int = 60) -> Striker:
    """Learn, and strike so many times."""
    striker = Striker(faulty, "driver", seeded(1))

    async def all_of_it() -> None:
        await striker.learn()
        for _ in range(times):
            await asyncio.create_task(striker.run())

    asyncio.run(all_of_it())
    return striker


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (cancel_midway, "CancelledError"),
        (timeout_midway, "CancelledError"),
        (raise_midway, "ConnectionResetError"),
        (disconnect, "ConnectionResetError"),
    ],
)
def test_a_fault_strikes_at_each_place_in_its_turn(fault: Callable[..., Faulty], seen: str) -> None:
    """A plain run waits three times: the fault strikes at all three, and the unit's end by it is no failure."""
    worker = Worker()
    striker = strike(fault(worker.work))

    assert striker.places == 3
    assert striker.struck == 60
    assert worker.ended == {seen: 60}
    assert set(worker.came) == set(PLACES)


def test_the_same_seed_strikes_at_the_same_places() -> None:
    """A run can be repeated exactly."""
    one, other = Worker(), Worker()
    strike(cancel_midway(one.work))
    strike(cancel_midway(other.work))

    assert one.came == other.came


def test_a_task_is_cancelled_while_it_waits_for_what_never_comes() -> None:
    """What only its end brings on is learned from as far as a plain run gets."""
    ended = []

    async def wait_for_ever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(1)

    striker = Striker(cancel_midway(wait_for_ever), "waits", seeded(0))

    async def all_of_it() -> None:
        await striker.learn()
        await asyncio.create_task(striker.run())

    asyncio.run(all_of_it())

    assert striker.places == 1
    assert len(ended) == 2


def test_a_peer_that_is_gone_stays_gone() -> None:
    """Each await after the first error raises too, also those that clean up."""
    tried: list[str] = []

    async def talk() -> None:
        for what in ("ask", "ask again", "say goodbye"):
            try:
                await asyncio.sleep(0)
            except ConnectionResetError:
                tried.append(what)

    strike(disconnect(talk), times=40)

    assert tried.count("say goodbye") == 40
    assert 0 < tried.count("ask") < tried.count("ask again") < 40


def test_who_never_gives_up_is_told_to() -> None:
    """A loop that goes on after every error would run for ever."""

    async def stubborn() -> None:
        left = 3
        while left:
            try:
                await asyncio.sleep(0)
                left -= 1
            except ConnectionResetError:
                pass

    with pytest.raises(CannotMeasure, match="it still awaits after 1,000 connection errors"):
        strike(disconnect(stubborn))


def test_an_error_raised_from_the_fault_is_the_faults() -> None:
    """A service may turn what strikes it into an error of its own, or into a group."""

    class Unavailable(Exception):
        pass

    async def wrap() -> None:
        try:
            await asyncio.sleep(0)
        except ConnectionResetError as error:
            raise Unavailable from error

    async def group() -> None:
        async with asyncio.TaskGroup():
            await asyncio.sleep(0)

    assert strike(raise_midway(wrap)).struck == 60
    assert strike(raise_midway(group)).struck == 60


def test_an_exception_that_is_not_the_fault_is_a_failure() -> None:
    """A mistake in the code that handles the fault comes out."""

    async def clumsy() -> None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise KeyError("rid") from None

    with pytest.raises(KeyError):
        strike(cancel_midway(clumsy))


def test_a_fault_that_was_handled_is_no_failure() -> None:
    """Who catches the error and goes on ends as usual."""

    async def careful() -> None:
        try:
            await asyncio.sleep(0)
        except ValueError:
            return

    assert strike(raise_midway(careful, ValueError)).struck == 60


def test_where_nothing_waits_there_is_no_place_to_strike() -> None:
    """A coroutine function that never waits cannot be cancelled: said at once, and not a soak without faults."""

    async def hurry() -> None:
        pass

    with pytest.raises(CannotMeasure, match=r"never waited, so there is no place to strike\. Take the fault away"):
        strike(cancel_midway(hurry))


def test_a_unit_with_fewer_places_is_not_struck_and_teaches_that() -> None:
    """How often a unit waits may change from one to the next."""
    waits = [3]

    async def some() -> None:
        for _ in range(waits[0]):
            await asyncio.sleep(0)

    striker = Striker(cancel_midway(some), "some", seeded(3))

    async def all_of_it() -> None:
        await striker.learn()
        waits[0] = 1
        for _ in range(50):
            await asyncio.create_task(striker.run())

    asyncio.run(all_of_it())

    assert striker.places == 1
    assert 40 < striker.struck <= 50


# -- plain functions -------------------------------------------------------------------------------

_held: list[int] = []


def _take(place: int) -> int:
    _held.append(place)
    return place


def _work(place: int) -> int:
    return _more(place) + 1


def _more(place: int) -> int:
    return place


def _give_back() -> None:
    _pop()


def _pop() -> None:
    _held.pop()


@contextmanager
def _lease() -> Any:
    _take(2)
    try:
        yield
    finally:
        _give_back()


def serve() -> None:
    """Take something, work, and give it back whatever happens."""
    _take(1)
    try:
        _work(1)
    finally:
        _give_back()


def serve_leased() -> None:
    """Do so by a context manager."""
    with _lease():
        _work(1)


def strike_plain(faulty: Faulty, times: int = 60) -> Striker:
    """Learn, and strike so many times."""
    striker = Striker(faulty, "server", seeded(1))
    striker.learn_plain()
    for _ in range(times):
        striker.run_plain()
    return striker


@pytest.mark.parametrize("function", [serve, serve_leased])
def test_an_error_in_a_plain_function_does_not_stop_it_from_cleaning_up(function: Callable[[], None]) -> None:
    """It comes out of calls that do the work: one that cleans up would seem to leak."""
    _held.clear()
    striker = strike_plain(raise_midway(function))

    assert striker.struck == 60
    assert _held == []


def test_the_profile_function_is_put_back() -> None:
    """Nothing is left in place after a unit, whether it was struck or not."""
    strike_plain(raise_midway(serve), times=3)

    assert sys.getprofile() is None


def test_another_profiler_is_left_alone() -> None:
    """There is one profile function: who has it keeps it, and we say so."""

    def theirs(*_: object) -> None:
        pass

    sys.setprofile(theirs)
    try:
        with pytest.raises(CannotMeasure, match="raise_midway needs the profile function"):
            strike_plain(raise_midway(serve))
        assert sys.getprofile() is theirs
    finally:
        sys.setprofile(None)


def test_a_plain_function_that_calls_none_has_no_place() -> None:
    """Only calls of Python functions are places where an error can come from."""
    with pytest.raises(CannotMeasure, match="called no Python function"):
        strike_plain(raise_midway(lambda: len("abc")))


# -- what cannot be soaked -------------------------------------------------------------------------


async def wait() -> None:
    """Wait for a turn of the loop."""
    await asyncio.sleep(0)


def needy(one: int, two: int) -> None:
    """Need arguments."""


def generate() -> Any:
    """Do nothing when called."""
    yield


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: cancel_midway(serve), "cancel_midway strikes where a task waits, and it is plain. Use raise_midway"),
        (lambda: timeout_midway(serve), "timeout_midway strikes where a task waits"),
        (lambda: disconnect(serve), "disconnect strikes where a task waits"),
        (lambda: cancel_midway(timeout_midway(wait)), "cancel_midway is put around another fault"),  # type: ignore[arg-type]
        (lambda: raise_midway(3), "it is given a int"),  # type: ignore[arg-type]
        (lambda: raise_midway(wait, int), "the error of raise_midway makes a int"),  # type: ignore[arg-type]
        (lambda: Scenario(needy), "The scenario needy cannot be used: it requires one, two"),  # type: ignore[arg-type]
        (lambda: Scenario(generate), "it is a generator function"),
        (lambda: Scenario(3), "it is a int"),  # type: ignore[arg-type]
        (lambda: listed([]), "the list is empty"),
        (lambda: listed([3]), "a int is among them"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(make: Callable[[], object], said: str) -> None:
    """A scenario that cannot be run is refused when it is made, with what to do."""
    with pytest.raises(BadScenario) as refused:
        make()

    assert said in str(refused.value)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), "2", None, True])
def test_a_weight_is_a_number_above_0(weight: Any) -> None:
    """A scenario that never comes is none."""
    with pytest.raises(BadOption, match="weight"):
        Scenario(wait, weight=weight)


def test_scenarios_have_distinct_names() -> None:
    """A fault is part of the default name; where two are the same still, the second is numbered."""
    made = listed([wait, cancel_midway(wait), timeout_midway(wait), disconnect(wait), raise_midway(wait), wait])

    assert [one.name for one in made] == [
        "wait",
        "wait cancelled",
        "wait timed out",
        "wait disconnected",
        "wait raising",
        "wait (2)",
    ]
