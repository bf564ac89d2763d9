"""What the process holds besides memory: tasks by where they await, threads by stack, descriptors, sockets."""

from __future__ import annotations

from leakdiff.model.snapshot import RESOURCE_KINDS, Resources, Tally
from leakdiff.render.plain import counted
from leakdiff.web.refusals import NotMeasured
from leakdiff.web.routing import Asked
from leakdiff.web.view import Column, Table, View
from leakdiff.web.views.parts import Chosen, chosen, facts_of, notes_of, nothing_like, of_snapshot, only_like

_TITLES = {
    "threads": "Threads, by name and where they are",
    "tasks": "Tasks, by coroutine and where they await (of many alike, the line of three is read)",
    "generators": "Suspended generators and coroutines",
    "descriptors": "File descriptors, by kind",
    "sockets": "Sockets, by protocol and state",
    "children": "Child processes",
}
_Tallies = tuple[Tally, ...]


def resources(asked: Asked) -> View:
    """Say how many threads, tasks, descriptors and so on there are, and where they wait."""
    found, like, limit = chosen(asked), asked.given["like"], int(asked.given["limit"])
    if found.snapshot.resources is None:
        raise NotMeasured(f"What snapshot {found.id} holds besides memory", "Take another snapshot.")
    held = {kind: _like(getattr(found.snapshot.resources, kind), like) for kind in RESOURCE_KINDS}
    before = _before(found)
    return View(
        title="Resources",
        said=_said(held, like),
        blocks=[
            facts_of(found),
            *(_table(kind, held[kind], before, limit, like) for kind in RESOURCE_KINDS),
            *notes_of(found.snapshot.left_out),
        ],
        data={
            **of_snapshot(found),
            "totals": {kind: _total(tallies) for kind, tallies in held.items()},
            "resources": {
                kind: [
                    {"name": tally.name, "count": tally.count, "gained": _gained(kind, tally, before)}
                    for tally in tallies[:limit]
                ]
                for kind, tallies in held.items()
            },
            "left_out": {kind: max(0, len(tallies) - limit) for kind, tallies in held.items()},
        },
    )


def _like(tallies: _Tallies, like: str) -> _Tallies:
    return tuple(sorted(only_like(tallies, lambda tally: tally.name, like), key=lambda one: (-one.count, one.name)))


def _total(tallies: _Tallies) -> int:
    return sum(tally.count for tally in tallies)


def _said(held: dict[str, _Tallies], like: str) -> str:
    totals = {kind: _total(tallies) for kind, tallies in held.items()}
    if like and not any(totals.values()):
        return f"Nothing has {like!r} in its name."
    told = ", ".join(
        counted(totals[kind], noun, plural)
        for kind, noun, plural in (
            ("threads", "thread", None),
            ("tasks", "task", None),
            ("descriptors", "file descriptor", None),
            ("sockets", "socket", None),
            ("children", "child process", "child processes"),
        )
    )
    first = held["tasks"][:1]
    most = f"; most tasks: {first[0].count:,} of {first[0].name}" if first and first[0].count > 1 else ""
    return f"{told}{most}."


def _table(kind: str, tallies: _Tallies, before: Resources | None, limit: int, like: str) -> Table:
    return Table(
        title=_TITLES[kind],
        columns=(Column("Name", "code"), Column("Count", "number"), Column("Gained", "change")),
        rows=tuple((tally.name, tally.count, _gained(kind, tally, before)) for tally in tallies[:limit]),
        empty=nothing_like("one", like) if like else "none",
        left_out=max(0, len(tallies) - limit),
    )


def _before(found: Chosen) -> Resources | None:
    return found.before.snapshot.resources if found.before is not None else None


def _gained(kind: str, tally: Tally, before: Resources | None) -> int | None:
    if before is None:
        return None
    others: _Tallies = getattr(before, kind)
    return tally.count - sum(other.count for other in others if other.name == tally.name)
