"""Find where new objects pile up: accumulation points in the graph of holders and new objects."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import networkx as nx

from leakdiff.model.heap import OLD, HeapGraph
from leakdiff.model.owner import Accumulation

_MOST_CANDIDATES = 200
_MOST_DESCENT = 64
_DOMINANT = 0.8  # a child with this share of what lies below is followed downwards
_MOST_DRAWN = 60
_MOST_DIRECT = 16  # new references of a holder under whose few attributes a structure grows
_MOST_SEARCHED = 5_000
_ROOT = "root"
_NOTABLE_ENTRIES = 64
_NOTABLE_BYTES = 512
_SHARED = 0.5


@attrs.frozen
class _Candidate:
    """Holders that count as one owner, and what is new under them."""

    members: tuple[int, ...]
    reached: frozenset[int]
    entries: int
    buffer_bytes: int
    atoms: int
    rebuilt: bool = False

    @property
    def weight(self) -> int:
        return (0 if self.rebuilt else len(self.reached)) + self.atoms + self.buffer_bytes // 512


def find_accumulations(graph: HeapGraph) -> list[Accumulation]:
    """Return the places under which new objects accumulate, the heaviest first.

    An old object accumulates if it gained entries over the deep rounds, or if the objects born in
    every one of the rounds are still alive under one of its attributes, or if what stands there was replaced by
    something larger. A full cache that replaces its entries does none of that.
    """
    children = _children(graph)
    candidates = [candidate for members in _owners(graph) for candidate in _weigh(graph, members, children)]
    candidates.sort(key=lambda candidate: (-candidate.weight, candidate.members))
    dominated = _Dominators(graph, children)
    found = [_describe(graph, candidate, children, dominated) for candidate in candidates[:_MOST_CANDIDATES]]
    return _shared_out(_one_for_each_cause([*found, *_orphans(graph, children)]), graph)


def _children(graph: HeapGraph) -> Mapping[int, Sequence[int]]:
    children: defaultdict[int, list[int]] = defaultdict(list)
    for source, target in zip(graph.sources, graph.targets, strict=True):
        children[source].append(target)
    for node in range(graph.holders):
        if _is_inside_growing(graph, node):
            children[graph.inside[node]].append(node)
    return children


def _owners(graph: HeapGraph) -> Iterable[tuple[int, ...]]:
    """Group alike holders; leave out those that are part of a holder that grows itself."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for node in range(graph.holders):
        if not _is_inside_growing(graph, node):
            groups[graph.groups[node]].append(node)
    return [tuple(members) for members in groups.values()]


def _is_inside_growing(graph: HeapGraph, node: int) -> bool:
    above = graph.inside[node]
    while above >= 0:
        if graph.grown[above] > 0:
            return True
        above = graph.inside[above]
    return False


def _weigh(graph: HeapGraph, members: tuple[int, ...], children: Mapping[int, Sequence[int]]) -> list[_Candidate]:
    """Return what accumulates under some holders; nothing if they only replace what they hold."""
    gained = sum(graph.grown[node] for node in members)
    buffer_bytes = sum(graph.buffers[node] for node in members)
    direct = sum(1 for node in members for child in children.get(node, ()) if graph.births[child] != OLD)
    every_round = _gains_every_round(graph, members, children)
    reached = _reach(graph, members, children)
    if gained >= graph.rounds and (gained - direct >= graph.rounds or every_round):
        return [_Candidate(members, reached, gained, buffer_bytes, max(0, gained - direct))]
    if buffer_bytes > 0:
        return [_Candidate(members, frozenset(), 0, buffer_bytes, 0)]
    if gained >= graph.rounds and reached:  # a queue that is drained, but not enough: how its length goes on will tell
        return [_Candidate(members, reached, gained, 0, 0)]
    if every_round and all(graph.entries[node] - graph.grown[node] < graph.floor for node in members):  # unknown before
        return [_Candidate(members, reached, direct, 0, 0)]
    found = _rebuilt(graph, members, reached)
    is_namespace = not any(graph.containers[node] for node in members)
    is_head = direct <= _MOST_DIRECT * len(members) or not every_round
    if is_namespace and is_head and _survives_every_round(graph, reached):
        found.insert(0, _Candidate(members, reached, 0, 0, 0))
    elif not is_namespace and not found and _holds_heads_of_chains(graph, members, children):
        found.append(_Candidate(members, reached, len(reached), 0, 0))
    return found


