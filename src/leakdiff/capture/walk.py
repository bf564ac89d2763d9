"""The forward walk: every object that named roots reach, who reached it first, and what gained references."""

from __future__ import annotations

import gc
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import attrs

from leakdiff.capture.kinds import ATOM, BIG, BUFFER, INTEGER, NDARRAY, PLAIN, TEXT, Kinds, buffer_bytes, make_kinds
from leakdiff.capture.prompt import NOTHING, Apart
from leakdiff.capture.references import references

_LEAST_ENTRIES = 4  # containers with fewer references are not remembered between two walks
_LEAST_BYTES = 512  # nor are smaller buffers: below it they live in pymalloc and count as blocks
_NOTABLE_ENTRIES = 64  # containers that count when something is replaced by something larger
_LEAST_ROOM = 20_000
_LEVELS = 6  # how far below its holder what is replaced may lie
_SLICE = 512  # objects expanded between two offers to let other threads run: under a millisecond
_DEEP = 1_000  # levels after which nothing is taken for unvisited by its one referrer
_ROOT = -1
_PART = 4_096  # references handled between two such offers, where one container has many
LARGE = 20_000  # references from which on listing them is timed: a C loop that nothing interrupts
PAGE = 8192


def _count_of_one_referrer() -> int:
    """Return what ``sys.getrefcount`` says, in a loop like the walk's, of an object with one referrer."""
    holder: list[object] = [[]]
    count = 0
    refs = gc.get_referents(holder)
    for ref in refs:
        count = sys.getrefcount(ref)
    return count


ONE_REFERRER = _count_of_one_referrer()


class Pages:
    """A visited bitmap: a bit per 16 bytes of address space, in one 8 KiB page per MiB."""

    def __init__(self) -> None:
        self.table: dict[int, bytearray] = {}

    def unmark(self, obj: object) -> None:
        """Count an object as not visited."""
        address = id(obj)
        self.table[address >> 20][(address >> 7) & 8191] &= ~(1 << ((address >> 4) & 7))

    def mark(self, obj: object) -> None:
        """Count an object as visited."""
        address = id(obj)
        page = self.table.setdefault(address >> 20, bytearray(PAGE))
        page[(address >> 7) & 8191] |= 1 << ((address >> 4) & 7)

    def has(self, obj: object) -> bool:
        """Tell whether an object was visited."""
        address = id(obj)
        page = self.table.get(address >> 20)
        return page is not None and bool(page[(address >> 7) & 8191] & (1 << ((address >> 4) & 7)))


# Entries and bytes a few levels below an object, in large containers and buffers. A tuple, for gc stops to track those
# of numbers: objects, one for each of a heap's buffers and all above it, would bring a full collection on the program.
Below = tuple[int, int]
NOTHING_BELOW: Below = (0, 0)


@attrs.define(eq=False)
class Lengths:
    """How many references containers held, and how many bytes buffers, at the time of one walk; by address.

    Containers below ``floor`` references are not kept. The floor rises by itself so that the table
    stays small beside the heap: at most one entry for 16 objects.
    """

    floor: int = _LEAST_ENTRIES
    entries: dict[int, int] = attrs.field(factory=dict)
    buffers: dict[int, int] = attrs.field(factory=dict)
    below: dict[int, Below] = attrs.field(factory=dict)

    def trim(self, room: int) -> None:
        """Raise the floor until the table fits."""
        while len(self.entries) > room:
            self.floor *= 2
            self.entries = {address: count for address, count in self.entries.items() if count >= self.floor}


