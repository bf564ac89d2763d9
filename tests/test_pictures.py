"""Pictures of findings and of graphs: what is in them, and each of the languages they are written in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakdiff.drawing import OF_GRAPHS, STYLES, draw, draw_graph
from leakdiff.errors import BadOption, NothingToDraw, ValuesNotAllowed
from leakdiff.model.report import Verdict
from leakdiff.render.pictures import columns, graphviz
from leakdiff.render.pictures.dot import dot_text
from leakdiff.render.pictures.layout import Box, Layout, back_edges
from leakdiff.render.pictures.mermaid import mermaid_text
from leakdiff.render.pictures.parts import Picture
from leakdiff.render.pictures.picture import picture_of, picture_of_graph
from leakdiff.render.pictures.svg import svg_text
from leakdiff.render.pictures.tree import tree_text
from pictured import finding, heap, steps, types

SVG = "{http://www.w3.org/2000/svg}"
needs_dot = pytest.mark.skipif(not graphviz.is_installed(), reason="needs Graphviz: apt-get install graphviz")


# -- what is in a picture --------------------------------------------------------------------------


def test_tree_shows_the_way_down_to_the_owner_and_the_types_under_it() -> None:
    """A tree reads from the root over the owner to what grows; what stands in it already is said to."""
    shown = tree_text(picture_of(finding()))

    assert shown == (
        """\
LEAK app.matching._inflight grows by 1.00 entries per unit, 2.3 KiB each, never shrinks [3f9a2c]

module app.matching
└─ _inflight: app.matching._inflight  owner: dict, 1,512 entries
   └─ [*]: app.matching.Result  +505, 23.7 KiB
      ├─ ×1,010: app.matching.Driver  +505, 43.0 KiB
      │  └─ app.matching.Result  ↑ is in this tree already
      └─ dict  +505, 90.8 KiB"""  # noqa: RUF001
    )


def test_tree_in_ascii_has_nothing_else() -> None:
    """For a terminal that has no other characters, all of it is ASCII."""
    shown = tree_text(picture_of(finding(owner="app.pläne._größe")), 80, ascii=True)

    assert shown == (
        """\
LEAK app.pl\\xe4ne._gr\\xf6\\xdfe grows by 1.00 entries per unit, 2.3 KiB each,
never shrinks [3f9a2c]

module app.matching
`- _inflight: app.pl\\xe4ne._gr\\xf6\\xdfe  owner: dict, 1,512 entries
   `- [*]: app.matching.Result  +505, 23.7 KiB
      |- x1,010: app.matching.Driver  +505, 43.0 KiB
      |  `- app.matching.Result  ^ is in this tree already
      `- dict  +505, 90.8 KiB"""
    )


def test_in_a_narrow_tree_what_is_said_of_a_name_stands_below_it() -> None:
    """In 40 columns nothing is cut as long as it fits into a second line."""
    shown = tree_text(picture_of(finding()), 40)

    assert shown == (
        """\
LEAK app.matching._inflight grows by
1.00 entries per unit, 2.3 KiB each,
never shrinks [3f9a2c]

