"""Which lines of the program run: a trace function that notes each line once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, Self

from leakdiff.capture.frames import is_method_of, start_tracing, stop_tracing
from leakdiff.model.soak import Ran
from leakdiff.source_files import is_users_file

_Trace = Callable[[FrameType, str, Any], Any]


class LinesRun:
    """Notes which lines of the user's functions run while a ``with`` block does, in this thread and those it starts.

    Attributes:
        is_possible: Whether nobody else traces.
    """

    def __init__(self) -> None:
        self.is_possible = sys.gettrace() is None and threading.gettrace() is None
        # By id: to hash code takes as long as it is long, and equal functions of two files are equal code.
        self._left: dict[int, tuple[CodeType, set[int]]] = {}
        self._wanted: dict[str, bool] = {}
        self._is_done = False

    def __enter__(self) -> Self:
        if self.is_possible:
            start_tracing(self._on_call, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_possible:
            self._stop()

    def _stop(self) -> None:
        stop_tracing(self)
        self._is_done = True

    def functions(self) -> Iterator[Ran]:
        """Yield the functions that ran, and let go of their code."""
        while self._left:
            _, (code, left) = self._left.popitem()
            lines = frozenset(_lines_of(code))
            yield Ran(code.co_filename, code.co_firstlineno, code.co_qualname, lines, lines - left)

    def _on_call(self, frame: FrameType, _event: str, _argument: object) -> _Trace | None:
        code = frame.f_code
        if self._is_done:
            self._leave(frame)
            return None
        if not self._is_wanted(code):
            return None
        seen = self._left.get(id(code))
        if seen is None:
            seen = self._left[id(code)] = (code, set(_lines_of(code)))
        left = seen[1]
        left.discard(frame.f_lineno)  # a generator that goes on
        return self._on_line if left else None

    def _is_wanted(self, code: CodeType) -> bool:
        path = code.co_filename
        if path not in self._wanted:
            self._wanted[path] = is_users_file(path)
        return self._wanted[path]

    def _on_line(self, frame: FrameType, event: str, _argument: object) -> _Trace | None:
        if self._is_done:
            self._leave(frame)
            return None
        seen = self._left.get(id(frame.f_code))
        if seen is not None:
            seen[1].discard(frame.f_lineno)
        if event == "return" or seen is None or not seen[1]:
            frame.f_trace = None  # a suspended coroutine keeps its frame, and with it the trace function
            return None
        return self._on_line

    def _leave(self, frame: FrameType) -> None:
        """Stop tracing a frame and those above, and its thread: one that was started meanwhile, or goes on."""
        above: FrameType | None = frame
        while above is not None:
            if is_method_of(above.f_trace, self):
                above.f_trace = None
            above = above.f_back
        if is_method_of(sys.gettrace(), self):
            sys.settrace(None)


def _lines_of(code: CodeType) -> Iterator[int]:
    """Yield the lines of a function's own code, without that of the definition itself."""
    for _, _, line in code.co_lines():
        if line and line != code.co_firstlineno:
            yield line
