"""What requests do to memory, by route: how many there were, what each takes, and which owner it grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from leakdiff.model.one_line import one_line

OTHER = "other routes"
UNNAMED = "(no route)"
TIME = "second, whatever is asked for"
LEAST_MEASURED = 6  # requests of a route from which its median is told: with fewer no interval holds in 95 of 100
_CERTAIN = 0.05  # share of a rate, as margin, below which the margin need not be told


def names_of(routes: Iterable[str]) -> str:
    """Return the names of routes one after the other; what grows whether or not requests come is the time."""
    return "; ".join("the time that passes" if route == TIME else route for route in routes)


@attrs.frozen(kw_only=True)
class RouteCost:
    """What the requests of one route did so far.

    Attributes:
        route: The method and the route's pattern: ``POST /rides/{id}/cancel``.
        requests: How many ended.
        per_second: How many ended in a second, over the last minute.
        sampled: How many were measured.
        alone: Of them, those that no other request ran beside: they see work that is done in other threads as well.
        allocated: Bytes that a request held at its highest level over what was there at its beginning, the median of
            the latest that were measured; None where none was.
        kept: Bytes that a request left behind at its end, their median, without those during which a full collection
            ran; what the collector takes later is still in it. None where none was measured.
        kept_between: Between what the true median lies, in 95 of 100 cases; None where too few were measured.
        peak: The highest level, in bytes, of one request over what was there at its beginning.
        received: Bytes of the largest request body.
        sent: Bytes of the largest answer.
        sent_at_once: Bytes of the largest single piece of an answer: a large one was loaded whole.
    """

    route: str
    requests: int = 0
    per_second: float = 0.0
    sampled: int = 0
    alone: int = 0
    allocated: float | None = None
    kept: float | None = None
    kept_between: tuple[float, float] | None = None
    peak: int = 0
    received: int = 0
    sent: int = 0
    sent_at_once: int = 0

    __repr__ = one_line

    @property
    def surely_kept(self) -> float | None:
        """What a request leaves behind: 0 where that cannot be told from nothing, None where too few were measured."""
        if self.kept is None or self.kept_between is None:
            return None
        low, high = self.kept_between
        return self.kept if low > 0 or high < 0 else 0.0


@attrs.frozen(kw_only=True)
class RouteReading:
    """One look at traffic and at the owners.

    Attributes:
        time: Seconds of a clock that never jumps.
        requests: Requests that ended since the reading before, by route; routes of none are missing.
        lengths: Entries by the owner's path; an owner that could not be read is missing.
        blocks: Blocks of Python's own allocator in use.
        native: Bytes in use on the C heap; None where they cannot be read.
    """

    time: float
    requests: Mapping[str, int]
    lengths: Mapping[str, int]
    blocks: int = 0
    native: int | None = None

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class RouteRate:
    """How much one route grows an owner by.

    Attributes:
        route: The route; for what grows whether or not requests come, ``second, whatever is asked for``.
        per_request: What it gains by each request; negative where requests take out.
        margin: By how much that may be off, in 95 of 100 fits.
    """

    route: str
    per_request: float
    margin: float

    __repr__ = one_line

    def __str__(self) -> str:
        margin = f" ± {self.margin:.2f}" if self.margin > _CERTAIN * abs(self.per_request) else ""
        return f"{self.per_request:.2f}{margin} per {self.route}"


@attrs.frozen(kw_only=True)
class OwnerByRoute:
    """Which routes grow an owner.

    Attributes:
        owner: Its path.
        counted: What it gained: ``entries``, ``blocks`` or ``bytes``.
        gained: How many over the readings.
        seconds: Time between the first and the last.
        readings: How many readings there are.
        lost: The most that it lost between two readings.
        rates: The routes that grow it, most first; empty where they are not known.
        unclear: Routes that the traffic does not tell apart.
        why_not: Why the rates, or some of them, are not known.
    """

    owner: str
    counted: str = "entries"
    gained: int = 0
    seconds: float = 0.0
    readings: int = 0
    lost: int = 0
    rates: tuple[RouteRate, ...] = ()
    unclear: tuple[str, ...] = ()
    why_not: str = ""

    __repr__ = one_line

    def __str__(self) -> str:
        if not self.rates:
            return self.why_not
        return ", ".join(map(str, self.rates))
