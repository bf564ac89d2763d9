"""What all our SVG is made with: escaped text, the colours of light and dark, the frame with its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

MONOSPACE = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
CHAR, LINE = 7.25, 16.0
_QUOTES = {'"': "&quot;", "'": "&#39;"}
# Fill and stroke of each kind of area, then the colour of text on it: on a light ground, and on a dark one.
_LOOKS = {
    "ground": (("#ffffff", "none", "#1a1d21"), ("#14171a", "none", "#e8eaed")),
    "root": (("#f4f5f7", "#545b64", "#1a1d21"), ("#1e2226", "#a9b1bb", "#e8eaed")),
    "step": (("#ffffff", "#545b64", "#1a1d21"), ("#14171a", "#a9b1bb", "#e8eaed")),
    "owner": (("#fdecea", "#b3261e", "#1a1d21"), ("#3a1b19", "#ff9d94", "#e8eaed")),
    "grown": (("#e8f0fe", "#0b57d0", "#1a1d21"), ("#1b2a41", "#8ab4f8", "#e8eaed")),
    "more": (("#ffffff", "#545b64", "#1a1d21"), ("#14171a", "#a9b1bb", "#e8eaed")),
}
_SOFT = ("#545b64", "#a9b1bb")
_LINE = ("#545b64", "#a9b1bb")
# Light colours stand as attributes, so that a page that forbids <style> still shows them; dark ones need the style.
_STYLE = (
    "@media (prefers-color-scheme: dark) {"
    + "".join(
        f".ld-{kind} {{ fill: {dark[0]}; stroke: {dark[1]}; }} .ld-on-{kind} {{ fill: {dark[2]}; }} "
        for kind, (_, dark) in _LOOKS.items()
    )
    + f".ld-soft {{ fill: {_SOFT[1]}; }} .ld-line {{ stroke: {_LINE[1]}; }} .ld-head {{ fill: {_LINE[1]}; }} }}"
)


def safe(text: str) -> str:
    """Return printable text as it stands in XML, between tags as well as between quotes."""
    return escape(text, _QUOTES)


def number(value: float) -> str:
    """Return a coordinate, short."""
    return f"{value:.1f}".removesuffix(".0")


def area(kind: str) -> str:
    """Return the attributes of an area of some kind."""
    fill, stroke, _ = _LOOKS[kind][0]
    dashed = ' stroke-dasharray="4 3"' if kind == "more" else ""
    wide = ' stroke-width="2"' if kind == "owner" else ""
    return f'class="ld-{kind}" fill="{fill}" stroke="{stroke}"{wide}{dashed}'


def rectangle(  # noqa: PLR0913 - a place and a size
    kind: str, x: float, y: float, width: float, height: float, *, radius: float = 0
) -> str:
    """Return an area with straight sides."""
    where = f'x="{number(x)}" y="{number(y)}" width="{number(max(0, width))}" height="{number(max(0, height))}"'
    rounded = f' rx="{number(radius)}"' if radius else ""
    return f"<rect {area(kind)} {where}{rounded}/>"


def text_at(x: float, y: float, text: str, *, on: str = "ground", more: str = "") -> str:
    """Return a line of text; ``more`` are attributes of ours."""
    colour = _LOOKS[on][0][2]
    return f'<text class="ld-on-{on}" x="{number(x)}" y="{number(y)}" fill="{colour}"{more}>{safe(text)}</text>'


def soft_text(x: float, y: float, text: str, more: str = "") -> str:
    """Return a line of text that is less important."""
    return f'<text class="ld-soft" x="{number(x)}" y="{number(y)}" fill="{_SOFT[0]}"{more}>{safe(text)}</text>'


def stroke() -> str:
    """Return the attributes of a line."""
    return f'class="ld-line" fill="none" stroke="{_LINE[0]}"'


def head() -> str:
    """Return the attributes of the head of an arrow."""
    return f'class="ld-head" fill="{_LINE[0]}"'


def tooltip(text: str) -> str:
    """Return what is shown when a pointer rests on what it stands in."""
    return f"<title>{safe(text)}</title>"


def svg(size: tuple[float, float], title: str, told: str, drawn: Iterable[str], *, scale: bool = True) -> str:
    """Return a whole drawing, without ids, so that many of them can stand on one page.

    Args:
        size: Width and height in pixels.
        title: What it shows, for those who cannot see it.
        told: The same at length.
        drawn: What is in it.
        scale: Shrink with the page.
    """
    w, h = map(number, size)
    shrink = ' style="max-width:100%;height:auto"' if scale else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}"{shrink} role="img" '
        f'font-family="{MONOSPACE}" font-size="12"><title>{safe(title)}</title><desc>{safe(told)}</desc>'
        f"<style>{_STYLE}</style>{''.join(drawn)}</svg>"
    )


def caption(x: float, y: float, lines: Sequence[str], *, soft: bool = False) -> str:
    """Return lines of text, one under the other, the first with its foot at ``y``."""
    say = soft_text if soft else text_at
    return "".join(say(x, y + LINE * at, line) for at, line in enumerate(lines))
