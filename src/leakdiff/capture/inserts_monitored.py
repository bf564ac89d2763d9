"""Lines watched by ``sys.monitoring`` (PEP 669, CPython 3.12): in all threads, also in those that run already."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, Self

from leakdiff.capture.inserts_booked import Ledger
from leakdiff.errors import CannotMeasure

_IDS = (3, 4, 5)  # those that nobody has a customary claim to; 5 is kept for optimisers, of which there is none
_NAME = "leakdiff"
_tools: Any = getattr(sys, "monitoring", None)


def is_there() -> bool:
    """Tell whether this Python has ``sys.monitoring``."""
    return _tools is not None


class MonitoredLines:
    """Tells a ledger of every line of some code for the time of a ``with`` block; all other code runs as before."""

    def __init__(self, ledger: Ledger, codes: Iterable[types.CodeType]) -> None:
        self._ledger = ledger
        self._codes = tuple(codes)
        self._tool: int | None = None
        self._before: list[tuple[int, Any]] = []

    def __enter__(self) -> Self:
        self._tool = _free_tool()
        _active.append(self)
        try:
            wanted = 0
            for event, callback in self._callbacks():
                self._before.append((event, _tools.register_callback(self._tool, event, callback)))
                wanted |= event
            for code in self._codes:
                _tools.set_local_events(self._tool, code, wanted)
        except BaseException:  # Ctrl-C between the two
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop()
        except KeyboardInterrupt:  # in the midst of it
            self._stop()
            raise

    def _callbacks(self) -> list[tuple[int, Callable[..., None]]]:
        """Return the functions to call by event: each reads the length on its first line, before others have a turn."""
        ledger, lengths = self._ledger, self._ledger.lengths

        def on_line(_code: types.CodeType, line: int) -> None:
            for now in lengths.reading:
                change, lengths.last = now - lengths.last, now
                break
            try:
                ledger.tell(sys._getframe(1), line, change)  # noqa: SLF001 - a callback is given no frame
            except Exception:  # noqa: BLE001 - whatever goes wrong here is not the program's
                ledger.failed += 1

        def on_resume(_code: types.CodeType, _offset: int) -> None:
            for now in lengths.reading:
                change, lengths.last = now - lengths.last, now
                break
            try:
                frame = sys._getframe(1)  # noqa: SLF001
                ledger.tell(frame, frame.f_lineno or 0, change)
            except Exception:  # noqa: BLE001
                ledger.failed += 1

        def on_end(_code: types.CodeType, _offset: int, _value: object) -> None:
            for now in lengths.reading:
                change, lengths.last = now - lengths.last, now
                break
            try:
                ledger.tell(sys._getframe(1), 0, change)  # noqa: SLF001
            except Exception:  # noqa: BLE001
                ledger.failed += 1

        self._ledger.read_by(on_line, on_resume, on_end)
        events = _tools.events
        return [
            (events.LINE, on_line),
            (events.PY_RESUME, on_resume),
            (events.PY_RETURN, on_end),
            (events.PY_YIELD, on_end),
        ]

    def _stop(self) -> None:
        """Put everything back as it was found; may be called again."""
        if self._tool is None:
            return
        for code in self._codes:
            _tools.set_local_events(self._tool, code, 0)
        for event, before in self._before:
            _tools.register_callback(self._tool, event, before)
        _tools.free_tool_id(self._tool)
        self._tool = None
        self._codes, self._before = (), []
        if self in _active:
            _active.remove(self)


_active: list[MonitoredLines] = []


def _free_tool() -> int:
    for tool in _IDS:
        try:
            _tools.use_tool_id(tool, _NAME)
        except ValueError:  # somebody has it
            continue
        return tool
    raise CannotMeasure(
        "Who adds",
        "all numbers that sys.monitoring has for tools like this one are taken by "
        + ", ".join(sorted({str(_tools.get_tool(tool)) for tool in _IDS})),
        "Stop one of them, or watch the length alone: leakdiff.track.",
    )


def _stop_in_child() -> None:
    """Stop looking in a child that was forked meanwhile: nobody there waits for the answer."""
    for lines in _active.copy():
        lines._stop()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stop_in_child)
