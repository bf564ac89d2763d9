"""A desk with measurements on it, and views asked directly, for tests that need no server."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from leakdiff.web.desk import Desk
from leakdiff.web.jobs import Job, Outcome, Say, Work
from leakdiff.web.messages import Request, Response
from leakdiff.web.routing import Asked, Format, find_route, read_given
from leakdiff.web.settings import Settings
from leakdiff.web.view import Block, Facts, Form, Table, View

TOKEN = "0123456789abcdef" * 2


def desk_of(*outcomes: Outcome, monitor: Any = None, **knobs: Any) -> Desk:
    """Return a desk on which some measurements lie, the first one the oldest."""
    desk = Desk(Settings(token=TOKEN, cooldown=0, **knobs), monitor)
    for outcome in outcomes:
        kind = "snapshot" if outcome.snapshot else "watch" if outcome.report else "tracing" if outcome.profile else "gc"
        finished(desk, kind, partial(_given, outcome))
    return desk


def _given(outcome: Outcome, _: Say) -> Outcome:
    return outcome


def finished(desk: Desk, kind: str, work: Work) -> Job:
    """Do a measurement to its end."""
    job = desk.begin(kind, work, expected=1.0)
    wait_for_jobs()
    return desk.jobs.get(job.id)


def wait_for_jobs() -> None:
    """Wait until all measurements of this process have ended."""
    for thread in threading.enumerate():
        if thread.name == "leakdiff-web-job":
            thread.join(60)


def ask(desk: Desk, url: str, *, told_as: Format = "html") -> View:
    """Return the view that a path and a query lead to."""
    found = look(desk, url, told_as=told_as)
    assert isinstance(found, View)
    return found


def look(desk: Desk, url: str, *, told_as: Format = "html") -> View | Response:
    """Return what a path and a query lead to."""
    path, _, query = url.partition("?")
    request = Request(method="GET", path=path, query=query)
    route, variables = find_route("GET", path)
    given: Mapping[str, Any] = read_given(route, request) | variables
    return route.load()(Asked(desk=desk, request=request, format=told_as, given=given))


def tables(view: View) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of a view's tables by title."""
    return {block.title: list(block.rows) for block in view.blocks if isinstance(block, Table)}


def facts(view: View) -> dict[str, Any]:
    """Return the facts of a view by name."""
    return {name: cell for block in view.blocks if isinstance(block, Facts) for name, cell in block.rows}


def forms(view: View) -> dict[str, Form]:
    """Return the forms of a view by where they lead."""
    return {block.to: block for block in view.blocks if isinstance(block, Form)}


def of_kind(view: View, kind: type[Any]) -> list[Block]:
    """Return the blocks of one kind."""
    return [block for block in view.blocks if isinstance(block, kind)]
