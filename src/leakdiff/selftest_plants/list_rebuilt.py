"""A list that is built anew each time, under the same attribute: no list grows."""

from __future__ import annotations


class Item:
    """Something in the basket."""

    def __init__(self, name: str) -> None:
        self.name = name


class Basket:
    """Replaces its list instead of changing it."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def add(self, name: str) -> None:
        """Put one item in."""
        self.items = [*self.items, Item(name)]

    def forget_all_but(self, count: int) -> None:
        """Keep the last items."""
        self.items = self.items[-count:]


_basket = Basket()


def leak(units: int) -> None:
    """Put items in and leave them there."""
    for _ in range(units):
        _basket.add("apple")


def clean(units: int) -> None:
    """Put items in and keep the last twenty."""
    for _ in range(units):
        _basket.add("apple")
        _basket.forget_all_but(20)


def teardown() -> None:
    """Empty the basket."""
    _basket.items = []
