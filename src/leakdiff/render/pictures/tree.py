"""A picture as a tree of text, in box characters or in plain ASCII; never wider than it may be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import attrs

from leakdiff.render.pictures.names import ascii_only, clipped, columns, wrapped
from leakdiff.render.pictures.parts import TIMES, Edge, Node, Picture

_NAME = 60  # columns of a name
_LABEL = 30
_WIDEST_INDENT, _LEAST_TEXT = 3, 24


@attrs.frozen
class _Strokes:
    """The characters that a tree is drawn with."""

    down: str = "│"
    fork: str = "├"
    last: str = "└"
    across: str = "─"
    above: str = "↑"
    times: str = TIMES
    cut: str = "…"

    def drawn(self, text: str) -> str:
        """Return a text in characters of the same kind."""
        return text if self.cut == "…" else ascii_only(text.replace(TIMES, self.times))


_BOXES = _Strokes()
_ASCII = _Strokes("|", "|", "`", "-", "^", "x", "...")


def tree_text(picture: Picture, width: int = 100, *, ascii: bool = False) -> str:  # noqa: A002 - as it is called
    """Return a picture as a tree; ends without a newline.

    Each node stands under the one that is nearest to the root; where others refer to it too, they say so.

    Args:
        picture: What is drawn.
        width: Columns at most, 40 or more.
        ascii: Draw with ASCII characters alone, for terminals that have no others.
    """
    strokes = _ASCII if ascii else _BOXES
    tree = _Tree(picture, strokes, width)
    above = wrapped(strokes.drawn(picture.title), width)
    below = wrapped(strokes.drawn(picture.left_out), width)
    lines = [*above, *([""] if above else []), *tree.lines(), *([""] if below else []), *below]
    return "\n".join(clipped(line, width, strokes.cut).rstrip() for line in lines)


class _Tree:
    """A picture, and where each of its nodes stands."""

    def __init__(self, picture: Picture, strokes: _Strokes, width: int) -> None:
        self._strokes, self._width = strokes, width
        self._nodes = {node.name: node for node in picture.nodes}
        self._tops = picture.tops()
        self._below = self._sorted_edges(picture)
        self._parents = self._places()
        self._edge = self._indent(picture.levels())

    def _sorted_edges(self, picture: Picture) -> Mapping[str, list[Edge]]:
        below: defaultdict[str, list[Edge]] = defaultdict(list)
        for edge in picture.edges:
            below[edge.source].append(edge)
        for edges in below.values():
            edges.sort(key=self._order)
        return below

    def _order(self, edge: Edge) -> tuple[object, ...]:
        """Put what is on the way down first, then the heaviest, and what is left out last."""
        node = self._nodes[edge.target]
        rank = {"step": 0, "owner": 0, "more": 2}.get(node.kind, 1)
        return rank, -(edge.count or 0), *node.rank()

    def _places(self) -> Mapping[str, Edge | None]:
        """Return the edge under which each node stands: nearest to where the picture starts."""
        found: dict[str, Edge | None] = {node.name: None for node in self._tops}
        for name in (pending := list(found)):
            for edge in self._below.get(name, ()):
                if edge.target not in found:
                    found[edge.target] = edge
                    pending.append(edge.target)
        return found

    def _indent(self, levels: Mapping[str, int]) -> int:
        """Return how far one step goes to the right: less where there are many and little room."""
        deepest = max(levels.values(), default=0)
        return max(1, min(_WIDEST_INDENT, (self._width - _LEAST_TEXT) // max(1, deepest)))

    def lines(self) -> Iterator[str]:
        """Yield the lines of the tree."""
        for top in self._tops:
            yield from self._told(top, "", "", "")
            yield from self._under(top.name, "")

    def _under(self, name: str, indent: str) -> Iterator[str]:
        edges = self._below.get(name, [])
        for number, edge in enumerate(edges):
            is_last = number == len(edges) - 1
            node = self._nodes[edge.target]
            below = indent + (" " if is_last else self._strokes.down) + " " * (self._edge - 1)
            is_here = self._parents[edge.target] is edge
            said = self._branch(indent, is_last=is_last), below, self._label(edge)
            yield from self._told(node, *said, is_here=is_here)
            if is_here:
                yield from self._under(node.name, below)

    def _branch(self, indent: str, *, is_last: bool) -> str:
        corner = self._strokes.last if is_last else self._strokes.fork
        room = max(0, self._width - _LEAST_TEXT)  # what lies deeper than there is room for stands in one column
        return (indent + corner + self._strokes.across * max(0, self._edge - 2)).ljust(len(indent) + self._edge)[:room]

    def _label(self, edge: Edge) -> str:
        return clipped(self._strokes.drawn(edge.said), _LABEL, self._strokes.cut)

    def _told(self, node: Node, branch: str, below: str, label: str, *, is_here: bool = True) -> Iterator[str]:
        """Yield what is said of a node: in one line, and what is too much for that in a second."""
        note = self._strokes.drawn(node.note) if is_here else f"{self._strokes.above} is in this tree already"
        before = branch + (f"{label}: " if label else "")
        name, room = self._strokes.drawn(node.said), self._width - columns(before)
        beside = room - columns(note) - 2
        is_short = not note or beside >= min(_NAME, columns(name))
        cut = clipped(name, min(_NAME, beside if note and is_short else room), self._strokes.cut)
        yield f"{before}{cut}" + (f"  {note}" if note and is_short else "")
        if not is_short:
            has_more = is_here and self._below.get(node.name)
            yield f"{below}{self._strokes.down if has_more else ' '}  {note}"
