"""How a cell of a table, or a fact, stands on a page: its text, its exact value, what it is sorted by."""

from __future__ import annotations

import math
import time
from typing import Any, Literal

import attrs

from leakdiff.render.plain import size
from leakdiff.web.charts import Drawing, draw
from leakdiff.web.view import Cell, Chart, Kind, Link

Look = Literal["words", "code", "amount", "time", "chart", "nothing"]
AMOUNTS: tuple[Kind, ...] = ("number", "bytes", "change", "bytes change", "seconds")
_STEPS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))  # seconds, and their names


@attrs.frozen(kw_only=True)
class Told:
    """A cell as a page shows it.

    Attributes:
        look: How it is set.
        text: What is read.
        exact: The whole number where the text is rounded.
        order: What a column is sorted by: a number, or a text.
        to: Where it leads, as a path below the endpoint's prefix.
        drawing: The line that is drawn instead of a text.
    """

    look: Look
    text: str = ""
    exact: str = ""
    order: str = ""
    to: str = ""
    drawing: Drawing | None = None


def tell(cell: Cell, kind: Kind = "text") -> Told:
    """Return how a cell of a kind stands on a page; whatever it holds, nothing is raised."""
    if cell is None:
        return Told(look="nothing", text="-")
    if isinstance(cell, Chart):
        return Told(look="chart", text=cell.said, drawing=draw(cell))
    if isinstance(cell, Link):
        return Told(look="code" if kind == "code" else "words", text=cell.text, order=cell.text, to=cell.to)
    if isinstance(cell, str):
        return Told(look="code" if kind == "code" else "words", text=cell, order=cell)
    if kind == "time":
        return Told(look="time", text=moment(cell), order=_order(cell))
    exact = amount_exact(cell, kind)
    text = amount(cell, kind)
    return Told(look="amount", text=text, exact="" if exact == text else exact, order=_order(cell))


def amount(value: float, kind: Kind) -> str:
    """Return a number as people read it: ``1,200``, ``1.1 MiB``, ``+505``, ``2 h 5 min``."""
    if kind == "bytes":
        return size(value)
    if kind == "bytes change":
        return f"{'+' if value > 0 else ''}{size(value)}"
    if kind == "seconds":
        return span(value)
    sign = "+" if kind == "change" and value != 0 else ""
    return f"{value:{sign},}" if isinstance(value, int) else f"{value:{sign},.2f}"


def amount_exact(value: float, kind: Kind) -> str:
    """Return a number with all its digits and its unit."""
    if kind in ("bytes", "bytes change"):
        sign = "+" if kind == "bytes change" and value > 0 else ""
        return f"{value:{sign},} bytes" if isinstance(value, int) else f"{value:{sign},.0f} bytes"
    if kind == "seconds":
        return f"{value:,} s" if isinstance(value, int) else f"{value:,.3f} s"
    return amount(value, kind)


def span(seconds: float) -> str:
    """Return seconds in the two units that matter: ``12 ms``, ``2.1 s``, ``5 min 3 s``, ``3 d 4 h``."""
    length = abs(seconds)
    for large, unit, small, below in _STEPS:
        if math.isfinite(length) and length >= large - small / 2:
            whole, rest = divmod(round(length / small), large // small)
            return f"{'-' if seconds < 0 else ''}{whole:,} {unit}{f' {rest} {below}' if rest else ''}"
    return f"{seconds * 1_000:.0f} ms" if 0 < length < 0.9995 else f"{seconds:.1f} s"


def moment(utc: float) -> str:
    """Return UTC seconds as ``2026-03-01 12:00:00Z``."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(utc))
    except (OverflowError, ValueError, OSError):  # beyond the calendar
        return f"{utc:g}"


def _order(value: Any) -> str:
    return repr(value) if math.isfinite(value) else ""
