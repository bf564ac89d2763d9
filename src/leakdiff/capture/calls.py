"""Which C functions leave something behind: the C heap and Python's blocks read around every call of one round."""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, Self

from leakdiff.capture.calltrace import CallTracer
from leakdiff.capture.frames import is_method_of
from leakdiff.capture.ledger import OWN_ERRORS, CallCost, Ledger
from leakdiff.capture.meter import native_gauge
from leakdiff.capture.sites import Line

_TOOL_IDS = (3, 4, 2, 5, 0, 1)  # those that CPython gives no meaning to first
_ENDS = ("c_return", "c_exception")


class CallMeter:
    """Adds up what each C function leaves behind while a ``with`` block runs.

    On 3.12 and newer by ``sys.monitoring``, which also sees calls of classes and callable objects; on 3.11 by a
    profile function, which sees functions and methods only. What a call returns counts as left behind, until
    something that is not a call lets go of it: lines tell the two apart.

    Attributes:
        refusal: Why it cannot measure, in a sentence; empty where it can. May also come up when the block begins.
    """

    def __init__(self, lines: Collection[Line] = ()) -> None:
        """Prepare to measure.

        Args:
            lines: Where the growth is known to come from; on 3.11 other calls than those of functions are only seen
                there.
        """
        self._hook = _Monitoring() if sys.version_info >= (3, 12) else _Profile(lines)
        self.refusal = self._hook.refusal()
        self._ledger = Ledger(native_gauge() or _nothing)

    def __enter__(self) -> Self:
        if not self.refusal:
            try:
                self.refusal = self._hook.start(self._ledger)
                if not self.refusal:
                    self._ledger.calibrate()
            except BaseException:  # Ctrl-C, say: the block is not entered, so that __exit__ is not called
                self._hook.stop()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self.refusal:
            self._hook.stop()

    @property
    def missed(self) -> int:
        """How many times measuring a call failed."""
        return self._ledger.missed

    def costs(self) -> list[CallCost]:
        """Return what calls left behind, by function and line, most bytes and blocks first."""
        return self._ledger.costs()


def _nothing() -> int:
    return 0


class _Profile:
    """The profile function of this thread and of those it starts; up to 3.11 there is one for all tools."""

    def __init__(self, lines: Collection[Line]) -> None:
        self._others = CallTracer(lines)
        self._ledger: Ledger | None = None

    def refusal(self) -> str:
        if sys.getprofile() is None and threading.getprofile() is None:
            return ""
        return "a profile function is in use"

    def start(self, ledger: Ledger) -> str:
        self._ledger = ledger
        self._others.start(ledger)
        threading.setprofile(self._on_event)
        sys.setprofile(self._on_event)
        return ""

    def _on_event(self, frame: FrameType, event: str, called: object) -> None:
        if (ledger := self._ledger) is None:
            self._leave()
            return
        try:
            if event == "c_call":
                ledger.opened(called, frame)
            elif event in _ENDS:
                ledger.closed(frame)
        except OWN_ERRORS:
            ledger.missed += 1

    def _leave(self) -> None:
        if is_method_of(sys.getprofile(), self):
            sys.setprofile(None)  # there was none: see refusal

    def stop(self) -> None:
        """Take back our own function; a thread that was started meanwhile does so itself, at the next call it makes."""
        self._leave()
        if is_method_of(threading.getprofile(), self):
            threading.setprofile(None)
        self._ledger = None
        self._others.stop()


def is_own_meter(found: object) -> bool:
    """Tell whether a profile function is that of a ``CallMeter``."""
    return type(found) is MethodType and type(found.__self__) is _Profile


class _Monitoring:
    """A tool of ``sys.monitoring``, of which there may be six at a time."""

    def __init__(self) -> None:
        self._monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        self._tool = next((tool for tool in _TOOL_IDS if self._monitoring.get_tool(tool) is None), None)
        self._is_claimed = False

    def refusal(self) -> str:
        if sys.getprofile() is not None:
            return "a profile function is in use"
        return "" if self._tool is not None else "all tools of sys.monitoring are in use"

    def start(self, ledger: Ledger) -> str:
        try:
            self._monitoring.use_tool_id(self._tool, "leakdiff")
        except ValueError:
            return "somebody else took the tool of sys.monitoring"
        self._is_claimed = True
        self._listen(ledger)
        return ""

    def _listen(self, ledger: Ledger) -> None:
        missing = self._monitoring.MISSING

        def on_call(_code: CodeType, _offset: int, called: object, first: object) -> None:
            if type(called) is FunctionType:
                return
            try:
                ledger.opened(called, sys._getframe(1), count=0 if first is missing else sys.getrefcount(first))  # noqa: SLF001
            except OWN_ERRORS:
                ledger.missed += 1

        def on_end(_code: CodeType, _offset: int, called: object, first: object) -> None:
            if type(called) is FunctionType:
                return
            try:
                ledger.closed(sys._getframe(1), count=0 if first is missing else sys.getrefcount(first))  # noqa: SLF001
            except OWN_ERRORS:
                ledger.missed += 1

        events = self._monitoring.events
        for event, callback in ((events.CALL, on_call), (events.C_RETURN, on_end), (events.C_RAISE, on_end)):
            self._monitoring.register_callback(self._tool, event, callback)
        self._monitoring.set_events(self._tool, events.CALL)

    def stop(self) -> None:
        if not self._is_claimed:
            return
        self._is_claimed = False
        events = self._monitoring.events
        self._monitoring.set_events(self._tool, 0)
        for event in (events.CALL, events.C_RETURN, events.C_RAISE):
            self._monitoring.register_callback(self._tool, event, None)
        self._monitoring.free_tool_id(self._tool)
