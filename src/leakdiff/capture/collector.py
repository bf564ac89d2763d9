"""A full collection on demand: what it found, what it freed and how long everybody waited for it."""

from __future__ import annotations

import gc
import itertools
import sys
import time
from collections import Counter

import attrs

from leakdiff.capture.kinds import type_name
from leakdiff.capture.marks import OWN_FROZEN
from leakdiff.capture.process import read_memory
from leakdiff.model.snapshot import Memory, Tally

_MOST_NAMED = 1_000  # of what could not be freed


@attrs.frozen(kw_only=True)
class Collected:
    """What a full collection did.

    Attributes:
        seconds: How long it took; no other thread ran meanwhile, but for finalizers that gave way.
        unreachable: Objects in cycles that nothing reached.
        uncollectable: Of them, those that could not be freed, by type.
        before: Memory before.
        after: Memory after.
        frozen: Objects that somebody froze (``gc.freeze``): they were not looked at. 0 for the interpreter's own few.
    """

    seconds: float
    unreachable: int
    uncollectable: tuple[Tally, ...]
    before: Memory
    after: Memory
    frozen: int


def collect() -> Collected:
    """Run one full collection in this thread; what is frozen stays so, and callbacks and thresholds are not touched."""
    before, garbage, frozen = read_memory(cheap=True), len(gc.garbage), gc.get_freeze_count()
    started = time.perf_counter()
    unreachable = gc.collect()
    seconds = time.perf_counter() - started
    return Collected(
        seconds=seconds,
        unreachable=unreachable,
        uncollectable=_left_from(garbage),
        before=before,
        after=read_memory(cheap=True),
        frozen=frozen if frozen > OWN_FROZEN else 0,
    )


def tracked_about() -> int:
    """Return about how many objects a full collection looks at: a third of the allocated blocks."""
    return sys.getallocatedblocks() // 3


def _left_from(first: int) -> tuple[Tally, ...]:
    """Name what the collection added to ``gc.garbage``; it stays there, where the program finds it."""
    kinds = Counter(type_name(type(obj)) for obj in itertools.islice(gc.garbage, first, first + _MOST_NAMED))
    return tuple(Tally(name, count) for name, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0])))
