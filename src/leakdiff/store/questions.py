"""What is asked of an SQLite store, and what the answers must look like."""

from __future__ import annotations

import sqlite3
import types
import typing
from collections.abc import Sequence
from typing import Any

import attrs


@attrs.frozen
class Question:
    """A statement that reads.

    Attributes:
        statement: The SQL.
        columns: The types of the columns it answers with. In a damaged file any column can hold anything.
    """

    statement: str
    columns: tuple[type | types.UnionType, ...]

    def ask(self, connection: sqlite3.Connection, **facts: object) -> list[Any]:
        """Return the rows of the answer.

        Args:
            connection: Where to ask.
            **facts: What stands for the names in the statement.

        Raises:
            sqlite3.DatabaseError: If a column holds what it cannot hold.
        """
        rows = connection.execute(self.statement, facts).fetchall()
        self._check(rows)
        return rows

    def _check(self, rows: Sequence[tuple[Any, ...]]) -> None:
        for expected, cells in zip(self.columns, zip(*rows, strict=True), strict=False):
            if not set(map(type, cells)) <= set(typing.get_args(expected) or [expected]):
                raise sqlite3.OperationalError("a column holds what it cannot hold")


HEADERS = Question(
    """
    SELECT snapshots.id, taken, label, is_deep, length(payload), identity
    FROM snapshots JOIN processes ON processes.id = process
    WHERE (:since IS NULL OR taken >= :since) AND (:until IS NULL OR taken < :until)
        AND (:instance IS NULL OR instance = :instance) AND (:label IS NULL OR label = :label)
        AND (:deep IS NULL OR is_deep = :deep)
    ORDER BY taken, snapshots.id
    """,
    (int, float, str | None, int, int, str),
)
PAYLOAD = Question("SELECT id, payload FROM snapshots WHERE id = :number", (int, bytes))
LATEST = Question(
    "SELECT id, payload FROM snapshots WHERE :deep IS NULL OR is_deep = :deep ORDER BY taken DESC, id DESC LIMIT 1",
    (int, bytes),
)
SERIES = Question("SELECT name FROM series ORDER BY name", (str,))
POINTS = Question(
    """
    SELECT taken, value, units, instance, host, started, version
    FROM series JOIN points ON points.series = series.id
    JOIN snapshots ON snapshots.id = snapshot JOIN processes ON processes.id = process
    WHERE name = :series AND (:since IS NULL OR taken >= :since) AND (:until IS NULL OR taken < :until)
    ORDER BY taken, snapshots.id
    """,
    (float, float, int | None, str, str, float, str),
)
BOUNDS = Question(
    "SELECT path, kind, entry_limit, filled FROM bounds WHERE kind IS NOT NULL ORDER BY path", (str, str, int, int)
)
LIMIT = Question(
    "SELECT memory_limit FROM snapshots WHERE in_container ORDER BY taken DESC, id DESC LIMIT 1", (int | None,)
)
TOTALS = Question(
    """
    SELECT count(*), coalesce(sum(is_deep), 0), (SELECT count(DISTINCT instance) FROM processes), min(taken), max(taken)
    FROM snapshots
    """,
    (int, int, int, float | None, float | None),
)
