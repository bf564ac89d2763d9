"""Names that mean something in the language of a picture, to a terminal or to a browser are shown, and do nothing."""

from __future__ import annotations

import itertools
import re
import subprocess
from xml.etree import ElementTree as ET

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakdiff.model.report import Finding, TypeGrowth
from leakdiff.render.pictures import graphviz
from leakdiff.render.pictures.dot import dot_text
from leakdiff.render.pictures.mermaid import mermaid_text
from leakdiff.render.pictures.names import bounded, columns
from leakdiff.render.pictures.parts import Picture
from leakdiff.render.pictures.picture import picture_of, picture_of_graph
from leakdiff.render.pictures.sparks import spark_svg
from leakdiff.render.pictures.svg import svg_text
from leakdiff.render.pictures.tree import tree_text
from leakdiff.render.pictures.treemap import bars_text, tiles_of, treemap_svg
from pictured import finding, steps, types
from strategies import texts

NASTY = (
    "<script>alert(1)</script>",
    '"/><image href="https://example.org/a.png" onload="alert(1)"/>',
    "]]><!--&lt;&#60;&amp;",
    "</title></desc></svg><style>*{display:none}</style>",
    "![a](javascript:alert(1)) [b](https://example.org) `c` **d** __init__",
    "```\n# heading\n1. list\n- list\n> quote",
    '"] ; rm [label=<<b>x</b>>, URL="https://example.org"]; } digraph { "',
    "\\N \\G \\l \\",
    '"]\nclick n0 href "https://example.org"\nn0["',
    "%%{init: {'theme': 'forest'}}%% end subgraph style classDef linkStyle n0 --> n1 #quot; #35; |x|",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J",
    "\u202eright to left\u202c \u2066x\u2069 \u200f",
    "\ud800 \udfff \ufffe \x00 \x85 \u2028",
    "\u05d0\u05d1 漢字漢字 \U0001f600 e\u0301\u0301\u0301",
    "x" * 3_000,
    "é\u202e" * 1_000,
    "",
    "owner dict",
)
NAMES = st.sampled_from(NASTY) | st.lists(st.sampled_from(NASTY) | texts, max_size=4).map(" ".join)
CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
LABEL = r"(?:[A-Za-z0-9 .,:_]|#[0-9]{1,7};|<br/>)*"
MERMAID = re.compile(
    "|".join(
        (
            r"flowchart LR",
            rf'  n\d+\["{LABEL}"\]:::ld(?:root|step|owner|grown|more)',
            rf'  n\d+ -->(?:\|"{LABEL}"\|)? n\d+',
            r"  classDef ld[a-z]+ [a-z0-9#,:\- ]+",
        )
    )
)


@st.composite
def hostile_findings(draw: st.DrawFn) -> Finding:
    """Return a finding in which every name comes from somebody who means no good."""
    owner, kind, first, second, label = (draw(NAMES) for _ in range(5))
    graph = types({first: (3, 300), second: (2, 200)}, {(f"owner {kind}", first): 3, (first, second): 2})
    return finding(
        owner=owner,
        owner_type=kind,
        path=steps("app: module") + steps(f"{label}: dict")[:1] + finding().path[2:],
        depth=2,
        types=(TypeGrowth(first, 1.0, 3), TypeGrowth(second, 1.0, 2)),
        graph=draw(st.sampled_from((graph, None))),
    )


