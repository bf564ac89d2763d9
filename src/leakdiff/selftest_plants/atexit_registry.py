"""A function registered with ``atexit`` for every unit.

The interpreter holds what is registered and offers only a count of it: that count, and
as many objects that nobody else holds, name the owner. The twin registers one function once, and adds to and takes from
what that function will close: on CPython 3.11 to 3.13 ``atexit.unregister`` frees the
callback, but never its eight bytes in the interpreter's table.
"""

from __future__ import annotations

import atexit


class Connection:
    """Something to close before the process ends."""

    def __init__(self) -> None:
        self.address = ["db", "5432"]


_to_close: set[Connection] = set()


def close(connection: Connection) -> None:
    """Close one connection."""
    connection.address.clear()


def close_all() -> None:
    """Close every connection that is still open."""
    while _to_close:
        close(_to_close.pop())


def setup() -> None:
    """Register, once, what closes all that is open."""
    atexit.register(close_all)


def leak(units: int) -> None:
    """Register a function for each connection."""
    for _ in range(units):
        atexit.register(close, Connection())


def clean(units: int) -> None:
    """Add each connection to what is closed at exit, and take it out when it ends."""
    for _ in range(units):
        connection = Connection()
        _to_close.add(connection)
        _to_close.discard(connection)


def teardown() -> None:
    """Take back every registration."""
    atexit.unregister(close)
    atexit.unregister(close_all)
