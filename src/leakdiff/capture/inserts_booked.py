"""Books what happens to a container's length on the lines that ran, told of every line of the functions watched."""

from __future__ import annotations

import itertools
import operator
import sys
import time
import types
from _thread import get_ident
from collections.abc import Callable, Collection, Iterator, Mapping

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

    def plus(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(self.times + other.times, self.entries + other.entries, self.perhaps + other.perhaps)


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
        failed: Events that could not be taken note of.
    """

    puts: dict[Trail, Tally] = attrs.field(factory=dict)
    gones: dict[Trail, Tally] = attrs.field(factory=dict)
    untold: int = 0
    lost: int = 0
    contested: int = 0
    events: int = 0
    crowded: int = 0
    failed: int = 0

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

    def merge(self, other: Booked) -> None:
        """Add what another one knows."""
        for mine, theirs in ((self.puts, other.puts), (self.gones, other.gones)):
            for trail, tally in list(theirs.items()):
                mine[trail] = mine.get(trail, Tally()).plus(tally)
        self.untold += other.untold
        self.lost += other.lost
        self.contested += other.contested
        self.events += other.events
        self.crowded += other.crowded
        self.failed += other.failed

    def add_unknown(self, change: int) -> None:
        """Book a change that nobody is known to have made."""
        self.untold += max(0, change)
        self.lost += max(0, -change)


class _Running:
    """A line that runs: of which frame, and by how much it has changed the length so far."""

    __slots__ = ("code", "frame", "gained", "line")

    def __init__(self, frame: types.FrameType, line: int) -> None:
        self.frame, self.code, self.line, self.gained = id(frame), frame.f_code, line, 0

    @property
    def at(self) -> At:
        """Its file and number."""
        return self.code.co_filename, self.line

    def is_of(self, frame: types.FrameType) -> bool:
        """Tell whether it is a line of this frame."""
        return self.frame == id(frame) and self.code is frame.f_code

    def calls(self, frame: types.FrameType) -> bool:
        """Tell whether it is a line of a frame above this one; else an exception has ended it."""
        return _frame_of(self, frame.f_back) is not None


class Lengths:
    """Reads a length and what has changed since the last reading, both at once for all threads.

    Attributes:
        last: The length at the last reading.
        reading: Yields the present length. A ``for`` takes one without a call: after calls, at the start of functions
            and at the end of loops, and nowhere else, the interpreter lets other threads have a turn.
    """

    __slots__ = ("last", "reading")

    def __init__(self, gauge: Gauge) -> None:
        self.follow(gauge)

    def follow(self, gauge: Gauge) -> None:
        """Read what this gauge does from now on."""
        self.last = gauge()
        self.reading = _calls(gauge)


class Ledger:
    """Told of every line that begins, of every return and every suspension, it books changes on the line that ran.

    A thread may lose its turn after its line has put and before the length is read: whoever reads it next sees the
    change. What each line did the times before tells whose it was then; ``contested`` counts how often.

    Attributes:
        lengths: Reads the length: those who tell of events read it first of all, and hand on the change.
        failed: Events that those could not hand on: the program must not see what goes wrong here.
    """

    def __init__(self, gauge: Gauge, puts: Lines = (), gones: Lines = ()) -> None:
        """Begin with the present length.

        Args:
            gauge: Reads the length.
            puts: Lines that the source says put entries in.
            gones: Lines that it says take them out.
        """
        self.lengths = Lengths(gauge)
        self.failed = 0
        self._signs: dict[At, int] = {**dict.fromkeys(gones, -1), **dict.fromkeys(puts, 1)}
        self._usual: dict[At, int] = {}  # what a line did the last time that it surely did something
        self._threads: dict[int, _Thread] = {}
        self._readers: tuple[types.CodeType, ...] = ()
        self._is_over = False

    @property
    def booked(self) -> Booked:
        """What is known so far."""
        whole = Booked(failed=self.failed)
        for thread in list(self._threads.values()):
            whole.merge(thread.booked)
        return whole

    @property
    def cpu(self) -> float:
        """CPU seconds that the events took: those that were timed stand for all."""
        return sum(thread.timed for thread in list(self._threads.values())) * _TIMED / 1e9

    @property
    def length(self) -> int:
        """The length at the last event."""
        return self.lengths.last

    def read_by(self, *functions: Callable[..., object]) -> None:
        """Say which functions are told of events, and read the length on the first line of their body."""
        self._readers = tuple(function.__code__ for function in functions)

    def begin(self) -> int:
        """Begin anew with the present length, and return it: what went in while this was prepared was nobody's."""
        for thread in list(self._threads.values()):
            thread.booked = Booked()
        self.lengths.last = next(self.lengths.reading)
        return self.lengths.last

    def follow(self, gauge: Gauge) -> None:
        """Go on with another container."""
        self.lengths.follow(gauge)

    def close(self) -> None:
        """Read the length for the last time, and let go of the container and of all code."""
        if self._is_over:
            return
        self._is_over = True
        now = next(self.lengths.reading)
        change, self.lengths.last = now - self.lengths.last, now
        self._book_for(self._thread(), change)
        self.lengths.reading = _calls(lambda: now)
        for thread in list(self._threads.values()):
            thread.running = []

    def tell(self, frame: types.FrameType, line: int, change: int) -> None:
        """Take note of an event: what has changed since the last one was done by the line that ran until now.

        Args:
            frame: Where.
            line: The line that begins; 0 where the function returns or is suspended.
            change: By how much the length has changed since the last event, in whichever thread that was.
        """
        thread = self._thread()
        thread.booked.events += 1
        if self._is_over:
            return
        began = 0 if thread.booked.events % _TIMED else time.thread_time_ns()
        running = thread.running
        if running:
            self._settle(thread, running[-1], frame, change)
        else:
            self._book_for(thread, change)
        while running and not running[-1].is_of(frame) and not running[-1].calls(frame):
            running.pop()
        _go_on(running, frame, line)
        if began:
            thread.timed += time.thread_time_ns() - began

    def _thread(self) -> _Thread:
        thread = self._threads.get(get_ident())
        if thread is None:
            thread = self._threads[get_ident()] = _Thread()
        return thread

    def _settle(self, thread: _Thread, mine: _Running, frame: types.FrameType, change: int) -> None:
        """Book a change on the line of this thread that ran, but for what others have done."""
        is_done = mine.is_of(frame)
        surprise = change - self._due(mine, 1) if is_done else 0
        theirs = self._theirs(thread, surprise, is_plain=abs(change - surprise) <= 1) if surprise else 0
        if change != theirs:
            thread.book(mine, _trail(mine, frame), change - theirs)
        if surprise and not theirs and is_done and mine.gained:
            self._usual[mine.at] = mine.gained

    def _book_for(self, thread: _Thread, change: int) -> None:
        """Book a change on the lines of others: in this thread, no line of a function that is watched has run."""
        if change:
            thread.booked.add_unknown(change - self._theirs(thread, change))

    def _due(self, line: _Running, most: int) -> int:
        """Return what a line is still to do, if it does what it did the last time.

        Args:
            line: The line.
            most: What it does if that is not known yet, where the source says that it does something.
        """
        usual = self._usual.get(line.at)
        return self._signs.get(line.at, 0) * most if usual is None else usual - line.gained

    def _theirs(self, thread: _Thread, surprise: int, *, is_plain: bool = True) -> int:
        """Book on lines of other threads what they have done since the last event, as far as it explains a surprise.

        Args:
            thread: The one that reads the length.
            surprise: The change that is not its own, as it seems.
            is_plain: Whether also lines that are not known to have ended may have done it: where this thread's line
                puts as many as it likes, that is not to be told.
        """
        others = [(key, other.running[-1:]) for key, other in list(self._threads.items()) if other is not thread]
        left = surprise
        if any(lines for _, lines in others):
            frames = frames_of_others()
            for is_midway in (False, True) if is_plain else (False,):
                for key, lines in others:
                    left -= self._explained(thread, lines, frames.get(key), left, is_midway=is_midway)
        return surprise - left

    def _explained(
        self, thread: _Thread, lines: list[_Running], frame: types.FrameType | None, left: int, *, is_midway: bool
    ) -> int:
        """Book on a line of another thread what of a change it explains, and return that."""
        if not lines or frame is None or self._stands(frame) is not is_midway:
            return 0
        due = self._due(lines[0], abs(left))
        if due * left <= 0 or abs(due) > abs(left):
            return 0
        thread.book(lines[0], _trail(lines[0], frame), due)
        thread.booked.contested += 1
        return due

    def _stands(self, frame: types.FrameType) -> bool | None:
        """Tell whether a thread is midway in its line; None where that has not begun, False where it has ended."""
        code = frame.f_code
        if not is_own_file(code.co_filename):
            return True
        is_unread = frame.f_lineno == code.co_firstlineno and any(code is reader for reader in self._readers)
        return False if is_unread else None


class _Thread:
    """What is known of one thread: the lines that run, innermost last, and what it has booked."""

    __slots__ = ("booked", "running", "timed")

    def __init__(self) -> None:
        self.booked, self.timed = Booked(), 0
        self.running: list[_Running] = []

    def book(self, line: _Running, trail: Trail, change: int) -> None:
        self.booked.add(trail, change, times=int(line.gained == 0))
        line.gained += change


def _calls(gauge: Gauge) -> Iterator[int]:
    """Return what calls something for each ``next``, in C."""
    return map(_call, itertools.repeat(gauge))


_call = operator.call


def _go_on(running: list[_Running], frame: types.FrameType, line: int) -> None:
    """Note which line of a frame runs now."""
    is_known = bool(running) and running[-1].is_of(frame)
    if not line:
        if is_known:
            running.pop()
    elif is_known:
        running[-1] = _Running(frame, line)
    else:
        running.append(_Running(frame, line))


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


def frames_of_others() -> dict[int, types.FrameType]:
    """Return what other threads run, by thread.

    Without our own: a frame that is among its own locals is a cycle, and keeps all that called it until a collection.
    """
    frames = sys._current_frames()  # noqa: SLF001 - the only way to the stacks of other threads
    frames.pop(get_ident(), None)
    return frames


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


def added_up(table: Mapping[Trail, Tally]) -> dict[Trail, Tally]:
    """Return what stacks did without leakdiff's own lines; those that are the same then count together."""
    found: dict[Trail, Tally] = {}
    for trail, tally in table.items():
        kept = without_own(trail) or trail[:1]
        found[kept] = found.get(kept, Tally()).plus(tally)
    return found
