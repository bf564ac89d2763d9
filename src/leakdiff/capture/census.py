"""The walk of a snapshot: every object that named roots reach, counted by type, with what lies below each."""

from __future__ import annotations

import collections
import gc
import queue
import sys
import types
from array import array
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import attrs

from leakdiff.capture.kinds import (
    ATOM,
    INTEGER,
    OWN,
    PLAIN,
    TEXT,
    derives,
    is_exactly,
    loaded,
    size_of,
    sizeof_is_c,
    type_name,
)
from leakdiff.capture.references import references
from leakdiff.capture.walk import LARGE, ONE_REFERRER, PAGE, Walk
from leakdiff.model.snapshot import TypeCount

_LARGE_OBJECT = 512  # bytes above which Python asks the C heap
_PART = 4_096  # references handled between two counts of leaves
MOST_NOTED = 50_000  # suspended coroutines, generators and tasks that are counted by name
LEAST_ENTRIES = 4  # containers with fewer are not listed
_LEAST_OF_TUPLES = 64  # tuples do not grow; only large ones may be rebuilt
_LEAVES = (ATOM, TEXT, INTEGER)
_NOTED = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
CONTAINERS = (dict, list, set, frozenset, collections.deque, queue.SimpleQueue)


@attrs.define(eq=False)
class Counts:
    """Objects and bytes by type; holds the types, by identity, as long as the walk lasts.

    Attributes:
        by_type: Objects by the identity of their type.
        bytes_by_type: Their shallow bytes.
        classes: The types by identity.
        large_bytes: Bytes of objects so large that they live on the C heap.
        noted: Identities of the types whose objects the walk keeps: coroutines, generators and tasks.
    """

    by_type: Counter[int] = attrs.field(factory=Counter)
    bytes_by_type: Counter[int] = attrs.field(factory=Counter)
    classes: dict[int, type] = attrs.field(factory=dict)
    large_bytes: int = 0
    noted: set[int] = attrs.field(factory=set)
    _unsafe: set[int] = attrs.field(factory=set)
    _sizeofs: dict[int, bool] = attrs.field(factory=dict)

    def add(self, objects: Sequence[Any]) -> list[int]:
        """Count objects and return the shallow bytes of each."""
        classes = list(map(type, objects))
        identities = list(map(id, classes))
        self.by_type.update(identities)
        for identity in set(identities).difference(self.classes):
            self._see(classes[identities.index(identity)])
        if self._unsafe and not self._unsafe.isdisjoint(identities):
            sizes = [size_of(obj, self._sizeofs) for obj in objects]
        else:
            sizes = list(map(sys.getsizeof, objects))
        total = self.bytes_by_type
        for identity, size in zip(identities, sizes, strict=True):
            total[identity] += size
        self.large_bytes += sum(size for size in sizes if size > _LARGE_OBJECT)
        return sizes

    def _see(self, cls: type) -> None:
        self.classes[id(cls)] = cls
        if not sizeof_is_c(cls):
            self._unsafe.add(id(cls))
        task = loaded("_asyncio", "Task")
        if is_exactly(cls, *_NOTED) or (task is not None and derives(cls, task)):
            self.noted.add(id(cls))

    def types(self) -> tuple[TypeCount, ...]:
        """Return counts by name, most bytes first; classes of one name count as one."""
        counts: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for identity, cls in self.classes.items():
            name = type_name(cls)
            counts[name] += self.by_type[identity]
            sizes[name] += self.bytes_by_type[identity]
        found = [TypeCount(name, count, sizes[name]) for name, count in counts.items()]
        return tuple(sorted(found, key=lambda item: (-item.bytes, -item.count, item.name)))


