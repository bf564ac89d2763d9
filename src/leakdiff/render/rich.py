"""A result in a rich console: tables of its width. Only rich calls this, so it is there to import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from leakdiff.model.verdict import Verdict
from leakdiff.render.sheets import Sheet, sheets_of

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_STYLES = {
    Verdict.LEAK: "bold red",
    Verdict.NATIVE: "bold red",
    Verdict.FILLING: "yellow",
    Verdict.WARMUP: "yellow",
    Verdict.CHURN: "yellow",
    Verdict.STABLE: "green",
    Verdict.INCONCLUSIVE: "yellow",
}


def rich_console(value: Any) -> Iterator[Any]:
    """Yield what a rich console prints of a result: never markup, so that no name can be any."""
    for number, sheet in enumerate(sheets_of(value)):
        yield _text(f"{'' if number == 0 else chr(10)}{sheet.title}", "bold")
        if sheet.rows:
            yield _table(sheet)
        yield from (_text(note, "dim") for note in sheet.notes)


def _table(sheet: Sheet) -> Table:
    from rich.table import Table

    table = Table(show_header=bool(sheet.heads), box=None, pad_edge=False)
    for at in range(len(sheet.rows[0])):
        is_number = at in sheet.numbers
        head = _text(sheet.heads[at]) if sheet.heads else ""
        table.add_column(head, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    for row in sheet.rows:
        table.add_row(*(_text(cell, _STYLES.get(cell, "")) for cell in row))  # type: ignore[call-overload]
    return table


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style)
