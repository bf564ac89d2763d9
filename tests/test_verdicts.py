"""Verdicts: from evidence to findings, and to what is said of the whole run."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest

from builder import UNITS, bound, growing, orphaned, rounds_of
from leakdiff.judge.verdicts import Judgement, judge
from leakdiff.model.evidence import Evidence, Survivor, Suspect
from leakdiff.model.heap import Site, Step
from leakdiff.model.owner import EntryType
from leakdiff.model.report import Verdict
from leakdiff.model.series import Growth, series_of
from leakdiff.model.signals import Phase

UNSTEADY = (404, 9, 90)


def judged(evidence: Evidence) -> Judgement:
    """Judge evidence; how sure that is has tests of its own."""
    return attrs.evolve(judge(evidence), confidence="")


def grown(
    *suspects: Suspect,
    signal: str = "blocks",
    gains: tuple[int, ...] = (202, 202, 202),
    later: tuple[int, ...] = (),
) -> Evidence:
    """Return the evidence of a run in which one signal grew, confirmed, with what was found then and seen later."""
    watched = rounds_of(signal, later, Phase.WATCH)
    marked, confirming = rounds_of(signal, (900, *gains), Phase.MARK), rounds_of(signal, gains)
    growth = Growth(signal, series_of(confirming, signal))
    return Evidence(marked, confirming, (growth,), (growth,), watched, deep_units=3 * UNITS, suspects=suspects)


def told(evidence: Evidence) -> list[tuple[str, str | None]]:
    """Return verdict and owner of every finding, in order."""
    return [(finding.verdict.value, finding.owner) for finding in judged(evidence).findings]


# -- clean, or not to be told ----------------------------------------------------------------------


def test_nothing_grows() -> None:
    """A clean run says how much work it has seen."""
    evidence = Evidence(marked=rounds_of("blocks", (0, 0, 0), Phase.MARK))

    assert judged(evidence) == Judgement(Verdict.STABLE, "nothing grew in 3 rounds of 101 units (303 units)")


def test_growth_under_the_mark_only_is_stable() -> None:
    """A mark accuses nobody by itself."""
    evidence = attrs.evolve(grown(), growing=())

    assert judged(evidence) == Judgement(
        Verdict.STABLE,
        "grew under the mark (2.00 blocks per unit) but not between two full collections: "
        "what grew was replaced or has stopped growing",
    )


def test_a_process_that_grows_while_idle_is_inconclusive() -> None:
    """Growth that needs no unit of work cannot be blamed on one."""
    evidence = attrs.evolve(grown(growing("cache")), idle_share=0.8)

    assert judged(evidence) == Judgement(
        Verdict.INCONCLUSIVE,
        "the process also grows while no unit is running (80% as fast): "
        "a thread goes on allocating. Stop it in setup, or make each step wait for it",
    )


def test_an_interrupted_check_is_inconclusive() -> None:
    """Ctrl-C gets what is known so far, and no verdict."""
    evidence = attrs.evolve(grown(), interrupted="confirming round 3")

    assert judged(evidence) == Judgement(
        Verdict.INCONCLUSIVE,
        "interrupted in confirming round 3 after 7 measured rounds; until then 2.00 blocks per unit",
    )


def test_a_check_interrupted_at_once_is_inconclusive() -> None:
    """Nothing measured is nothing known."""
    assert judged(Evidence(interrupted="warm-up")) == Judgement(
        Verdict.INCONCLUSIVE, "interrupted in warm-up after 0 measured rounds"
    )


def test_unsteady_growth_without_an_owner_is_inconclusive() -> None:
    """What nobody holds and what does not repeat is not accused; the reason says what to do."""
    assert judged(grown(gains=UNSTEADY)) == Judgement(
        Verdict.INCONCLUSIVE,
        "something grows (0.89 blocks per unit) but no owner was found and it is not the same in every round; "
        "run it with more rounds or a larger number of units",
    )


def test_unsteady_growth_below_the_floor_is_noise() -> None:
    """The allocator's own bookkeeping is no finding."""
    assert judged(grown(gains=(30, 1, 2))) == Judgement(Verdict.STABLE, "only allocator noise: 0.02 blocks per unit")


