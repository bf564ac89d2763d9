"""What one request does to memory, measured at the borders of its steps; and which requests are measured."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from random import Random

from leakdiff.capture.meter import native_gauge
from leakdiff.capture.routes import HARMLESS, LEDGER
from leakdiff.errors import BadOption

_MOST_LOOKS = 64  # at pieces of one answer: a stream of many thousands must not be slowed by them
# What a block of Python's own allocator is taken for, in bytes: it has 16 to 512, and which is not told. The mean was
# 61 in a heap of dicts, floats and texts, 94 in FastAPI's code and 97 in Django's. Larger blocks are on the C heap.
_BLOCK = 80
_FULL = 2  # the oldest generation
_COST_SHARE = 200  # a measured request is followed by so many times the time its readings took without another
_COST_SHARE_OF_FIRST = 20  # before one of a shape that is hardly known: there are few
_FIRST = 8  # requests of each shape that are measured, whatever the share: some routes are rare, and six tell something
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


class Levels:
    """Reads how much is in use, in bytes: blocks of Python's own allocator at a usual size, and the C heap exactly."""

    def __init__(self) -> None:
        self._native = native_gauge()

    def now(self) -> int:
        """Return bytes in use; 0.05 ms in a heap of a million objects, whose pools are counted."""
        blocks = sys.getallocatedblocks()
        return blocks * _BLOCK + self._native() if self._native is not None else blocks * _BLOCK


class RequestMeter:
    """Measures one request, at the borders of its steps and at the pieces of its answer; what fails there is counted.

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
        with HARMLESS:
            began = time.perf_counter()
            self._high = self._high_now()
            self._entered = self._now()
            if self._first is None:
                self._first = self._entered
            self.seconds += time.perf_counter() - began

    def look(self) -> None:
        """Note the level within a step, such as when a piece of the answer is there."""
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            return
        with HARMLESS:
            began = time.perf_counter()
            self._note(self._now())
            self.seconds += time.perf_counter() - began

    def leave(self) -> None:
        """Note the level at the end of a step.

        What was taken and freed within the step shows only if the process became larger than it ever was.
        """
        with HARMLESS:
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

    Raises:
        BadOption: If the share is none; the program calls it ``sample``.
    """

    def __init__(self, share: float, *, has_steps: bool, clock: Callable[[], float] = time.monotonic) -> None:
        if type(share) not in (int, float) or not 0 <= share <= 1:
            raise BadOption("sample", share, "a number from 0 to 1")
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
