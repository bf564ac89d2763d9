"""What a store can do: few enough methods that others can write one."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from leakdiff.model.heap import Bound
from leakdiff.model.kept import Header, StoreInfo
from leakdiff.model.snapshot import Snapshot
from leakdiff.model.trend import Point


@runtime_checkable
class Store(Protocol):
    """A history of snapshots, and the series read from them.

    Times are UTC seconds since the epoch; ``since`` is included, ``until`` is not. Methods may be called from any
    thread, and raise ``StoreLocked`` or another ``StoreUnusable``.
    """

    def add(self, snapshot: Snapshot) -> int:
        """Keep a snapshot, whole or not at all, and return its id; when it returns, the snapshot outlives the process.

        The series gain what ``leakdiff.store.series.series_of_snapshot`` reads from it.
        """
        ...

    def headers(
        self,
        since: float | None = None,
        until: float | None = None,
        *,
        instance: str | None = None,
        label: str | None = None,
        deep: bool | None = None,
    ) -> list[Header]:
        """Return the headers of all snapshots that fit, the earliest first.

        Args:
            since: The earliest time.
            until: The time before which.
            instance: Only of this life of a process (``Identity.instance``).
            label: Only those with this label.
            deep: Only deep ones (True), or only cheap ones (False).
        """
        ...

    def get(self, number: int) -> Snapshot:
        """Return the snapshot of an id.

        Raises:
            SnapshotNotFound: If there is none.
        """
        ...

    def latest(self, *, deep: bool | None = None) -> Snapshot | None:
        """Return the snapshot taken last, of all, of the deep or of the cheap ones; None if there is none."""
        ...

    def series(self) -> list[str]:
        """Return the names of all series, sorted."""
        ...

    def points(self, series: str, since: float | None = None, until: float | None = None) -> list[Point]:
        """Return the readings of one series, the earliest first; none where there is no such series."""
        ...

    def bounds(self) -> dict[str, Bound]:
        """Return what limits each owner, by path, as of the last snapshot that lists the owner."""
        ...

    def limit(self) -> int | None:
        """Return the memory limit, in bytes, of the container of the last snapshot taken in one."""
        ...

    def prune(
        self,
        *,
        max_age: float | None = None,
        max_bytes: int | None = None,
        thin: bool = True,
        now: float | None = None,
    ) -> int:
        """Delete what is too old, too much, or closer together than old snapshots need to be.

        Thinning keeps everything of the last 24 hours, for 7 days one snapshot an hour of each process, and beyond
        that one a day, deep ones first.

        Args:
            max_age: Seconds after which a snapshot is deleted; None for no limit.
            max_bytes: Bytes on disk; the oldest go first, and the last one stays. None for no limit.
            thin: Whether to thin out.
            now: The time to count from; default: the present.

        Returns:
            How many snapshots were deleted.
        """
        ...

    def info(self) -> StoreInfo:
        """Return how much the store holds."""
        ...

    def close(self) -> None:
        """Let go of the store's files; the store cannot be used afterwards."""
        ...
