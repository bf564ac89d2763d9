"""A picture as SVG that stands for itself: no script, nothing from outside, readable on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Iterator

from leakdiff.render.pictures import graphviz
from leakdiff.render.pictures.columns import placed
from leakdiff.render.pictures.layout import LINE, PADDING, SMALL, Arrow, Box, Layout
from leakdiff.render.pictures.marks import (
    CHAR,
    area,
    caption,
    head,
    number,
    rectangle,
    soft_text,
    stroke,
    svg,
    text_at,
    tooltip,
)
from leakdiff.render.pictures.marks import LINE as CAPTION
from leakdiff.render.pictures.names import columns, wrapped
from leakdiff.render.pictures.parts import Picture

_MARGIN, _LEAST_WIDTH = 14.0, 420.0
_HEAD = 8.0
_MOST_TOLD = 24


def svg_text(picture: Picture, *, use_graphviz: bool | None = None) -> str:
    """Return a picture as SVG.

    Args:
        picture: What is drawn.
        use_graphviz: Place the boxes by ``dot``; None does where it is installed. The drawing is ours in any case.
    """
    wanted = graphviz.is_installed() if use_graphviz is None else use_graphviz
    layout = (graphviz.placed(picture) if wanted else None) or placed(picture)
    width = max(_LEAST_WIDTH, layout.width + 2 * _MARGIN)
    most = int((width - 2 * _MARGIN) / CHAR)
    above, below = wrapped(picture.title, most), wrapped(picture.left_out, most)
    top = _MARGIN + CAPTION * len(above) + (8 if above else 0)
    bottom = top + layout.height + (CAPTION * len(below) + 8 if below else 0)
    drawn = [
        rectangle("ground", 0, 0, width, bottom + _MARGIN, radius=6),
        caption(_MARGIN, _MARGIN + 11, above),
        f'<g transform="translate({number(_MARGIN)} {number(top)})">{"".join(_drawn(layout))}</g>',
        caption(_MARGIN, top + layout.height + CAPTION + 2, below, soft=True),
    ]
    return svg((width, bottom + _MARGIN), picture.title or "who holds what", told(picture), drawn, scale=False)


def told(picture: Picture) -> str:
    """Return a picture in words, for those who cannot see it."""
    said = {node.name: f"{node.said} ({node.note})" if node.note else node.said for node in picture.nodes}
    names = {node.name: node.said for node in picture.nodes}
    lines = [
        f"{names[edge.source]} refers{f' by {edge.label}' if edge.label else ''} to {said[edge.target]}"
        for edge in picture.edges[:_MOST_TOLD]
    ]
    more = len(picture.edges) - _MOST_TOLD
    lines += [f"and {more:,} more arrows"] if more > 0 else []
    return "; ".join(lines or said.values())


def _drawn(layout: Layout) -> Iterator[str]:
    yield from (_arrow(arrow) for arrow in layout.arrows)
    yield from (_box(box) for box in layout.boxes)
    yield from (_label(arrow) for arrow in layout.arrows if arrow.label)


def _box(box: Box) -> str:
    full = "\n".join(text for text in (box.node.said, box.node.note) if text)
    stack = (
        rectangle(box.node.kind, box.x + 4, box.y + 4, box.width, box.height, radius=4) if box.node.alike > 1 else ""
    )
    lines = "".join(_line(box, at) for at in range(len(box.lines)))
    body = rectangle(box.node.kind, box.x, box.y, box.width, box.height, radius=4)
    return f"<g>{tooltip(full)}{stack}{body}{lines}</g>"


def _line(box: Box, at: int) -> str:
    x, y = box.x + PADDING, box.y + PADDING / 2 + LINE * at + 11.5
    if at:
        return soft_text(x, y, box.lines[at])
    bold = ' font-weight="700"' if box.node.kind == "owner" else ""
    return text_at(x, y, box.lines[at], on=box.node.kind, more=bold)


def _arrow(arrow: Arrow) -> str:
    (x0, y0), *rest = arrow.points
    curves = "".join(f" {number(x)} {number(y)}" for x, y in rest)
    dashed = ' stroke-dasharray="5 3"' if arrow.is_back else ""
    return f'<path {stroke()}{dashed} d="M{number(x0)} {number(y0)} C{curves}"/>{_tip(arrow)}'


def _tip(arrow: Arrow) -> str:
    """Draw the head of an arrow in the direction in which it arrives."""
    x, y = arrow.points[-1]
    before = next((point for point in reversed(arrow.points[:-1]) if math.dist(point, (x, y)) > 1), (x - 1, y))
    way = math.atan2(y - before[1], x - before[0])
    sides = ((x - _HEAD * math.cos(way + turn), y - _HEAD * math.sin(way + turn)) for turn in (0.4, -0.4))
    points = " ".join(f"{number(a)},{number(b)}" for a, b in ((x, y), *sides))
    return f'<polygon {head()} points="{points}"/>'


def _label(arrow: Arrow) -> str:
    """Write a label on a piece of the ground, so that no line goes through it."""
    x, y = arrow.at
    wide = columns(arrow.label) * SMALL + 4
    ground = (
        f'<rect {area("ground")} x="{number(x - wide / 2)}" y="{number(y - 7)}" width="{number(wide)}" height="14"/>'
    )
    said = soft_text(x, y + 3.5, arrow.label, ' font-size="10" text-anchor="middle"')
    return f"<g>{tooltip(arrow.edge.said)}{ground}{said}</g>"
