"""A reference cycle through a numpy object array, which gc cannot see through."""

from __future__ import annotations

import importlib
from typing import Any

# Not an import statement: numpy is optional, and mypy must pass with and without it.
numpy: Any = importlib.import_module("numpy")


class Cell:
    """One cell of a grid."""

    def __init__(self, grid: Grid | None) -> None:
        self.grid = grid


class Grid:
    """Four cells in an object array, which may know their grid."""

    def __init__(self) -> None:
        self.cells = numpy.empty(4, dtype=object)

    def fill(self, owner: Grid | None) -> None:
        """Make the cells, with what they shall know as their grid."""
        for index in range(4):
            self.cells[index] = Cell(owner)


def leak(units: int) -> None:
    """Make grids whose cells point back at them."""
    for _ in range(units):
        grid = Grid()
        grid.fill(grid)


def clean(units: int) -> None:
    """Make grids whose cells do not."""
    for _ in range(units):
        grid = Grid()
        grid.fill(None)
