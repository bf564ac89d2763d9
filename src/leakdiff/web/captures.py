"""The measurements that the endpoint begins in the background: gentle to the service, and with progress."""

from __future__ import annotations

import sys
import time

import attrs

from leakdiff import live
from leakdiff.capture.collector import Collected, collect, tracked_about
from leakdiff.capture.stacks import AllocationWindow, Reading
from leakdiff.capture.turns import quick_turns
from leakdiff.errors import CannotMeasure
from leakdiff.model.report import Report
from leakdiff.model.snapshot import Snapshot
from leakdiff.render.plain import size
from leakdiff.web.desk import Desk
from leakdiff.web.jobs import Job, Outcome, Say

WINDOWS = 2  # of a watch
_WORK, _REST = 0.002, 0.004  # seconds: what a walk works and rests by turns
_OF_BUDGET = 0.5  # share of the time for a walk that it is expected to take at most, so that a slow machine has room
_OF_A_BLOCK = 1.5e-6  # CPU seconds that a walk takes for an allocated block
_OF_AN_OBJECT = 1e-6  # seconds that a full collection takes for an object
_SAYS_EVERY = 0.25  # seconds; and who asks that it ends waits no longer
_READING = 5.0  # seconds that it takes to name 30,000 stacks
_ALMOST = 0.95


# -- how long, and how gently ----------------------------------------------------------------------


@attrs.frozen
class Pace:
    """How a walk of this heap goes.

    Attributes:
        seconds: How long it is expected to take.
        rest: Seconds it rests after every 2 ms of work.
    """

    seconds: float
    rest: float


def pace(blocks: int, budget: float) -> Pace:
    """Return how gently a walk can go: the larger the heap, the less it may rest to end in time.

    Args:
        blocks: Blocks of Python's allocator in use.
        budget: Seconds the walk may take.
    """
    cpu = blocks * _OF_A_BLOCK
    spare = max(0.0, _OF_BUDGET * budget / cpu - 1) if cpu else 1.0
    rest = min(_REST, max(_WORK / 4, _WORK * spare))
    return Pace(cpu * (1 + rest / _WORK) + 0.2, rest)


# -- snapshot --------------------------------------------------------------------------------------


def begin_snapshot(desk: Desk) -> Job:
    """Begin to take a snapshot.

    Raises:
        Busy: If a measurement is under way.
        TooOften: If one ended a moment ago.
    """
    settings = desk.settings
    planned = pace(sys.getallocatedblocks(), settings.budget)

    def work(say: Say) -> Outcome:
        progress = _Walking(say, planned.seconds)
        return _of_snapshot(live.snapshot_with(settings.who, settings.budget, planned.rest, progress.note))

    return desk.begin("snapshot", work, expected=planned.seconds)


class _Walking:
    """Says how far a walk is, by the time it was expected to take."""

    def __init__(self, say: Say, seconds: float) -> None:
        self._say, self._seconds = say, seconds
        self._began = time.monotonic()
        self._said = -1.0

    def note(self) -> bool:
        """Say it, if it is time to; the walk asks whether to stop, and saying raises where it shall."""
        elapsed = time.monotonic() - self._began
        if elapsed - self._said >= _SAYS_EVERY:
            self._said = elapsed
            share = min(_ALMOST, elapsed / self._seconds)
            self._say(share, f"walking the heap, {elapsed:.0f} of about {self._seconds:.0f} s")
        return False


def _of_snapshot(taken: Snapshot) -> Outcome:
    heap, cost = taken.heap, taken.cost
    objects = f"{heap.objects:,} objects, {size(heap.bytes)}" if heap is not None else "nothing"
    return Outcome(
        said=f"{objects}, read in {cost.seconds:.1f} s.",
        snapshot=taken,
        facts=(
            ("CPU", _seconds(cost.cpu_seconds)),
            ("longest stall of other threads", _seconds(cost.longest_stall)),
            ("memory of its tables", size(cost.memory)),
            ("left out", "; ".join(taken.left_out) or "nothing"),
        ),
    )


# -- watch -----------------------------------------------------------------------------------------


def begin_watch(desk: Desk, seconds: float) -> Job:
    """Begin to watch live traffic.

    Args:
        desk: Where it is kept.
        seconds: How long, without the walks.

    Raises:
        Busy: If a measurement is under way.
        TooOften: If one ended a moment ago.
    """
    budget = desk.settings.budget
    planned = pace(sys.getallocatedblocks(), budget)

    def work(say: Say) -> Outcome:
        progress = _Watching(say, seconds, planned.seconds)
        progress.walks("first")
        report = live.watch_with(seconds, WINDOWS, budget, progress.wait, rest=planned.rest, should_stop=progress.note)
        return _of_watch(report)

    return desk.begin("watch", work, expected=seconds + 2 * planned.seconds)