@st.composite
def hostile_graphs(draw: st.DrawFn) -> nx.DiGraph[str]:
    """Return a graph with such names for its nodes, what is said of them and its edges."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name in names:
        graph.add_node(name, kind=draw(st.sampled_from(("root", "step", "odd"))), said=draw(NAMES), note=draw(NAMES))
    for source, target in itertools.pairwise(names):
        graph.add_edge(source, target, label=draw(NAMES))
    return graph


PICTURES = hostile_findings().map(picture_of) | st.tuples(hostile_graphs(), NAMES).map(
    lambda made: picture_of_graph(made[0], made[1])
)


@given(PICTURES)
def test_svg_holds_text_and_nothing_that_acts(picture: Picture) -> None:
    """The drawing parses as XML, has elements of ours alone, and neither script nor link nor control character."""
    _assert_harmless(svg_text(picture, use_graphviz=False))


@given(hostile_findings(), NAMES)
def test_treemaps_and_sparks_hold_text_and_nothing_that_acts(hostile: Finding, said: str) -> None:
    """The same for the other drawings."""
    _assert_harmless(treemap_svg(tiles_of(hostile), said))
    _assert_harmless(spark_svg([(0, 1), (1, 2)], said))


def _assert_harmless(shown: str) -> None:
    known = {"svg", "title", "desc", "style", "g", "rect", "path", "polygon", "polyline", "text"}
    root = ET.fromstring(shown)  # noqa: S314 - whether it parses is the question
    attributes = {name for node in root.iter() for name in node.keys()}  # noqa: SIM118 - an element is no dict

    assert {node.tag.rpartition("}")[2] for node in root.iter()} <= known
    assert not any(name.startswith("on") or "href" in name for name in attributes)
    assert shown.count("<style>") == 1
    assert CONTROLS.search(shown.replace("\n", "")) is None
    assert "url(" not in re.sub(r">[^<]*<", "><", shown)
    assert len(shown) < 60_000


@given(PICTURES)
def test_mermaid_has_lines_of_known_kinds_alone(picture: Picture) -> None:
    """No line is more than a node, an arrow or a colour: no directive, no click, no link."""
    shown = mermaid_text(picture)

    assert [line for line in shown.splitlines() if not MERMAID.fullmatch(line)] == []
    assert shown.splitlines() == shown.split("\n")[:-1]


@pytest.mark.skipif(not graphviz.is_installed(), reason="needs Graphviz: apt-get install graphviz")
@settings(max_examples=25)
@given(PICTURES)
def test_dot_accepts_the_description_and_sees_our_nodes_alone(picture: Picture) -> None:
    """Graphviz finds as many nodes and edges as there are, under the names that we gave them."""
    ended = subprocess.run(
        ["dot", "-Tplain"],  # noqa: S607
        input=dot_text(picture).encode(),
        capture_output=True,
        check=True,
        timeout=20,
    )
    rows = [line.split(" ") for line in ended.stdout.decode().splitlines()]

    assert sorted(row[1] for row in rows if row[0] == "node") == sorted(node.name for node in picture.nodes)
    assert sorted((row[1], row[2]) for row in rows if row[0] == "edge") == sorted(
        (edge.source, edge.target) for edge in picture.edges
    )


@given(PICTURES)
def test_dot_quotes_every_name(picture: Picture) -> None:
    """No line is more than a node, an edge or a default, and a label ends where we end it."""
    quoted = r'"(?:[^"\\\n]|\\\\|\\"|\\n)*"'
    line = re.compile(
        rf"digraph leakdiff \{{|\}}|  (?:graph|node|edge|n\d+(?: -> n\d+)?)(?: \[(?:\w+=(?:{quoted}|\w+)(?:, )?)+\])?;"
    )

    assert [text for text in dot_text(picture).splitlines() if not line.fullmatch(text)] == []


@given(PICTURES, st.sampled_from((40, 80, 200)), st.booleans())
def test_trees_are_printable_and_as_wide_as_they_may_be(picture: Picture, width: int, ascii_only: bool) -> None:  # noqa: FBT001
    """A terminal shows every line as it is, and in one line."""
    shown = tree_text(picture, width, ascii=ascii_only)

    assert all(line.isprintable() for line in shown.split("\n"))
    assert max(map(columns, shown.split("\n"))) <= width
    assert shown.isascii() or not ascii_only


@given(hostile_findings(), NAMES, st.sampled_from((40, 80, 200)), st.booleans())
def test_bars_are_printable_and_as_wide_as_they_may_be(
    hostile: Finding,
    said: str,
    width: int,
    ascii_only: bool,  # noqa: FBT001
) -> None:
    """The same for the bars of text."""
    shown = bars_text(tiles_of(hostile), said, width, ascii=ascii_only)

    assert all(line.isprintable() for line in shown.split("\n"))
    assert max(map(columns, shown.split("\n"))) <= width
    assert shown.isascii() or not ascii_only


@pytest.mark.parametrize("char", ["x", "\x1b", "é", "漢", "\ud800", "<"])
def test_a_name_of_ten_megabytes_is_cut_before_it_is_read(char: str) -> None:
    """What is kept of it is short, whatever it is made of."""
    name = char * 10_000_000

    assert len(bounded(name)) <= 200
    assert len(svg_text(picture_of(finding(owner=name)), use_graphviz=False)) < 20_000
