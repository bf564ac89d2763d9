"""What outlives each of many pieces of work that run once: births under a mark that lasts, and what holds them."""

from __future__ import annotations

import gc
import itertools
import sys
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from leakdiff.capture.kinds import KindsByIdentity, derives, dict_of_module
from leakdiff.capture.marks import FreezeMark, collection_paused, is_frozen_by_others
from leakdiff.capture.references import references
from leakdiff.capture.roots import Roots, find_roots, own_parts
from leakdiff.capture.runners import kinds_past_runner
from leakdiff.capture.walk import Budget, Lengths, Walk
from leakdiff.model.outlived import belongs_to_runner

Workload = Sequence[tuple[str, Any]]

_SHARE = 0.02  # of the time, at most, that goes into collecting what was frozen
_SECONDS_A_BLOCK = 5e-7  # that a full collection takes for each memory block, before one was measured; the slowest seen
_LEAST_BYTES = 512  # as of walks: smaller texts do not count as buffers
_LARGE = 64  # as of walks: from so many entries on, it counts when something is replaced by something larger
_ROOM = 200_000  # containers whose length is remembered: 20 MB
_MOST_OBJECTS = 50_000_000
_MOST_SECONDS = 30.0  # of each of the two walks
_OLDEST = 2
_YOUNG = (0, 1) if sys.version_info < (3, 14) else (0,)  # the collector of 3.14 keeps old objects in generation 1, too


class _AllLengths(Lengths):
    """Lengths of small containers, too, where there is room for them."""

    def trim(self, room: int) -> None:
        """Raise the floor until the table fits."""
        if len(self.entries) > max(room, _ROOM):
            self.floor = max(self.floor, 1)
            super().trim(max(room, _ROOM))


class _FirstWalk(Walk):
    """A walk for lengths that also notes dicts which gc does not track yet: they will look new when it does.

    Attributes:
        hidden: Their addresses.
    """

    def __init__(self, lengths: Lengths) -> None:
        super().__init__(_budget(), kinds=kinds_past_runner(), lengths=lengths)
        self.hidden: set[int] = set()

    def _remember(self, index: int, obj: object, count: int) -> None:
        """Note how long a container is; most are small, and this is called for each."""
        if count >= _LARGE or len(self.lengths.entries) >= _ROOM:
            super()._remember(index, obj, count)
        elif index not in self._copies:
            self.lengths.entries[id(obj)] = count
        if type(obj) is dict and not gc.is_tracked(obj):
            self.hidden.add(id(obj))


class _LastWalk(Walk):
    """A walk for what is new, and for growth of containers of which it is known how long they were."""

    def __init__(self, births: Mapping[int, int], before: Lengths) -> None:
        super().__init__(_budget(), kinds=kinds_past_runner(), new=births, before=before)
        self._known = before.entries

    def _remember(self, index: int, obj: object, count: int) -> None:
        """Look at what has grown, or is large; half of the containers came meanwhile and are neither."""
        if count > self._known.get(id(obj), count) or count >= _LARGE:
            super()._remember(index, obj, count)


