"""Descriptors from ``os.open`` that nobody closes: plain numbers, no Python object."""

from __future__ import annotations

import contextlib
import os

# This file itself: its inode tells our descriptors from everybody else's.
_PATH = __file__


def leak(units: int) -> None:
    """Open descriptors and forget their numbers."""
    for _ in range(units):
        os.open(_PATH, os.O_RDONLY)


def clean(units: int) -> None:
    """Open descriptors and close each one."""
    for _ in range(units):
        os.close(os.open(_PATH, os.O_RDONLY))


def teardown() -> None:
    """Close every descriptor that is open on this file."""
    ours = os.stat(_PATH)  # noqa: PTH116 - compared with fstat, which has no Path form
    next_free = os.open(_PATH, os.O_RDONLY)
    for descriptor in range(next_free + 1):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), ours):
                os.close(descriptor)
