"""Live traffic judged: what windows or snapshots show of an owner, and the reason that a stranger can check."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import bound, growing, heap
from leakdiff.compare.cohorts import suspects_of_windows, that_stay
from leakdiff.compare.lengths import accumulation, grown_paths, suspects_of_diff, suspects_of_snapshots
from leakdiff.judge.live import RULES, judge_live
from leakdiff.judge.rules import Opinion, opinion_on
from leakdiff.model.evidence import Suspect
from leakdiff.model.heap import Bound
from leakdiff.model.owner import Owner
from leakdiff.model.report import Verdict
from leakdiff.model.snapshot import Snapshot
from leakdiff.ownership.accumulate import find_accumulations
from snapshots import snapshot

LIMIT = Bound("deque(maxlen)", 1_000, 312)


# -- by hand ---------------------------------------------------------------------------------------


def watched(lengths: Sequence[int], *, gained: int = 100, rate: float = 10.0, seconds: float = 10.0) -> Suspect:
    """Return an owner that gained some entries in windows, and whose length was then read for so many seconds."""
    suspect = growing("owner", gained, lengths=tuple(lengths))
    readings = max(1, len(lengths) - 1)
    return attrs.evolve(suspect, rate=rate, units=(seconds / readings,) * (len(lengths) - 1))


def by_length(suspect: Suspect) -> Suspect:
    """Return the same owner as if its entries had no date: text, numbers and the like."""
    return attrs.evolve(suspect, found=attrs.evolve(suspect.found, reached=frozenset()))


def looked_at(lengths: Sequence[int], hours: Sequence[float] = (1.0, 1.0)) -> Suspect:
    """Return an owner known from snapshots: its length in each, so many hours apart."""
    gained = lengths[1] - lengths[0]
    suspect = growing("owner", 0, lengths=tuple(lengths))
    units = tuple(hours[: len(lengths) - 1])
    return attrs.evolve(suspect, found=accumulation(gained, 64 * gained), units=units, rate=gained / units[0])


def bounded(suspect: Suspect, limit: Bound) -> Suspect:
    """Return the same owner with a bound."""
    return attrs.evolve(suspect, owner=attrs.evolve(suspect.owner, bound=limit))


def verdict_on(suspect: Suspect) -> Verdict | None:
    """Return what the rules say of one suspect."""
    opinion = opinion_on(suspect, RULES)
    return opinion.verdict if opinion is not None else None


STEADY = range(100, 205, 5)  # 21 readings, 100 entries in ten seconds
INFLIGHT = (40, 46, 43, 38, 44, 41, 47, 39, 42, 45, 40, 44, 38, 43, 46, 41, 39, 45, 42, 40, 43)


# -- windows ---------------------------------------------------------------------------------------


def test_what_survives_and_goes_on_leaks() -> None:
    """Born in a window, still there after the next, and more of it came afterwards."""
    assert opinion_on(watched(STEADY), RULES) == Opinion(
        Verdict.LEAK,
        "what was put in during one window was still there after the next, and it went on by 10.00 per unit, "
        "up to 200; no bound was found",
    )


def test_entries_without_a_date_leak_by_their_number() -> None:
    """A dict of text to bytes has no dated objects: how its length goes on tells."""
    opinion = opinion_on(by_length(watched(STEADY)), RULES)

    assert opinion is not None
    assert opinion.verdict is Verdict.LEAK
    assert "still there" not in opinion.because


def test_traffic_in_flight_rises_and_falls() -> None:
    """A map of what is being worked on is as full now as then."""
    assert opinion_on(watched(INFLIGHT, gained=6, rate=0.6), RULES) == Opinion(
        Verdict.STABLE, "rises and falls: between 38 and 47 entries"
    )


@pytest.mark.parametrize("leaked", [50, 100, 400])
def test_a_leak_in_the_map_of_what_is_in_flight_is_one(leaked: int) -> None:
    """The story of the map whose delete had wandered into an if: it goes up and down, and up on the whole."""
    lengths = [level + at * leaked // 20 for at, level in enumerate(INFLIGHT)]

    assert verdict_on(watched(lengths, gained=leaked, rate=leaked / 10)) is Verdict.LEAK


def test_a_batch_that_is_emptied_is_no_leak() -> None:
    """What falls by as much as it has gained has someone who removes."""
    saw = [*range(0, 100, 10), *range(0, 110, 10)]

    assert verdict_on(watched(saw, gained=60, rate=6.0)) is Verdict.STABLE


def test_sessions_that_end_all_at_once_are_no_leak() -> None:
    """Kept for longer than a window, and then let go in one sweep."""
    lengths = [*range(300, 400, 10), *range(300, 410, 10)]

    assert verdict_on(watched(lengths, gained=95, rate=9.5)) is Verdict.STABLE


def test_a_full_cache_that_replaces_has_stopped() -> None:
    """Its length does not change, whatever is new in it."""
    assert opinion_on(watched([1_000] * 21, gained=300, rate=30.0), RULES) == Opinion(
        Verdict.STABLE, "stopped growing at 1,000 entries"
    )


def test_a_rare_leak_may_rest_for_some_readings() -> None:
    """One entry in five seconds: that none came in the last three says nothing."""
    lengths = [10] * 5 + [11] * 5 + [12] * 11
    suspect = watched(lengths, gained=8, rate=0.2, seconds=20.0)

    assert verdict_on(suspect) is Verdict.LEAK


def test_a_leak_too_slow_for_the_watch_is_not_called_clean() -> None:
    """Six came in the windows, two were due afterwards and none came: that is no evidence of the contrary."""
    suspect = watched([10] * 21, gained=6, rate=0.1, seconds=20.0)

    assert opinion_on(suspect, RULES) == Opinion(
        Verdict.INCONCLUSIVE, "too slow to tell whether it goes on: 2.0 were due; watch longer"
    )


def test_what_slows_down_is_warming_up() -> None:
    """A cache that fills up from a limited set of keys gains less and less."""
    assert opinion_on(watched([200, *range(201, 221)], gained=500, rate=50.0), RULES) == Opinion(
        Verdict.WARMUP,
        "slows down: 50.00 per unit at first, 2.00 afterwards; watch longer to see whether it stops",
    )


def test_a_shortfall_by_chance_is_no_slowing_down() -> None:
    """Ten were due and four came: that happens to a steady leak."""
    lengths = [20] * 6 + [21] * 5 + [22] * 4 + [23] * 4 + [24] * 2

    assert verdict_on(watched(lengths, gained=10, rate=1.0)) is Verdict.LEAK


def test_a_handful_is_not_accused() -> None:
    """Five entries may be an accident of the traffic."""
    opinion = opinion_on(watched([3, 3, 3, 4, 4, 5], gained=3, rate=0.3), RULES)

    assert opinion == Opinion(Verdict.INCONCLUSIVE, "gained 5 entries only; watch longer, or under more traffic")


def test_what_cannot_be_watched_is_not_accused() -> None:
    """Without a length it is not known how it goes on."""
    judgement = judge_live([watched([])], 10.0, "2 windows of 5 s", "second")

    assert (judgement.verdict, judgement.because) == (
        Verdict.INCONCLUSIVE,
        "grew, but how it goes on is not known",
    )


def test_a_buffer_that_goes_on_leaks_bytes() -> None:
    """Counted in bytes, and by them alone."""
    log = growing("log", 0, entries=0, buffer_bytes=1_000, lengths=tuple(range(0, 10_500, 500)))
    suspect = attrs.evolve(log, rate=1_000.0, units=(0.5,) * 20)

    assert verdict_on(suspect) is Verdict.LEAK
    assert verdict_on(attrs.evolve(suspect, lengths=(5_000,) * 21)) is Verdict.STABLE


@pytest.mark.parametrize("filled", [312, 999])
def test_what_is_bounded_fills_up(filled: int) -> None:
    """However fast it grows, it stops there."""
    lengths = tuple(range(filled - 20, filled + 1))

    assert verdict_on(bounded(watched(lengths), Bound("deque(maxlen)", 1_000, filled))) is Verdict.FILLING


def test_what_has_reached_its_bound_is_stable() -> None:
    """And a bound that the length has passed is none."""
    assert verdict_on(bounded(watched([1_000] * 21), bound(1_000))) is Verdict.STABLE
    assert verdict_on(bounded(watched(STEADY), Bound("deque(maxlen)", 50, 50))) is Verdict.LEAK


# -- snapshots -------------------------------------------------------------------------------------


def test_two_looks_accuse_nobody() -> None:
    """Whatever was gained between them."""
    assert opinion_on(looked_at((100, 10_000)), RULES) == Opinion(
        Verdict.INCONCLUSIVE,
        "100 entries before, 10,000 after: two looks cannot tell whether it goes on; explain the diff again later, "
        "or use leakdiff.watch()",
    )


def test_a_third_look_accuses_what_has_grown_since() -> None:
    """Both rates are told."""
    assert opinion_on(looked_at((0, 400, 900), (4.0, 5.0)), RULES) == Opinion(
        Verdict.LEAK,
        "grew between the snapshots by 100.00 per unit and since then by 100.00, up to 900; no bound was found",
    )


@pytest.mark.parametrize(
    ("lengths", "verdict"),
    [
        ((0, 1_000, 1_000), Verdict.STABLE),
        ((0, 1_000, 600), Verdict.STABLE),
        ((0, 1_000, 1_001), Verdict.WARMUP),
        ((0, 1_000, 1_400), Verdict.WARMUP),
        ((0, 1_000, 1_600), Verdict.LEAK),
        ((0, 10, 13), Verdict.LEAK),
    ],
)
def test_a_third_look_excuses_what_has_not_kept_its_pace(lengths: tuple[int, ...], verdict: Verdict) -> None:
    """Less than half of what was due, and not by chance, is no steady growth."""
    assert verdict_on(looked_at(lengths)) is verdict


def test_four_looks_that_all_rise_accuse() -> None:
    """Where the heap could not be marked, the borders of the windows tell."""
    assert opinion_on(looked_at((0, 100, 210, 300), (1.0,) * 3), RULES) == Opinion(
        Verdict.LEAK, "grew between every two of 4 looks, by 100.00 per unit, up to 300; no bound was found"
    )
    assert verdict_on(looked_at((0, 1_000, 1_100, 1_101), (1.0,) * 3)) is Verdict.WARMUP


# -- all together ----------------------------------------------------------------------------------


def test_the_worst_comes_first_and_the_unit_is_told() -> None:
    """Leaks lead, what fills up follows, what is stable is last; rates are by the given unit."""
    suspects = [
        attrs.evolve(watched(INFLIGHT, gained=6, rate=0.6), owner=owner("inflight")),
        attrs.evolve(bounded(watched(range(292, 313)), LIMIT), owner=owner("filling", LIMIT)),
        attrs.evolve(watched(STEADY), owner=owner("leaking")),
    ]
    judgement = judge_live(suspects, 10.0, "2 windows of 5 s", "second")

    assert [(finding.owner, finding.verdict) for finding in judgement.findings] == [
        ("app.leaking", Verdict.LEAK),
        ("app.filling", Verdict.FILLING),
        ("app.inflight", Verdict.STABLE),
    ]
    assert judgement.verdict is Verdict.LEAK
    assert judgement.because.endswith("went on by 10.00 per second, up to 200; no bound was found")
    assert judgement.findings[0].entries_per_unit == 10.0
    assert [finding.advice != "" for finding in judgement.findings] == [True, False, False]


def test_nothing_that_grows_is_stable() -> None:
    """And what was looked at is said."""
    judgement = judge_live([], 10.0, "2 windows of 5 s", "second")

    assert (judgement.verdict, judgement.because) == (Verdict.STABLE, "nothing grew that stayed, in 2 windows of 5 s")


def test_one_owner_is_one_finding() -> None:
    """The lists of several keys have one name, and are told once."""
    suspects = [attrs.evolve(watched(STEADY, gained=100), owner=owner("jobs[*]")) for _ in range(3)]
    judgement = judge_live(suspects, 10.0, "2 windows of 5 s", "second")

    assert [finding.owner for finding in judgement.findings] == ["app.jobs[*]"]
    assert judgement.findings[0].entries_per_unit == 30.0


def owner(name: str, limit: Bound | None = None) -> Owner:
    """Return an owner of that name."""
    return attrs.evolve(growing(name).owner, bound=limit)


def test_rules_say_in_a_sentence_what_they_claim() -> None:
    """A reader of the tuple learns what is judged, and in which order."""
    assert [rule.__name__ for rule in RULES] == [
        "only_weak_references",
        "bounded_and_filling",
        "seen_twice_only",
        "comes_and_goes",
        "has_stopped",
        "too_few",
        "keeps_between_snapshots",
        "keeps_at_every_look",
        "no_longer_grows",
        "goes_on",
    ]
    assert all(rule.__doc__ for rule in RULES)


LENGTHS = st.lists(st.integers(0, 10**9), min_size=2, max_size=30)


@given(LENGTHS, st.integers(0, 10**6), st.floats(0, 10**6), st.booleans())
def test_any_course_gets_a_verdict_with_a_reason(lengths: list[int], gained: int, rate: float, dated: bool) -> None:  # noqa: FBT001
    """Whatever was read, there is one verdict, and why."""
    suspect = watched(lengths, gained=gained, rate=rate)
    judgement = judge_live([suspect if dated else by_length(suspect)], 10.0, "2 windows of 5 s", "second")

    assert judgement.because
    assert len(judgement.findings) == 1


@given(LENGTHS, st.integers(1, 10**6))
def test_a_bound_is_never_a_leak(lengths: list[int], gained: int) -> None:
    """Whatever a length does below the bound, what is bounded does not grow for ever."""
    limit = Bound("deque(maxlen)", max(lengths) + 1, lengths[-1])

    assert verdict_on(bounded(watched(lengths, gained=gained), limit)) is Verdict.FILLING


@given(st.lists(st.integers(0, 1_000), min_size=6, max_size=30))
def test_what_ends_no_higher_than_it_began_is_no_leak(gains: list[int]) -> None:
    """Up and down again by as much, in any steps."""
    up = [*itertools.accumulate(gains, initial=0)]
    suspect = watched([*up, *reversed(up)], gained=up[-1], rate=up[-1] / 10)
    judgement = judge_live([suspect], 10.0, "2 windows of 5 s", "second")

    assert judgement.verdict in (Verdict.STABLE, Verdict.INCONCLUSIVE)


@given(st.integers(1, 10_000), st.integers(0, 10**6))
def test_a_steady_rise_always_leaks(step: int, start: int) -> None:
    """At any pace, from any level, if it goes on as it did."""
    lengths = [start + step * at for at in range(21)]

    assert verdict_on(watched(lengths, gained=20 * step, rate=2.0 * step)) is Verdict.LEAK


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_two_readings_never_leak(before: int, gained: int) -> None:
    """However much it is."""
    assert verdict_on(looked_at((before, before + gained))) is Verdict.INCONCLUSIVE


# -- from diffs and snapshots to suspects ----------------------------------------------------------


def at_now(path: str, length: int) -> Owner:
    """Return an owner as it is now."""
    return attrs.evolve(growing("owner").owner, name=path, length=length)


def looks(*tables: dict[str, tuple[int, int]], every: float = 3_600.0) -> list[Snapshot]:
    """Return snapshots with these owners: entries and bytes by path."""
    return [snapshot(at=at * every, owners=table) for at, table in enumerate(tables)]


def test_a_third_length_is_read_where_it_can_tell_something() -> None:
    """An hour later in the same process it is; at once, or in another process, it is not."""
    first, second = looks({"app.jobs": (100, 10_000)}, {"app.jobs": (500, 50_000)})
    owners = {"app.jobs": at_now("app.jobs", 900)}

    def lengths(since: float | None) -> tuple[int, ...]:
        suspects, _ = suspects_of_diff(second - first, owners, since, 3_600.0)
        return suspects[0].lengths

    assert lengths(3_600.0) == (100, 500, 900)
    assert lengths(1.0) == (100, 500)
    assert lengths(None) == (100, 500)


def test_that_nothing_came_since_says_something_only_after_a_while() -> None:
    """As many as before a minute later: that is no proof of an end."""
    first, second = looks({"app.jobs": (100, 10_000)}, {"app.jobs": (500, 50_000)})
    suspects, _ = suspects_of_diff(second - first, {"app.jobs": at_now("app.jobs", 500)}, 60.0, 3_600.0)

    assert suspects[0].lengths == (100, 500)


def test_suspects_of_a_diff_are_those_that_gained_and_are_here() -> None:
    """What lost or stayed is none; what is no longer here, and what there is too much of, is said."""
    names = [f"app.many_{number:02}" for number in range(20)]
    before = dict.fromkeys((*names, "app.gone", "app.less", "app.same"), (10, 1000))
    after = {name: (30 + at, 1_000_000 - at) for at, name in enumerate(names)}
    after |= {"app.gone": (50, 9_000_000), "app.less": (5, 500), "app.same": (10, 1_000)}
    first, second = looks(before, after)
    suspects, notes = suspects_of_diff(second - first, {name: at_now(name, 99) for name in names}, None, 3_600.0)

    assert [suspect.owner.name for suspect in suspects] == names[:11]
    assert suspects[0].rate == 20.0
    assert suspects[0].found.entries == 20
    assert notes == ["not in this process any more: app.gone", "9 owners that gained less were not looked at"]


def test_grown_paths_are_those_that_rose_at_every_look() -> None:
    """One look without a gain excuses; the heaviest come first."""
    taken = looks(
        {"app.leak": (10, 100), "app.heavy": (1, 10), "app.cache": (50, 500), "app.batch": (5, 50)},
        {"app.leak": (20, 200), "app.heavy": (2, 9_000), "app.cache": (50, 500), "app.batch": (9, 90)},
        {
            "app.leak": (30, 300),
            "app.heavy": (3, 9_900),
            "app.cache": (90, 900),
            "app.batch": (1, 10),
            "app.new": (7, 1),
        },
    )

    assert grown_paths(taken) == ["app.heavy", "app.leak"]


def test_suspects_of_snapshots_have_all_lengths_and_gaps() -> None:
    """Their rate is by second, from the first look to the last."""
    taken = looks({"app.leak": (10, 1_000)}, {"app.leak": (30, 3_000)}, {"app.leak": (50, 5_000)}, every=10.0)
    (suspect,) = suspects_of_snapshots(taken, {"app.leak": at_now("app.leak", 60)})

    assert suspect.lengths == (10, 30, 50)
    assert suspect.units == (10.0, 10.0)
    assert suspect.rate == 2.0
    assert (suspect.found.entries, suspect.found.retained) == (40, 4_000)


# -- from windows to suspects ----------------------------------------------------------------------


def test_what_is_of_the_last_window_only_is_in_flight() -> None:
    """What some of the first window has survived stays under suspicion; what no root reaches does not."""
    graph = (
        heap(rounds=2, units=10)
        .holder("leaking", grown=20)
        .each_round(10, "app.Kept", under="leaking")
        .holder("inflight", grown=10)
        .in_round(2, 10, "app.Request", under="inflight")
        .each_round(10, "app.Lost", unexplained=1)
        .graph()
    )
    found = find_accumulations(graph)
    kept = that_stay(found, graph)

    assert len(found) >= 2
    assert [item.types for item in kept] == [{"app.Kept": 20}]


def test_entries_without_a_date_stay_under_suspicion() -> None:
    """A dict of text to bytes gained entries that gc cannot date: its length will tell."""
    graph = heap(rounds=2, units=10).holder("texts", grown=50).graph()
    kept = that_stay(find_accumulations(graph), graph)

    assert [item.entries for item in kept] == [50]


def test_windows_give_rates_by_the_second() -> None:
    """Entries, or bytes where only a buffer grew, over the time that the windows lasted."""
    entries, buffer = growing("owner").found, growing("log", 0, entries=0, buffer_bytes=4_000).found
    owners = [growing("owner").owner, growing("log").owner]
    suspects = suspects_of_windows([entries, buffer], owners, [(1, 2, 3), ()], (0.5, 0.5), 10.0)

    assert [suspect.rate for suspect in suspects] == [30.3, 400.0]
    assert [suspect.lengths for suspect in suspects] == [(1, 2, 3), ()]
    assert suspects[0].series.gains == (1, 1)
