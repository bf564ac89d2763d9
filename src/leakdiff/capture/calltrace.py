"""Calls of classes and callable objects on some lines, which no profile function sees up to 3.11: by tracing."""

from __future__ import annotations

import ast
import builtins
import dis
import itertools
import sys
import threading
import types
from collections.abc import Collection
from types import CodeType, FrameType
from typing import Any

from leakdiff.capture.attributes import MISSING, attribute_of
from leakdiff.capture.cfunctions import CFunction, c_function
from leakdiff.capture.frames import is_method_of, locals_of, running_frames, stop_tracing, trace_running
from leakdiff.capture.kinds import derives, dict_of_module, dict_of_type, mro_of, type_name
from leakdiff.capture.ledger import OWN_ERRORS, Ledger
from leakdiff.capture.sites import Line
from leakdiff.source_files import read_text

_CALLS = ("CALL", "CALL_FUNCTION_EX")
_UNREAD: CFunction = ("", "")


class CallTracer:
    """Tells a ledger of the calls on some lines, instruction by instruction; does nothing where others trace.

    What is called is found by reading the source of the call, and the names in it; what cannot be found without
    running code is left out, and so are functions, which a profile function sees.
    """

    def __init__(self, lines: Collection[Line]) -> None:
        self._lines = frozenset(lines)
        self._is_possible = bool(lines) and sys.gettrace() is None and threading.gettrace() is None
        self._calls: dict[CodeType, _Calls] = {}
        self._ending: dict[int, int] = {}  # by frame, the call that its next instruction makes
        self._flags: dict[int, tuple[bool, bool]] = {}  # by frame, those that it had before
        self._texts: dict[str, list[str]] = {}
        self._ledger: Ledger | None = None

    def start(self, ledger: Ledger) -> None:
        """Begin to tell of calls."""
        self._ledger = ledger
        if self._is_possible:
            threading.settrace(self._on_call)
            trace_running(self._on_call)
            sys.settrace(self._on_call)

    def stop(self) -> None:
        """Take back our own trace function, in this thread and for new ones, and let go of what was seen.

        A thread that was started meanwhile takes it back itself, at the next thing it does.
        """
        stop_tracing(self)
        for frame in running_frames():
            self._put_back(frame)
            locals_of(frame)  # up to 3.12 tracing and profiling a frame pins its locals
        self._ledger = None
        self._calls, self._texts = {}, {}

    def _on_call(self, frame: FrameType, _event: str, _argument: object) -> Any:
        if (ledger := self._ledger) is None:
            return self._leave(frame)
        try:
            is_wanted = self._has_calls(frame.f_code)
        except OWN_ERRORS:
            ledger.missed += 1
            return None
        if not is_wanted:
            return None
        self._flags[id(frame)] = frame.f_trace_lines, frame.f_trace_opcodes
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self._on_instruction

    def _has_calls(self, code: CodeType) -> bool:
        if (calls := self._calls.get(code)) is None:
            calls = self._calls[code] = _Calls(code, self._lines)
        return bool(calls.ends)

    def _on_instruction(self, frame: FrameType, event: str, _argument: object) -> Any:
        if (ledger := self._ledger) is None:
            return self._leave(frame)
        try:
            self._tell(ledger, frame, event)
        except OWN_ERRORS:
            ledger.missed += 1
        return self._put_back(frame) if event == "return" else self._on_instruction

    def _leave(self, frame: FrameType) -> None:
        """Stop tracing a thread; the frames that called this one get no event any more."""
        above: FrameType | None = frame
        while above is not None:
            self._put_back(above)
            above = above.f_back
        if is_method_of(sys.gettrace(), self):
            sys.settrace(None)

    def _put_back(self, frame: FrameType) -> None:
        """Leave a frame as it was: that of a suspended generator lives on."""
        if is_method_of(frame.f_trace, self):
            frame.f_trace_lines, frame.f_trace_opcodes = self._flags.pop(id(frame), (True, False))
            frame.f_trace = None

    def _tell(self, ledger: Ledger, frame: FrameType, event: str) -> None:
        """Open a call where the first of its arguments is made: the call itself lets go of them."""
        if (end := self._ending.pop(id(frame), None)) is not None:
            ledger.closed(frame, end)
        if event != "opcode":
            return
        calls = self._calls[frame.f_code]
        for end in calls.starts.get(frame.f_lasti, ()):
            if calls.ends[end] is _UNREAD:
                calls.ends[end] = self._read(frame, end)
            if calls.ends[end] is not None:
                ledger.opened(None, frame, end, calls.ends[end])
        if calls.ends.get(frame.f_lasti) is not None:
            self._ending[id(frame)] = frame.f_lasti

    def _read(self, frame: FrameType, end: int) -> CFunction | None:
        """Find what an instruction calls, by the source it was compiled from."""
        expression = self._source(frame.f_code, end)
        called = _value_of(expression, frame) if expression is not None else MISSING
        if expression is None or called is MISSING or type(called) is types.BuiltinFunctionType:
            return None
        function = c_function(called)
        if function is None or derives(type(called), type) or "." not in (text := ast.unparse(expression)):
            return function
        return (text, function[1]) if function[0] == _name_of_type(called) else function

    def _source(self, code: CodeType, offset: int) -> ast.expr | None:
        """Return what stands before the brackets of a call."""
        first, last, start, end = next(itertools.islice(code.co_positions(), offset // 2, None))
        if code.co_filename not in self._texts:
            self._texts[code.co_filename] = read_text(code.co_filename).splitlines()
        lines = [line.encode() for line in self._texts[code.co_filename][(first or 1) - 1 : last]]
        if not lines or start is None or end is None:
            return None
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][start:]
        try:
            parsed = ast.parse(b"(" + b"\n".join(lines) + b")", mode="eval").body
        except (SyntaxError, ValueError):
            return None
        return parsed.func if isinstance(parsed, ast.Call) else None


class _Calls:
    """The calls of a code object on some lines.

    Attributes:
        ends: By the offset of the instruction that calls, the name of what it calls.
        starts: By the offset of the first instruction that a call needs, the offsets of its end, outer calls first.
    """

    def __init__(self, code: CodeType, lines: Collection[Line]) -> None:
        self.ends: dict[int, CFunction | None] = {}
        self.starts: dict[int, list[int]] = {}
        if all(code.co_filename != file for file, _ in lines):
            return
        seen: list[tuple[int, dis.Positions]] = []
        for instruction in dis.get_instructions(code):
            where = instruction.positions
            if where is None or None in where:
                continue
            seen.append((instruction.offset, where))
            if instruction.opname in _CALLS and (code.co_filename, where.lineno) in lines:
                start = next(offset for offset, inner in seen if _is_within(inner, where))
                self.ends[instruction.offset] = _UNREAD
                self.starts.setdefault(start, []).insert(0, instruction.offset)


def _is_within(inner: Any, outer: Any) -> bool:
    starts_later = (inner.lineno, inner.col_offset) >= (outer.lineno, outer.col_offset)
    return starts_later and (inner.end_lineno, inner.end_col_offset) <= (outer.end_lineno, outer.end_col_offset)


def _name_of_type(called: object) -> str:
    return next(type_name(base) for base in mro_of(type(called)) if "__call__" in dict_of_type(base))


def _value_of(expression: ast.expr, frame: FrameType) -> Any:
    """Return what a dotted name stands for in a frame, without running code; else a marker."""
    if isinstance(expression, ast.Name):
        # Up to 3.12 a trace function's caller reads the locals into this dict and writes them back: it must stay whole.
        spaces = [space for space in (frame.f_locals, frame.f_globals, dict_of_module(builtins)) if type(space) is dict]
        return next((space[expression.id] for space in spaces if expression.id in space), MISSING)
    if not isinstance(expression, ast.Attribute):
        return MISSING
    owner = _value_of(expression.value, frame)
    return MISSING if owner is MISSING else _attribute(owner, expression.attr)


def _attribute(owner: Any, name: str) -> Any:
    if derives(type(owner), types.ModuleType):
        return dict_of_module(owner).get(name, MISSING)
    if derives(type(owner), type):
        spaces = (dict_of_type(base) for base in mro_of(owner))
        return next((space[name] for space in spaces if name in space), MISSING)
    found = attribute_of(owner, name)
    if found is not MISSING:
        return found
    spaces = (dict_of_type(base) for base in mro_of(type(owner)))
    return next((space[name] for space in spaces if name in space), MISSING)
