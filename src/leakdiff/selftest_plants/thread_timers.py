"""``threading.Timer`` objects that nobody cancels when the work is done."""

from __future__ import annotations

import threading

_HOUR = 3600.0


def set_alarm() -> threading.Timer:
    """Start a timer that rings in an hour."""
    timer = threading.Timer(_HOUR, print, ["late"])
    timer.daemon = True
    timer.start()
    return timer


def stop(timer: threading.Timer) -> None:
    """Cancel a timer and wait for its thread."""
    timer.cancel()
    timer.join()


def leak(units: int) -> None:
    """Set alarms and forget them."""
    for _ in range(units):
        set_alarm()


def clean(units: int) -> None:
    """Set alarms and cancel each one."""
    for _ in range(units):
        stop(set_alarm())


def teardown() -> None:
    """Cancel every alarm."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            stop(thread)
