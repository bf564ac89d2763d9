"""The parts of a check that run the step: rounds under a mark, without one, with tracing, and watched."""

from __future__ import annotations

import _thread
import gc
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from leakdiff.capture.lines import LineMeter
from leakdiff.capture.marks import Mark, collection_paused, is_frozen_by_others, make_mark
from leakdiff.capture.meter import Meter, callbacks_at_exit, count_tracked, native_gauge
from leakdiff.capture.newborn import Newborn
from leakdiff.capture.owners import LengthWatch
from leakdiff.capture.roots import Roots, find_roots, own_parts
from leakdiff.capture.sites import Line, Traces, Tracing, common_stacks, newborn_under, surviving_stacks
from leakdiff.capture.walk import Budget, Lengths, Walk
from leakdiff.capture.workload import Workload
from leakdiff.model.code import Moves
from leakdiff.model.evidence import Evidence
from leakdiff.model.signals import Phase, Round
from leakdiff.options import Options
from leakdiff.source_files import is_users_file

_LARGE_HEAP = 300_000  # blocks; where there are more, a full collection takes long and rounds share one
_CONFIRMING = 3
_EXPECTED = 0.7  # share of the new objects that must have been reached; else the rest is looked for
_MOST_NEW = 24_000
_LEAST_DEEP_UNITS = 11
_SECONDS_A_ROUND = 2.0
_OFTEN = 0.2  # objects per unit above which fewer units show the same
_ROUNDS_A_SECOND = 40  # watched rounds at most for each second of patience
_LEAST_WATCHED = 6
_RESTING_ROUNDS = 5
_TREND_ROUNDS = 36
_VARIED = (100, 66, 131, 83)  # lengths of watched rounds, in percent
_ROUNDS_WITHOUT_GC = 60
_IDLE_SECONDS = 0.5
_LINES_SHARE = 0.2
_MOST_GROWTH = 64 << 20
_SECONDS_BY_LINE = 0.5
_MOST_SECONDS_BY_LINE = 2.0
_FROZEN_SHARE = 0.2  # of the blocks that stay, as objects
_SHOWN_BY_LINE = 3  # entries that a round measured by line should show

Say = Callable[[str], None]
Further = Callable[["Bench", Evidence, LengthWatch], None]


class OwnTime:
    """CPU seconds of this thread spent outside the step."""

    def __init__(self) -> None:
        self._started = time.thread_time()
        self._step = 0.0
        self.wall = 0.0

    @contextmanager
    def step(self) -> Iterator[None]:
        """Do not count what runs inside."""
        cpu, wall = time.thread_time(), time.monotonic()
        try:
            yield
        finally:
            self._step += time.thread_time() - cpu
            self.wall = time.monotonic() - wall

    def seconds(self) -> float:
        """Return CPU seconds so far."""
        return time.thread_time() - self._started - self._step


@attrs.define
class Bench:
    """What every tier works with: the workload, the options, the clock and who to tell about progress."""

    workload: Workload
    options: Options
    say: Say = lambda _: None
    time: OwnTime = attrs.field(factory=OwnTime)
    rounds: list[Round] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    where: str = "setup"
    walked: int = 0
    last_units: int = 0
    is_warm: bool = False
    collector_is_off: bool = False
    further: Further | None = None

    def run(self, units: int, where: str) -> None:
        """Run one round of the step, off the clock."""
        self.where, self.last_units = where, units
        self.say(where)
        with self.time.step():
            self.workload.run(units, where)

    @property
    def seconds_per_unit(self) -> float:
        """How long a unit took in the last round."""
        return self.time.wall / max(1, self.last_units)

    def note(self, text: str | None) -> None:
        """Keep a sentence on what was not analysed, once."""
        if text is not None and text not in self.notes:
            self.notes.append(text)


def warm_up(bench: Bench) -> None:
    """Run setup and the warm-up rounds, which are not measured; once."""
    if bench.is_warm:
        return
    bench.is_warm = True
    with bench.time.step():
        bench.workload.set_up()
    for number in range(1, bench.options.warmup + 1):
        bench.run(bench.options.units, f"warm-up round {number} of {bench.options.warmup}")


