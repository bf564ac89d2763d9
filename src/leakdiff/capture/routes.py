"""What requests do to memory, by route: counted for all, measured for a few; nothing of a request is kept."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from random import Random

from leakdiff.capture.meter import native_gauge
from leakdiff.capture.traffic import count_units
from leakdiff.model.routes import OTHER, RouteCost

_MOST_ROUTES = 200
_MOST_LOOKS = 64  # at pieces of one answer: a stream of many thousands must not be slowed by them
# What a block of Python's own allocator is taken for, in bytes: it has 16 to 512, and which is not told. The mean was
# 61 in a heap of dicts, floats and texts, 94 in FastAPI's code and 97 in Django's. Larger blocks are on the C heap.
_BLOCK = 80
_FULL = 2  # the oldest generation
_COST_SHARE = 200  # a measured request is followed by so many times the time its readings took without another
_COST_SHARE_OF_FIRST = 20  # before one of a shape that is hardly known: there are few
_FIRST = 5  # requests of each shape that are measured, whatever the share: some routes are rare
_MOST_SHAPES = 1_000
_LONGEST_WAIT = 1.0  # seconds after which the next request is measured, however few there are


def _high_water() -> Callable[[], int]:
    """Return what reads the most bytes that were ever resident; 0 where it is not told."""
    try:
        import resource
    except ImportError:  # Windows
        return lambda: 0
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


# -- what was counted ------------------------------------------------------------------------------


class _Measured:
    """Sums over measured requests."""

    __slots__ = ("allocated", "kept", "number", "peak", "settled")

    def __init__(self) -> None:
        self.number = self.settled = 0  # settled: those without a full collection in between
        self.allocated = self.kept = self.peak = 0

    def add(self, allocated: int, kept: int | None) -> None:
        self.number += 1
        self.allocated += allocated
        self.peak = max(self.peak, allocated)
        if kept is not None:
            self.settled += 1
            self.kept += kept


class RouteTally:
    """Sums over the requests of one route.

    Its numbers change without a lock: CPython lets other threads in at calls and backward jumps only, and there is
    none between reading and writing any of them.
    """

    __slots__ = ("_alone", "_beside", "_is_warm", "received", "requests", "route", "sent", "sent_at_once")

    def __init__(self, route: str) -> None:
        self.route = route
        self.requests = self.received = self.sent = self.sent_at_once = 0
        self._is_warm = False
        self._alone, self._beside = _Measured(), _Measured()

    def answered(self, received: int, sent: int, at_once: int) -> None:
        """Note the sizes of a request and its answer, in bytes."""
        self.received = max(self.received, received)
        self.sent = max(self.sent, sent)
        self.sent_at_once = max(self.sent_at_once, at_once)

    def measured(self, meter: RequestMeter) -> None:
        """Note what a request did. The first of a route is left out: what it loads once, such as modules, stays."""
        if not self._is_warm:
            self._is_warm = True
        elif meter.was_alone:
            self._alone.add(meter.highest, meter.kept)
        elif meter.has_steps:
            self._beside.add(meter.highest_of_steps, meter.kept_of_steps)

    def cost(self, seconds: float) -> RouteCost:
        """Return what is known; requests that ran alone tell more, as they tell of other threads too."""
        alone, beside = self._alone, self._beside
        best = alone if alone.number >= min(3, beside.number) else beside
        return RouteCost(
            route=self.route,
            requests=self.requests,
            per_second=self.requests / seconds if seconds > 0 else 0.0,
            sampled=alone.number + beside.number,
            alone=alone.number,
            allocated=best.allocated / best.number if best.number else None,
            kept=best.kept / best.settled if best.settled else None,
            peak=max(alone.peak, beside.peak),
            received=self.received,
            sent=self.sent,
            sent_at_once=self.sent_at_once,
        )


class RouteLedger:
    """Counts of this process; a forked child begins with none.

    Attributes:
        began: When counting began, in seconds of a clock that never jumps; None while nothing counts.
        begun: Requests that began so far.
        failures: How often our own work at a request failed; the request itself did not.
    """

    def __init__(self) -> None:
        self.began: float | None = None
        self.restart()

    def restart(self) -> None:
        """Forget all counts."""
        self.began = time.monotonic() if self.began is not None else None
        self.begun = self._running = self.failures = 0
        self._tallies: dict[str, RouteTally] = {}

    def prepare(self) -> None:
        """Note that requests will be counted from now on."""
        if self.began is None:
            self.began = time.monotonic()

    @property
    def running(self) -> int:
        """Requests under way; one that a fork cut in two ends in the child without having begun there."""
        return max(0, self._running)

    def begin(self) -> None:
        """Count a request as begun."""
        self.begun += 1
        self._running += 1

    def end(self, route: str, *, as_unit: bool) -> RouteTally:
        """Count a request as ended, and return the sums of its route."""
        self._running -= 1
        if as_unit:
            count_units(1)
        tally = self._tallies.get(route) or self._new(route)
        tally.requests += 1
        return tally

    def withdraw(self) -> None:
        """Forget a request that began: it was one to leakdiff itself."""
        self._running -= 1

    def _new(self, route: str) -> RouteTally:
        name = route if len(self._tallies) < _MOST_ROUTES else OTHER
        return self._tallies.setdefault(name, RouteTally(name))

    def costs(self) -> tuple[RouteCost, ...]:
        """Return what is known of each route, the busiest first."""
        seconds = time.monotonic() - self.began if self.began is not None else 0.0
        found = [tally.cost(seconds) for tally in tuple(self._tallies.values())]
        return tuple(sorted(found, key=lambda cost: (-cost.requests, cost.route)))

    def requests(self) -> dict[str, int]:
        """Return how many requests ended, by route."""
        return {tally.route: tally.requests for tally in tuple(self._tallies.values())}


LEDGER = RouteLedger()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LEDGER.restart)


# -- what one request does -------------------------------------------------------------------------


class Levels:
    """Reads how much is in use, in bytes: blocks of Python's own allocator at a usual size, and the C heap exactly."""

    def __init__(self) -> None:
        self._native = native_gauge()

    def now(self) -> int:
        """Return bytes in use; 0.05 ms in a heap of a million objects, whose pools are counted."""
        blocks = sys.getallocatedblocks()
        return blocks * _BLOCK + self._native() if self._native is not None else blocks * _BLOCK


