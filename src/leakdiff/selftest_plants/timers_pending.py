"""Timeouts that an event loop has scheduled and that nobody cancels when the work is done.

The twin cancels each; the loop throws cancelled timers away as soon as they are more
than a hundred and more than half of all.
"""

from __future__ import annotations

import asyncio

_HOUR = 3600.0


class Request:
    """Is given an hour."""

    def __init__(self) -> None:
        self.parts = ["head", "body"]

    def give_up(self) -> None:
        """End for want of time."""
        self.parts.clear()


class Server:
    """Serves requests in a loop of its own."""

    loop: asyncio.AbstractEventLoop

    async def serve(self, units: int, *, cancels: bool) -> None:
        """Serve requests, each with its timeout."""
        for _ in range(units):
            timer = self.loop.call_later(_HOUR, Request().give_up)
            if cancels:
                timer.cancel()


_server = Server()


def setup() -> None:
    """Open the loop."""
    _server.loop = asyncio.new_event_loop()


def leak(units: int) -> None:
    """Serve requests whose timeouts stay."""
    _server.loop.run_until_complete(_server.serve(units, cancels=False))


def clean(units: int) -> None:
    """Serve requests and cancel their timeouts."""
    _server.loop.run_until_complete(_server.serve(units, cancels=True))


def teardown() -> None:
    """Close the loop and with it all timers."""
    _server.loop.close()