def marked_rounds(bench: Bench) -> list[Round]:
    """Measure rounds under a mark: a fraction of a millisecond each, whatever the size of the heap."""
    options = bench.options
    meter = Meter(options.rounds + 1)
    if not meter.native_is_known:
        bench.note("the C heap was not measured: psutil.heap_info() is not available on this platform")
    done: list[Round] = []
    gc.collect(1)  # what imports and the warm-up left behind, as far as it is young: the old is not walked
    with make_mark() as mark:
        bench.note(mark.exact_note)
        for _ in range(2):  # first use of the measuring code grows the heap by itself (ABC caches, free lists)
            meter.read(len(mark.cohort()), mark.collect())
        meter.restart()
        freed = mark.collect()
        meter.read(len(mark.cohort()), freed)
        collections = _collections()
        try:
            for number in range(1, options.rounds + 1):
                bench.run(options.units, f"round {number} of {options.rounds}")
                freed = mark.collect()
                meter.read(len(mark.cohort()), freed, options.units)
        finally:
            done = meter.rounds(Phase.MARK)
            bench.rounds.extend(done)
    is_off = not gc.isenabled() and _collections() - collections == len(done)
    bench.collector_is_off = is_off and all(measured.freed > 0 for measured in done) and not _collects(bench)
    return done


def _collects(bench: Bench) -> bool:
    """Run further rounds until the program collects by itself, as one without gc may do now and then."""
    deadline = time.monotonic() + max(bench.options.patience, _SECONDS_A_ROUND)
    for number in range(1, _ROUNDS_WITHOUT_GC + 1):
        gc.collect()
        before = _collections()
        bench.run(bench.options.units, f"round {number} of {_ROUNDS_WITHOUT_GC} that look for gc.collect")
        if _collections() != before or gc.isenabled():
            return True
        if time.monotonic() > deadline:
            break
    return False


def _collections() -> int:
    """Return how many collections ran so far, of any generation, by themselves or because somebody asked for one."""
    return sum(generation["collections"] for generation in gc.get_stats())


def confirming_rounds(bench: Bench, expected: Mapping[str, float]) -> list[Round]:
    """Measure the totals without a mark, between full collections: what a mark hides cannot lie here.

    On a large heap, where a collection takes long, the rounds share one, and the one before them is left out
    at first: garbage from before can only make growth look smaller, so growth that shows all the same is real.

    Args:
        bench: The workload and its options.
        expected: Growth per unit by signal, as measured under the mark.
    """
    bench.run(bench.options.units, "a settling round")  # the first round after a mark or a trace is like no other
    is_large = sys.getallocatedblocks() > _LARGE_HEAP
    meter = Meter(_CONFIRMING + 1)
    for _ in range(2):
        meter.read(0, 0)
    meter.restart()
    meter.read(_count_tracked(), 0 if is_large else gc.collect())
    done: list[Round] = []
    try:
        _confirm(bench, meter, share_collection=is_large)
        done = meter.rounds(Phase.CONFIRM)
        if is_large and not _shows(done[0], expected):
            meter.restart()
            meter.read(_count_tracked(), gc.collect())
            _confirm(bench, meter, share_collection=True)
    finally:
        done = meter.rounds(Phase.CONFIRM) or done
        bench.rounds.extend(done)
    return done


def _confirm(bench: Bench, meter: Meter, *, share_collection: bool) -> None:
    units = bench.options.units
    for number in range(1, _CONFIRMING + 1):
        bench.run(units, f"confirming round {number} of {_CONFIRMING}")
        if not share_collection:
            freed = gc.collect()
            meter.read(_count_tracked(), freed, units)
    if share_collection:
        freed = gc.collect()
        meter.read(_count_tracked(), freed, units * _CONFIRMING)