class RequestMeter:
    """Measures one request, at the borders of its steps and at the pieces of its answer.

    What happens between two steps belongs to others; it counts only if the request was alone in the process.

    Attributes:
        has_steps: Whether the steps alone tell something: not in a thread, which others run beside.
        seconds: What the readings took.
        shape: What its path looks like, as a number.
        was_alone: Whether no other request ran beside it.
    """

    __slots__ = (
        "_begun",
        "_collections",
        "_entered",
        "_first",
        "_high",
        "_high_now",
        "_highest",
        "_highest_of_steps",
        "_last",
        "_level",
        "_looks",
        "_now",
        "has_steps",
        "seconds",
        "shape",
        "was_alone",
    )

    def __init__(self, levels: Levels, high: Callable[[], int], shape: int, *, has_steps: bool) -> None:
        self._now, self._high_now, self.shape, self.has_steps = levels.now, high, shape, has_steps
        self._begun, self.was_alone = LEDGER.begun, LEDGER.running == 0
        self._collections = gc.get_stats()[_FULL]["collections"]
        self._level = self._highest = self._highest_of_steps = self._looks = self._high = self._entered = 0
        self.seconds = 0.0
        self._first: int | None = None  # that of the first step: what measuring itself needs is there by then
        self._last = 0

    def enter(self) -> None:
        """Note the level at the beginning of a step."""
        began = time.perf_counter()
        self._high = self._high_now()
        self._entered = self._now()
        if self._first is None:
            self._first = self._entered
        self.seconds += time.perf_counter() - began

    def look(self) -> None:
        """Note the level within a step, such as when a piece of the answer is there."""
        self._looks += 1
        if self._looks <= _MOST_LOOKS:
            began = time.perf_counter()
            self._note(self._now())
            self.seconds += time.perf_counter() - began

    def leave(self) -> None:
        """Note the level at the end of a step.

        What was taken and freed within the step shows only if the process became larger than it ever was.
        """
        began = time.perf_counter()
        now = self._now()
        risen = self._high_now() - self._high
        self._note(max(now, self._entered + risen))
        self._level += now - self._entered
        self._last = now
        self.seconds += time.perf_counter() - began

    def end(self) -> None:
        """Note that the request is over, before it is counted as ended."""
        self.was_alone = self.was_alone and LEDGER.begun == self._begun + 1

    def _note(self, now: int) -> None:
        self._highest = max(self._highest, now - (self._first or 0))
        self._highest_of_steps = max(self._highest_of_steps, self._level + now - self._entered)

    @property
    def highest(self) -> int:
        """The highest level over that of the beginning, with what ran in between."""
        return self._highest

    @property
    def highest_of_steps(self) -> int:
        """The highest level over that of the beginning, of the steps alone."""
        return self._highest_of_steps

    @property
    def kept(self) -> int | None:
        """What is left at the end; None if a full collection took what others had left."""
        return None if self._was_collected() else self._last - (self._first or 0)

    @property
    def kept_of_steps(self) -> int | None:
        """What is left at the end, of the steps alone."""
        return None if self._was_collected() else self._level

    def _was_collected(self) -> bool:
        return bool(gc.get_stats()[_FULL]["collections"] != self._collections)


