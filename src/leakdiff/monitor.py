"""The monitor: a thread that watches its process for as long as it lives, and its children after a fork."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Self

from leakdiff import live, schedule
from leakdiff.errors import BadOption, LeakdiffError
from leakdiff.interpreter import require_supported_interpreter
from leakdiff.model.health import MonitorHealth
from leakdiff.model.report import Verdict
from leakdiff.model.snapshot import Identity, Snapshot
from leakdiff.schedule import Deep, Settings
from leakdiff.watcher import MEMORY, Watcher, Wishes, World, told

if TYPE_CHECKING:
    from leakdiff.model.trend import Trend
    from leakdiff.store.interface import Store
    from leakdiff.watcher import Place

_EXIT_TIMEOUT = 1.0  # seconds
_LONGEST_PAUSE = 86_400.0  # seconds between measurements that cost too much


class Monitor:
    """Watch this process from a thread of its own, for as long as it lives.

    Cheap measurements (under a millisecond) are taken on schedule; the heap is walked once at the beginning, for a
    baseline, then when the cheap ones grow steadily or when the last walk is old, but never more often than the share
    of CPU allows: what was spent since the start and what a walk is expected to take must stay below it together, and
    this goes for the baseline too. With a million allocated blocks it comes after seven minutes. No walk
    is begun where its tables would bring the container near its memory limit. What is missed is not made up for.

    Nothing here harms the service: failures of the store, of callbacks and of measurements are counted in
    ``health()``, and logged once for each kind (logger ``leakdiff.monitor``). Snapshots that could not be stored wait,
    the newest twenty of them.

    ``start()`` starts the thread, a daemon that keeps the monitor alive until ``stop()``. In forked children it goes
    on by itself, with counts, a baseline, a schedule and a history in memory of their own; a store given as an object
    must be able to live through a fork. At exit it ends within a second, in the middle of a walk if need be.

    Args:
        interval: Seconds between two measurements.
        store: Where to keep them: ``sqlite:///PATH``, a path or a store; in memory if None, 32 MiB at most. It is
            opened in the thread; while that fails, it is tried again at every measurement.
        deep: When to walk the heap: ``"on-growth"``, ``"never"``, or ``"always"``, at every measurement that the share
            of CPU allows.
        deep_interval: Seconds after which the heap is walked again even if nothing grows.
        cpu_share: Share of one CPU that it may take.
        jitter: Share of the interval by which measurements move, differently on each host and in each process.
        units: What returns the units of work done so far; ``leakdiff.count_units`` otherwise.
        on_change: Called with the trend, from the thread, when its verdict changes; at first it is INCONCLUSIVE.
        owners: Paths of containers whose length is read at every measurement, beside those it finds itself; or a
            dict of the entries each may have at most, by path, for ``leakdiff.metrics``.
        service: ``service.name``; from the environment or installed metadata otherwise.
        version: ``service.version``.
        revision: ``vcs.ref.head.revision``.
        label: A name for all its snapshots.
        memory_share: Share of the container's limit up to which the heap may be walked.
        keep_for: Seconds that snapshots are kept.
        keep_bytes: Bytes on disk that the store may take.

    Raises:
        BadOption: If an argument cannot work.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """

    def __init__(  # noqa: PLR0913 - each argument is a knob of its own
        self,
        interval: float = 300.0,
        *,
        store: Place = None,
        deep: Deep = "on-growth",
        deep_interval: float = 6 * 3_600.0,
        cpu_share: float = 0.005,
        jitter: float = 0.1,
        units: Callable[[], int] | None = None,
        on_change: Callable[[Trend], object] | None = None,
        owners: Mapping[str, int | None] | Iterable[str] = (),
        service: str | None = None,
        version: str | None = None,
        revision: str | None = None,
        label: str | None = None,
        memory_share: float = 0.9,
        keep_for: float = 30 * 86_400.0,
        keep_bytes: int = 512 << 20,
        _world: World | None = None,
    ) -> None:
        require_supported_interpreter()
        schedule.check_place(store)
        self._wishes = Wishes(owners=schedule.registered(owners))
        self._settings = Settings(
            interval=interval,
            deep=deep,
            deep_interval=deep_interval,
            cpu_share=cpu_share,
            jitter=jitter,
            memory_share=memory_share,
            keep_for=keep_for,
            keep_bytes=keep_bytes,
            units=units,
            on_change=on_change,
            service=service,
            version=version,
            revision=revision,
            label=label,
        )
        self._place = store
        self._world = World() if _world is None else _world
        self._watcher = Watcher(store, self._settings, self._world, self._wishes)
        _living.add(weakref.ref(self, _living.discard))

    def __repr__(self) -> str:
        health = self.health()
        state = "running" if health.running else "not running"
        counts = f"{health.measurements:,} measurements, {health.deep:,} of them deep"
        return f"<Monitor every {self._settings.interval:g} s, {state}, {counts}, {health.verdict}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- for the user ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, unless it runs already."""
        watcher = self._present()
        with watcher.control:
            if not (watcher.is_running and watcher.is_wanted):
                _prepare()
                self._launch(watcher)

    def stop(self, timeout: float = 5.0) -> bool:
        """Stop the thread, in the middle of a walk if need be.

        Args:
            timeout: Seconds to wait for it: a store or ``on_change`` may keep it busy.

        Returns:
            Whether it has ended.
        """
        watcher = self._present()
        watcher.is_wanted = False
        watcher.stop.set()
        thread = watcher.thread
        if watcher.is_running and thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        return not watcher.is_running

    def measure_now(self, *, deep: bool = False) -> Snapshot | None:
        """Take a measurement at once, in this thread, and store it like the others.

        Args:
            deep: Whether to walk the heap, whatever share of CPU it takes. It is not walked where memory is short.

        Returns:
            The snapshot; None if a measurement is under way already, or if it failed.
        """
        _prepare()
        watcher = self._present()
        if not watcher.turn.acquire(blocking=False):
            return None
        try:
            snapshot = watcher.measure(deep=deep)
        finally:
            watcher.turn.release()
        watcher.tell_listeners(snapshot)
        return snapshot

    def listen(self, callback: Callable[[Snapshot], object]) -> Callable[[], object]:
        """Call a function with each snapshot after it was taken, here and in children that are forked later.

        It is called in the monitor's thread, or in that of ``measure_now``. What it raises is counted in ``health()``
        as a failure of a callback.

        Returns:
            What ends this when it is called.

        Raises:
            BadOption: If it is no function.
        """
        if not callable(callback):
            raise BadOption("callback", callback, "a function")
        token = object()
        self._wishes.listeners[token] = callback
        return partial(self._wishes.listeners.pop, token, None)

    def register(self, path: str, limit: int | None = None) -> None:
        """Read the length of a container at every measurement, from the next one on.

        Args:
            path: Names from a module on, such as ``app.matching._inflight``; it need not exist yet.
            limit: Entries that it is meant to have at most, for alerts; nothing enforces it.

        Raises:
            BadOption: If an argument cannot work.
        """
        schedule.add_owner(self._wishes.owners, path, limit)

    def unregister(self, path: str) -> None:
        """Read it no longer, unless the monitor finds it worth watching itself."""
        self._wishes.owners.pop(path, None)

    @property
    def owners(self) -> dict[str, int | None]:
        """The registered owners, by path, with the entries each may have at most."""
        return self._wishes.owners.copy()

    def health(self) -> MonitorHealth:
        """Return how it is doing in this process."""
        return self._present().health()

    @property
    def verdict(self) -> Verdict:
        """What the trend said last."""
        return self._present().verdict

    def trend(self) -> Trend:
        """Say what the history in the store amounts to.

        Raises:
            StoreUnusable: If the store cannot be opened or read.
        """
        return self._world.trend(self._present().shelf.store())

    def store(self) -> Store:
        """Return the store, opened; leave it open.

        Raises:
            StoreUnusable: If it cannot be opened.
        """
        return self._present().shelf.store()

    def latest(self, *, deep: bool | None = None) -> Snapshot | None:
        """Return the snapshot that this process took last.

        Args:
            deep: Only one of the heap (True), or only a cheap one (False).

        Returns:
            The snapshot; None if there is none, as after a start or a fork.
        """
        return self._present().latest(deep=deep)

    def growth(self) -> float | None:
        """Return how fast this process's own memory grows, in bytes per second.

        It is the Theil-Sen slope of the latest measurements, 48 at most; None of fewer than six.
        """
        return self._present().growth()

    def identity(self) -> Identity:
        """Say which process this is."""
        from leakdiff.capture.identity import read_identity

        settings = self._settings
        return read_identity(service=settings.service, version=settings.version, revision=settings.revision)

    # -- the thread --------------------------------------------------------------------------------

    def _present(self) -> Watcher:
        """Return the watcher in this process; in a forked child begin another, and go on if the parent was at it."""
        watcher = self._watcher
        if watcher.pid != os.getpid():
            self._watcher = Watcher(self._place, self._settings, self._world, self._wishes)
            if watcher.is_wanted:
                with suppress(RuntimeError):  # no thread can be started here: the child does without
                    self._launch(self._watcher)
        return self._watcher

    def _launch(self, watcher: Watcher) -> None:
        if watcher.thread is None:
            watcher.started = self._world.clock()
        watcher.stop = threading.Event()
        watcher.thread = threading.Thread(
            target=self._run, args=(watcher, watcher.stop), name="leakdiff-monitor", daemon=True
        )
        watcher.is_wanted = True
        watcher.thread.start()

    def _run(self, watcher: Watcher, stop: threading.Event) -> None:
        settings, world, random = self._settings, self._world, watcher.chance.random
        interval, jitter = settings.interval, settings.jitter
        due = schedule.first_due(world.clock(), interval=interval, jitter=jitter, chance=random())
        while not world.wait(stop, max(0.0, due - world.clock())):
            self._take_turn(watcher, stop)
            if watcher is not self._watcher:  # on_change forked, and this is the child
                return
            least = min(watcher.cheap_cpu / settings.cpu_share, _LONGEST_PAUSE)
            now = world.clock()
            due = schedule.next_due(due, now, interval=interval, jitter=jitter, chance=random(), least=least)
        with watcher.turn:
            watcher.end()

    def _take_turn(self, watcher: Watcher, stop: threading.Event) -> None:
        snapshot = trend = None
        with watcher.turn:
            try:
                snapshot = watcher.measure(should_stop=stop.is_set)
                trend = None if stop.is_set() else watcher.new_trend()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next turn may do better
                watcher.failed("measurement_failures", told(error))
        watcher.tell_listeners(snapshot)
        if trend is not None and self._settings.on_change is not None:
            watcher.tell(self._settings.on_change, trend, "callback_failures")


