"""A picture in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from leakdiff.render.pictures.names import clipped
from leakdiff.render.pictures.parts import Edge, Node, Picture

_NAME = 60
_LABEL = 30
# What it looks like where the reader's page is light; Graphviz knows no other.
_LOOKS = {
    "root": 'fillcolor="#f4f5f7", color="#545b64"',
    "step": 'fillcolor="#ffffff", color="#545b64"',
    "owner": 'fillcolor="#fdecea", color="#b3261e", penwidth=2',
    "grown": 'fillcolor="#e8f0fe", color="#0b57d0"',
    "more": 'fillcolor="#ffffff", color="#545b64", style="filled,dashed"',
}


def dot_text(picture: Picture) -> str:
    """Return a picture as DOT: ``dot -Tsvg`` draws it. Ends with a newline."""
    return "\n".join(["digraph leakdiff {", *_lines(picture), "}", ""])


def _lines(picture: Picture) -> Iterator[str]:
    yield f'  graph [rankdir=LR, bgcolor="#ffffff", fontname="monospace", label="{_caption(picture)}", labelloc=t];'
    yield '  node [shape=box, style=filled, fontname="monospace", fontsize=11, fontcolor="#1a1d21"];'
    yield '  edge [fontname="monospace", fontsize=10, color="#545b64", fontcolor="#545b64"];'
    yield from (_node(node) for node in picture.nodes)
    yield from (_edge(edge) for edge in picture.edges)


def _caption(picture: Picture) -> str:
    return r"\n".join(escaped(text) for text in (picture.title, picture.left_out) if text)


def _node(node: Node) -> str:
    said = r"\n".join(escaped(clipped(text, _NAME)) for text in (node.said, node.note) if text)
    return f'  {node.name} [label="{said}", {_LOOKS[node.kind]}];'


def _edge(edge: Edge) -> str:
    label = f' [label="{escaped(clipped(edge.said, _LABEL))}"]' if edge.said else ""
    return f"  {edge.source} -> {edge.target}{label};"


def escaped(text: str) -> str:
    """Return printable text as it stands between double quotes: no escape, no entity, no end of the quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
