"""Faults strike where a unit waits, each time elsewhere; what they do not explain is a failure."""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from leakdiff import Scenario, cancel_midway, disconnect, raise_midway, timeout_midway
from leakdiff.capture.calls import CallMeter
from leakdiff.errors import BadOption, BadScenario, CannotMeasure
from leakdiff.soaking.faults import Faulty
from leakdiff.soaking.scenarios import listed
from leakdiff.soaking.striking import Striker

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


def test_causes_that_go_round_in_a_circle_come_to_an_end() -> None:
    """Two errors that are each the cause of the other are a failure like any other, with or without a group."""

    async def circle() -> None:
        try:
            await asyncio.sleep(0)
        except ConnectionResetError:
            one, other = LookupError("one"), LookupError("other")
            one.__cause__, other.__cause__ = other, one
            raise one from other

    async def group() -> None:
        try:
            await asyncio.sleep(0)
        except ConnectionResetError:
            one = LookupError("one")
            both = ExceptionGroup("both", [one])
            one.__cause__ = both
            raise both from None

    with pytest.raises(LookupError):
        strike(raise_midway(circle))
    with pytest.raises(ExceptionGroup):
        strike(raise_midway(group))


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


def strike_waiting(waits: Callable[[int], int], times: int) -> tuple[Striker, Counter[int]]:
    """Strike a unit that waits a number of times that depends on which it is; say at which of them it was struck."""
    numbers, came = itertools.count(), Counter[int]()

    async def some() -> None:
        for at in range(1, waits(next(numbers)) + 1):
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                came[at] += 1
                raise

    return strike(cancel_midway(some), times), came


def test_units_that_wait_less_do_not_keep_later_places_from_being_struck() -> None:
    """Where every other unit finds its answer in a cache, the others are still struck wherever they wait."""
    striker, came = strike_waiting(lambda number: 4 if number % 2 else 1, times=200)

    assert striker.places == 4
    assert set(came) == {1, 2, 3, 4}
    assert min(came.values()) >= 5


def test_a_first_run_that_waits_little_does_not_decide_where_to_strike() -> None:
    """Several plain runs are looked at, and the one that waits most counts."""
    striker, came = strike_waiting(lambda number: 4 if number % 3 == 2 else 1, times=300)

    assert striker.places == 4
    assert set(came) == {1, 2, 3, 4}


def test_units_that_became_short_are_still_struck() -> None:
    """Once no unit waits as often as the plain runs did, about half of the faults are drawn from what they have."""
    striker, came = strike_waiting(lambda number: 100 if number < 8 else 1, times=100)

    assert striker.places == 100
    assert 30 < striker.struck == came[1] < 70


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


def test_our_own_meter_of_calls_goes_on_while_errors_strike() -> None:
    """Up to 3.11 both need the one profile function: calls are measured, errors strike, and the meter has it after."""
    with CallMeter() as meter:
        before = sys.getprofile()
        striker = strike_plain(raise_midway(serve), times=20)
        after = sys.getprofile()

    assert striker.struck == 20
    assert after == before
    assert sum(cost.calls for cost in meter.costs() if cost.function == "list.append") >= 20
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
