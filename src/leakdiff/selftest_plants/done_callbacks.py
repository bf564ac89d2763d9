"""Callbacks added to a future that lives as long as the program, and never removed."""

from __future__ import annotations

import asyncio
from typing import Any


class Request:
    """Wants to be told when the server stops."""

    def __init__(self) -> None:
        self.parts = ["head", "body"]

    def stop(self, _: asyncio.Future[Any]) -> None:
        """Give up."""
        self.parts.clear()


class Server:
    """A loop, and the future that is done when the server stops."""

    loop: asyncio.AbstractEventLoop
    stopped: asyncio.Future[None]


_server = Server()


def setup() -> None:
    """Open the loop."""
    _server.loop = asyncio.new_event_loop()
    _server.stopped = _server.loop.create_future()


def leak(units: int) -> None:
    """Let requests ask to be told."""
    for _ in range(units):
        _server.stopped.add_done_callback(Request().stop)


def clean(units: int) -> None:
    """Let requests ask to be told, and take it back when they end."""
    for _ in range(units):
        request = Request()
        _server.stopped.add_done_callback(request.stop)
        _server.stopped.remove_done_callback(request.stop)


def teardown() -> None:
    """Stop, and close the loop."""
    _server.stopped.cancel()
    _server.loop.run_until_complete(asyncio.sleep(0))
    _server.loop.close()
