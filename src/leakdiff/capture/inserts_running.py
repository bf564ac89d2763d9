"""Lines that run while a container is watched, by thread, and the readings of its length."""

from __future__ import annotations

import itertools
import operator
import types
from collections.abc import Iterable

from leakdiff.capture.inserts import Gauge
from leakdiff.capture.inserts_booked import Booked, Trail, trail_of

At = tuple[str, int]  # a file and a line


class Running:
    """A line that runs: of which frame, by how much it has changed the length so far, and what of that others saw."""

    __slots__ = ("by_others", "code", "frame", "gained", "line")

    def __init__(self, frame: types.FrameType, line: int) -> None:
        self.frame, self.code, self.line, self.gained = id(frame), frame.f_code, line, 0
        self.by_others = 0

    @property
    def at(self) -> At:
        """Its file and number."""
        return self.code.co_filename, self.line

    def is_of(self, frame: types.FrameType) -> bool:
        """Tell whether it is a line of this frame."""
        return self.frame == id(frame) and self.code is frame.f_code

    def calls(self, frame: types.FrameType) -> bool:
        """Tell whether it is a line of a frame above this one; else its function has ended."""
        return _frame_of(self, frame.f_back) is not None


class Lengths:
    """The lengths of one container: what is read goes with the last reading of the same one, whatever is followed next.

    Attributes:
        first: The length at the beginning.
        last: The length at the last reading.
        reading: Yields the present length; nothing any more once it is closed. A ``for`` takes one without a call:
            after calls, at the start of functions and at the end of loops, and nowhere else, the interpreter lets
            other threads have a turn.
    """

    __slots__ = ("first", "last", "reading")

    def __init__(self, gauge: Gauge) -> None:
        self.first = self.last = gauge()
        self.reading: Iterable[int] = map(_call, itertools.repeat(gauge))  # calls it for each next, in C

    @property
    def gained(self) -> int:
        """What it has gained since the beginning."""
        return self.last - self.first

    def change(self) -> int:
        """Return what has changed since the last reading, in whichever thread that was."""
        change = 0
        for now in self.reading:
            change, self.last = now - self.last, now
            break
        return change

    def close(self) -> int:
        """Read for the last time and let go of the container; return what has changed."""
        change = self.change()
        self.reading = ()
        return change


_call = operator.call


class Thread:
    """What is known of one thread: the lines that run, innermost last, and what it has booked.

    Attributes:
        beside: How many threads there were at its last event.
        failed: How many events had failed by then.
    """

    __slots__ = ("beside", "booked", "failed", "running", "timed")

    def __init__(self) -> None:
        self.booked, self.timed = Booked(), 0
        self.running: list[Running] = []
        self.beside = self.failed = 0

    def book(self, line: Running, trail: Trail, change: int) -> None:
        """Book a change on a line, of this thread or of another one."""
        self.booked.add(trail, change, times=int(line.gained == 0))
        line.gained += change


def go_on(running: list[Running], frame: types.FrameType, line: int) -> None:
    """Note which line of a frame runs now."""
    is_known = bool(running) and running[-1].is_of(frame)
    if not line:
        if is_known:
            running.pop()
    elif is_known:
        running[-1] = Running(frame, line)
    else:
        running.append(Running(frame, line))


def _frame_of(line: Running, frame: types.FrameType | None) -> types.FrameType | None:
    """Return the frame of a line, looked for from some frame on upwards."""
    while frame is not None and not line.is_of(frame):
        frame = frame.f_back
    return frame


def stack_of(line: Running, frame: types.FrameType) -> Trail:
    """Return the stack of a line that runs or has just ended: its frame is this one or above it, or gone."""
    code = line.code
    found = _frame_of(line, frame)
    return ((code.co_filename, line.line, code.co_qualname), *trail_of(found.f_back if found is not None else None))
