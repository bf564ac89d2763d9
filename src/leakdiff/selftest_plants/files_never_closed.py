"""Open files kept in a list: each costs a descriptor and a buffer."""

from __future__ import annotations

import os
from typing import BinaryIO

_open_files: list[BinaryIO] = []


def open_one() -> BinaryIO:
    """Open one more file, and keep it in the list."""
    _open_files.append(open(os.devnull, "rb"))  # noqa: PTH123, SIM115 - the leak
    return _open_files[-1]


def leak(units: int) -> None:
    """Open files that stay open."""
    for _ in range(units):
        open_one()


def clean(units: int) -> None:
    """Open files, and close and drop each one."""
    for _ in range(units):
        open_one().close()
        _open_files.pop()


def teardown() -> None:
    """Close every file."""
    while _open_files:
        _open_files.pop().close()
