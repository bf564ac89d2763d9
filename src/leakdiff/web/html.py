"""A view as a page: rendered here, readable without a script, and every link relative to where it is shown."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

from leakdiff.model.snapshot import Identity
from leakdiff.model.verdict import Verdict
from leakdiff.render.html import templates
from leakdiff.render.plain import printable
from leakdiff.web import charts
from leakdiff.web.cells import AMOUNTS, amount, moment, span, tell
from leakdiff.web.routing import FORMATS, ROUTES
from leakdiff.web.view import Block, Form, View

if TYPE_CHECKING:
    import jinja2

_DEEPEST = 8  # a path of more segments is none of ours, and nothing on its page needs to be found
_LEAST_REFRESH = 2.0  # seconds, without a script: a reload loses what somebody typed
_BREAKS = re.compile(r"(?<=\w)(?=\.[^\W\d])|(?<=[/:\]])(?=\w)")
_SAFE_IN_LINKS = "/?&=%+:;,@~!$'()*"


def page_of(view: View, path: str, identity: Identity | None, query: str = "") -> str:
    """Return a view as a page.

    Args:
        view: What it says.
        path: Where it is shown, below the endpoint's prefix: links are relative to it.
        identity: Which process answers; None for a page to those who may not look, which names no process.
        query: The query it was asked with, for links to its other formats.

    Raises:
        MissingExtra: If jinja2 is not installed.
    """
    base = base_of(path)
    return (
        _templates()
        .get_template("page.html")
        .render(
            view=view,
            groups=list(_grouped(view.blocks)),
            identity=identity,
            base=base,
            here=path,
            places=_places(path) if identity is not None else [],
            formats=_formats(view, query),
            slug=view.data.get("slug", "") if view.status >= 400 else "",
            is_elsewhere=_is_of_another_worker(view, path, identity),
            no_script_refresh=None if view.refresh is None else round(max(view.refresh, _LEAST_REFRESH)),
            link=functools.partial(link, base),
        )
    )


def base_of(path: str) -> str:
    """Return the way from a path back to the endpoint's index: ``./`` from ``/types``, ``../`` from ``/jobs/17``."""
    return "../" * min(path.count("/") - 1, _DEEPEST) or "./"


def link(base: str, to: str) -> str:
    """Return the relative link to a path below the prefix; it stays below it, whatever the path holds."""
    return base + quote(to.lstrip("/"), safe=_SAFE_IN_LINKS, errors="replace")


def _grouped(blocks: Iterable[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Yield blocks with the name of their kind; forms that follow each other stand together."""
    for at, found in groupby(enumerate(blocks), lambda item: "form" if isinstance(item[1], Form) else str(item[0])):
        held = [block for _, block in found]
        yield "forms" if at == "form" else type(held[0]).__name__.lower(), held


def _places(path: str) -> list[tuple[str, str, str]]:
    """Return what the navigation leads to: the path, its name, and whether that is here."""
    found = [route.path for route in ROUTES if route.method == "GET" and route.is_view and "{" not in route.path]
    return [(each, each.strip("/") or "overview", _current(each, path)) for each in found]


def _current(place: str, path: str) -> str:
    if place == path:
        return "page"
    return "true" if place != "/" and path.startswith(f"{place}/") else ""


def _formats(view: View, query: str) -> list[tuple[str, str]]:
    """Return the other formats of this page, each with the query that asks for it."""
    if view.status >= 400 or view.location is not None:
        return []
    kept = [(name, value) for name, value in parse_qsl(query, errors="replace") if name != "format"]
    return [(each, f"?{urlencode([*kept, ('format', each)])}") for each in FORMATS if each != "html"]


def _is_of_another_worker(view: View, path: str, identity: Identity | None) -> bool:
    """Whether another worker of the service keeps this job: asked again, it may be the one that answers."""
    pid = path.removeprefix("/jobs/").partition("-")[0]
    return (
        view.status == 404
        and identity is not None
        and path.startswith("/jobs/")
        and pid.isdecimal()
        and pid != str(identity.pid)
    )


# -- templates -------------------------------------------------------------------------------------


@functools.cache
def _templates() -> jinja2.Environment:
    made = templates("leakdiff.web", "leakdiff.render", what="A page of the debug endpoint", extra="web")
    made.finalize = _readable
    made.filters["broken"] = _broken
    made.globals.update(
        verdicts=frozenset(Verdict),
        tell=tell,
        amount=amount,
        moment=moment,
        span=span,
        amounts=AMOUNTS,
        charts=charts,
        is_number=_is_number,
    )
    return made


def _readable(shown: Any) -> Any:
    """Make every text printable as it is put on the page, whoever it came from."""
    return printable(shown) if type(shown) is str else shown


def _broken(text: str) -> Any:
    """Return a text with places where its names may be broken: before dots, after slashes and colons."""
    from markupsafe import Markup, escape

    shown = str(escape(printable(text)))
    return Markup(_BREAKS.sub("<wbr>", shown))  # noqa: S704 - escaped above


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
