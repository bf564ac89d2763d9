"""Watches who changes the length of one container, by the best means that this Python has."""

from __future__ import annotations

import time
from _thread import get_ident
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import attrs

from leakdiff.capture.inserts import Watched, look_up
from leakdiff.capture.inserts_booked import Booked, Lines
from leakdiff.capture.inserts_codes import IsWatched, codes_below, everywhere, on_lines
from leakdiff.capture.inserts_ledger import Ledger
from leakdiff.capture.inserts_monitored import MonitoredLines, is_there
from leakdiff.capture.inserts_sampled import SampledStacks
from leakdiff.capture.inserts_traced import TracedLines
from leakdiff.capture.workload import Workload

_LOOK_AROUND = 0.1  # seconds between two looks at whether the name leads to another container
_EARLY = "Ctrl-C ended it early"
_CALL = "the call that was watched"

_EXACT, _DOUBTED, _SAMPLED = "Exact", "Exact but for what several threads may have done", "Sampled"

Meter = Ledger | SampledStacks


@attrs.frozen
class Seen:
    """What was seen of a container; holds nothing of the program.

    Attributes:
        path: Its path.
        type: Its type's name.
        length: Entries at the end.
        gained: Entries it gained; where the name was given to another container, what each of them gained.
        seconds: For how long it was watched.
        booked: Who changed its length.
        method: How that was found out, as a sentence without its full stop.
        cpu: CPU seconds that it took.
        not_seen: What could not be seen, in sentences.
        is_exact: Whether stacks were taken at the lines that put, and told apart.
        is_sampled: Whether they were taken some moments later.
    """

    path: str
    type: str
    length: int
    gained: int
    seconds: float
    booked: Booked
    method: str
    cpu: float
    not_seen: tuple[str, ...]
    is_exact: bool
    is_sampled: bool