@attrs.define(eq=False)
class Budget:
    """What a walk may cost; ``spent`` says in a sentence what stopped it.

    It keeps the clock that it started with: a test may stop the one that modules have meanwhile, as freezegun does.
    """

    max_objects: int
    max_seconds: float
    clock: Callable[[], float] = attrs.field(default=time.monotonic, repr=False)
    started: float = attrs.field(default=attrs.Factory(lambda self: self.clock(), takes_self=True))
    spent: str | None = None

    def allows(self, objects: int) -> bool:
        """Tell whether the walk may go on."""
        if objects > self.max_objects:
            self.spent = f"the walk stopped after {objects:,} objects (max_objects={self.max_objects:,})"
        elif self.clock() - self.started > self.max_seconds:
            self.spent = f"the walk stopped after {objects:,} objects and {self.max_seconds:g} s (max_seconds)"
        return self.spent is None


class Abandoned(Exception):
    """Whoever asked for a walk wants it no more; it is over within milliseconds and leaves nothing behind."""


@attrs.define(eq=False)
class Pacer:
    """Lets other threads run while a walk goes on.

    Attributes:
        work: Seconds of work after which the walk rests.
        rest: Seconds it rests; 0 never rests: the interpreter then switches threads every 5 ms when others ask.
        longest: Longest time, in seconds, that nobody else could run.
        should_stop: Asked after every piece of work whether to give up.
    """

    work: float = 0.002
    rest: float = 0.0
    longest: float = 0.0
    should_stop: Callable[[], bool] | None = None
    _since: float = attrs.field(factory=time.perf_counter)

    def breathe(self) -> None:
        """Rest if it has worked long enough.

        Raises:
            Abandoned: If it should stop.
        """
        worked = time.perf_counter() - self._since
        if worked < self.work:
            return
        self.longest = max(self.longest, min(worked, sys.getswitchinterval()))
        if self.should_stop is not None and self.should_stop():
            raise Abandoned
        if self.rest:
            time.sleep(self.rest)
        self._since = time.perf_counter()

    def listed(self, obj: object) -> list[Any]:
        """Return what a large container refers to, and note how long that took: nothing can interrupt it."""
        self.breathe()
        started = time.perf_counter()
        refs = gc.get_referents(obj)
        self.longest = max(self.longest, time.perf_counter() - started)
        return refs

    def in_parts(self, refs: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """Cut many references into parts and breathe in between.

        A list is emptied: to let go of a million references at once takes 20 ms, and as long takes every collection
        that meets them. Each object is referred to once, as before, which ``ONE_REFERRER`` counts on.
        """
        if type(refs) is not list or len(refs) <= _PART:
            yield refs
            return
        refs.reverse()
        while refs:
            part = refs[-_PART:]
            del refs[-_PART:]
            part.reverse()
            yield part
            self.breathe()


@attrs.define(eq=False)
class Walk:
    """One walk: addresses and parents in order of discovery, and what was found on the way.

    Holds live objects (``frontier``, ``grown``, the level in progress): it must not outlive the check.

    Attributes:
        roots: The objects it started at; their indexes are the first.
        new: Round of birth by address, of the objects that are new.
        before: The lengths an earlier walk saw; None makes this the earlier walk.
        lengths: The lengths this walk sees, when it is the earlier one.
        addresses: Address by index, in order of discovery; roots first.
        parents: Index of the object that reached it first, -1 for roots.
        frontier: ``(index of the old object, new object)``: every reference from old to new.
        grown: ``(index, object, references before, references now)`` of containers that gained some.
        buffers: Bytes of buffers by the index of what refers to them.
        buffer_parents: The live objects that refer to buffers which grew.
        notable: ``(index, references)`` of large containers.
        pacer: What lets other threads run.
        instances: By the index of a class that was met through instances only, one of them; filled by ``live``.
        apart: What is walked after all else, because a prompt keeps it: its names are the last to be told.
    """

    budget: Budget
    roots: list[Any] = attrs.field(factory=list)
    kinds: Kinds = attrs.field(factory=make_kinds)
    new: Mapping[int, int] = attrs.field(factory=dict)
    before: Lengths | None = None
    lengths: Lengths = attrs.field(factory=Lengths)
    pages: Pages = attrs.field(factory=Pages)
    addresses: array[int] = attrs.field(factory=lambda: array("Q"))
    parents: array[int] = attrs.field(factory=lambda: array("i"))
    frontier: list[tuple[int, Any]] = attrs.field(factory=list)
    grown: list[tuple[int, Any, int, int]] = attrs.field(factory=list)
    buffers: dict[int, int] = attrs.field(factory=dict)
    buffer_parents: dict[int, Any] = attrs.field(factory=dict)
    notable: list[tuple[int, int]] = attrs.field(factory=list)
    pacer: Pacer = attrs.field(factory=Pacer)
    instances: dict[int, Any] = attrs.field(factory=dict)
    apart: Apart = NOTHING
    _copies: range = range(0)
    _depth: int = 0

    def from_roots(self, first: Sequence[Any], then: Sequence[Any] = (), avoid: Iterable[Any] = ()) -> None:
        """Walk everything the roots reach.

        Args:
            first: Roots whose names a person can edit; what they reach is named after them, however deep it lies.
            then: Roots that only name the rest: copies of frame locals and the like, made for this walk. A namespace
                among them is not entered from elsewhere either.
            avoid: Objects that are not entered.
        """
        for target in avoid:
            self.pages.mark(target)
        last = [space for _, space in self.apart.spaces]
        withheld = [obj for obj in self.apart.withheld if not self.pages.has(obj)]
        for obj in withheld:
            self.pages.mark(obj)
        self.roots = [*first, *then, *last]
        start = [self._unless_visited(target) for target in first]  # a module may have several names
        start = [self.apart.others.get(id(target), target) for target in start]
        then = [self._unless_visited(target) if type(target) is dict else target for target in then]
        for target in self.roots:
            _ = self.kinds[type(target)]  # from here on the table knows the kind of everything that is expanded
        self.addresses.extend(map(id, self.roots))
        self.parents.extend([_ROOT] * len(self.roots))
        self._copies = range(len(first), len(self.roots))
        self._from(start, 0)
        self._from([target if type(target) is dict else self._unless_visited(target) for target in then], len(first))
        for obj in withheld:
            self.pages.unmark(obj)
        self._from(last, len(first) + len(then))
        if self.before is None:
            self.lengths.buffers = {self.addresses[index]: size for index, size in self.buffers.items()}
            self.lengths.below = {self.addresses[index]: below for index, below in self.below().items()}

    def _unless_visited(self, target: Any) -> Any:
        """Return a root to walk from, or nothing where it was reached already and has a better name."""
        if self.pages.has(target):
            return ()
        self.pages.mark(target)
        return target

    def below(self) -> dict[int, Below]:
        """Add up, for each object, the large containers and buffers a few levels below it.

        In the later walk containers that grew count with what they held before: only what is no longer there
        makes a difference.
        """
        before = self.before if self.before is not None else Lengths()
        totals: dict[int, Below] = {}
        for index, entries in self.notable:
            was = before.entries.get(self.addresses[index], entries)
            self._add_below(totals, index, min(entries, was), 0)
            self.pacer.breathe()
        for index, size in self.buffers.items():
            self._add_below(totals, index, 0, min(size, before.buffers.get(self.addresses[index], size)))
            self.pacer.breathe()
        return totals

    def _add_below(self, totals: dict[int, Below], index: int, entries: int, size: int) -> None:
        for _ in range(_LEVELS):
            entries_below, bytes_below = totals.get(index, NOTHING_BELOW)
            totals[index] = entries_below + entries, bytes_below + size
            index = self.parents[index]
            if index == _ROOT:
                return

    def _from(self, level: list[Any], start: int) -> None:
        """Walk level by level, each in slices, from objects whose indexes begin at ``start``."""
        self._depth = 0
        while level and self.budget.allows(len(self.addresses)):
            self._depth += 1
            following_start = len(self.addresses)
            following: list[Any] = []
            for at in range(0, len(level), _SLICE):
                self._expand(level[at : at + _SLICE], start + at, following)
                self.pacer.breathe()
                if self.budget.spent is not None or not self.budget.allows(len(self.parents)):
                    break
            for at in range(0, len(following), _SLICE):
                self.addresses.extend(map(id, following[at : at + _SLICE]))
            while level:  # in slices: to let go of a million references at once takes 20 ms
                del level[-_SLICE:]
                self.pacer.breathe()
            level, start = following, following_start

    def _expand(self, level: list[Any], index: int, following: list[Any]) -> None:  # noqa: C901, PLR0912, PLR0915 - the hot loop, see below
        """Visit what a slice of one level refers to and add it to the next level.

        One long function with local names on purpose: it runs once for every reference in the heap, and
        each attribute lookup or call in it costs a tenth of the walk.
        """
        kinds, table, pages, new, get_referents = (
            self.kinds,
            self.kinds.table,
            self.pages.table,
            self.new,
            gc.get_referents,
        )
        parents = self.parents
        found = following.append
        known, floor = len(following), self.floor
        sees_classes = table is not kinds
        # A program that runs on may let go of a cycle whose objects have one referrer each, such as a frame and its
        # traceback, while the walk is in it: it would go round for ever. No count is 0, so that all are marked then.
        getrefcount, one_referrer = sys.getrefcount, ONE_REFERRER if self._depth <= _DEEP else 0
        listed, in_parts = self.pacer.listed, self.pacer.in_parts
        for obj in level:
            cls = type(obj) if sees_classes else None
            container = type(obj)
            if (container is dict or container is list or container is set) and len(obj) >= LARGE:
                refs: Sequence[Any] = listed(obj)
            else:
                refs = get_referents(obj) if table[type(obj)] == PLAIN else references(obj, kinds)
            if len(refs) >= floor:
                self._remember(index, obj, len(refs))
                floor = self.floor
            for part in (refs,) if len(refs) <= _PART else in_parts(refs):
                for ref in part:
                    if ref is cls:  # every instance refers to its class: its home is looked at once, below
                        continue
                    try:
                        kind = table[type(ref)]
                    except KeyError:
                        kind = kinds[type(ref)]
                        self._see_class(type(ref), index, following)
                    if kind != PLAIN:
                        if kind <= ATOM:
                            continue
                        if kind == TEXT:
                            if len(ref) >= _LEAST_BYTES:
                                self._add_buffer(index, obj, len(ref))
                            continue
                        if kind == INTEGER:
                            if not -BIG < ref < BIG:
                                self._add_buffer(index, obj, sys.getsizeof(ref))
                            continue
                        if kind in (BUFFER, NDARRAY):
                            self._add_buffer(index, obj, buffer_bytes(ref, kinds))
                    address = id(ref)
                    if getrefcount(ref) == one_referrer and address not in new:
                        found(ref)  # nobody else refers to it: it cannot have been visited, nor be met again
                        continue
                    try:
                        page = pages[address >> 20]
                    except KeyError:
                        page = pages[address >> 20] = bytearray(PAGE)
                    byte, bit = (address >> 7) & 8191, 1 << ((address >> 4) & 7)
                    if page[byte] & bit:
                        continue
                    if address in new:
                        self.frontier.append((index, ref))
                        continue
                    page[byte] |= bit
                    found(ref)
                if len(following) != known:
                    parents.extend([index] * (len(following) - known))
                    known = len(following)
            index += 1

    def _see_class(self, cls: type, index: int, following: list[Any]) -> None:
        """Visit the class of the first instance of it that is met."""
        if id(cls) in self.new:
            self.frontier.append((index, cls))
        elif not self.pages.has(cls):
            self.pages.mark(cls)
            following.append(cls)
            _ = self.kinds[type(cls)]

    @property
    def floor(self) -> int:
        """References below which a container is not remembered; it rises while the earlier walk goes on."""
        return (self.lengths if self.before is None else self.before).floor

    def _remember(self, index: int, obj: object, count: int) -> None:
        if index in self._copies:
            return
        if count >= _NOTABLE_ENTRIES:
            self.notable.append((index, count))
        if self.before is None:
            self.lengths.entries[self.addresses[index]] = count
            if len(self.lengths.entries) > max(_LEAST_ROOM, index // 16):
                self.lengths.trim(max(_LEAST_ROOM, index // 16) // 2)
            return
        was = self.before.entries.get(self.addresses[index], self.before.floor - 1)
        if count > was:
            self.grown.append((index, self.roots[index] if index < len(self.roots) else obj, was, count))

    def _add_buffer(self, index: int, parent: object, size: int) -> None:
        if size < _LEAST_BYTES or index in self._copies:
            return
        self.buffers[index] = self.buffers.get(index, 0) + size
        if self.before is not None:
            was = self.before.buffers.get(self.addresses[index], _LEAST_BYTES)
            if self.buffers[index] > was:
                self.buffer_parents[index] = self.roots[index] if index < len(self.roots) else parent

    def leave_out(self, late: AbstractSet[int]) -> None:
        """Forget that objects grew which were born while the walk went on, by address: nothing is known of before."""
        self.grown = [found for found in self.grown if id(found[1]) not in late]
        self.buffer_parents = {index: obj for index, obj in self.buffer_parents.items() if id(obj) not in late}

    def is_copy(self, index: int) -> bool:
        """Tell whether an object was made for this walk: a copy of locals, or a list of hooks."""
        return index in self._copies

    def buffer_growth(self) -> dict[int, int]:
        """Return by index how many bytes the buffers of an object gained since the earlier walk."""
        before = self.before.buffers if self.before is not None else {}
        gains = {
            index: self.buffers[index] - before.get(self.addresses[index], _LEAST_BYTES)
            for index in self.buffer_parents
        }
        return {index: gain for index, gain in gains.items() if gain > 0}

    def growth_of(self, obj: object) -> int:
        """Return how many references an object gained since the earlier walk, as far as it was remembered."""
        was = self.before.entries.get(id(obj)) if self.before is not None else None
        return len(references(obj, self.kinds)) - was if was is not None else 0

    def live(self, indexes: Iterable[int]) -> dict[int, Any]:
        """Return live objects by index: what was kept on the way, and the rest by going down from the roots."""
        kept = {index: obj for index, obj, _, _ in self.grown}
        kept.update(self.buffer_parents)
        kept.update(enumerate(self.roots))
        below: dict[int, dict[int, int]] = {}
        for target in indexes:
            index = target
            while index not in kept and self.addresses[index] not in below.setdefault(self.parents[index], {}):
                below[self.parents[index]][self.addresses[index]] = index
                index = self.parents[index]
        for parent in sorted(below):  # what is above has a smaller index
            if parent in kept:
                self._pick(kept[parent], below[parent], kept)
            self.pacer.breathe()
        return kept

    def _pick(self, parent: object, wanted: dict[int, int], kept: dict[int, Any]) -> None:
        """Find objects by address among what one object refers to; those that have gone stay unknown."""
        left = len(wanted)
        refs = references(parent, self.kinds)
        for ref in refs:
            index = wanted.get(id(ref))
            if index is not None and index not in kept:
                kept[index] = ref
                left -= 1
                if left == 0:
                    return
        for ref in refs:  # a class that nothing but its instances led to
            index = wanted.get(id(type(ref)))
            if index is not None and index not in kept:
                kept[index], self.instances[index] = type(ref), ref

    def way(self, index: int, live: Mapping[int, Any]) -> list[Any]:
        """Return what is live of the objects from the root to one, and an instance before a class it led to."""
        way: list[Any] = []
        for at in self.chain(index):
            if at in live:
                way.extend([self.instances[at], live[at]] if at in self.instances else [live[at]])
        return way

    def chain(self, index: int) -> list[int]:
        """Return the indexes from the root to an object."""
        steps = [index]
        while (index := self.parents[index]) != _ROOT:
            steps.append(index)
        steps.reverse()
        return steps
