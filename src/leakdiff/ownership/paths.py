"""Paths that lead to one object, together: a small graph of names."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx

from leakdiff.model.heap import Step


def graph_of_paths(paths: Sequence[Sequence[Step]], end: str) -> nx.DiGraph[str]:
    """Return a graph from the roots of some paths to where all of them end.

    Nodes are names. A node's ``kind`` is ``root``, ``step``, ``owner`` (which refers to the end itself) or ``grown``
    (the end), its ``said`` is its type; an edge's ``label`` is how one refers to the next.

    Args:
        paths: Each from its root to the end.
        end: What the end is called.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    for path in paths:
        _add(graph, path, end)
    return graph


def _add(graph: nx.DiGraph[str], path: Sequence[Step], end: str) -> None:
    root, *rest = path
    goal = f"{end} "  # a node of its own, also where a class of this name is a root
    name = goal if root.label == "itself" else f"{root.type} {root.label}"
    graph.add_node(goal, kind="grown", said=end)
    if name != goal:
        graph.add_node(name, kind="root", said=root.type)
    for step in rest[:-1]:
        below = f"{name}{step.label}"
        if below not in graph:
            graph.add_node(below, kind="step", said=step.type)
        graph.add_edge(name, below, label=step.label.strip())
        name = below
    if graph.nodes[name]["kind"] == "step":
        graph.nodes[name]["kind"] = "owner"
    graph.add_edge(name, goal, label=rest[-1].label.strip() if rest else "")
