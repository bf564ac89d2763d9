"""One exception object raised again and again: its traceback grows by what each raise adds.

The twin raises it without the traceback of the last time.
"""

from __future__ import annotations


class NotThereError(LookupError):
    """Nobody is there."""


_NOT_THERE = NotThereError("nobody is there")


def look() -> None:
    """Raise what was raised before."""
    raise _NOT_THERE


def look_anew() -> None:
    """Raise it without what it remembers."""
    raise _NOT_THERE.with_traceback(None)


def leak(units: int) -> None:
    """Look, and find nobody."""
    for _ in range(units):
        try:
            look()
        except NotThereError:
            continue


def clean(units: int) -> None:
    """Look anew, and find nobody."""
    for _ in range(units):
        try:
            look_anew()
        except NotThereError:
            continue


def teardown() -> None:
    """Forget every traceback."""
    _NOT_THERE.__traceback__ = None
