"""Find which objects hold what was born in one of many pieces of work and outlived it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from leakdiff.model.heap import OLD, HeapGraph
from leakdiff.model.outlived import Gain
from leakdiff.model.owner import Accumulation

_MOST = 200
_MOST_SEARCHED = 5_000
_FIXED = "tuple"  # cannot gain anything: it was made meanwhile
_FEW = 3  # entries below which a container without new objects may have gained them by an accident
_ECHO = 0.9  # of its objects that others hold, too, from which on a place is told with them
_CONTAINERS = ("dict", "list", "set", "frozenset", "tuple", "collections.")


def find_gains(graph: HeapGraph) -> list[Gain]:
    """Return the places that gained what outlived its piece of work; those that gained in most of them first.

    An object gains what refers to it from the outside as well, if that is younger than itself: a cache that was made
    in the first piece of work and filled by the others is a place of its own.
    """
    places = _Places(graph)
    found = [gain for node in places.order for gain in places.gains_of(node)]
    found.sort(
        key=lambda gain: (-max(len(gain.births), min(gain.untold, graph.rounds)), -gain.found.objects, gain.found.path)
    )
    return _with_echoes(_grouped(found, graph)[:_MOST])


class _Places:
    """The graph, and for each new node the shortest way to it."""

    def __init__(self, graph: HeapGraph) -> None:
        self._graph = graph
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        for source, target in zip(graph.sources, graph.targets, strict=True):
            self._children[source].append(target)
        self._atoms: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
        for node, atom, count in graph.atoms:
            self._atoms[node].append((graph.atom_types[atom], count))
        self._came_from: dict[int, int] = {}
        self._births = list(graph.births)
        self.order = list(range(graph.holders))
        self._explore()

    def _explore(self) -> None:
        """Find the shortest way to each node; what is old and only new objects hold counts as old as they."""
        seen = set(self.order)
        for node in self.order:
            for child in self._children.get(node, ()):
                if child not in seen:
                    seen.add(child)
                    self.order.append(child)
                    self._came_from[child] = node
                    self._births[child] = self._births[child] or self._births[node]

    def gains_of(self, node: int) -> Iterator[Gain]:
        """Yield what a node gained: a container as a whole, and anything else under each of its attributes."""
        births, graph = self._births, self._graph
        later = [child for child in dict.fromkeys(self._children.get(node, ())) if births[child] > births[node]]
        is_holder = node < graph.holders
        grown, size = (graph.grown[node], graph.buffers[node]) if is_holder else (0, 0)
        untold = grown - len(later)
        if untold < _FEW or graph.type_of(node) == _FIXED:
            untold = 0
        if self._is_container(node):
            parts = [(self._way(node), later, untold, max(0, size))] if later or untold or size > 0 else []
        else:
            parts = [((*self._way(node), child), [child], 0, 0) for child in later]
            if untold or size > 0:
                parts.append((self._way(node), [], untold, max(0, size)))
        for part in parts:
            yield self._gain(*part)

    def _is_container(self, node: int) -> bool:
        if node < self._graph.holders:
            return bool(self._graph.containers[node])
        return self._graph.type_of(node).startswith(_CONTAINERS)

    def _gain(self, path: tuple[int, ...], later: Sequence[int], untold: int, buffers: int) -> Gain:
        reached = self._reach(later)
        types = self._types(reached)
        size = sum(self._graph.sizes[node] for node in reached) + buffers
        is_container = path[-1] not in later
        found = Accumulation(
            path=path,
            members=path[:1],
            reached=reached,
            entries=untold + len(later) if is_container else 0,
            buffer_bytes=buffers,
            objects=sum(types.values()),
            bytes=size,
            retained=size,
            types=types,
            tail=self._tail(later) if is_container else (),
        )
        births = sorted({self._births[child] for child in later})
        return Gain(found, tuple(births), untold)

    def _reach(self, start: Iterable[int]) -> frozenset[int]:
        """Return what lies under some nodes and is as old as they are: what is younger was gained by those."""
        seen = set(start)
        pending = list(seen)
        while pending:
            node = pending.pop()
            for child in self._children.get(node, ()):
                if child not in seen and child >= self._graph.holders and self._births[child] == self._births[node]:
                    seen.add(child)
                    pending.append(child)
        return frozenset(node for node in seen if self._graph.births[node] != OLD)

    def _types(self, nodes: Iterable[int]) -> Mapping[str, int]:
        types: Counter[str] = Counter()
        for node in nodes:
            types[self._graph.type_of(node)] += 1
            for name, count in self._atoms.get(node, ()):
                types[name] += count
        return types

    def _way(self, node: int) -> tuple[int, ...]:
        way = [node]
        while way[-1] in self._came_from:
            way.append(self._came_from[way[-1]])
        return tuple(reversed(way))

    def _tail(self, start: Iterable[int]) -> tuple[int, ...]:
        """Return the way from an entry down to the nearest object whose type has a name of its own."""
        came_from: dict[int, int] = {}
        order = list(start)
        top = frozenset(order)
        for node in order[:_MOST_SEARCHED]:
            if "." in self._graph.type_of(node):
                way = [node]
                while way[-1] not in top:
                    way.append(came_from[way[-1]])
                return tuple(reversed(way))
            for child in self._children.get(node, ()):
                if child >= self._graph.holders and child not in came_from and child not in top:
                    came_from[child] = node
                    order.append(child)
        return tuple(order[:1])


def _grouped(found: Sequence[Gain], graph: HeapGraph) -> list[Gain]:
    """Make one of containers that are alike under one parent: they share a name."""
    groups: dict[tuple[int, int], list[Gain]] = {}
    for at, gain in enumerate(found):
        node = gain.found.path[0]
        is_alone = len(gain.found.path) > 1 or not graph.containers[node]
        groups.setdefault((-1, at) if is_alone else (graph.groups[node], 0), []).append(gain)
    return [_merged(gains) for gains in groups.values()]


def _merged(gains: Sequence[Gain]) -> Gain:
    first, *others = gains
    if not others:
        return first
    types: Counter[str] = Counter()
    for gain in gains:
        types.update(gain.found.types)
    found = attrs.evolve(
        first.found,
        members=tuple(gain.found.path[0] for gain in gains),
        reached=frozenset[int]().union(*(gain.found.reached for gain in gains)),
        entries=sum(gain.found.entries for gain in gains),
        buffer_bytes=sum(gain.found.buffer_bytes for gain in gains),
        objects=sum(gain.found.objects for gain in gains),
        bytes=sum(gain.found.bytes for gain in gains),
        retained=sum(gain.found.retained for gain in gains),
        types=types,
    )
    births = sorted({birth for gain in gains for birth in gain.births})
    return Gain(found, tuple(births), sum(gain.untold for gain in gains))


def _with_echoes(found: Sequence[Gain]) -> list[Gain]:
    """Tell places that hold nearly nothing of their own behind the others, and with the first that holds the same."""
    holder_of: dict[int, int] = {}
    also: defaultdict[int, list[int]] = defaultdict(list)
    own, echoes = [], []
    for at, gain in enumerate(found):
        reached = gain.found.reached
        held = Counter(holder_of[node] for node in reached if node in holder_of)
        if reached and held.total() >= _ECHO * len(reached) and not gain.untold:
            also[held.most_common(1)[0][0]].append(at)
            echoes.append(at)
            continue
        own.append(at)
        holder_of.update((node, at) for node in reached if node not in holder_of)
    place = {at: number for number, at in enumerate([*own, *echoes])}
    return [attrs.evolve(found[at], also=tuple(place[other] for other in also[at])) for at in [*own, *echoes]]
