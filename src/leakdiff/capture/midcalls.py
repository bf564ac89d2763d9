"""Raise an error from inside a plain function: when it calls a Python function for the kth time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from leakdiff.capture.calls import is_own_meter
from leakdiff.capture.frames import is_method_of
from leakdiff.errors import CannotMeasure
from leakdiff.source_files import is_of_stdlib, is_own_file

_EXITS = ("__exit__", "__aexit__", "__del__")


class Midcalls:
    """Counts, while a ``with`` block runs, the Python functions that the program calls, and raises in one of them.

    By a profile function and not a trace function: debuggers and coverage use the latter. Where our own ``CallMeter``
    has it, which is so up to 3.11, it is told of every event. What is called to clean up does not count: an error there
    would make a leak that the program does not have.

    Attributes:
        seen: Calls that count, so far.
        error: What was raised, once it was.
    """

    def __init__(
        self, cleans_up: Callable[[str, int], bool], at: int = 0, make: Callable[[], BaseException] | None = None
    ) -> None:
        """Prepare to count.

        Args:
            cleans_up: Tells by file and line whether code there handles an exception or cleans up.
            at: The call to raise in, the first is 1; 0 only counts.
            make: Makes the error.
        """
        self._cleans_up, self._at, self._make = cleans_up, at, make
        self._meter: Any = None
        self.seen = 0
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        before = sys.getprofile()
        if before is not None and not is_own_meter(before):
            raise CannotMeasure(
                "What a plain function does when an error is raised in it",
                "raise_midway needs the profile function of the thread, and another tool uses it",
                "Soak without that profiler, or make the scenario a coroutine function.",
            )
        self._meter = before
        sys.setprofile(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        found = sys.getprofile()
        if found is None or is_method_of(found, self):  # CPython takes away one that raises
            sys.setprofile(self._meter)

    def _on_event(self, frame: FrameType, event: str, argument: Any) -> None:
        if self._meter is not None:
            self._meter(frame, event, argument)
        if event != "call" or self.error is not None or not self._counts(frame):
            return
        self.seen += 1
        if self.seen == self._at and self._make is not None:
            self.error = self._make()
            raise self.error

    def _counts(self, frame: FrameType) -> bool:
        caller = frame.f_back
        if caller is None or _is_not_theirs(caller.f_code.co_filename) or frame.f_code.co_name in _EXITS:
            return False
        above: FrameType | None = caller
        while above is not None and not is_own_file(above.f_code.co_filename):
            if above.f_code.co_name in _EXITS or self._cleans_up(above.f_code.co_filename, above.f_lineno):
                return False
            above = above.f_back
        return True


def _is_not_theirs(path: str) -> bool:
    return path.startswith("<") or is_own_file(path) or is_of_stdlib(path)
