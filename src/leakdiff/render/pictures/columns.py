"""Places for the boxes and arrows of a picture: in columns, by their distance from the root, with few crossings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import attrs
import networkx as nx

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
from leakdiff.render.pictures.names import columns
from leakdiff.render.pictures.parts import Edge, Node, Picture

_GAP, _LEAST_BETWEEN = 14.0, 46.0  # between two boxes of a column, and between two columns
_LANE = 8.0  # the breadth that an arrow takes where it passes a column
_SWEEPS = 6
_LABEL_HEIGHT = 14.0


def placed(picture: Picture) -> Layout:
    """Return a picture, placed in columns from left to right; in rows from above where that is narrower."""
    return narrower(*(_Columns(picture, down=down).layout() for down in (False, True)))


@attrs.define
class _Spot:
    """What stands in a column: a node, or the place where an arrow passes."""

    breadth: float
    at: float = 0.0


class _Columns:
    """The columns of a picture while they are made.

    They run from left to right. Where the picture runs down they are rows: the same with x and y exchanged at the end.
    """

    def __init__(self, picture: Picture, *, down: bool) -> None:
        self._picture, self._down = picture, down
        self._back = back_edges(picture)
        self._nodes = {node.name: node for node in picture.nodes}
        self._spots = {node.name: _Spot(self._size(node.name)[1]) for node in picture.nodes}
        self._column = self._columns_of()
        self._ways = {(edge.source, edge.target): self._way(edge) for edge in picture.edges if not self._is_back(edge)}
        self._columns = self._stacked()
        self._neighbours = self._beside()
        self._begins, self._depths = self._across()

    def _size(self, name: str) -> Point:
        """Return how far a box reaches along the picture, and across it."""
        width, height = size_of(self._nodes[name])
        return (height, width) if self._down else (width, height)

    def _is_back(self, edge: Edge) -> bool:
        return (edge.source, edge.target) in self._back

    def _columns_of(self) -> dict[str, int]:
        """Return the column of each node: behind all that lead to it."""
        graph = self._picture.graph()
        graph.remove_edges_from(self._back)
        graph.add_edges_from(staggered(self._picture) if self._down else ())
        return {name: number for number, held in enumerate(nx.topological_generations(graph)) for name in held}

    def _way(self, edge: Edge) -> list[str]:
        """Return the spots that an edge goes through, with its ends; those between are made here."""
        between = range(self._column[edge.source] + 1, self._column[edge.target])
        names = [f"{edge.source} {edge.target} {column}" for column in between]
        for name, column in zip(names, between, strict=True):
            self._spots[name], self._column[name] = _Spot(_LANE), column
        return [edge.source, *names, edge.target]

    def _stacked(self) -> list[list[str]]:
        stacked: list[list[str]] = [[] for _ in range(max(self._column.values(), default=-1) + 1)]
        for name, column in self._column.items():
            stacked[column].append(name)
        return stacked

    def _beside(self) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
        before: dict[str, list[str]] = {name: [] for name in self._spots}
        after: dict[str, list[str]] = {name: [] for name in self._spots}
        for way in self._ways.values():
            for a, b in itertools.pairwise(way):
                after[a].append(b)
                before[b].append(a)
        return before, after

    def _across(self) -> tuple[list[float], list[float]]:
        """Return where each column begins and how deep it is; between two there is room for the labels."""
        begins, depths, at = [], [], 0.0
        for number, column in enumerate(self._columns):
            depth = max((self._size(name)[0] for name in column if name in self._nodes), default=0.0)
            begins.append(at)
            depths.append(depth)
            at += depth + self._room(number)
        return begins, depths

    def _room(self, number: int) -> float:
        if self._down:
            return _LEAST_BETWEEN
        starting = (edge for edge in self._picture.edges if self._column[edge.source] == number)
        labels = (columns(label_of(edge)) * SMALL + 34 for edge in starting if not self._is_back(edge))
        return max(_LEAST_BETWEEN, *labels, 0.0)

    def layout(self) -> Layout:
        """Order the columns, stand each spot beside what it belongs to, and draw the arrows."""
        self._stand()
        for sweep in range(_SWEEPS):
            self._pull(self._neighbours[sweep % 2], reverse=bool(sweep % 2))
        least = min((spot.at - spot.breadth / 2 for spot in self._spots.values()), default=0.0)
        for spot in self._spots.values():
            spot.at -= least
        boxes = tuple(self._box(node) for node in self._picture.nodes)
        arrows = self._arrows()
        ends = [point for arrow in arrows for point in arrow.points]
        return Layout(
            max([*(box.x + box.width for box in boxes), *(x for x, _ in ends)], default=0.0),
            max([*(box.y + box.height for box in boxes), *(y for _, y in ends)], default=0.0),
            boxes,
            arrows,
        )

    def _stand(self) -> None:
        for column in self._columns:
            end = 0.0
            for name in column:
                self._spots[name].at = end + self._spots[name].breadth / 2
                end += self._spots[name].breadth + _GAP

    def _pull(self, neighbours: Mapping[str, list[str]], *, reverse: bool) -> None:
        """Bring each spot beside its neighbours on one side; those of a column in the order that gives."""
        for column in reversed(self._columns) if reverse else self._columns:
            wanted = {name: self._mean(name, neighbours[name]) for name in column}
            column.sort(key=lambda name: (wanted[name], self._spots[name].at))
            self._apart(column, wanted)

    def _mean(self, name: str, others: Sequence[str]) -> float:
        return sum(self._spots[other].at for other in others) / len(others) if others else self._spots[name].at

    def _apart(self, column: Sequence[str], wanted: Mapping[str, float]) -> None:
        """Place a column's spots one after the other, as near to where they want to be as there is room."""
        end = float("-inf")
        for name in column:
            spot = self._spots[name]
            spot.at = max(wanted[name], end + _GAP + spot.breadth / 2)
            end = spot.at + spot.breadth / 2
        moved = sum(self._spots[name].at - wanted[name] for name in column) / max(1, len(column))
        for name in column:
            self._spots[name].at -= moved

    def _box(self, node: Node) -> Box:
        along, across = self._size(node.name)
        x, y = self._turned((self._begin(node.name), self._spots[node.name].at - across / 2))
        width, height = self._turned((along, across))
        return Box(node, lines_of(node), x, y, width, height)

    def _begin(self, name: str) -> float:
        return self._begins[self._column[name]]

    def _end(self, name: str) -> float:
        return self._begin(name) + self._depths[self._column[name]]

    def _turned(self, point: Point) -> Point:
        return (point[1], point[0]) if self._down else point

    def _arrows(self) -> tuple[Arrow, ...]:
        """Return the arrows; each label stands where there is none yet, as far as there is such a place."""
        taken: list[tuple[float, float, float]] = []
        return tuple(self._arrow(edge, taken) for edge in self._picture.edges)

    def _arrow(self, edge: Edge, taken: list[tuple[float, float, float]]) -> Arrow:
        points, label = self._points(edge), label_of(edge)
        wide = columns(label) * SMALL + 4
        places = [self._turned(place) for place in self._label_places(edge, points)]
        at = next((place for place in places if _is_free(place, wide, taken)), places[0])
        taken.extend([(*at, wide)] if label else [])
        return Arrow(edge, tuple(map(self._turned, points)), label, at, is_back=self._is_back(edge))

    def _points(self, edge: Edge) -> list[Point]:
        if self._is_back(edge):
            return self._points_back(edge)
        points = [(self._begin(edge.source) + self._size(edge.source)[0], self._spots[edge.source].at)]
        for a, b in itertools.pairwise(self._ways[edge.source, edge.target]):
            if a not in self._nodes:  # straight through the column that it passes
                points.extend(_straight(points[-1], (self._end(a), points[-1][1])))
            points.extend(_curve(points[-1], (self._begin(b), self._spots[b].at)))
        return points

    def _label_places(self, edge: Edge, points: Sequence[Point]) -> Iterator[Point]:
        """Yield where a label could be centred, first near the end of a curve: arrows of one box are apart there."""
        if self._is_back(edge):
            (x0, y0), (_, dip), _, (x1, y1) = points
            yield (x0 + x1) / 2, 0.125 * y0 + 0.75 * dip + 0.125 * y1
            return
        room = 18.0 if self._down else columns(label_of(edge)) * SMALL / 2 + 13
        for start, end in ((points[0], points[3]), (points[-4], points[-1])):
            yield from (_between(start, end, at) for at in (end[0] - room, end[0] - 2 * room, start[0] + room))

    def _points_back(self, edge: Edge) -> list[Point]:
        """Lead an edge back up beside both of its boxes."""
        (x0, y0), (x1, y1) = (self._side(name) for name in (edge.source, edge.target))
        dip = max(y0, y1) + 26
        return [(x0, y0), (x0, dip), (x1, dip), (x1, y1)]

    def _side(self, name: str) -> Point:
        along, across = self._size(name)
        return self._begin(name) + along * 0.6, self._spots[name].at + across / 2


def _straight(start: Point, end: Point) -> tuple[Point, Point, Point]:
    return start, end, end


def _curve(start: Point, end: Point) -> tuple[Point, Point, Point]:
    bend = (end[0] - start[0]) / 2
    return (start[0] + bend, start[1]), (end[0] - bend, end[1]), end


def _between(start: Point, end: Point, at: float) -> Point:
    """Return about where a curve between two points is at some distance along the picture."""
    (x0, y0), (x1, y1) = start, end
    share = min(1.0, max(0.0, (at - x0) / (x1 - x0))) if x1 > x0 else 0.5
    return at, y0 + (y1 - y0) * (3 * share**2 - 2 * share**3)


def _is_free(place: Point, wide: float, taken: Sequence[tuple[float, float, float]]) -> bool:
    return all(abs(place[0] - x) >= (wide + other) / 2 or abs(place[1] - y) >= _LABEL_HEIGHT for x, y, other in taken)
