"""Lines watched by ``sys.settrace``: before CPython 3.12, in this thread and in those that it starts."""

from __future__ import annotations

import gc
import inspect
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, Self

from leakdiff.capture.frames import is_method_of, locals_of, start_tracing, stop_tracing
from leakdiff.capture.inserts_booked import frames_of_others
from leakdiff.capture.inserts_ledger import Ledger
from leakdiff.errors import CannotMeasure

_SUSPENDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_FRAMES: dict[type, Any] = {
    types.GeneratorType: types.GeneratorType.__dict__["gi_frame"].__get__,
    types.CoroutineType: types.CoroutineType.__dict__["cr_frame"].__get__,
    types.AsyncGeneratorType: types.AsyncGeneratorType.__dict__["ag_frame"].__get__,
}

_Trace = Callable[[types.FrameType, str, Any], Any]


class TracedLines:
    """Tells a ledger of every line of the functions that are wanted, for the time of a ``with`` block."""

    def __init__(self, ledger: Ledger, is_watched: Callable[[types.CodeType], bool]) -> None:
        self._ledger = ledger
        self._is_watched = is_watched
        self._known: dict[int, tuple[types.CodeType, bool]] = {}
        self._is_over = False
        self._has_suspended = False

    def __enter__(self) -> Self:
        if sys.gettrace() is not None or threading.gettrace() is not None:
            raise CannotMeasure(
                "Who adds",
                "somebody traces this thread already (sys.settrace: a debugger, or coverage)",
                "Stop that, or run it on CPython 3.12 or newer, where both can watch at once.",
            )
        self._ledger.read_by(self._on_line.__func__)  # type: ignore[attr-defined]
        start_tracing(self._on_call, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        """Take our trace function back; a thread that was started meanwhile does so at its next line."""
        self._is_over = True
        stop_tracing(self)
        if self._has_suspended:
            self._unpin()
        self._known.clear()

    def _unpin(self) -> None:
        """Free the locals of what is suspended: up to 3.12 a frame that was traced keeps a copy of them."""
        for obj in gc.get_objects():
            read = _FRAMES.get(type(obj)) if id(type(obj)) in _SUSPENDED_IDS else None
            frame = read(obj) if read is not None else None
            if frame is not None and self._known.get(id(frame.f_code), (None, False))[1] and not _runs(frame):
                locals_of(frame)

    def _wants(self, code: types.CodeType) -> bool:
        known = self._known.get(id(code))
        if known is None:
            known = self._known[id(code)] = code, self._is_watched(code)
        return known[1]

    def _on_call(self, frame: types.FrameType, _event: str, _argument: object) -> _Trace | None:
        if self._is_over:
            self._leave(frame)
            return None
        if not self._wants(frame.f_code):
            return None
        if frame.f_code.co_flags & _SUSPENDS:
            self._has_suspended = True
        change, lengths = 0, self._ledger.lengths
        for now in lengths.reading:
            change, lengths.last = now - lengths.last, now
            break
        self._tell(frame, frame.f_lineno, change)  # what is resumed goes on within a line
        return self._on_line

    def _on_line(self, frame: types.FrameType, event: str, _argument: object) -> _Trace | None:
        change, lengths = 0, self._ledger.lengths
        for now in lengths.reading:  # before anything is called: others have no turn
            change, lengths.last = now - lengths.last, now
            break
        if self._is_over:
            self._leave(frame)
            return None
        if event == "return":
            self._tell(frame, 0, change)
            frame.f_trace = None  # a suspended generator keeps its frame, and with it the trace function
            return None
        self._tell(frame, frame.f_lineno, change)
        return self._on_line

    def _tell(self, frame: types.FrameType, line: int, change: int) -> None:
        try:
            self._ledger.tell(frame, line, change)
        except Exception:  # noqa: BLE001 - whatever goes wrong here is not the program's
            self._ledger.failed += 1

    def _leave(self, frame: types.FrameType) -> None:
        """Stop tracing in a thread that outlives the block: this frame, and those above."""
        above: types.FrameType | None = frame
        while above is not None:
            if above is frame or is_method_of(above.f_trace, self):
                above.f_trace = None
            above = above.f_back
        if is_method_of(sys.gettrace(), self):
            sys.settrace(None)


_SUSPENDED_IDS = frozenset(map(id, _FRAMES))


def _runs(frame: types.FrameType) -> bool:
    """Tell whether what a frame belongs to is running, in whichever thread: its locals are its own then."""
    for top in frames_of_others().values():
        above: types.FrameType | None = top
        while above is not None:
            if above is frame:
                return True
            above = above.f_back
    return False