def _holds_heads_of_chains(graph: HeapGraph, members: Iterable[int], children: Mapping[int, Sequence[int]]) -> bool:
    """Tell whether entries of the last round alone lead to objects of every round: each refers to the one before."""
    last = {child for node in members for child in children.get(node, ()) if graph.births[child] == graph.rounds}
    return bool(last) and _survives_every_round(graph, _reach(graph, last, children))


def _gains_every_round(graph: HeapGraph, members: Iterable[int], children: Mapping[int, Sequence[int]]) -> bool:
    """Tell whether a holder refers itself to objects of every round; the head of a chain does not."""
    direct = frozenset(child for node in members for child in children.get(node, ()))
    births = {graph.births[node] for node in direct}
    return births.issuperset(range(1, graph.rounds + 1))


def _rebuilt(graph: HeapGraph, members: tuple[int, ...], reached: frozenset[int]) -> list[_Candidate]:
    """Return a holder under which a large container or buffer was replaced by a larger one."""
    entries = sum(graph.entries[node] for node in reached if graph.entries[node] >= _NOTABLE_ENTRIES)
    size = sum(graph.buffers[node] for node in reached if graph.buffers[node] >= _NOTABLE_BYTES)
    more = entries - sum(graph.lost[node][0] for node in members)
    larger = size - sum(graph.lost[node][1] for node in members)
    lost_entries = any(graph.lost[node][0] for node in members)
    lost_bytes = any(graph.lost[node][1] for node in members)
    if lost_entries and more >= graph.rounds:
        return [_Candidate(members, reached, 0, 0, more, rebuilt=True)]
    if lost_bytes and larger >= graph.units:
        return [_Candidate(members, reached, 0, larger, 0, rebuilt=True)]
    return []


def _reach(graph: HeapGraph, start: Iterable[int], children: Mapping[int, Sequence[int]]) -> frozenset[int]:
    """Return the new objects under some nodes, and those under old objects that only new ones refer to."""
    seen: set[int] = set(start)
    pending = list(seen)
    while pending:
        for child in children.get(pending.pop(), ()):
            if child not in seen:
                seen.add(child)
                pending.append(child)
    return frozenset(node for node in seen if graph.births[node] != OLD)


def _survives_every_round(graph: HeapGraph, reached: frozenset[int]) -> bool:
    """Tell whether about as many objects of each round are alive: what is in flight is of the last one only."""
    births = Counter(graph.births[node] for node in reached)
    each = [births[number] for number in range(1, graph.rounds + 1)]
    return min(each) > 0 and min(each) * 3 >= max(each)


class _Dominators:
    """Dominators of the graph above and under the new objects, from networkx."""

    def __init__(self, graph: HeapGraph, children: Mapping[int, Sequence[int]]) -> None:
        drawn: nx.DiGraph[object] = nx.DiGraph()
        drawn.add_node(_ROOT)
        drawn.add_edges_from((_ROOT, node) for node in range(graph.holders) if not _is_inside_growing(graph, node))
        drawn.add_edges_from((node, child) for node, below in children.items() for child in below)
        drawn.add_edges_from((_ROOT, node) for node, _ in graph.orphans)
        parents = nx.immediate_dominators(drawn, _ROOT)
        self.below: defaultdict[object, list[int]] = defaultdict(list)
        for node, parent in parents.items():
            if node not in (_ROOT, parent):
                self.below[parent].append(node)
        self._graph = graph
        self._counts: dict[object, int] = {}
        self._bytes: dict[object, int] = {}
        for node in reversed(list(nx.dfs_preorder_nodes(self._tree(), _ROOT))):
            self._add_up(node)

    def _tree(self) -> nx.DiGraph[object]:
        tree: nx.DiGraph[object] = nx.DiGraph()
        tree.add_node(_ROOT)
        tree.add_edges_from((parent, node) for parent, nodes in self.below.items() for node in nodes)
        return tree

    def _add_up(self, node: object) -> None:
        is_new = isinstance(node, int) and self._graph.births[node] != OLD
        self._counts[node] = is_new + sum(self._counts[child] for child in self.below.get(node, ()))
        own = self._graph.sizes[node] if isinstance(node, int) and is_new else 0
        self._bytes[node] = own + sum(self._bytes[child] for child in self.below.get(node, ()))

    def count(self, node: int) -> int:
        """Return how many new objects are reached only through a node."""
        return self._counts.get(node, 0)

    def retained(self, nodes: Iterable[int]) -> int:
        """Return the bytes of new objects that would go with these nodes."""
        return sum(self._bytes.get(node, 0) for node in nodes)

    def heaviest(self, node: int) -> int | None:
        """Return the child that dominates most new objects."""
        return max(self.below.get(node, ()), key=lambda child: (self.count(child), -child), default=None)


