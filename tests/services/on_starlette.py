"""A service on Starlette, with the endpoint mounted."""

from __future__ import annotations

from leaky import cancel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import leakdiff.web


async def health(_: Request) -> PlainTextResponse:
    """Say that it is well."""
    return PlainTextResponse("ok")


async def cancelled(request: Request) -> PlainTextResponse:
    """Cancel a ride."""
    cancel(str(request.path_params["ride"]))
    return PlainTextResponse("cancelled")


routes = [
    Route("/health", health),
    Route("/rides/{ride:int}/cancel", cancelled, methods=["POST"]),
    Mount("/debug/leakdiff", app=leakdiff.web.asgi_app(cooldown=0)),
]
application = leakdiff.web.count_requests(Starlette(routes=routes))
