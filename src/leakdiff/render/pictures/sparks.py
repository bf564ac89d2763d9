"""Growth as a line that fits into a sentence: in block characters, and as a small SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from leakdiff.render.pictures.marks import number, rectangle, stroke, svg
from leakdiff.render.pictures.names import bounded

BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-=*#"
_WIDTH, _HEIGHT, _MARGIN = 120.0, 24.0, 3.0
_MOST_POINTS = 240
_LEAST_SPAN = 0.05  # of the highest value: what moves by less looks flat, as it is


def spark(values: Sequence[float], width: int = 24, *, ascii: bool = False) -> str:  # noqa: A002 - as the tree calls it
    """Return a line over time in characters of several heights; empty where there is nothing to draw.

    Args:
        values: In the order of time, at even intervals; what is no finite number is left out.
        width: Characters at most; each has the mean of a stretch of values.
        ascii: Draw with ASCII characters alone.
    """
    known = [value for value in values if math.isfinite(value)]
    marks = _ASCII if ascii else BLOCKS
    means = [_mean(known, at, min(width, len(known))) for at in range(min(width, len(known)))]
    if not means:
        return ""
    return "".join(marks[min(len(marks) - 1, int(share * len(marks)))] for share in _heights(means))


def _mean(values: Sequence[float], at: int, of: int) -> float:
    part = values[len(values) * at // of : len(values) * (at + 1) // of]
    return math.fsum(value / len(part) for value in part)


def _heights(values: Sequence[float]) -> list[float]:
    """Return how far up each value is, from 0 to 1; they are made small first: the largest cannot be subtracted."""
    _, power = math.frexp(max(map(abs, values)))
    small = [math.ldexp(value, -power) for value in values]
    low, high = min(small), max(small)
    span = max(high - low, _LEAST_SPAN * max(abs(low), abs(high))) or 1.0
    return [(value - low) / span for value in small]


def spark_svg(points: Sequence[tuple[float, float]], said: str) -> str:
    """Return a small chart as SVG.

    Args:
        points: Places from left to right, such as times or units of work, and values; what is not finite is left out.
        said: What it shows, in words, for those who cannot see it.
    """
    known = sorted((x, y) for x, y in points if math.isfinite(x) and math.isfinite(y))
    line = " ".join(f"{number(x)},{number(y)}" for x, y in _placed(_thinned(known)))
    drawn = [rectangle("ground", 0, 0, _WIDTH, _HEIGHT, radius=3)]
    if line:
        drawn.append(f'<polyline {stroke()} stroke-width="1.5" stroke-linejoin="round" points="{line}"/>')
    return svg((_WIDTH, _HEIGHT), bounded(said), _ends(known), drawn)


def _ends(points: Sequence[tuple[float, float]]) -> str:
    if not points:
        return "no readings"
    return f"from {points[0][1]:,.6g} to {points[-1][1]:,.6g} in {len(points):,} readings"


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Keep the lowest and the highest of each stretch, where there are more than can be seen."""
    if len(points) <= _MOST_POINTS:
        return points
    step = math.ceil(len(points) / (_MOST_POINTS // 2))
    stretches = (points[at : at + step] for at in range(0, len(points), step))
    return [
        point
        for stretch in stretches
        for point in sorted({min(stretch, key=lambda at: at[1]), max(stretch, key=lambda at: at[1])})
    ]


def _placed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Bring points to the size of the drawing; what has no length becomes a level line."""
    if not points:
        return []
    half, right = points[-1][0] / 2 - points[0][0] / 2, _WIDTH - 2 * _MARGIN
    if half <= 0:
        return [(_MARGIN, _HEIGHT - _MARGIN), (_WIDTH - _MARGIN, _HEIGHT - _MARGIN)]
    across = [_MARGIN + right * ((x / 2 - points[0][0] / 2) / half) for x, _ in points]
    heights = _heights([y for _, y in points])
    return [(x, _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * up) for x, up in zip(across, heights, strict=True)]