@pytest.mark.parametrize("signal", ["threads"])
def test_growth_in_a_signal_without_noise_is_never_called_noise(signal: str) -> None:
    """Threads do not appear by accident: where no owner is found, that much is said."""
    judgement = judged(grown(signal=signal, gains=(101, 101, 101)))

    assert judgement.verdict is Verdict.INCONCLUSIVE


# -- owners ----------------------------------------------------------------------------------------


def test_an_owner_that_grows_is_a_leak() -> None:
    """The finding has the owner's name, the rates per unit and the reason."""
    judgement = judged(grown(growing("cache", lengths=(303, 404, 505))))
    (finding,) = judgement.findings

    assert judgement.verdict is Verdict.LEAK
    assert judgement.because == finding.because
    assert (
        finding.because == "grew in 2 of 2 further rounds by 1.00 entries per unit, up to 505, and no bound was found"
    )
    assert (finding.owner, finding.owner_type, finding.length) == ("app.cache", "dict", 303)
    assert (finding.per_unit.objects, finding.per_unit.bytes, finding.per_unit.blocks) == (1.0, 64.0, 2.0)
    assert (finding.entries_per_unit, finding.per_entry) == (1.0, 64.0)
    assert [(growth.name, growth.count, growth.per_unit) for growth in finding.types] == [("app.Result", 303, 1.0)]


def test_the_rate_of_entries_is_that_of_the_watched_rounds() -> None:
    """The deep rounds are short; the rounds that only watch are many."""
    (finding,) = judged(grown(growing("cache", lengths=(303, 353, 404)))).findings

    assert finding.entries_per_unit == 0.5


def test_large_texts_among_the_entries_are_counted_once() -> None:
    """The walk sees them as buffers, and the look at the newest entries sees them again."""
    large = growing(
        "seen",
        types={},
        reached=frozenset(),
        objects=303,
        bytes=303 * 3_033,
        buffer_bytes=303 * 3_033,
        retained=303 * 3_033,
        entry_types=(EntryType("int", 1.0, 28.0), EntryType("bytes", 1.0, 3_033.0)),
    )

    (finding,) = judged(grown(large)).findings

    assert finding.per_entry == 3_061.0


def test_types_with_a_name_of_their_own_come_first() -> None:
    """A reader looks for ``app.Result``, however many dicts and texts hang below it."""
    types = {"str": 909, "dict": 606, "app.Extra": 30, "app.Result": 303}
    (finding,) = judged(grown(growing("cache", types=types, objects=1_848))).findings

    assert [growth.name for growth in finding.types] == ["app.Result", "app.Extra", "str", "dict"]


def test_entries_that_gc_does_not_track_get_their_types_from_the_newest() -> None:
    """A dict of texts has no new objects: a look at its newest entries says what they are."""
    texts = growing(
        "seen",
        types={},
        reached=frozenset(),
        objects=303,
        bytes=0,
        retained=0,
        entry_types=(EntryType("str", 1.0, 80.0),),
    )
    (finding,) = judged(grown(texts)).findings

    assert [(growth.name, growth.count) for growth in finding.types] == [("str", 303)]
    assert (finding.per_unit.bytes, finding.per_entry) == (80.0, 80.0)


def test_a_filling_cache_is_no_leak() -> None:
    """What has a bound is told with it, and accuses nobody."""
    judgement = judged(grown(growing("parse", bound=bound(312))))

    assert judgement.verdict is Verdict.FILLING
    assert judgement.because == "312 of 1,000 entries filled; lru_cache(maxsize) stops it there"


