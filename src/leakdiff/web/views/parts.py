"""What several pages are made of: which snapshot is meant, plain values for JSON, lines over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import attrs

from leakdiff.model.heap import Bound, Site
from leakdiff.model.snapshot import Heap, Snapshot
from leakdiff.model.trend import Point
from leakdiff.render.text import short_path
from leakdiff.store.series import BYTES, ENTRIES
from leakdiff.web.cells import amount, span
from leakdiff.web.charts import MOST, thinned
from leakdiff.web.desk import Desk, Kept
from leakdiff.web.refusals import NotMeasured
from leakdiff.web.routing import Asked
from leakdiff.web.view import Chart, Column, Facts, Form, Input, Kind, Text

MOST_POINTS = 2_000  # of one line, in JSON
_A_MINUTE = "60"
_Row = TypeVar("_Row")


# -- snapshots -------------------------------------------------------------------------------------


@attrs.frozen
class Chosen:
    """The snapshot that a page is about, and the one before it, where it is kept here."""

    id: str
    snapshot: Snapshot
    heap: Heap
    before: Kept | None


def chosen(asked: Asked) -> Chosen:
    """Return the snapshot that is asked for, else the latest.

    Raises:
        NotMeasured: If there is none, or its heap was not walked.
        NotKnown: If it is not kept.
        StoreUnusable: If the monitor's store cannot be read.
    """
    name = asked.given["snapshot"]
    kept = asked.desk.kept(name)
    heap = kept.snapshot.heap
    if heap is None:
        raise NotMeasured(f"The heap of snapshot {name}", "It is a cheap measurement: choose a deep one.")
    return Chosen(kept.id, kept.snapshot, heap, _before(asked.desk, kept.snapshot))


def _before(desk: Desk, snapshot: Snapshot) -> Kept | None:
    instance, taken = snapshot.identity.instance, snapshot.taken.utc
    return next(
        (
            kept
            for kept in desk.snapshots()
            if kept.snapshot.taken.utc < taken and kept.snapshot.heap and kept.snapshot.identity.instance == instance
        ),
        None,
    )


def of_snapshot(found: Chosen) -> dict[str, Any]:
    """Return which snapshot a page is about, for JSON."""
    return {"snapshot": plain_header(found.id, found.snapshot), "before": found.before.id if found.before else None}


def plain_header(name: str, snapshot: Snapshot) -> dict[str, Any]:
    """Return what a snapshot is, for JSON."""
    return {
        "id": name,
        "taken": snapshot.taken.utc,
        "label": snapshot.label,
        "units": snapshot.units,
        "is_whole": snapshot.heap.is_whole if snapshot.heap is not None else None,
    }


def facts_of(found: Chosen) -> Facts:
    """Say which snapshot a page is about."""
    rows: list[tuple[str, str]] = [("snapshot", found.id), ("taken", str(found.snapshot.taken))]
    if found.snapshot.label:
        rows.append(("label", found.snapshot.label))
    if found.before is not None:
        rows.append(("gains since", f"snapshot {found.before.id}, {found.before.snapshot.taken}"))
    return Facts(title="", rows=tuple(rows))


def notes_of(notes: Sequence[str], title: str = "What was not looked at") -> list[Text]:
    """Return sentences as blocks; none where there are none."""
    return [Text(title=title, text="\n".join(notes))] if notes else []


def only_like(rows: Sequence[_Row], name_of: Callable[[_Row], str], like: str) -> list[_Row]:
    """Return rows whose name contains a text, in any case."""
    wanted = like.casefold()
    return [row for row in rows if wanted in name_of(row).casefold()] if wanted else list(rows)


def nothing_like(what: str, like: str) -> str:
    """Say that a list is empty."""
    return f"no {what} has {like!r} in its name" if like else f"no {what}"


def sentence(text: str) -> str:
    """Return a text as a sentence: its first letter large, the rest as it is, and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


# -- values ----------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Return a value of the model as JSON has it: dicts, lists, texts and finite numbers."""
    if attrs.has(type(value)):
        return {name: plain(getattr(value, name)) for name in attrs.fields_dict(type(value))}
    if isinstance(value, Mapping):
        return {str(name): plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, str) else value


