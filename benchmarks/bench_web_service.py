"""The service of ``bench_web.py``: a small ASGI application under uvicorn, with ballast, the endpoint and its peers."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from bench_heap import build_heap
from leakdiff.web import dispatch

PREFIX = "/debug/leakdiff"
TOKEN = "benchmark-" * 4
_BODY = json.dumps([{"id": number, "name": f"driver-{number}", "seats": [1, 2, 3]} for number in range(40)]).encode()

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

kept: list[dict[str, Any]] = []  # what the service leaks: an entry for every hundredth request
served = 0


def answer() -> bytes:
    """Do the work of one request: about half a millisecond."""
    global served  # noqa: PLW0603
    served += 1
    drivers = json.loads(_BODY)
    chosen = sorted(drivers, key=lambda driver: (driver["id"] * 7_919) % 101)[:10]
    if served % 100 == 0:
        kept.append(chosen[0])
    return json.dumps(chosen).encode()


def objgraph_look() -> None:
    """What objgraph offers: counts by type, and what grew since the last call."""
    import objgraph

    objgraph.typestats()
    objgraph.show_growth(file=io.StringIO())


def guppy_look() -> None:
    """What guppy3 offers: the whole heap by type and size."""
    from guppy import hpy

    str(hpy().heap())


def dozer_look() -> None:
    """What dozer does every five seconds: count all objects by type."""
    import dozer.leak

    dozer.leak.Dozer.tick(_counter())


def _counter() -> Any:
    import dozer.leak

    counter = dozer.leak.Dozer.__new__(dozer.leak.Dozer)
    counter.history, counter.samples = {}, 0
    return counter


PEERS = {"objgraph": objgraph_look, "guppy3": guppy_look, "dozer": dozer_look}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer ``GET /`` with work, and ``POST /peer/NAME`` when the peer has had its look, in a thread."""
    if scope["type"] != "http":
        return
    path = scope["path"]
    while (await receive()).get("more_body"):
        pass
    if path.startswith("/peer/"):
        await asyncio.to_thread(PEERS[path.removeprefix("/peer/")])
        body = b"done"
    else:
        await asyncio.sleep(0)
        body = answer()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main(objects: int) -> None:
    """Serve on a free port of loopback, and print it."""
    tracked = build_heap(objects)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio leaves Nagle's delay on
    sock.bind(("127.0.0.1", 0))
    sock.listen(1_000)
    print(json.dumps({"port": sock.getsockname()[1], "tracked": tracked}), flush=True)
    app = dispatch(application, PREFIX, token=TOKEN, cooldown=0.0)
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_keep_alive=900)
    uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main(int(sys.argv[1]))
