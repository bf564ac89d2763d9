"""SQLite cursors kept half read, on one connection."""

from __future__ import annotations

import sqlite3


class Database:
    """One connection, and what was asked of it."""

    connection: sqlite3.Connection

    def __init__(self) -> None:
        self.asked: list[sqlite3.Cursor] = []

    def ask(self) -> sqlite3.Cursor:
        """Ask for two rows, and read one."""
        cursor = self.connection.execute("SELECT 1 UNION ALL SELECT 2")
        cursor.fetchone()
        return cursor


_database = Database()


def setup() -> None:
    """Open the connection."""
    _database.connection = sqlite3.connect(":memory:", cached_statements=0)


def leak(units: int) -> None:
    """Ask, and keep the cursors."""
    for _ in range(units):
        _database.asked.append(_database.ask())


def clean(units: int) -> None:
    """Ask, and close each cursor."""
    for _ in range(units):
        _database.ask().close()


def teardown() -> None:
    """Close the cursors and the connection."""
    while _database.asked:
        _database.asked.pop().close()
    _database.connection.close()