module app.matching
└─ _inflight: app.matching._inflight
   │  owner: dict, 1,512 entries
   └─ [*]: app.matching.Result
      │  +505, 23.7 KiB
      ├─ ×1,010: app.matching.Driver
      │  │  +505, 43.0 KiB
      │  └─ app.matching.Result
      │        ↑ is in this tree already
      └─ dict  +505, 90.8 KiB"""  # noqa: RUF001
    )


def test_objects_that_hold_each_other_are_said_to() -> None:
    """A type that refers to itself has no arrow to itself, which could not be followed."""
    graph = types({"app.Node": (303, 9_000)}, {("owner app.History", "app.Node"): 1, ("app.Node", "app.Node"): 302})
    way = steps("app: module", "._history: app.History", ".head: app.Node", ".before: app.Node")
    linked = finding(owner="app._history.head", owner_type="app.Node", path=way, depth=3, graph=graph, types=())

    assert tree_text(picture_of(linked)).splitlines()[2:] == [
        "module app",
        "└─ _history: app.History",
        "   └─ head: app._history.head  owner: app.Node, 1,512 entries",
        "      └─ before: app.Node  +303, 8.8 KiB, they hold each other",
    ]


def test_a_long_way_loses_its_middle() -> None:
    """Of twenty steps down to the owner the first and the last are drawn."""
    way = steps("app: module", *(f".a{number}: app.Part{number}" for number in range(20)))
    deep = finding(owner="app.deep", path=way, depth=21, graph=None, types=())

    shown = tree_text(picture_of(deep))

    assert "and 13 more steps" in shown
    assert "app.Part1\n" in shown
    assert "app.Part2\n" not in shown
    assert "app.deep  owner" in shown


def test_without_a_graph_the_types_stand_under_the_owner() -> None:
    """A report that was read from a file names what grows, and not how it hangs together."""
    shown = tree_text(picture_of(finding(graph=None)))

    assert shown.splitlines()[3:] == [
        "└─ _inflight: app.matching._inflight  owner: dict, 1,512 entries",
        "   ├─ [*]: app.matching.Result  +505",
        "   └─ …: dict  +505",
    ]


def test_types_to_which_no_kept_edge_leads_hang_below_the_owner() -> None:
    """The graph of types keeps the heaviest edges only; no type may be lost with an edge."""
    graph = types({"app.Lost": (3, 99), "app.Inner": (3, 99)}, {("app.Lost", "app.Inner"): 3})

    shown = tree_text(picture_of(finding(graph=graph)))

    assert "   ├─ …: app.Lost  +3, 99 B\n   │  └─ app.Inner  +3, 99 B" in shown


# -- many nodes ------------------------------------------------------------------------------------


def test_five_hundred_nodes_become_forty_and_none_is_forgotten() -> None:
    """What is alike becomes one, then the lightest; together they stand for every node there was."""
    picture = picture_of_graph(heap(500))

    assert len(picture.nodes) == 40
    assert sum(node.alike for node in picture.nodes) == 500
    assert picture.left_out.startswith("500 nodes are drawn as 40")
    assert len(picture.edges) <= 80
    assert all(nx.has_path(picture.graph(), picture.tops()[0].name, node.name) for node in picture.nodes)


def test_alike_nodes_become_one_with_their_number() -> None:
    """A hundred lists under one owner, each with its own order, are one list with one order."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_node("top", kind="owner", said="app._orders")
    for number in range(100):
        graph.add_node(f"list {number}", kind="grown", said="list", count=1, bytes=56)
        graph.add_node(f"order {number}", kind="grown", said="app.Order", count=1, bytes=48)
        graph.add_edge("top", f"list {number}", label="[*]")
        graph.add_edge(f"list {number}", f"order {number}", label="[*]")

    assert tree_text(picture_of_graph(graph)) == (
        """\
app._orders
└─ [*]: list  100 alike, +100, 5.5 KiB
   └─ [*]: app.Order  100 alike, +100, 4.7 KiB

201 nodes are drawn as 3"""
    )


def test_a_circle_of_many_types_becomes_one() -> None:
    """Where fifty types hold each other in a circle, that is what the picture says."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_node(-1, kind="owner", said="app._all")
    for number in range(50):
        graph.add_node(number, kind="grown", said=f"app.T{number:02}", count=1, bytes=100 - number)
        graph.add_edge(number, (number + 1) % 50)
    graph.add_edge(-1, 0)

    shown = tree_text(picture_of_graph(graph))

    assert "└─ app.T00, app.T01 and 48 more  +50, 3.7 KiB, they hold each other" in shown


def test_a_picture_is_the_same_whatever_the_order_of_what_it_is_made_of() -> None:
    """The order in which a heap was walked must not show."""
    graph = heap(300)
    nodes, edges = list(graph.nodes(data=True)), list(graph.edges(data=True))
    mixed = random.Random(7)  # noqa: S311
    mixed.shuffle(nodes)
    mixed.shuffle(edges)
    other: nx.DiGraph[int] = nx.DiGraph()
    other.add_nodes_from(nodes)
    other.add_edges_from(edges)

    assert picture_of_graph(other) == picture_of_graph(graph)


# -- the languages ---------------------------------------------------------------------------------


def test_dot() -> None:
    """DOT has a node for each box and an edge for each arrow."""
    picture = picture_of(finding(graph=None, types=()))

    assert dot_text(picture) == (
        """\
digraph leakdiff {
  graph [rankdir=LR, bgcolor="#ffffff", fontname="monospace", label="LEAK app.matching._inflight grows by 1.00 \
entries per unit, 2.3 KiB each, never shrinks [3f9a2c]", labelloc=t];
  node [shape=box, style=filled, fontname="monospace", fontsize=11, fontcolor="#1a1d21"];
  edge [fontname="monospace", fontsize=10, color="#545b64", fontcolor="#545b64"];
  n0 [label="module app.matching", fillcolor="#f4f5f7", color="#545b64"];
  n1 [label="app.matching._inflight\\nowner: dict, 1,512 entries", fillcolor="#fdecea", color="#b3261e", penwidth=2];
  n2 [label="app.matching.Result", fillcolor="#e8f0fe", color="#0b57d0"];
  n0 -> n1 [label="_inflight"];
  n1 -> n2 [label="[*]"];
}
"""
    )


def test_mermaid() -> None:
    """Mermaid has the same, with everything escaped that could mean something to it."""
    picture = picture_of(finding(graph=None, types=(), owner="app.__all__"))

    assert mermaid_text(picture) == (
        """\
