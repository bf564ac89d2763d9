"""The store that leakdiff uses unless told otherwise: one SQLite file."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
import zlib
from collections.abc import Sequence
from typing import Any, Self

from leakdiff.errors import BadOption, SnapshotNotFound, StoreUnusable
from leakdiff.model.heap import Bound
from leakdiff.model.kept import Header, StoreInfo
from leakdiff.model.snapshot import Identity, Snapshot
from leakdiff.model.trend import Point
from leakdiff.store.codec import MOST_BYTES, Malformed, decoded, encoded, value_of
from leakdiff.store.database import Database
from leakdiff.store.interface import Store
from leakdiff.store.location import bytes_on_disk
from leakdiff.store.questions import BOUNDS, HEADERS, LATEST, LIMIT, PAYLOAD, POINTS, SERIES, TOTALS, Question
from leakdiff.store.retention import surplus
from leakdiff.store.rows import as_text, delete, insert, sweep
from leakdiff.store.schema import version_of

_MEMORY = ":memory:"
_AT_ONCE = 100  # snapshots deleted in one transaction: others wait for no longer than that
_PAGES_AT_ONCE = 1_000


def open_store(store: str | os.PathLike[str] | Store, *, must_exist: bool = False, timeout: float = 5.0) -> Store:
    """Return the store that a URL, a path or a store itself stands for.

    Args:
        store: ``sqlite:///relative/path``, ``sqlite:////absolute/path``, ``sqlite:///:memory:``, a path, or an object
            with the methods of ``Store``, which is returned as it is.
        must_exist: Whether to refuse rather than to make a new one.
        timeout: Seconds to wait for others who hold it.

    Raises:
        BadOption: If it is none of these.
        StoreUnusable: If it cannot be opened: missing, foreign, corrupt, of a newer schema, locked.
    """
    if isinstance(store, str | os.PathLike):
        return SQLiteStore(store, must_exist=must_exist, timeout=timeout)
    if isinstance(store, Store):
        return store
    raise BadOption("store", store, "sqlite:///PATH, a path, or an object with the methods of Store")


class SQLiteStore:
    """A history of snapshots in one SQLite file, for several processes and threads at once.

    Each snapshot is one transaction. The file outlives ``kill -9`` at any moment, and forks. A file that may only be
    read can be opened too; then only ``add`` and ``prune`` fail.

    Args:
        store: A URL such as ``sqlite:///path``, or a path.
        must_exist: Whether to refuse rather than to make a new one.
        timeout: Seconds to wait for others who hold it.

    Raises:
        BadOption: If the URL is no SQLite URL.
        StoreUnusable: If it cannot be opened.
    """

    def __init__(self, store: str | os.PathLike[str], *, must_exist: bool = False, timeout: float = 5.0) -> None:
        self._database = Database(_path_of(store), must_exist=must_exist, timeout=timeout)
        with self._database.reading():
            pass  # what is wrong with it should be said now

    def __repr__(self) -> str:
        return f"<SQLiteStore {self._database.place}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; the store cannot be used afterwards."""
        self._database.close()

    # -- writing -----------------------------------------------------------------------------------

    def add(self, snapshot: Snapshot) -> int:
        """Keep a snapshot, whole or not at all, and return its id."""
        payload = zlib.compress(encoded(snapshot))
        with self._database.writing() as connection:
            return insert(connection, snapshot, payload)

    def prune(
        self,
        *,
        max_age: float | None = None,
        max_bytes: int | None = None,
        thin: bool = True,
        now: float | None = None,
    ) -> int:
        """Delete what is too old, too much, or closer together than old snapshots need to be.

        Args:
            max_age: Seconds after which a snapshot is deleted; None for no limit.
            max_bytes: Bytes on disk; the oldest go first, and the last one stays. None for no limit.
            thin: Whether to keep of each process one snapshot an hour after 24 hours, and one a day after 7 days.
            now: The time to count from, UTC seconds since the epoch; default: the present.

        Returns:
            How many snapshots were deleted.

        Raises:
            BadOption: If a limit is not above 0.
        """
        _check_above_zero(max_age=max_age, max_bytes=max_bytes)
        now = time.time() if now is None else now
        deleted = 0
        if max_age is not None:
            deleted += self._delete([header.id for header in self.headers(until=now - max_age)])
        if thin:
            deleted += self._delete(surplus(self.headers(), now))
        if max_bytes is not None:
            deleted += self._delete_oldest(max_bytes)
        with self._database.writing() as connection:
            sweep(connection)
        self._shrink()
        return deleted

    def _delete(self, numbers: Sequence[int]) -> int:
        deleted = 0
        for start in range(0, len(numbers), _AT_ONCE):
            with self._database.writing() as connection:
                deleted += delete(connection, numbers[start : start + _AT_ONCE])
        return deleted

    def _delete_oldest(self, max_bytes: int) -> int:
        deleted = 0
        while True:
            with self._database.writing() as connection:
                oldest = connection.execute("SELECT id FROM snapshots ORDER BY taken, id LIMIT 2").fetchall()
                if len(oldest) < 2 or _bytes_used(connection) <= max_bytes:
                    return deleted
                deleted += delete(connection, oldest[0])

    def _shrink(self) -> None:
        """Give what is free in the file back to the disk."""
        free = -1
        while free != 0:
            with self._database.reading() as connection:
                connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
                before, free = free, _pragma(connection, "freelist_count")
            if free == before:  # a store that another tool vacuumed into a file that cannot shrink
                break
        with self._database.reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    # -- reading -----------------------------------------------------------------------------------

    def headers(
        self,
        since: float | None = None,
        until: float | None = None,
        *,
        instance: str | None = None,
        label: str | None = None,
        deep: bool | None = None,
    ) -> list[Header]:
        """Return the headers of all snapshots that fit, the earliest first."""
        rows = self._ask(HEADERS, since=since, until=until, instance=as_text(instance), label=as_text(label), deep=deep)
        identities = {text: self._identity(text) for text in {row[-1] for row in rows}}
        return [
            Header(
                id=number, taken=taken, label=label, is_deep=bool(is_deep), bytes=size, identity=identities[identity]
            )
            for number, taken, label, is_deep, size, identity in rows
        ]

    def get(self, number: int) -> Snapshot:
        """Return the snapshot of an id.

        Raises:
            SnapshotNotFound: If there is none.
        """
        rows = self._ask(PAYLOAD, number=number)
        if not rows:
            raise SnapshotNotFound(self._database.place, number)
        return self._snapshot(*rows[0])

    def latest(self, *, deep: bool | None = None) -> Snapshot | None:
        """Return the snapshot taken last, of all, of the deep or of the cheap ones; None if there is none."""
        rows = self._ask(LATEST, deep=deep)
        return self._snapshot(*rows[0]) if rows else None

    def series(self) -> list[str]:
        """Return the names of all series, sorted."""
        return [name for (name,) in self._ask(SERIES)]

    def points(self, series: str, since: float | None = None, until: float | None = None) -> list[Point]:
        """Return the readings of one series, the earliest first; none where there is no such series."""
        return [
            Point(
                time=taken, value=value, units=units, instance=instance, replica=host, started=started, version=version
            )
            for taken, value, units, instance, host, started, version in self._ask(
                POINTS, series=as_text(series), since=since, until=until
            )
        ]

    def bounds(self) -> dict[str, Bound]:
        """Return what limits each owner, by path, as of the last snapshot that lists the owner."""
        rows = self._ask(BOUNDS)
        return {path: Bound(kind, limit, filled) for path, kind, limit, filled in rows}

    def limit(self) -> int | None:
        """Return the memory limit, in bytes, of the container of the last snapshot taken in one."""
        rows = self._ask(LIMIT)
        return rows[0][0] if rows else None

    def info(self) -> StoreInfo:
        """Return how much the store holds."""
        with self._database.reading() as connection:
            snapshots, deep, processes, first, last = TOTALS.ask(connection)[0]
            schema = version_of(connection, self._database.place)
            used = _bytes_used(connection)
        path = self._database.path
        return StoreInfo(
            snapshots=snapshots,
            deep=deep,
            processes=processes,
            first=first,
            last=last,
            bytes=used if path is None else bytes_on_disk(path),
            schema=schema,
        )

    def _ask(self, question: Question, **facts: object) -> list[Any]:
        with self._database.reading() as connection:
            return question.ask(connection, **facts)

    def _identity(self, text: str) -> Identity:
        try:
            return value_of(Identity, json.loads(text))
        except ValueError as error:
            raise self._damaged("the name of a process", error) from error

    def _snapshot(self, number: int, payload: bytes) -> Snapshot:
        try:
            return decoded(zlib.decompressobj().decompress(payload, MOST_BYTES))
        except (zlib.error, Malformed) as error:
            raise self._damaged(f"its snapshot {number}", error) from error

    def _damaged(self, what: str, error: Exception) -> StoreUnusable:
        todo = error.todo if isinstance(error, Malformed) else "Ask for another; the rest of it may be whole."
        return StoreUnusable(self._database.place, f"{what} cannot be read ({error})", todo)


def _bytes_used(connection: sqlite3.Connection) -> int:
    pages = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
    return pages * _pragma(connection, "page_size")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _check_above_zero(**limits: float | None) -> None:
    for name, limit in limits.items():
        if limit is not None and not limit > 0:
            raise BadOption(name, limit, "above 0")


def _path_of(store: str | os.PathLike[str]) -> str | None:
    """Return the path in a URL, or the path itself; None for memory."""
    text = os.fsdecode(store)
    path = text.removeprefix("sqlite:///")
    if not path or re.match(r"sqlite:|[a-z][a-z0-9+.-]*://", path, re.IGNORECASE):
        raise BadOption("store", text, "sqlite:///PATH or a path")
    if "\0" in path:
        raise StoreUnusable(repr(path), "its name holds a NUL", "Name another file.")
    return None if path == _MEMORY else os.path.realpath(path)
