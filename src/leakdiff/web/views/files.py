"""The stylesheet and the script of the pages."""

from __future__ import annotations

from importlib import resources

from leakdiff.web.messages import Response
from leakdiff.web.refusals import NotThere
from leakdiff.web.routing import Asked

# A page that is saved and one that is served look alike: they have the first part of the stylesheet in common.
_FILES = {
    "leakdiff.css": (
        "text/css; charset=utf-8",
        (("leakdiff.render", "templates/style.css"), ("leakdiff.web", "static/leakdiff.css")),
    ),
    "leakdiff.js": ("text/javascript; charset=utf-8", (("leakdiff.web", "static/leakdiff.js"),)),
}


def static(asked: Asked) -> Response:
    """Return a file of the pages.

    Raises:
        NotThere: If there is none of this name.
    """
    found = _FILES.get(asked.given["name"])
    if found is None:
        raise NotThere
    type_, parts = found
    body = b"\n".join(resources.files(package).joinpath(path).read_bytes() for package, path in parts)
    return Response(status=200, body=body, type=type_)
