"""The parts of a picture: nodes and edges, as texts and numbers that are safe to show."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import networkx as nx

from leakdiff.render.plain import size

KINDS = ("root", "step", "owner", "grown", "more")
TIMES = "×"  # noqa: RUF001 - it is the sign, before a number
SOMEHOW = "…"  # the label of an edge where there is a way, but which is not known


@attrs.frozen
class Node:
    """One box of a picture.

    Attributes:
        name: Its name within the picture: ``n0``, ``n1`` and so on.
        kind: ``root``, ``step``, ``owner``, ``grown`` or ``more``.
        said: What it is, printable and of bounded length: a type's name, an owner's.
        count: New objects that it stands for, where they are counted.
        bytes: Their shallow bytes.
        note: A few words more: how many, how large.
        alike: Nodes that it stands for.
    """

    name: str
    kind: str
    said: str
    count: int | None = None
    bytes: int | None = None
    note: str = ""
    alike: int = 1

    def rank(self) -> tuple[int, int, str, str]:
        """Return what the heaviest come first by; a total order."""
        return -(self.bytes or 0), -(self.count or 0), self.said, self.name


@attrs.frozen
class Edge:
    """One arrow of a picture.

    Attributes:
        source: The name of the node that refers.
        target: The name of the one that it refers to.
        label: By what: an attribute, ``[*]``; empty where only types are known.
        count: References that it stands for.
        tells: Whether that number says more than the one at its target does.
    """

    source: str
    target: str
    label: str = ""
    count: int | None = None
    tells: bool = True

    @property
    def said(self) -> str:
        """Its label and how many it stands for, in a few characters."""
        many = f"{TIMES}{self.count:,}" if self.tells and (self.count or 1) > 1 else ""
        return " ".join(text for text in (self.label, many) if text)


@attrs.frozen
class Picture:
    """What is drawn.

    Attributes:
        title: What it shows, in a line.
        nodes: Its boxes.
        edges: Its arrows.
        left_out: What is not drawn one by one, in a sentence; empty if everything is.
    """

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] = ()
    left_out: str = ""

    def __repr__(self) -> str:
        return f"<Picture {len(self.nodes)} nodes, {len(self.edges)} edges>"

    def graph(self) -> nx.DiGraph[str]:
        """Return it as a graph of names."""
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(node.name for node in self.nodes)
        graph.add_edges_from((edge.source, edge.target) for edge in self.edges)
        return graph

    def tops(self) -> tuple[Node, ...]:
        """Return where it starts: its roots; what nothing refers to where it has none; else its heaviest node."""
        roots = tuple(node for node in self.nodes if node.kind == "root")
        if roots:
            return roots
        below = {edge.target for edge in self.edges}
        free = tuple(node for node in self.nodes if node.name not in below)
        return free or tuple(sorted(self.nodes, key=Node.rank)[:1])

    def levels(self) -> dict[str, int]:
        """Return how many steps each node is from where the picture starts; what is not reached is at the start."""
        graph, levels = self.graph(), {node.name: 0 for node in self.tops()}
        for name in (pending := list(levels)):
            for below in graph.successors(name):
                if below not in levels:
                    levels[below] = levels[name] + 1
                    pending.append(below)
        return {node.name: levels.get(node.name, 0) for node in self.nodes}


def counted(count: int | None, bytes: int | None) -> str:  # noqa: A002 - as a node calls it
    """Return how many and how large, in a few characters."""
    return ", ".join([*([f"+{count:,}"] if count else []), *([size(bytes)] if bytes else [])])


def reached(graph: nx.DiGraph[str], starts: Iterable[str]) -> set[str]:
    """Return the nodes that some nodes lead to, with them."""
    found = set(starts)
    return found.union(*(nx.descendants(graph, start) for start in tuple(found)))
