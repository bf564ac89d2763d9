"""Paths that lead to one object, together: a small graph of names."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx

from leakdiff.model.heap import Step


def graph_of_paths(paths: Sequence[Sequence[Step]], end: str) -> nx.DiGraph[str]:
    """Return a graph from the roots of some paths to where all of them end.

    Nodes are names. A node's ``kind`` is ``root``, ``step``, ``owner`` (which refers to the end itself) or ``grown``
    (the end); its ``said`` is its type, of an owner its name, and the ``note`` its type; an edge's ``label`` is how one
    refers to the next.

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
    graph.add_node(goal, kind="grown", said=end)
    at, name = goal, "itself"
    if root.type != "object":
        at, name = f"{root.type} {root.label}", root.label
        graph.add_node(at, kind="root", said=at)
    for step in rest[:-1]:
        above, at, name = at, f"{at}{step.label}", f"{name}{step.label}"
        if at not in graph:
            graph.add_node(at, kind="step", said=step.type)
        graph.add_edge(above, at, label=step.label.strip())
    known = graph.nodes[at]
    if known["kind"] == "step":
        known.update(kind="owner", said=name, note=known["said"])
    graph.add_edge(at, goal, label=rest[-1].label.strip() if rest else "")
