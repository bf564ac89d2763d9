"""A linked list: no container grows, and the old head is replaced every time."""

from __future__ import annotations

import attrs


@attrs.define(eq=False)
class Node:
    """One change, and the change before it."""

    change: str
    before: Node | None


class History:
    """Knows the latest change."""

    def __init__(self) -> None:
        self.head: Node | None = None

    def push(self, change: str) -> None:
        """Put a change in front."""
        self.head = Node(change, self.head)

    def undo(self) -> None:
        """Go back to the change before."""
        if self.head is not None:
            self.head = self.head.before


_history = History()


def leak(units: int) -> None:
    """Make changes that all stay undoable."""
    for _ in range(units):
        _history.push("typed a letter")


def clean(units: int) -> None:
    """Make changes and undo each one."""
    for _ in range(units):
        _history.push("typed a letter")
        _history.undo()


def teardown() -> None:
    """Undo everything, one by one, so that no deep chain is freed at once."""
    while _history.head is not None:
        _history.undo()
