"""Context managers entered on an ``ExitStack`` that is closed only when the program ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Workspace:
    """What one job works in."""

    def __init__(self) -> None:
        self.files = ["plan", "report"]


@contextlib.contextmanager
def workspace() -> Iterator[Workspace]:
    """Make a workspace, and clear it in the end."""
    made = Workspace()
    try:
        yield made
    finally:
        made.files.clear()


_until_the_end = contextlib.ExitStack()


def leak(units: int) -> None:
    """Enter workspaces on the stack of the whole program."""
    for _ in range(units):
        _until_the_end.enter_context(workspace())


def clean(units: int) -> None:
    """Enter each workspace on a stack of its own."""
    for _ in range(units):
        with contextlib.ExitStack() as stack:
            stack.enter_context(workspace())


def teardown() -> None:
    """Leave every workspace."""
    _until_the_end.close()
