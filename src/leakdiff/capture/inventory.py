"""Every container of a walked heap by its name, with its length and what it retains."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

import attrs

from leakdiff.capture.census import LEAST_ENTRIES, CensusWalk
from leakdiff.capture.containers import is_lru_cache, length_of
from leakdiff.capture.deep_size import DeepSizer
from leakdiff.capture.entries import find_bound, key_shape, newest
from leakdiff.capture.kinds import derives, type_name
from leakdiff.capture.naming import Rules, name_chain, quiet_rules
from leakdiff.capture.roots import Roots, start_of
from leakdiff.model.snapshot import OwnerSize

_MOST_NAMED = 20_000
_NEAR = 20_000  # objects nearest to the roots, whose containers are listed however small
_LOOKED_INTO = 300  # largest owners whose keys and bounds are read
_SIZED = 20  # of them, how many have entries measured
_SAMPLE = 5
_NAMESPACE = ".__dict__"


@attrs.define(eq=False)
class Holding:
    """The live containers of one path; the largest speaks for all.

    Attributes:
        path: Their name.
        kind: What the path starts at.
        root: The name of that.
        chain: Live objects from the root's target to the largest of them.
        entries: Entries of all.
        bytes: Retained estimate of all.
        containers: How many they are.
        largest: Entries of the largest.
    """

    path: str
    kind: str
    root: str
    chain: list[Any]
    entries: int = 0
    bytes: int = 0
    containers: int = 0
    largest: int = -1

    def add(self, entries: int, size: int, chain: list[Any]) -> None:
        """Count one more container."""
        self.entries += entries
        self.bytes += size
        self.containers += 1
        if entries > self.largest:
            self.largest, self.chain = entries, chain


@attrs.define(eq=False)
class Inventory:
    """What the containers of a heap are called; holds live objects and must not outlive the snapshot.

    Attributes:
        holdings: By path.
        least_entries: Containers with fewer entries may be missing.
    """

    holdings: dict[str, Holding]
    least_entries: int

    def sizes(self) -> tuple[OwnerSize, ...]:
        """Return names and numbers, most bytes first; the largest also with key shape, bound and size of an entry."""
        ranked = sorted(self.holdings.values(), key=lambda held: (-held.bytes, -held.entries, held.path))
        sizer = DeepSizer()
        longest = {held.path for held in sorted(ranked, key=lambda held: (-held.entries, held.path))[:_LOOKED_INTO]}
        return tuple(
            _described(held, sizer if at < _SIZED else None)
            if at < _LOOKED_INTO or held.path in longest
            else _named(held)
            for at, held in enumerate(ranked)
        )


def take_inventory(walk: CensusWalk, roots: Roots) -> Inventory:
    """Name the containers that a finished walk met, the longest and those nearest to the roots."""
    chosen, least = _chosen(walk)
    live = walk.live(chosen)
    holdings: dict[str, Holding] = {}
    rules = quiet_rules()
    for index in chosen:
        if index in live:
            chain = walk.way(index, live)
            named = _name(chain, walk, index, roots, rules)
            if named is not None and not _holds_weakly(chain[-1]):
                kind, root, path = named
                held = holdings.setdefault(path, Holding(path, kind, root, chain))
                held.add(length_of(chain[-1]), _bytes_below(walk, index, chain), chain)
        walk.pacer.breathe()
    return Inventory(holdings, least)


def _bytes_below(walk: CensusWalk, index: int, chain: list[Any]) -> int:
    """Return what was first reached through a container; through the wrapper, where it is the dict of a cache."""
    whole = walk.parents[index] if len(chain) > 1 and is_lru_cache(chain[-2]) else index
    return walk.bytes_below[whole]


def _chosen(walk: CensusWalk) -> tuple[list[int], int]:
    """Return indexes of the containers to name, and from how many entries on all are among them."""
    pairs = list(zip(walk.candidates, walk.candidate_entries, strict=True))
    near = [index for index, _ in pairs if index < _NEAR]
    far = Counter(count for index, count in pairs if index >= _NEAR)
    room, least = _MOST_NAMED, LEAST_ENTRIES
    for count in sorted(far, reverse=True):
        room -= far[count]
        if room < 0:
            least = count + 1
            break
    return [*near, *(index for index, count in pairs if index >= _NEAR and count >= least)], least


def _name(chain: list[Any], walk: CensusWalk, index: int, roots: Roots, rules: Rules) -> tuple[str, str, str] | None:
    """Return kind and name of the start, and the path; None for namespaces, which are no owners."""
    if len(chain) == 1:
        return None
    kind, name, first, rest = start_of(chain, roots[walk.chain(index)[0]])
    path = name + "".join(step.label for step in name_chain(rest, first, rules))
    return None if path == name or path.endswith(_NAMESPACE) else (kind, name, path)


def _holds_weakly(container: Any) -> bool:
    """Tell whether all of a sample of its values or members are weak references: it owns nothing."""
    _, values = newest(container, _SAMPLE)
    return bool(values) and all(derives(type(value), weakref.ref) for value in values)


def _named(held: Holding, **details: Any) -> OwnerSize:
    return OwnerSize(  # not by evolving another: tracemalloc would count it for attrs, not for us
        path=held.path,
        kind=held.kind,
        type=type_name(type(held.chain[-1])),
        entries=held.entries,
        bytes=held.bytes,
        containers=held.containers,
        **details,
    )


def _described(held: Holding, sizer: DeepSizer | None) -> OwnerSize:
    keys, values = newest(held.chain[-1], _SAMPLE)
    if is_lru_cache(held.chain[-2]):  # its entries hide what they hold
        sizer = None
    size, tool = sizer.mean([*keys, *values], len(values)) if sizer is not None and values else (None, None)
    return _named(
        held,
        key_shape=key_shape(keys),
        bound=find_bound(held.chain) if held.containers == 1 else None,
        entry_bytes=size,
        sized_by=tool,
    )
