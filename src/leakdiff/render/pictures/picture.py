"""What a picture shows, whatever it is drawn with: the path from a root over the owner, and the types under it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import attrs
import networkx as nx

from leakdiff.model.heap import Step
from leakdiff.model.report import Finding
from leakdiff.render.pictures.collapse import fewer
from leakdiff.render.pictures.names import bounded
from leakdiff.render.pictures.parts import KINDS, SOMEHOW, Edge, Node, Picture, counted, reached
from leakdiff.render.text import claim

MOST = 40  # nodes of a picture that a person still reads
_MOST_READ = 1_000  # nodes of a graph that are looked at: what is alike among them is found in about a second
_LONGEST_WAY = 8  # steps down to the owner; of more, those in the middle are left out
_FIRST_STEPS = 3
NAMELESS = "(no name)"


def picture_of(finding: Finding, most: int = MOST) -> Picture:
    """Return the picture of a finding: the path from the root over the owner to what grows, and the types around that.

    Args:
        finding: What is drawn.
        most: Nodes at most; what is alike becomes one, and the lightest types one that says how many they are.
    """
    sheet = _Sheet()
    way = _draw_way(sheet, finding)
    _draw_types(sheet, finding, way)
    _draw_tail(sheet, finding, way[-1] if way else None)
    if not finding.graph and way:
        _draw_names(sheet, finding, way[-1])
    return fewer(_whole(sheet.picture(_title(finding))), most)


def _title(finding: Finding) -> str:
    """Return what the finding says; names of megabytes are cut before."""
    owner = None if finding.owner is None else bounded(finding.owner)
    first = tuple(attrs.evolve(growth, name=bounded(growth.name)) for growth in finding.types[:1])
    short = attrs.evolve(finding, owner=owner, types=first)
    return bounded(f"{finding.verdict} {claim(short)} [{finding.fingerprint}]")


def picture_of_graph(graph: nx.DiGraph[Any], title: str = "", most: int = MOST) -> Picture:
    """Return the picture of a graph of leakdiff's own, whose nodes have a ``kind`` and what is ``said`` of them.

    Args:
        graph: Its nodes may also have a ``note``, ``count`` and ``bytes``; its edges a ``label`` and ``count``: texts
            and numbers. It is not made for graphs of others.
        title: What it shows.
        most: Nodes at most, as for ``picture_of``.
    """
    sheet = _Sheet()
    nodes = sorted(graph.nodes(data=True), key=_by_what_is_said)
    for name, known in nodes[:_MOST_READ]:
        told = {part: known.get(part) for part in ("count", "bytes")}
        kind = known.get("kind", "step")
        note = known.get("note") or counted(**told)
        sheet.node(name, kind if kind in KINDS else "step", _said(name, known), note=note, **told)
    edges = (edge for edge in graph.edges(data=True) if edge[0] in sheet.nodes and edge[1] in sheet.nodes)
    for source, target, known in sorted(edges, key=lambda edge: (str(edge[0]), str(edge[1]))):
        sheet.edge(source, target, known.get("label", ""), known.get("count"))
    picture = fewer(_whole(sheet.picture(bounded(title))), most)
    left = len(nodes) - _MOST_READ
    return (
        attrs.evolve(picture, title=f"{picture.title} (without {left:,} more nodes)".strip()) if left > 0 else picture
    )


def _by_what_is_said(node: tuple[Any, Mapping[str, Any]]) -> tuple[int, str, str]:
    name, known = node
    kind = known.get("kind", "step")
    return KINDS.index(kind) if kind in KINDS else len(KINDS), _said(name, known), str(name)


def _said(name: object, known: Mapping[str, Any]) -> str:
    return str(known.get("said") or name)


class _Sheet:
    """A picture while it is made: its nodes by keys of any kind, in the order in which they came."""

    def __init__(self) -> None:
        self.nodes: dict[Hashable, Node] = {}
        self.edges: dict[tuple[Hashable, Hashable], Edge] = {}
        self._itself: set[Hashable] = set()

    def node(self, key: Hashable, kind: str, said: str, **known: Any) -> None:
        """Add a node, under a name of our own: the program's could be anything."""
        note = bounded(known.pop("note", ""))
        self.nodes[key] = Node(f"n{len(self.nodes)}", kind, bounded(said) or NAMELESS, note=note, **known)

    def edge(self, source: Hashable, target: Hashable, label: str = "", count: int | None = None) -> None:
        """Add an edge; one from a node to itself becomes part of what is said of the node."""
        if source == target:
            self._itself.add(source)
            return
        before = self.edges.get((source, target))
        named = bounded(label.strip().removeprefix("."))
        ends = self.nodes[source].name, self.nodes[target].name
        if before is None:
            self.edges[source, target] = Edge(*ends, named, count)
        elif named and not before.label:
            self.edges[source, target] = attrs.evolve(before, label=named)

    def picture(self, title: str) -> Picture:
        """Return what was drawn."""
        nodes = (self._noted(key, node) for key, node in self.nodes.items())
        return Picture(title, tuple(nodes), tuple(self.edges.values()))

    def _noted(self, key: Hashable, node: Node) -> Node:
        told = [node.note] if node.note else []
        if key in self._itself:
            told.append("they hold each other" if (node.count or 2) > 1 else "it holds itself")
        return attrs.evolve(node, note=", ".join(told))


