"""A dict keyed by request id, whose entries nobody takes out."""

from __future__ import annotations

import itertools

import attrs


@attrs.define(eq=False)
class Order:
    """What one request asked for."""

    rid: str
    lines: list[str]


_numbers = itertools.count()
_orders: dict[str, Order] = {}


def place_order() -> str:
    """Put one order into the dict, and return its key."""
    rid = f"req-{next(_numbers):08x}"
    _orders[rid] = Order(rid, [rid])
    return rid


def leak(units: int) -> None:
    """Place orders that stay."""
    for _ in range(units):
        place_order()


def clean(units: int) -> None:
    """Place orders and take each one out."""
    for _ in range(units):
        del _orders[place_order()]


def teardown() -> None:
    """Forget every order."""
    _orders.clear()
