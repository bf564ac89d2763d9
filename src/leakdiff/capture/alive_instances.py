"""The walks that find all instances of some classes: those that something else holds, and those below them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from leakdiff.capture.alive_walk import HolderWalk
from leakdiff.capture.kinds import is_exactly, size_of
from leakdiff.capture.walk import Pages


@attrs.define(eq=False)
class TopWalk(HolderWalk):
    """Finds the topmost instances: those that something else than an instance holds.

    Attributes:
        tops: The instances, each once.
        addresses_held: The instance's address, for each reference in ``held``.
        types_held: The identity of the holder's type, for each reference in ``held``.
        by_instance: The addresses of classes to which nothing but their instances led.
    """

    tops: list[Any] = attrs.field(factory=list)
    addresses_held: array[int] = attrs.field(factory=lambda: array("Q"))
    types_held: array[int] = attrs.field(factory=lambda: array("Q"))
    by_instance: set[int] = attrs.field(factory=set)
    _found: Pages = attrs.field(factory=Pages)  # apart from what was visited: roots and classes are marked there first
    _left_out: set[int] = attrs.field(factory=set)
    _classes: dict[int, tuple[int, int]] = attrs.field(factory=dict)

    def from_roots(self, first: Sequence[Any], then: Sequence[Any] = (), avoid: Iterable[Any] = ()) -> None:
        """Walk everything the roots reach; then note the classes that only instances of them led to."""
        avoid = list(avoid)
        self._left_out = {id(target) for target in avoid if is_exactly(type(target), *self.wanted)}
        super().from_roots(first, then, avoid)
        if self._classes:
            self.by_instance = self._classes.keys() - set(self.addresses_held)
        for address in self.by_instance:
            self._note(*self._classes[address], address)

    def _see_class(self, cls: type, index: int, following: list[Any]) -> None:
        """Visit the class of the first instance that is met; where classes are asked about, it is an instance too."""
        if is_exactly(type(cls), *self.wanted):
            self._find_class(cls, index, 0)
        else:
            super()._see_class(cls, index, following)

    def _meet(self, index: int, obj: Any, ref: Any, following: list[Any]) -> None:  # noqa: ARG002
        if type(obj) is ref:
            self._find_class(ref, index, id(ref))
        elif id(ref) not in self._left_out:
            self._note(index, id(type(obj)), id(ref))
            self._find(ref)

    def _find_class(self, cls: type, index: int, of_type: int) -> None:
        if id(cls) not in self._left_out:
            self._classes.setdefault(id(cls), (index, of_type))
            self._find(cls)

    def _note(self, index: int, of_type: int, address: int) -> None:
        self.held.append(index)
        self.types_held.append(of_type)
        self.addresses_held.append(address)

    def _find(self, ref: Any) -> None:
        if not self._found.has(ref):
            self._found.mark(ref)
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

    def _see_class(self, cls: type, index: int, following: list[Any]) -> None:
        """Visit the class of the first instance that is met; where classes are asked about, it is an instance too."""
        if is_exactly(type(cls), *self.wanted):
            self._meet(index, None, cls, following)
        else:
            super()._see_class(cls, index, following)

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
