"""A ``bytearray`` that is only ever appended to."""

from __future__ import annotations

_LINE = b"GET /index.html 200 in 12 ms, 3 rows from the cache, 0 retries\n"

_access_log = bytearray()


def leak(units: int) -> None:
    """Append lines to the log."""
    for _ in range(units):
        _access_log.extend(_LINE)


def clean(units: int) -> None:
    """Append lines to the log, and cut off all but the last 4 KiB."""
    for _ in range(units):
        _access_log.extend(_LINE)
        del _access_log[:-4096]


def teardown() -> None:
    """Empty the log."""
    _access_log.clear()
