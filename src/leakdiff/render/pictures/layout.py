"""Where the boxes and arrows of a picture stand: in columns, by their distance from the root, with few crossings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import attrs
import networkx as nx

from leakdiff.render.pictures.names import clipped, columns
from leakdiff.render.pictures.parts import Edge, Node, Picture

CHAR, LINE = 7.25, 15.0  # pixels of a character, and of a line, in the small monospaced type of the pictures
SMALL = 6.05  # pixels of a character of a label
PADDING = 9.0
_NAME, _LABEL = 40, 24  # columns of text in a box, and at an arrow
_GAP, _LEAST_BETWEEN = 14.0, 46.0  # between two boxes of a column, and between two columns
_LANE = 8.0  # the height that an arrow takes where it passes a column
_SWEEPS = 6

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
    """Return edges that lead back up: without them the picture has no circle."""
    order = {name: number for number, name in enumerate(_in_order(picture))}
    graph = picture.graph()
    circles = {name: number for number, held in enumerate(nx.strongly_connected_components(graph)) for name in held}
    return {(a, b) for a, b in graph.edges if circles[a] == circles[b] and order[b] <= order[a]}


def _in_order(picture: Picture) -> Sequence[str]:
    levels = picture.levels()
    return sorted(levels, key=lambda name: (levels[name], int(name[1:])))


def placed(picture: Picture) -> Layout:
    """Return a picture, placed in columns from left to right."""
    return _Columns(picture).layout()


@attrs.define
class _Spot:
    """What stands in a column: a node, or the place where an arrow passes."""

    height: float
    y: float = 0.0


class _Columns:
    """The columns of a picture while they are made."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._back = back_edges(picture)
        self._nodes = {node.name: node for node in picture.nodes}
        self._spots = {node.name: _Spot(size_of(node)[1]) for node in picture.nodes}
        self._column = self._columns_of()
        self._ways = {(edge.source, edge.target): self._way(edge) for edge in picture.edges if not self._is_back(edge)}
        self._columns = self._stacked()
        self._neighbours = self._beside()

    def _is_back(self, edge: Edge) -> bool:
        return (edge.source, edge.target) in self._back

    def _columns_of(self) -> dict[str, int]:
        """Return the column of each node: to the right of all that lead to it."""
        graph = self._picture.graph()
        graph.remove_edges_from(self._back)
        return {name: number for number, held in enumerate(nx.topological_generations(graph)) for name in held}

    def _way(self, edge: Edge) -> list[str]:
        """Return the spots that an edge goes through, with its ends; those between are made here."""
        between = range(self._column[edge.source] + 1, self._column[edge.target])
        names = [f"{edge.source} {edge.target} {column}" for column in between]
        for name, column in zip(names, between, strict=True):
            self._spots[name], self._column[name] = _Spot(_LANE), column
        return [edge.source, *names, edge.target]

    def _stacked(self) -> list[list[str]]:
        columns_: list[list[str]] = [[] for _ in range(max(self._column.values(), default=-1) + 1)]
        for name in self._column:
            columns_[self._column[name]].append(name)
        return columns_

    def _beside(self) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
        left: dict[str, list[str]] = {name: [] for name in self._spots}
        right: dict[str, list[str]] = {name: [] for name in self._spots}
        for way in self._ways.values():
            for a, b in itertools.pairwise(way):
                right[a].append(b)
                left[b].append(a)
        return left, right

    def layout(self) -> Layout:
        """Order the columns, stand each spot beside what it belongs to, and draw the arrows."""
        self._stand()
        for sweep in range(_SWEEPS):
            self._pull(self._neighbours[sweep % 2], reverse=bool(sweep % 2))
        lowest = min((spot.y - spot.height / 2 for spot in self._spots.values()), default=0.0)
        for spot in self._spots.values():
            spot.y -= lowest
        lefts, widths = self._across()
        boxes = tuple(self._box(node, lefts) for node in self._picture.nodes)
        arrows = tuple(self._arrow(edge, lefts, widths) for edge in self._picture.edges)
        ends = [point for arrow in arrows for point in arrow.points]
        return Layout(
            max((box.x + box.width for box in boxes), default=0.0),
            max([*(box.y + box.height for box in boxes), *(y for _, y in ends)], default=0.0),
            boxes,
            arrows,
        )

    def _stand(self) -> None:
        for column in self._columns:
            down = 0.0
            for name in column:
                self._spots[name].y = down + self._spots[name].height / 2
                down += self._spots[name].height + _GAP

    def _pull(self, neighbours: Mapping[str, list[str]], *, reverse: bool) -> None:
        """Bring each spot to the height of its neighbours on one side; those of a column in the order that gives."""
        for column in reversed(self._columns) if reverse else self._columns:
            wanted = {name: self._mean(name, neighbours[name]) for name in column}
            column.sort(key=lambda name: (wanted[name], self._spots[name].y))
            self._apart(column, wanted)

    def _mean(self, name: str, others: Sequence[str]) -> float:
        return sum(self._spots[other].y for other in others) / len(others) if others else self._spots[name].y

    def _apart(self, column: Sequence[str], wanted: Mapping[str, float]) -> None:
        """Place a column's spots one under the other, as near to where they want to be as there is room."""
        below = float("-inf")
        for name in column:
            spot = self._spots[name]
            spot.y = max(wanted[name], below + _GAP + spot.height / 2)
            below = spot.y + spot.height / 2
        moved = sum(self._spots[name].y - wanted[name] for name in column) / max(1, len(column))
        for name in column:
            self._spots[name].y -= moved

    def _across(self) -> tuple[list[float], list[float]]:
        """Return where each column begins and how wide it is; between two there is room for the labels."""
        lefts, widths, x = [], [], 0.0
        for number, column in enumerate(self._columns):
            width = max((size_of(self._nodes[name])[0] for name in column if name in self._nodes), default=0.0)
            lefts.append(x)
            widths.append(width)
            x += width + self._room(number)
        return lefts, widths

    def _room(self, number: int) -> float:
        starting = (edge for edge in self._picture.edges if self._column[edge.source] == number)
        labels = (columns(label_of(edge)) * SMALL + 26 for edge in starting if not self._is_back(edge))
        return max(_LEAST_BETWEEN, *labels, 0.0)

    def _box(self, node: Node, lefts: Sequence[float]) -> Box:
        spot, (width, height) = self._spots[node.name], size_of(node)
        return Box(node, lines_of(node), lefts[self._column[node.name]], spot.y - height / 2, width, height)

    def _arrow(self, edge: Edge, lefts: Sequence[float], widths: Sequence[float]) -> Arrow:
        if self._is_back(edge):
            return self._arrow_back(edge, lefts)
        way = self._ways[edge.source, edge.target]
        points = [(lefts[self._column[edge.source]] + size_of(self._nodes[edge.source])[0], self._spots[edge.source].y)]
        for a, b in itertools.pairwise(way):
            if a not in self._nodes:  # straight through the column that it passes
                points.extend(_straight(points[-1], (lefts[self._column[a]] + widths[self._column[a]], points[-1][1])))
            points.extend(_curve(points[-1], (lefts[self._column[b]], self._spots[b].y)))
        begin = lefts[self._column[edge.source]] + widths[self._column[edge.source]]
        return Arrow(edge, tuple(points), label_of(edge), _on_its_way(points, begin, lefts[self._column[way[1]]]))

    def _arrow_back(self, edge: Edge, lefts: Sequence[float]) -> Arrow:
        """Lead an edge back up below both of its boxes."""
        (x0, y0), (x1, y1) = (self._foot(name, lefts) for name in (edge.source, edge.target))
        dip = max(y0, y1) + 26
        middle = ((x0 + x1) / 2, 0.125 * y0 + 0.75 * dip + 0.125 * y1)
        return Arrow(edge, ((x0, y0), (x0, dip), (x1, dip), (x1, y1)), label_of(edge), middle, is_back=True)

    def _foot(self, name: str, lefts: Sequence[float]) -> Point:
        width, height = size_of(self._nodes[name])
        return lefts[self._column[name]] + width * 0.6, self._spots[name].y + height / 2


def _straight(start: Point, end: Point) -> tuple[Point, Point, Point]:
    return start, end, end


def _curve(start: Point, end: Point) -> tuple[Point, Point, Point]:
    bend = (end[0] - start[0]) / 2
    return (start[0] + bend, start[1]), (end[0] - bend, end[1]), end


def _on_its_way(points: Sequence[Point], begin: float, end: float) -> Point:
    """Return the point of an arrow's first curve that lies in the middle between two columns."""
    (x0, y0), (x1, y1) = points[0], points[3]
    middle = (begin + end) / 2
    share = min(1.0, max(0.0, (middle - x0) / (x1 - x0))) if x1 > x0 else 0.5
    return middle, y0 + (y1 - y0) * (3 * share**2 - 2 * share**3)
