"""Books what happens to a container's length on the lines that ran, told of every line of the functions watched."""

from __future__ import annotations

import sys
import threading
import time
import types
from _thread import get_ident
from collections.abc import Callable, Collection

import attrs

from leakdiff.capture.inserts import Gauge
from leakdiff.source_files import is_own_file, passes_on

Place = tuple[str, int, str]  # file, line, function
Trail = tuple[Place, ...]  # innermost first
Lines = Collection[tuple[str, int]]
At = tuple[str, int]

_DEEPEST = 64  # lines of a stack that are kept
_MOST_TRAILS = 2_000
_TIMED = 64  # of so many events one is timed


@attrs.define(eq=False)
class Tally:
    """How often a stack changed the length, and by how many entries in all.

    Attributes:
        times: How often.
        entries: Entries.
        perhaps: Entries that it may have put in, and somebody else as well.
    """

    times: int = 0
    entries: int = 0
    perhaps: int = 0


@attrs.define(eq=False)
class Booked:
    """What is known of the changes of a length.

    Attributes:
        puts: What put entries in, by stack.
        gones: What took entries out.
        untold: Entries that nobody who is known put in.
        lost: Entries that nobody who is known took out.
        contested: Changes seen while another thread had done its line as well, and told apart by what the lines did
            before.
        events: How often the length was read.
        crowded: Entries of stacks beyond the most that are kept.
    """

    puts: dict[Trail, Tally] = attrs.field(factory=dict)
    gones: dict[Trail, Tally] = attrs.field(factory=dict)
    untold: int = 0
    lost: int = 0
    contested: int = 0
    events: int = 0
    crowded: int = 0

    def add(self, trail: Trail, change: int, times: int = 1) -> None:
        """Book a change on a stack."""
        table = self.puts if change > 0 else self.gones
        tally = table.get(trail)
        if tally is None:
            if len(table) >= _MOST_TRAILS:
                self.crowded += abs(change)
                return
            tally = table[trail] = Tally()
        tally.times += times
        tally.entries += abs(change)

    def add_unknown(self, change: int) -> None:
        """Book a change that nobody is known to have made."""
        self.untold += max(0, change)
        self.lost += max(0, -change)


class _Running:
    """A line that runs: of which frame, and by how much it has changed the length so far."""

    __slots__ = ("code", "frame", "gained", "line")

    def __init__(self, frame: types.FrameType, line: int) -> None:
        self.frame, self.code, self.line, self.gained = id(frame), frame.f_code, line, 0

    def is_of(self, frame: types.FrameType) -> bool:
        """Tell whether it is a line of this frame."""
        return self.frame == id(frame) and self.code is frame.f_code

    def calls(self, frame: types.FrameType) -> bool:
        """Tell whether it is a line of a frame above this one; else an exception has ended it."""
        return _frame_of(self, frame.f_back) is not None