def _shows(measured: Round, expected: Mapping[str, float]) -> bool:
    """Tell whether what was expected to grow did, by at least half: blocks, where they are among it."""
    wanted = {"blocks": expected["blocks"]} if "blocks" in expected else expected
    return all(measured.of(signal) >= rate * measured.units / 2 for signal, rate in wanted.items())


def _count_tracked() -> int:
    return len(gc.get_objects()) if is_frozen_by_others() else count_tracked()


def idle_share(bench: Bench, confirming: list[Round]) -> float:
    """Measure what grows while nothing runs, as a share of what grew in as much time with the step running.

    Only another thread can make anything grow then: without one it is 0.
    """
    if bench.time.wall <= 0 or not confirming or _thread._count() == 0:  # noqa: SLF001 - the O(1) count of all threads
        return 0.0
    last = confirming[-1]
    seconds = min(_IDLE_SECONDS, max(0.05, bench.time.wall))
    meter = Meter(3)
    bench.say("measuring without the step")
    with make_mark() as mark:
        meter.read(0, mark.collect())
        time.sleep(seconds)
        meter.read(0, mark.collect(), 1)
    idle = meter.rounds(Phase.IDLE)[0]
    bench.rounds.append(idle)
    rounds_in_last = last.units / bench.options.units
    return (idle.blocks / seconds) / (max(last.blocks, 1) / rounds_in_last / bench.time.wall)


@attrs.define(eq=False)
class Deep:
    """What the deep tier found, live: to be read by an ``OwnerReader`` and let go."""

    newborn: Newborn
    roots: Roots
    units: int
    is_whole: bool


def deep_rounds(bench: Bench, rounds: int, objects_per_unit: float, bytes_per_unit: float) -> Deep:
    """Run rounds under marks and walk the heap before and after: what gained references, and what is new."""
    bench.say("walking the heap")
    before = _lengths(bench)
    units = _deep_units(bench, rounds, objects_per_unit, bytes_per_unit)
    births: dict[int, int] = {}
    at_exit = callbacks_at_exit()
    with make_mark() as mark:
        for number in range(1, rounds + 1):
            _deep_round(bench, units, f"deep round {number} of {rounds}", mark)
            births.update(dict.fromkeys(map(id, mark.cohort()), number))  # a later birth at an address wins
            mark.again()
        bench.say("walking the heap")
        with collection_paused():
            newborn, roots = _walk_again(bench, before, births)
            newborn.gather()
            newborn.own = frozenset(map(id, mark.cohort()))
    newborn.at_exit = callbacks_at_exit() - at_exit
    is_whole = newborn.walk.budget.spent is None
    if is_whole and newborn.count < _EXPECTED * objects_per_unit * units * rounds:
        gc.collect()
        newborn.gather_orphans()
    bench.rounds.extend([Round(Phase.DEEP, units, 0, 0, None, 0, 0)] * rounds)
    return Deep(newborn, roots, units * rounds, is_whole)


def traced_round(bench: Bench, units: int, holders: Sequence[Sequence[Any]]) -> Traces:
    """Run one round with tracemalloc on and return where what stayed was allocated.

    Tracing is on for this round only: it makes allocation 8 to 26 times as slow, and the walk as well.

    Args:
        bench: The workload and its options.
        units: Units of work to do.
        holders: For each owner, the live objects that hold its new entries.
    """
    bench.say("tracing allocations")
    with make_mark() as mark:
        mark.collect()  # a full one empties the free lists: what is made from them has no trace
        with Tracing(bench.options.frames) as tracing:
            bench.note(tracing.note)
            bench.run(units, "the traced round")
            mark.collect()
            survivors = surviving_stacks(units)
            cohort = mark.cohort()
            new = frozenset(map(id, cohort))
            return Traces(
                by_holder=tuple(common_stacks(newborn_under(group, new)) for group in holders),
                everywhere=common_stacks(cohort),
                survivors=survivors,
            )