class Watching:
    """One container that is watched, for as long as its name leads to it."""

    def __init__(self, watched: Watched, puts: Lines, gones: Lines, *, is_everywhere: bool) -> None:
        """Take hold of a container.

        Args:
            watched: The container; whoever calls lets go of it, so that one that is replaced is freed.
            puts: Lines that the source says put entries in.
            gones: Lines that it says take them out.
            is_everywhere: Whether to watch every line of the program's own code.
        """
        self._path, self._type, self._identity = watched.path, watched.type, watched.identity
        self._puts, self._gones = frozenset(puts), frozenset(gones)
        self._is_everywhere = is_everywhere or not (puts or gones)
        self._gauge = watched.gauge()
        self._began, self._cpu, self._away = time.monotonic(), time.thread_time(), 0.0
        self._notes: list[str] = []
        self._moved = 0
        self._next = 0.0

    def watch(self, seconds: float, work: Workload | None) -> Seen:
        """Watch it while some work is done, or for some seconds, and let go of it.

        Args:
            seconds: For how long, where there is no work.
            work: What to do once meanwhile.

        Raises:
            StepFailed: If the work raises.
            CannotMeasure: If somebody else uses what this needs.
        """
        try:
            if not is_there() and work is None:
                return self.by_samples(seconds)
            return self.by_lines(seconds, work)
        finally:
            self.end(work)

    def by_lines(self, seconds: float, work: Workload | None) -> Seen:
        """Watch every line of the functions in question."""
        waiting = get_ident() if work is None else None
        ledger = Ledger(self._gauge, self._puts, self._gones, waiting=waiting)
        lines, method = self._lines(ledger)
        try:
            with lines:
                ledger.begin()
                if work is None:
                    self._wait(seconds, ledger)
                else:
                    self._do(work)
                    self._follow(ledger)
        except KeyboardInterrupt:
            self._notes.append(_EARLY)
        finally:
            ledger.close()
        return self._seen(ledger, method, ledger.cpu)

    def by_samples(self, seconds: float) -> Seen:
        """Watch the length, and take the stacks of the other threads when it has grown."""
        sampled = SampledStacks(self._gauge, self._puts)
        try:
            sampled.watch(self._until(seconds, sampled))
        except KeyboardInterrupt:
            self._notes.append(_EARLY)
        finally:
            sampled.close()
        method = (
            f"{_SAMPLED}: the length was read again and again, and when it had grown the stacks of the other threads "
            "were taken: a stack is what its thread did just after, from the function on that puts"
        )
        if not self._puts:
            self._notes.append("no line is known that puts into it, so that no stack could be told from another")
        return self._seen(sampled, method, 0.0)

    def end(self, work: Workload | None) -> None:
        """Let go of the container, and of the event loop of the work."""
        self._gauge = int
        if work is not None:
            work.tear_down()

    def _lines(self, ledger: Ledger) -> tuple[AbstractContextManager[Any], str]:
        """Return what tells the ledger of lines, and how to call it."""
        is_watched = everywhere if self._is_everywhere else on_lines(self._puts | self._gones)
        what = "the functions that put into it or take out of it"
        if self._is_everywhere:
            what = "the program's own functions, which makes them many times slower"
        if not is_there():
            return TracedLines(ledger, is_watched), (
                f"{_EXACT} in this thread and those that it started: sys.settrace told of every line of {what}, and "
                "the length was read at each"
            )
        return self._monitored(ledger, is_watched, what)

    def _monitored(self, ledger: Ledger, is_watched: IsWatched, what: str) -> tuple[AbstractContextManager[Any], str]:
        wanted = frozenset(file for file, _ in self._puts | self._gones)
        codes = codes_below(frozenset() if self._is_everywhere else wanted, is_watched)
        if not codes and not self._is_everywhere:
            self._notes.append("no live function has the lines that put into it, so that all code was watched")
            self._is_everywhere = True
            return self._lines(ledger)
        method = (
            f"{_EXACT}: sys.monitoring told of every line of {what}, in all threads, and the length was read at each"
        )
        return MonitoredLines(ledger, codes), method

    def _do(self, work: Workload) -> None:
        """Do the work; what it takes is not ours."""
        began = time.thread_time()
        try:
            work.run(1, _CALL)
        finally:
            self._away += time.thread_time() - began

    def _wait(self, seconds: float, meter: Meter) -> None:
        is_over = self._until(seconds, meter)
        while not is_over():
            time.sleep(min(_LOOK_AROUND, seconds))

    def _until(self, seconds: float, meter: Meter) -> Callable[[], bool]:
        """Return what tells whether the time is over; now and then it looks where the name leads."""
        ends = time.monotonic() + seconds

        def is_over() -> bool:
            now = time.monotonic()
            if now >= self._next:
                self._next = now + _LOOK_AROUND
                self._follow(meter)
            return now >= ends

        return is_over

    def _follow(self, meter: Meter) -> None:
        """Go on with another container where the name leads to another one."""
        found = look_up(self._path)
        if found is not None and found.identity != self._identity:
            self._identity, self._gauge = found.identity, found.gauge()
            meter.follow(self._gauge)
            self._moved += 1

    def _seen(self, meter: Meter, method: str, cpu: float) -> Seen:
        booked, is_sampled = meter.booked, type(meter) is SampledStacks
        if booked.doubted:
            method = method.replace(_EXACT, _DOUBTED, 1)
        return Seen(
            path=self._path,
            type=self._type,
            length=meter.length,
            gained=meter.gained,
            seconds=time.monotonic() - self._began,
            booked=booked,
            method=method,
            cpu=cpu + time.thread_time() - self._cpu - self._away,
            not_seen=(*self._notes, *self._unseen(booked, is_sampled=is_sampled)),
            is_exact=not is_sampled and not booked.doubted,
            is_sampled=is_sampled,
        )

    def _unseen(self, booked: Booked, *, is_sampled: bool) -> Iterator[str]:
        if self._moved:
            yield (
                f"the name was given to another container {_times(self._moved)}: what went in until that was seen is "
                "not counted"
            )
        if booked.doubted:
            yield (
                f"of {_entries(booked.doubted)} of those below it is not known which thread it was: a line that is "
                "watched may have done it, or code in another thread that is not"
            )
        if booked.untold:
            who_else = self._who_else(is_sampled=is_sampled)
            yield f"of {_entries(booked.untold)} it is not known who put them in: {who_else}"
        if booked.lost:
            who = (
                "stacks are taken of those that put"
                if is_sampled
                else "a callback, C code, or lines that the source does not show"
            )
            yield f"of {_entries(booked.lost)} it is not known who took them out: {who}"
        if booked.contested:
            yield (
                f"{_times(booked.contested)} two threads had run such a line at the same moment: what each had done "
                "before told whose the change was"
            )
        if booked.failed:
            events = f"{booked.failed:,} event{'s' * (booked.failed != 1)}"
            yield f"{events} could not be taken note of, as where the program had no stack left"
        if booked.crowded:
            yield f"{_entries(booked.crowded)} of those are of further stacks: there were too many"

    def _who_else(self, *, is_sampled: bool) -> str:
        if is_sampled:
            return "several threads could have, or none did any more (CPython 3.12 and newer tell exactly)"
        if not is_there():
            return "other threads do not show before CPython 3.12, or it was code that no line is known of"
        if self._is_everywhere:
            return "code of a library, C code, or a function made meanwhile"
        return "lines that the source does not show (everywhere=True watches all of the program's own)"


def _entries(count: int) -> str:
    return f"{count:,} {'entry' if count == 1 else 'entries'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
