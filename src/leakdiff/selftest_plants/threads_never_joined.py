"""Threads that wait for an event that does not come, and that nobody joins."""

from __future__ import annotations

import threading


class Watcher(threading.Thread):
    """Waits until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.told_to_stop = threading.Event()

    def run(self) -> None:
        """Wait."""
        self.told_to_stop.wait()

    def stop(self) -> None:
        """Tell the thread to stop, and wait until it has."""
        self.told_to_stop.set()
        self.join()


def leak(units: int) -> None:
    """Start watchers and forget them."""
    for _ in range(units):
        Watcher().start()


def clean(units: int) -> None:
    """Start watchers and stop each one."""
    for _ in range(units):
        watcher = Watcher()
        watcher.start()
        watcher.stop()


def teardown() -> None:
    """Stop every watcher that still runs."""
    for thread in threading.enumerate():
        if isinstance(thread, Watcher):
            thread.stop()
