"""The heap's part of a snapshot: types, owners and sites, from one walk that lets other threads run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import attrs

from leakdiff.capture.census import MOST_NOTED, CensusWalk
from leakdiff.capture.inventory import Inventory, take_inventory
from leakdiff.capture.resources import read_resources
from leakdiff.capture.roots import Root, Roots, find_roots, own_parts
from leakdiff.capture.sites import LiveSites, live_sites
from leakdiff.capture.walk import Budget, Pacer
from leakdiff.model.snapshot import Heap, Resources, SnapshotCost

_MOST_OBJECTS = 50_000_000
_REST = 0.0005  # seconds of rest after 2 ms of work


class Stopwatch:
    """CPU seconds of this thread and the time on the wall."""

    def __init__(self) -> None:
        self._cpu = time.thread_time()
        self._wall = time.monotonic()

    def cost(self, stall: float = 0.0, memory: int = 0, walked: int = 0) -> SnapshotCost:
        """Return the cost so far."""
        return SnapshotCost(
            cpu_seconds=time.thread_time() - self._cpu,
            seconds=time.monotonic() - self._wall,
            longest_stall=stall,
            memory=memory,
            walked=walked,
        )


@attrs.define(eq=False)
class HeapReading:
    """What one walk saw; holds live objects until the snapshot is made.

    Attributes:
        walk: The finished walk.
        roots: Where it started.
        inventory: The containers by name; None if they were not asked for.
        resources: Threads, tasks, descriptors and so on.
        notes: What was left out, in sentences.
    """

    walk: CensusWalk
    roots: Roots
    inventory: Inventory | None
    resources: Resources = attrs.field(factory=Resources)
    notes: list[str] = attrs.field(factory=list)

    @property
    def walked(self) -> int:
        """How many objects were walked."""
        return len(self.walk.addresses)

    def heap(self, *, sites: bool | str) -> Heap:
        """Return it as names and numbers.

        Args:
            sites: Whether to read tracemalloc: ``"auto"`` does if it is on and small.
        """
        found = live_sites(force=sites is True) if sites else LiveSites()
        self.walk.pacer.longest = max(self.walk.pacer.longest, found.stall)
        self.notes.extend([found.left_out] if found.left_out is not None else [])
        return Heap(
            types=self.walk.counts.types(),
            large_bytes=self.walk.counts.large_bytes,
            owners=self.inventory.sizes() if self.inventory is not None else None,
            least_entries=self.inventory.least_entries if self.inventory is not None else 0,
            sites=found.sites,
            is_whole=self.walk.budget.spent is None,
        )


def read_heap(
    *, owners: bool, seconds: float, rest: float | None = None, should_stop: Callable[[], bool] | None = None
) -> HeapReading:
    """Walk the heap.

    Args:
        owners: Whether to name containers.
        seconds: How long the walk may take.
        rest: Seconds it rests after every 2 ms of work; half a millisecond if None.
        should_stop: Asked as often whether to give up.

    Raises:
        Abandoned: If it was to stop.
    """
    pacer = Pacer(rest=_REST if rest is None else rest, should_stop=should_stop)
    return _read(find_roots(), owners=owners, seconds=seconds, pacer=pacer)


def rehearse() -> None:
    """Do all that a snapshot of the heap does on a heap of three objects: what first use leaves behind is left now."""
    sample = {"things": {f"key-{number}": [number] for number in range(9)}, "more": list(range(9))}
    reading = _read(Roots((Root("module", "rehearsal", sample),), ()), owners=True, seconds=1.0, pacer=Pacer())
    reading.heap(sites=False)
    nothing: list[str] = []
    kinds: tuple[Iterable[str], ...] = (one for one in nothing), map(str, nothing), nothing, (), {}, set(), ""
    for some in (*kinds, {"": ""}.values()):
        Counter[str]().update(some)  # asks whether it is a Mapping, and abc remembers the answer by type


def _read(roots: Roots, *, owners: bool, seconds: float, pacer: Pacer) -> HeapReading:
    walk = CensusWalk(Budget(_MOST_OBJECTS, seconds), pacer=pacer, apart=roots.apart)
    walk.from_roots(*roots.targets(), avoid=own_parts())
    walk.add_up()
    left_out = list(_left_out(walk))
    resources, notes = read_resources(walk.noted)
    walk.noted.clear()  # the sooner they are let go, the fewer of them end in this thread
    inventory = take_inventory(walk, roots) if owners else None
    return HeapReading(walk, roots, inventory, resources, [*left_out, *notes])


def _left_out(walk: CensusWalk) -> Iterator[str]:
    if walk.budget.spent is not None:
        yield walk.budget.spent
    if len(walk.noted) >= MOST_NOTED:
        yield f"only the first {MOST_NOTED:,} generators and tasks were counted by name"
