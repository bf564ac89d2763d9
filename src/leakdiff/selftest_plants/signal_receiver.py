"""Receivers connected to a signal, each by a key of its own, and never disconnected."""

from __future__ import annotations

from collections.abc import Callable


class Signal:
    """Calls everyone who is connected to it."""

    def __init__(self) -> None:
        self.receivers: list[tuple[int, Callable[[str], None]]] = []

    def connect(self, key: int, receiver: Callable[[str], None]) -> None:
        """Call a receiver from now on."""
        self.receivers.append((key, receiver))

    def disconnect(self, key: int) -> None:
        """Call the receiver of a key no more."""
        self.receivers = [receiver for receiver in self.receivers if receiver[0] != key]


class Checkout:
    """Wants to know when its order is paid."""

    def __init__(self) -> None:
        self.lines = ["tea", "cups"]

    def on_paid(self, order: str) -> None:
        """Note that it is."""
        self.lines.append(order)


_order_paid = Signal()


def leak(units: int) -> None:
    """Connect checkouts and forget them."""
    for _ in range(units):
        checkout = Checkout()
        _order_paid.connect(id(checkout), checkout.on_paid)


def clean(units: int) -> None:
    """Connect checkouts and disconnect each one."""
    for _ in range(units):
        checkout = Checkout()
        _order_paid.connect(id(checkout), checkout.on_paid)
        _order_paid.disconnect(id(checkout))


def teardown() -> None:
    """Disconnect everyone."""
    _order_paid.receivers.clear()
