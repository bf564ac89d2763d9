"""A table as lines of text that fit a terminal; nothing is cut: what finds no room beside has a line of its own."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

import attrs

from leakdiff.render.plain import printable
from leakdiff.web.cells import AMOUNTS
from leakdiff.web.view import Column

GAP = "  "
NOTHING = "-"
_NAME = 24  # columns that the first one has at least, if its names are that long
_PROSE = 40  # and a last one of sentences, which go on in the lines below
_LEAST_TEXT = 16  # columns of a text from which it is put below
_INDENT = 6  # of what is put below
_JOINED = "\N{NO-BREAK SPACE}"
_ROUTE = re.compile(r"\b([A-Z]+) /")
_Rows = Sequence[Sequence[str]]


def table_lines(columns: Sequence[Column], rows: _Rows, width: int) -> Iterator[str]:
    """Yield headings and rows; columns without any cell are left out.

    Args:
        columns: What stands in each; the first has the names, by which a line is found elsewhere.
        rows: Cells that can be printed.
        width: Columns that a line has at most.
    """
    used = [at for at in range(len(columns)) if at == 0 or any(row[at] != NOTHING for row in rows)]
    layout = _lay_out([columns[at] for at in used], [[row[at] for at in used] for row in rows], width)
    yield from layout.headings()
    for row in rows:
        yield from layout.row([row[at] for at in used])


@attrs.frozen
class _Layout:
    """Which columns stand side by side, how wide each is, and which stand below."""

    columns: Sequence[Column]
    beside: Sequence[int]
    widths: Sequence[int]
    width: int

    def headings(self) -> Iterator[str]:
        """Yield the headings, in as many lines as the longest takes."""
        wrapped = [
            textwrap.wrap(printable(self.columns[at].name), width) or [""]
            for at, width in zip(self.beside, self.widths, strict=True)
        ]
        height = max(map(len, wrapped))
        yield from self._side_by_side([[""] * (height - len(words)) + words for words in wrapped])

    def row(self, cells: Sequence[str]) -> Iterator[str]:
        """Yield a row: a name that is too long for its column goes before, and what stands below after."""
        name, rest = cells[0], [cells[at] for at in self.beside[1:]]
        if len(name) <= self.widths[0]:
            yield from self._side_by_side(self._wrapped([name, *rest]))
        else:
            yield from _wrap(name, self.width)
            if any(cell != NOTHING for cell in rest):
                yield from self._side_by_side(self._wrapped(["", *rest]))
        for at, cell in enumerate(cells):
            if at not in self.beside and cell != NOTHING:
                yield from self._below(f"{printable(self.columns[at].name)}: {cell}")

    def _wrapped(self, cells: Sequence[str]) -> list[list[str]]:
        return [
            _wrap(cell, width) if len(cell) > width else [cell] for cell, width in zip(cells, self.widths, strict=True)
        ]

    def _side_by_side(self, cells: Sequence[Sequence[str]]) -> Iterator[str]:
        for line in zip_longest(*cells, fillvalue=""):
            placed = zip(line, self.beside, self.widths, strict=True)
            yield GAP.join(_placed(cell, width, self.columns[at]) for cell, at, width in placed).rstrip()

    def _below(self, said: str) -> list[str]:
        first, *rest = _wrap(said, self.width - _INDENT)
        return [f"{' ' * _INDENT}{first}", *(f"{' ' * _INDENT}{line}" for line in rest)]


def _wrap(text: str, width: int) -> list[str]:
    """Return a text in lines, in which a route keeps its method."""
    lines = textwrap.wrap(_ROUTE.sub(rf"\1{_JOINED}/", text), width, break_on_hyphens=False)
    return [line.replace(_JOINED, " ") for line in lines] or [""]


def _words(text: str) -> list[str]:
    return _ROUTE.sub(rf"\1{_JOINED}/", text).split(" ")


def _placed(cell: str, width: int, column: Column) -> str:
    return cell.rjust(width) if column.kind in AMOUNTS else cell.ljust(width)


def _lay_out(columns: Sequence[Column], rows: _Rows, width: int) -> _Layout:
    """Put columns below until the others fit: texts first, the widest of them first, then the last."""
    beside = list(range(len(columns)))
    longest = [max((len(row[at]) for row in rows), default=0) for at in beside]
    names = [printable(column.name) for column in columns]
    wide = [max(length, len(name)) for length, name in zip(longest, names, strict=True)]
    words = [max(map(len, name.split()), default=0) for name in names]
    narrow = [max(length, word) for length, word in zip(longest, words, strict=True)]  # headings in several lines
    full, last = list(narrow), beside[-1]
    narrow[0] = min(full[0], max(_NAME, words[0]))
    if last > 0 and columns[last].kind == "text":
        whole = max((len(word) for row in rows for word in _words(row[last])), default=0)
        narrow[last] = min(full[last], max(_PROSE, words[last], whole))
    while len(beside) > 1 and _total(narrow, beside) > width:
        beside.remove(_least_needed(columns, beside, narrow))
    if _total(wide, beside) <= width:
        return _Layout(columns, beside, [wide[at] for at in beside], width)
    for at in {0, last}.intersection(beside):
        narrow[at] = min(full[at], narrow[at] + width - _total(narrow, beside))
    return _Layout(columns, beside, [narrow[at] for at in beside], width)


def _total(widths: Sequence[int], beside: Sequence[int]) -> int:
    return sum(widths[at] for at in beside) + len(GAP) * (len(beside) - 1)


def _least_needed(columns: Sequence[Column], beside: Sequence[int], widths: Sequence[int]) -> int:
    texts = [at for at in beside[1:] if columns[at].kind in ("text", "code") and widths[at] > _LEAST_TEXT]
    return max(texts, key=lambda at: widths[at]) if texts else beside[-1]
