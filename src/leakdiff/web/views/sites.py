"""Which lines allocated what is alive: as a snapshot saw it, else as the latest tracing did."""

from __future__ import annotations

from collections.abc import Sequence

from leakdiff.model.snapshot import SiteCount
from leakdiff.render.plain import counted, size
from leakdiff.web.desk import Desk
from leakdiff.web.refusals import NotMeasured
from leakdiff.web.routing import Asked
from leakdiff.web.view import Cell, Column, Facts, Link, Table, View
from leakdiff.web.views.parts import (
    GAINED,
    Chosen,
    chosen,
    facts_of,
    gain,
    heap_before,
    notes_of,
    nothing_like,
    of_snapshot,
    only_like,
    place_of,
    plain_gain,
    plain_site,
    sentence,
    tracing_form,
)

_NOT_TRACED = (
    "Which lines allocated what is not known: when this snapshot was taken, tracemalloc was off, or kept too much to "
    "be read. Trace allocations for a while."
)
_TRACED = (
    "The latest tracing says which lines allocated what is still there of its time: jobs/{job}. A snapshot knows it "
    "only where tracemalloc was on."
)


def sites(asked: Asked) -> View:
    """Say which lines allocated what is alive."""
    found, like, limit = _perhaps_chosen(asked), asked.given["like"], int(asked.given["limit"])
    if found is None or found.heap.sites is None:
        return _no_sites(found, asked.desk)
    rows = only_like(found.heap.sites, lambda row: f"{place_of(row.site)} {row.site.function}", like)
    shown, left_out = rows[:limit], max(0, len(rows) - limit)
    traced = heap_before(found).sites
    before = {_key(row): (row.count, row.bytes) for row in traced} if traced is not None else None
    gains = [gain(_key(row), row.count, row.bytes, before) for row in shown]
    columns = (
        *(Column("Line", "code"), Column("Function", "code"), Column("Blocks", "number"), Column("Bytes", "bytes")),
        *GAINED,
    )
    cells = tuple(
        (place_of(row.site), row.site.function, row.count, row.bytes, *gained)
        for row, gained in zip(shown, gains, strict=True)
    )
    return View(
        title="Sites",
        said=_sites_said(rows, like),
        blocks=[
            facts_of(found),
            Table(columns=columns, rows=cells, empty=nothing_like("line", like), left_out=left_out),
            *notes_of(found.snapshot.left_out),
        ],
        data={
            **of_snapshot(found),
            "is_traced": True,
            "sites": [
                {**plain_site(row.site), "count": row.count, "bytes": row.bytes, **plain_gain(gained)}
                for row, gained in zip(shown, gains, strict=True)
            ],
            "left_out": left_out,
        },
    )


def _sites_said(rows: Sequence[SiteCount], like: str) -> str:
    if not rows:
        return sentence(nothing_like("line", like))
    first = rows[0]
    took = f"{counted(first.count, 'block')}, {size(first.bytes)}"
    return f"{place_of(first.site)} allocated most of what is alive: {took}."


def _perhaps_chosen(asked: Asked) -> Chosen | None:
    """Return the snapshot that a page is about; None where there is none, but allocations were traced."""
    try:
        return chosen(asked)
    except NotMeasured:
        if asked.given["snapshot"] is None and asked.desk.traced() is not None:
            return None
        raise


def _no_sites(found: Chosen | None, desk: Desk) -> View:
    """Lead to the latest tracing, which knows; where there is none, offer one."""
    traced = desk.traced()
    job = traced[0].id if traced is not None else None
    return View(
        title="Sites",
        said=_NOT_TRACED if job is None else _TRACED.format(job=job),
        blocks=[
            *([Facts(title="What was traced", rows=_traced_rows(job))] if job is not None else []),
            *([facts_of(found)] if found is not None else []),
            tracing_form(),
            *(notes_of(found.snapshot.left_out) if found is not None else []),
        ],
        data={
            **(of_snapshot(found) if found is not None else {"snapshot": None, "before": None}),
            "is_traced": False,
            "tracing": job,
            "sites": None,
            "left_out": 0,
        },
    )


def _traced_rows(job: str) -> tuple[tuple[str, Cell], ...]:
    return ("by line", Link(job, f"/jobs/{job}")), ("for go tool pprof", Link("pprof/heap", f"/pprof/heap?head={job}"))


def _key(row: SiteCount) -> str:
    return f"{row.site.file}:{row.site.line}"
