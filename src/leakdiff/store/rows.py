"""One snapshot as rows of an SQLite store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping

from leakdiff.model.heap import Bound
from leakdiff.model.snapshot import Identity, OwnerSize, Snapshot
from leakdiff.store.codec import LARGEST, plain_of
from leakdiff.store.series import ENTRIES, kept_owners, series_of_snapshot

_SWEEP = (
    "DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM points WHERE points.series = series.id)",
    "DELETE FROM processes WHERE NOT EXISTS (SELECT 1 FROM snapshots WHERE process = processes.id)",
    f"DELETE FROM bounds WHERE NOT EXISTS (SELECT 1 FROM series WHERE name = '{ENTRIES}' || path)",  # noqa: S608
)


def insert(connection: sqlite3.Connection, snapshot: Snapshot, payload: bytes) -> int:
    """Add a snapshot, its readings and its bounds, within the caller's transaction, and return its id."""
    known = _known_paths(connection) if snapshot.is_deep else frozenset()
    number = _insert_snapshot(connection, snapshot, payload)
    _insert_points(connection, number, series_of_snapshot(snapshot, known))
    _insert_bounds(connection, snapshot.taken.utc, kept_owners(snapshot, known))
    return number


def delete(connection: sqlite3.Connection, numbers: Iterable[int]) -> int:
    """Delete snapshots with their readings, and return how many there were."""
    each = [(number,) for number in numbers]
    connection.executemany("DELETE FROM points WHERE snapshot = ?", each)
    return connection.executemany("DELETE FROM snapshots WHERE id = ?", each).rowcount


def sweep(connection: sqlite3.Connection) -> None:
    """Delete what belongs to no snapshot any more."""
    for statement in _SWEEP:
        connection.execute(statement)


def as_text(text: str | None) -> str | None:
    """Return a text as SQLite can hold it: halves of surrogate pairs are written out."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


def _insert_snapshot(connection: sqlite3.Connection, snapshot: Snapshot, payload: bytes) -> int:
    cgroup = snapshot.cgroup
    connection.execute(
        "INSERT INTO snapshots (taken, process, label, is_deep, units, in_container, memory_limit, payload) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            snapshot.taken.utc,
            _process_number(connection, snapshot.identity),
            as_text(snapshot.label),
            snapshot.is_deep,
            snapshot.units,
            cgroup is not None,
            cgroup.limit if cgroup is not None else None,
            payload,
        ),
    )
    return int(connection.execute("SELECT last_insert_rowid()").fetchone()[0])


def _process_number(connection: sqlite3.Connection, identity: Identity) -> int:
    key = json.dumps(plain_of(identity))
    facts = (as_text(identity.instance), as_text(identity.host), identity.started, as_text(identity.version), key)
    connection.execute(
        "INSERT INTO processes (instance, host, started, version, identity) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (identity) DO NOTHING",
        facts,
    )
    return int(connection.execute("SELECT id FROM processes WHERE identity = ?", (key,)).fetchone()[0])


def _insert_points(connection: sqlite3.Connection, number: int, readings: Mapping[str, float]) -> None:
    named = {as_text(name): value for name, value in readings.items()}
    connection.executemany(
        "INSERT INTO series (name) VALUES (?) ON CONFLICT (name) DO NOTHING", ((name,) for name in named)
    )
    connection.executemany(
        "INSERT INTO points (series, snapshot, value) SELECT id, ?, ? FROM series WHERE name = ?",
        ((number, value, name) for name, value in named.items()),
    )


def _insert_bounds(connection: sqlite3.Connection, taken: float, owners: Iterable[OwnerSize]) -> None:
    known = {path for (path,) in connection.execute("SELECT path FROM bounds")}
    connection.executemany(
        "INSERT INTO bounds (path, taken, kind, entry_limit, filled) VALUES (?, ?, ?, ?, ?) ON CONFLICT (path) "
        "DO UPDATE SET (taken, kind, entry_limit, filled) = (excluded.taken, excluded.kind, excluded.entry_limit, "
        "excluded.filled) WHERE excluded.taken >= bounds.taken",
        (
            (as_text(owner.path), taken, *_bound_facts(owner.bound))
            for owner in owners
            if owner.bound is not None or as_text(owner.path) in known
        ),
    )


def _bound_facts(bound: Bound | None) -> tuple[str | None, int | None, int | None]:
    if bound is None:
        return None, None, None
    return as_text(bound.kind), min(bound.limit, LARGEST), min(bound.filled, LARGEST)


def _known_paths(connection: sqlite3.Connection) -> frozenset[str]:
    rows = connection.execute("SELECT name FROM series WHERE substr(name, 1, ?) = ?", (len(ENTRIES), ENTRIES))
    return frozenset(name.removeprefix(ENTRIES) for (name,) in rows)
