"""Reference cycles made while the cyclic collector is off.

The twin makes the same objects without the cycle: reference counting frees them.
"""

from __future__ import annotations

import gc


class Node:
    """One element of a tree."""

    def __init__(self) -> None:
        self.parent: Node | None = None
        self.children: list[Node] = []


def make_tree(*, with_parents: bool) -> Node:
    """Make a root and two leaves."""
    root = Node()
    for _ in range(2):
        leaf = Node()
        leaf.parent = root if with_parents else None
        root.children.append(leaf)
    return root


def setup() -> None:
    """Turn the collector off, as some services do for speed."""
    gc.disable()


def leak(units: int) -> None:
    """Make trees that know their parents."""
    for _ in range(units):
        make_tree(with_parents=True)


def clean(units: int) -> None:
    """Make trees that do not."""
    for _ in range(units):
        make_tree(with_parents=False)


def teardown() -> None:
    """Turn the collector on and let it work."""
    gc.enable()
    gc.collect()
