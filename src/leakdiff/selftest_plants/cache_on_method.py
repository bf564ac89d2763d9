"""A ``functools.cache`` on a method: its keys hold ``self``."""

from __future__ import annotations

import functools


class Invoice:
    """A few lines to add up."""

    def __init__(self) -> None:
        self.lines = [float(number) for number in range(4)]

    @functools.cache  # noqa: B019 - the leak
    def total(self) -> float:
        """Add up the lines, once for each invoice that ever was."""
        return sum(self.lines)

    @functools.cached_property
    def own_total(self) -> float:
        """Add up the lines, once, and keep the sum on the invoice."""
        return sum(self.lines)


def leak(units: int) -> None:
    """Add up invoices that the cache on the class keeps."""
    for _ in range(units):
        Invoice().total()


def clean(units: int) -> None:
    """Add up invoices that keep their sum themselves."""
    for _ in range(units):
        assert Invoice().own_total > 0  # noqa: S101 - reading it is the work


def teardown() -> None:
    """Empty the cache on the class."""
    Invoice.total.cache_clear()