def test_an_owner_that_slows_down_is_warming_up() -> None:
    """Keys from a limited set come back: no leak, and told as what it is."""
    slowing = growing("cache", lengths=(0, 900, 1_300, 1_400))
    judgement = judged(grown(slowing, growing("parse", bound=bound(312))))

    assert [(finding.verdict, finding.advice) for finding in judgement.findings] == [
        (Verdict.FILLING, ""),
        (Verdict.WARMUP, ""),
    ]


def test_an_owner_that_has_stopped_makes_the_run_stable() -> None:
    """The reason of a stable run is that of its heaviest owner."""
    judgement = judged(grown(growing("cache", lengths=(303, *[404] * 6)), later=(0,) * 6))

    assert (judgement.verdict, judgement.because) == (Verdict.STABLE, "stopped growing at 404 entries")


def test_the_gravest_verdict_stands_and_comes_first() -> None:
    """A cache that fills up beside a leak does not hide it."""
    filling = growing("parse", bound=bound(312))
    stopped = growing("warm", lengths=(9,) * 6)

    assert told(grown(stopped, filling, growing("cache"))) == [
        ("LEAK", "app.cache"),
        ("FILLING", "app.parse"),
        ("STABLE", "app.warm"),
    ]
    assert judged(grown(stopped, filling, growing("cache"))).verdict is Verdict.LEAK


def test_equally_grave_findings_keep_their_order() -> None:
    """Suspects come with the heaviest first, and stay so."""
    assert told(grown(growing("heavy"), growing("light", 101))) == [("LEAK", "app.heavy"), ("LEAK", "app.light")]


def test_what_is_tiny_beside_the_whole_is_left_out() -> None:
    """One object in a thousand blocks is nobody's cause."""
    assert told(grown(growing("cache"), growing("tiny", 3))) == [("LEAK", "app.cache")]


def test_the_smallest_leak_is_told_where_nothing_else_grows() -> None:
    """Three objects in three rounds are the whole growth, and so a leak."""
    evidence = grown(growing("rare", 3, lengths=(3, 4, 5, 6)), gains=(1, 1, 1))

    assert told(evidence) == [("LEAK", "app.rare")]


def test_owners_of_one_name_are_one_finding() -> None:
    """The lists of several keys have one name, ``[*]`` in it, and one finding with their sum."""
    lines = Site("app/bus.py", 7), Site("app/bus.py", 9)
    (finding,) = judged(
        grown(growing("listeners", born=lines[:1]), growing("listeners", 101, born=lines, types={"app.Late": 101}))
    ).findings

    assert finding.per_unit.objects == 404 / 303
    assert finding.entries_per_unit == 404 / 303
    assert finding.length == 404
    assert [(growth.name, growth.count) for growth in finding.types] == [("app.Result", 303), ("app.Late", 101)]
    assert finding.sites == lines


def test_a_fingerprint_says_owner_and_type_and_nothing_else() -> None:
    """More objects at another rate are the same cause; another owner is another."""
    (one,) = judged(grown(growing("cache"))).findings
    (more,) = judged(grown(growing("cache", 909))).findings
    (other,) = judged(grown(growing("index"))).findings

    assert one.fingerprint == more.fingerprint
    assert one.fingerprint != other.fingerprint


# -- growth without an owner -----------------------------------------------------------------------


def test_objects_that_no_root_reaches_are_native() -> None:
    """No owner is invented: C code holds them, and the references nobody explains are counted."""
    judgement = judged(grown(orphaned()))
    (finding,) = judgement.findings

    assert judgement.verdict is Verdict.NATIVE
    assert (finding.owner, finding.owner_type) == (None, "app.Leaked")
    assert finding.because == (
        "gc sees them but nothing refers to them: 1 reference(s) to each that no visible "
        "object explains, so C code keeps or leaked a reference"
    )


def test_a_cycle_that_gc_cannot_free_is_named() -> None:
    """The way round the cycle is the reason."""
    (finding,) = judged(grown(orphaned(cyclic=True))).findings

    assert finding.because == (
        "no root reaches them and gc cannot free them: a cycle through something that hides its references "
        "(app.Leaked → app.Peer → app.Leaked)"
    )


