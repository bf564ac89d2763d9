"""Which line of the user's code makes the C heap grow: measured around every line of one round."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from leakdiff.capture.sites import Line, is_users_file

_Trace = Callable[[FrameType, str, Any], Any]


class LineMeter:
    """Adds up what each line of the user's code leaves on the C heap while a ``with`` block runs.

    A line counts with everything it calls. What one line allocates and a later one frees cancels out over
    the units; what stays is the leak. Traces this thread only.
    """

    def __init__(self) -> None:
        import psutil

        self._heap_info: Callable[[], Any] | None = getattr(psutil, "heap_info", None)
        self._gains: Counter[Line] = Counter()
        self._line: Line | None = None
        self._used = 0
        self.is_possible = self._heap_info is not None and sys.gettrace() is None

    def __enter__(self) -> Self:
        if self.is_possible:
            sys.settrace(self._on_call)
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_possible:
            sys.settrace(None)  # there was none: see is_possible
            self._settle(None)

    def lines(self, least: float) -> list[tuple[Line, int]]:
        """Return the lines that gained at least so many bytes, the largest first."""
        found = [(line, gain) for line, gain in self._gains.items() if gain >= least]
        return sorted(found, key=lambda item: (-item[1], item[0]))

    def _on_call(self, frame: FrameType, _event: str, _argument: object) -> _Trace | None:
        return self._on_line if is_users_file(frame.f_code.co_filename) else None

    def _on_line(self, frame: FrameType, event: str, _argument: object) -> _Trace | None:
        if event != "return":
            self._settle((frame.f_code.co_filename, frame.f_lineno))
            return self._on_line
        caller = frame.f_back
        is_users = caller is not None and is_users_file(caller.f_code.co_filename)
        self._settle((caller.f_code.co_filename, caller.f_lineno) if caller is not None and is_users else None)
        frame.f_trace = None  # a suspended generator keeps its frame, and with it the trace function
        return None

    def _settle(self, following: Line | None) -> None:
        """Book what has changed since the last event on the line that ran, and go on with the next one."""
        if self._heap_info is None:
            return
        info = self._heap_info()
        used = info.heap_used + info.mmap_used
        if self._line is not None:
            self._gains[self._line] += used - self._used
        self._line = following
        info = self._heap_info()
        self._used = info.heap_used + info.mmap_used