# -- all monitors of the process -------------------------------------------------------------------

_living: set[weakref.ref[Monitor]] = set()
_is_prepared = False


def _prepare() -> None:
    """Import and use everything once, in the thread of the caller.

    A fork while the thread imports would leave the child with a module nobody finishes, and whoever imports it there
    would wait for ever. What the first use leaves on the heap would look like growth.
    """
    global _is_prepared  # noqa: PLW0603 - once, and forked children inherit it
    live._rehearse()  # noqa: SLF001 - as live.snapshot does
    if _is_prepared:
        return
    _is_prepared = True
    from leakdiff.capture import lookup  # noqa: F401 - imported before anything is measured
    from leakdiff.store.sqlite import open_store

    store = open_store(MEMORY)
    with suppress(LeakdiffError):
        live.trend(store)
    store.close()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_begin_again)
    atexit.register(_stop_all)  # after the store's own, so that it runs before it


def _begin_again() -> None:
    for monitor in _all_living():
        monitor._present()  # noqa: SLF001


def _stop_all() -> None:
    """Stop all threads at exit; one that is held up, by a store or by ``on_change``, is left to die."""
    watchers = [monitor._watcher for monitor in _all_living() if monitor._watcher.pid == os.getpid()]  # noqa: SLF001
    for watcher in watchers:
        watcher.stop.set()
    until = time.monotonic() + _EXIT_TIMEOUT
    for watcher in watchers:
        if watcher.is_running and watcher.thread is not None:
            watcher.thread.join(max(0.0, until - time.monotonic()))


def _all_living() -> list[Monitor]:
    return [monitor for reference in tuple(_living) if (monitor := reference()) is not None]
