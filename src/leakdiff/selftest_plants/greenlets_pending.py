"""Greenlets that are switched away from and never switched to again."""

from __future__ import annotations

import importlib
from typing import Any

# Not an import statement: greenlet is optional, and mypy must pass with and without it.
greenlet: Any = importlib.import_module("greenlet")


class Order:
    """What a greenlet works on."""

    def __init__(self) -> None:
        self.lines = ["tea", "cups"]


_started: list[Any] = []


def serve() -> int:
    """Work on an order, and wait for its payment half-way."""
    order = Order()
    greenlet.getcurrent().parent.switch()
    return len(order.lines)


def start() -> Any:
    """Start serving."""
    serving = greenlet.greenlet(serve)
    serving.switch()
    return serving


def leak(units: int) -> None:
    """Start serving and never go on."""
    for _ in range(units):
        serving = start()
        _started.append(serving)


def clean(units: int) -> None:
    """Start serving and go on to the end."""
    for _ in range(units):
        start().switch()


def teardown() -> None:
    """Let every greenlet end."""
    while _started:
        _started.pop().switch()