def _deep_units(bench: Bench, rounds: int, objects_per_unit: float, bytes_per_unit: float) -> int:
    """Do fewer units a round where each leaves many objects or bytes, or takes long, and few show the growth.

    A graph of 24,000 objects is enough to see by. Rare leaks keep their units: they need them.
    """
    units = bench.options.units
    seconds = bench.seconds_per_unit
    limits = (
        _MOST_NEW / rounds / max(objects_per_unit, 1e-9),
        _MOST_GROWTH / rounds / max(bytes_per_unit, 1e-9),
        _SECONDS_A_ROUND / max(seconds, 1e-9) if objects_per_unit >= _OFTEN or bytes_per_unit >= 1 else units,
    )
    return min(units, max(_LEAST_DEEP_UNITS, int(min(limits))))


def _deep_round(bench: Bench, units: int, where: str, mark: Mark) -> None:
    bench.run(units, where)
    mark.collect()


def _lengths(bench: Bench) -> Lengths:
    roots = _roots(bench)
    walk = Walk(_budget(bench), apart=roots.apart)
    with collection_paused():
        walk.from_roots(*roots.targets(), avoid=own_parts())
    bench.note(walk.budget.spent)
    return walk.lengths


def _walk_again(bench: Bench, before: Lengths, births: dict[int, int]) -> tuple[Newborn, Roots]:
    roots = _roots(bench)
    walk = Walk(_budget(bench), new=births, before=before, apart=roots.apart)
    walk.from_roots(*roots.targets(), avoid=own_parts())
    bench.note(walk.budget.spent)
    return Newborn(walk), roots


def _roots(bench: Bench) -> Roots:
    return bench.workload.here(lambda: find_roots(bench.workload.roots()))


def _budget(bench: Bench) -> Budget:
    return Budget(bench.options.max_objects, bench.options.max_seconds)


