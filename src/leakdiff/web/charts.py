"""A line over time as SVG has it, and what it shows in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import attrs

from leakdiff.web.view import Chart, Points

WIDTH, HEIGHT, _MARGIN = 600.0, 120.0, 4.0
MOST = 240  # points that are drawn: a page of fifty lines must stay small
_LEAST_SPAN = 0.05  # of the highest value: what moves by less looks flat, as it is


@attrs.frozen(kw_only=True)
class Drawing:
    """A chart, drawn.

    Attributes:
        line: The points of its line; empty where there is nothing to draw.
        area: The points of the area under it.
        said: It in words.
        low: The least value; None where there is none.
        high: The largest.
        begin: When it begins, UTC seconds.
        end: When it ends.
    """

    line: str = ""
    area: str = ""
    said: str
    low: float | None = None
    high: float | None = None
    begin: float = 0.0
    end: float = 0.0


def draw(chart: Chart) -> Drawing:
    """Draw a chart; readings that are no finite number are left out."""
    points = sorted((at, value) for at, value in chart.points if math.isfinite(at) and math.isfinite(value))
    if not points:
        return Drawing(said=chart.said)
    values = [value for _, value in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in _placed(thinned(points, MOST)))
    bottom = f"{HEIGHT:.1f}"
    return Drawing(
        line=line,
        area=f"{line.partition(',')[0]},{bottom} {line} {line.rpartition(' ')[2].partition(',')[0]},{bottom}",
        said=chart.said,
        low=whole(min(values)),
        high=whole(max(values)),
        begin=points[0][0],
        end=points[-1][0],
    )


def whole(value: float) -> float:
    """Return a whole number as one, so that 428 entries are not told as 428.00."""
    return int(value) if value == int(value) else value


def thinned(points: Sequence[tuple[float, float]], most: int) -> Points:
    """Return so many points at most: the first, the last, and the lowest and the highest of each stretch between.

    Points at even steps would lose the spikes.

    Args:
        points: Times and finite values, in their order.
        most: How many, 4 or more.
    """
    if len(points) <= most:
        return tuple(points)
    step = math.ceil((len(points) - 2) / ((most - 2) // 2))
    stretches = (range(begin, min(begin + step, len(points) - 1)) for begin in range(1, len(points) - 1, step))
    kept = (sorted({pick(stretch, key=lambda at: points[at][1]) for pick in (min, max)}) for stretch in stretches)
    return (points[0], *(points[at] for stretch in kept for at in stretch), points[-1])


def _placed(points: Points) -> Iterator[tuple[float, float]]:
    """Bring points to the size of the drawing."""
    first, last = points[0][0], points[-1][0]
    values = [value for _, value in points]
    low, high = min(values), max(values)
    above = max(high - low, _LEAST_SPAN * max(abs(low), abs(high))) or 1.0
    across, up = WIDTH - 2 * _MARGIN, HEIGHT - 2 * _MARGIN
    for at, value in points if last > first else (points[-1], (first + 1, points[-1][1])):
        x = (at - first) / ((last - first) or 1)
        yield _MARGIN + across * x, _MARGIN + up * (1 - (value - low) / above)
