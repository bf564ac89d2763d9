"""Peaks of memory of which a little is kept until the next: the heap has holes, but nothing leaks.

The twin works piece by piece, without the peaks.
"""

from __future__ import annotations

_PIECES = 400
_KEPT = 40  # of so many pieces one stays until the next peak
_kept: list[bytes] = []


def leak(units: int) -> None:
    """Make all pieces at once, and keep a few until the next unit."""
    for unit in range(units):
        pieces = [bytes(600 + (unit + piece) % 7 * 100) for piece in range(_PIECES)]
        _kept[:] = pieces[::_KEPT]


def clean(units: int) -> None:
    """Make one piece at a time, and keep as few."""
    for unit in range(units):
        _kept.clear()
        for piece in range(_PIECES):
            made = bytes(600 + (unit + piece) % 7 * 100)
            if piece % _KEPT == 0:
                _kept.append(made)


def teardown() -> None:
    """Keep nothing."""
    _kept.clear()