def watched_rounds(bench: Bench, watch: LengthWatch, units: int, bytes_per_unit: float) -> list[Round]:
    """Run further rounds that read the totals and the lengths of owners; stop when both rest or patience ends.

    The rounds differ in length: an owner that drops a fixed number of entries must not look like a slow leak.

    Args:
        bench: The workload and its options.
        watch: The owners.
        units: Units of work in a round, about.
        bytes_per_unit: What a unit leaks: the rounds must not fill the memory.
    """
    most = max(
        _LEAST_WATCHED,
        min(int(_ROUNDS_A_SECOND * bench.options.patience), int(_MOST_GROWTH / (bytes_per_unit * units + 1))),
    )
    deadline = time.monotonic() + bench.options.patience
    with watching(bench, watch, most, units) as (meter, read):
        for number in range(1, most + 1):
            some = max(1, units * _VARIED[number % len(_VARIED)] // 100)
            bench.run(some, f"watching round {number}")
            read(some)
            if number >= _LEAST_WATCHED and (time.monotonic() > deadline or _all_rest(meter, watch)):
                break
    return meter.rounds(Phase.WATCH)


@contextmanager
def watching(bench: Bench, watch: LengthWatch, most: int, units: int) -> Iterator[tuple[Meter, Callable[[int], None]]]:
    """Set a mark and run a settling round; what is yielded reads the totals and the lengths of owners after each round.

    Args:
        bench: The workload and its options; gets the rounds that were read.
        watch: The owners.
        most: Rounds at most.
        units: Units of work in the settling round.
    """
    meter = Meter(most + 2)
    watch.make_room(most + 1)
    with make_mark() as mark:
        bench.run(units, "a settling round")
        for _ in range(2):
            mark.collect()
            meter.read(0, 0)
        meter.restart()
        meter.read(0, mark.collect())
        bench.workload.here(watch.read)

        def read(done: int) -> None:
            meter.read(0, mark.collect(), done)
            bench.workload.here(watch.read)
            mark.again()

        try:
            yield meter, read
        finally:
            bench.rounds.extend(meter.rounds(Phase.WATCH))


def _all_rest(meter: Meter, watch: LengthWatch) -> bool:
    """Tell whether neither the totals nor any owner have grown over the last rounds."""
    done = meter.rounds(Phase.WATCH)
    last = done[-_RESTING_ROUNDS:]
    if len(done) < _TREND_ROUNDS and any(measured.blocks > measured.units / 2 for measured in last):
        return False  # it goes up and down: a few rounds do not show the trend
    return watch.has_stopped() and sum(m.blocks for m in last) <= 0 and sum(m.of("native_bytes") for m in last) <= 0


def freezes(bench: Bench, blocks_per_unit: float) -> bool:
    """Run some units and tell whether the program itself puts what they leave out of the collector's sight.

    Args:
        bench: The workload and its options.
        blocks_per_unit: Memory blocks that a unit leaves behind.
    """
    units = min(bench.options.units, math.ceil(_SHOWN_BY_LINE / max(blocks_per_unit, 1e-9)))
    bench.run(1, "a settling round")  # what we thawed is frozen again by the first call
    before = gc.get_freeze_count()
    bench.run(units, "the round that looks for gc.freeze")
    return gc.get_freeze_count() - before >= _FROZEN_SHARE * blocks_per_unit * units > 0


def native_lines(bench: Bench, bytes_per_unit: float) -> list[tuple[Line, float]]:
    """Run one round and return the lines of the user's code that leave bytes on the C heap, per unit.

    What one line allocates and a later one frees cancels out over the units; what stays is the leak.

    Args:
        bench: The workload and its options.
        bytes_per_unit: What a unit leaves there as a whole; lines with less than a fifth of it are left out.
    """
    units = bench.options.units
    bench.say("measuring the C heap line by line")
    gauge = native_gauge()
    if gauge is None:
        return []
    with bench.workload.measured(lambda: LineMeter([gauge], is_users_file)) as meter:
        if not meter.is_possible:
            bench.note("the line behind the C heap's growth was not looked for: a trace function is in use")
            return []
        bench.run(units, "the round measured by line")
    return [(line, gain / units) for line, gain in meter.net(0, bytes_per_unit * units * _LINES_SHARE)]


def moves_by_line(bench: Bench, watch: LengthWatch, rates: Mapping[int, float]) -> dict[int, tuple[Moves, ...]]:
    """Run some units and return which lines changed the lengths of some owners, by position.

    Every line of the program and of what it uses is traced, which makes it many times as slow: fewer units are run
    where that takes long, but enough to show the growth; tracing is given up after some seconds.

    Args:
        bench: The workload and its options.
        watch: What reads the lengths.
        rates: For each of the owners, by position, the entries that it gains per unit.
    """
    if not rates:
        return {}
    bench.say("finding the lines that put entries in")
    wanted = max(1, min(bench.options.units, math.ceil(_SHOWN_BY_LINE / max(min(rates.values()), 1e-9))))
    gauges = [watch.extents[at] for at in rates]
    with bench.workload.measured(lambda: LineMeter(gauges, lambda _: True, seconds=_MOST_SECONDS_BY_LINE)) as meter:
        if not meter.is_possible:
            bench.note("which lines put entries in was not measured: a trace function is in use")
            return {}
        units: float = _run_for_a_while(bench, wanted, meter)
    found = {}
    for column, (at, rate) in enumerate(rates.items()):
        moves = list(meter.moves(column))
        if meter.was_cut:  # in the midst of a unit
            units = sum(rise - fall for _, rise, fall in moves) / max(rate, 1e-9)
        found[at] = tuple(Moves(*line, rise / units, fall / units) for line, rise, fall in moves) if units > 0 else ()
    return found


def _run_for_a_while(bench: Bench, wanted: int, meter: LineMeter) -> int:
    """Run so many units, and then more until it has taken long enough; return how many that were."""
    units, deadline = 0, time.monotonic() + _SECONDS_BY_LINE
    while not meter.was_cut and (units < wanted or (units < bench.options.units and time.monotonic() < deadline)):
        some = min(max(1, units), max(wanted, bench.options.units) - units)
        bench.run(some, "the round measured by line")
        units += some
    return units
