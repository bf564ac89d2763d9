"""A finding, or a graph of leakdiff's own of who holds what, as a picture: as text, DOT, Mermaid or SVG."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

from leakdiff.asking import allowed
from leakdiff.errors import BadOption, NothingToDraw, OwnerNotFound
from leakdiff.model.report import Finding
from leakdiff.model.shown import Shown
from leakdiff.render.plain import counted, size

if TYPE_CHECKING:
    import networkx as nx

    from leakdiff.render.pictures.parts import Picture

OF_GRAPHS = ("tree", "ascii", "dot", "mermaid", "svg")  # what a graph can be drawn as
STYLES = (*OF_GRAPHS, "treemap", "bars", "objgraph")
_NARROWEST, _WIDEST = 40, 200
_WITHOUT_TERMINAL = 100
_STROKES = "└─×…"  # noqa: RUF001 - what a stream must be able to encode for the tree in box characters
_LIVE = 3  # growing objects in objgraph's picture
_WARNING = (
    "It runs repr and isinstance on objects of the program, which run code of its classes, and looks through the whole "
    "heap, in which nothing else runs for a while: about a second for a million objects."
)


def draw(finding: Finding, style: str = "tree", *, show_values: bool | None = None) -> Shown:
    """Return a picture of a finding.

    Args:
        finding: What is drawn.
        style: One of ``STYLES``.
        show_values: Allows ``objgraph`` to read keys and values; None asks at a prompt, and refuses elsewhere.

    Raises:
        BadOption: If there is no such style.
        ValuesNotAllowed: If keys and values would have to be shown, and nobody allowed it.
        OwnerNotFound: If objgraph is to draw live objects, and they cannot be found in this process.
        NothingToDraw: If the picture would be empty, or needs a program that is not there.
    """
    _require(style, STYLES)
    if style == "objgraph":
        return _by_objgraph(finding, show_values=show_values)
    if style in ("treemap", "bars"):
        return _retained(finding, style)
    from leakdiff.render.pictures.picture import picture_of

    picture = picture_of(finding)
    if len(picture.nodes) < 2:
        raise NothingToDraw(
            f"The finding {finding.fingerprint}",
            "no Python object is known to hold what grows",
            "Finding.why() has what is known of it.",
        )
    return _drawn(picture, style)


def draw_graph(graph: nx.DiGraph[Any], style: str = "tree", *, title: str = "") -> Shown:
    """Return a picture of a graph of leakdiff's own: nodes have a ``kind`` and what is ``said``, edges a ``label``.

    Args:
        graph: What is drawn, such as ``Alive.graph``; ``leakdiff.render.pictures.picture`` tells more of what it may
            have. Of more than 1,000 nodes those that are told first are drawn, and how many are not.
        style: One of ``OF_GRAPHS``.
        title: What it shows.

    Raises:
        BadOption: If there is no such style.
        NothingToDraw: If the graph is empty.
    """
    _require(style, OF_GRAPHS)
    from leakdiff.render.pictures.picture import picture_of_graph

    picture = picture_of_graph(graph, title)
    if not picture.nodes:
        raise NothingToDraw("The graph", "it has no nodes", "Draw one that has.")
    return _drawn(picture, style)


def _require(style: object, styles: tuple[str, ...]) -> None:
    if type(style) is not str or style not in styles:
        raise BadOption("style", style, f"one of {', '.join(styles)}")


def _drawn(picture: Picture, style: str) -> Shown:
    if style == "svg":
        from leakdiff.render.pictures.svg import svg_text

        return _as_svg(svg_text(picture), counted(len(picture.nodes), "node"))
    if style == "dot":
        from leakdiff.render.pictures.dot import dot_text

        return Shown(dot_text(picture).rstrip("\n"))
    if style == "mermaid":
        from leakdiff.render.pictures.mermaid import mermaid_text

        return Shown(mermaid_text(picture).rstrip("\n"))
    from leakdiff.render.pictures.tree import tree_text

    return Shown(tree_text(picture, _width(), ascii=style == "ascii" or not _can_show_boxes()))


def _retained(finding: Finding, style: str) -> Shown:
    """Draw what the owner retains by type: as areas, or as bars of text."""
    from leakdiff.render.pictures.names import bounded
    from leakdiff.render.pictures.treemap import bars_text, tiles_of, treemap_svg

    tiles = tiles_of(finding)
    if not tiles:
        raise NothingToDraw(
            "What the owner retains",
            f"the finding {finding.fingerprint} does not say which types of objects take how many bytes",
            f"The styles {', '.join(OF_GRAPHS)} draw what it does say.",
        )
    what = bounded(finding.owner or finding.owner_type)
    title = f"{what}: {size(sum(tile.total for tile in tiles))} of new objects, by type and by what those hold"
    if style == "bars":
        return Shown(bars_text(tiles, title, _width(), ascii=not _can_show_boxes()))
    return _as_svg(treemap_svg(tiles, title), counted(len(tiles), "type"))


def _as_svg(drawn: str, what: str) -> Shown:
    much = size(len(drawn.encode("utf-8", "backslashreplace")))
    return Shown(drawn, "svg", f"<SVG {what}, {much}: .save('path.svg') writes it>")


def _width() -> int:
    """Return how many columns there are to draw in."""
    if not _is_terminal():
        return _WITHOUT_TERMINAL
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):  # there is no stdout, or it is closed
        return False


def _can_show_boxes() -> bool:
    from leakdiff.render.pictures.names import can_be_written

    return can_be_written(_STROKES)


# -- objgraph's own picture, of live objects -------------------------------------------------------


def _by_objgraph(finding: Finding, *, show_values: bool | None) -> Shown:
    """Draw what refers to some of the growing objects, as objgraph does; they must be in this process."""
    from leakdiff.capture.backrefs import backrefs_of
    from leakdiff.render.pictures import graphviz
    from leakdiff.render.pictures.names import bounded

    if not graphviz.is_installed():
        raise _no_dot("Graphviz is not installed")
    allowed("The style objgraph", show_values, warning=_WARNING)
    found = backrefs_of(finding.owner or "", _LIVE)
    if not found.is_found:
        raise OwnerNotFound(
            bounded(finding.owner or f"What the finding {finding.fingerprint} is of"),
            "no module and attributes of this process lead to a container of that name",
            "Draw it in the process that the finding is of; the other styles need no live objects.",
        )
    if found.raised:
        raise NothingToDraw(
            "The style objgraph",
            f"{bounded(found.raised)} was raised by code of the program that objgraph ran",
            "The other styles run none.",
        )
    if not found.described:
        raise NothingToDraw("The style objgraph", "the owner is empty by now", "Draw it while there are entries.")
    drawn = graphviz.drawing(found.described, f"objgraph: what refers to entries of {finding.owner}")
    if drawn is None:
        raise _no_dot("dot failed, or took longer than 10 s")
    return _as_svg(drawn, "of live objects")


def _no_dot(saw: str) -> NothingToDraw:
    return NothingToDraw(
        "The style objgraph", saw, f"Install Graphviz, which has dot; the styles {', '.join(STYLES[:-1])} do without."
    )
