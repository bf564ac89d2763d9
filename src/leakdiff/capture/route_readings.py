"""Traffic and lengths of owners, read side by side at intervals: what tells which route grows which owner."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from leakdiff.capture.lookup import lengths_of
from leakdiff.capture.meter import native_gauge
from leakdiff.capture.routes import LEDGER
from leakdiff.model.routes import RouteReading

MOST_READINGS = 300
MOST_OWNERS = 20
_FIRST = 25  # readings that come quickly, for whoever waits for an answer
_QUICK, _SLOW = 0.2, 1.0  # seconds between two readings


class RouteFollower:
    """Reads in a thread of its own, while there are owners to follow, and for five minutes after it was asked to.

    Args:
        wait: Waits for so many seconds.
    """

    def __init__(self, wait: Callable[[float], object] = time.sleep) -> None:
        self._wait = wait
        self._lock = threading.Lock()
        self._owners: tuple[str, ...] = ()
        self._readings: deque[RouteReading] = deque(maxlen=MOST_READINGS)
        self._left = self._taken = 0
        self._thread: threading.Thread | None = None
        self._native = native_gauge()
        self._before: dict[str, int] = {}

    @property
    def owners(self) -> tuple[str, ...]:
        """The paths that are followed, those asked for last first."""
        return self._owners

    @property
    def is_running(self) -> bool:
        """Whether readings are being taken."""
        return self._thread is not None and self._thread.is_alive()

    def follow(self, paths: Iterable[str]) -> None:
        """Follow these owners from now on, before those that were asked for earlier; twenty at most.

        Nothing is read while no request is counted, and an owner whose path is not made of names is never found.
        """
        with self._lock:
            merged = tuple(dict.fromkeys([*paths, *self._owners]))[:MOST_OWNERS]
            if merged != self._owners:
                self._owners, self._taken = merged, 0
            self._left = MOST_READINGS
            if merged and LEDGER.began is not None and not self.is_running:
                self._launch()

    def _launch(self) -> None:
        self._thread = threading.Thread(target=self._run, name="leakdiff-routes", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread can be started here
            self._thread = None

    def readings(self) -> tuple[RouteReading, ...]:
        """Return the readings that are kept, the earliest first."""
        with self._lock:
            return tuple(self._readings)

    def _run(self) -> None:
        with self._lock:  # what came while nobody read belongs to no reading
            self._readings.clear()
            self._before = LEDGER.requests()
        while self._is_wanted():
            self.read()
            self._wait(_QUICK if self._taken < _FIRST else _SLOW)

    def _is_wanted(self) -> bool:
        with self._lock:
            if self._left > 0:
                return True
            self._thread = None  # so that who asks from now on launches another
            return False

    def read(self) -> None:
        """Take one reading."""
        requests, lengths = LEDGER.requests(), lengths_of(self._owners)
        since = {route: gone for route, n in requests.items() if (gone := n - self._before.get(route, 0)) > 0}
        reading = RouteReading(
            time=time.monotonic(),
            requests=since,
            lengths={found.name: found.count for found in lengths},
            blocks=sys.getallocatedblocks(),
            native=self._native() if self._native is not None else None,
        )
        with self._lock:
            self._readings.append(reading)
            self._before = requests
            self._left, self._taken = self._left - 1, self._taken + 1