@attrs.define(eq=False)
class Survivors:
    """What outlived the work, live: to be read by an ``OwnerReader`` and let go.

    Attributes:
        walk: The walk that found it.
        roots: Where the walk started.
        alive: How many objects were born in any of the work and are alive.
    """

    walk: Walk
    roots: Roots
    alive: int

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing old refers to anything new, and no container or buffer has grown."""
        return not (self.walk.frontier or self.walk.grown or self.walk.buffer_parents)

    def notes(self) -> tuple[str, ...]:
        """Return what was not looked at, in sentences."""
        spent = self.walk.budget.spent
        return (spent,) if spent is not None else ()


class Lifetimes:
    """Notes which piece of work each new object was born in, by address; holds no object of the program.

    The heap stays frozen while the work runs, so that only what is new has to be looked at, by the interpreter as
    well. Where the program itself collects everything, it finds the heap thawed, and so does the rest of that work.

    Attributes:
        births: The number of the piece of work that each living object was born in, by address.
        lost: Pieces of work that thawed the heap themselves.
        may_thaw: Whether nobody else had frozen the heap; else what is born meanwhile stays frozen with it.
    """

    def __init__(self) -> None:
        self.births: dict[int, int] = {}
        self.lost = 0
        self._mark = FreezeMark()
        self._is_marked = False
        self._number = 0
        self._old: list[None] = []  # older than every mark: seen among the new, it says that somebody thawed the heap
        self._hook = self._before_collection
        self._hidden: set[int] = set()
        self._before: Lengths = _AllLengths(floor=0)
        self.may_thaw = True
        self._modules = 0
        self._swept, self._sweep_seconds = 0.0, 0.0

    def begin(self, workload: Workload = ()) -> None:
        """Walk the heap for the lengths of containers, and set the mark.

        Args:
            workload: Objects of the program that only the test runner holds, with names: paths may start there.
        """
        self.may_thaw = not is_frozen_by_others()
        walk = _FirstWalk(self._before)
        roots = _roots(workload)
        _walk_from(roots, walk, [*_runners(roots), *_of_stdlib(roots)])
        self._hidden = walk.hidden
        self._sweep_seconds = sys.getallocatedblocks() * _SECONDS_A_BLOCK
        self._swept = time.monotonic()
        gc.callbacks.append(self._hook)
        self._freeze()

    def open(self, number: int) -> None:
        """Begin a piece of work.

        Args:
            number: Its number, from 1 on.
        """
        self._number, self._modules = number, len(sys.modules)

    def close(self) -> None:
        """End a piece of work: what was born in it and is alive outlived it."""
        if self._is_marked:
            gc.collect(1)
        self._note(self._new())
        self._freeze()
        self._sweep_if_due()
        if self._is_marked:
            self._mark.again()

    def pause(self) -> None:
        """Take the mark away while somebody else sets marks: what is born then is not known."""
        self._thaw()
        self._forget_the_dead()

    def resume(self) -> None:
        """Set the mark again."""
        self._freeze()

    def end(self, workload: Workload = ()) -> Survivors:
        """Take the mark away for good, and walk the heap for who holds what.

        Args:
            workload: As for ``begin``.
        """
        late = frozenset(self._new())  # born after the last piece of work
        for address in late:
            self.births.pop(address, None)
        self.stop()
        self._forget_the_dead()
        found = self._survivors(workload, late)
        if not found.is_empty:  # what only garbage or weak references lead to is gone after a collection
            del found
            gc.collect()
            self._forget_the_dead()
            found = self._survivors(workload, late)
        return found

    def stop(self) -> None:
        """Put back everything that was touched; may be called again."""
        gc.callbacks[:] = [hook for hook in gc.callbacks if hook is not self._hook]
        self._thaw()

    def _survivors(self, workload: Workload, late: frozenset[int]) -> Survivors:
        roots = _roots(workload)
        walk = _LastWalk(self.births, self._before)
        _walk_from(roots, walk, _runners(roots))
        walk.leave_out(late)
        self._leave_out_unknown(walk)
        return Survivors(walk, roots, len(self.births))

    def _leave_out_unknown(self, walk: Walk) -> None:
        """Tell growth only of what was there before: what came when nobody looked is as long as it is by itself."""
        known, addresses = self._before.entries, walk.addresses
        walk.grown = [found for found in walk.grown if addresses[found[0]] in known]
        walk.buffer_parents = {index: obj for index, obj in walk.buffer_parents.items() if addresses[index] in known}

    # -- the mark ----------------------------------------------------------------------------------

    def _freeze(self) -> None:
        if self._is_marked:
            return
        self._is_marked = True
        if self.may_thaw:
            self._mark.__enter__()
        else:
            gc.freeze()  # without a word to the mark, which would undo the program's own freeze in forked children

    def _thaw(self) -> None:
        if self._is_marked and self.may_thaw:
            self._mark.__exit__(None, None, None)
            self._is_marked = False

    def _before_collection(self, phase: str, told: Mapping[str, int]) -> None:
        """Note what is new and thaw the heap before a program collects, so that it frees what it would without us."""
        if phase != "start" or told["generation"] != _OLDEST or not self._is_marked or not self.may_thaw:
            return
        if not _is_automatic():
            self._note(self._mark.addresses())
            self._thaw()

    # -- births ------------------------------------------------------------------------------------

    def _new(self) -> Iterator[int]:
        """Return the addresses of what was born since the mark, or since the full collection that took it away.

        To be consumed by one call into C, as ``FreezeMark.addresses`` says. What is young was born after a collection.
        """
        if self._is_marked:
            return self._mark.addresses()
        return map(id, itertools.chain.from_iterable(map(gc.get_objects, _YOUNG)))

    def _note(self, addresses: Iterator[int]) -> None:
        fresh = dict.fromkeys(addresses, self._number)
        if id(self._old) in fresh:
            self.lost += 1
            return
        if len(sys.modules) != self._modules:
            self._modules = len(sys.modules)
            for address in _imported(fresh, self._before, self._hidden):
                del fresh[address]
                self.births.pop(address, None)  # of what was there before
        if not self._hidden.isdisjoint(fresh):
            for address in self._hidden.intersection(fresh):  # it holds something that gc tracks: now gc tracks it
                self._hidden.remove(address)
                del fresh[address]
        self.births.update(fresh)  # a later birth at an address wins

    def _sweep_if_due(self) -> None:
        """Now and then collect what was frozen, where it takes a small share of the time since the last such sweep."""
        if not self.may_thaw or self._sweep_seconds > _SHARE * (time.monotonic() - self._swept):
            return
        started = time.monotonic()
        self._thaw()
        gc.collect()
        self._forget_the_dead()
        self._freeze()
        self._swept = time.monotonic()
        self._sweep_seconds = self._swept - started

    def _forget_the_dead(self) -> None:
        """Keep births of what is alive only: an address may be used again."""
        if not self.may_thaw:
            return
        births = self.births
        alive = list(filter(births.__contains__, self._mark.addresses()))
        self.births = {address: births[address] for address in alive}


def _is_automatic() -> bool:
    """Tell, as a full collection begins, whether the interpreter wants it: it does so when counts are above thresholds.

    One that the program asks for may come at any count; those above are too short-lived to be met.
    """
    counts, thresholds = gc.get_count(), gc.get_threshold()
    return gc.isenabled() and counts[0] > thresholds[0] and counts[2] > thresholds[2]


def _imported(fresh: Mapping[int, int], lengths: Lengths, hidden: set[int]) -> set[int]:
    """Return addresses of what the modules imported in this piece of work reach: a program keeps its modules.

    Args:
        fresh: What was born in it.
        lengths: Takes in how long the containers of those modules are now.
        hidden: Takes in their dicts that gc does not track.
    """
    kinds = KindsByIdentity()
    modules = [found for found in dict.copy(sys.modules).values() if derives(type(found), types.ModuleType)]
    pending: list[Any] = [dict_of_module(found) for found in modules if id(dict_of_module(found)) in fresh]
    seen = {id(found) for found in [*modules, *pending] if id(found) in fresh}
    del modules
    while pending:
        obj = pending.pop()
        refs = references(obj, kinds)
        lengths.entries[id(obj)] = len(refs)
        if type(obj) is dict and not gc.is_tracked(obj):
            hidden.add(id(obj))
        lengths.buffers[id(obj)] = sum(map(len, _texts_in(refs)))
        for ref in refs:
            if id(ref) not in seen and (id(ref) in fresh or _is_hidden(ref)):
                seen.add(id(ref))
                pending.append(ref)
    return seen & fresh.keys()


def _texts_in(refs: Sequence[Any]) -> Iterator[Any]:
    return (ref for ref in refs if (type(ref) is str or type(ref) is bytes) and len(ref) >= _LEAST_BYTES)


def _is_hidden(ref: object) -> bool:
    """Tell whether an object is a container that gc is not told of: it holds atoms only."""
    return (type(ref) is dict or type(ref) is tuple) and not gc.is_tracked(ref)


def _roots(workload: Workload) -> Roots:
    """Return the roots, without the frames of this thread: they are the test runner's."""
    found = find_roots(workload)
    return Roots(found.first, tuple(root for root in found.then if not root.is_here))


def _runners(roots: Roots) -> list[Any]:
    """Return the namespaces of the test runner."""
    return [root.target for root in roots.first if root.kind == "module" and belongs_to_runner(root.name)]


def _of_stdlib(roots: Roots) -> list[Any]:
    """Return the namespaces of the standard library: half of a small heap, and its registries hold tracked objects."""
    modules = [root for root in roots.first if root.kind == "module"]
    return [root.target for root in modules if root.name.partition(".")[0] in sys.stdlib_module_names]


def _walk_from(roots: Roots, walk: Walk, avoid: Sequence[Any]) -> None:
    with collection_paused():
        walk.from_roots(*roots.targets(), avoid=[*own_parts(), *avoid])


def _budget() -> Budget:
    return Budget(_MOST_OBJECTS, _MOST_SECONDS)
