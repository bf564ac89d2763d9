"""Watches who changes the length of one container, by the best means that this Python has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import attrs

from leakdiff.capture.inserts import Watched, look_up
from leakdiff.capture.inserts_booked import Booked, Ledger, Lines
from leakdiff.capture.inserts_codes import IsWatched, codes_below, everywhere, on_lines
from leakdiff.capture.inserts_monitored import MonitoredLines, is_there
from leakdiff.capture.inserts_sampled import SampledStacks
from leakdiff.capture.inserts_traced import TracedLines
from leakdiff.capture.workload import Workload

_LOOK_AROUND = 0.1  # seconds between two looks at whether the name leads to another container
_EARLY = "Ctrl-C ended it early"
_CALL = "the call that was watched"

Meter = Ledger | SampledStacks


@attrs.frozen
class Seen:
    """What was seen of a container; holds nothing of the program.

    Attributes:
        path: Its path.
        type: Its type's name.
        length: Entries at the end.
        gained: Entries at the end beyond those at the beginning.
        seconds: For how long it was watched.
        booked: Who changed its length.
        method: How that was found out, as a sentence without its full stop.
        cpu: CPU seconds that it took.
        not_seen: What could not be seen, in sentences.
        is_exact: Whether stacks were taken at the lines that put.
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


def watch(  # noqa: PLR0913 - each argument is a knob of its own
    watched: Watched, puts: Lines, gones: Lines, *, seconds: float, work: Workload | None, is_everywhere: bool
) -> Seen:
    """Watch a container while some work is done, or for some seconds.

    Args:
        watched: The container; is let go of.
        puts: Lines that the source says put entries in.
        gones: Lines that it says take them out.
        seconds: For how long, where there is no work.
        work: What to do once meanwhile.
        is_everywhere: Whether to watch every line of the program's own code.

    Raises:
        StepFailed: If the work raises.
        CannotMeasure: If somebody else uses what this needs.
    """
    watching = _Watching(watched, frozenset(puts), frozenset(gones), is_everywhere=is_everywhere or not (puts or gones))
    try:
        if not is_there() and work is None:
            return watching.by_samples(seconds)
        return watching.by_lines(seconds, work)
    finally:
        watching.end(work)


class _Watching:
    """One container that is watched."""

    def __init__(
        self,
        watched: Watched,
        puts: frozenset[tuple[str, int]],
        gones: frozenset[tuple[str, int]],
        *,
        is_everywhere: bool,
    ) -> None:
        self._path, self._type, self._identity = watched.path, watched.type, watched.identity
        self._puts, self._gones, self._is_everywhere = puts, gones, is_everywhere
        self._gauge = watched.gauge()
        self._before = self._gauge()
        self._began, self._cpu, self._away = time.monotonic(), time.thread_time(), 0.0
        self._notes: list[str] = []
        self._moved = 0
        self._next = 0.0

    def by_lines(self, seconds: float, work: Workload | None) -> Seen:
        """Watch every line of the functions in question."""
        ledger = Ledger(self._gauge, self._puts, self._gones)
        lines, method = self._lines(ledger)
        try:
            with lines:
                self._before = ledger.begin()
                if work is None:
                    self._wait(seconds, ledger)
                else:
                    self._do(work)
        except KeyboardInterrupt:
            self._notes.append(_EARLY)
        finally:
            ledger.close()
        return self._seen(ledger, method, ledger.cpu, is_exact=True)

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
            "Sampled: the length was read again and again, and when it had grown the stacks of the other threads were "
            "taken: a stack is what its thread did just after, from the function on that puts"
        )
        if not self._puts:
            self._notes.append("no line is known that puts into it, so that no stack could be told from another")
        return self._seen(sampled, method, 0.0, is_exact=False)

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
                f"Exact in this thread and those that it started: sys.settrace told of every line of {what}, and the "
                "length was read at each"
            )
        return self._monitored(ledger, is_watched, what)

    def _monitored(self, ledger: Ledger, is_watched: IsWatched, what: str) -> tuple[AbstractContextManager[Any], str]:
        wanted = frozenset(file for file, _ in self._puts | self._gones)
        codes = codes_below(frozenset() if self._is_everywhere else wanted, is_watched)
        if not codes and not self._is_everywhere:
            self._notes.append("no live function has the lines that put into it, so that all code was watched")
            self._is_everywhere = True
            return self._lines(ledger)
        method = f"Exact: sys.monitoring told of every line of {what}, in all threads, and the length was read at each"
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

    def _seen(self, meter: Meter, method: str, cpu: float, *, is_exact: bool) -> Seen:
        booked, length = meter.booked, meter.length
        return Seen(
            path=self._path,
            type=self._type,
            length=length,
            gained=length - self._before,
            seconds=time.monotonic() - self._began,
            booked=booked,
            method=method,
            cpu=cpu + time.thread_time() - self._cpu - self._away,
            not_seen=(*self._notes, *self._unseen(booked, is_exact=is_exact)),
            is_exact=is_exact,
        )

    def _unseen(self, booked: Booked, *, is_exact: bool) -> Iterator[str]:
        if self._moved:
            times = "once" if self._moved == 1 else f"{self._moved:,} times"
            yield f"the name was given to another container {times}: what went in until that was seen is not counted"
        if booked.untold:
            who_else = self._who_else(is_exact=is_exact)
            yield f"of {_entries(booked.untold)} it is not known who put them in: {who_else}"
        if booked.lost:
            who = (
                "a callback, C code, or lines that the source does not show"
                if is_exact
                else "stacks are taken of those that put"
            )
            yield f"of {_entries(booked.lost)} it is not known who took them out: {who}"
        if booked.contested:
            yield (
                f"{booked.contested:,} times two threads had run such a line at the same moment: what each had done "
                "before told whose the change was"
            )
        if booked.failed:
            yield f"{booked.failed:,} events could not be taken note of, as where the program had no stack left"
        if booked.crowded:
            yield f"{_entries(booked.crowded)} of further stacks were left out: there were too many stacks"

    def _who_else(self, *, is_exact: bool) -> str:
        if not is_exact:
            return "several threads could have, or none did any more (CPython 3.12 and newer tell exactly)"
        if not is_there():
            return "other threads do not show before CPython 3.12, or it was code that no line is known of"
        if self._is_everywhere:
            return "code of a library in a thread of its own, C code, or a function made meanwhile"
        return "lines that the source does not show (everywhere=True watches all of the program's own)"


def _entries(count: int) -> str:
    return f"{count:,} {'entry' if count == 1 else 'entries'}"
