"""Rides over HTTP: a small ASGI service that forgets cancelled rides, for trying the debug endpoint on.

``POST /rides`` asks for a ride, ``POST /rides/{id}/accept`` is a driver who takes it, ``POST /rides/{id}/cancel`` a
rider who thinks better of it, and ``GET /export`` answers with every ride of the day in one piece.

**The map that only grows.** ``_cancelled`` remembers who cancelled, so that the same ride is not offered again; a
nightly job was to empty it, and was never written.

**The answer that is loaded whole.** ``/export`` makes all its lines before it sends the first.

Serve ``app`` with any ASGI server; ``PATTERNS`` is what ``count_requests(app, route=PATTERNS)`` needs.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import attrs

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

PATTERNS: Final = ("/rides", "/rides/{id}/accept", "/rides/{id}/cancel", "/export", "/health")
_RIDE = re.compile(r"/rides/(\d{1,12})/(accept|cancel)")
_EXPORTED = 200_000  # lines


@attrs.define(eq=False)
class Ride:
    """A ride that was asked for."""

    number: int
    route: bytes = attrs.field(init=False)

    @route.default
    def _plan(self) -> bytes:
        return f"{self.number:08}".encode() * 64


_waiting: dict[int, Ride] = {}
_cancelled: dict[int, Ride] = {}
_numbers = itertools.count(1)


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Serve one scope."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http":
        await _read(receive)
        await _answer(send, *_serve(scope["method"], scope["path"]))


def _serve(method: str, path: str) -> tuple[int, bytes]:
    if (method, path) == ("POST", "/rides"):
        return 201, b"%d" % _ask()
    if (method, path) == ("GET", "/export"):
        return 200, _export()
    if (method, path) == ("GET", "/health"):
        return 200, b"ok"
    found = _RIDE.fullmatch(path)
    if method != "POST" or found is None:
        return 404, b"no such path"
    ride = _waiting.pop(int(found[1]), None)
    if ride is None:
        return 404, b"no such ride"
    if found[2] == "cancel":
        _cancelled[ride.number] = ride
    return 200, b"ok"


def _ask() -> int:
    ride = Ride(next(_numbers))
    _waiting[ride.number] = ride
    return ride.number


def _export() -> bytes:
    return "\n".join([f"{number:08},accepted,2026-01-01T00:00:00Z" for number in range(_EXPORTED)]).encode()


async def _read(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
