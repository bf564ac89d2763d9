"""The walk that finds who refers to an object, or to any instance of some classes: forward, from named roots.

It sees every reference there is, also of and to what gc does not track or someone froze.
"""

from __future__ import annotations

import gc
import sys
import types
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from leakdiff.capture.alive_hidden import hiding, parts_of, times_hidden_in, with_hidden_keys
from leakdiff.capture.kinds import (
    ATOM,
    INTEGER,
    PLAIN,
    TEXT,
    Kinds,
    KindsByIdentity,
    derives,
    make_kinds,
)
from leakdiff.capture.references import references
from leakdiff.capture.walk import LARGE, ONE_REFERRER, PAGE, Walk

WANTED = 100  # kind of the types that may be asked about
HIDING = 101  # kind of leaves that may refer to what is asked about, and do not tell gc
EVERY = object()  # stands for all instances of the wanted types
_PART = 4_096  # references handled between two offers to let other threads run
_DEEP = 1_000  # levels after which nothing is taken for unvisited by its one referrer
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
    _classes_seen: set[int] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        """Mark the wanted types, and the leaves that may hide a reference to the subject."""
        for cls in self.wanted:
            _set(self.marked, cls, WANTED)
        if self.subject is EVERY:
            return
        cls = type(self.subject)
        for descriptor in _DESCRIPTORS if derives(cls, type) else ():
            _set(self.marked, descriptor, PLAIN)
        for leaf in hiding(cls):
            if leaf is not cls:
                _set(self.marked, leaf, HIDING)

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
        asks_keys = type(subject) is str
        getrefcount, one_referrer = sys.getrefcount, ONE_REFERRER if self._depth <= _DEEP else 0
        listed, in_parts = self.pacer.listed, self.pacer.in_parts
        for obj in level:
            cls = type(obj) if sees_classes else None
            container = type(obj)
            if (container is dict or container is list or container is set) and len(obj) >= LARGE:
                refs: Sequence[Any] = listed(obj)
            else:
                refs = get_referents(obj) if table[container] == PLAIN else self._refs_of(obj, index, following)
            if asks_keys and derives(container, dict):
                refs = with_hidden_keys(obj, refs, subject)
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
        """Note the first object that leads to a leaf which refers to the subject: code to its constants, for one."""
        for part in parts_of(leaf):
            times = 0 if self.pages.has(part) else times_hidden_in(part, self.subject)
            if times:
                self.pages.mark(part)
            for _ in range(times):
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


def walk_further(walk: HolderWalk) -> HolderWalk:
    """Walk what is reached through the object only, after everything else was reached."""
    further = HolderWalk(
        walk.budget, pages=walk.pages, pacer=walk.pacer, wanted=walk.wanted, subject=walk.subject, kinds=walk.kinds
    )
    further.from_roots([walk.subject])
    return further


def _set(kinds: Kinds, cls: type, kind: int) -> None:
    """Give a type another kind in one table."""
    if isinstance(kinds, KindsByIdentity):
        kinds._seen[id(cls)] = cls, kind  # noqa: SLF001 - it is its own table, and has no other way in
    else:
        kinds.table[cls] = kind