# -- the way down to the owner ---------------------------------------------------------------------


def _draw_way(sheet: _Sheet, finding: Finding) -> list[Hashable]:
    """Draw the steps from the root to the owner; return their keys, that of the owner last."""
    steps = finding.path[: max(1, finding.depth)]
    keys: list[Hashable] = []
    for number, step in _shortened(steps):
        key: Hashable = ("way", number)
        if step is None:
            sheet.node(key, "more", f"and {len(steps) - _LONGEST_WAY:,} more steps")
        else:
            _draw_step(sheet, finding, key, number)
        if keys:
            sheet.edge(keys[-1], key, step.label if step else "")
        keys.append(key)
    return keys


def _shortened(steps: tuple[Step, ...]) -> Iterator[tuple[int, Step | None]]:
    """Yield steps with their numbers, and None once in the place of those that are too many."""
    last = len(steps) - (_LONGEST_WAY - _FIRST_STEPS)
    for number, step in enumerate(steps):
        if number < _FIRST_STEPS or number >= last:
            yield number, step
        elif number == _FIRST_STEPS:
            yield number, None


def _draw_step(sheet: _Sheet, finding: Finding, key: Hashable, number: int) -> None:
    step = finding.path[number]
    if finding.owner is not None and number == finding.depth - 1:
        held = f", {finding.length:,} entries" if finding.entries_per_unit is not None else ""
        sheet.node(key, "owner", finding.owner, note=f"owner: {finding.owner_type}{held}")
    elif number == 0:
        sheet.node(key, "root", step.label if step.type == "native" else f"{step.type} {step.label}")
    else:
        sheet.node(key, "step", step.type)


# -- what lies under it ----------------------------------------------------------------------------


def _draw_types(sheet: _Sheet, finding: Finding, way: list[Hashable]) -> None:
    """Draw the graph of types; what it calls the owner is a step of the way."""
    graph = finding.graph
    if graph is None or not way:
        return
    keys: dict[str, Hashable] = {}
    for name, known in graph.nodes(data=True):
        if "count" not in known:  # the holder, which is not new
            keys[name] = _holder(finding, way, name.removeprefix("owner "))
            continue
        keys[name] = ("type", name)
        _draw_type(sheet, name, known["count"], known.get("bytes"))
    for source, target, known in graph.edges(data=True):
        if not _is_way(finding, keys[source], target):
            sheet.edge(keys[source], keys[target], count=known.get("count"))


def _draw_type(sheet: _Sheet, name: str, count: int, much: int | None = None) -> None:
    sheet.node(("type", name), "grown", name, count=count, bytes=much, note=counted(count, much))


def _holder(finding: Finding, way: list[Hashable], kind: str) -> Hashable:
    """Return the step that holds what is new: the last of its type, at the owner or above."""
    for number in range(min(finding.depth, len(finding.path)) - 1, -1, -1):
        if ("way", number) in way and finding.path[number].type.partition(" ")[0] == kind:
            return "way", number
    return way[-1]


def _is_way(finding: Finding, holder: Hashable, kind: str) -> bool:
    """Tell whether an edge from above the owner to a type is the step to the next one, which is drawn as such."""
    steps = (("way", number) for number in range(finding.depth - 1))
    return any(step == holder and finding.path[step[1] + 1].type == kind for step in steps)


def _draw_tail(sheet: _Sheet, finding: Finding, owner: Hashable | None) -> None:
    """Draw the steps from the owner to the growing object, which are of the types that are drawn, where they are."""
    above = owner
    for step in finding.path[max(1, finding.depth) :]:
        key = _type_drawn(sheet, step.type)
        if key not in sheet.nodes:
            sheet.node(key, "grown", step.type)
        if above is not None:
            sheet.edge(above, key, step.label)
        above = key


def _type_drawn(sheet: _Sheet, kind: str) -> Hashable:
    """Return the key of a type by what a path calls it: ``generator read()``, ``class X``."""
    word = kind.partition(" ")[0]
    tried = (kind, "type" if word == "class" else word)
    return next((("type", name) for name in tried if ("type", name) in sheet.nodes), ("type", kind))


def _draw_names(sheet: _Sheet, finding: Finding, owner: Hashable) -> None:
    """Draw the types that grow under an owner, where no graph says how they hang together."""
    for growth in finding.types:
        known = sheet.nodes.get(("type", growth.name))
        if known is None:
            _draw_type(sheet, growth.name, growth.count)
            sheet.edge(owner, ("type", growth.name), SOMEHOW)
        else:
            sheet.nodes["type", growth.name] = attrs.evolve(known, count=growth.count, note=f"+{growth.count:,}")


def _whole(picture: Picture) -> Picture:
    """Join to the first owner or root what no drawn edge leads to; the edges that do were too many to be kept."""
    tops = picture.tops()
    if not tops:
        return picture
    owner = next((node for node in picture.nodes if node.kind == "owner"), tops[0])
    graph = picture.graph()
    seen = reached(graph, [node.name for node in tops])
    added = []
    for node in sorted(picture.nodes, key=lambda node: (graph.in_degree(node.name) > 0, *node.rank())):
        if node.name not in seen:
            added.append(Edge(owner.name, node.name, SOMEHOW))
            seen |= reached(graph, [node.name])
    return attrs.evolve(picture, edges=(*picture.edges, *added))