def test_an_owner_that_explains_the_growth_leaves_nothing_to_c() -> None:
    """Orphans beside a leaking owner are what its objects drag along."""
    assert told(grown(growing("cache"), orphaned())) == [("LEAK", "app.cache")]


def test_an_owner_that_rests_while_all_grows_on_is_not_excused() -> None:
    """Entries that moved to another dict leave the length of the first where it was: someone must account for them."""
    resting = growing("cache", lengths=(303,) * 7)

    assert told(grown(resting, later=(202,) * 6)) == [("LEAK", "app.cache")]


def test_an_owner_of_a_process_that_has_stopped_is_no_leak() -> None:
    """Where the totals rest, no owner grows for ever."""
    judgement = judged(grown(growing("cache", lengths=(303, 404)), later=(0,) * 6))

    assert (judgement.verdict, judgement.because) == (
        Verdict.STABLE,
        "grew at first, but the process as a whole has stopped growing",
    )


def test_growth_that_ends_without_an_owner_is_stable() -> None:
    """Nothing to hold against anyone, and nothing that grows any more."""
    assert judged(grown(later=(0,) * 6)) == Judgement(
        Verdict.STABLE, "grew at first (2.00 blocks per unit), but has stopped growing"
    )


def test_orphans_are_native_beside_an_owner_that_rests() -> None:
    """A cache that has become full explains no more than it holds."""
    resting = growing("warm", 30, lengths=(30,) * 7)

    assert ("NATIVE", None) in told(grown(resting, orphaned(), gains=(404, 404, 404)))


def test_steady_blocks_without_objects_are_leaked_references() -> None:
    """Texts that C code forgot to release show as blocks only; the line that made them is named."""
    line = Site("app/parse.py", 12, "parse", "table.intern(word)")
    evidence = attrs.evolve(grown(), survivors=(Survivor((line,), 2.0, 128.0),))
    (finding,) = judged(evidence).findings

    assert (finding.verdict, finding.owner, finding.owner_type) == (Verdict.NATIVE, None, "leaked references")
    assert finding.sites == (line,)
    assert (finding.per_unit.blocks, finding.per_unit.bytes) == (2.0, 128.0)
    assert finding.because == (
        "2.00 Python memory blocks per unit stay allocated in every round, and no object that gc or a "
        "walk of the heap can reach holds them: C code leaked references to objects without members"
    )


def test_steady_native_bytes_are_a_leak_of_the_c_heap() -> None:
    """Memory that C code allocates and never frees has no Python object at all."""
    (finding,) = judged(grown(signal="native_bytes", gains=(3_232, 3_232, 3_232))).findings

    assert (finding.verdict, finding.owner_type) == (Verdict.NATIVE, "C heap")
    assert finding.per_unit.native_bytes == 32.0
    assert finding.because == (
        "32.0 bytes per unit of the C heap stay in use in every round while Python's own blocks do not "
        "grow: memory that C code allocates and never frees"
    )


def test_native_bytes_below_any_allocation_are_noise() -> None:
    """The smallest malloc costs 32 bytes; ten are none."""
    assert judged(grown(signal="native_bytes", gains=(1_010, 1_010, 1_010))).findings == ()


def test_descriptors_that_stay_open_are_a_leak() -> None:
    """An open file that no object holds is closed by nobody."""
    (finding,) = judged(grown(signal="fds", gains=(101, 101, 101))).findings

    assert (finding.verdict, finding.owner_type) == (Verdict.LEAK, "file descriptors")
    assert finding.because == "1.00 file descriptors per unit stay open and no Python object holds them"
    assert finding.advice == "close what is opened on every path (with statement)"


