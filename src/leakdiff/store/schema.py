"""The tables of an SQLite store, and how an older layout becomes the present one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from leakdiff.errors import StoreUnusable

APPLICATION = 0x6C6B6466  # "lkdf", in the header of the file: what tells a store from other SQLite files

_FIRST = (
    """
    CREATE TABLE processes (
        id INTEGER PRIMARY KEY,
        instance TEXT NOT NULL,
        host TEXT NOT NULL,
        started REAL NOT NULL,
        version TEXT NOT NULL,
        identity TEXT NOT NULL UNIQUE
    )
    """,
    # An id is never given twice: AUTOINCREMENT. The payload stands last, so that headers are read without it.
    """
    CREATE TABLE snapshots (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        taken REAL NOT NULL,
        process INTEGER NOT NULL REFERENCES processes (id),
        label TEXT,
        is_deep INTEGER NOT NULL,
        units INTEGER,
        in_container INTEGER NOT NULL,
        memory_limit INTEGER,
        payload BLOB NOT NULL
    )
    """,
    "CREATE INDEX snapshots_by_time ON snapshots (taken)",
    "CREATE INDEX snapshots_by_process ON snapshots (process)",
    "CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """
    CREATE TABLE points (
        series INTEGER NOT NULL REFERENCES series (id),
        snapshot INTEGER NOT NULL REFERENCES snapshots (id),
        value REAL NOT NULL,
        PRIMARY KEY (series, snapshot)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX points_by_snapshot ON points (snapshot)",
    # A limit of NULL: the owner had one, and the last snapshot that lists it has none.
    """
    CREATE TABLE bounds (
        path TEXT PRIMARY KEY,
        taken REAL NOT NULL,
        kind TEXT,
        entry_limit INTEGER,
        filled INTEGER
    ) WITHOUT ROWID
    """,
)


# One statement, so that it sees one moment: another process may be making the store.
_WHOSE = """
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
    FROM pragma_application_id, pragma_user_version
"""


def _create(connection: sqlite3.Connection) -> None:
    for statement in _FIRST:
        connection.execute(statement)


# Each takes a store from the version that is its position to the next.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_create,)


def version_of(connection: sqlite3.Connection, place: str) -> int:
    """Return the version of a store's layout, 0 for an empty file.

    Raises:
        StoreUnusable: If the file is another program's, or of a newer leakdiff.
    """
    application, version, tables = connection.execute(_WHOSE).fetchone()
    if (application, version, tables) == (0, 0, 0):
        return 0
    if application != APPLICATION:
        raise StoreUnusable(place, "it is an SQLite database of another program", "Name another file.")
    if version > len(MIGRATIONS):
        saw = f"it was written by a newer leakdiff (schema {version}; this one reads up to {len(MIGRATIONS)})"
        raise StoreUnusable(place, saw, "Upgrade leakdiff.")
    return int(version)


def migrate(connection: sqlite3.Connection, place: str) -> None:
    """Bring a store to the present layout, within the caller's transaction."""
    for migration in MIGRATIONS[version_of(connection, place) :]:
        migration(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def check_present(version: int, place: str) -> None:
    """Refuse a store of an older layout, where it can only be read.

    Raises:
        StoreUnusable: If it is older.
    """
    if version < len(MIGRATIONS):
        raise StoreUnusable(
            place,
            f"its layout is old (schema {version}, now {len(MIGRATIONS)}) and it can only be read",
            "Open it once with permission to write, or a copy of it.",
        )
