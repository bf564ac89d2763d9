"""A list in a slot of an instance that has no ``__dict__``."""

from __future__ import annotations


class Row:
    """One booking."""

    __slots__ = ("amount",)

    def __init__(self, amount: float) -> None:
        self.amount = amount


class Ledger:
    """Keeps the bookings."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: list[Row] = []


_ledger = Ledger()


def leak(units: int) -> None:
    """Book rows that stay."""
    for _ in range(units):
        _ledger.rows.append(Row(9.99))


def clean(units: int) -> None:
    """Book rows and cancel each one."""
    for _ in range(units):
        _ledger.rows.append(Row(9.99))
        _ledger.rows.pop()


def teardown() -> None:
    """Cancel every row."""
    _ledger.rows.clear()
