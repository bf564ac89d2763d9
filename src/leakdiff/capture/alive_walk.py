"""The walk that finds who refers to an object, or to any instance of some classes: forward, from named roots.

It sees every reference there is, also of and to what gc does not track or someone froze.
"""

from __future__ import annotations

import gc
import sys
import types
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import attrs

from leakdiff.capture.kinds import (
    ATOM,
    INTEGER,
    PLAIN,
    TEXT,
    Kinds,
    KindsByIdentity,
    derives,
    loaded,
    make_kinds,
    size_of,
)
from leakdiff.capture.references import references, time_zone_of
from leakdiff.capture.walk import LARGE, ONE_REFERRER, PAGE, Walk

WANTED = 100  # kind of the types that may be asked about
HIDING = 101  # kind of leaves that may refer to what is asked about, and do not tell gc
EVERY = object()  # stands for all instances of the wanted types
_PART = 4_096  # references handled between two offers to let other threads run
_DEEP = 1_000  # levels after which nothing is taken for unvisited by its one referrer
CONSTANTS = (int, float, complex, str, bytes, tuple, frozenset, types.CodeType)  # what code may keep
_MOST_CONSTANTS = 10_000
# Each refers to the class it is of, and to nothing else.
_DESCRIPTORS = (
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
)


@attrs.define(eq=False)
class HolderWalk(Walk):
    """A walk that notes each reference to what is asked about, and does not go through it.

    Holds live objects: it must not outlive the answer.

    Attributes:
        wanted: The types of what is asked about.
        subject: The one object, or ``EVERY`` instance.
        held: The holder's index, for each reference.
        marked: Kinds in which the wanted types have a kind of their own: what is of none of them costs nothing.
    """

    wanted: Sequence[type] = ()
    subject: Any = EVERY
    held: array[int] = attrs.field(factory=lambda: array("i"))
    instances_of: int = 0
    marked: Kinds = attrs.field(factory=make_kinds)
    _shows_keys: bool = False
    _classes_seen: set[int] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        """Mark the wanted types, and the leaves that may hide a reference to the subject."""
        for cls in self.wanted:
            _set(self.marked, cls, WANTED)
        if self.subject is EVERY:
            return
        cls = type(self.subject)
        self._shows_keys = cls is str
        for descriptor in _DESCRIPTORS if derives(cls, type) else ():
            _set(self.marked, descriptor, PLAIN)
        for hiding in _hiding(cls):
            if hiding is not cls:
                _set(self.marked, hiding, HIDING)

    def from_roots(self, first: Sequence[Any], then: Sequence[Any] = (), avoid: Iterable[Any] = ()) -> None:
        """Walk everything the roots reach."""
        for target in (*first, *then):
            _ = self.marked[type(target)]
        super().from_roots(first, then, avoid)

    def _expand(self, level: list[Any], index: int, following: list[Any]) -> None:  # noqa: C901, PLR0912, PLR0915 - the hot loop, as in Walk
        """Visit what a slice of one level refers to: as ``Walk`` does, without lengths and buffers."""
        marked, table, pages, get_referents = self.marked, self.marked.table, self.pages.table, gc.get_referents
        parents, found, known = self.parents, following.append, len(following)
        subject, every, sees_classes = self.subject, EVERY, table is not marked
        getrefcount, one_referrer = sys.getrefcount, ONE_REFERRER if self._depth <= _DEEP else 0
        listed, in_parts = self.pacer.listed, self.pacer.in_parts
        for obj in level:
            cls = type(obj) if sees_classes else None
            container = type(obj)
            if (container is dict or container is list or container is set) and len(obj) >= LARGE:
                refs: Sequence[Any] = listed(obj)
            else:
                refs = get_referents(obj) if table[container] == PLAIN else self._refs_of(obj, index, following)
            if self._shows_keys and derives(container, dict):
                refs = _with_keys(obj, refs)
            for part in (refs,) if len(refs) <= _PART else in_parts(refs):
                for ref in part:
                    if ref is cls:
                        if ref is subject:
                            self.instances_of += 1
                        continue
                    try:
                        kind = table[type(ref)]
                    except KeyError:
                        kind = marked[type(ref)]
                        self._see_class(type(ref), index, following)
                    if kind != PLAIN:
                        if kind == TEXT or kind <= ATOM or kind == INTEGER:  # noqa: SIM109 - a tuple would cost more
                            continue
                        if kind == WANTED:
                            if subject is every or ref is subject:
                                self._meet(index, obj, ref, following)
                                continue
                            if self._is_leaf(ref):
                                self._look_behind(index, obj, ref, following)
                                continue
                        elif kind == HIDING:
                            self._look_behind(index, obj, ref, following)
                            continue
                    if getrefcount(ref) == one_referrer:
                        found(ref)  # nobody else refers to it: it cannot have been visited, nor be met again
                        continue
                    address = id(ref)
                    try:
                        page = pages[address >> 20]
                    except KeyError:
                        page = pages[address >> 20] = bytearray(PAGE)
                    byte, bit = (address >> 7) & 8191, 1 << ((address >> 4) & 7)
                    if not page[byte] & bit:
                        page[byte] |= bit
                        found(ref)
                if len(following) != known:
                    parents.extend([index] * (len(following) - known))
                    known = len(following)
            index += 1

    def _refs_of(self, obj: Any, index: int, following: list[Any]) -> Sequence[Any]:
        """Return what an object refers to that needs more than gc; go to the class of a wanted one, once."""
        cls = type(obj)
        if id(cls) not in self._classes_seen and any(cls is wanted for wanted in self.wanted):
            self._classes_seen.add(id(cls))
            self._see_class(cls, index, following)
        return references(obj, self.kinds)

    def _see_class(self, cls: type, index: int, following: list[Any]) -> None:
        if cls is not self.subject:
            super()._see_class(cls, index, following)
            _ = self.marked[type(cls)]

    def _meet(self, index: int, obj: Any, ref: Any, following: list[Any]) -> None:  # noqa: ARG002 - others go on from it
        """Note a reference to what is asked about."""
        if type(obj) is ref:  # where metaclasses compare their classes, these come here
            self.instances_of += 1
        else:
            self.held.append(index)

    def _is_leaf(self, ref: Any) -> bool:
        kind = self.kinds[type(ref)]
        return kind in (TEXT, INTEGER) or kind <= ATOM

    def _look_behind(self, index: int, obj: Any, leaf: Any, following: list[Any]) -> None:
        """Note the object that refers to a leaf which refers to the subject: code to its constants, for one."""
        if is_hidden_in(leaf, self.subject):
            self._meet(index, obj, self.subject, following)

    def makings(self) -> Iterator[Any]:
        """Yield what the walk made and that may refer to what is asked about."""
        yield from (self.roots, self.wanted)
        yield from (kinds.table for kinds in (self.kinds, self.marked))
        yield from (kinds._seen for kinds in (self.kinds, self.marked) if isinstance(kinds, KindsByIdentity))  # noqa: SLF001

    @property
    def walked(self) -> int:
        """How many objects were reached."""
        return len(self.addresses)


