"""The interface described as OpenAPI 3.1, made from the routes themselves."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from leakdiff.__about__ import __version__
from leakdiff.web.messages import Response
from leakdiff.web.routing import FORMATS, ROUTES, SEGMENT, VARIABLE, Asked, Parameter, Route

_MEDIA = {"html": "text/html", "json": "application/json", "text": "text/plain"}
_EVERYWHERE = (400, 401, 403, 404, 413, 421, 429, 500, 501, 503)  # what any path may answer
_ON_POST = (408,)
_TYPES = {"number": "number", "integer": "integer", "boolean": "boolean", "text": "string"}


def openapi(asked: Asked) -> Response:
    """Describe the interface."""
    from leakdiff.web.app import as_json

    return Response(status=200, body=as_json(described(asked.request.prefix)), type=_MEDIA["json"])


def described(prefix: str = "") -> dict[str, Any]:
    """Return the description.

    Args:
        prefix: Where the endpoint is mounted.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "leakdiff",
            "version": __version__,
            "description": "Whether this process leaks, what grows and who holds it. Only POST changes anything.",
        },
        "servers": [{"url": prefix or "/"}],
        "security": [{"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "securitySchemes": _SCHEMES,
            "schemas": _SCHEMAS,
            "headers": _HEADERS,
            "responses": {str(status): _error(status) for status in (*_EVERYWHERE, *_ON_POST, 409)},
        },
    }


_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "Any name, and the token as password."},
}
_SCHEMAS = {
    "Error": {
        "type": "object",
        "required": ["slug", "message"],
        "properties": {
            "slug": {"type": "string", "description": "The entry in docs/reference/messages.md."},
            "message": {"type": "string", "description": "What happened, and what to do."},
        },
    },
    "View": {
        "type": "object",
        "description": "What a page says; each view has further fields of its own.",
        "required": ["process", "title", "verdict", "said"],
        "properties": {
            "process": {"$ref": "#/components/schemas/Process"},
            "title": {"type": "string"},
            "verdict": {"type": "string"},
            "said": {"type": "string", "description": "The answer in a sentence."},
        },
    },
    "Process": {
        "type": "object",
        "description": "Which process answered: with several workers, each answer may come from another.",
        "required": ["pid", "host", "boot_id", "instance"],
        "properties": {
            "pid": {"type": "integer"},
            "host": {"type": "string"},
            "boot_id": {"type": "string"},
            "instance": {"type": "string", "description": "One life of one process."},
            "started": {"type": "number", "description": "UTC seconds."},
            "service": {"type": "string"},
            "version": {"type": "string"},
            "revision": {"type": "string"},
            "python": {"type": "string"},
            "leakdiff": {"type": "string"},
        },
    },
}
_HEADERS = {
    "Leakdiff-Process": {
        "description": "Which process answered: pid, boot id and instance.",
        "schema": {"type": "string"},
    },
    "Location": {"description": "Where the result will be, relative to this URL.", "schema": {"type": "string"}},
}


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{route.view.rpartition(':')[2]}",
        "summary": route.said,
        "parameters": [*_in_path(route), *(_in_query(parameter) for parameter in route.all_parameters)],
        "responses": _responses(route),
    }
    if route.method == "POST":
        operation["description"] = "The parameters may also come as a form, or as a flat object of JSON, each once."
    return operation


def _in_path(route: Route) -> list[dict[str, Any]]:
    schema = {"type": "string", "pattern": f"^{SEGMENT}$"}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in VARIABLE.findall(route.path)]


def _in_query(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _TYPES[parameter.kind]}
    if parameter.kind in ("number", "integer"):
        schema |= {"minimum": parameter.least, "maximum": parameter.most}
    elif parameter.choices:
        schema["enum"] = list(parameter.choices)
    elif parameter.kind == "text":
        schema["maxLength"] = int(parameter.most)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.said,
        "allowEmptyValue": True,
        "schema": schema,
    }


def _responses(route: Route) -> dict[str, Any]:
    began = 202 in route.statuses
    found: dict[str, Any] = {} if began else {"200": _answer("What was asked for.", _content(route))}
    if began:
        found["202"] = _answer("It began; Location says where its result will be.", _content(route), "Location")
        found["303"] = _answer("It began; a browser is sent to its result.", {}, "Location")
    for status in sorted({*_EVERYWHERE, *route.statuses, *(_ON_POST if route.method == "POST" else ())} - {202}):
        found[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return found


def _content(route: Route) -> Mapping[str, Any]:
    if not route.is_view:
        return {type_: {"schema": {} if type_ == _MEDIA["json"] else {"type": "string"}} for type_ in route.types}
    return {_MEDIA[format_]: {"schema": _schema(format_, "View")} for format_ in FORMATS}


def _schema(format_: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"} if format_ == "json" else {"type": "string"}


def _answer(said: str, content: Mapping[str, Any], *headers: str) -> dict[str, Any]:
    shown = {name: {"$ref": f"#/components/headers/{name}"} for name in ("Leakdiff-Process", *headers)}
    return {"description": said, "headers": shown, **({"content": content} if content else {})}


def _error(status: int) -> dict[str, Any]:
    content = {_MEDIA[format_]: {"schema": _schema(format_, "Error")} for format_ in FORMATS}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:  # healthz answers as a view
        content[_MEDIA["json"]] = {"schema": {"anyOf": [_schema("json", "View"), _schema("json", "Error")]}}
    return {"description": HTTPStatus(status).phrase, "content": content}
