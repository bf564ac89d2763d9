"""Reference cycles that ``gc.freeze()`` takes out of the collector's sight, unit after unit.

The twin breaks each cycle before it freezes.
"""

from __future__ import annotations

import gc


class Session:
    """Knows its own handler, which knows the session."""

    def __init__(self) -> None:
        self.handler = self.handle

    def handle(self) -> None:
        """Do nothing."""


def leak(units: int) -> None:
    """Make sessions and freeze, as before a fork."""
    for _ in range(units):
        Session()
        gc.freeze()


def clean(units: int) -> None:
    """Make sessions, break their cycles, and freeze."""
    for _ in range(units):
        session = Session()
        del session.handler
        del session
        gc.freeze()


def teardown() -> None:
    """Unfreeze, and let the collector work."""
    gc.unfreeze()
    gc.collect()
