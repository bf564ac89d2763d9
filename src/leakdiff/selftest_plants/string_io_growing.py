"""An ``io.StringIO`` that is only ever written to."""

from __future__ import annotations

import io
import itertools

_numbers = itertools.count()
_transcript = io.StringIO()


def next_line() -> str:
    """Make a line that is as long as the others and equal to none."""
    return f"{next(_numbers):08d} the driver is at the north exit, in a blue car\n"


def leak(units: int) -> None:
    """Write lines at the end of the transcript."""
    for _ in range(units):
        _transcript.write(next_line())


def clean(units: int) -> None:
    """Write lines, each into an empty transcript."""
    for _ in range(units):
        _transcript.write(next_line())
        _transcript.seek(0)
        _transcript.truncate()


def teardown() -> None:
    """Erase the transcript."""
    _transcript.seek(0)
    _transcript.truncate()
