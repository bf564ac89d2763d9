"""Names for accumulations, and a watch on how their length goes on."""

from __future__ import annotations

import functools
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from leakdiff.capture.attributes import attribute_of, known_attributes
from leakdiff.capture.containers import length_of, live_length, pairs_of
from leakdiff.capture.entries import find_bound, key_shape, newest
from leakdiff.capture.homes import home_of
from leakdiff.capture.kinds import (
    KindsByIdentity,
    buffer_bytes,
    derives,
    size_of,
    type_name,
)
from leakdiff.capture.meter import callbacks_at_exit
from leakdiff.capture.naming import (
    Rules,
    describe_type,
    instance_dict,
    name_chain,
    name_edge,
    name_links,
    quiet_rules,
    steps_of,
)
from leakdiff.capture.newborn import Newborn
from leakdiff.capture.prompt import OUTPUTS, is_leftover
from leakdiff.capture.references import references
from leakdiff.capture.roots import Root, Roots, start_of
from leakdiff.capture.sites import Sources, Stack
from leakdiff.capture.tasks import waiting_at
from leakdiff.model.heap import Site, Step
from leakdiff.model.owner import AT_EXIT, ORPHANS, Accumulation, EntryType, Owner
from leakdiff.model.signals import Round

_MOST_SITES = 8
_MOST_ENTRY_TYPES = 4
_MOST_SIBLINGS = 20_000
_CONTAINERS = (list, dict, set, frozenset, tuple)
_RESTING_READINGS = 6
_AS_MANY = 1.5  # callbacks to an object that one of them holds, and the other way round


@attrs.define(eq=False)
class OwnerReader:
    """Turns accumulations into owners; holds live objects and must not outlive the check.

    Attributes:
        newborn: New objects and the old ones that hold them.
        roots: Where the walk started.
        is_quiet: Whether no instance may be made to keep a ``__dict__``, not even the few on a reported path:
            attributes are then known by the code of the class.
    """

    newborn: Newborn
    roots: Roots
    is_quiet: bool = False
    _chains: dict[tuple[int, ...], list[Any]] = attrs.field(factory=dict)

    def read(self, found: Accumulation) -> Owner:
        """Name an accumulation: root, steps, type, bound and key shape."""
        return self._read_orphan(found) if found.orphan else self._read_owner(found)

    def holders(self, found: Accumulation) -> list[Any]:
        """Return the live objects under which new entries appear; empty for what no root reaches."""
        return [] if found.orphan else [self.newborn.nodes[node] for node in found.members]

    # -- an owner with a path ----------------------------------------------------------------------

    def _read_owner(self, found: Accumulation) -> Owner:
        whole = chain = self.chain(found)
        tail = [self.newborn.nodes[node] for node in found.tail]
        container = chain[-1]
        root = self.root(found)
        kind, name, first, chain = start_of(chain, root)
        links = name_links(chain, first, self._rules())
        steps = steps_of(chain, links)
        below = self._below(container, tail)
        keys, values = newest(container, max(found.entries, 1))
        waiting = waiting_at([*keys, *values, *tail], self.newborn.walk.new.keys())
        return Owner(
            kind=kind,
            name=_told(name + "".join(step.label for step in steps)),
            steps=(Step(name, kind), *steps, *below),
            depth=len(steps) + 1,
            type=type_name(type(container)),
            length=(live_length(chain) or functools.partial(length_of, container))(),
            key_shape=key_shape(keys) if found.entries else None,
            bound=find_bound(whole),
            entry_types=entry_types_of([*keys, *(value for value in values if not _is_in(value, keys))], len(values)),
            waiting=tuple(Site(file, line) for file, line in waiting),
            home=home_of(chain, links, root),
        )

    def _below(self, owner: Any, tail: Sequence[Any]) -> list[Step]:
        """Name the way from an owner down to what grows."""
        if not tail:
            return []
        label, _ = name_edge([owner, *tail], 0, self._rules())
        return [Step(label, describe_type(tail[0])), *name_chain(tail, "entry", self._rules())]

    def _rules(self) -> Rules | None:
        return quiet_rules() if self.is_quiet else None

    def attributes(self, obj: Any) -> list[tuple[Any, Any]]:
        """Return names and values of an instance's attributes."""
        return known_attributes(obj) if self.is_quiet else pairs_of(instance_dict(obj))

    def chain(self, found: Accumulation) -> list[Any]:
        """Return the live objects from the root's target down to the accumulation point.

        Found once, before anything is named: naming makes instances keep their attributes in a dict, and then
        they no longer refer to the next object themselves.
        """
        if found.path not in self._chains:
            self._chains[found.path] = self._find_chain(found)
        return self._chains[found.path]

    def _find_chain(self, found: Accumulation) -> list[Any]:
        walk = self.newborn.walk
        index = self.newborn.indexes[found.path[0]]
        holders = walk.way(index, walk.live(walk.chain(index)))
        below = [self.newborn.nodes[node] for node in found.path[1:]]
        return [*holders, *below, *self._largest_buffer(found)]

    def _largest_buffer(self, found: Accumulation) -> list[Any]:
        """Return the buffer a holder keeps, where it is a buffer that grows."""
        if found.entries or not found.buffer_bytes:
            return []
        kinds, holder = self.newborn.walk.kinds, self.newborn.nodes[found.path[-1]]
        held = [*references(holder, kinds), *(value for _, value in self.attributes(holder))]
        sizes = [(size, ref) for ref in held if (size := buffer_bytes(ref, kinds)) > 0]
        return [max(sizes, key=lambda sized: sized[0])[1]] if sizes else []

    def root(self, found: Accumulation) -> Root:
        """Return the root that an accumulation's path starts at."""
        return self.roots[self.newborn.walk.chain(self.newborn.indexes[found.path[0]])[0]]

    # -- objects no root reaches -------------------------------------------------------------------

    def _read_orphan(self, found: Accumulation) -> Owner:
        top = self.newborn.nodes[found.path[0]]
        tail = [self.newborn.nodes[node] for node in found.tail]
        below = self._below(top, tail)
        if self._is_held_by_atexit(found):
            return Owner(
                kind="interpreter",
                name=AT_EXIT,
                steps=(Step(AT_EXIT, "interpreter"), Step("[*]", describe_type(top)), *below),
                depth=1,
                type="atexit",
                length=callbacks_at_exit(),
            )
        return Owner(
            kind="none",
            name=None,
            steps=(Step(f"no referrer: {ORPHANS}", "native"), Step(describe_type(top), type_name(type(top))), *below),
            depth=1,
            type=type_name(type(top)),
        )

    def _is_held_by_atexit(self, found: Accumulation) -> bool:
        """Tell whether ``atexit`` has gained a callback for each of these objects, about.

        Its count keeps what was taken back, up to CPython 3.13, but then nothing is held.
        """
        held = len(found.members)
        alike = held <= _AS_MANY * self.newborn.at_exit and self.newborn.at_exit <= _AS_MANY * held
        return not found.cyclic and found.unexplained > 0 and alike