flowchart LR
  n0["module app.matching"]:::ldroot
  n1["app.#95;#95;all#95;#95;<br/>owner: dict, 1,512 entries"]:::ldowner
  n2["app.matching.Result"]:::ldgrown
  n0 -->|"_inflight"| n1
  n1 -->|"#91;#42;#93;"| n2
  classDef ldroot fill:#f4f5f7,stroke:#545b64,color:#1a1d21
  classDef ldowner fill:#fdecea,stroke:#b3261e,color:#1a1d21,stroke-width:2px
  classDef ldgrown fill:#e8f0fe,stroke:#0b57d0,color:#1a1d21
"""
    )


@pytest.mark.parametrize("use_graphviz", [False, pytest.param(True, marks=needs_dot)])
def test_svg_stands_for_itself(*, use_graphviz: bool) -> None:
    """An SVG has words for those who cannot see it, colours for dark pages, and nothing that could clash or load."""
    shown = svg_text(picture_of(finding()), use_graphviz=use_graphviz)
    root = ET.fromstring(shown)  # noqa: S314 - it is ours

    assert root.get("role") == "img"
    assert "app.matching._inflight grows" in (root.findtext(f"{SVG}title") or "")
    assert "module app.matching refers by _inflight to app.matching._inflight" in (root.findtext(f"{SVG}desc") or "")
    assert "prefers-color-scheme: dark" in (root.findtext(f"{SVG}style") or "")
    assert [text.text for text in root.iter(f"{SVG}text")][1:] == [
        "module app.matching",
        "app.matching._inflight",
        "owner: dict, 1,512 entries",
        "app.matching.Result",
        "+505, 23.7 KiB",
        "dict",
        "+505, 90.8 KiB",
        "app.matching.Driver",
        "+505, 43.0 KiB",
        "_inflight",
        "×1,010",  # noqa: RUF001
        "[*]",
    ]
    assert not any(node.get("id") for node in root.iter())


def _overlapping(boxes: Sequence[Box]) -> list[tuple[str, str]]:
    return [
        (a.node.name, b.node.name)
        for a, b in combinations(boxes, 2)
        if a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height
    ]


def _outside(layout: Layout) -> list[str]:
    slack = 1.0
    return [
        box.node.name
        for box in layout.boxes
        if box.x < -slack
        or box.y < -slack
        or box.x + box.width > layout.width + slack
        or box.y + box.height > layout.height + slack
    ]


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 120), st.integers(0, 1_000))
def test_no_box_covers_another_and_all_are_in_the_picture(nodes: int, seed: int) -> None:
    """Our own columns give each box a place of its own, whatever refers to what."""
    picture = picture_of_graph(heap(nodes, seed=seed))

    layout = columns.placed(picture)

    assert _overlapping(layout.boxes) == []
    assert _outside(layout) == []
    assert len(layout.arrows) == len(picture.edges)


@needs_dot
@pytest.mark.parametrize("nodes", [2, 5, 40, 500])
def test_graphviz_places_the_same_boxes_and_arrows(nodes: int) -> None:
    """What Graphviz says of places is read back for every box and every arrow, in the right direction."""
    picture = picture_of_graph(heap(nodes))

    layout = graphviz.placed(picture)

    assert layout is not None
    assert _overlapping(layout.boxes) == []
    assert [arrow.edge for arrow in layout.arrows] == list(picture.edges)
    assert all(_ends_at(layout, number) for number in range(len(layout.arrows)))


def _ends_at(layout: Layout, number: int) -> bool:
    arrow = layout.arrows[number]
    box = next(box for box in layout.boxes if box.node.name == arrow.edge.target)
    x, y = arrow.points[-1]
    return box.x - 2 <= x <= box.x + box.width + 2 and box.y - 2 <= y <= box.y + box.height + 2


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 60), st.integers(0, 1_000))
def test_without_the_edges_that_lead_back_no_circle_is_left(nodes: int, seed: int) -> None:
    """Every edge that leads back closes a circle, and all circles are opened."""
    picture = picture_of_graph(heap(nodes, seed=seed))
    back = back_edges(picture)
    graph = picture.graph()

    assert all(nx.has_path(graph, target, source) for source, target in back)
    graph.remove_edges_from(back)
    assert nx.is_directed_acyclic_graph(graph)


# -- drawing ---------------------------------------------------------------------------------------


def test_a_drawing_shows_itself_and_an_svg_says_what_it_is() -> None:
    """At a prompt a tree is seen; an SVG is one line, and a picture in a notebook."""
    tree, svg = draw(finding()), draw(finding(), "svg")

    assert repr(tree) == str(tree)
    assert repr(svg).startswith("<SVG 5 nodes, ")
    assert repr(svg).endswith(" KiB: .save('path.svg') writes it>")
    assert svg._repr_mimebundle_()["image/svg+xml"].startswith("<svg ")


@pytest.mark.parametrize("style", [style for style in STYLES if style != "objgraph"])
def test_every_style_draws_a_finding_the_same_way_twice(style: str) -> None:
    """Two drawings of one finding are equal."""
    assert draw(finding(), style) == draw(finding(), style)
    assert draw(finding(), style) != ""


def test_a_style_that_is_none_is_refused() -> None:
    """The refusal names those there are."""
    with pytest.raises(BadOption, match=r"style='png' cannot work: style must be one of tree, ascii, dot, mermaid"):
        draw(finding(), "png")
    with pytest.raises(BadOption, match="one of tree, ascii, dot, mermaid, svg"):
        draw_graph(nx.DiGraph(), "treemap")


@pytest.mark.parametrize("style", OF_GRAPHS)
def test_what_no_object_holds_cannot_be_drawn(style: str) -> None:
    """Growth of the C heap has no path; the refusal says where more is told."""
    native = finding(
        verdict=Verdict.NATIVE,
        owner=None,
        owner_type="C heap",
        path=steps("C heap: native"),
        depth=1,
        types=(),
        graph=None,
    )

    with pytest.raises(NothingToDraw, match=r"The finding 3f9a2c cannot be drawn: .*Finding\.why\(\) has what"):
        draw(native, style)


def test_objects_without_an_owner_are_drawn_from_where_the_path_begins() -> None:
    """What C code holds has a path that says so."""
    way = steps("held by C code: native", "app.Token: app.Token", ".parts: list")
    orphan = finding(owner=None, owner_type="app.Token", path=way, depth=1, graph=None, types=())

    assert draw(orphan).splitlines()[-3:] == ["held by C code", "└─ app.Token: app.Token", "   └─ parts: list"]


def test_a_graph_of_ones_own_is_drawn() -> None:
    """``draw_graph`` takes any graph whose nodes say what they are."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_node("a", kind="root", said="module app")
    graph.add_node("b", kind="step", said="dict", note="3 entries")
    graph.add_edge("a", "b", label=".names")

    assert draw_graph(graph, title="who keeps it") == "who keeps it\n\nmodule app\n└─ names: dict  3 entries"
    with pytest.raises(NothingToDraw, match="The graph cannot be drawn: it has no nodes"):
        draw_graph(nx.DiGraph())


