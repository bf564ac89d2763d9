"""Findings and graphs to draw, made of a few words each."""

from __future__ import annotations

import random
from typing import Any

import networkx as nx

from leakdiff.model.heap import Step
from leakdiff.model.report import Finding, TypeGrowth, Verdict
from leakdiff.model.signals import Rate


def finding(**known: Any) -> Finding:
    """Return the finding of a map of requests, with the graph of types under it."""
    made: dict[str, Any] = {
        "verdict": Verdict.LEAK,
        "because": "grew in every round",
        "fingerprint": "3f9a2c",
        "owner": "app.matching._inflight",
        "owner_type": "dict",
        "length": 1512,
        "path": steps("app.matching: module", "._inflight: dict", "[*]: app.matching.Result"),
        "depth": 2,
        "types": (TypeGrowth("app.matching.Result", 1.0, 505), TypeGrowth("dict", 1.0, 505)),
        "key_shape": "str 'req-' + 8 hex",
        "sites": (),
        "per_unit": Rate(objects=3.0, bytes=2355.0),
        "entries_per_unit": 1.0,
        "per_entry": 2355.0,
        "graph": types(
            {"app.matching.Result": (505, 24_240), "dict": (505, 93_000), "app.matching.Driver": (505, 44_000)},
            {
                ("owner dict", "app.matching.Result"): 505,
                ("app.matching.Result", "dict"): 505,
                ("app.matching.Result", "app.matching.Driver"): 1010,
                ("app.matching.Driver", "app.matching.Result"): 505,
            },
        ),
    }
    return Finding(**(made | known))


def steps(*texts: str) -> tuple[Step, ...]:
    """Return steps by their texts, ``label: type``."""
    parts = (text.rpartition(": ") for text in texts)
    return tuple(Step(label, kind) for label, _, kind in parts)


def types(weights: dict[str, tuple[int, int]], edges: dict[tuple[str, str], int]) -> nx.DiGraph[str]:
    """Return a graph of types as ownership makes it: counts and bytes, and the references between them."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, (count, much) in weights.items():
        graph.add_node(name, count=count, bytes=much)
    for (source, target), count in edges.items():
        graph.add_edge(source, target, count=count)
    return graph


def heap(nodes: int, kinds: int = 30, seed: int = 1) -> nx.DiGraph[int]:
    """Return a graph of so many nodes of so many types under one owner, with some ways that meet and some circles."""
    chosen = random.Random(seed)  # noqa: S311 - it makes pictures
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_node(0, kind="root", said="module app")
    graph.add_node(1, kind="owner", said="app._orders", note="owner: dict, 303 entries")
    graph.add_edge(0, 1, label="._orders")
    for node in range(2, nodes):
        said = f"app.part{node % 7}.Type{chosen.randrange(kinds)}"
        graph.add_node(node, kind="grown", said=said, count=node % 9 + 1, bytes=chosen.randrange(50, 90_000))
        above = range(max(1, node // 4), node)
        for source in {chosen.choice(above), chosen.choice(above)}:
            graph.add_edge(source, node, label=chosen.choice(("", ".driver", "[*]")), count=chosen.randrange(1, 9))
        if node > 3 and chosen.random() < 0.05:
            graph.add_edge(node, chosen.randrange(2, node))
    return graph
