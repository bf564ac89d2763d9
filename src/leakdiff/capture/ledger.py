"""Books what calls of C functions leave behind, whoever tells when they begin and end."""

from __future__ import annotations

import gc
import itertools
import sys
from _thread import get_ident
from array import array
from collections.abc import Callable
from types import FrameType

import attrs

from leakdiff.capture.cfunctions import CFunction, c_function
from leakdiff.capture.sites import Line
from leakdiff.source_files import is_own_file, is_users_file

_WARM_UP = 32
_SAMPLE = 64
_BLOCKS, _BYTES = 0, 1
_EMPTY = array("q")
# What measuring may fail with; not Exception: a signal handler of the user's may raise in the middle of it.
OWN_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    StopIteration,
    TypeError,
    ValueError,
)
_WIDTH = 8  # of an open call: frame, which of its calls, function and place, gauges and references before, inside it

Place = tuple[Line, Line | None]  # the line that calls, and the line of the user's code it was called by
_Key = tuple[CFunction, Place]


@attrs.frozen
class CallCost:
    """What the calls of one C function from one line left behind in a round.

    Attributes:
        function: Its qualified name.
        module: The module that defines it.
        line: The line that calls it.
        users_line: The line of the user's own code under which that happened, if there is one.
        calls: How many calls.
        blocks: Python's memory blocks that were more afterwards, without those of C functions called inside.
        bytes: Bytes of the C heap that were more afterwards, likewise.
        all_blocks: Blocks with those of the C functions called inside.
        all_bytes: Bytes with those of the C functions called inside.
        references: References to the first argument that were more afterwards; only known on 3.12 and newer.
    """

    function: str
    module: str
    line: Line
    users_line: Line | None
    calls: int
    blocks: int
    bytes: int
    all_blocks: int
    all_bytes: int
    references: int


