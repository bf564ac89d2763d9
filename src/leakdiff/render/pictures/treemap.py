"""What an owner retains, by type and by the types that those hold: as areas, and as bars of text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import attrs
import networkx as nx

from leakdiff.model.report import Finding
from leakdiff.render.pictures.marks import CHAR, LINE, caption, rectangle, soft_text, svg, text_at, tooltip
from leakdiff.render.pictures.names import ascii_only, bounded, clipped, columns, wrapped
from leakdiff.render.pictures.parts import Node
from leakdiff.render.pictures.picture import picture_of
from leakdiff.render.plain import size

_WIDTH, _HEIGHT, _MARGIN = 760.0, 420.0, 14.0
_MOST = 60  # types that are told apart
_LEAST_SHARE = 0.004  # of the whole below which an area is too small to be seen
_HEADER, _INSET = 20.0, 4.0
_LEAST_INSIDE = (84.0, 56.0)  # pixels of width and height below which what is inside is not drawn
_MOST_TOLD = 12
_LEAST_NAME = 6  # columns of a name below which its rest would say nothing
_EIGHTHS = " ▏▎▍▌▋▊▉█"

Frame = tuple[float, float, float, float]  # left, top, width, height


@attrs.frozen
class Tile:
    """One type, and what only it holds.

    Attributes:
        said: Its name, printable and of bounded length.
        bytes: Shallow bytes of its own objects.
        count: How many they are, where they are counted.
        within: What only it holds, the heaviest first.
    """

    said: str
    bytes: int
    count: int | None = None
    within: tuple[Tile, ...] = ()

    @property
    def total(self) -> int:
        """Its bytes and those of what only it holds."""
        return self.bytes + sum(tile.total for tile in self.within)


def tiles_of(finding: Finding) -> tuple[Tile, ...]:
    """Return what lies under a finding's owner by type, each with the types that only it holds; empty if not known."""
    picture = picture_of(finding, _MOST)
    graph = picture.graph()
    top = next((node.name for node in picture.nodes if node.kind == "owner"), None)
    if top is None:
        top = "top"
        graph.add_edges_from((top, node.name) for node in picture.tops())
    below: defaultdict[str, list[str]] = defaultdict(list)
    for name, above in nx.immediate_dominators(graph, top).items():
        if name not in (top, above):
            below[above].append(name)
    nodes = {node.name: node for node in picture.nodes}
    return _sorted(tile for name in below[top] for tile in _tiles(name, nodes, below))


def _tiles(name: str, nodes: dict[str, Node], below: dict[str, list[str]]) -> Iterator[Tile]:
    """Yield the tile of a node; those inside it where it weighs nothing itself."""
    within = _sorted(tile for inside in below[name] for tile in _tiles(inside, nodes, below))
    node = nodes[name]
    if node.bytes:
        yield Tile(node.said, node.bytes, node.count, within)
    else:
        yield from within


def _sorted(tiles: Iterator[Tile]) -> tuple[Tile, ...]:
    return tuple(sorted(tiles, key=lambda tile: (-tile.total, tile.said)))


# -- areas -----------------------------------------------------------------------------------------


def treemap_svg(tiles: Sequence[Tile], title: str = "") -> str:
    """Return tiles as SVG: the larger the area, the more bytes; inside an area, what only that type holds."""
    whole = sum(tile.total for tile in tiles)
    head = wrapped(bounded(title), int(_WIDTH / CHAR))
    top = _MARGIN + LINE * len(head) + (6 if head else 0)
    size_ = (_WIDTH + 2 * _MARGIN, top + _HEIGHT + _MARGIN)
    drawn = [rectangle("ground", 0, 0, *size_, radius=6), caption(_MARGIN, _MARGIN + 11, head)]
    drawn.extend(_areas(tiles, (_MARGIN, top, _WIDTH, _HEIGHT), whole, 0))
    return svg(size_, bounded(title) or "what an owner retains, by type", _told(tiles), drawn)


def _told(tiles: Sequence[Tile]) -> str:
    """Return tiles in words, for those who cannot see them."""
    told = [f"{tile.said} {size(tile.total)}" for tile in tiles[:_MOST_TOLD]]
    more = len(tiles) - _MOST_TOLD
    return ", ".join([*told, *([f"and {more:,} more types"] if more > 0 else [])])


def _areas(tiles: Sequence[Tile], frame: Frame, whole: int, depth: int) -> Iterator[str]:
    shown = _seen(tiles, whole)
    for tile, place in zip(shown, squarified([tile.total for tile in shown], frame), strict=True):
        yield from _area(tile, place, whole, depth)


def _seen(tiles: Sequence[Tile], whole: int) -> list[Tile]:
    """Make one tile of those that are too small to be seen."""
    large = [tile for tile in tiles if tile.total >= _LEAST_SHARE * whole]
    small = [tile for tile in tiles if tile.total < _LEAST_SHARE * whole]
    if len(small) < 2:
        return list(tiles)
    return [*large, Tile(f"{len(small):,} more types", sum(tile.total for tile in small))]


def _area(tile: Tile, place: Frame, whole: int, depth: int) -> Iterator[str]:
    x, y, width, height = place
    kind = ("grown", "step")[depth % 2]
    shown = f"{tile.said}\n{_much(tile)}, {tile.total / whole:.0%} of all"
    yield f"<g>{tooltip(shown)}{rectangle(kind, x + 1, y + 1, width - 2, height - 2, radius=2)}"
    yield from _words(tile, place, kind)
    if tile.within and width >= _LEAST_INSIDE[0] and height >= _LEAST_INSIDE[1]:
        inside = (x + _INSET, y + _HEADER, width - 2 * _INSET, height - _HEADER - _INSET)
        itself = [Tile("itself", tile.bytes, tile.count)] if tile.bytes else []
        yield from _areas(_sorted(iter([*itself, *tile.within])), inside, whole, depth + 1)
    yield "</g>"


