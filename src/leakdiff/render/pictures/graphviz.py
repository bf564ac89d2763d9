"""Graphviz, where it is installed: positions for our own drawings, and drawings of what others describe."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping

from leakdiff.render.pictures.layout import (
    SMALL,
    Arrow,
    Box,
    Layout,
    Point,
    back_edges,
    label_of,
    lines_of,
    narrower,
    size_of,
    staggered,
)
from leakdiff.render.pictures.marks import safe
from leakdiff.render.pictures.names import bounded, columns
from leakdiff.render.pictures.parts import Edge, Picture

Back = set[tuple[str, str]]  # edges that lead back up: they are handed over the other way round
Rows = Mapping[tuple[str, str], list[list[str]]]

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
    back = back_edges(picture)
    found = [_placed(picture, direction, back) for direction in ("LR", "TB")]
    across, down = found
    return narrower(across, down) if across is not None and down is not None else None


def _placed(picture: Picture, direction: str, back: Back) -> Layout | None:
    answer = run("\n".join(_described(picture, direction, back)), "plain")
    try:
        return None if answer is None else _read(picture, answer, back)
    except (IndexError, KeyError, ValueError):  # another dialect of it
        return None


def _described(picture: Picture, direction: str, back: Back) -> Iterator[str]:
    yield f"digraph g {{ rankdir={direction}; nodesep=0.2; ranksep=0.4;"
    yield 'node [shape=box, fixedsize=true, label=""]; edge [dir=none, fontname="Courier", fontsize=10];'
    for node in picture.nodes:
        width, height = size_of(node)
        yield f"{node.name} [width={width / _INCH:.4f}, height={height / _INCH:.4f}];"
    for edge in picture.edges:
        ends = (edge.target, edge.source) if (edge.source, edge.target) in back else (edge.source, edge.target)
        yield f'{" -> ".join(ends)} [label="{"x" * (columns(label_of(edge)) + 1)}"];'
    if direction == "TB":
        yield from (f"{above} -> {below} [style=invis];" for above, below in staggered(picture))
    yield "}"


def _read(picture: Picture, answer: str, back: Back) -> Layout:
    """Read what ``dot -Tplain`` says: inches, with the origin at the lower left."""
    rows = [line.split() for line in answer.splitlines()]
    width, height = (float(text) * _INCH for text in rows[0][2:4])
    nodes = {row[1]: (float(row[2]) * _INCH, height - float(row[3]) * _INCH) for row in rows if row[0] == "node"}
    edges: dict[tuple[str, str], list[list[str]]] = defaultdict(list)
    for row in rows:
        if row[0] == "edge":
            edges[row[1], row[2]].append(row)
    boxes = tuple(_box(picture, number, nodes[node.name]) for number, node in enumerate(picture.nodes))
    arrows = tuple(_arrow(edge, edges, height, back) for edge in picture.edges)
    return Layout(width, height, boxes, arrows)


def _box(picture: Picture, number: int, centre: Point) -> Box:
    node = picture.nodes[number]
    width, height = size_of(node)
    return Box(node, lines_of(node), centre[0] - width / 2, centre[1] - height / 2, width, height)


def _arrow(edge: Edge, rows: Rows, height: float, back: Back) -> Arrow:
    is_back = (edge.source, edge.target) in back
    row = rows[(edge.target, edge.source) if is_back else (edge.source, edge.target)].pop(0)
    count = int(row[3])
    numbers = [float(text) * _INCH for text in row[4 : 4 + 2 * count]]
    points = [(x, height - y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    has_label = len(row) > 4 + 2 * count + 2
    label = row[4 + 2 * count + 1 : 4 + 2 * count + 3] if has_label else []
    at = (float(label[0]) * _INCH + SMALL / 2, height - float(label[1]) * _INCH) if label else points[len(points) // 2]
    return Arrow(edge, tuple(points[::-1] if is_back else points), label_of(edge), at, is_back=is_back)


# -- drawings that are not ours --------------------------------------------------------------------


def drawing(described: str, title: str) -> str | None:
    """Return a description drawn as SVG that can stand in a page: without prologue, links and control characters.

    Args:
        described: A graph in its language.
        title: What it shows, for those who cannot see it.

    Returns:
        The drawing; None where ``dot`` is missing, fails or takes too long, or the description is too long for it.
    """
    if len(described) > _LONGEST:
        return None
    drawn = run("".join(char if char.isprintable() or char == "\n" else "?" for char in described), "svg")
    if drawn is None or "<svg" not in drawn:
        return None
    return f'<svg role="img" aria-label="{safe(bounded(title))}"{drawn[drawn.index("<svg") + 4 :].rstrip()}'
