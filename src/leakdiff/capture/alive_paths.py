"""The paths to the holders of instances: each one's own, or where they are too many, a sample of those alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from leakdiff.capture.alive_instances import TopWalk
from leakdiff.capture.alive_names import Named, name_way
from leakdiff.capture.kinds import KindsByIdentity, is_exactly
from leakdiff.capture.references import references
from leakdiff.capture.roots import Roots
from leakdiff.model.alive import ENTRIES

_MOST_READ = 5_000  # holders whose paths are read, and as many again where a sample does not agree
_SAMPLE = range(3, 24)  # how many are read of a group of alike holders, at least and at most
_MOST_LEVELS = 4  # how far above its holder an instance may be grouped
_MOST_EACH = 1_000  # references of one holder that are named one by one
_OTHERS = "..."  # how the name of several paths ends: what is common to them comes before

_GOLDEN = 0.6180339887498949
_ANY = 0  # stands for the address of any instance
_Group = tuple[int, int]  # the index of an object above, and the identity of the holders' type


@attrs.define(eq=False)
class Paths:
    """Names for the holders that a walk found; holds live objects and must not outlive the answer.

    Attributes:
        unread: What was not read, in a sentence; empty where all was.
    """

    walk: TopWalk
    roots: Roots
    unread: str = ""
    _names: dict[int, dict[int, Named]] = attrs.field(factory=dict)
    _unlike: dict[int, Named] = attrs.field(factory=dict)

    def read(self) -> None:
        """Read the paths of all holders, or of a sample."""
        holders = dict(zip(self.walk.held, self.walk.types_held, strict=True))
        if len(holders) <= _MOST_READ:
            self._read([*holders])
            return
        groups = self._groups(holders)
        most = min(max(_MOST_READ // len(groups), _SAMPLE.start), _SAMPLE.stop)
        samples = [_sample(members, most) for members in groups]
        self._read([index for sample in samples for index in sample])
        left = _MOST_READ
        for members, sample in zip(groups, samples, strict=True):
            named = self._of_all(sample)
            if len(named) > 1:
                self._read(more := [index for index in members if not self.is_read(index)][:left])
                left -= len(more)
                named = self._of_all([*sample, *more])
            self._stand_for(members, named)
        if self._unlike:
            self.unread = (
                f"{len(holders):,} objects hold them: the paths of {len(holders) - len(self._unlike):,} were read; "
                "each other (~) counts as those of its place and type do, or under what is common to these"
            )

    def of(self, index: int, address: int) -> Named | None:
        """Return the path on which a holder refers to an instance."""
        names = self._names.get(index)
        return self._unlike.get(index) if names is None else names.get(address) or names[_ANY]

    def is_read(self, index: int) -> bool:
        """Tell whether the path of a holder itself was read."""
        return index in self._names

    def _groups(self, holders: dict[int, int]) -> list[list[int]]:
        """Put holders of one type under one object together, the nearest above them with which groups are few."""
        parents, above = self.walk.parents, list(holders)
        by_group: dict[_Group, list[int]] = {}
        for _ in range(_MOST_LEVELS):
            above = [parents[up] if parents[up] >= 0 else up for up in above]
            by_group = {}
            for (index, of_type), up in zip(holders.items(), above, strict=True):
                by_group.setdefault((up, of_type), []).append(index)
            if len(by_group) <= _MOST_READ // _SAMPLE.start:
                break
        return list(by_group.values())

    def _of_all(self, indexes: Iterable[int]) -> list[Named]:
        """Return what was read of some holders, each path once."""
        names = [one for index in indexes for one in self._names.get(index, {}).values()]
        return list({one.owner: one for one in names}.values())

    def _stand_for(self, members: Sequence[int], named: Sequence[Named]) -> None:
        """Let what was read of some holders stand for the others."""
        if named:
            common = named[0] if len(named) == 1 else _common(named)
            self._unlike.update((index, common) for index in members if not self.is_read(index))

    # -- one holder ------------------------------------------------------------------------------------

    def _read(self, indexes: Sequence[int]) -> None:
        live = self.walk.live(indexes)
        for index in indexes:
            if index in live:
                self._name(index, self.walk.way(index, live))
            self.walk.pacer.breathe()

    def _name(self, index: int, way: list[Any]) -> None:
        """Name the instances that a holder refers to: one by one where these are attributes, variables and the like."""
        root = self.roots[self.walk.chain(index)[0]]
        ends = self._ends(way[-1])
        if not ends:
            return
        first = name_way([*way, *ends[0]], root, is_quiet=True)
        names = self._names[index] = {_ANY: first}
        if len(ends) == 1 or first.label in ENTRIES:
            return
        every = [name_way([*way, *end], root, is_quiet=True) for end in ends[:_MOST_EACH]]
        names.update((id(end[-1]), named) for end, named in zip(ends, every, strict=False))
        if len(ends) > len(every):
            names[_ANY] = _common(every)

    def _ends(self, holder: Any) -> list[list[Any]]:
        """Return what a way goes on with to each instance that its last object holds.

        That is the instance; before a class to which nothing but its instances led, an instance of it.
        """
        refs = references(holder, KindsByIdentity())
        wanted, by_instance = self.walk.wanted, self.walk.by_instance
        ends = [[ref] for ref in refs if is_exactly(type(ref), *wanted)]
        if by_instance:
            ends += [[ref, type(ref)] for ref in refs if id(type(ref)) in by_instance]
            ends += [[type(holder)]] if id(type(holder)) in by_instance else []
        return ends


def _sample(members: Sequence[int], most: int) -> list[int]:
    """Return some of many, spread evenly but in no regular step: what alternates would be taken for all alike."""
    if len(members) <= most:
        return list(members)
    return sorted({members[int(number * _GOLDEN % 1 * len(members))] for number in range(most)})


def _common(named: Sequence[Named]) -> Named:
    """Return what is common to several paths, as far as it is."""
    steps = named[0].steps
    for other in named[1:]:
        alike = [one == two for one, two in zip(steps, other.steps, strict=False)]
        steps = steps[: alike.index(False) if False in alike else len(alike)]
    kinds = {one.kind for one in named}
    name = "".join(step.label for step in steps)
    return Named(named[0].kind if len(kinds) == 1 else "several", f"{name}{_OTHERS}", "", "several", steps, None)
