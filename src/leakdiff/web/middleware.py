"""Counts requests by route, and measures what a few of them hold and keep: a middleware for ASGI, WSGI and aiohttp."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from typing import Any, Literal

from leakdiff.capture.routes import LEDGER, RequestMeter, RouteSampler
from leakdiff.errors import BadOption
from leakdiff.web.patterns import MARK, OWN, Namer, Names, pattern_of_environ, pattern_of_scope, words

__all__ = ["aiohttp_routes", "count_requests", "django_routes", "words"]

Kind = Literal["asgi", "wsgi"]
Route = Namer | Iterable[str] | None
_COUNTED = "leakdiff.counted"  # in a scope or an environ: another of these is at it


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
            one; ``words`` is such a callable.
        sample: Share of the requests that are measured, from 0 to 1; at least one a second is, unless it is 0.
        units: Whether each request counts as a unit of work, as by ``leakdiff.count_units(1)``.
        kind: ``asgi`` or ``wsgi``, where it cannot be seen.

    Returns:
        An application of the same kind.

    Raises:
        BadOption: If an argument cannot work.
    """
    names = Names(route)
    if type(sample) not in (int, float) or not 0 <= sample <= 1:
        raise BadOption("sample", sample, "a number from 0 to 1")
    which = kind if kind is not None else _kind_of(app)
    if which not in ("asgi", "wsgi"):
        raise BadOption("kind", kind, "'asgi' or 'wsgi': the application does not show which it is")
    LEDGER.prepare()
    sampler = RouteSampler(sample, has_steps=which == "asgi")
    return _Asgi(app, names, sampler, units) if which == "asgi" else _Wsgi(app, names, sampler, units)


def _kind_of(app: Any) -> Kind | None:
    """Tell an application of three parameters from one of two; a coroutine function has three for sure."""
    while type(app) is functools.partial:
        app = app.func
    call = app if inspect.isfunction(app) or inspect.ismethod(app) else type(app).__call__
    if inspect.iscoroutinefunction(call):
        return "asgi"
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return None
    needed = [one for one in parameters if one.kind <= one.POSITIONAL_OR_KEYWORD and one.default is one.empty]
    return {3: "asgi", 2: "wsgi"}.get(len(needed))  # type: ignore[return-value]


def _length(piece: object) -> int:
    if type(piece) in (bytes, bytearray, str):
        return len(piece)  # type: ignore[arg-type]
    return piece.nbytes if type(piece) is memoryview else 0


class _Sizes:
    """Bytes that went through, in and out, and looks at the level where a piece of an answer is there."""

    __slots__ = ("at_once", "meter", "received", "sent")

    def __init__(self, meter: RequestMeter | None) -> None:
        self.meter = meter
        self.received = self.sent = self.at_once = 0

    def came(self, piece: object) -> None:
        self.received += _length(piece)

    def went(self, piece: object) -> None:
        size = _length(piece)
        self.sent += size
        self.at_once = max(self.at_once, size)
        if self.meter is not None and size:
            self.meter.look()


class _Counter:
    """What the adapters have in common."""

    def __init__(self, app: Any, names: Names, sampler: RouteSampler, units: bool) -> None:  # noqa: FBT001
        self._app, self._names, self._sampler, self._units = app, names, sampler, units

    def _end(self, route: str, sizes: _Sizes) -> None:
        """Count a request as ended."""
        meter = sizes.meter
        if meter is not None:
            meter.end()
        tally = LEDGER.end(route, as_unit=self._units)
        tally.answered(sizes.received, sizes.sent, sizes.at_once)
        if meter is not None:
            tally.measured(meter)
            self._sampler.done(meter)

    def _name(self, method: object, pattern: str | None, request: Any) -> str:
        try:
            return self._names.name(method, pattern, request)
        except Exception:  # noqa: BLE001 - a callable of the program's that fails must not cost the request
            LEDGER.failures += 1
            return "OTHER (no route)"


# -- ASGI ------------------------------------------------------------------------------------------


