"""An ``asyncio.Queue`` without a size, into which more is put than taken."""

from __future__ import annotations

import asyncio


class Line:
    """One line to log."""

    def __init__(self, text: str) -> None:
        self.text = text


class Log:
    """Lines that wait to be written."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[Line] = asyncio.Queue()


_log = Log()


def leak(units: int) -> None:
    """Log lines that nobody writes."""
    for _ in range(units):
        _log.lines.put_nowait(Line("hello"))


def clean(units: int) -> None:
    """Log lines and write each one."""
    for _ in range(units):
        _log.lines.put_nowait(Line("hello"))
        _log.lines.get_nowait()


def teardown() -> None:
    """Write all lines."""
    while not _log.lines.empty():
        _log.lines.get_nowait()
