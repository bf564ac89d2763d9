"""Stacks read whenever a length was seen to have grown: before CPython 3.12, for threads that run already."""

from __future__ import annotations

import time
import types
from collections.abc import Callable

from leakdiff.capture.inserts import Gauge
from leakdiff.capture.inserts_booked import Booked, Lines, Place, Tally, Trail, frames_of_others, trail_of, without_own
from leakdiff.capture.turns import quick_turns

_PAUSE = 0.0003  # seconds between two looks: a thousand a second cost a twentieth of a core


class SampledStacks:
    """Reads a length some thousand times a second and, where it has grown, what the other threads do just then.

    What a thread does at that moment is what it did after the insertion: a stack counts from the innermost function on
    that is known to put. Where several threads are in such functions, nobody knows which of them it was.

    Attributes:
        booked: What is known so far.
    """

    def __init__(self, gauge: Gauge, puts: Lines) -> None:
        self.booked = Booked()
        self._gauge = gauge
        self._before = self._last = gauge()
        self._gained = 0  # by containers that the name led to before
        self._puts: dict[str, list[int]] = {}
        for file, line in sorted(puts):
            self._puts.setdefault(file, []).append(line)
        self._lines: dict[int, tuple[types.CodeType, list[int]]] = {}

    @property
    def length(self) -> int:
        """The length at the last look."""
        return self._last

    @property
    def gained(self) -> int:
        """Entries that were gained up to the last look, by each container while the name led to it."""
        return self._gained + self._last - self._before

    def follow(self, gauge: Gauge) -> None:
        """Go on with another container."""
        self._look()
        self._gained, self._gauge = self.gained, gauge
        self._before = self._last = gauge()

    def close(self) -> None:
        """Let go of the container and of all code."""
        self._gauge = int
        self._lines.clear()

    def watch(self, until: Callable[[], bool]) -> None:
        """Look until it is enough."""
        with quick_turns():
            while not until():
                time.sleep(_PAUSE)
                self._look()

    def _look(self) -> None:
        self.booked.events += 1
        now = self._gauge()
        change, self._last = now - self._last, now
        if change > 0:
            self._book(change)
        elif change:
            self.booked.lost -= change

    def _book(self, change: int) -> None:
        trails = {self._putting(frame) for frame in frames_of_others().values()}
        trails.discard(())
        if len(trails) == 1:
            self.booked.add(next(iter(trails)), change)
            return
        self.booked.add_unknown(change)
        for trail in sorted(trails):
            self.booked.puts.setdefault(trail, Tally()).perhaps += change

    def _putting(self, frame: types.FrameType | None) -> Trail:
        """Return the stack from the innermost function on that is known to put; empty where there is none."""
        while frame is not None:
            lines = self._lines_of(frame.f_code)
            if lines:
                return without_own((_nearest(frame, lines), *trail_of(frame.f_back)))
            frame = frame.f_back
        return ()

    def _lines_of(self, code: types.CodeType) -> list[int]:
        """Return the lines of some code that are known to put."""
        known = self._lines.get(id(code))
        if known is None:
            inside = {line for _, _, line in code.co_lines()} if code.co_filename in self._puts else set()
            known = code, [line for line in self._puts.get(code.co_filename, ()) if line in inside]
            self._lines[id(code)] = known
        return known[1]


def _nearest(frame: types.FrameType, lines: list[int]) -> Place:
    """Return the last of the putting lines that a function may have passed, else the first."""
    passed = [line for line in lines if line <= (frame.f_lineno or 0)]
    return frame.f_code.co_filename, (passed or lines)[-1 if passed else 0], frame.f_code.co_qualname
