"""A ``weakref.finalize`` per unit on an object that lives as long as the process."""

from __future__ import annotations

import weakref
from typing import Any


class Server:
    """Lives long."""


class Lease:
    """What a request borrows from the server."""

    def __init__(self) -> None:
        self.rooms = ["kitchen"]


class House:
    """Knows its server."""

    def __init__(self) -> None:
        self.server = Server()


_house = House()


def borrow() -> weakref.finalize[Any, Any]:
    """Borrow something that the server takes back when it ends."""
    lease = Lease()
    return weakref.finalize(_house.server, lease.rooms.clear)


def leak(units: int) -> None:
    """Borrow, and wait for the server to end."""
    for _ in range(units):
        borrow()


def clean(units: int) -> None:
    """Borrow, and give back."""
    for _ in range(units):
        borrow()()


def teardown() -> None:
    """End the server: all its finalizers run."""
    _house.server = Server()