@attrs.define(eq=False)
class TopWalk(HolderWalk):
    """Finds the topmost instances: those that something else than an instance holds.

    Attributes:
        tops: The instances, each once.
        addresses_held: The instance's address, for each reference in ``held``.
    """

    tops: list[Any] = attrs.field(factory=list)
    addresses_held: array[int] = attrs.field(factory=lambda: array("Q"))

    def _meet(self, index: int, obj: Any, ref: Any, following: list[Any]) -> None:  # noqa: ARG002
        self.held.append(index)
        self.addresses_held.append(id(ref))
        if not self.pages.has(ref):
            self.pages.mark(ref)
            self.tops.append(ref)


@attrs.define(eq=False)
class InnerWalk(HolderWalk):
    """Finds the instances that only other instances lead to.

    Attributes:
        inner: The indexes of those instances.
        sizes: Their shallow bytes.
    """

    inner: array[int] = attrs.field(factory=lambda: array("i"))
    sizes: array[int] = attrs.field(factory=lambda: array("Q"))
    _sizeofs: dict[int, bool] = attrs.field(factory=dict)

    def from_tops(self, tops: Sequence[Any]) -> None:
        """Walk from instances that are known."""
        self.addresses.extend(map(id, tops))
        self.parents.extend([-1] * len(tops))
        self.roots = list(tops)
        self._from(list(tops), 0)

    def _meet(self, index: int, obj: Any, ref: Any, following: list[Any]) -> None:  # noqa: ARG002
        if not self.pages.has(ref):
            self.pages.mark(ref)
            self.inner.append(len(self.addresses) + len(following))
            self.sizes.append(size_of(ref, self._sizeofs))
            following.append(ref)

    def under_tops(self) -> Iterator[tuple[int, int]]:
        """Yield for each inner instance which of the topmost it was first reached from, and its bytes."""
        top = array("i", range(len(self.roots)))
        if self.inner:
            for index in range(len(self.roots), len(self.parents)):
                top.append(top[self.parents[index]])
        return ((top[index], size) for index, size in zip(self.inner, self.sizes, strict=True) if index < len(top))


def walk_further(walk: HolderWalk) -> HolderWalk:
    """Walk what is reached through the object only, after everything else was reached."""
    further = HolderWalk(
        walk.budget, pages=walk.pages, pacer=walk.pacer, wanted=walk.wanted, subject=walk.subject, kinds=walk.kinds
    )
    further.from_roots([walk.subject])
    return further


def is_hidden_in(leaf: Any, subject: Any) -> bool:
    """Tell whether code keeps an object among its constants and names, or a datetime as its time zone."""
    if type(leaf) is types.CodeType:
        return any(held is subject for held in _constants(leaf))
    return time_zone_of(leaf) is subject


def _constants(code: types.CodeType) -> Iterator[Any]:
    """Yield what code refers to, and what lies in tuples and sets of constants."""
    left: list[Any] = [code.co_consts, code.co_names, *code.co_names, code.co_name, code.co_qualname, code.co_filename]
    left += [*code.co_varnames, *code.co_freevars, *code.co_cellvars]
    for _ in range(_MOST_CONSTANTS):
        if not left:
            return
        held = left.pop()
        yield held
        if type(held) is tuple or type(held) is frozenset:
            left.extend(held)


def _hiding(cls: type) -> list[type]:
    """Return the types of leaves that may hide a reference to an object of some class."""
    if any(cls is constant for constant in CONSTANTS):
        return [types.CodeType]
    zone = loaded("datetime", "tzinfo")
    holders = [loaded("datetime", name) for name in ("datetime", "time")]
    return [found for found in holders if found is not None] if zone is not None and derives(cls, zone) else []


def _set(kinds: Kinds, cls: type, kind: int) -> None:
    """Give a type another kind in one table."""
    if isinstance(kinds, KindsByIdentity):
        kinds._seen[id(cls)] = cls, kind  # noqa: SLF001 - it is its own table, and has no other way in
    else:
        kinds.table[cls] = kind


def _with_keys(mapping: Any, refs: Sequence[Any]) -> Sequence[Any]:
    """Add the keys of a dict to what it refers to: gc does not show them where all are text."""
    if len(refs) >= 2 * dict.__len__(mapping):
        return refs
    with suppress(RuntimeError):  # another thread changed it
        return [*refs, *dict.keys(mapping)]
    return refs