class RouteSampler:
    """Chooses the requests that are measured: a share of them, the first few of each shape, and at least one a second.

    Args:
        share: The share, from 0 to 1; with 0 none is.
        has_steps: Whether requests are measured step by step; otherwise only those that begin alone.
        clock: Seconds of a clock that never jumps.
    """

    def __init__(self, share: float, *, has_steps: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._share, self._has_steps, self._clock = share, has_steps, clock
        self._chance = Random().random  # noqa: S311 - one of our own: the program's must not be moved
        self._levels, self._high = Levels(), _high_water()
        self._shapes: dict[int, int] = {}
        self._due = self._rests_until = self._rests_at_least_until = 0.0

    def meter(self, path: object) -> RequestMeter | None:
        """Return what measures the request that is about to begin; None for most.

        Args:
            path: Its path; nothing of it is kept but a number, salted anew in each process.
        """
        now = self._clock()
        if now < self._rests_at_least_until or not self._share or (LEDGER.running and not self._has_steps):
            return None
        shape = shape_of(path)
        is_known = self._shapes.get(shape, 0) >= _FIRST or len(self._shapes) >= _MOST_SHAPES
        if is_known and (now < self._rests_until or (now < self._due and self._chance() >= self._share)):
            return None
        self._due = now + _LONGEST_WAIT
        return RequestMeter(self._levels, self._high, shape, has_steps=self._has_steps)

    def done(self, meter: RequestMeter) -> None:
        """Rest for long enough that measuring stays a small share of the time."""
        now = self._clock()
        self._rests_until = now + _COST_SHARE * meter.seconds
        self._rests_at_least_until = now + _COST_SHARE_OF_FIRST * meter.seconds
        if (meter.was_alone or meter.has_steps) and (meter.shape in self._shapes or len(self._shapes) < _MOST_SHAPES):
            self._shapes[meter.shape] = self._shapes.get(meter.shape, 0) + 1


def shape_of(path: object) -> int:
    """Return a number for the words in a path, and where it has something else; the words cannot be told from it."""
    if type(path) is not str:
        return 0
    return hash(tuple([part if part.isalpha() else None for part in path.split("/", 8)]))
