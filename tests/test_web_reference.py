"""docs/reference/http.md has every path of the debug endpoint, with its parameters."""

from __future__ import annotations

import re
from pathlib import Path

from leakdiff.web.routing import ROUTES

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "http.md"
ROW = re.compile(r"^\| `(GET|POST) (\S+)` \|.*\|(.*)\|$", re.MULTILINE)


def test_the_reference_has_every_path_and_every_parameter() -> None:
    """What is served is documented, and nothing else is."""
    rows = {(method, path): re.findall(r"`(\w+)`", told) for method, path, told in ROW.findall(PAGE.read_text("utf-8"))}
    served = {(route.method, route.path): [given.name for given in route.parameters] for route in ROUTES}

    assert rows.keys() == served.keys()
    for at, names in served.items():
        assert set(rows[at]) >= set(names), at
