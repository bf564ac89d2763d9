"""A view as text: the answer first, aligned tables, lines over time as sparklines; for curl and terminals."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from typing import assert_never
from urllib.parse import unquote

from leakdiff.model.snapshot import Identity
from leakdiff.render.pictures.sparks import spark
from leakdiff.render.plain import printable
from leakdiff.web.cells import amount, moment
from leakdiff.web.columns import GAP, NOTHING, table_lines
from leakdiff.web.view import (
    Block,
    Cell,
    Chart,
    Facts,
    Findings,
    Form,
    Kind,
    Link,
    Progress,
    Steps,
    Table,
    Text,
    View,
)

_WIDTH = 120
_SPARKS, _SPARKS_ALONE = 12, 48
_NAMES = 16  # columns of a fact's name, if none is longer
_BAR = 30


def text_of(view: View, identity: Identity) -> str:
    """Return a view as text; ends with a newline.

    Args:
        view: What to say.
        identity: Which process says it, for the last line.
    """
    blocks = [found for block in view.blocks if (found := "\n".join(_block(block)))]
    return "\n\n".join([_answer(view), *blocks, who(identity)]) + "\n"


def who(identity: Identity) -> str:
    """Say which process answers, in a line."""
    named = f"{identity.service or 'a process'} {identity.version}".rstrip()
    return printable(f"process: {named} on {identity.host}, pid {identity.pid}, boot {identity.boot_id or 'unknown'}")


def _answer(view: View) -> str:
    said = printable(view.said) or printable(view.title)
    first = f"leakdiff: {printable(view.verdict)}  {said}" if view.verdict else f"leakdiff: {said}"
    return first if view.refresh is None else f"{first}\n(ask again in {view.refresh:g} s)"


# -- blocks ----------------------------------------------------------------------------------------


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Form):
        yield from _form(block)
        return
    if isinstance(block, Progress):
        yield _progress(block)
        return
    if block.title:
        yield printable(block.title)
    yield from (f"  {line}".rstrip() for line in _lines(block))


def _lines(block: Table | Facts | Text | Findings | Steps) -> Iterator[str]:
    match block:
        case Table():
            yield from _table(block)
        case Facts():
            yield from _facts(block)
        case Text(is_preformatted=True):
            yield from (printable(line) for line in block.text.splitlines())
        case Text():
            yield from (part for line in block.text.splitlines() for part in _wrapped(line))
        case Findings():
            yield from (printable(line) for line in block.text.splitlines())
        case Steps():
            yield from _steps(block)
        case _:
            assert_never(block)


def _facts(block: Facts) -> Iterator[str]:
    width = max([_NAMES, *(len(printable(name)) for name, _ in block.rows)])
    for name, cell in block.rows:
        told = _alone(cell, name)
        for at, line in enumerate(_wrapped(told, width + len(GAP))):
            yield f"{printable(name) if at == 0 else '':<{width}}{GAP}{line}"


def _alone(cell: Cell, name: str) -> str:
    """Return a cell that has a line to itself: there is room for all of it, and its name need not be said again."""
    if isinstance(cell, Chart):
        return _chart(cell, _SPARKS_ALONE, said=printable(cell.said))
    return _link(cell, beside=name) if isinstance(cell, Link) else _cell(cell, "text")


def _wrapped(text: str, taken: int = 0) -> list[str]:
    """Return sentences in lines that are no wider than a table; what has no spaces stays whole."""
    room = _WIDTH - 2 - taken
    return textwrap.wrap(printable(text), room, break_long_words=False, break_on_hyphens=False)


def _steps(block: Steps) -> Iterator[str]:
    labels = [printable(label.strip()) for label, _ in block.steps]
    width = max(map(len, labels), default=0)
    for at, (label, (_, kind)) in enumerate(zip(labels, block.steps, strict=True)):
        owner = f"{GAP}<- the owner" if at == block.owner else ""
        yield f"{label:<{width}}{GAP}{printable(kind)}{owner}"


def _form(block: Form) -> Iterator[str]:
    inputs = "&".join(f"{part.name}={part.value}" for part in block.inputs)
    query = f"?{inputs}" if inputs else ""
    yield printable(f"{block.method.upper()} {block.to.removeprefix('/')}{query}{GAP}{block.label}")
    yield from (f"  {line}" for line in _wrapped(block.said))


def _progress(block: Progress) -> str:
    done = round(min(1.0, max(0.0, block.share)) * _BAR)
    return f"[{'#' * done}{'.' * (_BAR - done)}] {block.share:.0%}  {printable(block.said)}"


# -- tables ----------------------------------------------------------------------------------------


def _table(block: Table) -> Iterator[str]:
    if not block.rows:
        yield printable(block.empty)
        return
    rows = [[_cell(cell, column.kind) for cell, column in zip(row, block.columns, strict=True)] for row in block.rows]
    yield from table_lines(block.columns, rows, _WIDTH - 2)
    if block.left_out:
        yield f"and {block.left_out:,} more"


# -- cells -----------------------------------------------------------------------------------------


def _cell(cell: Cell, kind: Kind) -> str:
    match cell:
        case None | "":
            return NOTHING
        case Link():
            return _link(cell)
        case Chart():
            return _chart(cell)
        case str():
            return printable(cell)
        case _:
            return _number(cell, kind)


def _number(value: float, kind: Kind) -> str:
    if not math.isfinite(value):
        return NOTHING
    return moment(value) if kind == "time" else amount(value, kind)


def _link(link: Link, *, beside: str | None = None) -> str:
    """Return what to ask for where that begins with the text or there is room for both, else the text.

    Args:
        link: What leads somewhere.
        beside: The name of the fact it is; None in a table, where there is less room.
    """
    text, to = printable(link.text), printable(link.to).removeprefix("/")
    path = to.partition("?")[0]
    if text in (to, path, path.rpartition("/")[2]) or (beside is not None and link.text in beside):
        return to
    return text if link.text in unquote(link.to) and beside is None else f"{text}, at {to}"


def _chart(chart: Chart, width: int = _SPARKS, said: str = "") -> str:
    drawn = spark([value for _, value in chart.points], width)
    return f"{drawn}{GAP}{said}".strip() or NOTHING