def _describe(
    graph: HeapGraph, candidate: _Candidate, children: Mapping[int, Sequence[int]], dominated: _Dominators
) -> Accumulation:
    path = _descend(graph, candidate, children, dominated)
    counted = frozenset[int]() if candidate.rebuilt else candidate.reached
    types = _types_of(graph, counted)
    atoms = candidate.atoms
    size = sum(graph.sizes[node] for node in counted) + candidate.buffer_bytes
    return Accumulation(
        path=path,
        members=candidate.members,
        reached=counted,
        entries=candidate.entries,
        buffer_bytes=candidate.buffer_bytes,
        objects=sum(types.values()) + atoms,
        bytes=size,
        retained=dominated.retained(candidate.members) + candidate.buffer_bytes,
        types=types,
        tail=_tail(graph, path[-1], candidate.reached, children),
        graph=_draw(graph, candidate.members, candidate.reached, children),
    )


def _descend(
    graph: HeapGraph, candidate: _Candidate, children: Mapping[int, Sequence[int]], dominated: _Dominators
) -> tuple[int, ...]:
    """Go down from a holder that did not grow itself to the object that fans out: the accumulation point.

    Where nothing fans out (a linked list), the first new object is it.
    """
    top = max(candidate.members, key=lambda node: (dominated.count(node), -node))
    path = [top]
    if candidate.rebuilt:
        return (top, *_way_to_largest(graph, top, candidate, children))
    if candidate.entries > 0 or candidate.buffer_bytes > 0:
        return tuple(path)
    while len(path) < _MOST_DESCENT:
        following = dominated.heaviest(path[-1])
        if following is None or dominated.count(following) < _DOMINANT * dominated.count(path[-1]):
            return tuple(path if _fans_out(path[-1], dominated) else path[:2])
        path.append(following)
    return tuple(path[:2])


def _fans_out(node: int, dominated: _Dominators) -> bool:
    return len(dominated.below.get(node, ())) > 2


def _way_to_largest(
    graph: HeapGraph, top: int, candidate: _Candidate, children: Mapping[int, Sequence[int]]
) -> tuple[int, ...]:
    """Return the way from a holder down to the largest container, or to what holds the largest buffer."""
    column = graph.buffers if candidate.buffer_bytes else graph.entries
    largest = max(candidate.reached, key=lambda node: (column[node], -node))
    came_from = {top: top}
    order = [top]
    for node in order:
        for child in children.get(node, ()):
            if child not in came_from:
                came_from[child] = node
                order.append(child)
    return _way(largest, top, came_from) if largest in came_from else ()


def _types_of(graph: HeapGraph, nodes: Iterable[int]) -> Counter[str]:
    wanted = frozenset(nodes)
    types = Counter(graph.type_of(node) for node in wanted)
    for node, atom, count in graph.atoms:
        if node in wanted:
            types[graph.atom_types[atom]] += count
    return types


def _tail(
    graph: HeapGraph, start: int, reached: frozenset[int], children: Mapping[int, Sequence[int]]
) -> tuple[int, ...]:
    """Return the shortest way from the owner down to the nearest new object whose type has a name of its own.

    Where all types are builtins it is the nearest object at all.
    """
    came_from = {start: start}
    order = [start]
    best: int | None = None
    for node in order:
        for child in children.get(node, ()):
            if child in reached and child not in came_from:
                came_from[child] = node
                order.append(child)
                best = child if best is None else best
                if "." in graph.type_of(child):
                    return _way(child, start, came_from)
        if len(order) > _MOST_SEARCHED:
            break
    return _way(best, start, came_from) if best is not None else ()


def _way(node: int, start: int, came_from: Mapping[int, int]) -> tuple[int, ...]:
    way = [node]
    while came_from[way[-1]] != start:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))


