"""Who holds an object that should be gone, or what was born in a block of code that runs once."""

from __future__ import annotations

import gc
import os
import sys
import types
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from leakdiff.capture.containers import is_lru_cache
from leakdiff.capture.entries import find_bound
from leakdiff.capture.kinds import (
    ATOM,
    PLAIN,
    Kinds,
    KindsByIdentity,
    derives,
    dict_of_module,
    is_exactly,
    make_kinds,
    module_of,
    type_name,
)
from leakdiff.capture.marks import Mark, collection_paused, is_frozen_by_others, make_mark
from leakdiff.capture.naming import is_running
from leakdiff.capture.newborn import Newborn
from leakdiff.capture.owners import OwnerReader
from leakdiff.capture.references import references
from leakdiff.capture.roots import Roots, find_roots, own_parts
from leakdiff.capture.runners import is_of_runner, kinds_past_runner
from leakdiff.capture.walk import Budget, Walk
from leakdiff.model.heap import HeapGraph
from leakdiff.model.owner import Accumulation, Owner

_RUNNER_FILES = tuple(f"{os.sep}{name}{os.sep}" for name in ("_pytest", "pluggy"))
_BETWEEN = ("builtins", "collections", "functools", "logging", "_thread", "")
_CODE = (types.FunctionType, types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, types.FrameType)
_MOST_REFERRERS = 3
# Up to 3.13 gc is not told of a dict before something that it tracks is put in: it looks newborn then, however old it
# is. What it holds is told, whoever holds it.
_DICTS_ARE_TRACKED = sys.version_info >= (3, 14)

Workload = Sequence[tuple[str, Any]]


@attrs.define(eq=False)
class Held:
    """Objects that were asked for and are held, live: to be named and let go.

    Attributes:
        newborn: They, and the objects that hold them.
        roots: Where the walk started.
        is_local: Whether only local variables of running functions of this thread hold them.
        references: How many references to them the walk met.
        hidden: Of one object, how many more there are.
    """

    newborn: Newborn
    roots: Roots
    is_local: bool = False
    references: int = 0
    hidden: int = 0

    def owners(self, found: Sequence[Accumulation]) -> list[Owner]:
        """Name the holders."""
        reader = OwnerReader(self.newborn, self.roots, is_quiet=True)
        return [_with_bound(reader.read(one), reader.chain(one)) for one in found]

    def graph(self) -> HeapGraph:
        """Return objects and holders as a value."""
        return self.newborn.as_graph(1, 1)

    def is_runners(self, node: int) -> bool:
        """Tell whether a holder is a part of what the test runner keeps."""
        walk, index = self.newborn.walk, self.newborn.indexes[node]
        way = walk.way(index, walk.live(walk.chain(index)))
        for obj in reversed(way):
            if is_of_runner(type(obj)):
                return True
            if is_exactly(type(obj), *_CODE) or module_of(type(obj)) not in _BETWEEN:
                return False
        return False


def _with_bound(owner: Owner, chain: Sequence[Any]) -> Owner:
    """Give what stands in an ``lru_cache`` the bound of that: it is no container to others."""
    if owner.bound is None and len(chain) > 1 and is_lru_cache(chain[-2]):
        return attrs.evolve(owner, bound=find_bound(chain[:-1]))
    return owner


# -- one object ------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Awaited:
    """An object that should go away, by a weak reference.

    Attributes:
        type: The name of its type.
    """

    type: str
    _weak: weakref.ref[Any]

    @classmethod
    def of(cls, obj: Any) -> Awaited:
        """Watch an object.

        Raises:
            TypeError: If it cannot be weakly referenced.
        """
        return cls(type_name(type(obj)), weakref.ref(obj))

    @property
    def is_gone(self) -> bool:
        """Whether it is."""
        return self._weak() is None

    def is_gone_after_collection(self) -> bool:
        """Collect what is garbage, and tell whether it is gone."""
        gc.collect()
        return self.is_gone

    def held(self, budget: Budget, workload: Workload) -> Held | None:
        """Return who holds it, without the test runner; None if no root leads to it.

        Args:
            budget: What the walk may cost.
            workload: Objects of the program that only the test runner holds, with names: paths may start there.
        """
        return self._look(budget, kinds_past_runner(), _without_runner(find_roots(workload)))

    def held_by_runner(self, budget: Budget) -> Held | None:
        """Return who holds it, the test runner among them; None if no root leads to it."""
        return self._look(budget, make_kinds(), find_roots())

    def _look(self, budget: Budget, kinds: Kinds, roots: Roots) -> Held | None:
        count = _count(self._weak) - _OURS
        obj = self._weak()
        if obj is None:
            return None
        if kinds[type(obj)] == ATOM and type(kinds.table) is dict:
            kinds.table[type(obj)] = PLAIN  # the walk passes atoms by
        held = _look_for({id(obj): 1}, budget, kinds, roots)
        return attrs.evolve(held, hidden=count - held.references) if held is not None else None

    def references(self) -> str:
        """Say how many references there are to it, and what of that the collector sees."""
        count = _count(self._weak) - _OURS
        seen = [type_name(type(found)) for found in gc.get_referrers(self._weak()) if not _is_own_frame(found)]
        names = f": {', '.join(seen[:_MOST_REFERRERS])}" if seen else ""
        frozen = "; the heap is frozen (gc.freeze), where cycles are not collected" if is_frozen_by_others() else ""
        return f"reference count {count}, {len(seen)} visible referrer{'' if len(seen) == 1 else 's'}{names}{frozen}"