class Steps:
    """An awaitable that measures each step of another: what other tasks do between two of them does not count."""

    __slots__ = ("_meter", "_steps")

    def __init__(self, awaitable: Awaitable[Any], meter: RequestMeter) -> None:
        self._steps: Any = awaitable.__await__()
        self._meter = meter

    def __await__(self) -> Generator[Any, Any, Any]:
        """Return itself: whoever awaits it drives it step by step."""
        return self

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> Any:
        self._meter.enter()
        try:
            return next(self._steps)
        finally:
            self._meter.leave()

    def send(self, value: Any) -> Any:
        """Go on with a value."""
        if value is None:
            return self.__next__()
        self._meter.enter()
        try:
            return self._steps.send(value)
        finally:
            self._meter.leave()

    def throw(self, *error: Any) -> Any:
        """Go on with an exception, such as a cancellation."""
        if not hasattr(self._steps, "throw"):
            raise error[0]
        self._meter.enter()
        try:
            return self._steps.throw(*error)
        finally:
            self._meter.leave()

    def close(self) -> None:
        """End it where it stands."""
        close = getattr(self._steps, "close", None)
        if close is not None:
            close()


class _Exchange(_Sizes):
    """The two ends of one ASGI request."""

    __slots__ = ("_receive", "_send")

    def __init__(self, meter: RequestMeter | None, receive: Any, send: Any) -> None:
        super().__init__(meter)
        self._receive, self._send = receive, send

    async def receive(self) -> Any:
        message = await self._receive()
        if type(message) is dict:
            piece = message.get("body")
            self.came(piece if piece is not None else message.get("bytes") or message.get("text"))
        return message

    def send(self, message: Any) -> Any:
        if type(message) is dict:
            piece = message.get("body")
            self.went(piece if piece is not None else message.get("bytes") or message.get("text"))
        return self._send(message)


class _Asgi(_Counter):
    """Counts the requests and websockets of an ASGI application, those as they close; all else passes through."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if type(scope) is not dict or scope.get("type") not in ("http", "websocket") or _COUNTED in scope:
            await self._app(scope, receive, send)
            return
        scope[_COUNTED] = True
        root = scope.get("root_path", "")
        exchange = _Exchange(self._sampler.meter(scope.get("path")), receive, send)
        LEDGER.begin()
        try:
            running = self._app(scope, exchange.receive, exchange.send)
            await (running if exchange.meter is None else Steps(running, exchange.meter))
        finally:
            self._ended(scope, root, exchange)

    def _ended(self, scope: Any, root: object, exchange: _Exchange) -> None:
        if OWN in scope:
            LEDGER.withdraw()
            return
        method = scope.get("method") if scope["type"] == "http" else "WEBSOCKET"
        self._end(self._name(method, pattern_of_scope(scope, root), scope), exchange)


# -- WSGI ------------------------------------------------------------------------------------------


class _Visit(_Sizes):
    """One WSGI request, from the call until its answer is closed."""

    __slots__ = ("_counter", "_environ", "_pattern", "_root", "_start")

    def __init__(self, counter: _Wsgi, environ: Any, start: Any, meter: RequestMeter | None) -> None:
        super().__init__(meter)
        self._counter, self._environ, self._start = counter, environ, start
        self._root = environ.get("SCRIPT_NAME")
        self._pattern: str | None = None
        if meter is not None:
            meter.enter()

    def start(self, *arguments: Any, **named: Any) -> Any:
        """Begin the answer; now is when Flask's request can be seen."""
        self._pattern = self._seen(self._environ)
        return self._start(*arguments, **named)

    def _seen(self, environ: Any) -> str | None:
        """Return the pattern; where the application is mounted may be a value, and is told as ``{}``."""
        pattern = pattern_of_environ(environ)
        return f"/{{}}{pattern}" if pattern is not None and environ.get("SCRIPT_NAME") != self._root else pattern

    def answered(self, pieces: Any) -> Any:
        """Return the answer: as it is where all of it is there, else so that its end is noticed."""
        if type(pieces) in (list, tuple):
            for piece in pieces:
                self.went(piece)
        elif type(pieces) is not self._environ.get("wsgi.file_wrapper"):
            return _Answer(self, pieces)
        self.end()  # a file is sent by the server itself, and only if it sees that it is one
        return pieces

    def end(self) -> None:
        """Count the request as ended, once."""
        environ = self._environ
        if environ is None:
            return
        self._environ = self._start = None
        if self.meter is not None:
            self.meter.leave()
        self._counter.ended(environ, self._pattern or self._seen(environ), self)


