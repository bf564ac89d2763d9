"""Classes made in a loop and kept in a list.

The twin drops each class at once. A class is a cycle, so that only the collector
frees it: without one, the number of classes is a sawtooth.
"""

from __future__ import annotations


class Row:
    """What every made class derives from."""


_row_types: list[type[Row]] = []


def make_row_type() -> type[Row]:
    """Make one more class."""
    return type("SelectedRow", (Row,), {"columns": ("id", "name")})


def leak(units: int) -> None:
    """Make classes and keep them."""
    _row_types.extend(make_row_type() for _ in range(units))


def clean(units: int) -> None:
    """Make classes and drop each one."""
    for _ in range(units):
        make_row_type()


def teardown() -> None:
    """Drop every class."""
    _row_types.clear()
