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
from typing import Any, Literal

import attrs

from leakdiff.errors import LeakdiffError
from leakdiff.model.profile import Profile
from leakdiff.model.report import Report
from leakdiff.model.snapshot import Snapshot
from leakdiff.watcher import told
from leakdiff.web.refusals import Busy, NotKnown, TooOften

State = Literal["running", "done", "failed", "stopped"]

MOST_SAMPLES = 60_000  # of all profiles that are kept: each takes half a kilobyte, for its stack
_GONE = ("profile", "no longer kept: later ones took its place")


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
        is_stopping: Whether somebody has asked that it ends.
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
    is_stopping: bool = False

    @property
    def left(self) -> float:
        """Seconds until it is expected to end, at least 1."""
        return max(1.0, self.began + self.expected - time.time())


class Stopped(Exception):
    """Somebody asked that a measurement ends."""


Say = Callable[[float, str], None]  # tells how far it is, from 0 to 1, and what is happening; raises Stopped
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
        self._running: Job | None = None  # in _jobs as well, if it is kept
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
        except BaseException as error:
            self._end(job.id, state="failed", said="no thread could be started", slug="cannot-measure")
            if not isinstance(error, RuntimeError | MemoryError):  # such as Ctrl-C
                raise
        return self.get(job.id)

    def stop(self, name: str) -> Job:
        """Ask that a job ends; it does when it next says how far it is, and one that has ended stays as it is.

        Raises:
            NotKnown: If it is not kept here.
        """
        self._change(name, is_stopping=True)
        return self.get(name)

    @contextmanager
    def turn(self, kind: str, *, expected: float = 1.0) -> Iterator[None]:
        """Do something short in this thread while no measurement runs; it is not kept, and needs no pause before it.

        Raises:
            Busy: If one is under way.
        """
        self._admit(kind, expected, is_kept=False)
        try:
            yield
        finally:
            with self._lock:
                self._running = None

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
                f"It belongs to the worker with pid {pid[:10]}; this one has {self.pid}. Ask again: another worker may "
                "answer."
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
            return self._running

    def _admit(self, kind: str, expected: float, *, is_kept: bool = True) -> Job:
        with self._lock:
            running = self._running
            if running is not None:
                raise Busy(running.kind, running.id, running.left)
            now = self._clock()
            if is_kept and now < self._free_from:
                last = next(reversed(self._jobs.values()))
                raise TooOften(f"A {kind}", self._free_from - now, after=f"the last measurement ({last.kind})")
            name = f"{self.pid}-{next(self._numbers)}-{secrets.token_hex(4)}"
            job = Job(id=name, kind=kind, began=time.time(), expected=expected)
            self._running = job
            if is_kept:
                self._jobs[name] = job
            while len(self._jobs) > self._most:
                self._jobs.popitem(last=False)
            return job

    def _run(self, name: str, work: Work) -> None:
        def say(share: float, said: str) -> None:
            if self._change(name, share=min(1.0, max(0.0, share)), said=said):
                raise Stopped

        try:
            outcome = work(say)
        except Stopped:
            self._end(name, state="stopped", said="it was stopped, and nothing of it is kept")
        except BaseException as error:  # noqa: BLE001 - whatever it is, the service must not notice
            slug = error.slug if isinstance(error, LeakdiffError) else "view-failed"
            self._end(name, state="failed", said=told(error), slug=slug)
        else:
            self._end(name, state="done", said=outcome.said, share=1.0, outcome=outcome)

    def _change(self, name: str, **changes: Any) -> bool:
        """Change a job that runs, and tell whether it is to end."""
        with self._lock:
            return self._changed(name, changes).is_stopping if self._is_running(name) else False

    def _end(self, name: str, **changes: Any) -> None:
        """End a job, and let the next begin: who sees that it has ended can begin another."""
        with self._lock:
            if self._is_running(name):
                self._changed(name, {**changes, "ended": time.time()})
                self._running = None
                self._free_from = self._clock() + self._cooldown
                self._thin_out()

    def _is_running(self, name: str) -> bool:
        return name in self._jobs and self._running is not None and self._running.id == name

    def _changed(self, name: str, changes: dict[str, Any]) -> Job:
        job = self._running = self._jobs[name] = attrs.evolve(self._jobs[name], **changes)
        return job

    def _thin_out(self) -> None:
        """Let go of the oldest profiles where there is more than can be kept; the latest stays, however large."""
        samples, is_latest = 0, True
        for name, job in reversed(self._jobs.items()):
            outcome = job.outcome
            if outcome is None or outcome.profile is None:
                continue
            samples += len(outcome.profile.samples)
            if samples > MOST_SAMPLES and not is_latest:
                thinned = attrs.evolve(outcome, profile=None, facts=(*outcome.facts, _GONE))
                self._jobs[name] = attrs.evolve(job, outcome=thinned)
            is_latest = False
