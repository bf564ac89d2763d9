"""A small heap from a readable description, and the values around it, for tests that need no live object."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from leakdiff.model.evidence import Suspect
from leakdiff.model.heap import OLD, Bound, HeapGraph, Step
from leakdiff.model.owner import Accumulation, Owner
from leakdiff.model.signals import Phase, Round

_SIZE = 64
_CONTAINERS = ("dict", "list", "set", "collections.deque")
UNITS = 101


def heap(rounds: int = 3, units: int = 303) -> Heap:
    """Begin a heap; what its methods name can be referred to by that name."""
    return Heap(rounds, units)


@attrs.define(eq=False)
class _Object:
    """One object of the heap to be."""

    name: str
    type: str
    birth: int = OLD
    size: int = 0
    grown: int = 0
    buffers: int = 0
    group: int = 0
    inside: _Object | None = None
    lost: tuple[int, int] = (0, 0)
    unexplained: int = 0
    below: list[_Object] = attrs.field(factory=list)
    atoms: Counter[str] = attrs.field(factory=Counter)


@attrs.define(eq=False)
class Heap:
    """A heap in the making. A name stands for one object, or for several alike that were made together."""

    rounds: int
    units: int
    _holders: list[_Object] = attrs.field(factory=list)
    _others: list[_Object] = attrs.field(factory=list)
    _named: dict[str, list[_Object]] = attrs.field(factory=dict)
    _groups: int = 0

    # -- what was there before the first round -----------------------------------------------------

    def holder(
        self, name: str, kind: str = "dict", *, grown: int = 0, buffers: int = 0, inside: str | None = None
    ) -> Heap:
        """Add an old object that gained ``grown`` entries; ``inside`` names the holder above it."""
        return self.holders(1, name, kind, grown=grown, buffers=buffers, inside=inside)

    def holders(  # noqa: PLR0913 - a holder has so many sides
        self, count: int, name: str, kind: str, *, grown: int = 0, buffers: int = 0, inside: str | None = None
    ) -> Heap:
        """Add some alike holders under one parent, each of which gained ``grown`` entries."""
        above = None if inside is None else self._named[inside][0]
        for _ in range(count):
            made = _Object(name, kind, grown=grown, buffers=buffers, group=self._groups, inside=above)
            self._holders.append(made)
            self._named.setdefault(name, []).append(made)
        self._groups += 1
        return self

    def old(self, name: str, kind: str, *, under: str) -> Heap:
        """Add an old object that only new ones refer to."""
        self._new(name, kind, OLD, under, 0)
        return self

    def lost(self, name: str, *, entries: int = 0, size: int = 0) -> Heap:
        """Let large containers and buffers below a holder be gone, with so many entries and bytes."""
        for each in self._named[name]:
            each.lost = entries, size
        return self

    # -- what is new -------------------------------------------------------------------------------

    def each_round(
        self, count: int, kind: str, *, under: str | None = None, name: str | None = None, unexplained: int = 0
    ) -> Heap:
        """Add so many new objects of every round; without ``under`` no root reaches them."""
        for number in range(1, self.rounds + 1):
            self.in_round(number, count, kind, under=under, name=name)
        for made in self._named[name or kind]:
            made.unexplained = unexplained
        return self

    def in_round(
        self, number: int, count: int, kind: str, *, under: str | None = None, name: str | None = None
    ) -> Heap:
        """Add so many new objects of one round, in turn under the objects that ``under`` names."""
        for at in range(count):
            self._new(name or kind, kind, number, under, at)
        return self

    def chain(self, count: int, kind: str, *, under: str) -> Heap:
        """Add a linked list that gains so many nodes in every round, at its head."""
        newest: _Object | None = None
        for number in range(1, self.rounds + 1):
            for _ in range(count):
                made = self._new(kind, kind, number, None, 0)
                made.below.extend([newest] if newest else [])
                newest = made
        self._named[under][0].below.extend([newest] if newest else [])
        return self

    def in_each(self, name: str, kind: str, count: int = 1) -> Heap:
        """Give every object of a name some new objects of its own, born with it."""
        for above in list(self._named[name]):
            for _ in range(count):
                above.below.append(self._new(kind, kind, above.birth, None, 0))
        return self

    def atoms_in_each(self, name: str, kind: str, count: int = 1) -> Heap:
        """Give every object of a name some atoms that only it refers to."""
        for above in self._named[name]:
            above.atoms[kind] += count
        return self

    def buffer_in_each(self, name: str, size: int) -> Heap:
        """Give every object of a name a buffer of so many bytes."""
        for above in self._named[name]:
            above.buffers = size
        return self

    def link(self, source: str, target: str) -> Heap:
        """Let one name's objects refer to another's: pair by pair, or all to all where their numbers differ."""
        above, below = self._named[source], self._named[target]
        pairs = zip(above, below, strict=True) if len(above) == len(below) else ((a, b) for a in above for b in below)
        for one, other in pairs:
            one.below.append(other)
        return self

    def _new(self, name: str, kind: str, birth: int, under: str | None, at: int) -> _Object:
        made = _Object(name, kind, birth, 0 if birth == OLD else _SIZE)
        self._others.append(made)
        self._named.setdefault(name, []).append(made)
        if under is not None:
            above = self._named[under]
            above[at % len(above)].below.append(made)
        return made

    # -- the value ---------------------------------------------------------------------------------

    def names(self, nodes: Iterable[int]) -> list[str]:
        """Return what the nodes of a path are called here."""
        return [self._objects[node].name for node in nodes]

    def graph(self) -> HeapGraph:
        """Return the heap as ownership gets it."""
        numbers = {id(each): number for number, each in enumerate(self._objects)}
        held = self._held()
        kinds = sorted({each.type for each in self._objects})
        atom_kinds = sorted({kind for each in self._objects for kind in each.atoms})
        edges = [(numbers[id(each)], numbers[id(other)]) for each in self._objects for other in each.below]
        return HeapGraph(
            rounds=self.rounds,
            units=self.units,
            holders=len(self._holders),
            type_names=kinds,
            types=[kinds.index(each.type) for each in self._objects],
            sizes=[each.size for each in self._objects],
            births=[each.birth for each in self._objects],
            grown=[each.grown for each in self._objects],
            buffers=[each.buffers for each in self._objects],
            entries=[len(each.below) + each.atoms.total() for each in self._objects],
            containers=[each.type in _CONTAINERS for each in self._holders],
            lost=[each.lost for each in self._holders],
            floor=4,
            groups=[each.group for each in self._holders],
            inside=[numbers[id(each.inside)] if each.inside else -1 for each in self._holders],
            sources=array("i", [source for source, _ in edges]),
            targets=array("i", [target for _, target in edges]),
            atom_types=atom_kinds,
            atoms=[
                (numbers[id(each)], atom_kinds.index(kind), count)
                for each in self._objects
                for kind, count in sorted(each.atoms.items())
            ],
            orphans=[(numbers[id(each)], each.unexplained) for each in self._others if id(each) not in held],
        )

    @property
    def _objects(self) -> list[_Object]:
        return [*self._holders, *self._others]

    def _held(self) -> frozenset[int]:
        """Return what the holders reach."""
        pending, seen = list(self._holders), set(map(id, self._holders))
        while pending:
            for below in pending.pop().below:
                if id(below) not in seen:
                    seen.add(id(below))
                    pending.append(below)
        return frozenset(seen)


# -- the values that come after the heap -----------------------------------------------------------


def growing(name: str, /, objects: int = 303, *, lengths: tuple[int, ...] = (), **facts: Any) -> Suspect:
    """Return a suspect: an owner ``app.<name>`` that gained an entry for every one of some objects.

    Args:
        name: What the owner is called in its module.
        objects: New ``app.Result`` objects under it, over 303 units.
        lengths: The owner's length before and after each watched round.
        **facts: Attributes of the accumulation or of the owner that differ.
    """
    found = Accumulation(
        path=(0,),
        members=(0,),
        reached=frozenset(range(1, objects + 1)),
        entries=objects,
        buffer_bytes=0,
        objects=objects,
        bytes=_SIZE * objects,
        retained=_SIZE * objects,
        types={"app.Result": objects},
    )
    found = _changed(found, facts)
    steps = (Step("app", "module"), Step(f".{name}", "dict"), Step("[*]", "app.Result"))
    owner = Owner(kind="module", name=f"app.{name}", steps=steps, depth=2, type="dict", length=objects)
    return Suspect(found, _changed(owner, facts), lengths, (UNITS,) * max(0, len(lengths) - 1))


def orphaned(kind: str = "app.Leaked", objects: int = 303, *, cyclic: bool = False) -> Suspect:
    """Return a suspect that no root reaches."""
    steps = (Step("no referrer: held by C code", "native"), Step(kind, kind))
    way = (Step(".peer", "app.Peer"), Step(".back", kind)) if cyclic else ()
    suspect = growing("nothing", objects, entries=0, types={kind: objects}, orphan=True, unexplained=1, cyclic=cyclic)
    owner = Owner(kind="none", name=None, steps=(*steps, *way), depth=1, type=kind)
    return attrs.evolve(suspect, owner=owner)


def bound(filled: int, limit: int = 1_000) -> Bound:
    """Return the bound of an ``lru_cache``."""
    return Bound("lru_cache(maxsize)", limit, filled)


def one_round(phase: Phase = Phase.CONFIRM, **signals: Any) -> Round:
    """Return a round of 101 units in which nothing changed but these signals."""
    unchanged = Round(phase, UNITS, objects=0, blocks=0, native_bytes=0, fds=0, threads=0)
    return attrs.evolve(unchanged, **signals)


def rounds_of(signal: str, gains: Sequence[int | None], phase: Phase = Phase.CONFIRM) -> tuple[Round, ...]:
    """Return a round for each gain of one signal."""
    return tuple(one_round(phase, **{signal: gain}) for gain in gains)


def _changed(value: Any, facts: Mapping[str, Any]) -> Any:
    known = {field.name for field in attrs.fields(type(value))}
    return attrs.evolve(value, **{name: fact for name, fact in facts.items() if name in known})
