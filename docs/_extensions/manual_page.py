"""Make of a page of Markdown what one expects of a manual page: tables as lists, and links as plain words."""

from __future__ import annotations

from collections.abc import Iterable

from docutils import nodes
from sphinx.application import Sphinx


def setup(app: Sphinx) -> None:
    """Look at what the manual page is made of, once its links are known."""
    app.connect("doctree-resolved", _plainly)


def _plainly(app: Sphinx, doctree: nodes.document, _: str) -> None:
    if app.builder.name != "man":
        return
    for link in list(doctree.findall(nodes.reference)):
        link.replace_self(link.children)
    for table in list(doctree.findall(nodes.table)):
        head, *rows = table.findall(nodes.row)
        titles = [cell.astext() for cell in head.children]
        table.replace_self(nodes.definition_list("", *(_item(titles, row.children) for row in rows)))


def _item(titles: list[str], cells: list[nodes.Node]) -> nodes.definition_list_item:
    """Return a row as an entry of a list: what stands first in it, and what the other columns say of that."""
    first, *others = cells
    said = _option(others) if titles[0] == "option" else _told(titles[1:], others)
    return nodes.definition_list_item(
        "", nodes.term("", "", *_words(first)), nodes.definition("", nodes.paragraph("", "", *said))
    )


def _option(cells: list[nodes.Node]) -> list[nodes.Node]:
    """Return what an option means, and then its default."""
    *default, meaning = cells
    named = [cell.astext() for cell in default if cell.astext()]
    return [*_words(meaning), *(nodes.Text(f" (default: {name})") for name in named)]


def _told(titles: list[str], cells: list[nodes.Node]) -> list[nodes.Node]:
    """Return one column as it is, and several with their titles."""
    if len(cells) == 1:
        return _words(cells[0])
    said: list[nodes.Node] = []
    for title, cell in zip(titles, cells, strict=True):
        said += [nodes.Text(f"{title}: "), *_words(cell), nodes.Text(". ")]
    return said


def _words(cell: nodes.Node) -> list[nodes.Node]:
    paragraphs: Iterable[nodes.paragraph] = cell.findall(nodes.paragraph)
    return [child for paragraph in paragraphs for child in paragraph.children]