class Ledger:
    """Told of every line that begins, of every return and every suspension, it books changes on the line that ran.

    A thread may lose its turn after its line has put and before the length is read: whoever reads it next sees the
    change. What each line did the times before tells whose it was then; ``contested`` counts how often.

    Attributes:
        booked: What is known so far.
    """

    def __init__(self, gauge: Gauge, puts: Lines = (), gones: Lines = ()) -> None:
        """Begin with the present length.

        Args:
            gauge: Reads the length.
            puts: Lines that the source says put one entry in.
            gones: Lines that it says take one out.
        """
        self.booked = Booked()
        self._gauge = gauge
        self._last = gauge()
        self._lock = threading.RLock()  # a finalizer may run such a line while its thread is in here
        self._running: dict[int, list[_Running]] = {}  # by thread, innermost last
        self._usual: dict[At, int] = {**dict.fromkeys(gones, -1), **dict.fromkeys(puts, 1)}
        self._body = 0  # where in ``tell`` the length is read: a thread that has not come so far has yet to read it
        self._timed = 0
        self._is_over = False

    @property
    def cpu(self) -> float:
        """CPU seconds that the events took: those that were timed stand for all."""
        return self._timed * _TIMED / 1e9

    @property
    def length(self) -> int:
        """The length at the last event."""
        return self._last

    def follow(self, gauge: Gauge) -> None:
        """Go on with another container."""
        with self._lock:
            self._gauge, self._last = gauge, gauge()

    def close(self) -> None:
        """Read the length for the last time, and let go of the container and of all code."""
        with self._lock:
            if self._is_over:
                return
            change, self._last = self._gauge() - self._last, self._gauge()
            if change:
                self.booked.add_unknown(change - self._theirs(get_ident(), change))
            self._is_over = True
            self._gauge = int
            self._running.clear()

    def tell(self, frame: types.FrameType, line: int) -> None:
        """Take note of an event: what has changed since the last one was done by the line that ran until now.

        Args:
            frame: Where.
            line: The line that begins; 0 where the function returns or is suspended.
        """
        with self._lock:
            self._body = self._body or sys._getframe().f_lasti  # noqa: SLF001 - the only way to one's own frame
            if self._is_over:
                return
            self.booked.events += 1
            began = 0 if self.booked.events % _TIMED else time.thread_time_ns()
            running = self._settle(frame)
            while running and not running[-1].is_of(frame) and not running[-1].calls(frame):
                running.pop()
            self._go_on(running, frame, line)
            if began:
                self._timed += time.thread_time_ns() - began

    def _go_on(self, running: list[_Running], frame: types.FrameType, line: int) -> None:
        is_known = bool(running) and running[-1].is_of(frame)
        if not line:
            if is_known:
                running.pop()
        elif is_known:
            running[-1].line, running[-1].gained = line, 0
        else:
            running.append(_Running(frame, line))

    def _settle(self, frame: types.FrameType) -> list[_Running]:
        """Book what has changed since the last event, and return the lines of this thread that run."""
        now = self._gauge()
        change, self._last = now - self._last, now
        thread = get_ident()
        running = self._running.get(thread)
        if running is None:
            running = self._running[thread] = []
        if running:
            self._settle_line(thread, running[-1], frame, change)
        elif change:
            self.booked.add_unknown(change - self._theirs(thread, change))
        return running

    def _settle_line(self, thread: int, mine: _Running, frame: types.FrameType, change: int) -> None:
        is_done = mine.is_of(frame)
        surprise = change - self._due(mine) if is_done else 0
        theirs = self._theirs(thread, surprise, is_plain=abs(change - surprise) <= 1) if surprise else 0
        if change != theirs:
            self._book(mine, _trail(mine, frame), change - theirs)
        if surprise and not theirs and is_done:
            self._usual[mine.code.co_filename, mine.line] = mine.gained

    def _due(self, line: _Running) -> int:
        """Return what a line is still to do, if it does what it did the last time."""
        return self._usual.get((line.code.co_filename, line.line), 0) - line.gained

    def _theirs(self, thread: int, surprise: int, *, is_plain: bool = True) -> int:
        """Book on lines of other threads what they have done since the last event, as far as it explains a surprise.

        Args:
            thread: The one that reads the length.
            surprise: The change that is not its own, as it seems.
            is_plain: Whether also lines that are not known to have ended may have done it: where this thread's line
                puts as many as it likes, that is not to be told.
        """
        others = [(other, lines[-1]) for other, lines in self._running.items() if lines and other != thread]
        left = surprise
        if others:
            frames = sys._current_frames()  # noqa: SLF001 - the only way to the stacks of other threads
            standing = [(self._has_ended(frames.get(other)), line, frames.get(other)) for other, line in others]
            for has_ended, line, frame in sorted(standing, key=_ended_first):
                due = self._due(line)
                if frame is not None and due * left > 0 and abs(due) <= abs(left) and (has_ended or is_plain):
                    self._book(line, _trail(line, frame), due)
                    self.booked.contested += 1
                    left -= due
        return surprise - left

    def _has_ended(self, frame: types.FrameType | None) -> bool:
        """Tell whether a thread is about to say that its line has ended."""
        if frame is None or not is_own_file(frame.f_code.co_filename):
            return False
        return frame.f_code is not _TELL or frame.f_lasti < self._body

    def _book(self, line: _Running, trail: Trail, change: int) -> None:
        self.booked.add(trail, change, times=int(line.gained == 0))
        line.gained += change


_TELL = Ledger.tell.__code__


def _ended_first(standing: tuple[bool, _Running, types.FrameType | None]) -> bool:
    return not standing[0]


def _frame_of(line: _Running, frame: types.FrameType | None) -> types.FrameType | None:
    """Return the frame of a line, looked for from some frame on upwards."""
    while frame is not None and not line.is_of(frame):
        frame = frame.f_back
    return frame


def _trail(line: _Running, frame: types.FrameType) -> Trail:
    """Return the stack of a line that runs or has just ended: its frame is this one or above it, or gone."""
    code = line.code
    found = _frame_of(line, frame)
    return ((code.co_filename, line.line, code.co_qualname), *trail_of(found.f_back if found is not None else None))


def trail_of(frame: types.FrameType | None) -> Trail:
    """Return the stack of a frame, innermost first."""
    places: list[Place] = []
    while frame is not None and len(places) < _DEEPEST:
        places.append((frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_qualname))
        frame = frame.f_back
    return tuple(places)


def without_own(trail: Trail) -> Trail:
    """Leave out leakdiff's own lines, and what called leakdiff to do the work; not who it hands requests on to."""
    kept: list[Place] = []
    for place in trail:
        if not is_own_file(place[0]):
            kept.append(place)
        elif not passes_on(place[0]):
            break
    return tuple(kept)
