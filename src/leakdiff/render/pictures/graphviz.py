"""Graphviz, where it is installed: positions for our own drawings, and drawings of what others describe."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from leakdiff.render.pictures.layout import Arrow, Box, Layout, Point, back_edges, label_of, lines_of, size_of
from leakdiff.render.pictures.names import columns
from leakdiff.render.pictures.parts import Edge, Picture

_INCH = 72.0
_SECONDS = 10
_LONGEST = 2_000_000  # characters of a description


def is_installed() -> bool:
    """Tell whether ``dot`` is on the path."""
    return shutil.which("dot") is not None


def run(described: str, output: str) -> str | None:
    """Return what ``dot`` makes of a description; None where it is missing, fails or takes too long.

    Args:
        described: A graph in its language.
        output: ``svg`` or ``plain``.
    """
    program = shutil.which("dot")
    if program is None:
        return None
    sent = described.encode("utf-8", "backslashreplace")
    try:
        ended = subprocess.run([program, f"-T{output}"], input=sent, capture_output=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout.decode("utf-8", "replace")


def placed(picture: Picture) -> Layout | None:
    """Return a picture as ``dot`` places it; None where it cannot. No name is handed to it, only sizes."""
    answer = run("\n".join(_described(picture)), "plain")
    try:
        return None if answer is None else _read(picture, answer)
    except (IndexError, KeyError, ValueError):  # another dialect of it
        return None


def _described(picture: Picture) -> Iterator[str]:
    yield "digraph g { rankdir=LR; nodesep=0.2; ranksep=0.4;"
    yield 'node [shape=box, fixedsize=true, label=""]; edge [dir=none, fontname="Courier", fontsize=10];'
    for node in picture.nodes:
        width, height = size_of(node)
        yield f"{node.name} [width={width / _INCH:.4f}, height={height / _INCH:.4f}];"
    for edge in picture.edges:
        yield f'{edge.source} -> {edge.target} [label="{"x" * columns(label_of(edge))}"];'
    yield "}"


def _read(picture: Picture, answer: str) -> Layout:
    """Read what ``dot -Tplain`` says: inches, with the origin at the lower left."""
    rows = [line.split() for line in answer.splitlines()]
    width, height = (float(text) * _INCH for text in rows[0][2:4])
    nodes = {row[1]: (float(row[2]) * _INCH, height - float(row[3]) * _INCH) for row in rows if row[0] == "node"}
    edges = {(row[1], row[2]): row for row in rows if row[0] == "edge"}
    boxes = tuple(_box(picture, number, nodes[node.name]) for number, node in enumerate(picture.nodes))
    back = back_edges(picture)
    arrows = tuple(_arrow(edge, edges[edge.source, edge.target], height, back) for edge in picture.edges)
    return Layout(width, height, boxes, arrows)


def _box(picture: Picture, number: int, centre: Point) -> Box:
    node = picture.nodes[number]
    width, height = size_of(node)
    return Box(node, lines_of(node), centre[0] - width / 2, centre[1] - height / 2, width, height)


def _arrow(edge: Edge, row: list[str], height: float, back: set[tuple[str, str]]) -> Arrow:
    count = int(row[3])
    numbers = [float(text) * _INCH for text in row[4 : 4 + 2 * count]]
    points = [(x, height - y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    has_label = len(row) > 4 + 2 * count + 2
    label = row[4 + 2 * count + 1 : 4 + 2 * count + 3] if has_label else []
    at = (float(label[0]) * _INCH, height - float(label[1]) * _INCH) if label else points[len(points) // 2]
    return Arrow(edge, tuple(points), label_of(edge), at, is_back=(edge.source, edge.target) in back)


# -- drawings that are not ours --------------------------------------------------------------------


def drawing(described: str) -> str | None:
    """Return a description drawn as SVG that can stand in a page: without prologue, links and control characters.

    None where ``dot`` is missing, fails or takes too long, or where the description is too long for it.
    """
    if len(described) > _LONGEST:
        return None
    drawn = run("".join(char if char.isprintable() or char == "\n" else "?" for char in described), "svg")
    return None if drawn is None else drawn[drawn.index("<svg") :].rstrip()
