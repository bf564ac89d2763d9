"""Lines watched by ``sys.monitoring`` (PEP 669, CPython 3.12): in all threads, also in those that run already."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, Self

from leakdiff.capture.inserts_ledger import Ledger
from leakdiff.errors import CannotMeasure

_IDS = (3, 4, 5)  # those that nobody has a customary claim to; 5 is kept for optimisers, of which there is none
_NAME = "leakdiff"
_tools: Any = getattr(sys, "monitoring", None)


def is_there() -> bool:
    """Tell whether this Python has ``sys.monitoring``."""
    return _tools is not None


class MonitoredLines:
    """Tells a ledger of every line of some code for the time of a ``with`` block; all other code runs as before.

    But for exceptions: that one has ended a function can be heard of all functions only, and is passed over there.
    """

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
            unwound, began = _tools.events.PY_UNWIND, _tools.events.PY_START
            for event, callback in self._callbacks():
                self._before.append((event, _tools.register_callback(self._tool, event, callback)))
                wanted |= event & ~(unwound | began)
            _tools.set_events(self._tool, unwound)
            for code in self._codes:
                _tools.set_local_events(self._tool, code, wanted | (began if _is_on_first_line(code) else 0))
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

    def _callbacks(self) -> list[tuple[int, Callable[..., None]]]:  # noqa: C901 - four that say the same
        """Return the functions to call by event: each reads the length before it calls anything: others get no turn.

        They repeat what a function of their own could do: an insertion has four events, and a call more for each
        costs a tenth of what it takes to watch it.
        """
        ledger = self._ledger
        watched = frozenset(map(id, self._codes))  # by id: equal functions of two files are equal code

        def on_line(_code: types.CodeType, line: int) -> None:
            change, lengths = 0, ledger.lengths
            for now in lengths.reading:
                change, lengths.last = now - lengths.last, now
                break
            try:
                ledger.tell(sys._getframe(1), line, change)  # noqa: SLF001 - a callback is given no frame
            except Exception:  # noqa: BLE001 - whatever goes wrong here is not the program's
                ledger.failed += 1

        def on_resume(_code: types.CodeType, _offset: int) -> None:
            change, lengths = 0, ledger.lengths
            for now in lengths.reading:
                change, lengths.last = now - lengths.last, now
                break
            try:
                frame = sys._getframe(1)  # noqa: SLF001
                ledger.tell(frame, frame.f_lineno or 0, change)
            except Exception:  # noqa: BLE001
                ledger.failed += 1

        def on_end(_code: types.CodeType, _offset: int, _value: object) -> None:
            change, lengths = 0, ledger.lengths
            for now in lengths.reading:
                change, lengths.last = now - lengths.last, now
                break
            try:
                ledger.tell(sys._getframe(1), 0, change)  # noqa: SLF001
            except Exception:  # noqa: BLE001
                ledger.failed += 1

        def on_unwind(code: types.CodeType, _offset: int, _error: object) -> None:
            if id(code) not in watched:
                return
            change, lengths = 0, ledger.lengths
            for now in lengths.reading:
                change, lengths.last = now - lengths.last, now
                break
            try:
                ledger.tell(sys._getframe(1), 0, change)  # noqa: SLF001
            except Exception:  # noqa: BLE001
                ledger.failed += 1

        ledger.read_by(on_line, on_resume, on_end)
        events = _tools.events
        return [
            (events.LINE, on_line),
            (events.PY_START, on_resume),
            (events.PY_RESUME, on_resume),
            (events.PY_RETURN, on_end),
            (events.PY_YIELD, on_end),
            (events.PY_UNWIND, on_unwind),
        ]

    def _stop(self) -> None:
        """Put everything back as it was found; may be called again."""
        if self._tool is None:
            return
        _tools.set_events(self._tool, 0)
        for code in self._codes:
            _tools.set_local_events(self._tool, code, 0)
        for event, before in self._before:
            _tools.register_callback(self._tool, event, before)
        _tools.free_tool_id(self._tool)
        self._tool = None
        self._codes, self._before = (), []
        if self in _active:
            _active.remove(self)


def _is_on_first_line(code: types.CodeType) -> bool:
    """Tell whether a function does something on the line that it begins at: CPython 3.13 tells of no line there."""
    first = next((line for _, _, line in code.co_lines() if line is not None), None)
    return sum(end - start for start, end, line in code.co_lines() if line == first) > _RESUME


_RESUME = 2  # bytes of what each function begins with
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
