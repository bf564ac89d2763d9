"""Reference cycles that the collector finds and keeps in ``gc.garbage``, as ``gc.DEBUG_SAVEALL`` has it."""

from __future__ import annotations

import gc


class Session:
    """Knows its own handler, which knows the session."""

    def __init__(self) -> None:
        self.handler = self.handle

    def handle(self) -> None:
        """Do nothing."""


def setup() -> None:
    """Turn on a setting that was meant for an hour of debugging."""
    gc.set_debug(gc.DEBUG_SAVEALL)


def leak(units: int) -> None:
    """Make sessions and let the collector find them."""
    for _ in range(units):
        Session()
    gc.collect()


def clean(units: int) -> None:
    """Make sessions and break their cycles."""
    for _ in range(units):
        session = Session()
        del session.handler
    gc.collect()


def teardown() -> None:
    """Turn it off and forget the garbage."""
    gc.set_debug(0)
    gc.garbage.clear()
    gc.collect()