def _draw(
    graph: HeapGraph, members: Sequence[int], reached: frozenset[int], children: Mapping[int, Sequence[int]]
) -> nx.DiGraph[str]:
    """Return the graph under an owner as types and counts: what the user explores."""
    edges: Counter[tuple[str, str]] = Counter()
    for node in (*members, *reached):
        name = f"owner {graph.type_of(node)}" if node in members else graph.type_of(node)
        edges.update((name, graph.type_of(child)) for child in children.get(node, ()) if child in reached)
    drawn: nx.DiGraph[str] = nx.DiGraph()
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for node in reached:
        counts[graph.type_of(node)] += 1
        sizes[graph.type_of(node)] += graph.sizes[node]
    for name in sorted(counts):
        drawn.add_node(name, count=counts[name], bytes=sizes[name])
    for (source, target), count in sorted(edges.items(), key=lambda item: (-item[1], item[0]))[:_MOST_DRAWN]:
        drawn.add_edge(source, target, count=count)
    return drawn


def _orphans(graph: HeapGraph, children: Mapping[int, Sequence[int]]) -> list[Accumulation]:
    """Return what no root reaches, one accumulation for each type at the top of it."""
    nodes = {node for node, _ in graph.orphans}
    if not nodes:
        return []
    unexplained = dict(graph.orphans)
    drawn: nx.DiGraph[int] = nx.DiGraph()
    drawn.add_nodes_from(nodes)
    drawn.add_edges_from((node, child) for node in nodes for child in children.get(node, ()) if child in nodes)
    condensed = nx.condensation(drawn)
    tops: defaultdict[str, list[int]] = defaultdict(list)
    for component, degree in condensed.in_degree():
        if degree == 0:
            members = sorted(condensed.nodes[component]["members"], key=lambda node: (-unexplained[node], node))
            tops[graph.type_of(members[0])].append(members[0])
    found = [_orphan(graph, tuple(members), children, unexplained) for members in tops.values()]
    return [accumulation for accumulation in found if _survives_every_round(graph, accumulation.reached)]


def _orphan(
    graph: HeapGraph, tops: tuple[int, ...], children: Mapping[int, Sequence[int]], unexplained: Mapping[int, int]
) -> Accumulation:
    reached = _reach(graph, tops, children)
    types = _types_of(graph, reached)
    size = sum(graph.sizes[node] for node in reached)
    cycle = _cycle(tops[0], children)
    return Accumulation(
        path=(tops[0],),
        members=tops,
        reached=reached,
        entries=0,
        buffer_bytes=0,
        objects=sum(types.values()),
        bytes=size,
        retained=size,
        types=types,
        tail=cycle or _tail(graph, tops[0], reached, children),
        orphan=True,
        cyclic=bool(cycle),
        unexplained=unexplained[tops[0]],
        graph=_draw(graph, tops, reached, children),
    )


def _cycle(start: int, children: Mapping[int, Sequence[int]]) -> tuple[int, ...]:
    """Return the shortest way from a node back to itself, without its start; empty if there is none."""
    came_from: dict[int, int] = {}
    order = [start]
    for node in order:
        for child in children.get(node, ()):
            if child == start:
                way = [start, node] if node != start else [start]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return tuple(reversed(way[:-1])) if node != start else (start,)
            if child not in came_from:
                came_from[child] = node
                order.append(child)
    return ()


def _one_for_each_cause(found: list[Accumulation]) -> list[Accumulation]:
    """Order by weight; put what adds nothing to heavier owners behind those that do.

    An owner that exists comes before what looks held by C code.
    """
    found.sort(key=_heaviest_first)
    explained: set[int] = set()
    causes: list[Accumulation] = []
    echoes: list[Accumulation] = []
    for item in found:
        adds = len(item.reached - explained)
        is_echo = bool(item.reached) and adds * 10 < len(item.reached)
        (echoes if is_echo else causes).append(item)
        explained |= item.reached
    return [*causes, *echoes]


def _heaviest_first(item: Accumulation) -> tuple[Any, ...]:
    """Order by what would go; of owners of the same objects, the one without which most would go comes first."""
    return item.orphan, -(item.objects + item.buffer_bytes // 512), -item.entries, -item.retained, item.path


def _shared_out(found: Sequence[Accumulation], graph: HeapGraph) -> list[Accumulation]:
    """Share the credit for each object among all that reach it, as BLeak's LeakShare does (Vilk and Berger, 2018)."""
    reached_by = Counter(node for item in found for node in item.reached)
    return [
        attrs.evolve(
            item,
            share=sum(graph.sizes[node] / reached_by[node] for node in item.reached) + item.buffer_bytes,
            sharers=tuple(at for at, other in enumerate(found) if other is not item and _shares(item, other)),
        )
        for item in found
    ]


def _shares(item: Accumulation, other: Accumulation) -> bool:
    return bool(item.reached) and len(item.reached & other.reached) >= _SHARED * len(item.reached)
