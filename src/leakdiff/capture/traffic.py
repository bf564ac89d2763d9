"""How much work the process has done, where the program counts it."""

from __future__ import annotations

import os
from collections.abc import Callable

from leakdiff.capture.kinds import type_name
from leakdiff.errors import BadOption

_MOST = 1 << 62
_units = 0
_is_counted = False


def count_units(n: int = 1) -> None:
    """Count units of work as done, from any thread; growth can then be told per unit of traffic.

    Args:
        n: How many.

    Raises:
        BadOption: If ``n`` is not a whole number of at least 0.
    """
    global _units, _is_counted  # noqa: PLW0603
    if type(n) is not int or n < 0:
        raise BadOption("n", n, "a whole number of at least 0")
    # Without a lock, which would make 0.06 us 0.25, and which a signal handler or a fork could find taken: CPython
    # lets other threads and handlers in at calls and backward jumps only, never within an addition of two integers.
    _units += n
    _is_counted = True


def read_units(source: Callable[[], int] | None = None, notes: list[str] | None = None) -> int | None:
    """Return how many units of work were done so far; None if nothing was ever counted or the source fails.

    Args:
        source: The program's own counter, instead of what ``count_units`` was told.
        notes: Where to say why the source failed.
    """
    if source is None:
        return _units if _is_counted else None
    try:
        units = source()
        failed = _complaint(units)
    except Exception as error:  # noqa: BLE001 - a user's counter that fails must not cost the snapshot
        failed = f"raised {type_name(type(error))}"
    if failed is None:
        return units
    if notes is not None:
        notes.append(f"units of work are not known: what counts them {failed}")
    return None


def _complaint(units: object) -> str | None:
    if type(units) is not int:
        return f"returned {type_name(type(units))} and not a whole number"
    if units < 0:
        return "returned a negative number"
    return "returned a number beyond all counting" if units > _MOST else None


def _start_again() -> None:
    """Let a forked child count its own work."""
    global _units  # noqa: PLW0603
    _units = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_again)