class _Answer:
    """An answer in pieces, whose last is followed by ``close``, as PEP 3333 asks."""

    __slots__ = ("_all", "_rest", "_visit")

    def __init__(self, visit: _Visit, pieces: Any) -> None:
        self._visit, self._all = visit, pieces
        self._rest: Any = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> Any:
        if self._rest is None:
            self._rest = iter(self._all)
        piece = next(self._rest)
        self._visit.went(piece)
        return piece

    def close(self) -> None:
        """Close what it wraps, and count the request as ended."""
        pieces, self._all, self._rest = self._all, (), None
        try:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
            del pieces, close
        finally:
            self._visit.end()

    def __del__(self) -> None:
        self._visit.end()  # a server that never closed it


class _Wsgi(_Counter):
    """Counts the requests of a WSGI application, each when its answer is closed."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if _COUNTED in environ:
            return self._app(environ, start_response)
        environ[_COUNTED] = True
        visit = _Visit(self, environ, start_response, self._sampler.meter(environ.get("PATH_INFO")))
        LEDGER.begin()
        try:
            return visit.answered(self._app(environ, visit.start))
        except BaseException:
            visit.end()
            raise

    def ended(self, environ: Any, pattern: str | None, visit: _Visit) -> None:
        """Count a request as ended."""
        if OWN in environ:
            LEDGER.withdraw()
            return
        size = environ.get("CONTENT_LENGTH")
        visit.received = int(size) if type(size) is str and size.isascii() and size.isdecimal() else 0
        self._end(self._name(environ.get("REQUEST_METHOD"), pattern, environ), visit)


# -- Django and aiohttp ----------------------------------------------------------------------------


def django_routes(get_response: Any) -> Any:
    """Note which of Django's routes a request took; first in ``MIDDLEWARE``, for ``count_requests`` around all.

    Use it as ``"leakdiff.web.middleware.django_routes"``, under WSGI and ASGI.
    """
    if inspect.iscoroutinefunction(get_response):

        async def later(request: Any) -> Any:
            try:
                return await get_response(request)
            finally:
                _note_route(request)

        return later

    def now(request: Any) -> Any:
        try:
            return get_response(request)
        finally:
            _note_route(request)

    return now


django_routes.sync_capable = True  # type: ignore[attr-defined]
django_routes.async_capable = True  # type: ignore[attr-defined]


def _note_route(request: Any) -> None:
    match = getattr(request, "resolver_match", None)
    route = getattr(match, "route", None)
    if type(route) is str:
        told = getattr(request, "scope", None)
        (told if type(told) is dict else request.META)[MARK] = f"/{route.lstrip('^/')}"


def aiohttp_routes(*, route: Route = None, sample: float = 0.01, units: bool = True) -> Any:
    """Return a middleware of aiohttp that does what ``count_requests`` does: ``web.Application(middlewares=[...])``.

    Args:
        route: Patterns, or a callable that takes a mapping of ``method`` and ``path`` and returns one.
        sample: Share of the requests that are measured, from 0 to 1; at least one a second is, unless it is 0.
        units: Whether each request counts as a unit of work.

    Raises:
        BadOption: If an argument cannot work.
    """
    if type(sample) not in (int, float) or not 0 <= sample <= 1:
        raise BadOption("sample", sample, "a number from 0 to 1")
    LEDGER.prepare()
    counter = _Aiohttp(None, Names(route), RouteSampler(sample, has_steps=True), units)

    async def count(request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        return await counter.counted(request, handler)

    count.__middleware_version__ = 1  # type: ignore[attr-defined] # what aiohttp.web.middleware sets
    return count


class _Aiohttp(_Counter):
    """Counts the requests of an aiohttp application, each when its handler returns."""

    async def counted(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        sizes = _Sizes(self._sampler.meter(request.path))
        LEDGER.begin()
        try:
            running = handler(request)
            answer = await (running if sizes.meter is None else Steps(running, sizes.meter))
            sizes.went(getattr(answer, "body", None))
            return answer
        finally:
            self._ended(request, sizes)

    def _ended(self, request: Any, sizes: _Sizes) -> None:
        if OWN in request.match_info:
            LEDGER.withdraw()
            return
        sizes.received = request.content_length or 0
        resource = getattr(request.match_info.route, "resource", None)
        pattern = getattr(resource, "canonical", None)
        told = {"method": request.method, "path": request.path}
        self._end(self._name(request.method, pattern if type(pattern) is str else None, told), sizes)
