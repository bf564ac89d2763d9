"""A result in a notebook: one line of text, and a fragment of HTML that takes the notebook's own colours.

A fragment brings no colours, scripts or assets, and needs no library. A notebook shows the HTML where it has both that
and SVG, so a picture is asked for: ``finding.draw("svg")``.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

from leakdiff.model.one_line import bounded
from leakdiff.render.sheets import Sheet, sheets_of

_LEFT, _RIGHT = "text-align:left;vertical-align:top", "text-align:right;vertical-align:top"


def mimebundle(value: Any) -> dict[str, str]:
    """Return what IPython and notebooks show of a result, by media type."""
    return {"text/plain": bounded(repr(value)), "text/html": fragment(value)}


def fragment(value: Any) -> str:
    """Return a result as a fragment of HTML."""
    return f'<div class="leakdiff" style="overflow-x:auto">{"".join(_parts(value))}</div>'


def _parts(value: Any) -> Iterator[str]:
    for number, sheet in enumerate(sheets_of(value)):
        tag = "strong" if number == 0 else "em"
        yield f"<p><{tag}>{_escaped(sheet.title)}</{tag}></p>"
        if sheet.rows:
            yield _table(sheet)
        yield from (f"<p><small>{_escaped(note)}</small></p>" for note in sheet.notes)


def _table(sheet: Sheet) -> str:
    head = f"<thead>{_row(sheet.heads, sheet, 'th')}</thead>" if sheet.heads else ""
    return f"<table>{head}<tbody>{''.join(_row(row, sheet, 'td') for row in sheet.rows)}</tbody></table>"


def _row(cells: tuple[str, ...], sheet: Sheet, tag: str) -> str:
    styled = (
        f'<{tag} style="{_RIGHT if at in sheet.numbers else _LEFT}">{_escaped(cell)}</{tag}>'
        for at, cell in enumerate(cells)
    )
    return f"<tr>{''.join(styled)}</tr>"


def _escaped(text: str) -> str:
    return html.escape(text)
