"""One finding with its path drawn, and the latest report as a file."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from leakdiff.model.cause import Cause
from leakdiff.model.code import CodeSite
from leakdiff.model.report import Finding
from leakdiff.model.routes import OwnerByRoute
from leakdiff.render.html import render_html
from leakdiff.render.json import finding_dict
from leakdiff.render.text import claim, rows
from leakdiff.store.series import ENTRIES
from leakdiff.web.desk import Desk, Seen
from leakdiff.web.messages import Response
from leakdiff.web.refusals import NotKnown, NotMeasured
from leakdiff.web.routing import Asked
from leakdiff.web.view import Block, Cell, Column, Facts, Link, Steps, Table, Text, View
from leakdiff.web.views.owners import lengths_of, shown_keys
from leakdiff.web.views.parts import drawn, path_of, place_of, plain, watch_form

_CODE = (("puts", "put"), ("gones", "gone"), ("made", "made"), ("misses", "miss"))
_TOLD_APART = ("put", "gone", "made", "miss", "born", "path")  # rows that stand in tables of their own
_GAP = re.compile(r" {2,}")  # what stands in columns on a terminal
_CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


# -- one finding -----------------------------------------------------------------------------------


def finding(asked: Asked) -> View:
    """Say all that is known of one finding: who holds it, by which path, which lines put it there, and what to do."""
    desk = asked.desk
    seen, found = desk.finding(asked.given["fingerprint"])
    line = lengths_of(desk, [found.owner]).get(found.owner, ()) if found.owner is not None else ()
    by_route = desk.routes.by_owner(found.owner) if found.owner is not None else None
    keys = shown_keys(desk, found.owner) if found.owner is not None else ()
    return View(
        title=f"Finding {found.fingerprint}",
        verdict=found.verdict.value,
        said=claim(found),
        blocks=[
            _rows(found),
            *([_path(found)] if found.path else []),
            *_over_time(desk, found, drawn(line, "number")),
            *([_routes(by_route)] if by_route is not None else []),
            *([_newest(keys)] if keys else []),
            *_code(found),
            *([_cause(found.cause)] if found.cause is not None else []),
            _origin(seen),
            watch_form(),
        ],
        data={
            "finding": _plain(found),
            "job": seen.job.id,
            "over_time": plain(line),
            "routes": plain(by_route),
            **({"keys": list(keys)} if keys else {}),
        },
    )


def _plain(found: Finding) -> dict[str, Any]:
    told: dict[str, Any] = plain(finding_dict(found))
    return {**told, "claim": claim(found), "unit": found.unit, "depth": found.depth}


def _rows(found: Finding) -> Facts:
    told = [(name, _GAP.sub(", ", text.strip())) for name, text in rows(found) if name not in _TOLD_APART]
    return Facts(title="What is known", rows=tuple(told))


def _path(found: Finding) -> Steps:
    steps = tuple((step.label, step.type) for step in found.path)
    return Steps(title="Who holds it", steps=steps, owner=found.depth - 1 if found.owner is not None else -1)


def _over_time(desk: Desk, found: Finding, chart: Cell) -> list[Block]:
    if chart is None or found.owner is None:
        return []
    shown: list[tuple[str, Cell]] = [("over time", chart)]
    if desk.monitor is not None:
        shown.append(("more", Link("history", path_of(ENTRIES + found.owner))))
    return [Facts(title="Its entries", rows=tuple(shown))]


def _routes(found: OwnerByRoute) -> Table | Text:
    if not found.rates:
        return Text(title="Which routes grow it", text=found.why_not or "no route was seen to")
    return Table(
        title="Which routes grow it",
        columns=(Column("Route", "code"), Column("Entries per request", "number"), Column("Give or take", "number")),
        rows=tuple((rate.route, rate.per_request, rate.margin) for rate in found.rates),
    )


def _newest(keys: Sequence[str]) -> Table:
    return Table(
        title="Its newest keys, as the redactor lets them out",
        columns=(Column("Key"),),
        rows=tuple((key,) for key in keys),
    )


def _code(found: Finding) -> list[Block]:
    listed: list[tuple[str, CodeSite]] = []
    if found.code is not None:
        listed = [(what, one) for name, what in _CODE for one in getattr(found.code, name)]
    born = [("born", place_of(site), site.function, None, None) for site in found.sites]
    if not listed and not born:
        return []
    return [
        Table(
            title="Lines of code",
            columns=(
                Column("What"),
                Column("Line", "code"),
                Column("Function", "code"),
                Column("How"),
                Column("When"),
            ),
            rows=(*born, *(_code_row(what, one) for what, one in listed)),
        )
    ]


def _code_row(what: str, one: CodeSite) -> tuple[Cell, ...]:
    how = one.how if one.is_sure else f"{one.how} (if it is this one)"
    return what, place_of(one.site), one.site.function, how or None, one.only or None


def _cause(cause: Cause) -> Text:
    told = f"{cause.why}\nFix: {cause.fix}."
    pattern = f"\n\n{cause.pattern.rstrip()}" if cause.pattern else ""
    return Text(title=f"Cause: {cause.title}", text=told + pattern, is_preformatted=True)


def _origin(seen: Seen) -> Facts:
    return Facts(
        title="Where this is from",
        rows=(
            ("watch", Link(seen.job.id, f"/jobs/{seen.job.id}")),
            ("to attach to a ticket", Link("report.html", f"/report.html?job={seen.job.id}")),
        ),
    )


# -- the report as a file --------------------------------------------------------------------------


def report(asked: Asked) -> Response:
    """Return the report of a watch as one page that needs nothing from outside."""
    seen = _report(asked.desk, asked.given["job"])
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seen.job.began))
    name = f"leakdiff-{asked.desk.pid}-{when}.html"
    return Response(
        status=200,
        body=render_html(seen.report).encode(),
        type="text/html; charset=utf-8",
        headers=(("Content-Disposition", f'attachment; filename="{name}"'), ("Content-Security-Policy", _CSP)),
    )


def _report(desk: Desk, name: str | None) -> Seen:
    if name is None:
        seen = next(iter(desk.reports()), None)
        if seen is None:
            raise NotMeasured("What grows", "Watch first: POST watch.")
        return seen
    job = desk.jobs.get(name)
    if job.outcome is None or job.outcome.report is None:
        raise NotKnown("report", name[:80], "A job of POST watch has one once it is done.")
    return Seen(job, job.outcome.report)
