"""A list that is a local variable of a suspended generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class Tick:
    """One price."""

    def __init__(self, price: float) -> None:
        self.price = price


def chart() -> Generator[int, Tick, None]:
    """Take ticks, keep them all, and yield how many there are."""
    ticks: list[Tick] = []
    while True:
        ticks.append((yield len(ticks)))


def last_two() -> Generator[float, Tick, None]:
    """Take ticks, keep the last two, and yield how far they are apart."""
    before = after = yield 0.0
    while True:
        before, after = after, (yield after.price - before.price)


_chart = chart()
_last_two = last_two()


def setup() -> None:
    """Run both generators to their first ``yield``."""
    next(_chart)
    next(_last_two)


def leak(units: int) -> None:
    """Send ticks to the generator that keeps them."""
    for _ in range(units):
        _chart.send(Tick(10.0))


def clean(units: int) -> None:
    """Send ticks to the generator that keeps two."""
    for _ in range(units):
        _last_two.send(Tick(10.0))


def teardown() -> None:
    """End both generators."""
    _chart.close()
    _last_two.close()
