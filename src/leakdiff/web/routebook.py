"""What one process knows of its routes: what requests cost, and which route grows which owner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from leakdiff.capture.route_readings import RouteFollower
from leakdiff.capture.routes import LEDGER
from leakdiff.compare.routes import owner_by_route, total_by_route
from leakdiff.model.report import ACCUSING, Report, Verdict
from leakdiff.model.routes import OwnerByRoute, RouteCost

if TYPE_CHECKING:
    from leakdiff.monitor import Monitor

_FOLLOWED = (*ACCUSING, Verdict.FILLING, Verdict.WARMUP)
_NO_NAMES = (
    "its path has parts that only a walk of the heap can follow, and routes are told by lengths read every second"
)
_NOT_COUNTED = "requests are not counted: wrap the application with leakdiff.web.count_requests"


class RouteBook:
    """The routes of this process.

    Args:
        monitor: Its monitor, whose owners are followed too.
    """

    def __init__(self, monitor: Monitor | None = None) -> None:
        self._monitor = monitor
        self._follower = RouteFollower()
        self._accused: frozenset[str] = frozenset()

    @property
    def is_counting(self) -> bool:
        """Whether any application is wrapped."""
        return LEDGER.began is not None

    @property
    def running(self) -> int:
        """Requests under way."""
        return LEDGER.running

    @property
    def failures(self) -> int:
        """How often our own work at a request failed; the request did not."""
        return LEDGER.failures

    @property
    def nameless(self) -> int:
        """How often a request's route could not be told, because the program's own callable failed."""
        return LEDGER.nameless

    def costs(self) -> tuple[RouteCost, ...]:
        """Return what is known of each route, the busiest first."""
        return LEDGER.costs()

    def follow(self, paths: Iterable[str]) -> None:
        """Read the lengths of these owners beside traffic, for the next five minutes."""
        self._follower.follow(paths)

    def follow_report(self, report: Report) -> None:
        """Follow the owners that a report says grow, and remember which of them it accuses."""
        accused = (found.owner for found in report.findings if found.verdict in ACCUSING)
        self._accused = frozenset(owner for owner in accused if owner)
        self.follow(found.owner for found in report.findings if found.owner and found.verdict in _FOLLOWED)

    def follow_monitor(self) -> None:
        """Follow the owners that the monitor watches, after those that a report names."""
        latest = self._monitor.latest(deep=False) if self._monitor is not None else None
        if latest is not None:
            known = self._follower.owners
            self.follow([*known, *(tally.name for tally in latest.watched)])

    def owners(self) -> tuple[OwnerByRoute, ...]:
        """Return which route grows which owner: what was accused first, then what else is followed and grows."""
        found = [self.by_owner(path) for path in self._follower.owners]
        shown = [one for one in found if one.gained > 0 or self.is_accused(one.owner)]
        return tuple(
            sorted(shown, key=lambda one: (not self.is_accused(one.owner), not one.rates, -one.gained, one.owner))
        )

    def is_accused(self, owner: str) -> bool:
        """Tell whether the latest report says that an owner leaks; others that grow may be filling up to a bound."""
        return owner in self._accused

    def totals(self) -> tuple[OwnerByRoute, ...]:
        """Return which route grows the process, whoever holds it."""
        readings = self._follower.readings()
        return tuple(total_by_route(counted, readings) for counted in ("blocks", "bytes"))

    def by_owner(self, path: str) -> OwnerByRoute:
        """Return which routes grow an owner, or why that is not known."""
        if not self.is_counting:
            return OwnerByRoute(owner=path, why_not=_NOT_COUNTED)
        if not all(part.isidentifier() for part in path.split(".")):
            return OwnerByRoute(owner=path, why_not=_NO_NAMES)
        return owner_by_route(path, self._follower.readings())