def _told(name: str) -> str:
    """Return what an owner is called; of what IPython keeps of all that is displayed, not the way through it."""
    return OUTPUTS if name.startswith(f"{OUTPUTS}[") else name


def with_births(owner: Owner, found: Accumulation, stacks: dict[str, Stack], sources: Sources) -> Owner:
    """Add allocation sites to an owner, the lines of the user's own code first.

    The types of the owner's entries lead, then those with a name of their own, then the most numerous.
    """
    entry_types = [entry.name for entry in owner.entry_types]

    def rank(name: str) -> tuple[bool, bool, bool, int, str]:
        return name not in entry_types, name not in found.types, "." not in name, -found.types.get(name, 0), name

    sites = {name: sources.sites(stacks[name]) for name in sorted(stacks, key=rank)}
    nearest = [lines[-1] for lines in sites.values() if lines]
    others = [site for lines in sites.values() for site in lines]
    born = tuple(dict.fromkeys([*nearest, *others]))[:_MOST_SITES]
    waiting = tuple(sources.site(site.file, site.line) for site in owner.waiting)
    return attrs.evolve(
        owner, born=born, waiting=waiting, sites_by_type={name: lines[-1] for name, lines in sites.items() if lines}
    )


def _is_in(value: Any, keys: Sequence[Any]) -> bool:
    return any(value is key for key in keys)


def entry_types_of(sample: Sequence[Any], entries: int) -> tuple[EntryType, ...]:
    """Count the types of a sample of so many entries, keys and values."""
    counts = Counter(type_name(type(part)) for part in sample)
    sizes: Counter[str] = Counter()
    for part in sample:
        sizes[type_name(type(part))] += size_of(part, {})
    return tuple(
        EntryType(name, count / entries, sizes[name] / count) for name, count in counts.most_common(_MOST_ENTRY_TYPES)
    )


# -- how its length goes on ------------------------------------------------------------------------


