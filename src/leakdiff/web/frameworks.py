"""Middleware of Django, which notes its routes for ``count_requests``, and of aiohttp, which does its work there."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from leakdiff.capture.kinds import derives
from leakdiff.capture.routes import HARMLESS
from leakdiff.web.counting import MISSING, Counter, Route, Sizes
from leakdiff.web.patterns import MARK, OWN
from leakdiff.web.steps import measured


def django_routes(get_response: Any) -> Any:
    """Note which of Django's routes a request took; first in ``MIDDLEWARE``, for ``count_requests`` around all.

    Use it as ``"leakdiff.web.django_routes"``, under WSGI and ASGI.
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
    with HARMLESS:
        match = getattr(request, "resolver_match", None)
        route = getattr(match, "route", None)
        if type(route) is str:
            told = getattr(request, "scope", None)
            (told if type(told) is dict else request.META)[MARK] = f"/{route.lstrip('^/')}"


def aiohttp_routes(*, route: Route = None, sample: float = 0.01, units: bool = True) -> Any:
    """Return a middleware of aiohttp that does what ``count_requests`` does: ``web.Application(middlewares=[...])``.

    Args:
        route: Patterns, or a callable that takes a mapping of ``method`` and ``path`` and returns one.
        sample: As for ``count_requests``.
        units: As for ``count_requests``.

    Raises:
        BadOption: If an argument cannot work.
    """
    from aiohttp.web import StreamResponse

    counted = _Aiohttp(Counter(route, sample, units=units, has_steps=True), StreamResponse)

    async def count(request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        return await counted.answer(request, handler)

    count.__middleware_version__ = 1  # type: ignore[attr-defined] # what aiohttp.web.middleware sets
    return count


class _Aiohttp:
    """Counts the requests of an aiohttp application, each when its handler returns."""

    def __init__(self, counter: Counter, response: type) -> None:
        self._counter, self._response = counter, response

    async def answer(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Have a request handled, and count it."""
        sizes = Sizes(self._counter.begin(request.path))
        try:
            running = handler(request)
            answer = await (running if sizes.meter is None else measured(running, sizes.meter))
        except Exception as error:  # aiohttp answers by some exceptions, which have a status
            self._note(sizes, error)
            raise
        else:
            self._note(sizes, answer)
            return answer
        finally:
            self._end(request, sizes)

    def _note(self, sizes: Sizes, answer: Any) -> None:
        """Note what was answered; of an exception of the program's own nothing is asked."""
        with HARMLESS:
            if derives(type(answer), self._response):
                sizes.is_missing = answer.status == MISSING
                sizes.went(getattr(answer, "body", None))

    def _end(self, request: Any, sizes: Sizes) -> None:
        route = None
        try:
            with HARMLESS:
                route = self._route_of(request, sizes)
        finally:
            self._counter.end(sizes, route)

    def _route_of(self, request: Any, sizes: Sizes) -> str | None:
        if OWN in request.match_info:
            return None
        sizes.received = request.content_length or 0
        resource = getattr(request.match_info.route, "resource", None)
        pattern = getattr(resource, "canonical", None)
        told = {"method": request.method, "path": request.path}
        pattern = pattern if type(pattern) is str else None
        return self._counter.name(request.method, pattern, told, is_missing=sizes.is_missing)
