"""The endpoint as a WSGI application, and in front of another one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import attrs

from leakdiff.web.app import Endpoint
from leakdiff.web.asgi import check_length
from leakdiff.web.messages import Request, Response, below, joined, undecoded
from leakdiff.web.refusals import BadParameter, Refused, TooLarge, TooSlow
from leakdiff.web.settings import LOOPBACK, make_settings

if TYPE_CHECKING:
    from leakdiff.monitor import Monitor

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_CONTENT = ("CONTENT_TYPE", "CONTENT_LENGTH")
_PIECE = 256  # bytes that are read at a time: a read waits until all of them are there


def wsgi_app(
    monitor: Monitor | None = None, *, token: str | None = None, hosts: Iterable[str] = LOOPBACK, **knobs: Any
) -> WsgiApp:
    """Return the debug endpoint as a WSGI application, to be mounted at a prefix or served by itself.

    Without a token it answers 404 to everything. Answers are made in the server's threads.

    Args:
        monitor: The process's monitor, for history and trend; the endpoint neither starts nor stops it.
        token: Who sends it may look: `Authorization: Bearer TOKEN`, or any name with the token as password. Else
            ``LEAKDIFF_TOKEN``, else what the file named by ``LEAKDIFF_TOKEN_FILE`` holds.
        hosts: Host names it answers to beside those of loopback, without ports; ``["*"]`` where a proxy checks them.
        knobs: The other settings by name, as for ``asgi_app``; ``most_threads`` has no meaning here.

    Raises:
        BadOption: If an argument cannot work.
    """
    return WsgiApp(Endpoint(make_settings(token=token, hosts=hosts, **knobs), monitor))


class WsgiApp:
    """The endpoint as a WSGI application.

    Args:
        endpoint: What answers.
        prefix: Where it is, below ``SCRIPT_NAME``, if the whole path is handed to it.
    """

    def __init__(self, endpoint: Endpoint, prefix: str = "") -> None:
        self.endpoint, self._prefix = endpoint, prefix

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        environ["leakdiff.own"] = True  # count_requests leaves it out
        response = self._answer(request_of(environ, self._prefix), environ)
        headers = [("Content-Type", response.type), *response.headers]
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
        return [response.body]

    def _answer(self, request: Request, environ: Environ) -> Response:
        endpoint = self.endpoint
        try:
            if request.method == "POST" and endpoint.admits(request):
                request = attrs.evolve(request, body=_body(environ, endpoint))
        except Refused as refused:
            return endpoint.refuse(request, refused)
        return endpoint.answer(request)


class WsgiDispatch:
    """A WSGI application with the endpoint at a prefix; everything else is the application's, untouched."""

    def __init__(self, app: Application, endpoint: Endpoint, prefix: str) -> None:
        self._app, self._prefix = app, prefix
        self._endpoint = WsgiApp(endpoint, prefix)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        is_ours = below(environ.get("PATH_INFO") or "", self._prefix) is not None
        return (self._endpoint if is_ours else self._app)(environ, start_response)


# -- requests ----------------------------------------------------------------------------------------


def request_of(environ: Environ, prefix: str = "") -> Request:
    """Return what an environ asks, without its body.

    Args:
        environ: The environ.
        prefix: Where the endpoint is below ``SCRIPT_NAME``.
    """
    path = below(environ.get("PATH_INFO") or "", prefix) or ""
    return Request(
        method=environ.get("REQUEST_METHOD", "GET").upper(),
        path=undecoded(_as_utf8(path), environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""),
        query=environ.get("QUERY_STRING") or "",
        headers=joined(_headers(environ)),
        prefix=_as_utf8(environ.get("SCRIPT_NAME") or "").rstrip("/") + prefix,
        client=environ.get("REMOTE_ADDR") or "",
    )


def _headers(environ: Environ) -> Iterable[tuple[str, str]]:
    for name, value in environ.items():
        plain = name.removeprefix("HTTP_")
        if name in _CONTENT or (plain != name and plain not in _CONTENT):  # some servers tell these under both names
            yield plain.replace("_", "-"), value or ""


def _as_utf8(text: str) -> str:
    """Return a text that WSGI hands over as Latin-1, though it is mostly UTF-8."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def _body(environ: Environ, endpoint: Endpoint) -> bytes:
    most = endpoint.settings.most_body
    length = environ.get("CONTENT_LENGTH") or ""
    check_length(length, most)
    if length:
        left = int(length)
    elif environ.get("wsgi.input_terminated"):
        left = most + 1
    elif environ.get("HTTP_TRANSFER_ENCODING"):
        raise BadParameter("body", "it comes in pieces, and this server does not tell its end", "sent with its length")
    else:
        left = 0
    body = _read(environ["wsgi.input"], left, endpoint.settings.body_timeout)
    if len(body) > most:
        raise TooLarge("The body", most)
    return body


def _read(source: Any, left: int, seconds: float) -> bytes:
    """Read so many bytes, or up to the end; how long one read waits for a client is the server's affair."""
    body, until = b"", time.monotonic() + seconds
    while left > 0:
        if time.monotonic() > until:
            raise TooSlow(seconds)
        try:
            piece = source.read(min(left, _PIECE))
        except OSError:  # the client is gone, or was too slow for the server
            raise TooSlow(seconds) from None
        if not piece:
            break
        body += piece
        left -= len(piece)
    return body
