"""From a request to its route and its parameters."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from leakdiff.web.messages import Request
from leakdiff.web.paths import ROUTES
from leakdiff.web.refusals import BadMethod, BadParameter, NotThere, TooLarge
from leakdiff.web.route import FORMATS, SEGMENT, VARIABLE, Asked, Format, Parameter, Route

__all__ = [
    "FORMATS",
    "MOST_QUERY",
    "ROUTES",
    "SEGMENT",
    "VARIABLE",
    "Asked",
    "Format",
    "Parameter",
    "Route",
    "find_route",
    "read_given",
]

MOST_QUERY = 4096  # characters
_MOST_FIELDS = 32
_FORM = "application/x-www-form-urlencoded"


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route of a request, and the variables in its path.

    Raises:
        NotThere: If there is no such path.
        BadMethod: If the path has other methods only.
    """
    found = [(route, variables) for route in ROUTES if (variables := route.match(path)) is not None]
    if not found:
        raise NotThere
    wanted = "GET" if method == "HEAD" else method
    for route, variables in found:
        if route.method == wanted:
            return route, variables
    methods = [route.method for route, _ in found]
    raise BadMethod(path[:80], tuple([*methods, "HEAD"] if "GET" in methods else methods))


def read_given(route: Route, request: Request) -> dict[str, Any]:
    """Return the parameters of a request, from its query and its form; those not given have their defaults.

    Raises:
        BadParameter: If one is unknown, given twice, or cannot work.
        TooLarge: If the query is.
    """
    if len(request.query) > MOST_QUERY:
        raise TooLarge("The query", MOST_QUERY)
    known = {parameter.name: parameter for parameter in route.all_parameters}
    given = {name: parameter.default for name, parameter in known.items()}
    seen: set[str] = set()
    for name, value in _fields(request):
        if name not in known:
            raise BadParameter(
                name[:80], "there is none of this name", f"one of {', '.join(known)}" if known else "left out"
            )
        if name in seen:
            raise BadParameter(name, "it is given twice", "given once")
        seen.add(name)
        if value:
            given[name] = known[name].read(value)
    return given


def _fields(request: Request) -> list[tuple[str, str]]:
    fields = _split(request.query, "query")
    if request.method == "POST" and request.body:
        kind = request.header("content-type").partition(";")[0].strip().lower()
        if kind == _FORM:
            return fields + _split(request.body.decode("utf-8", "replace"), "body")
        if kind == "application/json":
            return fields + _from_json(request.body)
        raise BadParameter("body", "its content type is another", f"{_FORM} or application/json")
    return fields


def _split(text: str, where: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise BadParameter(where, "it has too many fields", f"{_MOST_FIELDS} at most") from None


def _from_json(body: bytes) -> list[tuple[str, str]]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not all(isinstance(value, str | int | float) for value in fields.values()):
        raise BadParameter("body", "it is no flat object of JSON", "an object of texts, numbers, true and false")
    return [(name, json.dumps(value) if not isinstance(value, str) else value) for name, value in fields.items()]