class Ledger:
    """Books changes of two gauges on the calls that were running; what the booking itself needs does not count.

    Open calls lie in arrays: tuples and lists would go back to free lists, from where the program would take them.
    Threads book at any time: what is shared by them is only added to by ``setdefault``, which is one step.

    Attributes:
        missed: How many times measuring a call failed.
    """

    def __init__(self, native: Callable[[], int]) -> None:
        self._native = native
        self._now = array("q", (0, 0))
        self._own = array("q", (0, 0))
        self._bias = (0, 0)
        self._calibrating = False
        self.missed = 0
        self._next = itertools.count()
        self._numbers: dict[_Key, int] = {}
        self._booked: dict[int, list[int]] = {}  # calls, blocks, bytes, both with the calls inside, references
        self._open: dict[int, array[int]] = {}  # by thread
        self._is_own: dict[str, bool] = {}
        self._is_users: dict[str, bool] = {}

    def calibrate(self) -> None:
        """Measure calls that leave nothing: what they seem to leave is an effect of measuring."""
        self._calibrating = True
        for samples in (_WARM_UP, _SAMPLE):
            self._forget()
            for _ in range(samples):
                gc.isenabled()
        self._calibrating = False
        seen = [booked for function, _, booked in self._entries() if function[0] == "gc.isenabled" and booked[0]]
        calls, blocks, size = seen[0][:3] if seen else (1, 0, 0)
        self._bias = round(blocks / calls), round(size / calls)
        self._forget()

    def _forget(self) -> None:
        self._numbers, self._booked, self._open = {}, {}, {}  # clear() would be a call like others

    def _entries(self) -> list[tuple[CFunction, Place, list[int]]]:
        """Return what is booked by now; another thread may be between numbering a call and booking it."""
        numbers, booked = self._numbers.copy(), self._booked.copy()
        return [(*key, booked[number]) for key, number in numbers.items() if number in booked]

    def opened(
        self, called: object, frame: FrameType, at: int = 0, name: CFunction | None = None, count: int = 0
    ) -> None:
        """Note that a call begins, if C code is called.

        Args:
            called: What is called.
            frame: The frame that calls.
            at: Which of the frame's calls it is, where several may be open at a time.
            name: How to name what is called, where that is known.
            count: References to the first argument.
        """
        users = self._users_frame(frame)  # looking up makes frame objects, which go when their functions return
        self._pause()
        # A call of its own: what it let go of after _go_on would count.
        self._begin(called if name is None else name, frame, users, at, count)
        self._go_on()

    def _begin(self, called: object, frame: FrameType, users: FrameType | None, at: int, count: int) -> None:
        function = called if type(called) is tuple else c_function(called)
        if function is not None and (self._calibrating or not _remembered(self._is_own, frame, is_own_file)):
            place = _line(frame), _line(users) if users is not None else None
            number = self._numbers.setdefault((function, place), next(self._next))
            self._booked.setdefault(number, [0, 0, 0, 0, 0, 0])
            stack = self._open.setdefault(get_ident(), array("q"))
            _drop(stack, id(frame), at)  # an exception ended it
            stack.extend((id(frame), at, number, *self._past(), count, 0, 0))

    def closed(self, frame: FrameType, at: int = 0, count: int = 0) -> None:
        """Book the call that ends; calls inside it that never ended, such as switches of a greenlet, are dropped."""
        self._pause()
        self._end(frame, at, count)
        self._go_on()

    def _end(self, frame: FrameType, at: int, count: int) -> None:
        stack = self._open.get(get_ident(), _EMPTY)
        if not (entry := _drop(stack, id(frame), at)):
            return
        _, _, number, blocks, size, count_before, blocks_inside, bytes_inside = entry
        now = self._past()
        gained = now[_BLOCKS] - blocks - self._bias[_BLOCKS], now[_BYTES] - size - self._bias[_BYTES]
        booked = self._booked.setdefault(number, [0, 0, 0, 0, 0, 0])  # forgotten meanwhile, if another thread's
        own = gained[_BLOCKS] - blocks_inside, gained[_BYTES] - bytes_inside
        for field, amount in enumerate((1, *own, *gained, count - count_before)):
            booked[field] += amount
        if stack:
            stack[-2] += gained[_BLOCKS]
            stack[-1] += gained[_BYTES]

    def _pause(self) -> None:
        self._now[_BLOCKS] = sys.getallocatedblocks()
        self._now[_BYTES] = self._native()

    def _go_on(self) -> None:
        blocks, size = sys.getallocatedblocks(), self._native()  # blocks first: every other number is a block itself
        self._own[_BYTES] += size - self._now[_BYTES]
        self._own[_BLOCKS] += blocks - self._now[_BLOCKS]

    def _past(self) -> tuple[int, int]:
        """Return the gauges as they would be without the booking."""
        return self._now[_BLOCKS] - self._own[_BLOCKS], self._now[_BYTES] - self._own[_BYTES]

    def _users_frame(self, frame: FrameType | None) -> FrameType | None:
        """Return the nearest frame of the user's own code."""
        while frame is not None and not _remembered(self._is_users, frame, is_users_file):
            frame = frame.f_back
        return frame

    def costs(self) -> list[CallCost]:
        """Return what was booked, most bytes and blocks first."""
        found = [CallCost(*function, *place, *booked) for function, place, booked in self._entries()]
        return sorted(found, key=lambda cost: (-cost.bytes, -cost.blocks, cost.function, cost.line))


def _drop(stack: array[int], frame: int, at: int) -> array[int]:
    """Take an open call from a stack, and all above it; nothing is taken if there is no such call."""
    for start in range(len(stack) - _WIDTH, -1, -_WIDTH):
        if stack[start] == frame and stack[start + 1] == at:
            entry = stack[start : start + _WIDTH]
            del stack[start:]
            return entry
    return _EMPTY


def _line(frame: FrameType) -> Line:
    return frame.f_code.co_filename, frame.f_lineno


def _remembered(known: dict[str, bool], frame: FrameType, is_wanted: Callable[[str], bool]) -> bool:
    path = frame.f_code.co_filename
    if path not in known:
        known[path] = is_wanted(path)
    return known[path]
