"""Books what happens to a container's length on the lines that ran, told of every line of the functions watched."""

from __future__ import annotations

import time
import types
from _thread import _count, get_ident
from collections.abc import Callable

from leakdiff.capture.inserts import Gauge
from leakdiff.capture.inserts_booked import Booked, Lines, Trail, frames_of_others
from leakdiff.capture.inserts_running import At, Lengths, Running, Thread, go_on, stack_of
from leakdiff.source_files import is_own_file

_TIMED = 64  # of so many events one is timed


class Ledger:
    """Told of every line that begins, of every return and every suspension, it books changes on the line that ran.

    A thread may lose its turn after its line has put and before the length is read: whoever reads it next sees the
    change. Lines that did the same each time before are relied upon: a change is booked on those of other threads
    where they explain all of it; ``contested`` counts how often. Where they do not and other threads may have
    run code that is not watched, nobody is named; ``doubted`` counts the entries.

    Attributes:
        lengths: Reads the length: those who tell of events do so first of all, and hand on the change. It is replaced
            where the name leads to another container.
        failed: Events that those could not hand on: the program must not see what goes wrong here.
    """

    def __init__(self, gauge: Gauge, puts: Lines = (), gones: Lines = (), *, waiting: int | None = None) -> None:
        """Begin with the present length.

        Args:
            gauge: Reads the length.
            puts: Lines that the source says put entries in.
            gones: Lines that it says take them out.
            waiting: The thread that waits meanwhile in leakdiff's own code, and so changes nothing.
        """
        self.lengths = Lengths(gauge)
        self.failed = 0
        self._signs: dict[At, int] = {**dict.fromkeys(gones, -1), **dict.fromkeys(puts, 1)}
        self._usual: dict[At, int] = {}  # what a line did the last time that it surely did something
        self._steady: dict[At, bool] = {}  # whether a line did what was due each time that it was seen to end
        self._threads: dict[int, Thread] = {}
        self._readers: tuple[types.CodeType, ...] = ()
        self._waiting = waiting
        self._gained = 0  # by containers that the name led to before
        self._is_over = False

    @property
    def booked(self) -> Booked:
        """What is known so far; what nobody could book, as where an event failed, nobody is known to have done."""
        whole = Booked(failed=self.failed)
        for thread in list(self._threads.values()):
            whole.merge(thread.booked)
        whole.add_unknown(self.gained - whole.balance)
        return whole

    @property
    def cpu(self) -> float:
        """CPU seconds that the events took: those that were timed stand for all."""
        return sum(thread.timed for thread in list(self._threads.values())) * _TIMED / 1e9

    @property
    def length(self) -> int:
        """The length at the last event."""
        return self.lengths.last

    @property
    def gained(self) -> int:
        """Entries that were gained up to the last event, by each container while the name led to it."""
        return self._gained + self.lengths.gained

    def read_by(self, *functions: Callable[..., object]) -> None:
        """Say which functions are told of events, and read the length on the first line of their body."""
        self._readers = tuple(function.__code__ for function in functions)

    def begin(self) -> None:
        """Begin anew with the present length: what went in while this was prepared was nobody's."""
        for thread in list(self._threads.values()):
            thread.booked = Booked()
        self.lengths.change()
        self.lengths.first = self.lengths.last

    def follow(self, gauge: Gauge) -> None:
        """Go on with another container."""
        before, self.lengths = self.lengths, Lengths(gauge)
        change = before.close()
        self._gained += before.gained
        self._book_for(self._thread(), change)

    def close(self) -> None:
        """Read the length for the last time, and let go of the container and of all code."""
        if self._is_over:
            return
        self._is_over = True
        self._book_for(self._thread(), self.lengths.close())
        for thread in list(self._threads.values()):
            thread.running = []

    def tell(self, frame: types.FrameType, line: int, change: int) -> None:
        """Take note of an event: what has changed since the last one was done by the line that ran until now.

        Args:
            frame: Where.
            line: The line that begins; 0 where the function ends or is suspended.
            change: By how much the length has changed since the last event, in whichever thread that was.
        """
        thread = self._thread()
        thread.booked.events += 1
        if self._is_over:
            return
        began = 0 if thread.booked.events % _TIMED else time.thread_time_ns()
        running = thread.running
        if self._has_lost(thread, frame) or not running:
            self._book_for(thread, change)
        else:
            self._settle(thread, running[-1], frame, change)
        go_on(running, frame, line)
        thread.beside = _count()
        if began:
            thread.timed += time.thread_time_ns() - began

    def _thread(self) -> Thread:
        thread = self._threads.get(get_ident())
        if thread is None:
            thread = self._threads[get_ident()] = Thread()
        return thread

    def _has_lost(self, thread: Thread, frame: types.FrameType) -> bool:
        """Forget lines whose functions ended without an event, and tell whether there were any: who ran since?"""
        running, has_lost = thread.running, thread.failed != self.failed
        if has_lost:  # the event that failed may have been the end of a function, and frames take each other's place
            thread.failed = self.failed
            running.clear()
        while running and not running[-1].is_of(frame) and not running[-1].calls(frame):
            running.pop()
            has_lost = True
        return has_lost

    def _settle(self, thread: Thread, mine: Running, frame: types.FrameType, change: int) -> None:
        """Book a change on the line of this thread that ran, but for what others have done or may have."""
        is_done = mine.is_of(frame)
        due = self._due(mine) if is_done else self._due_midway(mine, change)
        surprise = change - due
        if is_done and due:
            self._steady[mine.at] = self._steady.get(mine.at, True) and not surprise
        theirs = self._theirs(thread, surprise, is_plain=abs(due) <= 1) if surprise else 0
        own = change - theirs
        if own and theirs != surprise and self._is_beside_others(thread):
            self._doubt(thread, mine, stack_of(mine, frame), own)
            return
        if own:
            thread.book(mine, stack_of(mine, frame), own)
        if surprise and not theirs and is_done and mine.gained:
            self._usual[mine.at] = mine.gained

    def _doubt(self, thread: Thread, mine: Running, trail: Trail, change: int) -> None:
        """Book a change on nobody: this line may have made it, or code that is not watched in another thread.

        Where the source knows the lines that put, only they are said to be among those who may have.
        """
        thread.booked.add_unknown(change)
        thread.booked.doubted += abs(change)
        if change > 0 and (self._signs.get(mine.at, 0) > 0 or not self._signs):
            thread.booked.add_perhaps(trail, change)

    def _is_beside_others(self, thread: Thread) -> bool:
        """Tell whether another thread may have run since this one's last event; one may have ended meanwhile."""
        return _count() < thread.beside or not frames_of_others().keys() <= {self._waiting}

    def _book_for(self, thread: Thread, change: int) -> None:
        """Book a change on the lines of others: in this thread, no line of a function that is watched has run."""
        if change:
            thread.booked.add_unknown(change - self._theirs(thread, change))

    def _due(self, line: Running) -> int:
        """Return what a line is still to do: what it did the last time, else one where the source says that it does."""
        usual = self._usual.get(line.at)
        if usual is not None:
            return usual - line.gained
        return 0 if line.by_others else self._signs.get(line.at, 0)

    def _due_midway(self, line: Running, change: int) -> int:
        """Return what a line may have done that has called something meanwhile: one, where it does such."""
        sign = self._signs.get(line.at, 0)
        return sign if sign * change > 0 else 0

    def _theirs(self, thread: Thread, surprise: int, *, is_plain: bool = True) -> int:
        """Book on lines of other threads what they have done since the last event, and return it.

        Nothing, unless that explains all of a surprise: then somebody else has had a hand in it.

        Args:
            thread: The one that reads the length.
            surprise: The change that is not its own, as it seems.
            is_plain: Whether also lines that are not known to have ended may have done it: where this thread's line
                puts as many as it likes, that is not to be told.
        """
        lines = [
            (key, other.running[-1])
            for key, other in list(self._threads.items())
            if other is not thread and other.running
        ]
        explained = self._explained(lines, surprise, is_plain=is_plain) if lines else []
        if sum(due for *_, due in explained) != surprise:
            return 0
        for line, frame, due in explained:
            thread.book(line, stack_of(line, frame), due)
            line.by_others += due
            thread.booked.contested += 1
        return surprise

    def _explained(
        self, lines: list[tuple[int, Running]], surprise: int, *, is_plain: bool
    ) -> list[tuple[Running, types.FrameType, int]]:
        """Return lines of other threads that explain a change, with what each has done: first those that have ended."""
        frames = frames_of_others()
        found = []
        for is_midway in (False, True) if is_plain else (False,):
            for key, line in lines:
                frame, due = frames.get(key), self._due(line)
                fits = self._steady.get(line.at, False) and due * surprise > 0 and abs(due) <= abs(surprise)
                if fits and frame is not None and self._stands(frame) is is_midway:
                    found.append((line, frame, due))
                    surprise -= due
        return found

    def _stands(self, frame: types.FrameType) -> bool | None:
        """Tell whether a thread is midway in its line; None where that has not begun, False where it has ended."""
        code = frame.f_code
        if not is_own_file(code.co_filename):
            return True
        is_unread = frame.f_lineno == code.co_firstlineno and any(code is reader for reader in self._readers)
        return False if is_unread else None