@attrs.define(eq=False)
class CensusWalk(Walk):
    """A walk that counts everything, also what gc does not track, and keys of dicts that gc does not show.

    Keys of text in dicts with less than four entries are left out: nearly all are names that the program shares.

    Holds live objects: it must not outlive the snapshot.

    Attributes:
        counts: Objects and bytes by type.
        bytes_below: By index, shallow bytes of an object and of the leaves only it was first to reach; after
            ``add_up``, of all that was first reached through it.
        candidates: Indexes of what may be a container.
        candidate_entries: How many references each of them holds.
        noted: Live suspended coroutines and generators, and asyncio tasks.
    """

    counts: Counts = attrs.field(factory=Counts)
    bytes_below: array[int] = attrs.field(factory=lambda: array("Q"))
    candidates: array[int] = attrs.field(factory=lambda: array("i"))
    candidate_entries: array[int] = attrs.field(factory=lambda: array("i"))
    noted: list[Any] = attrs.field(factory=list)
    _holds_entries: dict[int, tuple[int, bool]] = attrs.field(factory=dict)
    _leaves: list[Any] = attrs.field(factory=list)
    _runs: list[tuple[int, int]] = attrs.field(factory=list)  # whose leaves they are: (index, how many)

    def _expand(self, level: list[Any], index: int, following: list[Any]) -> None:  # noqa: C901, PLR0912, PLR0915 - the hot loop, as in Walk
        """Count a slice of one level and visit what it refers to."""
        self._count(level, index)
        kinds, table, pages, get_referents = self.kinds, self.kinds.table, self.pages.table, gc.get_referents
        parents, found, known = self.parents, following.append, len(following)
        leaves, leaf = self._leaves, self._leaves.append
        getrefcount, one_referrer = sys.getrefcount, ONE_REFERRER
        sees_classes = table is not kinds
        listed, in_parts = self.pacer.listed, self.pacer.in_parts
        for obj in level:
            cls = type(obj) if sees_classes else None
            container = type(obj)
            if (container is dict or container is list or container is set) and len(obj) >= LARGE:
                refs: Sequence[Any] = listed(obj)
            else:
                refs = get_referents(obj) if table[type(obj)] == PLAIN else references(obj, kinds)
            if len(refs) >= LEAST_ENTRIES:
                refs = self._see_container(index, obj, refs)
            first = len(leaves)
            for part in (refs,) if len(refs) <= _PART else in_parts(refs):
                for ref in part:
                    if ref is cls or ref is None:
                        continue
                    try:
                        kind = table[type(ref)]
                    except KeyError:
                        kind = kinds[type(ref)]
                        self._see_class(type(ref), index, following)
                    if kind == PLAIN:
                        keep = found
                    elif kind in _LEAVES:
                        keep = leaf
                    elif kind == OWN:
                        continue
                    else:
                        keep = found
                    if getrefcount(ref) == one_referrer:
                        keep(ref)  # nobody else refers to it: it cannot have been visited, nor be met again
                        continue
                    address = id(ref)
                    try:
                        page = pages[address >> 20]
                    except KeyError:
                        page = pages[address >> 20] = bytearray(PAGE)
                    byte, bit = (address >> 7) & 8191, 1 << ((address >> 4) & 7)
                    if not page[byte] & bit:
                        page[byte] |= bit
                        keep(ref)
                if len(leaves) >= _PART:
                    self._runs.append((index, len(leaves) - first))
                    self._count_leaves()
                    first = 0
                if len(following) != known:
                    parents.extend([index] * (len(following) - known))
                    known = len(following)
            if len(leaves) != first:
                self._runs.append((index, len(leaves) - first))
            index += 1

    def _see_class(self, cls: type, index: int, following: list[Any]) -> None:
        if self.kinds[cls] != OWN:
            super()._see_class(cls, index, following)

    def _count(self, level: Sequence[Any], index: int) -> None:
        """Count the objects of a slice, but not the roots: namespaces of modules, and copies made for the walk."""
        below, end, first = self.bytes_below, index + len(level), max(index, len(self.roots))
        below.extend([0] * (end - len(below)))  # roots that are walked last have small indexes
        if first < end:
            counted = level if first == index else level[first - index :]
            below[first:end] = array("Q", self.counts.add(counted))
        if not self.counts.noted.isdisjoint(map(id, map(type, level))) and len(self.noted) < MOST_NOTED:
            self.noted.extend(obj for obj in level if id(type(obj)) in self.counts.noted)

    def _count_leaves(self) -> None:
        sizes, at, below = self.counts.add(self._leaves), 0, self.bytes_below
        for index, count in self._runs:
            below[index] += sum(sizes[at : at + count])
            at += count
        self._leaves.clear()
        self._runs.clear()

    def _see_container(self, index: int, obj: object, refs: Sequence[Any]) -> Sequence[Any]:
        """Remember what may be listed, and return what it refers to, with the keys of a dict that hides them."""
        known = self._holds_entries.get(id(type(obj)))
        if known is None:
            known = self._holds_entries[id(type(obj))] = _least_entries(type(obj)), derives(type(obj), dict)
        (least, is_dict), count = known, len(refs)
        if count >= least and index not in self._copies:
            self.candidates.append(index)
            self.candidate_entries.append(count)
        return _with_keys(obj, refs) if is_dict else refs

    def add_up(self) -> None:
        """Finish the counts, and give everything that lies below an object to it."""
        self._count_leaves()
        below, parents = self.bytes_below, self.parents
        below.extend([0] * (len(parents) - len(below)))  # found, but not expanded before the budget ended
        for index in range(len(parents) - 1, -1, -1):
            if parents[index] >= 0:
                below[parents[index]] += below[index]
            if not index % _PART:
                self.pacer.breathe()

    def memory(self) -> int:
        """Return the bytes of its own tables."""
        pages = sum(map(sys.getsizeof, self.pages.table.values())) + sys.getsizeof(self.pages.table)
        tables = (self.addresses, self.parents, self.bytes_below, self.candidates, self.candidate_entries)
        return pages + sum(map(sys.getsizeof, tables))


def _with_keys(obj: Any, refs: Sequence[Any]) -> Sequence[Any]:
    """Add the keys of a dict to what it refers to: gc does not show them where all are text."""
    if len(refs) >= 2 * dict.__len__(obj):
        return refs
    with_keys = refs if type(refs) is list else list(refs)
    with suppress(RuntimeError):  # it was changed in between
        with_keys.extend(dict.keys(obj))  # a copy would be let go of at once: 20 ms for a million references
    return with_keys


def _least_entries(cls: type) -> int:
    """Return from how many entries on objects of a type are listed."""
    if derives(cls, *CONTAINERS):
        return LEAST_ENTRIES
    return _LEAST_OF_TUPLES if derives(cls, tuple) else sys.maxsize
