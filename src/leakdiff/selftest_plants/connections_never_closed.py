"""SQLite connections kept in a pool that hands out new ones only."""

from __future__ import annotations

import sqlite3


class Pool:
    """Opens a connection whenever it is asked for one."""

    def __init__(self) -> None:
        self.opened: list[sqlite3.Connection] = []

    def open(self) -> sqlite3.Connection:
        """Open one more."""
        connection = sqlite3.connect(":memory:")
        self.opened.append(connection)
        return connection

    def close(self) -> None:
        """Close the one that was opened last."""
        self.opened.pop().close()


_pool = Pool()


def leak(units: int) -> None:
    """Query on connections that stay open."""
    for _ in range(units):
        _pool.open().execute("SELECT 1").fetchall()


def clean(units: int) -> None:
    """Query and close."""
    for _ in range(units):
        _pool.open().execute("SELECT 1").fetchall()
        _pool.close()


def teardown() -> None:
    """Close every connection."""
    while _pool.opened:
        _pool.close()
