"""Rounds of different mixes that read the totals and the lengths of owners: which kind of unit grows what."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from leakdiff.capture.owners import LengthWatch
from leakdiff.capture.tiers import Bench, watching
from leakdiff.model.signals import Phase, Round


def varied_rounds(
    bench: Bench, watch: LengthWatch, units: int, prepare: Sequence[Callable[[], None]], seconds: float
) -> tuple[list[Round], dict[int, tuple[int, ...]]]:
    """Run one round after each of some preparations.

    Args:
        bench: The workload and its options.
        watch: The owners.
        units: Units of work in a round.
        prepare: Called before each round.
        seconds: After which no other round is begun.

    Returns:
        The rounds, and what each owner gained in each of them, by the position of its accumulation.
    """
    lengths = LengthWatch(watch.extents)
    deadline = time.monotonic() + seconds
    with watching(bench, lengths, len(prepare), units) as (meter, read):
        for number, make_ready in enumerate(prepare, start=1):
            if time.monotonic() > deadline:
                break
            make_ready()
            bench.run(units, f"round {number} of {len(prepare)} with another mix")
            read(units)
    return meter.rounds(Phase.WATCH), {at: _gains(lengths.lengths(at)) for at in watch.extents}


def _gains(lengths: Sequence[int]) -> tuple[int, ...]:
    return tuple(after - before for before, after in itertools.pairwise(lengths))
