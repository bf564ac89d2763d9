"""The endpoint as an application of aiohttp, which speaks neither ASGI nor WSGI."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

from leakdiff.web.app import Endpoint
from leakdiff.web.asgi import check_length
from leakdiff.web.messages import Request, Response, joined, undecoded
from leakdiff.web.pool import Pool
from leakdiff.web.refusals import BadParameter, Refused, TooLarge, TooSlow
from leakdiff.web.settings import LOOPBACK, make_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leakdiff.monitor import Monitor


def aiohttp_app(
    monitor: Monitor | None = None, *, token: str | None = None, hosts: Iterable[str] = LOOPBACK, **knobs: Any
) -> web.Application:
    """Return the debug endpoint as an application of aiohttp, to be mounted.

    ``app.add_subapp("/debug/leakdiff", leakdiff.web.aiohttp_app(...))`` mounts it.

    Args:
        monitor: The process's monitor, for history and trend; the endpoint neither starts nor stops it.
        token: Who sends it may look: `Authorization: Bearer TOKEN`, or any name with the token as password. Else
            ``LEAKDIFF_TOKEN``, else what the file named by ``LEAKDIFF_TOKEN_FILE`` holds.
        hosts: Host names it answers to beside those of loopback, without ports; ``["*"]`` where a proxy checks them.
        knobs: The other settings by name, as for ``asgi_app``.

    Raises:
        BadOption: If an argument cannot work.
    """
    served = _Served(Endpoint(make_settings(token=token, hosts=hosts, **knobs), monitor))
    app = web.Application()
    app.router.add_route("*", "/{leakdiff:.*}", served.answer)
    app.router.add_route("*", "", served.answer)  # the prefix without its slash
    return app


# What reading a body raises: the client went, or what it sends is not what its headers say.
_BROKEN = (OSError, ClientPayloadError, HttpProcessingError, web.PayloadAccessError, web.RequestPayloadError)


class _Served:
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._pool = Pool(endpoint.settings.most_threads)

    async def answer(self, asked: web.Request) -> web.Response:
        """Answer a request of aiohttp."""
        asked.match_info["leakdiff.own"] = "yes"  # aiohttp_routes leaves it out
        response = await self._answer(_request_of(asked), asked)
        headers = [("Content-Type", response.type), *response.headers]
        return web.Response(status=response.status, body=response.body, headers=headers)

    async def _answer(self, request: Request, asked: web.Request) -> Response:
        endpoint = self._endpoint
        try:
            if request.method == "POST" and endpoint.admits(request):
                request = attrs.evolve(request, body=await self._body(request, asked))
        except Refused as error:
            refused = error
            return await self._pool.run(lambda: endpoint.refuse(request, refused))
        return await self._pool.run(lambda: endpoint.answer(request))

    async def _body(self, request: Request, asked: web.Request) -> bytes:
        settings = self._endpoint.settings
        check_length(request.header("content-length"), settings.most_body)
        body = b""
        try:
            async with asyncio.timeout(settings.body_timeout):
                while piece := await asked.content.readany():
                    body += piece
                    if len(body) > settings.most_body:
                        raise TooLarge("The body", settings.most_body)
        except TimeoutError:
            raise TooSlow(settings.body_timeout) from None
        except _BROKEN:
            raise BadParameter("body", "it broke off", "sent whole") from None  # for who is there to read it
        return body


def _request_of(asked: web.Request) -> Request:
    tail = asked.match_info.get("leakdiff")
    path = "" if tail is None else f"/{tail}"
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in asked.raw_headers)
    return Request(
        method=asked.method.upper(),
        path=undecoded(path, asked.raw_path),
        query=asked.rel_url.raw_query_string,
        headers=joined(headers),
        prefix=asked.path.removesuffix(path),
        client=asked.remote or "",
    )