# -- advice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "facts"),
    [
        ("unbounded-module-cache", {"type": "dict", "key_shape": "str 'req-' + 8 hex"}),
        ("mutable-default", {"name": "app.add.__defaults__['seen']", "type": "list"}),
        (None, {"bound": bound(312)}),
    ],
)
def test_a_finding_names_its_cause_and_what_to_do(slug: str | None, facts: dict[str, Any]) -> None:
    """What to do depends on the kind of mistake; where nothing leaks there is nothing to do."""
    steps = (Step("app", "module"), Step(".add", "function app.add"), Step(".__defaults__['seen']", "list"))
    if "name" in facts:
        facts = {**facts, "steps": steps, "depth": 3}
    (finding,) = judged(grown(growing("cache", **facts))).findings

    assert (finding.cause and finding.cause.slug) == slug
    assert finding.advice == (finding.cause.fix if finding.cause else "")


def test_what_a_tool_keeps_is_excused_with_its_reason() -> None:
    """What pytest keeps of a test is no fault of the program; it is shown all the same."""
    steps = (
        Step("_pytest.logging", "module"),
        Step(".handler", "_pytest.logging.LogCaptureHandler"),
        Step(".records", "list"),
    )
    kept = growing("kept", steps=steps, depth=3, type="list")
    judgement = judged(
        grown(attrs.evolve(kept, owner=attrs.evolve(kept.owner, name="_pytest.logging.handler.records")))
    )
    (finding,) = judgement.findings

    assert finding.verdict is Verdict.STABLE
    assert finding.artefact == finding.because == "pytest keeps the log records of a test until it has ended"
    assert judgement.verdict is Verdict.STABLE


def test_a_leak_in_a_registry_of_the_interpreter_stays_one() -> None:
    """Whoever makes a class in a loop fills linecache: the reason is a note, and the leak a leak."""
    steps = (Step("linecache", "module"), Step(".cache", "dict"))
    kept = growing("kept", steps=steps, depth=2)
    (finding,) = judged(grown(attrs.evolve(kept, owner=attrs.evolve(kept.owner, name="linecache.cache")))).findings

    assert finding.verdict is Verdict.LEAK
    assert finding.artefact


def test_an_owner_inside_a_growing_owner_is_part_of_it() -> None:
    """A list of chunks grows, and so do its chunks: one cause."""
    chunks = attrs.evolve(growing("chunks"), owner=attrs.evolve(growing("chunks").owner, name="app.chunks[*]"))

    assert told(grown(growing("chunks"), chunks)) == [("LEAK", "app.chunks")]


def test_a_name_that_begins_alike_is_not_inside() -> None:
    """``cache_by_user`` is no part of ``cache``."""
    assert told(grown(growing("cache"), growing("cache_by_user"))) == [
        ("LEAK", "app.cache"),
        ("LEAK", "app.cache_by_user"),
    ]


def test_accused_owners_of_the_same_objects_name_each_other() -> None:
    """Whoever empties one of them frees nothing: the other must be emptied as well."""
    one, other = judged(grown(growing("map", sharers=(1,)), growing("index", sharers=(0,)))).findings

    assert (one.shared_with, other.shared_with) == (("app.index",), ("app.map",))


def test_who_is_not_accused_is_not_named_as_a_holder() -> None:
    """A cache that fills up holds the same objects for a while."""
    finding, _ = judged(grown(growing("map", sharers=(1,)), growing("recent", sharers=(0,), bound=bound(312)))).findings

    assert finding.shared_with == ()


# -- totals that swing -----------------------------------------------------------------------------


def swapping(size: int = 288) -> tuple[int, ...]:
    """Return the gains of a double buffer: the older half goes whenever the newer one is full."""
    levels = [4 * (done % size) for done in range(0, 60 * UNITS, UNITS)]
    return tuple(later - sooner for sooner, later in itertools.pairwise(levels))


