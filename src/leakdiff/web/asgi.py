"""The endpoint as an ASGI 3 application, and in front of another one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from leakdiff.web.app import Endpoint
from leakdiff.web.messages import Request, Response, below, joined, undecoded
from leakdiff.web.pool import Pool, is_trio
from leakdiff.web.refusals import Refused, TooLarge, TooSlow
from leakdiff.web.settings import LOOPBACK, make_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leakdiff.monitor import Monitor

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008  # a websocket's code


class ClientGone(Exception):
    """The client went before its body was there; nobody is left to answer."""


def asgi_app(
    monitor: Monitor | None = None, *, token: str | None = None, hosts: Iterable[str] = LOOPBACK, **knobs: Any
) -> AsgiApp:
    """Return the debug endpoint as an ASGI application, to be mounted at a prefix or served by itself.

    Without a token it answers 404 to everything. Answers are made in threads of its own: the event loop does not wait.

    Args:
        monitor: The process's monitor, for history and trend; the endpoint neither starts nor stops it.
        token: Who sends it may look: `Authorization: Bearer TOKEN`, or any name with the token as password. Else
            ``LEAKDIFF_TOKEN``, else what the file named by ``LEAKDIFF_TOKEN_FILE`` holds.
        hosts: Host names it answers to beside those of loopback, without ports; ``["*"]`` where a proxy checks them.
        knobs: The other settings by name:

            * ``redactor``: called with an owner's path and a key; what it returns is shown. Without one no key is.
            * ``budget=60.0``: seconds a walk of the heap may take.
            * ``cooldown=5.0``: seconds between two measurements.
            * ``most_kept=16``: snapshots, jobs and profiles that are kept, of each so many.
            * ``most_body=16384``: bytes a request's body may have.
            * ``most_answer=8388608``: bytes an answer may have.
            * ``body_timeout=10.0``: seconds a body may take to arrive.
            * ``most_failures=20``: wrong tokens a minute before they are answered by 429.
            * ``most_threads=4``: requests that are answered at a time.
            * ``service``, ``version``, ``revision``: what its snapshots say the service is.

    Raises:
        BadOption: If an argument cannot work.
    """
    return AsgiApp(Endpoint(make_settings(token=token, hosts=hosts, **knobs), monitor))


class AsgiApp:
    """The endpoint as an ASGI 3 application.

    Args:
        endpoint: What answers.
        prefix: Where it is, below the scope's ``root_path``, if the whole path is handed to it.
    """

    def __init__(self, endpoint: Endpoint, prefix: str = "") -> None:
        self.endpoint, self._prefix = endpoint, prefix
        self._pool = Pool(endpoint.settings.most_threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope: a request, or the lifespan if it is the server's own application."""
        if scope["type"] == "http":
            scope["leakdiff.own"] = True  # count_requests leaves it out
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope, self._prefix)
        with suppress(OSError, ClientGone):  # the first is what a server raises when nobody is there to send to
            await _send(send, await self._answer(request, receive))

    async def _answer(self, request: Request, receive: Receive) -> Response:
        endpoint = self.endpoint
        try:
            if request.method == "POST" and endpoint.admits(request):
                request = attrs.evolve(request, body=await self._body(request, receive))
        except Refused as error:
            refused = error
            return await self._pool.run(lambda: endpoint.refuse(request, refused))
        return await self._pool.run(lambda: endpoint.answer(request))

    async def _body(self, request: Request, receive: Receive) -> bytes:
        settings = self.endpoint.settings
        check_length(request.header("content-length"), settings.most_body)
        try:
            return await _within(settings.body_timeout, _read(receive, settings.most_body))
        except TimeoutError:
            raise TooSlow(settings.body_timeout) from None


class AsgiDispatch:
    """An ASGI application with the endpoint at a prefix; everything else is the application's, untouched."""

    def __init__(self, app: Application, endpoint: Endpoint, prefix: str) -> None:
        self._app, self._prefix = app, prefix
        self._endpoint = AsgiApp(endpoint, prefix)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        path = _below_root(scope) if scope["type"] in ("http", "websocket") else None
        is_ours = path is not None and below(path, self._prefix) is not None
        await (self._endpoint if is_ours else self._app)(scope, receive, send)


# -- requests ----------------------------------------------------------------------------------------


def request_of(scope: Scope, prefix: str = "") -> Request:
    """Return what a scope asks, without its body.

    Args:
        scope: The scope of a request.
        prefix: Where the endpoint is below the scope's ``root_path``.
    """
    root = scope.get("root_path") or ""
    path = _below_root(scope) if prefix else _below_mount(scope["path"], root)
    raw = (scope.get("raw_path") or b"").decode("latin-1")
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return Request(
        method=scope["method"].upper(),
        path=undecoded(below(path, prefix) or "", raw),
        query=(scope.get("query_string") or b"").decode("latin-1"),
        headers=joined(headers),
        prefix=root.rstrip("/") + prefix,
        client=str((scope.get("client") or ("",))[0]),
    )


def _below_root(scope: Scope) -> str:
    """Return the path below the server's ``root_path``, which some servers leave out of the path."""
    path: str = scope["path"]
    rest = below(path, (scope.get("root_path") or "").rstrip("/"))
    return path if rest is None else rest


def _below_mount(path: str, root: str) -> str:
    """Return the path below a mount.

    The whole ``root_path`` is part of the path, or nothing of it (older frameworks), or only its end: what a proxy
    strips and the service was told of (``FastAPI(root_path=...)``) stands in ``root_path`` alone.
    """
    ends = root.rstrip("/")
    while ends:
        rest = below(path, ends)
        if rest is not None:
            return rest
        ends = ends[ends.find("/", 1) :] if "/" in ends[1:] else ""
    return path


def check_length(header: str, most: int) -> None:
    """Refuse a body whose length is no length, or too large.

    Raises:
        TooLarge: If it is.
    """
    if header and not (header.isascii() and header.isdecimal() and len(header) < 19 and int(header) <= most):
        raise TooLarge("The body", most)


async def _read(receive: Receive, most: int) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body") or b""
        if len(body) > most:
            raise TooLarge("The body", most)
        if not message.get("more_body", False):
            return body


async def _within(seconds: float, reading: Awaitable[bytes]) -> bytes:
    """Wait for something for so long; TimeoutError after that."""
    if not is_trio():
        async with asyncio.timeout(seconds):
            return await reading
    import trio

    with trio.move_on_after(seconds):
        return await reading
    raise TimeoutError


# -- answers -----------------------------------------------------------------------------------------


async def _send(send: Send, response: Response) -> None:
    headers = (("Content-Type", response.type), *response.headers)
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        }
    )
    await send({"type": "http.response.body", "body": response.body})


async def _live(receive: Receive, send: Send) -> None:
    """Answer a server's start and stop: there is nothing to do."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
