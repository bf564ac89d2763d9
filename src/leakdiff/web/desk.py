"""What the views look at: the measurements kept in this process, its monitor, its jobs and its routes."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from leakdiff.capture.identity import read_identity
from leakdiff.errors import SnapshotNotFound
from leakdiff.model.profile import Profile
from leakdiff.model.report import Finding, Report
from leakdiff.model.snapshot import Identity, Snapshot
from leakdiff.model.trend import Point, Trend
from leakdiff.web.discretion import discreet_profile, discreet_report, discreet_snapshot, masked
from leakdiff.web.jobs import Job, Jobs, Outcome, Say
from leakdiff.web.refusals import Failed, NotKnown, NotMeasured, NotReady, Refused, refusal_of
from leakdiff.web.routebook import RouteBook
from leakdiff.web.settings import Settings

if TYPE_CHECKING:
    from leakdiff.model.kept import Header
    from leakdiff.monitor import Monitor

_TREND_AGE = 300.0  # seconds at most that a trend is shown again before it is computed anew
_FAILURE_AGE = 10.0  # seconds at most that a failure is told again before it is tried anew
_TREND_REST = 50.0  # times what it took to compute it


@attrs.frozen
class Kept:
    """A snapshot by the name it has here."""

    id: str
    snapshot: Snapshot


@attrs.frozen
class Seen:
    """A report, and the job that made it."""

    job: Job
    report: Report


@attrs.frozen
class _Judged:
    """A trend or why there is none, and until when, on a clock that never jumps, it is told again."""

    until: float
    found: Trend | Refused

    def told(self) -> Trend:
        if isinstance(self.found, Refused):
            raise Failed.of(self.found)  # a new one, for it keeps the frames that it goes through
        return self.found


class Desk:
    """One process's part of an endpoint; a forked child begins another.

    What it keeps and gives has no source lines, no literals of them and no piece of a key: no view can tell them.

    Attributes:
        settings: What the endpoint was told; the service is the monitor's where nothing else was said.
        monitor: The process's monitor; None without one.
        jobs: Its measurements.
        pid: The process.
        routes: What requests cost, and which routes grow which owners.
    """

    def __init__(self, settings: Settings, monitor: Monitor | None) -> None:
        self.settings, self.monitor = _named(settings, monitor), monitor
        self.pid = os.getpid()
        self.jobs = Jobs(cooldown=settings.cooldown, most=settings.most_kept)
        self.routes = RouteBook(monitor)
        self._lock = threading.Lock()
        self._trending = threading.Lock()
        self._snapshots: OrderedDict[str, Snapshot] = OrderedDict()
        self._trend: _Judged | None = None
        self._of_monitor: tuple[Snapshot, Snapshot] | None = None  # its latest of the heap, as it is and as it is shown
        named = self.settings
        self._identity = read_identity(service=named.service, version=named.version, revision=named.revision)

    def identity(self) -> Identity:
        """Say which process this is: with several workers, each answer may come from another."""
        return self._identity

    # -- measuring ---------------------------------------------------------------------------------

    def begin(self, kind: str, work: Callable[[Say], Outcome], *, expected: float) -> Job:
        """Begin a measurement; a snapshot it takes is kept.

        Raises:
            Busy: If one is under way.
            TooOften: If one ended a moment ago.
        """

        def kept(say: Say) -> Outcome:
            outcome = _discreet(work(say))
            if outcome.report is not None:
                self.routes.follow_report(outcome.report)
            if outcome.snapshot is None:
                return outcome
            return attrs.evolve(outcome, snapshot=self._keep(outcome.snapshot))

        return self.jobs.begin(kind, kept, expected=expected)

    def _keep(self, snapshot: Snapshot) -> Snapshot:
        last = next(iter(self.snapshots()), None)
        kept = _sharing(snapshot, last.snapshot) if last is not None else snapshot
        with self._lock:
            number = int(next(reversed(self._snapshots), "s0")[1:]) + 1
            self._snapshots[f"s{number}"] = kept
            while len(self._snapshots) > self.settings.most_kept:
                self._snapshots.popitem(last=False)
        return kept

    # -- snapshots ---------------------------------------------------------------------------------

    def snapshots(self) -> tuple[Kept, ...]:
        """Return those taken here, the latest first."""
        with self._lock:
            return tuple(Kept(name, snapshot) for name, snapshot in reversed(self._snapshots.items()))

    def latest(self) -> Kept:
        """Return the latest snapshot of the heap, taken here or by the monitor.

        Raises:
            NotMeasured: If there is none.
        """
        own = next(iter(self.snapshots()), None)
        watched = self._latest_of_monitor()
        if watched is not None and (own is None or watched.taken.utc > own.snapshot.taken.utc):
            return Kept("monitor", watched)
        if own is None:
            raise NotMeasured("The heap", self.under_way("snapshot") or "Take a snapshot first: POST snapshot.")
        return own

    def kept(self, name: str | None) -> Kept:
        """Return a snapshot by name, or else the latest, as ``snapshot`` and ``latest`` do."""
        return self.latest() if name is None else Kept(name, self.snapshot(name))

    def under_way(self, kind: str) -> str:
        """Say where a measurement of this kind is under way; nothing where none is."""
        running = self.jobs.running()
        return f"One is under way: jobs/{running.id}." if running is not None and running.kind == kind else ""

    def _latest_of_monitor(self) -> Snapshot | None:
        found = self.monitor.latest(deep=True) if self.monitor is not None else None
        if found is None:
            return None
        known = self._of_monitor
        if known is None or known[0] is not found:  # each of up to 20,000 owners is looked at
            known = self._of_monitor = found, discreet_snapshot(found)
        return known[1]

    def snapshot(self, name: str) -> Snapshot:
        """Return a snapshot by name: ``s1`` and so on for those taken here, a number for one in the monitor's store.

        Raises:
            NotKnown: If it is not kept.
            StoreUnusable: If the store cannot be read.
        """
        if name == "monitor":
            found = self._latest_of_monitor()
        elif name.isascii() and name.isdecimal() and len(name) < 19 and self.monitor is not None:
            return discreet_snapshot(self._stored(self.monitor, int(name)))
        else:
            with self._lock:
                found = self._snapshots.get(name)
        if found is None:
            raise NotKnown("snapshot", name[:80], f"Those of pid {self.pid} are listed under snapshots.")
        return found

    def _stored(self, monitor: Monitor, number: int) -> Snapshot:
        try:
            return monitor.store().get(number)
        except SnapshotNotFound:
            todo = "It was thinned out, or never was there: those of the store are listed under snapshots."
            raise NotKnown("snapshot", str(number), todo) from None

    def headers(self) -> list[Header]:
        """Return the headers of the deep snapshots in the monitor's store, the latest first; none without a monitor.

        Raises:
            StoreUnusable: If the store cannot be read.
        """
        return self.monitor.store().headers(deep=True)[::-1] if self.monitor is not None else []

    # -- reports -----------------------------------------------------------------------------------

    def reports(self) -> tuple[Seen, ...]:
        """Return the reports of watches, the latest first."""
        found = ((job, job.outcome.report) for job in self.jobs.all() if job.outcome is not None)
        return tuple(Seen(job, report) for job, report in found if report is not None)

    def finding(self, fingerprint: str) -> tuple[Seen, Finding]:
        """Return the latest finding of a fingerprint, and the report it is of.

        Raises:
            NotKnown: If no report that is kept has it.
        """
        for seen in self.reports():
            for finding in seen.report.findings:
                if finding.fingerprint == fingerprint:
                    return seen, finding
        raise NotKnown("finding", fingerprint[:80], "Watch again: POST watch.")

    def profile(self, job: str) -> Profile:
        """Return the profile that a tracing job read.

        Raises:
            NotKnown: If there is none.
        """
        outcome = self.jobs.get(job).outcome
        if outcome is None or outcome.profile is None:
            raise NotKnown("profile", job[:80], "A job of POST tracing has one once it is done.")
        return outcome.profile

    def traced(self) -> tuple[Job, Profile] | None:
        """Return the latest tracing that has its profile; None if none is kept."""
        found = ((job, job.outcome.profile) for job in self.jobs.all() if job.outcome is not None)
        return next(((job, profile) for job, profile in found if profile is not None), None)

    # -- history -----------------------------------------------------------------------------------

    def trend(self) -> Trend:
        """Return what the monitor's history amounts to; the longer that takes, the more seldom it is computed anew.

        Nobody waits for another who computes it: all threads that answer could be held up by one slow store.

        Raises:
            Failed: If the monitor's store cannot be read, with the slug of the reason.
            NotMeasured: If there is no monitor.
            NotReady: If it is being computed for the first time.
        """
        if self.monitor is None:
            raise NotMeasured("History", "It takes a monitor: asgi_app(monitor=leakdiff.Monitor(...)).")
        last = self._trend
        if last is not None and time.monotonic() < last.until:
            return last.told()
        if not self._trending.acquire(blocking=False):
            if last is None:
                raise NotReady("The trend")
            return last.told()
        try:
            if self._trend is None or self._trend is last:  # else another was faster
                self._trend = _judged(self.monitor)
            return self._trend.told()
        finally:
            self._trending.release()

    def series(self) -> list[str]:
        """Return the names of all series in the monitor's store; none without a monitor.

        Raises:
            StoreUnusable: If the store cannot be read.
        """
        return self.monitor.store().series() if self.monitor is not None else []

    def points(self, series: str, seconds: float | None = None) -> list[Point]:
        """Return the readings of one series in the monitor's store, of this process's service; none without a monitor.

        Args:
            series: ``memory``, ``blocks``, ``native`` and so on, or the path of an owner.
            seconds: Only the last so many.

        Raises:
            StoreUnusable: If the store cannot be read.
        """
        if self.monitor is None:
            return []
        return self.monitor.store().points(series, time.time() - seconds if seconds is not None else None)


def _named(settings: Settings, monitor: Monitor | None) -> Settings:
    """Return settings that name the service: what was told the monitor need not be told twice."""
    if monitor is None:
        return settings
    known = monitor.identity()
    return attrs.evolve(
        settings,
        service=settings.service if settings.service is not None else known.service or None,
        version=settings.version if settings.version is not None else known.version or None,
        revision=settings.revision if settings.revision is not None else known.revision or None,
    )


def _judged(monitor: Monitor) -> _Judged:
    """Return what a monitor's history amounts to, or why that cannot be said: a store may be anybody's."""
    began, longest = time.monotonic(), _TREND_AGE
    try:
        found: Trend | Refused = monitor.trend()
    except Exception as error:  # noqa: BLE001 - see above
        found, longest = refusal_of(error, "The trend"), _FAILURE_AGE
    ended = time.monotonic()
    return _Judged(ended + min(longest, _TREND_REST * (ended - began)), found)


def _sharing(snapshot: Snapshot, before: Snapshot) -> Snapshot:
    """Return a snapshot that shares what is the same with another: most of a heap's 20,000 owners do not change."""
    heap, other = snapshot.heap, before.heap
    if heap is None or other is None or heap.owners is None or other.owners is None:
        return snapshot
    known = {owner: owner for owner in other.owners}
    owners = tuple(known.get(owner, owner) for owner in heap.owners)
    return attrs.evolve(snapshot, heap=attrs.evolve(heap, owners=owners))


def _discreet(outcome: Outcome) -> Outcome:
    """Return what a job found as it may be seen; of its sentence, only the reason in a report can quote source."""
    report, said = outcome.report, outcome.said
    return attrs.evolve(
        outcome,
        said=said if report is None else said.replace(report.because, masked(report.because)),
        snapshot=discreet_snapshot(outcome.snapshot) if outcome.snapshot is not None else None,
        report=discreet_report(report) if report is not None else None,
        profile=discreet_profile(outcome.profile) if outcome.profile is not None else None,
    )