@pytest.mark.parametrize("rounds", range(20, 59))
def test_a_double_buffer_is_never_accused(rounds: int) -> None:
    """Most rounds gain, but a swap takes it all away again: where the watching ends is chance."""
    front = growing("front", 41, lengths=(288,) * (rounds + 1))
    evidence = grown(front, gains=(404, 404, 404), later=swapping()[:rounds])

    assert judged(evidence).verdict is Verdict.STABLE


def test_native_bytes_that_climb_by_less_than_a_malloc_accuse_no_owner() -> None:
    """A heap that swings with its buffers drifts a little; an owner that does not grow has nothing to do with it."""
    gains = tuple(size + 600 for size in swapping())
    watched = tuple(
        attrs.evolve(blocks, native_bytes=size)
        for blocks, size in zip(rounds_of("blocks", swapping(), Phase.WATCH), gains, strict=True)
    )
    evidence = grown(growing("front", 41, lengths=(288,) * 60), gains=(404, 404, 404))
    native = Growth("native_bytes", series_of(rounds_of("native_bytes", (900, 900, 900)), "native_bytes"))
    evidence = attrs.evolve(evidence, watched=watched, growing=(*evidence.growing, native))

    assert judged(evidence).verdict is Verdict.STABLE


def test_an_owner_that_gains_all_the_time_leaks_under_totals_that_swing() -> None:
    """A list beside a buffer that is flushed: its own length tells."""
    later = tuple(gain + 101 for gain in swapping())
    lost = growing("lost", 303, lengths=tuple(range(303, 303 + 101 * 60, 101)))
    evidence = grown(attrs.evolve(lost, rate=1.0), gains=(505, 505, 505), later=later)

    assert told(evidence) == [("LEAK", "app.lost")]


# -- what nobody collects, and what the interpreter holds ------------------------------------------


def collected(*freed: int, is_off: bool = True) -> Evidence:
    """Return the evidence of a run in which nothing grew, but the collections between rounds freed something."""
    return Evidence(rounds_of("freed", freed, Phase.MARK), collector_is_off=is_off)


def test_cycles_that_only_the_check_collects_are_a_leak() -> None:
    """With the collector off they would stay, as many for every unit."""
    judgement = judged(collected(612, 606, 606, 606))
    (finding,) = judgement.findings

    assert judgement == Judgement(
        Verdict.LEAK,
        "gc is disabled, and 6.00 objects per unit refer to each other in cycles: they went only because leakdiff "
        "collects after each round",
        (finding,),
    )
    assert finding.cause is not None
    assert finding.cause.slug == "uncollectable-cycle"


@pytest.mark.parametrize(
    "evidence",
    [collected(606, 606, 606, is_off=False), collected(0, 0, 0), collected(606, 0, 606), collected(9, 600, 1)],
)
def test_garbage_is_no_leak_if_somebody_collects_or_units_leave_none(evidence: Evidence) -> None:
    """Cycles are normal while the collector runs; what comes in some rounds is not made by each unit."""
    assert judged(evidence).verdict is Verdict.STABLE


def test_what_atexit_holds_is_a_leak_with_an_owner() -> None:
    """Its callbacks cannot be listed, but their count and what is alive without a holder go together."""
    held = orphaned("tuple")
    named = attrs.evolve(held, owner=attrs.evolve(held.owner, kind="interpreter", name="atexit callbacks", length=404))
    (finding,) = judged(grown(named)).findings

    assert (finding.verdict, finding.owner) == (Verdict.LEAK, "atexit callbacks")
    assert finding.cause is not None
    assert finding.cause.slug == "atexit-registry"
    assert "atexit counts as many more callbacks, 404 by now" in finding.because


def test_a_part_without_a_name_belongs_to_the_owner_it_is_in() -> None:
    """A stream grows, and the buffer in it: one cause."""
    stream = growing("log", 0, entries=0, buffer_bytes=30_300, lengths=(0, 10_100, 20_200, 30_300))
    inner = attrs.evolve(stream, owner=attrs.evolve(stream.owner, name="app.log → bytes"))

    assert told(grown(inner, stream)) == [("LEAK", "app.log")]
