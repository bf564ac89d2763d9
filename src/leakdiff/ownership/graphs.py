"""The graph of a finding, made of names and numbers that were written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import networkx as nx


def graph_of(
    nodes: Sequence[tuple[str, Mapping[str, int]]], edges: Sequence[tuple[str, str, Mapping[str, int]]]
) -> nx.DiGraph[str]:
    """Return a graph like the one that was written down, its nodes in the same order.

    Args:
        nodes: Names, each with what is counted of it.
        edges: From which name to which, with what is counted of it.
    """
    made: nx.DiGraph[str] = nx.DiGraph()
    made.add_nodes_from((name, dict(known)) for name, known in nodes)
    made.add_edges_from((source, target, dict(known)) for source, target, known in edges)
    return made
