"""What a store holds: the header of each snapshot, and all of it in numbers."""

from __future__ import annotations

import attrs

from leakdiff.model.one_line import one_line
from leakdiff.model.snapshot import Identity


@attrs.frozen(kw_only=True)
class Header:
    """One snapshot in a store, without what it holds.

    Attributes:
        id: Its number in this store; never given to another.
        taken: When, UTC seconds since the epoch.
        identity: Of which process.
        label: What the caller called it.
        is_deep: Whether the heap was walked.
        bytes: What it takes in the store, compressed.
    """

    id: int
    taken: float
    identity: Identity
    label: str | None = None
    is_deep: bool = False
    bytes: int = 0

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class StoreInfo:
    """How much a store holds.

    Attributes:
        snapshots: All snapshots.
        deep: Of them, those whose heap was walked.
        processes: Lives of processes they are of.
        first: When the earliest was taken, UTC seconds since the epoch; None in an empty store.
        last: When the latest was taken.
        bytes: Bytes on disk.
        schema: Version of the store's layout.
    """

    snapshots: int
    deep: int
    processes: int
    first: float | None
    last: float | None
    bytes: int
    schema: int

    __repr__ = one_line
