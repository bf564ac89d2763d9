"""Windows of live traffic: what is born in one and survives the next, and who holds it."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import attrs

from leakdiff.capture.marks import FreezeMark, is_frozen_by_others
from leakdiff.capture.newborn import Newborn
from leakdiff.capture.owners import LengthWatch, OwnerReader, with_births
from leakdiff.capture.roots import Roots, find_roots, own_parts
from leakdiff.capture.sites import Sources, common_stacks, newborn_under
from leakdiff.capture.turns import quick_turns
from leakdiff.capture.walk import Budget, Lengths, Pacer, Walk
from leakdiff.model.heap import HeapGraph
from leakdiff.model.owner import Accumulation, Owner

_READINGS = 20  # of the owners' lengths in the last part of a watch
_REST = 0.0005  # seconds of rest after 2 ms of work
_MOST_OBJECTS = 50_000_000

Wait = Callable[[float], None]  # waits so many seconds, or raises to give up


@attrs.define(eq=False)
class Windows:
    """What the windows left behind, live: to be read by an ``OwnerReader`` and let go.

    Attributes:
        newborn: New objects and the old ones that hold them.
        roots: Where the walk started.
        windows: How many windows there were.
        seconds: How long holders had to gain what they gained: from the middle of one walk to that of the other.
        longest_stall: Longest time, in seconds, that other threads could not run because of the walks.
    """

    newborn: Newborn
    roots: Roots
    windows: int
    seconds: float
    longest_stall: float

    def notes(self) -> tuple[str, ...]:
        """Return what was left out, in sentences."""
        spent = self.newborn.walk.budget.spent
        return (spent,) if spent is not None else ()

    def graph(self) -> HeapGraph:
        """Return new objects and holders as a value; its unit is a second."""
        return self.newborn.as_graph(self.windows, max(1, round(self.seconds)))


def can_mark() -> bool:
    """Tell whether the heap may be frozen: not where someone else did so."""
    return not is_frozen_by_others()


def live_windows(  # noqa: PLR0913 - what a watch may do, each by its name
    windows: int,
    seconds: float,
    budget: float,
    wait: Wait,
    *,
    rest: float | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Windows:
    """Let traffic run through windows under a mark, and walk the heap before and after.

    Nothing is stopped: a mark takes microseconds, collections walk only what is new, walks rest. What is born while
    the first walk goes on counts as of the first window, what is born while the last one does as in flight. Cyclic
    garbage that was older than the mark is collected after it, and so may be what became garbage late in a window: no
    root reaches it, so it is not counted.

    Args:
        windows: How many.
        seconds: How long each is.
        budget: Seconds each walk may take.
        wait: What waits for a window to end.
        rest: Seconds a walk rests after every 2 ms of work; half a millisecond if None.
        should_stop: Asked as often whether to give up.

    Raises:
        Abandoned: If it was to stop.
    """
    births: dict[int, int] = {}
    rest = _REST if rest is None else rest
    with FreezeMark() as mark:
        began = time.monotonic()
        with quick_turns():
            before = _lengths(budget, Pacer(rest=rest, should_stop=should_stop))
        middle_before = (began + time.monotonic()) / 2
        for number in range(1, windows + 1):
            wait(seconds)
            mark.collect_young()
            births.update(dict.fromkeys(mark.addresses(), number))  # a later birth at an address wins
            mark.again()
        began = time.monotonic()
        with quick_turns():
            roots, pacer = find_roots(), Pacer(rest=rest, should_stop=should_stop)
            walk = Walk(Budget(_MOST_OBJECTS, budget), new=births, before=before, pacer=pacer, apart=roots.apart)
            walk.from_roots(*roots.targets(), avoid=own_parts())
            walk.leave_out(frozenset(mark.addresses()))
            newborn = Newborn(walk)
            newborn.gather()
            newborn.born_meanwhile(frozenset(mark.addresses()), windows)
        middle = (began + time.monotonic()) / 2
    return Windows(newborn, roots, windows, middle - middle_before, pacer.longest)


def _lengths(budget: float, pacer: Pacer) -> Lengths:
    roots = find_roots()
    walk = Walk(Budget(_MOST_OBJECTS, budget), pacer=pacer, apart=roots.apart)
    walk.from_roots(*roots.targets(), avoid=own_parts())
    return walk.lengths


def births_of(reader: OwnerReader, found: Accumulation, owner: Owner) -> Owner:
    """Add allocation sites to an owner, where the program has tracemalloc on."""
    if not tracemalloc.is_tracing():
        return owner
    new = reader.newborn.walk.new.keys()
    return with_births(owner, found, common_stacks(newborn_under(reader.holders(found), new)), Sources())


def read_lengths(watch: LengthWatch, seconds: float, wait: Wait) -> tuple[float, ...]:
    """Read how the owners' lengths go on while traffic does.

    Returns:
        Seconds between the readings.
    """
    watch.make_room(_READINGS + 1)
    watch.read()
    gaps: list[float] = []
    for _ in range(_READINGS):
        started = time.monotonic()
        wait(seconds / _READINGS)
        watch.read()
        gaps.append(time.monotonic() - started)
    return tuple(gaps)
