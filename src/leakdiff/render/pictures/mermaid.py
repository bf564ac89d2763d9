"""A picture as a Mermaid flowchart, as GitHub and others draw it in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leakdiff.render.pictures.names import clipped
from leakdiff.render.pictures.parts import Edge, Node, Picture

_NAME = 60
_LABEL = 30
_CLASS = "ld"  # Mermaid has classes of its own, and paints labels by one that it calls root
# All else means something to Mermaid, to Markdown or to HTML; two underscores and a number with a dot do as well.
_MEANT = re.compile(r"[^A-Za-z0-9 .,:_]|_(?=_)|(?<=_)_|\.(?= )")
# Colours of their own, with a text that can be read on them: the page may be light or dark.
_LOOKS = {
    "root": "fill:#f4f5f7,stroke:#545b64,color:#1a1d21",
    "step": "fill:#ffffff,stroke:#545b64,color:#1a1d21",
    "owner": "fill:#fdecea,stroke:#b3261e,color:#1a1d21,stroke-width:2px",
    "grown": "fill:#e8f0fe,stroke:#0b57d0,color:#1a1d21",
    "more": "fill:#ffffff,stroke:#545b64,color:#1a1d21,stroke-dasharray:4 3",
}


def mermaid_text(picture: Picture) -> str:
    """Return a picture as a flowchart, without the fence that Markdown puts around it. Ends with a newline."""
    return "\n".join(["flowchart LR", *_lines(picture), ""])


def _lines(picture: Picture) -> Iterator[str]:
    yield from (_node(node) for node in picture.nodes)
    yield from (_edge(edge) for edge in picture.edges)
    kinds = {node.kind for node in picture.nodes}
    yield from (f"  classDef {_CLASS}{kind} {look}" for kind, look in _LOOKS.items() if kind in kinds)


def _node(node: Node) -> str:
    said = "<br/>".join(escaped(clipped(text, _NAME)) for text in (node.said, node.note) if text)
    return f'  {node.name}["{said}"]:::{_CLASS}{node.kind}'


def _edge(edge: Edge) -> str:
    label = f'|"{escaped(clipped(edge.said, _LABEL))}"|' if edge.said else ""
    return f"  {edge.source} -->{label} {edge.target}"


def escaped(text: str) -> str:
    """Return printable text with all that means something to Mermaid as Mermaid's ``#number;``."""
    return _MEANT.sub(lambda found: f"#{ord(found.group())};", text)
