"""What all exporters tell of a process, read from its monitor: no snapshot is ever taken for it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from leakdiff.errors import BadOption
from leakdiff.metrics.shortlist import Shortlist, label_of
from leakdiff.model.health import MonitorHealth
from leakdiff.model.snapshot import Cgroup, Identity, Memory, OwnerSize, Snapshot, Tally, TypeCount
from leakdiff.schedule import is_path_of_names, own_bytes

if TYPE_CHECKING:
    from leakdiff.monitor import Monitor

OTHER = "other"
_STAYS = 1.5  # times the places in the list: how far down a name may fall before it leaves
_EVER = 5  # times the places in the list: names over the life of a process
_MOST_SERIES = 1_000

_logger = logging.getLogger("leakdiff.metrics")

Lengths = Callable[[tuple[str, ...]], tuple[Tally, ...]]


@attrs.frozen(kw_only=True)
class Container:
    """A registered or found owner; None is what is not known.

    Attributes:
        path: Its name.
        entries: Its length; read now where names alone lead to it, else at the latest walk of the heap.
        limit: Entries it may have at most, as registered or as its bound says.
        bytes: What it retained at the latest walk.
    """

    path: str
    entries: int | None = None
    limit: int | None = None
    bytes: int | None = None


@attrs.frozen(kw_only=True)
class Readings:
    """What is known of a process now; None is what has not been measured.

    Attributes:
        identity: Which process.
        health: How its monitor is doing.
        growth: Bytes per second by which its own memory grows.
        memory: Its memory at the latest measurement.
        own: Of it, resident bytes that are its own.
        cgroup: Its container's memory then.
        types: Objects and bytes of the largest types at the latest walk, and of all others together.
        containers: Registered owners, and the largest of those found.
        missing: Registered owners that lead to no container.
        pause: Seconds for which the latest walk kept other threads waiting, at its worst.
        is_whole: Whether that walk came to its end.
    """

    identity: Identity
    health: MonitorHealth
    growth: float | None = None
    memory: Memory | None = None
    own: int | None = None
    cgroup: Cgroup | None = None
    types: tuple[TypeCount, ...] = ()
    containers: tuple[Container, ...] = ()
    missing: int = 0
    pause: float | None = None
    is_whole: bool | None = None


class Reader:
    """Reads a monitor for an exporter, at any time and from any thread; a forked child begins anew.

    Args:
        monitor: The process's monitor.
        types: How many types have a series of their own; up to half as many more stay in for a while.
        containers: The same of found owners; registered ones come on top.
        lengths: Reads lengths of owners by path without a walk.

    Raises:
        BadOption: If a number cannot work.
    """

    def __init__(
        self, monitor: Monitor, *, types: int = 20, containers: int = 50, lengths: Lengths | None = None
    ) -> None:
        from leakdiff.capture.lookup import lengths_of

        _check(types=types, containers=containers)
        self._monitor = monitor
        self._places = types, containers
        self._lengths: Lengths = lengths_of if lengths is None else lengths
        self._life = _Life(monitor, *self._places)
        self._has_failed = False

    def read(self) -> Readings:
        """Return what is known now; whatever fails, fails."""
        if self._life.pid != os.getpid():
            self._life = _Life(self._monitor, *self._places)
        life, monitor = self._life, self._monitor
        latest, deep = monitor.latest(), monitor.latest(deep=True)
        types, owners = life.largest(deep)
        registered = monitor.owners
        lengths = self._lengths_of((*registered, *(owner.path for owner in owners if owner.containers == 1)))
        found = {owner.path: owner for owner in owners}
        for path in registered.keys() - found.keys():
            if (owner := life.owner(path)) is not None:
                found[path] = owner
        return Readings(
            identity=life.identity,
            health=monitor.health(),
            growth=monitor.growth(),
            memory=latest.memory if latest is not None else None,
            own=own_bytes(latest.memory) if latest is not None else None,
            cgroup=latest.cgroup if latest is not None else None,
            types=types,
            containers=tuple(_containers(registered, found, lengths)),
            missing=sum(path not in lengths and path not in found for path in registered),
            pause=deep.cost.longest_stall if deep is not None else None,
            is_whole=deep.heap.is_whole if deep is not None and deep.heap is not None else None,
        )

    def try_read(self) -> Readings | None:
        """Return what is known now, or None: an exporter must not break the page of all the other metrics."""
        try:
            return self.read()
        except Exception as error:  # noqa: BLE001 - whatever it is, the service must not notice
            if not self._has_failed:
                self._has_failed = True
                with suppress(Exception):  # somebody's handler or filter
                    _logger.warning("The metrics of leakdiff cannot be read: %s was raised.", type(error).__name__)
            return None

    def _lengths_of(self, paths: Iterable[str]) -> dict[str, int]:
        by_names = tuple(dict.fromkeys(path for path in paths if is_path_of_names(path)))
        return {tally.name: tally.count for tally in self._lengths(by_names)}


def _check(**places: int) -> None:
    for name, value in places.items():
        if type(value) is not int or not 0 <= value <= _MOST_SERIES:
            raise BadOption(name, value, f"a whole number from 0 to {_MOST_SERIES:,}")


def _containers(
    registered: dict[str, int | None], found: dict[str, OwnerSize], lengths: dict[str, int]
) -> Iterable[Container]:
    for path in dict.fromkeys((*registered, *found)):
        owner = found.get(path)
        if path in lengths or owner is not None:
            bound = owner.bound.limit if owner is not None and owner.bound is not None else None
            limit = registered.get(path)
            yield Container(
                path=path,
                entries=lengths.get(path, owner.entries if owner is not None else None),
                limit=bound if limit is None else limit,
                bytes=owner.bytes if owner is not None else None,
            )


class _Life:
    """What a reader remembers in one process: names it has shown, and the largest of the latest walk."""

    def __init__(self, monitor: Monitor, types: int, containers: int) -> None:
        self.pid = os.getpid()
        self.identity = monitor.identity()
        self._lock = threading.Lock()
        self._types, self._owners = _shortlist(types), _shortlist(containers)
        self._taken: float | None = None
        self._largest: tuple[tuple[TypeCount, ...], tuple[OwnerSize, ...]] = (), ()
        self._by_path: dict[str, OwnerSize] = {}

    def largest(self, deep: Snapshot | None) -> tuple[tuple[TypeCount, ...], tuple[OwnerSize, ...]]:
        """Return the types and the owners of a snapshot that have series of their own."""
        if deep is None or deep.heap is None:
            return (), ()
        with self._lock:  # two exporters in two threads must not both take it as news
            if deep.taken.monotonic != self._taken:
                self._taken = deep.taken.monotonic
                self._by_path = _by_path(deep.heap.owners or ())
                self._largest = _types(deep.heap.types, self._types), _owners(self._by_path, self._owners)
            return self._largest

    def owner(self, path: str) -> OwnerSize | None:
        """Return an owner of the latest walk."""
        return self._by_path.get(path)


def _shortlist(most: int) -> Shortlist:
    return Shortlist(most, int(most * _STAYS), most * _EVER)


def _by_path(owners: Iterable[OwnerSize]) -> dict[str, OwnerSize]:
    return {owner.path: owner for owner in owners}


def _owners(owners: dict[str, OwnerSize], shortlist: Shortlist) -> tuple[OwnerSize, ...]:
    ranked = sorted(owners.values(), key=lambda owner: (-owner.bytes, -owner.entries, owner.path))
    return tuple(owners[path] for path in shortlist.update(owner.path for owner in ranked))


def _types(types: Iterable[TypeCount], shortlist: Shortlist) -> tuple[TypeCount, ...]:
    """Add up what has the same label, and what has no series of its own under ``other``."""
    summed: dict[str, TypeCount] = {}
    for one in types:
        _add(summed, label_of(one.name), one)
    ranked = sorted(summed.values(), key=lambda one: (-one.bytes, -one.count, one.name))
    shown = set(shortlist.update(one.name for one in ranked if one.name != OTHER))
    told: dict[str, TypeCount] = {}
    for one in ranked:
        _add(told, one.name if one.name in shown else OTHER, one)
    return tuple(told.values())


def _add(sums: dict[str, TypeCount], name: str, one: TypeCount) -> None:
    before = sums.get(name)
    sums[name] = TypeCount(
        name, one.count + (before.count if before else 0), one.bytes + (before.bytes if before else 0)
    )
