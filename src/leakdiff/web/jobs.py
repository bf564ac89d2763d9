"""Measurements that take a while: one at a time, in a thread of their own, with progress and a result to ask for."""

from __future__ import annotations

import itertools
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import attrs

from leakdiff.errors import LeakdiffError
from leakdiff.model.profile import Profile
from leakdiff.model.report import Report
from leakdiff.model.snapshot import Snapshot
from leakdiff.watcher import told
from leakdiff.web.refusals import Busy, NotKnown, TooOften

State = Literal["running", "done", "failed"]


@attrs.frozen(kw_only=True)
class Outcome:
    """What a job found.

    Attributes:
        said: It in a sentence.
        snapshot: A snapshot it took.
        report: A report it made.
        profile: A profile it read.
        facts: Names and values beside, such as costs.
    """

    said: str
    snapshot: Snapshot | None = None
    report: Report | None = None
    profile: Profile | None = None
    facts: tuple[tuple[str, str], ...] = ()


@attrs.frozen(kw_only=True)
class Job:
    """One measurement, as it stands.

    Attributes:
        id: Its name: the process id, a number and a random part.
        kind: ``snapshot``, ``watch``, ``tracing`` or ``gc``.
        state: Where it is.
        began: UTC seconds.
        expected: Seconds it was expected to take.
        share: How far it is, from 0 to 1.
        said: What is happening, or what came of it.
        ended: UTC seconds; None while it runs.
        slug: Of the error, if it failed.
        outcome: What it found, if it is done.
    """

    id: str
    kind: str
    state: State = "running"
    began: float
    expected: float
    share: float = 0.0
    said: str = "beginning"
    ended: float | None = None
    slug: str = ""
    outcome: Outcome | None = None

    @property
    def left(self) -> float:
        """Seconds until it is expected to end, at least 1."""
        return max(1.0, self.began + self.expected - time.time())


Say = Callable[[float, str], None]  # tells how far it is, from 0 to 1, and what is happening
Work = Callable[[Say], Outcome]


class Jobs:
    """The measurements of one process; a forked child begins with none.

    Args:
        cooldown: Seconds between two of them.
        most: How many are kept.
        clock: Seconds of a clock that never jumps.
    """

    def __init__(self, *, cooldown: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.pid = os.getpid()
        self._cooldown, self._most, self._clock = cooldown, most, clock
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._running: str | None = None
        self._free_from = float("-inf")

    def begin(self, kind: str, work: Work, *, expected: float) -> Job:
        """Begin a measurement in a thread of its own.

        Args:
            kind: What it is.
            work: Does it, and says how far it is.
            expected: Seconds it is expected to take.

        Raises:
            Busy: If one is under way.
            TooOften: If one ended a moment ago.
        """
        job = self._admit(kind, expected)
        thread = threading.Thread(target=self._run, args=(job.id, work), name="leakdiff-web-job", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread can be started here
            self._end(job.id, state="failed", said="no thread could be started", slug="cannot-measure")
        return self.get(job.id)

    @contextmanager
    def turn(self, kind: str, *, expected: float = 1.0) -> Iterator[None]:
        """Do something short in this thread while no measurement runs; it is not kept, and needs no pause before it.

        Raises:
            Busy: If one is under way.
        """
        job = self._admit(kind, expected, is_kept=False)
        try:
            yield
        finally:
            with self._lock:
                self._running = None
                del self._jobs[job.id]

    def get(self, name: str) -> Job:
        """Return a job by its id.

        Raises:
            NotKnown: If it is not kept here.
        """
        with self._lock:
            found = self._jobs.get(name)
        if found is None:
            pid = name.partition("-")[0]
            is_other = pid.isdecimal() and pid != str(self.pid)
            raise NotKnown(
                "job",
                name[:80],
                f"It belongs to the worker with pid {pid[:10]}; this one has {self.pid}. Ask again: another worker may answer."
                if is_other
                else f"It keeps the last {self._most}, and none of before a restart.",
            )
        return found

    def all(self) -> tuple[Job, ...]:
        """Return those that are kept, the latest first."""
        with self._lock:
            return tuple(reversed(self._jobs.values()))

    def running(self) -> Job | None:
        """Return the one under way."""
        with self._lock:
            return self._jobs[self._running] if self._running is not None else None

    def _admit(self, kind: str, expected: float, *, is_kept: bool = True) -> Job:
        with self._lock:
            if self._running is not None:
                running = self._jobs[self._running]
                raise Busy(running.kind, running.id, running.left)
            now = self._clock()
            if is_kept and now < self._free_from:
                raise TooOften(f"A {kind}", self._free_from - now)
            name = f"{self.pid}-{next(self._numbers)}-{secrets.token_hex(4)}"
            job = Job(id=name, kind=kind, began=time.time(), expected=expected)
            self._jobs[name], self._running = job, name
            while len(self._jobs) > self._most:
                self._jobs.popitem(last=False)
            return job

    def _run(self, name: str, work: Work) -> None:
        def say(share: float, said: str) -> None:
            self._change(name, share=min(1.0, max(0.0, share)), said=said)

        try:
            outcome = work(say)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the service must not notice
            slug = error.slug if isinstance(error, LeakdiffError) else "view-failed"
            self._end(name, state="failed", said=told(error), slug=slug)
            return
        self._end(name, state="done", said=outcome.said, share=1.0, outcome=outcome)

    def _end(self, name: str, **changes: object) -> None:
        self._change(name, ended=time.time(), **changes)
        with self._lock:
            self._running = None
            self._free_from = self._clock() + self._cooldown

    def _change(self, name: str, **changes: object) -> None:
        with self._lock:
            if name in self._jobs:
                self._jobs[name] = attrs.evolve(self._jobs[name], **changes)  # type: ignore[arg-type]
