"""What requests do to memory, by route: counted for all, measured for a few; nothing of a request is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable

from leakdiff.capture.route_samples import Measured, RouteSample
from leakdiff.capture.traffic import count_units
from leakdiff.model.routes import LEAST_MEASURED, OTHER, RouteCost

MOST_ROUTES = 200
_WINDOW = 60.0  # seconds over which the rate of requests is told


class RouteTally:
    """Sums over the requests of one route.

    Its numbers change without a lock: CPython lets other threads in at calls and backward jumps only, and there is
    none between reading and writing any of them. So a larger value is kept by a comparison; ``max`` is a call.
    """

    __slots__ = (
        "_alone",
        "_beside",
        "_earlier",
        "_in_window",
        "_is_warm",
        "_window",
        "last",
        "received",
        "requests",
        "route",
        "sent",
        "sent_at_once",
    )

    def __init__(self, route: str) -> None:
        self.route = route
        self.requests = self.received = self.sent = self.sent_at_once = 0
        self.last = 0.0
        self._window = self._in_window = self._earlier = 0
        self._is_warm = False
        self._alone, self._beside = RouteSample(), RouteSample()

    def count(self, now: float) -> None:
        """Count a request that ended now, in seconds of a clock that never jumps."""
        self._turn(now)
        self._in_window += 1
        self.requests += 1
        self.last = now

    def _turn(self, now: float) -> None:
        """Begin the window that a moment lies in, if that is another one than before."""
        window = int(now / _WINDOW)
        if window != self._window:
            self._earlier = self._in_window if window == self._window + 1 else 0
            self._window, self._in_window = window, 0

    def per_second(self, now: float, since: float) -> float:
        """Return how many requests ended in a second, over the last minute or since counting began."""
        self._turn(now)
        start = self._window * _WINDOW
        before = min(_WINDOW, max(1.0, start - since))  # seconds of the window before in which requests were counted
        share = min(1.0, (start + _WINDOW - now) / before)  # of them, those that lie in the last minute
        return (self._earlier * share + self._in_window) / max(1.0, min(_WINDOW, now - since))

    def answered(self, received: int, sent: int, at_once: int) -> None:
        """Note the sizes of a request and its answer, in bytes."""
        if received > self.received:  # noqa: PLR1730 - see above
            self.received = received
        if sent > self.sent:  # noqa: PLR1730
            self.sent = sent
        if at_once > self.sent_at_once:  # noqa: PLR1730
            self.sent_at_once = at_once

    def measured(self, meter: Measured) -> None:
        """Note what a request did. The first of a route is left out: what it loads once, such as modules, stays."""
        if not self._is_warm:
            self._is_warm = True
        elif meter.was_alone:
            self._alone.add(meter.highest, meter.kept)
        elif meter.has_steps:
            self._beside.add(meter.highest_of_steps, meter.kept_of_steps)

    def take(self, other: RouteTally) -> None:
        """Count the requests of another route as this one's."""
        self.requests += other.requests
        self.answered(other.received, other.sent, other.sent_at_once)

    def cost(self, now: float, since: float) -> RouteCost:
        """Return what is known; requests that ran alone tell more, as they tell of other threads too.

        Args:
            now: The moment, in seconds of a clock that never jumps.
            since: When counting began.
        """
        alone, beside = self._alone, self._beside
        best = alone if alone.number >= min(LEAST_MEASURED, beside.number) else beside
        return RouteCost(
            route=self.route,
            requests=self.requests,
            per_second=self.per_second(now, since),
            sampled=alone.number + beside.number,
            alone=alone.number,
            allocated=best.allocated,
            kept=best.kept,
            kept_between=best.kept_between,
            peak=max(alone.peak, beside.peak),
            received=self.received,
            sent=self.sent,
            sent_at_once=self.sent_at_once,
        )


class RouteLedger:
    """Counts of this process; a forked child begins with none.

    Args:
        clock: Seconds of a clock that never jumps.

    Attributes:
        began: When counting began, by the clock; None while nothing counts.
        begun: Requests that began so far.
        failures: How often our own work at a request failed; the request itself did not.
        nameless: How often the program's own callable failed to name a route.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.began: float | None = None
        self.restart()

    def restart(self) -> None:
        """Forget all counts."""
        self.began = self._clock() if self.began is not None else None
        self.begun = self._running = self.failures = self.nameless = 0
        self._tallies: dict[str, RouteTally] = {}
        self._others = RouteTally(OTHER)

    def prepare(self) -> None:
        """Note that requests will be counted from now on."""
        if self.began is None:
            self.began = self._clock()

    @property
    def running(self) -> int:
        """Requests under way; one that a fork cut in two ends in the child without having begun there."""
        return max(0, self._running)

    def begin(self) -> None:
        """Note that a request began."""
        self.begun += 1
        self._running += 1

    def end(self) -> None:
        """Note that a request is over, counted or not."""
        self._running -= 1

    def count(self, route: str, *, as_unit: bool) -> RouteTally:
        """Count a request of a route, and return the sums of that."""
        if as_unit:
            count_units(1)
        tally = self._tallies.get(route) or self._new(route)
        tally.count(self._clock())
        return tally

    def _new(self, route: str) -> RouteTally:
        if len(self._tallies) >= MOST_ROUTES:
            self._make_room()
        return self._tallies.setdefault(route, RouteTally(route))

    def _make_room(self) -> None:
        """Count a route with the others: the least used one of the half that was not asked for the longest.

        A route that is new has the time of a hundred others to come again, and one that is much used stays: whoever
        makes names up displaces the names that were made up before.
        """
        idle = sorted(self._tallies.values(), key=lambda tally: tally.last)[: MOST_ROUTES // 2]
        least = min(idle, key=lambda tally: tally.requests)
        if self._tallies.pop(least.route, None) is not None:
            self._others.take(least)

    def costs(self) -> tuple[RouteCost, ...]:
        """Return what is known of each route, the busiest first, and of those that had to make room."""
        now = self._clock()
        since = self.began if self.began is not None else now
        found = [tally.cost(now, since) for tally in self._all() if tally.requests]
        return tuple(sorted(found, key=lambda cost: (-cost.requests, cost.route)))

    def _all(self) -> Iterable[RouteTally]:
        return (*tuple(self._tallies.values()), self._others)

    def requests(self) -> dict[str, int]:
        """Return how many requests ended, by route, without routes that had to make room."""
        return {tally.route: tally.requests for tally in tuple(self._tallies.values())}


LEDGER = RouteLedger()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LEDGER.restart)


class _Harmless:
    """What fails within is counted, and does not reach the request that it was done at."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        LEDGER.failures += 1
        return True


HARMLESS = _Harmless()