@attrs.define(eq=False)
class LengthWatch:
    """Reads how long a few owners are between rounds: microseconds, whatever the size of the heap.

    Attributes:
        extents: By position of the accumulation, what reads its length (or its bytes).
        recounted: Positions of those whose list also has places of what is gone, which the length leaves out: the walk
            counted them.
    """

    extents: dict[int, Callable[[], int]]
    recounted: frozenset[int] = frozenset()
    _table: array[int] = attrs.field(factory=lambda: array("q"))
    _readings: int = 0

    def make_room(self, readings: int) -> None:
        """Make the table that readings go into beforehand: nothing may stay on the heap between two rounds."""
        self._table = array("q", bytes(8 * readings * len(self.extents)))

    def read(self) -> None:
        """Note the present lengths."""
        at = self._readings * len(self.extents)
        for extent in self.extents.values():
            self._table[at] = extent()
            at += 1
        self._readings += 1

    def lengths(self, position: int) -> tuple[int, ...]:
        """Return the lengths of one accumulation over all readings; empty if it is not watched."""
        if position not in self.extents:
            return ()
        column, width = list(self.extents).index(position), len(self.extents)
        return tuple(self._table[column : self._readings * width : width])

    def rate_at_first(self, position: int, rounds: Sequence[Round]) -> float:
        """Return what an accumulation gained per unit in the first third of these rounds; 0 if it did not gain."""
        lengths, some = self.lengths(position), max(1, len(rounds) // 3)
        units = sum(measured.units for measured in rounds[:some])
        return max(0, lengths[some] - lengths[0]) / units if some < len(lengths) and units else 0.0

    def has_stopped(self) -> bool:
        """Tell whether nothing watched has grown over the last rounds."""
        if self._readings < _RESTING_READINGS:
            return False
        width = len(self.extents)
        last, before = (self._readings - 1) * width, (self._readings - _RESTING_READINGS) * width
        return all(self._table[last + column] <= self._table[before + column] for column in range(width))


def watch_lengths(reader: OwnerReader, found: Sequence[Accumulation]) -> LengthWatch:
    """Watch the accumulations whose length can be read; holds those containers and nothing else."""
    extents, recounted = {}, set()
    for position, accumulation in enumerate(found):
        extent = _extent_of(reader, accumulation)
        if extent is not None:
            extents[position] = extent
            if live_length(reader.chain(accumulation)) is not None:
                recounted.add(position)
    return LengthWatch(extents, frozenset(recounted))


def _extent_of(  # noqa: PLR0911 - one return for each kind of owner
    reader: OwnerReader, found: Accumulation
) -> Callable[[], int] | None:
    if found.orphan:
        return None
    chain = reader.chain(found)
    if len(chain) < 2:
        return lambda: length_of(chain[-1])
    if (live := live_length(chain)) is not None:
        return live
    if len(chain) == 2 and (root := reader.root(found)).is_copy:
        return _extent_of_local(root, chain[-1])
    if found.buffer_bytes and not found.entries and len(found.members) > 1:
        return _extent_of_alike(reader, [reader.newborn.nodes[node] for node in found.members], chain[-1])
    if found.buffer_bytes and not found.entries:
        return _extent_below(reader, chain, lambda buffer: buffer_bytes(buffer, KindsByIdentity()))
    if found.entries or derives(type(chain[-1]), *_CONTAINERS):
        return _extent_below(reader, chain, length_of)
    return None


def _extent_of_alike(reader: OwnerReader, holders: Sequence[Any], target: Any) -> Callable[[], int] | None:
    """Watch the buffers that several objects of one kind keep under the same attribute."""
    names = [name for holder in holders for name, value in reader.attributes(holder) if value is target]
    if not names or type(names[0]) is not str:
        return None
    return lambda: sum(buffer_bytes(attribute_of(holder, names[0]), KindsByIdentity()) for holder in holders)


def _extent_of_local(root: Root, target: Any) -> Callable[[], int] | None:
    """Watch a local or a context variable: what was read of it is a copy, so it is read again each time."""
    names = [name for name, value in root.target.items() if value is target] if type(root.target) is dict else []
    again = root.read_again
    if not names or again is None:
        return lambda: length_of(target)
    return lambda: length_of(again().get(names[0]))


def _extent_below(reader: OwnerReader, chain: Sequence[Any], measure: Callable[[Any], int]) -> Callable[[], int]:
    """Watch the last object of a chain, also when it is replaced or when there are several of its kind.

    Under a name it is what stands there; else all objects of its type that the one above refers to, which may be
    replaced itself.
    """
    above, target = chain[-2], chain[-1]
    read = _read_by_name(reader, above, target)
    if read is not None:
        return lambda: measure(read())
    kind, kinds = type(target), KindsByIdentity()
    if length_of(above) > _MOST_SIBLINGS:
        return lambda: measure(target)
    again = _read_by_name(reader, chain[-3], above) if len(chain) > 2 else None
    if again is None:
        return lambda: sum(measure(ref) for ref in references(above, kinds) if type(ref) is kind)
    return lambda: sum(measure(ref) for ref in references(again(), kinds) if type(ref) is kind)


def _read_by_name(reader: OwnerReader, above: Any, target: Any) -> Callable[[], Any] | None:
    """Return what reads the attribute or variable of an object that a target is now; None if it is neither."""
    if type(above) is dict and dict.__len__(above) > _MOST_SIBLINGS:
        return None
    pairs = pairs_of(above) if type(above) is dict else reader.attributes(above)
    names = [name for name, value in pairs if value is target and type(name) is str]
    if not names or not names[0].isidentifier():
        return None
    name = min(names, key=is_leftover)  # what a prompt shows next takes over such a name
    return functools.partial(above.get if type(above) is dict else functools.partial(attribute_of, above), name)