class _Watching:
    """Waits for a watch, and says how far it is: a walk, its windows, a walk, and the time after."""

    def __init__(self, say: Say, seconds: float, walk: float) -> None:
        self._say, self._seconds, self._walk = say, seconds, walk
        self._window = seconds / (WINDOWS + 1)
        self._calls = 0
        self._waited = 0.0
        self._walks = "", 0.0, 0.0  # which, and when it began and was last told of

    def walks(self, which: str) -> None:
        """Say that the heap is walked."""
        now = time.monotonic()
        self._walks = which, now, now
        self._tell_walk(0.0)

    def note(self) -> bool:
        """Say how far a walk is, if it is time to; it asks whether to stop, and saying raises where it shall."""
        which, began, last = self._walks
        now = time.monotonic()
        if now - last >= _SAYS_EVERY:
            self._walks = which, began, now
            self._tell_walk(min(self._walk, now - began))
        return False

    def _tell_walk(self, walked: float) -> None:
        which = self._walks[0]
        before = 0.0 if which == "first" else self._walk
        self._tell(before + walked, f"walking the heap, the {which} of two times")

    def wait(self, seconds: float) -> None:
        """Wait for a part of the watch."""
        self._calls += 1
        is_window = self._calls <= WINDOWS
        named = f"window {self._calls} of {WINDOWS}" if is_window else "reading lengths"
        until = time.monotonic() + seconds
        waited = self._waited
        while (left := until - time.monotonic()) > 0:
            self._waited = waited + seconds - left
            self._tell((1 if is_window else 2) * self._walk, f"{named}, {self._waited:.0f} of {self._seconds:.0f} s")
            time.sleep(min(_SAYS_EVERY, left))
        self._waited = waited + seconds
        if self._calls == WINDOWS:
            self.walks("second")

    def _tell(self, walked: float, said: str) -> None:
        self._say(min(_ALMOST, (self._waited + walked) / (self._seconds + 2 * self._walk)), said)


def _of_watch(report: Report) -> Outcome:
    return Outcome(
        said=f"{report.verdict}: {str(report).removeprefix(f'leakdiff: {report.verdict}').strip()}",
        report=report,
        facts=(
            ("CPU", _seconds(report.cost.cpu_seconds)),
            ("objects walked", f"{report.cost.walked:,}"),
            ("not analysed", "; ".join(report.not_analysed) or "nothing"),
        ),
    )


# -- tracing ---------------------------------------------------------------------------------------


def begin_tracing(desk: Desk, seconds: float) -> Job:
    """Begin to trace allocations for a while.

    Args:
        desk: Where the profile is kept.
        seconds: How long.

    Raises:
        Busy: If a measurement is under way.
        TooOften: If one ended a moment ago.
    """

    def work(say: Say) -> Outcome:
        with AllocationWindow() as window:
            waited = _trace(say, window, seconds)
            say(seconds / (seconds + _READING), "tracing is over; reading what was allocated")
            with quick_turns():
                reading = window.read()
        return _of_tracing(reading, window, waited, seconds)

    return desk.begin("tracing", work, expected=seconds + _READING)


def _trace(say: Say, window: AllocationWindow, seconds: float) -> float:
    """Wait until the time is over or there is as much as can be read.

    Returns:
        Seconds waited.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < seconds and not window.is_full:
        say(waited / (seconds + _READING), f"tracing allocations, {waited:.0f} of {seconds:.0f} s")
        time.sleep(min(_SAYS_EVERY, seconds - waited))
    if not window.is_on:
        raise CannotMeasure("What was allocated", "somebody else stopped tracemalloc", "Trace again.")
    return waited


def _of_tracing(reading: Reading, window: AllocationWindow, waited: float, seconds: float) -> Outcome:
    profile = reading.profile
    found = sum(sample.bytes for sample in profile.samples)
    early = f" It ended before {seconds:.0f} s: there was as much as can be read at once." if waited < seconds else ""
    slower = f"{1e6 * window.slower:.2f} us longer an allocation" if window.slower is not None else "was on before"
    return Outcome(
        said=f"{size(found)} allocated in {waited:.0f} s and still in use, on {len(profile.samples):,} stacks.{early}",
        profile=profile,
        facts=(
            ("cost while it was on", slower),
            ("memory of its tables", size(reading.traces)),
            ("CPU of reading", _seconds(reading.cpu)),
            ("longest stall of other threads", _seconds(reading.stall)),
            ("left out", "; ".join(profile.left_out) or "nothing"),
        ),
    )


# -- collection ------------------------------------------------------------------------------------


def begin_collection(desk: Desk) -> Job:
    """Begin a full collection.

    Raises:
        Busy: If a measurement is under way.
        TooOften: If one ended a moment ago.
    """

    def work(say: Say) -> Outcome:
        say(0.0, "collecting; all threads wait")
        return _of_collection(collect())

    return desk.begin("gc", work, expected=tracked_about() * _OF_AN_OBJECT)


def _of_collection(done: Collected) -> Outcome:
    kinds = ", ".join(f"{kind.count:,} {kind.name}" for kind in done.uncollectable)
    frozen = f"{done.frozen:,} frozen objects (gc.freeze), which it leaves alone" if done.frozen else "nothing"
    return Outcome(
        said=f"{done.unreachable:,} unreachable objects were found in {done.seconds:.2f} s.",
        facts=(
            ("all threads waited", _seconds(done.seconds)),
            ("could not be freed", kinds or "nothing"),
            ("resident memory before", size(done.before.rss)),
            ("resident memory after", size(done.after.rss)),
            ("blocks before", f"{done.before.blocks:,}"),
            ("blocks after", f"{done.after.blocks:,}"),
            ("not looked at", frozen),
        ),
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"