@needs_dot
def test_objgraphs_picture_needs_leave() -> None:
    """It reads keys and runs code of the program: without a yes it is refused, and nothing was touched."""
    with pytest.raises(ValuesNotAllowed, match="The style objgraph would show keys and values of the program"):
        draw(finding(), "objgraph", show_values=False)


def test_without_graphviz_objgraphs_picture_names_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said, and what there is instead, before anybody is asked."""
    monkeypatch.setenv("PATH", "")

    with pytest.raises(NothingToDraw, match="Install Graphviz, which has dot; the styles tree, ascii, dot, mermaid"):
        draw(finding(), "objgraph", show_values=True)


def test_without_graphviz_an_svg_is_drawn_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own columns take its place."""
    monkeypatch.setenv("PATH", "")

    assert draw(finding(), "svg") == svg_text(picture_of(finding()), use_graphviz=False)


def test_a_picture_tells_how_much_it_is() -> None:
    """Its repr counts and shows nothing."""
    assert repr(picture_of(finding())) == "<Picture 5 nodes, 5 edges>"
    assert repr(Picture("", ())) == "<Picture 0 nodes, 0 edges>"
    assert attrs.asdict(picture_of(finding()))["left_out"] == ""


def test_of_a_graph_without_end_a_part_is_drawn() -> None:
    """More nodes than can be compared are left out, and the title says how many."""
    graph: nx.DiGraph[Any] = nx.DiGraph()
    graph.add_node("root", kind="root", said="module app")
    for number in range(20_000):
        graph.add_node(number, kind="step", said=f"app.Class{number}")
        graph.add_edge("root" if number < 40 else number % 40, number, label="[*]")
    picture = picture_of_graph(graph, "everything")

    assert picture.title == "everything (without 19,001 more nodes)"
    assert len(picture.nodes) <= 40
