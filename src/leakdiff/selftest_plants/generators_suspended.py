"""Generators kept half read, each with what it works on in its frame."""

from __future__ import annotations

from collections.abc import Generator


class Page:
    """One page of an answer."""

    def __init__(self) -> None:
        self.rows = ["a", "b"]


_reading: list[Generator[str, None, None]] = []


def read() -> Generator[str, None, None]:
    """Read a page, row by row."""
    page = Page()
    yield from page.rows


def first() -> Generator[str, None, None]:
    """Read the first row only, and return what would read the others."""
    rows = read()
    next(rows)
    return rows


def leak(units: int) -> None:
    """Keep what would go on."""
    _reading.extend(first() for _ in range(units))


def clean(units: int) -> None:
    """Close what would go on."""
    for _ in range(units):
        first().close()


def teardown() -> None:
    """Close them all."""
    while _reading:
        _reading.pop().close()
