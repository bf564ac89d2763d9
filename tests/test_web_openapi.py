"""The published description of the endpoint, and that the endpoint keeps to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fresh import run_fresh
from leakdiff.web.routing import ROUTES, VARIABLE
from leakdiff.web.views.openapi import described
from web_client import JSON, ask, endpoint


def references(described_part: Any) -> Iterator[str]:
    """Yield where a description refers to."""
    if isinstance(described_part, dict):
        for key, value in described_part.items():
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(described_part, list):
        for value in described_part:
            yield from references(value)


def test_every_route_is_described() -> None:
    """With its parameters, those of its path too, and how to log in."""
    shown = described()
    operations = [operation for path in shown["paths"].values() for operation in path.values()]

    assert {(method, path) for path, methods in shown["paths"].items() for method in methods} == {
        (route.method.lower(), route.path) for route in ROUTES
    }
    assert len({operation["operationId"] for operation in operations}) == len(ROUTES)
    for route in ROUTES:
        named = [one["name"] for one in shown["paths"][route.path][route.method.lower()]["parameters"]]
        assert named == [*VARIABLE.findall(route.path), *(parameter.name for parameter in route.all_parameters)]
    assert shown["security"] == [{"bearer": []}, {"basic": []}]


def test_what_the_description_refers_to_is_there() -> None:
    """Every reference leads to a part of it."""
    shown = described()
    for reference in set(references(shown)):
        part: Any = shown
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
        assert part


def test_the_description_is_served_with_where_the_endpoint_is() -> None:
    """So that tools that are given its URL find the paths."""
    answer = ask(endpoint(), "/openapi.json", prefix="/debug/leakdiff")
    shown = json.loads(answer.body)

    assert (answer.status, answer.type) == (200, "application/json")
    assert (shown["openapi"], shown["servers"]) == ("3.1.0", [{"url": "/debug/leakdiff"}])


def test_every_status_that_a_view_answers_is_described() -> None:
    """As far as requests lead to them: here each path once, as it is written."""
    shown, served = described()["paths"], endpoint()
    for route in (route for route in ROUTES if route.method == "GET"):
        answer = ask(served, re.sub(r"\{\w+\}", "x", route.path), JSON)
        assert str(answer.status) in shown[route.path]["get"]["responses"], route.path


# -- by schemathesis ---------------------------------------------------------------------------------


def test_the_endpoint_keeps_to_its_description() -> None:
    """Every status, content type, header and body that requests of all kinds lead to is a described one."""
    for package in ("schemathesis", "werkzeug"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install {package}")
    # Outside of pytest, which would compile all of schemathesis anew for its plugin.
    seen = run_fresh(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import web_conformance as found; found.tell()"
    )

    assert seen["failures"] == []
    assert seen["tried"] == 2 * (len(ROUTES) - 1)  # all but the description itself, in both modes
    assert {200, 202, 303, 400, 404} <= set(seen["statuses"])