def plain_site(site: Site) -> dict[str, Any]:
    """Return a line of code without its text."""
    return {"file": site.file, "line": site.line, "function": site.function}


def place_of(site: Site) -> str:
    """Return a line of code as people know it."""
    return f"{short_path(site.file)}:{site.line}"


def filled(bound: Bound | None) -> str | None:
    """Say how full something is: ``312 of 1,000``."""
    return f"{bound.filled:,} of {bound.limit:,}" if bound is not None else None


# -- lines over time -------------------------------------------------------------------------------


def kind_of(series: str) -> Kind:
    """Return how the readings of a series are told."""
    is_bytes = series.startswith((BYTES, "cgroup.")) or series in ("rss", "uss", "native", "heap.bytes")
    return "bytes" if is_bytes else "number"


def name_of(series: str) -> str:
    """Return a series as people call it."""
    for start, what in ((ENTRIES, "entries"), (BYTES, "bytes")):
        if series.startswith(start):
            return f"{what} of {series.removeprefix(start)}"
    return series


def path_of(series: str) -> str:
    """Return where the history of a series is."""
    return f"/history?series={quote(series, safe='')}"


def drawn(points: Sequence[tuple[float, float]], kind: Kind) -> Chart | None:
    """Return a line over time, and what it shows; None of nothing."""
    if not points:
        return None
    (began, first), (ended, last) = points[0], points[-1]
    low, high = (pick(value for _, value in points) for pick in (min, max))
    levels = [_level(value, kind) for value in (first, last, low, high)]
    if len(points) == 1:
        return Chart(tuple(points), f"{levels[0]}, read once", kind)
    said = f"from {levels[0]} to {levels[1]} in {span(ended - began)}"
    between = f", between {levels[2]} and {levels[3]}" if low < min(first, last) or high > max(first, last) else ""
    return Chart(thinned(points, MOST), said + between, kind)


def _level(value: float, kind: Kind) -> str:
    return amount(int(value) if value == int(value) else value, kind)


def pairs(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Return readings as time and value; those that are no finite number are left out."""
    return [(point.time, point.value) for point in points if math.isfinite(point.value)]


# -- gains -----------------------------------------------------------------------------------------

GAINED = (Column("Gained", "change"), Column("Bytes gained", "bytes change"))
Gain = tuple[int | None, int | None]  # number and bytes
Amounts = Mapping[str, tuple[int, int]]  # the same by name


def heap_before(found: Chosen) -> Heap:
    """Return the heap of the snapshot before; an empty one where there is none."""
    heap = found.before.snapshot.heap if found.before is not None else None
    return heap if heap is not None else Heap()


def gain(name: str, count: int, of_bytes: int, before: Amounts | None) -> Gain:
    """Return what something gained since the snapshot before; nothing is known without one."""
    if before is None:
        return None, None
    count_before, bytes_before = before.get(name, (0, 0))
    return count - count_before, of_bytes - bytes_before


def plain_gain(gained: Gain) -> dict[str, int | None]:
    """Return a gain for JSON."""
    return {"gained": gained[0], "gained_bytes": gained[1]}


# -- forms -----------------------------------------------------------------------------------------


def watch_form() -> Form:
    """Offer to watch live traffic."""
    return Form(
        label="Watch",
        to="/watch",
        inputs=(Input(name="seconds", label="seconds", value=_A_MINUTE),),
        said="Lets traffic go on, and says who keeps what it leaves behind. Walks the heap twice, a few milliseconds "
        "at a time.",
    )


def snapshot_form() -> Form:
    """Offer to take a snapshot."""
    return Form(
        label="Snapshot",
        to="/snapshot",
        said="Counts every object and names every container, a few milliseconds at a time: about a second of CPU for a "
        "million objects.",
    )


def tracing_form() -> Form:
    """Offer to trace allocations."""
    return Form(
        label="Trace allocations",
        to="/tracing",
        inputs=(Input(name="seconds", label="seconds", value=_A_MINUTE),),
        said="Turns tracemalloc on for that long, then off again: requests take about four times as long "
        "meanwhile, and what does little but allocate far longer; each block that stays takes some 100 bytes more.",
    )