def _is_own_frame(found: object) -> bool:
    return type(found) is types.FrameType and found.f_code.co_filename == __file__


def _count(weak: weakref.ref[Any]) -> int:
    obj = weak()
    return sys.getrefcount(obj)


class _Probe:
    """An object with one reference."""


def _count_of_one() -> int:
    probe = _Probe()
    return _count(weakref.ref(probe)) - 1


_OURS = _count_of_one()


# -- what was born in a block ----------------------------------------------------------------------


class BlockMark:
    """A mark for the length of a block; holds no object of the program."""

    def __init__(self) -> None:
        self._mark: Mark | None = None
        self._modules: frozenset[str] = frozenset()

    def set(self) -> None:
        """Begin: what is there now is old."""
        self._modules = frozenset(_modules())
        self._mark = make_mark()
        self._mark.__enter__()

    def lift(self) -> None:
        """Put back what was touched; may be called again."""
        mark, self._mark = self._mark, None
        if mark is not None:
            mark.__exit__(None, None, None)

    def births(self) -> dict[int, int]:
        """Return the addresses of what was born since the mark and is alive, after a collection.

        Modules that were imported meanwhile stay with the program: what they reach is left out.

        Raises:
            CannotMeasure: If the heap was frozen by someone else, and the block ran a full collection.
        """
        if self._mark is None:
            return {}
        self._mark.collect()
        cohort = self._mark.cohort()
        births = dict.fromkeys(map(id, cohort), 1)
        modules = _modules()
        imported = modules.keys() - self._modules
        if imported:
            _leave_out(births, list(map(modules.__getitem__, imported)))
        if not _DICTS_ARE_TRACKED:
            for obj in cohort:
                if type(obj) is dict:
                    births.pop(id(obj), None)
        return births

    def held(self, births: Mapping[int, int], budget: Budget, workload: Workload) -> Held | None:
        """Return what something old holds of what was born; None if there is nothing.

        What only the local variables of running functions of this thread refer to is in flight, and left out.

        Args:
            births: What was born, by address.
            budget: What the walk may cost.
            workload: Objects of the program that only the test runner holds, with names: paths may start there.
        """
        held = _look_for(births, budget, kinds_past_runner(), find_roots(workload))
        return held if held is not None and not held.is_local else None


def _modules() -> dict[str, Any]:
    loaded = dict.copy(sys.modules).items()
    return {name: found for name, found in loaded if type(name) is str and derives(type(found), types.ModuleType)}


def _leave_out(births: dict[int, int], modules: Sequence[Any]) -> None:
    """Forget what some modules reach of the new."""
    kinds = KindsByIdentity()
    pending: list[Any] = [dict_of_module(found) for found in modules]
    for found in [*modules, *pending]:
        births.pop(id(found), None)
    while pending:
        pending.extend(ref for ref in references(pending.pop(), kinds) if births.pop(id(ref), None) is not None)


# -- the walk --------------------------------------------------------------------------------------


def _look_for(births: Mapping[int, int], budget: Budget, kinds: Kinds, roots: Roots) -> Held | None:
    """Walk to some objects; local variables count only where nothing else holds them."""
    walk = Walk(budget, kinds=kinds, new=births)
    with collection_paused():
        walk.from_roots(*roots.targets(), avoid=own_parts())
        running = _running(walk)
        apart = [found for found in walk.frontier if not _is_local(roots, found[0]) and found[0] not in running]
        is_local, met = not apart, len(walk.frontier)
        walk.frontier = apart or walk.frontier
        newborn = Newborn(walk)
        newborn.gather()
    return Held(newborn, roots, is_local, met) if met else None


def _is_local(roots: Roots, index: int) -> bool:
    """Tell whether what holds an object is a running function of this thread, by a local variable."""
    return index < len(roots) and roots[index].is_here


def _running(walk: Walk) -> frozenset[int]:
    """Return which holders are coroutines and generators that run, by index: what they hold are local variables."""
    indexes = frozenset(index for index, _ in walk.frontier)
    live = walk.live(indexes)
    return frozenset(index for index in indexes if index in live and is_running(live[index]))


def _without_runner(roots: Roots) -> Roots:
    """Leave out the frames of the test runner, which hold the arguments of the test."""
    return Roots(roots.first, tuple(root for root in roots.then if root.code is None or not _is_runners(root.code)))


def _is_runners(code: types.CodeType) -> bool:
    return any(part in code.co_filename for part in _RUNNER_FILES)
