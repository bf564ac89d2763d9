"""What a page says, as a value: the same for HTML, JSON and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

Kind = Literal["text", "code", "number", "bytes", "change", "bytes change", "seconds", "time", "chart"]
Points = tuple[tuple[float, float], ...]  # time in UTC seconds, and the value


@attrs.frozen
class Link:
    """A text that leads somewhere: a path below the endpoint's prefix, such as ``/findings/3f9a2c``."""

    text: str
    to: str


@attrs.frozen
class Chart:
    """A line over time, and what it shows in words, for those who cannot see it; ``kind`` is that of its values."""

    points: Points
    said: str
    kind: Kind = "number"


Cell = str | int | float | Link | Chart | None


@attrs.frozen
class Column:
    """A column of a table: its heading, and how its cells are told."""

    name: str
    kind: Kind = "text"


@attrs.frozen(kw_only=True)
class Table:
    """Rows under headings.

    Attributes:
        title: What it lists; empty where the view's title says so.
        columns: The headings.
        rows: As many cells each.
        empty: What to say where there are none.
        left_out: How many more there are that are not shown.
    """

    title: str = ""
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = "nothing"
    left_out: int = 0


@attrs.frozen(kw_only=True)
class Facts:
    """Names with a value each."""

    title: str = ""
    rows: tuple[tuple[str, Cell], ...] = ()


@attrs.frozen(kw_only=True)
class Text:
    """Sentences; preformatted ones keep their lines."""

    title: str = ""
    text: str
    is_preformatted: bool = False


@attrs.frozen(kw_only=True)
class Findings:
    """A report: what ``leakdiff.render.html.as_page`` returns of it, and its text."""

    title: str = ""
    page: Mapping[str, Any]
    text: str


@attrs.frozen(kw_only=True)
class Steps:
    """A path from a root, drawn: for each step its label and its type; ``owner`` is the index of the owner's step."""

    title: str = ""
    steps: tuple[tuple[str, str], ...]
    owner: int


@attrs.frozen(kw_only=True)
class Input:
    """A number or a choice that a form asks for."""

    name: str
    label: str
    value: str
    choices: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Form:
    """A button that changes something: it sends a POST, or asks a view by GET."""

    label: str
    to: str
    method: Literal["post", "get"] = "post"
    inputs: tuple[Input, ...] = ()
    said: str = ""


@attrs.frozen(kw_only=True)
class Progress:
    """How far something is, from 0 to 1, and what is happening."""

    share: float
    said: str


Block = Table | Facts | Text | Findings | Steps | Form | Progress


@attrs.frozen(kw_only=True)
class View:
    """A page.

    Attributes:
        title: Its name.
        said: The answer in a sentence, on top.
        verdict: A verdict, where there is one.
        blocks: What follows, in order.
        data: What the JSON answer has: plain texts, numbers, lists and dicts.
        status: The status code.
        refresh: Seconds after which the page should be asked for again; None if it does not change by itself.
        location: Where the result will be, for ``202 Accepted``; browsers are sent there.
    """

    title: str
    said: str = ""
    verdict: str = ""
    blocks: Sequence[Block] = ()
    data: Mapping[str, Any] = attrs.field(factory=dict)
    status: int = 200
    refresh: float | None = None
    location: str | None = None
