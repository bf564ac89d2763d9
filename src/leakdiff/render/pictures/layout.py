"""Boxes and arrows of a picture, placed: how large they are, which lead back, and which way the picture runs."""

from __future__ import annotations

from collections import defaultdict

import attrs
import networkx as nx

from leakdiff.render.pictures.names import clipped, columns
from leakdiff.render.pictures.parts import Edge, Node, Picture

CHAR, LINE = 7.25, 15.0  # pixels of a character, and of a line, in the small monospaced type of the pictures
SMALL = 6.05  # pixels of a character of a label
PADDING = 9.0
_ROW = 5  # boxes beside each other that refer to nothing
_NAME, _LABEL = 40, 24  # columns of text in a box, and at an arrow
WIDE = 1000.0  # pixels beyond which a picture does not fit beside a text

Point = tuple[float, float]


@attrs.frozen
class Box:
    """A node, placed: its upper left corner, its size, and its lines of text."""

    node: Node
    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float


@attrs.frozen
class Arrow:
    """An edge, placed: a start and then three points for each curve; and where its label is centred."""

    edge: Edge
    points: tuple[Point, ...]
    label: str
    at: Point
    is_back: bool = False


@attrs.frozen
class Layout:
    """A picture, placed, in pixels."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def lines_of(node: Node) -> tuple[str, ...]:
    """Return what stands in a box."""
    return tuple(clipped(text, _NAME) for text in (node.said, node.note) if text)


def size_of(node: Node) -> tuple[float, float]:
    """Return width and height of a box, in pixels."""
    lines = lines_of(node)
    return max(map(columns, lines)) * CHAR + 2 * PADDING, len(lines) * LINE + PADDING


def label_of(edge: Edge) -> str:
    """Return what stands at an arrow."""
    return clipped(edge.said, _LABEL)


def back_edges(picture: Picture) -> set[tuple[str, str]]:
    """Return edges that lead back up the way that leads to them: without these the picture has no circle."""
    graph, back = picture.graph(), set()
    starts = [*(node.name for node in picture.tops()), *(node.name for node in picture.nodes)]
    graph.add_edges_from(("", name) for name in starts)  # above all
    open_: set[str] = set()
    for source, target, how in nx.dfs_labeled_edges(graph, ""):
        if how == "forward":
            open_.add(target)
        elif how == "reverse":
            open_.discard(target)
        elif target in open_:
            back.add((source, target))
    return back


def narrower(across: Layout, down: Layout) -> Layout:
    """Return the one that runs to the right, unless it is too wide for a page and the other is narrower."""
    return down if across.width > WIDE and down.width < across.width else across


def staggered(picture: Picture) -> list[tuple[str, str]]:
    """Return pairs of boxes of which the second should stand below the first: a row of many would be too wide.

    They are boxes that refer to nothing, and that one box refers to.
    """
    sources, below = {edge.source for edge in picture.edges}, defaultdict(list)
    for edge in picture.edges:
        if edge.target not in sources:
            below[edge.source].append(edge.target)
    return [(held[at], held[at + _ROW]) for held in below.values() for at in range(len(held) - _ROW)]
