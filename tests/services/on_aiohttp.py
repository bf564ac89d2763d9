"""A service on aiohttp with its own server, the endpoint as a sub-application."""

from __future__ import annotations

import sys

from aiohttp import web
from leaky import cancel

import leakdiff.web
from leakdiff.web import aiohttp_routes


async def health(_: web.Request) -> web.Response:
    """Say that it is well."""
    return web.Response(text="ok")


async def cancelled(request: web.Request) -> web.Response:
    """Cancel a ride."""
    cancel(request.match_info["ride"])
    return web.Response(text="cancelled")


app = web.Application(middlewares=[aiohttp_routes()])
app.add_routes([web.get("/health", health), web.post(r"/rides/{ride:\d+}/cancel", cancelled)])
app.add_subapp("/debug/leakdiff", leakdiff.web.aiohttp_app(cooldown=0))

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=lambda *_: None)
