"""How routes are called: by the pattern that the framework or the program says, and never by what a client sent.

A path may hold anything: ``/reset/TOKEN``, ``/users/alice``. No rule tells a secret from a word by its looks, so a
segment of a path is never kept unless somebody who wrote the program named it. Where nobody did, the name is
``GET (no route)``; ``route=`` of ``count_requests`` is then how to name them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from leakdiff.capture.attributes import attribute_of
from leakdiff.capture.kinds import mro_of, type_name
from leakdiff.errors import BadOption
from leakdiff.model.routes import UNNAMED

MARK = "leakdiff.route"  # in a scope or an environ: the pattern, from whoever knows it
OWN = "leakdiff.own"  # in a scope or an environ: it is a request to leakdiff itself
Told = Mapping[str, Any]  # a scope of ASGI, or an environ of WSGI
Namer = Callable[[Told], object]

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "WEBSOCKET"))
_MOST_NAMES = 400  # twice as many as routes are kept
_LONGEST = 120
_LONGEST_READ = 400  # of a pattern as the framework or the program says it; what is kept must not grow with a path
_WORD = re.compile(r"[a-z][a-z_-]{0,31}")
# {id:int} of Starlette, <int:id> of Django and werkzeug, (?P<id>[0-9]+) of Django's re_path.
_PLACEHOLDERS = (
    re.compile(r"\{(\w+):[^{}]*\}"),
    re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)"),
    re.compile(r"<(?:[^<>]*:)?(\w+)>"),
)


def tidy(pattern: str) -> str:
    """Return a pattern of any framework with ``{name}`` for what varies, beginning with a slash."""
    for placeholder in _PLACEHOLDERS:
        pattern = placeholder.sub(r"{\1}", pattern)
    pattern = pattern.replace("^", "").removesuffix("$").removesuffix(r"\Z")
    plain = "".join(one if one.isprintable() and one != " " else "?" for one in pattern)[:_LONGEST]
    return plain if plain.startswith("/") else f"/{plain}"


class Names:
    """Names of routes.

    Args:
        route: What the program says its routes are: a list of patterns such as ``/rides/{id}``, or a callable that
            takes the scope or the environ of a request and returns a pattern, or None where it knows none.
    """

    def __init__(self, route: Namer | Iterable[str] | None) -> None:
        self._told = route if callable(route) else _among(route) if route is not None else None
        self._is_made_up = callable(route)  # by whoever asks, it may be: a list and a framework have an end

    def name(self, method: object, pattern: str | None, request: Told, *, is_missing: bool = False) -> str:
        """Return the name of a request's route.

        Args:
            method: As the client sent it.
            pattern: As the framework says.
            request: Its scope or environ.
            is_missing: Whether it was answered 404: then a callable is not asked, for whoever scans a service would
                make up as many routes as there are paths.
        """
        if self._told is not None and not (is_missing and self._is_made_up):
            own = self._told(request)
            pattern = own if type(own) is str else pattern
        return plain_name(method, pattern)


def plain_name(method: object, pattern: str | None) -> str:
    """Return the name of a route by its pattern; a method that a client made up is not told."""
    known = method if type(method) is str and method in _METHODS else "OTHER"
    return _named(known, pattern[:_LONGEST_READ] if pattern is not None else None)


@functools.lru_cache(maxsize=_MOST_NAMES)
def _named(method: str, pattern: str | None) -> str:
    return f"{method} {tidy(pattern) if pattern is not None else UNNAMED}"


def _among(patterns: Iterable[str]) -> Namer:
    """Return what finds the pattern of a path among those that the program lists."""
    known = [patterns] if type(patterns) is str else list(patterns)
    for pattern in known:
        if type(pattern) is not str or not pattern.startswith("/"):
            raise BadOption("route", pattern, "a callable, or patterns such as '/rides/{id}/cancel'")
    compiled = [(_compiled(pattern), pattern) for pattern in known]

    def find(request: Told) -> str | None:
        path = path_of(request)
        return next((pattern for regex, pattern in compiled if regex.fullmatch(path)), None)

    return find


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{\w+\}", pattern)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


def path_of(request: Told) -> str:
    """Return the path of a scope or an environ; empty where it has none."""
    path = request.get("path", request.get("PATH_INFO", ""))
    return path if type(path) is str else ""


def words(request: Told) -> str:
    """Return a request's path with ``{}`` for every segment that is no plain word of lower-case letters.

    For ``route=`` of ``count_requests``, by a program whose paths hold no names of people and no secrets that look
    like words; nothing else can tell ``/users/alice`` from ``/users/search``.
    """
    return "/".join(one if not one or _WORD.fullmatch(one) else "{}" for one in path_of(request).split("/"))


# -- what frameworks say ---------------------------------------------------------------------------


def pattern_of_scope(scope: Told, root_before: object) -> str | None:
    """Return the pattern of a request's route after the application ran; None where it is not said.

    Starlette and FastAPI leave the route in the scope, Litestar its template, and Django what ``django_routes`` noted.

    Args:
        scope: The scope.
        root_before: Its ``root_path`` before the application ran: mounts add to it.
    """
    marked = scope.get(MARK, scope.get("path_template"))
    if type(marked) is str:
        return marked
    route = scope.get("route")
    path = attribute_of(route, "path") if route is not None else None
    if type(path) is not str:
        return None
    root = scope.get("root_path")
    if type(root) is not str or type(root_before) is not str or root == root_before:
        return path
    mounted = _without_values(root.removeprefix(root_before), scope)
    return f"{mounted}/*" if _is_mount(route) else f"{mounted}{path}"


def _is_mount(route: object) -> bool:
    return any(type_name(base) == "starlette.routing.Mount" for base in mro_of(type(route)))


def _without_values(root: str, scope: Told) -> str:
    """Return where an application is mounted, with ``{}`` for what the mount took from the path as a parameter."""
    given = scope.get("path_params")
    taken = list(given.values()) if type(given) is dict else []
    texts = {part for value in taken if type(value) is str for part in value.split("/")}
    is_plain = all(type(value) in (str, int, float) for value in taken)
    return "/".join(
        one if not one or (is_plain and one not in texts and _WORD.fullmatch(one)) else "{}" for one in root.split("/")
    )


def pattern_of_environ(environ: Told) -> str | None:
    """Return the pattern of a request's route, as the answer begins; None where it is not said.

    Flask and werkzeug leave the request in the environ for that long, Bottle the route, and Django what
    ``django_routes`` noted.
    """
    marked = environ.get(MARK)
    if type(marked) is str:
        return marked
    request = environ.get("werkzeug.request")
    rule = attribute_of(request, "url_rule") if request is not None else environ.get("bottle.route")
    pattern = attribute_of(rule, "rule") if rule is not None else None
    return pattern if type(pattern) is str else None
