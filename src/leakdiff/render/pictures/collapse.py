"""Fewer nodes: what is alike becomes one, then what holds each other in a circle, then the lightest of what is left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import attrs
import networkx as nx

from leakdiff.render.pictures.names import bounded
from leakdiff.render.pictures.parts import SOMEHOW, Edge, Node, Picture, counted

_LOOKS = (4, 2, 1, 0)  # how far around two nodes may be looked at before they count as alike
_NAMED = 2  # types of a circle that are named
_EDGES_PER_NODE = 2

Groups = Mapping[str, Hashable]  # by the name of a node, what is the same for those that become one
Say = Callable[[Sequence[Node]], Node]  # makes one node of several, the heaviest first


def fewer(picture: Picture, most: int) -> Picture:
    """Return a picture with so many nodes at most; one that is small enough as it is."""
    drawn = _few_nodes(picture, most)
    told = []
    if len(drawn.nodes) < len(picture.nodes):
        told.append(f"{sum(node.alike for node in picture.nodes):,} nodes are drawn as {len(drawn.nodes):,}")
    kept = _few_edges(drawn, _EDGES_PER_NODE * most)
    counts = {node.name: node.count for node in drawn.nodes}
    if len(kept) < len(drawn.edges):
        told.append(f"{len(drawn.edges) - len(kept):,} lighter edges are left out")
    edges = tuple(attrs.evolve(edge, tells=edge.count != counts[edge.target]) for edge in kept)
    return attrs.evolve(drawn, edges=edges, left_out="; ".join(told))


def _few_nodes(picture: Picture, most: int) -> Picture:
    drawn = picture
    for look in _LOOKS:
        if len(drawn.nodes) <= most:
            return drawn
        drawn = _joined(picture, _alike(picture, look), _as_alike)
    if len(drawn.nodes) > most:
        drawn = _joined(drawn, _circles(drawn), _as_circle)
    return drawn if len(drawn.nodes) <= most else _joined(drawn, _lightest(drawn, most), _as_rest)


# -- which nodes become one ------------------------------------------------------------------------


def _alike(picture: Picture, look: int) -> Groups:
    """Return a fingerprint of each node: its kind, its name, its distance, and those of its neighbours, so far out."""
    levels = picture.levels()
    prints = _numbered({node.name: (node.kind, node.said, levels[node.name]) for node in picture.nodes})
    for _ in range(look):
        around: defaultdict[str, set[tuple[int, str, int]]] = defaultdict(set)
        for edge in picture.edges:
            around[edge.source].add((0, edge.label, prints[edge.target]))
            around[edge.target].add((1, edge.label, prints[edge.source]))
        prints = _numbered({name: (number, *sorted(around[name])) for name, number in prints.items()})
    return prints


def _numbered(prints: Mapping[str, tuple[object, ...]]) -> dict[str, int]:
    """Return small numbers in the place of fingerprints, equal where they are."""
    numbers: dict[tuple[object, ...], int] = {}
    return {name: numbers.setdefault(each, len(numbers)) for name, each in prints.items()}


def _circles(picture: Picture) -> Groups:
    """Return the same for types that hold each other in a circle."""
    kinds = {node.name: node.kind for node in picture.nodes}
    groups: dict[str, Hashable] = {node.name: node.name for node in picture.nodes}
    for circle in nx.strongly_connected_components(picture.graph()):
        if all(kinds[name] == "grown" for name in circle):
            groups.update(dict.fromkeys(circle, min(circle)))
    return groups


def _lightest(picture: Picture, most: int) -> Groups:
    """Return the same for the lightest nodes; the steps down to the owner stay, unless they are too many."""
    levels, weights = picture.levels(), _weights(picture)
    way = [node for node in picture.nodes if node.kind in ("root", "step", "owner")]
    stays = {node.name for node in way if len(way) <= most // 2 or node.kind == "owner"}

    def order(node: Node) -> tuple[object, ...]:
        return node.name not in stays, *weights[node.name], levels[node.name], node.said, node.name

    ordered = sorted(picture.nodes, key=order)
    return {node.name: node.name if number < most - 1 else "" for number, node in enumerate(ordered)}


def _weights(picture: Picture) -> Mapping[str, tuple[int, int]]:
    """Return what each node and those under it weigh, so that who stays has the way to it stay as well."""
    nodes, levels = {node.name: node for node in picture.nodes}, picture.levels()
    parents: dict[str, str] = {}
    for edge in picture.edges:
        if levels[edge.target] == levels[edge.source] + 1:
            parents.setdefault(edge.target, edge.source)
    weights = {name: node.rank()[:2] for name, node in nodes.items()}
    for name in sorted(nodes, key=lambda name: -levels[name]):
        if name in parents:
            above = weights[parents[name]]
            weights[parents[name]] = above[0] + weights[name][0], above[1] + weights[name][1]
    return weights


# -- making them one -------------------------------------------------------------------------------


def _joined(picture: Picture, groups: Groups, say: Say) -> Picture:
    """Return a picture in which the nodes of a group are one; the edges between two groups are one as well."""
    members: defaultdict[Hashable, list[Node]] = defaultdict(list)
    for node in picture.nodes:
        members[groups[node.name]].append(node)
    nodes = {group: say(sorted(held, key=Node.rank)) if len(held) > 1 else held[0] for group, held in members.items()}
    edges: defaultdict[tuple[str, str], list[Edge]] = defaultdict(list)
    for edge in picture.edges:
        source, target = nodes[groups[edge.source]].name, nodes[groups[edge.target]].name
        if source != target:
            edges[source, target].append(edge)
    joined = (_one_edge(*ends, held) for ends, held in edges.items())
    return _without_rest(Picture(picture.title, tuple(nodes.values()), tuple(joined)))


def _as_alike(nodes: Sequence[Node]) -> Node:
    counts = _counts(nodes)
    return attrs.evolve(_added_up(nodes), note=", ".join([f"{sum(node.alike for node in nodes):,} alike", *counts]))


def _as_circle(nodes: Sequence[Node]) -> Node:
    names = list(dict.fromkeys(node.said for node in nodes))
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    note = ", ".join([*_counts(nodes), "they hold each other"])
    return attrs.evolve(_added_up(nodes), said=bounded(", ".join(names[:_NAMED]) + more), note=note)


def _as_rest(nodes: Sequence[Node]) -> Node:
    what = "more types" if all(node.kind == "grown" for node in nodes) else "more"
    said = f"and {sum(node.alike for node in nodes):,} {what}"
    return attrs.evolve(_added_up(nodes), kind="more", said=said, note=", ".join(_counts(nodes)))


def _added_up(nodes: Sequence[Node]) -> Node:
    return attrs.evolve(
        nodes[0],
        count=_sum(node.count for node in nodes),
        bytes=_sum(node.bytes for node in nodes),
        alike=sum(node.alike for node in nodes),
    )


def _counts(nodes: Sequence[Node]) -> list[str]:
    told = counted(_sum(node.count for node in nodes), _sum(node.bytes for node in nodes))
    return [told] if told else []


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _one_edge(source: str, target: str, held: Sequence[Edge]) -> Edge:
    labels = {edge.label for edge in held}
    label = held[0].label if len(labels) == 1 else ""
    return Edge(source, target, label, _sum(edge.count for edge in held))


# -- edges -----------------------------------------------------------------------------------------


def _without_rest(picture: Picture) -> Picture:
    """Leave one edge to the many lightest, the topmost, and none from them: they would cross everything."""
    rest = {node.name for node in picture.nodes if node.kind == "more"}
    levels = picture.levels()
    edges = [edge for edge in picture.edges if edge.source not in rest and edge.target not in rest]
    referred = {edge.target for edge in edges}
    edges.extend(edge for edge in picture.edges if edge.source in rest and edge.target not in referred)
    for name in sorted(rest):
        held = [edge for edge in picture.edges if edge.target == name]
        held.sort(key=lambda edge: (levels[edge.source], -(edge.count or 0), edge.source))
        edges.extend(held if len(held) < 2 else [Edge(held[0].source, name, SOMEHOW)])
    return attrs.evolve(picture, edges=tuple(edges))


def _few_edges(picture: Picture, most: int) -> tuple[Edge, ...]:
    """Return the heaviest edges, and with them those without which something would hang in the air."""
    if len(picture.edges) <= most:
        return picture.edges
    levels = picture.levels()
    held: set[str] = set()
    needed: list[Edge] = []
    others: list[Edge] = []
    for edge in sorted(picture.edges, key=lambda edge: (-(edge.count or 0), edge.source, edge.target)):
        is_needed = edge.target not in held and levels[edge.target] == levels[edge.source] + 1
        (needed if is_needed else others).append(edge)
        held.update({edge.target} if is_needed else ())
    kept = {(edge.source, edge.target) for edge in [*needed, *others][:most]}
    return tuple(edge for edge in picture.edges if (edge.source, edge.target) in kept)
