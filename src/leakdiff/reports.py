"""Reports on paper: the formats a report can have, written to files, and read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from leakdiff.errors import BadOption, NothingToDraw
from leakdiff.model.report import Report

_DRAWN = "A picture of the report"


@attrs.frozen
class Format:
    """One form in which a report can be had.

    Attributes:
        endings: Endings of the files that have it; the first is the usual one.
        render: Makes it.
        what: What it is, in a few words.
    """

    endings: tuple[str, ...]
    render: Callable[[Report], str]
    what: str


def rendered(report: Report, to: str) -> str:
    """Return a report in one of the formats.

    Pictures are of the report's first finding.

    Args:
        report: The report.
        to: One of ``FORMATS``.

    Raises:
        BadOption: If there is no such format.
        MissingExtra: If jinja2 is not installed, which ``html`` needs.
        NothingToDraw: If it is to be a picture, and there is nothing to draw.
    """
    if to not in FORMATS:
        raise BadOption("to", to, f"one of {', '.join(FORMATS)}")
    return FORMATS[to].render(report)


def save(report: Report, path: str | Path) -> None:
    """Write a report to a file, whole or not at all, in the format that the file's ending names.

    Raises:
        BadOption: If the ending names no format.
        CannotWrite: If the file cannot be written.
        MissingExtra: If jinja2 is not installed, which HTML needs.
        NothingToDraw: If it is to be a picture, and there is nothing to draw.
    """
    from leakdiff.store.files import write_whole

    write_whole(Path(path), encoded(rendered(report, format_of(path))))


def load(path: str | Path) -> Report:
    """Read a report that was saved as JSON.

    Raises:
        CannotRead: If the file is missing, corrupt, foreign or of a newer format.
    """
    from leakdiff.store.reports import read

    return parsed(read(Path(path)), str(path))


def parsed(content: bytes, name: str) -> Report:
    """Return the report that JSON holds.

    Args:
        content: The JSON, in UTF-8.
        name: Where it is from, for the error.

    Raises:
        CannotRead: If it is corrupt, foreign or of a newer format.
    """
    from leakdiff.store.reports import decoded

    return decoded(content, name, _graph_of)


def format_of(path: str | Path, option: str = "path") -> str:
    """Return the name of the format that a file's ending names.

    Args:
        path: The file, which need not be there.
        option: What the path was given as, for the error.

    Raises:
        BadOption: If it names none.
    """
    ending = Path(path).suffix.lower()
    for name, known in FORMATS.items():
        if ending in known.endings:
            return name
    endings = ", ".join(ending for known in FORMATS.values() for ending in known.endings)
    raise BadOption(option, str(path), f"a file whose ending names a format: {endings}")


def encoded(text: str) -> bytes:
    """Return text as a file has it: UTF-8, with halves of surrogate pairs as escapes, and a final newline."""
    return (text if text.endswith("\n") else f"{text}\n").encode("utf-8", "backslashreplace")


# -- formats, each with what it needs imported late ------------------------------------------------


def _graph_of(nodes: Sequence[Any], edges: Sequence[Any]) -> Any:
    from leakdiff.ownership.graphs import graph_of

    return graph_of(nodes, edges)


def _text(report: Report) -> str:
    from leakdiff.render.trimmed import trimmed

    return trimmed(report).text()


def _drawn(style: str) -> Callable[[Report], str]:
    def render(report: Report) -> str:
        from leakdiff.drawing import draw
        from leakdiff.render.text import told
        from leakdiff.render.trimmed import trimmed

        found = next(iter(told(report)), None)
        if found is None:
            raise NothingToDraw(_DRAWN, "it has no finding", "Another format says why: --to text.")
        return str(draw(trimmed(found), style))

    return render


FORMATS = {
    "text": Format((".txt",), _text, "what the terminal shows"),
    "html": Format((".html", ".htm"), Report.html, "one page for a browser, which needs nothing from outside"),
    "md": Format((".md",), Report.markdown, "GitHub-flavoured Markdown, for tickets and summaries of CI"),
    "json": Format((".json",), Report.json, "what this reads, and other programs"),
    "sarif": Format((".sarif",), Report.sarif, "SARIF 2.1.0, with which code hosts mark lines"),
    "dot": Format((".dot", ".gv"), _drawn("dot"), "a picture of the first finding, for graphviz"),
    "mermaid": Format((".mmd",), _drawn("mermaid"), "the same for Mermaid"),
    "svg": Format((".svg",), _drawn("svg"), "the same as SVG"),
}
