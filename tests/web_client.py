"""Asking the debug endpoint without a server: requests as values, and ASGI and WSGI applications called directly."""

from __future__ import annotations

import asyncio
import io
import sys
import types
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote

import attrs
import pytest

from leakdiff.web import routing
from leakdiff.web.app import Endpoint
from leakdiff.web.messages import Request, Response
from leakdiff.web.routing import Asked, Parameter, Route
from leakdiff.web.settings import make_settings
from leakdiff.web.view import View

TOKEN = "correct-horse-battery-staple-0123456789"  # noqa: S105 - of the tests alone
LOGIN = {"host": "localhost", "authorization": f"Bearer {TOKEN}"}
JSON = LOGIN | {"accept": "application/json"}
PATIENCE = 20.0  # seconds a test waits for what takes milliseconds

Pairs = Iterable[tuple[str, str]]


@attrs.frozen
class Answer:
    """What an application answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header by its lower-case name, several joined by a line end; empty where it is missing."""
        return "\n".join(value for key, value in self.headers if key.lower() == name)


def endpoint(**knobs: Any) -> Endpoint:
    """Return an endpoint with a token, and no pause between two measurements."""
    return Endpoint(make_settings(**usual(knobs)))


def usual(knobs: dict[str, Any]) -> dict[str, Any]:
    """Return knobs with the token of the tests, and without a pause between two measurements."""
    return {"token": TOKEN, "cooldown": 0.0} | knobs


def ask(
    served: Endpoint, path: str = "/", headers: Mapping[str, str] = LOGIN, *, method: str = "GET", **parts: Any
) -> Response:
    """Ask an endpoint directly."""
    return served.answer(Request(method=method, path=path, headers=headers, **parts))


def header(response: Response, name: str) -> str:
    """Return a header of a response by its lower-case name; empty where it is missing."""
    return "\n".join(value for key, value in response.headers if key.lower() == name)


def stand_in(monkeypatch: pytest.MonkeyPatch, view: Callable[[Asked], View | Response], **fields: Any) -> None:
    """Let ``/made`` be the only path there is."""
    module = types.ModuleType("leakdiff.web.views.made")
    module.__dict__["made"] = view
    monkeypatch.setitem(sys.modules, module.__name__, module)
    route = {"method": "GET", "path": "/made", "view": "made:made", "said": "Made for a test."} | fields
    monkeypatch.setattr(routing, "ROUTES", (Route(**route),))


def made(asked: Asked) -> View:
    """Say which path and parameters were asked."""
    return View(title="Made", said="Made for a test.", data={"given": dict(asked.given), "path": asked.request.path})


SECONDS = (Parameter(name="seconds", kind="number", default=1.0, least=1, most=60),)


# -- ASGI --------------------------------------------------------------------------------------------


def asgi_scope(
    path: str = "/", *, method: str = "GET", headers: Mapping[str, str] | Pairs = LOGIN, **more: Any
) -> dict[str, Any]:
    """Return a scope for a path as it is sent, percent-encoded, with its query."""
    raw, _, query = path.partition("?")
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
        "client": ("10.0.0.7", 4711),
        "root_path": "",
    } | more


async def over_asgi(app: Any, scope: dict[str, Any], pieces: Iterable[bytes | None] = (b"",)) -> Answer | None:
    """Serve a scope; a piece that is None is a client that goes, and no answer is None."""
    sent: list[MutableMapping[str, Any]] = []
    messages = [
        {"type": "http.disconnect"} if piece is None else {"type": "http.request", "body": piece, "more_body": True}
        for piece in pieces
    ]
    if messages and "more_body" in messages[-1]:
        messages[-1] = {**messages[-1], "more_body": False}

    async def receive() -> MutableMapping[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(PATIENCE)
        raise AssertionError("nobody should wait for more")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return None
    start, *bodies = sent
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
    return Answer(start["status"], headers, b"".join(body["body"] for body in bodies))


def ask_asgi(app: Any, path: str = "/", *, pieces: Iterable[bytes | None] = (b"",), **parts: Any) -> Answer:
    """Ask an ASGI application under asyncio."""
    answer = asyncio.run(over_asgi(app, asgi_scope(path, **parts), pieces))
    assert answer is not None
    return answer


async def asgi_service(
    scope: MutableMapping[str, Any],
    _: Callable[[], Awaitable[Any]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Answer 200 with the path, whatever is asked: somebody's application."""
    body = f"service {scope['type']} {scope.get('path', '')}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


# -- WSGI --------------------------------------------------------------------------------------------


def wsgi_environ(
    path: str = "/", *, method: str = "GET", headers: Mapping[str, str] = LOGIN, body: bytes = b"", **more: Any
) -> dict[str, Any]:
    """Return an environ for a path as it is sent, percent-encoded, with its query."""
    raw, _, query = path.partition("?")
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(raw, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.7",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{_wsgi_name(name): value for name, value in headers.items()},
    } | more


def _wsgi_name(name: str) -> str:
    shown = name.upper().replace("-", "_")
    return shown if shown == "CONTENT_TYPE" else f"HTTP_{shown}"


def ask_wsgi(app: Any, path: str = "/", **parts: Any) -> Answer:
    """Ask a WSGI application."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], Any]:
        started.append((status, headers))
        return lambda _: None

    body = b"".join(app(wsgi_environ(path, **parts), start_response))
    ((status, headers),) = started
    return Answer(int(status.partition(" ")[0]), tuple(headers), body)


def wsgi_service(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer 200 with the path, whatever is asked: somebody's application."""
    start_response("200 OK", [])
    return [f"service http {environ['PATH_INFO']}".encode("latin-1")]
