"""Match riders to drivers: ``matching`` with both leaks mended, for ``leakdiff demo``.

A rider's request names a ride, a driver is rung up, and the driver accepts (73 of
100), declines (25) or cancels while we still match (2).

**The map is emptied on every way out.** The ``del _inflight[rid]`` is in a
``finally`` now, so that no later ``if``, ``return`` or exception can miss it.

**The task ends with the request.** Whatever ends ``find_driver``, a driver who
cancels or a rider who does, the task that waits for an answer is cancelled too. Its
context goes with it.

``diff matching.py matching_fixed.py`` shows both repairs and nothing else.
"""

from __future__ import annotations

import asyncio
import contextvars
import enum
import itertools

import attrs


class Reply(enum.Enum):
    """What a driver does when the phone rings."""

    ACCEPT = "accept"
    DECLINE = "decline"
    CANCEL = "cancel"


@attrs.define(eq=False)
class RideRequest:
    """What the rider's app sends: mostly the map it shows."""

    rid: str
    map_tile: bytes = attrs.field(init=False)
    status: str = "matching"

    @map_tile.default
    def _draw(self) -> bytes:
        return self.rid.encode() * 5_000


@attrs.define(eq=False)
class Driver:
    """Who is asked to take a ride, and what they will say."""

    name: str
    reply: Reply
    accepted: bool = False


@attrs.define(eq=False)
class Result:
    """A ride being matched: who was asked, and the route they would drive."""

    rid: str
    driver: Driver
    route: bytes = attrs.field(init=False)

    @route.default
    def _plan(self) -> bytes:
        return self.rid.encode() * 170


@attrs.define(eq=False)
class Call:
    """An open line to a driver's phone: it brings an answer, or it drops."""

    answer: asyncio.Future[bool]
    dropped: asyncio.Future[bool]


_inflight: dict[str, Result] = {}
_background: set[asyncio.Task[bool]] = set()
_current_ride: contextvars.ContextVar[RideRequest] = contextvars.ContextVar("ride")
_numbers = itertools.count(1)


async def find_driver(rid: str, driver: Driver) -> Result | None:
    """Offer the ride to the driver, and return the match if there is one."""
    result = Result(rid, driver)
    _inflight[rid] = result
    try:
        call = ring(driver)
        answer = asyncio.create_task(await_answer(call))
        _background.add(answer)
        answer.add_done_callback(_background.discard)
        try:
            await asyncio.wait([answer, call.dropped], return_when=asyncio.FIRST_COMPLETED)
            if call.dropped.done():
                return None
            driver.accepted = answer.result()
        finally:
            answer.cancel()
        if driver.accepted:
            return result
        return None
    finally:
        del _inflight[rid]


def ring(driver: Driver) -> Call:
    """Ring the driver's phone, which replies in the loop's next turn."""
    loop = asyncio.get_running_loop()
    call = Call(loop.create_future(), loop.create_future())
    reply = call.dropped if driver.reply is Reply.CANCEL else call.answer
    loop.call_soon(reply.set_result, driver.reply is Reply.ACCEPT)
    return call


async def await_answer(call: Call) -> bool:
    """Wait until the driver answers, and note the answer on the ride."""
    accepted = await call.answer
    _current_ride.get().status = "accepted" if accepted else "declined"
    return accepted


async def serve(ride: RideRequest, driver: Driver) -> Result | None:
    """Answer one request in a context of its own, as web servers do."""
    _current_ride.set(ride)
    return await find_driver(ride.rid, driver)


def next_reply(number: int) -> Reply:
    """Say what the driver of the nth request does, the same in every run."""
    if number % 50 == 0:
        return Reply.CANCEL
    if number % 4 == 1:
        return Reply.DECLINE
    return Reply.ACCEPT


def setup() -> None:
    """Open the service with nothing in flight."""
    _inflight.clear()


async def step(units: int) -> None:
    """Serve a number of requests, one after the other, each in its own task."""
    for number in itertools.islice(_numbers, units):
        # Knuth's multiplier: looks random, never repeats, is the same in every run.
        ride = RideRequest(f"req-{number * 2_654_435_761 % 2**32:08x}")
        driver = Driver(f"driver {number % 20}", next_reply(number))
        await asyncio.create_task(serve(ride, driver))


async def teardown() -> None:
    """Close the service: nothing stays in flight, and no task stays pending."""
    pending = list(_background)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    _inflight.clear()
