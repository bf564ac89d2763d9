"""Sockets kept by number, and never closed."""

from __future__ import annotations

import itertools
import socket

_numbers = itertools.count()
_connections: dict[int, tuple[socket.socket, socket.socket]] = {}


def connect() -> int:
    """Open both ends of a connection, and return its number."""
    number = next(_numbers)
    _connections[number] = socket.socketpair()
    return number


def hang_up(number: int) -> None:
    """Close both ends of a connection."""
    for end in _connections.pop(number):
        end.close()


def leak(units: int) -> None:
    """Connect and forget."""
    for _ in range(units):
        connect()


def clean(units: int) -> None:
    """Connect and hang up."""
    for _ in range(units):
        hang_up(connect())


def teardown() -> None:
    """Hang up everywhere."""
    while _connections:
        hang_up(next(iter(_connections)))
