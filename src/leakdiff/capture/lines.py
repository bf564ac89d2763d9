"""Which lines make something grow: a few gauges read around every line of one round."""

from __future__ import annotations

import math
import sys
import threading
import time
from _thread import get_ident
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, Self

from leakdiff.capture.frames import is_method_of, locals_of, running_frames, start_tracing, stop_tracing
from leakdiff.capture.sites import Line
from leakdiff.source_files import is_own_file

_CLOCK = 256  # events between two looks at the clock

_Trace = Callable[[FrameType, str, Any], Any]
Gauge = Callable[[], int]


class LineMeter:
    """Adds up what each line makes some gauges rise and fall by while a ``with`` block runs.

    A line counts with everything it calls that is not traced itself. Traces this thread and those that it starts.

    Attributes:
        is_possible: Whether nobody else traces.
        was_cut: Whether it gave up tracing before the block ended.
    """

    def __init__(self, gauges: Sequence[Gauge], is_wanted: Callable[[str], bool], *, seconds: float = math.inf) -> None:
        """Prepare to trace.

        Args:
            gauges: What to read.
            is_wanted: Tells by file whether lines count by themselves.
            seconds: After which to give up: a traced program is many times as slow.
        """
        self.is_possible = sys.gettrace() is None and threading.gettrace() is None
        self._gauges = tuple(gauges)
        self._is_wanted = is_wanted
        self._wanted: dict[str, bool] = {}
        self._rises: dict[Line, list[int]] = {}
        self._falls: dict[Line, list[int]] = {}
        self._lines: dict[int, Line | None] = {}  # by thread, the one that runs
        self._last = [0] * len(self._gauges)
        self.was_cut = self._is_done = False
        self._columns = len(self._gauges)
        self._seconds, self._deadline, self._events = seconds, math.inf, 0

    def __enter__(self) -> Self:
        if self.is_possible:
            self._deadline = time.monotonic() + self._seconds
            self._last = [gauge() for gauge in self._gauges]
            start_tracing(self._on_call, self._stop, also_running=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_possible:
            self._stop()

    def _stop(self) -> None:
        """Take back our own trace function, in this thread and for new ones, and let go of what the gauges read.

        A thread that was started meanwhile takes it back itself, at the next line it runs.
        """
        stop_tracing(self)
        for frame in running_frames():
            if is_method_of(frame.f_trace, self):
                frame.f_trace = None
            locals_of(frame)  # up to 3.12 tracing a frame pins its locals
        self._is_done = True
        self._settle(None)
        self._columns = len(self._gauges)
        self._gauges = ()

    def moves(self, gauge: int) -> Iterator[tuple[Line, int, int]]:
        """Yield lines with what they made a gauge rise and fall by, those that moved it most first."""
        lines = {**self._rises, **self._falls}
        moved = [
            (line, self._rises.get(line, self._none)[gauge], self._falls.get(line, self._none)[gauge]) for line in lines
        ]
        yield from sorted((move for move in moved if move[1] or move[2]), key=lambda move: (move[2] - move[1], move[0]))

    def net(self, gauge: int, least: float) -> list[tuple[Line, int]]:
        """Return the lines that left a gauge higher by at least so much, the largest first."""
        found = [(line, rise - fall) for line, rise, fall in self.moves(gauge)]
        return [(line, gain) for line, gain in found if gain >= least]

    @property
    def _none(self) -> list[int]:
        return [0] * self._columns

    def _is_traced(self, path: str) -> bool:
        wanted = self._wanted.get(path)
        if wanted is None:
            wanted = self._wanted[path] = not is_own_file(path) and self._is_wanted(path)
        return wanted

    def _on_call(self, frame: FrameType, _event: str, _argument: object) -> _Trace | None:
        if self._is_done:
            self._leave(frame)
            return None
        return self._on_line if not self.was_cut and self._is_traced(frame.f_code.co_filename) else None

    def _on_line(self, frame: FrameType, event: str, _argument: object) -> _Trace | None:
        if self.was_cut or self._is_done:
            self._leave(frame)
            return None
        if event != "return":
            self._settle((frame.f_code.co_filename, frame.f_lineno))
            return self._on_line
        caller = frame.f_back
        is_traced = caller is not None and self._is_traced(caller.f_code.co_filename)
        self._settle((caller.f_code.co_filename, caller.f_lineno) if caller is not None and is_traced else None)
        frame.f_trace = None  # a suspended generator keeps its frame, and with it the trace function
        return None

    def _leave(self, frame: FrameType) -> None:
        """Stop tracing the frame; once the block has ended also its thread, and the frames above."""
        frame.f_trace = None
        if not self._is_done:
            return
        above = frame.f_back
        while above is not None:
            if is_method_of(above.f_trace, self):
                above.f_trace = None
            above = above.f_back
        if is_method_of(sys.gettrace(), self):
            sys.settrace(None)

    def _settle(self, following: Line | None) -> None:
        """Book what has changed since the last event on the line that ran, and go on with the next one."""
        self._events += 1
        if self._events % _CLOCK == 0:
            self.was_cut = time.monotonic() > self._deadline
        thread = get_ident()
        line = self._lines.get(thread)
        self._lines[thread] = following
        moved = False
        for at, gauge in enumerate(self._gauges):
            now = gauge()
            if now != self._last[at]:
                moved = True
                if line is not None:
                    self._book(line, at, now - self._last[at])
        if moved:  # booking allocates
            self._last = [gauge() for gauge in self._gauges]

    def _book(self, line: Line, at: int, change: int) -> None:
        table = self._rises if change > 0 else self._falls
        table.setdefault(line, self._none)[at] += abs(change)
