"""Counts requests by route, and measures what a few of them hold and keep: a middleware for ASGI and WSGI."""

from __future__ import annotations

from typing import Any

from leakdiff.capture.request_meter import RequestMeter
from leakdiff.capture.routes import HARMLESS
from leakdiff.web.counting import COUNTED, MISSING, Counter, Route, Sizes
from leakdiff.web.kinds import Kind, kind_of
from leakdiff.web.patterns import OWN, pattern_of_scope, words
from leakdiff.web.steps import measured
from leakdiff.web.visits import CountedWsgi

__all__ = ["count_requests", "words"]


def count_requests(
    app: Any, *, route: Route = None, sample: float = 0.01, units: bool = True, kind: Kind | None = None
) -> Any:
    """Wrap an application so that its requests are counted by route, and some of them measured.

    Routes are called by the pattern that the framework says: Starlette, FastAPI, Flask, Bottle and Litestar do,
    Django with ``django_routes`` first in ``MIDDLEWARE``. A path that nobody named is never told, for it may hold
    secrets: name them by ``route``.

    Args:
        app: An ASGI or a WSGI application.
        route: Patterns such as ``/rides/{id}/cancel``, or a callable that takes the scope or the environ and returns
            one; ``words`` is such a callable. What a callable says of a request answered 404 is not used.
        sample: Share of the requests that are measured, from 0 to 1; at least one a second is, unless it is 0.
        units: Whether each request counts as a unit of work, as by ``leakdiff.count_units(1)``.
        kind: ``asgi`` or ``wsgi``, where it cannot be seen.

    Returns:
        An application of the same kind.

    Raises:
        BadOption: If an argument cannot work.
    """
    is_asgi = kind_of(app, kind) == "asgi"
    counter = Counter(route, sample, units=units, has_steps=is_asgi)
    return _Asgi(app, counter) if is_asgi else CountedWsgi(app, counter)


# -- ASGI ------------------------------------------------------------------------------------------


class _Exchange(Sizes):
    """The two ends of one ASGI request, and what it is, before the application may change that."""

    __slots__ = ("_receive", "_root", "_send", "method")

    def __init__(self, meter: RequestMeter | None, scope: dict[str, Any], receive: Any, send: Any) -> None:
        super().__init__(meter)
        self.method = scope.get("method") if scope.get("type") == "http" else "WEBSOCKET"
        self._root = scope.get("root_path", "")
        self._receive, self._send = receive, send

    async def receive(self) -> Any:
        message = await self._receive()
        with HARMLESS:
            self.came(_body_of(message))
        return message

    def send(self, message: Any) -> Any:
        with HARMLESS:
            self.went(_body_of(message))
            if type(message) is dict and type(status := message.get("status")) is int:
                self.is_missing = status == MISSING
        return self._send(message)

    def pattern(self, scope: dict[str, Any]) -> str | None:
        """Return the route's pattern, after the application ran."""
        return pattern_of_scope(scope, self._root)


def _body_of(message: object) -> object:
    """Return the piece of a body, or the text, that a message carries; nothing of it is asked whether it is true."""
    if type(message) is not dict:
        return None
    pieces = (message.get("body"), message.get("bytes"), message.get("text"))
    return next((piece for piece in pieces if piece is not None), None)


class _Asgi:
    """Counts the requests and websockets of an ASGI application, those as they close; all else passes through."""

    def __init__(self, app: Any, counter: Counter) -> None:
        self._app, self._counter = app, counter

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if type(scope) is not dict or scope.get("type") not in ("http", "websocket") or COUNTED in scope:
            await self._app(scope, receive, send)
            return
        scope[COUNTED] = True
        exchange = _Exchange(self._counter.begin(scope.get("path")), scope, receive, send)
        try:
            running = self._app(scope, exchange.receive, exchange.send)
            await (running if exchange.meter is None else measured(running, exchange.meter))
        finally:
            self._end(scope, exchange)

    def _end(self, scope: dict[str, Any], exchange: _Exchange) -> None:
        route = None
        try:
            with HARMLESS:
                route = self._route_of(scope, exchange)
        finally:
            self._counter.end(exchange, route)

    def _route_of(self, scope: dict[str, Any], exchange: _Exchange) -> str | None:
        if OWN in scope:
            return None
        pattern = exchange.pattern(scope)
        return self._counter.name(exchange.method, pattern, scope, is_missing=exchange.is_missing)
