"""What a monitor does in one process, a turn at a time: measure, deeply when needed, keep what was seen, judge it."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from leakdiff import live, schedule
from leakdiff.errors import LeakdiffError, StoreUnusable
from leakdiff.model.health import MonitorHealth
from leakdiff.model.report import Verdict
from leakdiff.model.snapshot import Snapshot, Tally
from leakdiff.options import DEFAULTS
from leakdiff.schedule import Reading, Reason, Settings, Walks

if TYPE_CHECKING:
    from leakdiff.model.trend import Trend
    from leakdiff.store.interface import Store

    Place = str | os.PathLike[str] | Store | None

ShouldStop = Callable[[], bool]

MEMORY = "sqlite:///:memory:"
_MOST_BYTES_IN_MEMORY = 32 << 20
_STORE_TIMEOUT = 1.0  # seconds: what is locked is tried again later, and a fork waits for whoever uses the store
_REST = 0.004  # seconds after every 2 ms of a walk: nobody waits for it, and requests must not notice
_PRUNE_INTERVAL = 3_600.0
_TREND_EVERY = 12  # measurements
_CPU_OF_FIRST_TREND = 0.5  # seconds, until one has been measured

_logger = logging.getLogger("leakdiff.monitor")
_ONLY_COUNTED = "Further failures of this kind are only counted (Monitor.health())."
_SAID = {
    "store_failures": "The store failed; the monitor goes on, and what it measured waits for the next try. {}",
    "callback_failures": "on_change failed; the monitor goes on. {}",
    "listener_failures": "A listener failed; the monitor goes on. {}",
    "measurement_failures": "A measurement failed; the monitor goes on. {}",
    "skipped_for_memory": "A deep measurement was left out: {}.",
}
_COUNTED_AS = {"listener_failures": "callback_failures"}
_NO_ROOM = "the heap was not walked, for the tables of a walk would take the container beyond memory_share={:g}"


# -- what it uses of the world ---------------------------------------------------------------------


def _deepen(taken: Snapshot, should_stop: ShouldStop | None) -> Snapshot:
    seconds = DEFAULTS.max_seconds
    return live._deepen(  # noqa: SLF001 - the second half of live.snapshot
        taken, sites="auto", budget=seconds, owners=True, should_stop=should_stop, rest=_REST
    )


def _lengths_of(paths: tuple[str, ...]) -> tuple[Tally, ...]:
    from leakdiff.capture.lookup import lengths_of

    return lengths_of(paths)


@attrs.frozen(kw_only=True)
class World:
    """Clocks and measurements; a test brings a world of its own.

    Attributes:
        clock: Seconds of a clock that never jumps.
        cpu: CPU seconds of the calling thread.
        wait: Waits for an event for so many seconds, and says whether it came.
        measure: ``leakdiff.live.measure``.
        deepen: Walks the heap for a cheap measurement, unless it is told to stop.
        lengths: Lengths of owners by path, read without a walk.
        trend: ``leakdiff.live.trend``.
    """

    clock: Callable[[], float] = time.monotonic
    cpu: Callable[[], float] = time.thread_time
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    measure: Callable[..., Snapshot] = live.measure
    deepen: Callable[[Snapshot, ShouldStop | None], Snapshot] = _deepen
    lengths: Callable[[tuple[str, ...]], tuple[Tally, ...]] = _lengths_of
    trend: Callable[[Store], Trend] = live.trend


# -- what it is asked for --------------------------------------------------------------------------


@attrs.define(eq=False)
class Wishes:
    """What a monitor is asked for while it lives; its forked children inherit it.

    Threads change both without a lock, for a lock could be held at a fork: an item is set or taken in one step, and
    who goes through them goes through a copy.

    Attributes:
        owners: Owners to read at every measurement, by path, with the entries each may have at most.
        listeners: Who is told of each snapshot, by a token.
    """

    owners: dict[str, int | None] = attrs.field(factory=dict)
    listeners: dict[object, Callable[[Snapshot], object]] = attrs.field(factory=dict)


# -- where snapshots go ----------------------------------------------------------------------------


class Shelf:
    """A store that is opened when it is first needed, and what waits for it while it cannot be used.

    Args:
        place: What the user gave as store.
        settings: How long and how much to keep.
    """

    def __init__(self, place: Place, settings: Settings) -> None:
        self.pending: tuple[Snapshot, ...] = ()
        self._place: Any = MEMORY if place is None else place
        self._is_in_memory = type(self._place) is str and self._place.endswith(":memory:")
        self._keep_for = settings.keep_for
        self._keep_bytes = min(settings.keep_bytes, _MOST_BYTES_IN_MEMORY) if place is None else settings.keep_bytes
        self._store: Store | None = None
        self._opening = threading.Lock()

    def store(self) -> Store:
        """Return the store, opened.

        Raises:
            StoreUnusable: If it cannot be.
        """
        from leakdiff.store.sqlite import open_store

        with self._opening:
            if self._store is None:
                self._store = open_store(self._place, timeout=_STORE_TIMEOUT)
            return self._store

    def put(self, snapshot: Snapshot) -> None:
        """Store a snapshot after those that wait; what cannot be stored waits, and what the store raises is raised."""
        self.pending = schedule.newest((*self.pending, snapshot))
        self.flush()

    def flush(self) -> None:
        """Store what waits, the earliest first; one that a working store refuses must not hold up the others."""
        while self.pending:
            try:
                self.store().add(self.pending[0])
            except (StoreUnusable, OSError):
                raise
            except Exception:
                self.pending = self.pending[1:]
                raise
            self.pending = self.pending[1:]

    def prune(self) -> None:
        """Let the store delete what is too old or too much."""
        self.store().prune(max_age=self._keep_for, max_bytes=self._keep_bytes)

    def rest(self) -> None:
        """Close a file that was opened here; it is opened again when it is needed."""
        store = self._store
        if store is not None and store is not self._place and not self._is_in_memory:
            self._store = None
            store.close()


# -- what is done in one process -------------------------------------------------------------------


class Watcher:
    """A monitor's part in one process: measures, keeps and judges, and knows what that took. A child begins another.

    Attributes:
        pid: The process.
        shelf: Where snapshots go.
        started: When the monitor was started first.
        chance: What moves its measurements away from those of its replicas.
        turn: Held by whoever measures.
        control: Held by whoever starts the thread.
        is_wanted: Whether the thread was started and not stopped.
        stop: Tells the present thread to end.
        thread: The present thread.
        cheap_cpu: CPU seconds that the last cheap measurement took, with storing it.
    """

    def __init__(self, place: Place, settings: Settings, world: World, wishes: Wishes) -> None:
        self.pid = os.getpid()
        self.shelf = Shelf(place, settings)
        self.started = world.clock()
        self.chance = Random(f"{platform.node()} {self.pid}")  # noqa: S311 - it keeps replicas apart, no secret
        self.turn = threading.Lock()
        self.control = threading.Lock()
        self.is_wanted = False
        self.stop = threading.Event()
        self.thread: threading.Thread | None = None
        self.verdict = Verdict.INCONCLUSIVE
        self.cheap_cpu = 0.0
        self._settings, self._world, self._wishes = settings, world, wishes
        self._readings: deque[Reading] = deque(maxlen=schedule.MOST_READINGS)
        self._memory: deque[tuple[float, int]] = deque(maxlen=schedule.MOST_READINGS)
        self._growth: tuple[object, float | None] = None, None
        self._walks = Walks()
        self._watched: tuple[str, ...] = ()
        self._counts: Counter[str] = Counter()
        self._logged: set[str] = set()
        self._last: float | None = None
        self._latest: dict[bool, Snapshot] = {}
        self._spent = 0.0
        self._longest_stall = 0.0
        self._trend_cpu = _CPU_OF_FIRST_TREND
        self._until_trend = 1
        self._prune_at = self.started + _PRUNE_INTERVAL * self.chance.random()  # short lives must prune too

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self.thread is not None and self.thread.is_alive()

    def health(self) -> MonitorHealth:
        """Return counts and costs so far."""
        elapsed = self._world.clock() - self.started
        return MonitorHealth(
            running=self.is_running,
            pid=self.pid,
            last=self._last,
            verdict=self.verdict,
            cpu_seconds=self._spent,
            cpu_share=self._spent / elapsed if elapsed > 0 else 0.0,
            longest_stall=self._longest_stall,
            pending=len(self.shelf.pending),
            wanted=self.is_wanted,
            **self._counts,
        )

    def latest(self, *, deep: bool | None = None) -> Snapshot | None:
        """Return the last snapshot, or the last of the deep or of the cheap ones."""
        latest = self._latest.copy().items()  # the monitor's thread may add the first of a kind meanwhile
        found = [snapshot for is_deep, snapshot in latest if deep is None or is_deep is deep]
        return max(found, key=lambda snapshot: snapshot.taken.monotonic, default=None)

    def growth(self) -> float | None:
        """Return by how many bytes a second memory grew over the latest measurements; None of too few."""
        memory = self._memory.copy()
        latest = memory[-1] if memory else None
        if self._growth[0] is not latest:  # an exporter may ask for it twenty times for one measurement
            self._growth = latest, schedule.growth_of(memory)
        return self._growth[1]

    # -- telling -----------------------------------------------------------------------------------

    def tell_listeners(self, snapshot: Snapshot | None) -> None:
        """Tell of a snapshot; the caller has not the turn."""
        if snapshot is not None:
            for listener in self._wishes.listeners.copy().values():
                self.tell(listener, snapshot, "listener_failures")

    def tell(self, callback: Callable[[Any], object], news: object, kind: str) -> None:
        """Call somebody's function; what it raises is counted, also SystemExit, which would end the thread."""
        try:
            callback(news)
        except BaseException as error:
            self.failed(kind, told(error))
            if not isinstance(error, Exception) and threading.current_thread() is not self.thread:
                raise  # such as Ctrl-C in the thread of measure_now

    # -- measuring ---------------------------------------------------------------------------------

    def measure(self, *, deep: bool | None = None, should_stop: ShouldStop | None = None) -> Snapshot | None:
        """Take a measurement and store it; the caller has the turn.

        Args:
            deep: Whether to walk the heap; None does so when it is time and can be afforded.
            should_stop: Asked during a walk whether to give it up.

        Returns:
            The snapshot, or None if it failed.
        """
        before, snapshot = self._world.cpu(), None
        try:
            snapshot = self._look(should_stop, deep=deep)
            if snapshot is not None:
                self._latest[snapshot.is_deep] = snapshot
                self._keep(snapshot)
            return snapshot
        finally:
            cpu = self._world.cpu() - before
            self._spent += cpu
            if snapshot is None or not snapshot.is_deep:
                self.cheap_cpu = cpu

    def _look(self, should_stop: ShouldStop | None, *, deep: bool | None) -> Snapshot | None:
        try:
            taken = self._cheap()
        except Exception as error:  # noqa: BLE001 - whatever it is, the service must not notice
            self.failed("measurement_failures", told(error))
            return None
        reason = self._reason() if deep is None else Reason.ALWAYS if deep else None
        if reason is None:
            return taken
        if not schedule.fits_in_memory(taken.cgroup, taken.memory.blocks, self._settings.memory_share):
            note = _NO_ROOM.format(self._settings.memory_share)
            self.failed("skipped_for_memory", note)
            return attrs.evolve(taken, left_out=(*taken.left_out, note))
        if deep is None and not self._can_afford(schedule.predicted_cpu(taken.memory.blocks, self._walks)):
            self._counts["skipped_for_cpu"] += 1
            return taken
        return self._deep(taken, reason, should_stop)

    def _cheap(self) -> Snapshot:
        settings = self._settings
        who = settings.service, settings.version, settings.revision
        taken = self._world.measure(label=settings.label, units=settings.units, who=who)
        self._counts["measurements"] += 1
        self._last = taken.taken.utc
        now = self._world.clock()
        self._readings.append(Reading.of(taken, now))
        self._memory.append((now, schedule.own_bytes(taken.memory)))
        paths = tuple(dict.fromkeys((*self._wishes.owners.copy(), *self._watched)))
        return self._with_lengths(taken, paths) if paths else taken

    def _with_lengths(self, taken: Snapshot, paths: tuple[str, ...]) -> Snapshot:
        try:
            return attrs.evolve(taken, watched=self._world.lengths(paths))
        except Exception as error:  # noqa: BLE001 - the rest of the measurement is good
            self.failed("measurement_failures", told(error))
            return taken

    def _deep(self, taken: Snapshot, reason: Reason, should_stop: ShouldStop | None) -> Snapshot:
        from leakdiff.capture.walk import Abandoned

        before = self._world.cpu()
        try:
            snapshot = self._world.deepen(taken, should_stop)
        except Abandoned:
            return taken
        except Exception as error:  # noqa: BLE001 - a heap that cannot be walked is no reason to know nothing
            self.failed("measurement_failures", told(error))
            return taken
        self._note_walk(snapshot, reason, self._world.cpu() - before)
        return attrs.evolve(snapshot, watched=self._beyond(snapshot))

    def _beyond(self, snapshot: Snapshot) -> tuple[Tally, ...]:
        """Return the lengths of registered owners that the walk does not list, being small; it has all others."""
        listed = {owner.path for owner in (snapshot.heap.owners if snapshot.heap else None) or ()}
        owners = self._wishes.owners.copy()
        return tuple(tally for tally in snapshot.watched if tally.name in owners and tally.name not in listed)

    def _note_walk(self, snapshot: Snapshot, reason: Reason, cpu: float) -> None:
        began, blocks = self._readings[-1].time, snapshot.memory.blocks
        self._walks = self._walks.and_one(reason, began=began, cpu=cpu, blocks=blocks)
        self._readings.clear()
        self._readings.append(Reading.of(snapshot, began))
        self._counts["deep"] += 1
        self._longest_stall = max(self._longest_stall, snapshot.cost.longest_stall)
        self._watched = schedule.worth_watching((snapshot.heap.owners if snapshot.heap else None) or ())
        self._until_trend = 0

    def _reason(self) -> Reason | None:
        now = self._world.clock()
        return schedule.deep_reason(self._settings, self._walks, self._readings, now=now, started=self.started)

    def _can_afford(self, cpu: float) -> bool:
        elapsed = self._world.clock() - self.started
        return schedule.is_affordable(cpu, spent=self._spent, elapsed=elapsed, cpu_share=self._settings.cpu_share)

    # -- storing and judging -----------------------------------------------------------------------

    def _keep(self, snapshot: Snapshot) -> None:
        try:
            self.shelf.put(snapshot)
            if self._world.clock() >= self._prune_at:
                self._prune_at = self._world.clock() + _PRUNE_INTERVAL
                self.shelf.prune()
        except Exception as error:  # noqa: BLE001 - a store may be anybody's
            self.failed("store_failures", told(error))

    def new_trend(self) -> Trend | None:
        """Return the trend, if it is time to look at it and its verdict is another; the caller has the turn."""
        self._until_trend -= 1
        if self._until_trend > 0 or not self._can_afford(self._trend_cpu):
            return None
        self._until_trend = _TREND_EVERY
        before = self._world.cpu()
        try:
            trend = self._world.trend(self.shelf.store())
        except Exception as error:  # noqa: BLE001 - a store may be anybody's
            kind = "store_failures" if isinstance(error, StoreUnusable) else "measurement_failures"
            self.failed(kind, told(error))
            return None
        finally:
            self._trend_cpu = self._world.cpu() - before
            self._spent += self._trend_cpu
        is_news = trend.verdict is not self.verdict
        self.verdict = trend.verdict
        return trend if is_news else None

    def end(self) -> None:
        """Try to store what waits, for the last time, and let go of the store; the caller has the turn."""
        try:
            self.shelf.flush()
            self.shelf.rest()
        except Exception as error:  # noqa: BLE001 - a store may be anybody's
            self.failed("store_failures", told(error))

    def failed(self, kind: str, told: str) -> None:
        """Count a failure, and log the first of its kind."""
        self._counts[_COUNTED_AS.get(kind, kind)] += 1
        if kind not in self._logged:
            self._logged.add(kind)
            with suppress(Exception):  # somebody's handler or filter
                _logger.warning("%s %s", _SAID[kind].format(told), _ONLY_COUNTED)


def told(error: BaseException) -> str:
    """Say an error in a sentence; what others wrote into theirs may be nobody's business, so it is left out."""
    from leakdiff.capture.kinds import type_name

    if isinstance(error, LeakdiffError):
        return str(error)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else ""
    return f"{type_name(type(error))} was raised{where}."
