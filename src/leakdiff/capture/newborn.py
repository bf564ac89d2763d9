"""From a finished walk to a value: the new objects, the old ones that gained them, and who refers to whom."""

from __future__ import annotations

import gc
import sys
import weakref
from array import array
from collections import Counter, deque
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

import attrs

from leakdiff.capture.containers import is_container, is_lru_cache, length_of
from leakdiff.capture.kinds import (
    ATOM,
    BUFFER,
    HIDER,
    INTEGER,
    NDARRAY,
    OWN,
    TEXT,
    buffer_bytes,
    derives,
    size_of,
    type_name,
)
from leakdiff.capture.references import references, time_zone_of
from leakdiff.capture.walk import NOTHING_BELOW, Walk
from leakdiff.model.heap import OLD, HeapGraph

_MOST_HOLDERS = 3_000
_MOST_NODES = 40_000
_OWNED_REFERENCES = 5  # sys.getrefcount of an atom with at most two holders, as the loop below sees it
_NO_NODE = -1


@attrs.define(eq=False)
class Newborn:
    """Live new objects and their holders by node number; must not outlive the check.

    Attributes:
        walk: The walk that found them.
        nodes: The live object of each node, holders first.
        indexes: The walk's index of each holder.
        own: Addresses of what this check made since the last round; not orphans.
        at_exit: How many more callbacks ``atexit`` counts than before: nobody can list them.
    """

    walk: Walk
    nodes: list[Any] = attrs.field(factory=list)
    indexes: list[int] = attrs.field(factory=list)
    own: frozenset[int] = frozenset()
    at_exit: int = 0
    _sizes: list[int] = attrs.field(factory=list)
    _births: list[int] = attrs.field(factory=list)
    _grown: list[int] = attrs.field(factory=list)
    _buffers: list[int] = attrs.field(factory=list)
    _entries: list[int] = attrs.field(factory=list)
    _orphans: list[tuple[int, int]] = attrs.field(factory=list)
    _sources: array[int] = attrs.field(factory=lambda: array("i"))
    _targets: array[int] = attrs.field(factory=lambda: array("i"))
    _atoms: Counter[tuple[int, str]] = attrs.field(factory=Counter)
    _left_out: list[str] = attrs.field(factory=list)
    _numbers: dict[int, int] = attrs.field(factory=dict)
    _counted: set[int] = attrs.field(factory=set)
    _sizeofs: dict[int, bool] = attrs.field(factory=dict)

    # -- holders: old objects that gained something ------------------------------------------------

    def gather(self) -> None:
        """Number the holders, those with most to answer for first, and everything new they reach."""
        held: dict[int, list[Any]] = {}
        for index, obj in self.walk.frontier:
            held.setdefault(index, []).append(obj)
        growth = {index: (now - was, now) for index, _, was, now in self.walk.grown}
        buffers = self.walk.buffer_growth()

        def weight(index: int) -> tuple[int, int]:
            grown = growth[index][0] if index in growth else 0
            return -(len(held.get(index, ())) + grown + buffers.get(index, 0) // 64), index

        chosen = sorted({*held, *growth, *buffers}, key=weight)
        if len(chosen) > _MOST_HOLDERS:
            self._left_out.append(f"{len(chosen) - _MOST_HOLDERS:,} smaller holders of new objects were not looked at")
            del chosen[_MOST_HOLDERS:]
        live = self.walk.live(chosen)
        fresh: deque[tuple[int, Any]] = deque()
        for index in chosen:
            if index in live:
                known = growth.get(index) or (0, len(references(live[index], self.walk.kinds)))
                node = self._add_holder(index, live[index], known, buffers.get(index, 0))
                fresh.extend((node, obj) for obj in held.get(index, ()))
        self._explore(fresh)

    def _add_holder(self, index: int, obj: Any, growth: tuple[int, int], buffers: int) -> int:
        node = self._add(obj, OLD)
        self.indexes.append(index)
        grown, references_now = growth
        is_mapping = derives(type(obj), dict) or self.walk.kinds[type(obj)] == HIDER or is_lru_cache(obj)
        entries = length_of(obj) if is_mapping else references_now
        if references_now > entries > 0:  # keys other than str are references, too, and a cache's links
            grown = round(grown * entries / references_now)
        self._grown[node], self._entries[node] = grown, entries
        self._buffers[node] = buffers
        return node

    def _add(self, obj: Any, birth: int) -> int:
        self.nodes.append(obj)
        self._births.append(birth)
        for column in (self._grown, self._entries, self._buffers, self._sizes):
            column.append(0)
        return len(self.nodes) - 1

    # -- what is new -------------------------------------------------------------------------------

    def _explore(self, fresh: deque[tuple[int, Any]]) -> None:
        """Number all that the queue reaches, new objects first; then old ones that only new ones refer to."""
        behind: deque[tuple[int, Any]] = deque()
        while fresh or behind:
            source, obj = fresh.popleft() if fresh else behind.popleft()
            node = self._numbers.get(id(obj))
            if node is not None:
                self._link(source, node)
                continue
            if len(self._numbers) >= _MOST_NODES:
                self._left_out.append(f"only the first {_MOST_NODES:,} new objects were looked at")
                return
            node = self._number(obj, source)
            refs = references(obj, self.walk.kinds)
            self._entries[node] = len(refs)
            for ref in refs:
                kind = self.walk.kinds[type(ref)]
                if kind == OWN:
                    continue
                if kind in (TEXT, BUFFER, NDARRAY):
                    self._buffers[node] += buffer_bytes(ref, self.walk.kinds)
                if kind in (ATOM, TEXT, BUFFER, INTEGER):
                    self._count_atom(node, ref, sys.getrefcount(ref))
                elif id(ref) in self.walk.new:
                    fresh.append((node, ref))
                elif not self.walk.pages.has(ref):
                    (behind if gc.is_tracked(ref) else fresh).append((node, ref))

    def _number(self, obj: Any, source: int) -> int:
        """Give an object its node; what gc does not track was born with what refers to it."""
        birth = self.walk.new.get(id(obj))
        if birth is None:
            birth = OLD if gc.is_tracked(obj) or source == _NO_NODE else self._births[source]
        node = self._numbers[id(obj)] = self._add(obj, birth)
        self._sizes[node] = size_of(obj, self._sizeofs)
        if birth == OLD:
            self._grown[node] = self.walk.growth_of(obj)
        self._link(source, node)
        return node

    def _count_atom(self, node: int, atom: Any, count: int) -> None:
        """Count an atom that hardly anyone else refers to (interned and immortal ones have many referrers)."""
        if count <= _OWNED_REFERENCES + 1 and id(atom) not in self._counted:
            self._counted.add(id(atom))
            self._atoms[node, type_name(type(atom))] += 1
            self._sizes[node] += size_of(atom, self._sizeofs)

    def _link(self, source: int, target: int) -> None:
        if source != _NO_NODE:
            self._sources.append(source)
            self._targets.append(target)

    def born_meanwhile(self, late: AbstractSet[int], number: int) -> None:
        """Count as born in a round what was born while the walk went on: its address may be that of another before."""
        for node in range(len(self.indexes), len(self.nodes)):
            if id(self.nodes[node]) in late and self._births[node] != OLD:
                self._births[node] = number

    # -- what no root reaches ----------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many new objects were reached."""
        return sum(birth != OLD for birth in self._births)

    def gather_orphans(self) -> None:
        """Number new objects that no root reaches, and what of the old refers to them."""
        missing = self.walk.new.keys() - self._numbers.keys() - self.own
        everything = gc.get_objects()
        orphans = [obj for obj in everything if id(obj) in missing and not self._is_weak(obj)]
        wanted = frozenset(map(id, orphans))
        islands = [obj for obj in everything if self._is_island(obj, wanted)]
        del everything
        first = len(self.nodes)
        self._explore(deque((_NO_NODE, obj) for obj in [*orphans, *islands]))
        del orphans, islands
        self._follow_time_zones(first)
        self._explain_references(first)

    def _follow_time_zones(self, first: int) -> None:
        """Number the datetimes that lead back to an orphan: what has a time zone does not tell gc of it."""
        for node in range(first, len(self.nodes)):
            for ref in references(self.nodes[node], self.walk.kinds):
                zone = self._numbers.get(id(time_zone_of(ref)))
                if zone is not None and zone >= first and id(ref) not in self._numbers:
                    self._atoms[node, type_name(type(ref))] -= id(ref) in self._counted
                    self._link(self._number(ref, node), zone)

    def _is_island(self, obj: Any, wanted: frozenset[int]) -> bool:
        """Tell whether an old object that no root reaches refers to an orphan."""
        if id(obj) in self.own or id(obj) in wanted or id(obj) in self._numbers or self.walk.pages.has(obj):
            return False
        return type(obj) is not list and not wanted.isdisjoint(map(id, gc.get_referents(obj)))

    def _is_weak(self, obj: Any) -> bool:
        """Tell whether an object is a weak reference: C code keeps lists of those (``__subclasses__``)."""
        return derives(type(obj), weakref.ref)

    def _explain_references(self, first: int) -> None:
        """For each orphan, count the references to it that nothing visible explains."""
        explained = Counter(self._targets)
        for node in range(first, len(self.nodes)):
            # Two references are ours: the list of nodes and the argument of getrefcount.
            unexplained = sys.getrefcount(self.nodes[node]) - 2 - explained[node]
            self._orphans.append((node, max(0, unexplained)))

    def reference_count(self, node: int) -> tuple[int, int]:
        """Return how many references there are to an object, ours left out, and how many of them come from nodes."""
        return sys.getrefcount(self.nodes[node]) - 2, self._targets.count(node)

    # -- the value ---------------------------------------------------------------------------------

    def as_graph(self, rounds: int, units: int) -> HeapGraph:
        """Return all of it as names and numbers."""
        names: dict[str, int] = {}
        by_type: dict[int, int] = {}
        for obj in self.nodes:
            if id(type(obj)) not in by_type:
                by_type[id(type(obj))] = names.setdefault(type_name(type(obj)), len(names))
        atom_names: dict[str, int] = {}
        atoms = [
            (node, atom_names.setdefault(name, len(atom_names)), count) for (node, name), count in self._atoms.items()
        ]
        return HeapGraph(
            rounds=rounds,
            units=units,
            holders=len(self.indexes),
            type_names=tuple(names),
            types=array("i", [by_type[id(type(obj))] for obj in self.nodes]),
            sizes=array("q", self._sizes),
            births=array("i", self._births),
            grown=array("q", self._grown),
            buffers=array("q", self._buffers),
            entries=array("q", self._entries),
            containers=array("b", self._containers()),
            lost=tuple(self._lost_below()),
            floor=self.walk.floor,
            groups=array("i", self._group_holders()),
            inside=array("i", self._inner_holders()),
            sources=self._sources,
            targets=self._targets,
            atom_types=tuple(atom_names),
            atoms=tuple(atoms),
            orphans=tuple(self._orphans),
            left_out=(*self._left_out, *self.walk.kinds.failures.values()),
        )

    def _containers(self) -> Iterable[bool]:
        """For each holder, whether it holds entries; copies of locals and the like stand for namespaces."""
        for node, index in enumerate(self.indexes):
            yield not self.walk.is_copy(index) and is_container(self.nodes[node])

    def _lost_below(self) -> Iterable[tuple[int, int]]:
        """For each holder, the entries and bytes that large containers a few levels below it no longer hold."""
        before = self.walk.before.below if self.walk.before is not None else {}
        now = self.walk.below()
        for index in self.indexes:
            entries, size = before.get(self.walk.addresses[index], NOTHING_BELOW)
            entries_left, size_left = now.get(index, NOTHING_BELOW)
            yield max(0, entries - entries_left), max(0, size - size_left)

    def _group_holders(self) -> Iterable[int]:
        """Put holders of one type under one container together: they share a path, as attributes do not."""
        groups: dict[tuple[int, int], int] = {}
        above = [self.walk.parents[index] for index in self.indexes]
        live = self.walk.live(parent for parent in above if parent >= 0)
        for node, parent in enumerate(above):
            shares = parent in live and is_container(live[parent])
            key = (parent, id(type(self.nodes[node]))) if shares else (-1, node)
            yield groups.setdefault(key, len(groups))

    def _inner_holders(self) -> Iterable[int]:
        """For each holder that gc does not track, the nearest holder above it on its path; -1 for the rest.

        What gc tracks is known to be old; what it does not track may be part of what the one above gained.
        """
        holders = {index: node for node, index in enumerate(self.indexes)}
        for node, index in enumerate(self.indexes):
            above = () if gc.is_tracked(self.nodes[node]) else self.walk.chain(index)[-2::-1]
            yield next((holders[up] for up in above if up in holders), _NO_NODE)
