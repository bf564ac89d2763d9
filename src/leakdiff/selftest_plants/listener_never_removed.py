"""Listeners added for each connection and never removed: bound methods in a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Bus:
    """Tells its listeners what happens."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[str], None]] = []


class Connection:
    """Listens to the bus while it is open."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def deliver(self, news: str) -> None:
        """Hear one piece of news."""
        self.heard.append(news)

    def open(self, bus: Bus) -> None:
        """Begin to listen."""
        bus.listeners.append(self.deliver)

    def close(self, bus: Bus) -> None:
        """Stop listening."""
        bus.listeners.remove(self.deliver)


_bus = Bus()


def leak(units: int) -> None:
    """Open connections and drop them without closing."""
    for _ in range(units):
        Connection().open(_bus)


def clean(units: int) -> None:
    """Open connections and close each one."""
    for _ in range(units):
        connection = Connection()
        connection.open(_bus)
        connection.close(_bus)


def teardown() -> None:
    """Remove every listener."""
    _bus.listeners.clear()