def _words(tile: Tile, place: Frame, kind: str) -> Iterator[str]:
    """Write as much into an area as fits: its name and its size, its name alone, or nothing."""
    x, y, width, height = place
    most = int((width - 10) / CHAR)
    if most < 4 or height < _HEADER:
        return
    much = size(tile.total)
    name = _fitting(tile.said, most - columns(much) - 2 if most >= columns(much) + 10 else most)
    if not name:
        return
    yield text_at(x + 6, y + 14.5, name, on=kind)
    if most >= columns(much) + 10:
        yield soft_text(x + width - 6, y + 14.5, much, ' text-anchor="end"')
    elif height >= 2 * LINE + 4 and not tile.within and most >= columns(much):
        yield soft_text(x + 6, y + 30, much)


def _fitting(name: str, most: int) -> str:
    """Return a name in so many columns: without the modules it is from, or without its middle; empty if too short."""
    while columns(name) > most and "." in name:
        name = name.partition(".")[2]
    return clipped(name, most) if columns(name) <= most or most >= _LEAST_NAME else ""


def _much(tile: Tile) -> str:
    many = f"{tile.count:,} objects, " if tile.count else ""
    return (
        f"{many}{size(tile.bytes)} itself, {size(tile.total)} with what it holds"
        if tile.within
        else (f"{many}{size(tile.total)}")
    )


def squarified(weights: Sequence[float], frame: Frame) -> list[Frame]:
    """Return an area for each weight, as near to a square as can be (Bruls, Huizing, van Wijk: Squarified Treemaps).

    Args:
        weights: Positive, the largest first.
        frame: What they fill together.
    """
    places: list[Frame] = []
    x, y, width, height = frame
    total, at = float(sum(weights)), 0
    while at < len(weights):
        side = min(width, height)
        scale = width * height / total if total > 0 else 0.0
        end = _row_end(weights, at, side, scale)
        row = weights[at:end]
        deep = sum(row) * scale / side if side > 0 else 0.0
        places.extend(_row(row, (x, y, width, height), deep))
        if width >= height:
            x, width = x + deep, max(0.0, width - deep)
        else:
            y, height = y + deep, max(0.0, height - deep)
        total, at = total - sum(row), end
    return places


def _row_end(weights: Sequence[float], at: int, side: float, scale: float) -> int:
    """Return where a row ends: before the weight with which its areas would become longer."""
    end = at + 1
    while end < len(weights) and _worst(weights[at : end + 1], side, scale) <= _worst(weights[at:end], side, scale):
        end += 1
    return end


def _worst(row: Sequence[float], side: float, scale: float) -> float:
    """Return how long the longest area of a row is, compared with its breadth."""
    areas = sum(row) * scale
    if areas <= 0 or side <= 0:
        return float("inf")
    return max(max(side**2 * w * scale / areas**2, areas**2 / (side**2 * w * scale)) for w in (row[0], row[-1]))


def _row(row: Sequence[float], frame: Frame, deep: float) -> Iterator[Frame]:
    x, y, width, height = frame
    for weight in row:
        long = min(width, height) * weight / sum(row)
        if width >= height:
            yield x, y, deep, long
            y += long
        else:
            yield x, y, long, deep
            x += long


# -- bars ------------------------------------------------------------------------------------------


def bars_text(tiles: Sequence[Tile], title: str = "", width: int = 100, *, ascii: bool = False) -> str:  # noqa: A002 - as the tree calls it
    """Return tiles as bars of text; ends without a newline.

    Args:
        tiles: What is drawn.
        title: What it shows.
        width: Columns at most, 40 or more.
        ascii: Draw with ASCII characters alone.
    """
    strokes = ascii_only if ascii else str
    cut = "..." if ascii else "…"
    rows = [(strokes(said), total) for said, total in _rows(tiles, 0)]
    name = min(max((columns(said) for said, _ in rows), default=0), width // 2)
    bar = max(4, min(30, width - name - 14))
    largest = max((total for _, total in rows), default=0) or 1
    lines = [*wrapped(strokes(bounded(title)), width), ""] if title else []
    for said, total in rows:
        short = clipped(said, name, cut)
        drawn = _bar(total / largest, bar, ascii=ascii)
        lines.append(f"{short}{' ' * (name - columns(short))}  {drawn}  {size(total):>9}".rstrip())
    return "\n".join(clipped(line, width, cut) for line in lines)


def _rows(tiles: Sequence[Tile], depth: int) -> Iterator[tuple[str, int]]:
    for tile in tiles[:_MOST_TOLD]:
        yield "  " * depth + tile.said, tile.total
        yield from _rows(tile.within, depth + 1)
    if len(tiles) > _MOST_TOLD:
        rest = tiles[_MOST_TOLD:]
        yield "  " * depth + f"{len(rest):,} more types", sum(tile.total for tile in rest)


def _bar(share: float, width: int, *, ascii: bool) -> str:  # noqa: A002
    if ascii:
        return ("#" * max(1, round(share * width))).ljust(width)
    eighths = max(1, round(share * width * 8))
    return (_EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()).ljust(width)
