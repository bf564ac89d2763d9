"""What a history amounts to: every verdict, its reason, the deploy, the limit, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from histories import CACHE, LEAKING, LEAKS, LIMIT, MIB, OTHERS, Points, make_history, until
from leakdiff.compare.history import history_of
from leakdiff.judge.rules import Opinion
from leakdiff.judge.trends import judge_history
from leakdiff.model.heap import Bound
from leakdiff.model.history import MEMORY, Course, Fullest, History, Steps, VersionHistory
from leakdiff.model.report import ACCUSING, Verdict
from leakdiff.model.series import Shape
from leakdiff.model.trend import SeriesTrend, Slope, Trend

ENTRIES, BYTES = "owner.entries:app.x", "owner.bytes:app.x"
GROWING = Steps(of=12, rose=12, late=1.0, late_by_hours=1.0, even=0.9, largest=0.1)
A_MIB_A_DAY = MIB / 24


def judged(kind: str, hour: float, *, seed: int = 3, units: bool = True) -> Trend:
    """Return what a made-up history amounts to at an hour of it."""
    bounds = (LEAKS | OTHERS)[kind].bounds
    return judge_history(history_of(until(make_history(kind, seed, units=units), hour)), bounds=bounds, limit=LIMIT)


def without_owners(points: Points) -> Points:
    """Return a history in which nobody walked the heap."""
    return {name: found for name, found in points.items() if not name.startswith("owner.")}


def course(  # noqa: PLR0913 - all that a course can differ in
    per_hour: float,
    *,
    doubt: float = 0.1,
    what: str = "bytes",
    steps: Steps = GROWING,
    last: float = 800.0 * MIB,
    name: str = MEMORY,
    alike: tuple[int, int] = (20, 20),
    decays: bool = False,
) -> Course:
    """Return a course of six lives of three days that are known to a share of the slope."""
    low, high = sorted(((1 - doubt) * per_hour, (1 + doubt) * per_hour))
    slope = Slope(value=per_hour, low=low, high=high)
    late = Slope(value=per_hour / 5, low=low / 5, high=high / 5) if decays else slope
    trend = SeriesTrend(
        name=name,
        what=what,
        shape=Shape.LINEAR,
        per_hour=slope,
        significance=1e-9 if per_hour > 0 else 1.0,
        baseline=last - 72 * per_hour,
        last=last,
    )
    return Course(
        trend=trend,
        steps=steps,
        plain=steps,
        early=slope,
        late=late,
        span=71.0,
        alike=alike[1],
        alike_rose=alike[0],
        lives=6,
        rising=6 if per_hour > 0 else 0,
    )


FLAT = course(0.0, steps=Steps(of=12, rose=5))


def version_of(courses: Mapping[str, Course], version: str = "2.4.1", **facts: Any) -> VersionHistory:
    """Return a version that was seen for three days, heap and all."""
    whole = {MEMORY: FLAT, "blocks": FLAT, "native": FLAT, **courses}
    known = VersionHistory(
        version=version, courses=whole, longest=72.0, hours_of_day=24, counts_units=True, has_owners=True
    )
    return attrs.evolve(known, **facts)


def verdict_on(
    *versions: VersionHistory, bounds: Mapping[str, Bound] | None = None, limit: int | None = None, level: float = 0.0
) -> Trend:
    """Return what versions amount to."""
    fullest = Fullest(series=MEMORY, level=level or 800 * MIB)
    history = History(versions=versions, fullest=fullest, replicas=6, processes=6, points=5_000, hours=72.0)
    return judge_history(history, bounds=bounds or {}, limit=limit)


def owner(per_day: float, *, last: float | None = None, **facts: Any) -> dict[str, Course]:
    """Return the courses of an owner that gains so many entries of 60 KiB a day."""
    now = 3 * per_day + 1 if last is None else last
    entries = course(per_day / 24, what="entries", name="app.x", last=now, **facts)
    return {ENTRIES: entries, BYTES: course(per_day / 24 * 61_440, name="app.x", last=now * 61_440, **facts)}


# -- whole histories -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "hour", "units", "verdict"),
    [
        ("leak", 20, True, Verdict.INCONCLUSIVE),
        ("leak", 24, True, Verdict.LEAK),
        ("leak", 72, True, Verdict.LEAK),
        ("leak", 24, False, Verdict.INCONCLUSIVE),
        ("leak", 32, False, Verdict.LEAK),
        ("native leak", 50, True, Verdict.NATIVE),
        ("flat", 48, True, Verdict.STABLE),
        ("flat", 48, False, Verdict.STABLE),
        ("high and flat", 48, True, Verdict.STABLE),
        ("nightly cycle only", 48, True, Verdict.STABLE),
        ("nightly cycle only", 48, False, Verdict.STABLE),
        ("cache that fills and stops", 72, True, Verdict.STABLE),
        ("cache with a known bound", 48, True, Verdict.FILLING),
        ("cache with a known bound", 48, False, Verdict.FILLING),
        ("step after a deploy", 72, True, Verdict.STABLE),
        ("slow warm-up", 72, True, Verdict.STABLE),
        ("bounded random walk", 72, True, Verdict.STABLE),
        ("restarts", 72, True, Verdict.STABLE),
        ("emptied every night", 72, True, Verdict.STABLE),
    ],
)
def test_histories_with_all_their_noise(kind: str, hour: float, units: bool, verdict: Verdict) -> None:  # noqa: FBT001
    """Six replicas, as ``tests/histories.py`` makes them up."""
    found = judged(kind, hour, units=units)

    assert found.verdict is verdict, found.because


@pytest.mark.parametrize("kind", [kind for kind in OTHERS if kind != "emptied every night"])
@pytest.mark.parametrize("seed", [500, 501])
def test_nobody_is_accused_of_what_does_not_leak(kind: str, seed: int) -> None:
    """Every few hours of three days, one replica or two."""
    for hour in range(12, 73, 6):
        assert judged(kind, hour, seed=seed).verdict not in ACCUSING, hour


def test_a_leak_is_named_dated_and_measured() -> None:
    """The owner, entries and bytes a day, the version that brought it, and the time to the limit."""
    found = judged("leak since a deploy", 72)

    assert found.owners[0].path == LEAKING
    assert 24 * found.owners[0].entries.per_hour.value == pytest.approx(256, rel=0.05)
    assert found.owners[0].bytes is not None
    assert 24 * found.owners[0].bytes.per_hour.value == pytest.approx(15 * MIB, rel=0.05)
    assert found.deploy is not None
    assert (found.deploy.version, found.deploy.before) == ("2.4.1", "2.4.0")
    assert found.deploy.per_hour_before < found.deploy.per_hour / 5
    assert found.to_limit is not None
    assert found.to_limit.high is not None
    assert 40 < found.to_limit.low / 24 < 75 < found.to_limit.high / 24 < 120


def test_no_deploy_is_accused_if_all_versions_grow() -> None:
    """The leak was there before."""
    found = judged("leak in every version", 72)

    assert found.verdict is Verdict.LEAK
    assert found.deploy is None


def test_without_owners_a_leak_is_told_by_memory_and_blocks() -> None:
    """Nobody walked the heap: it takes longer, and says so."""
    points = without_owners(make_history("leak", 3))
    at_day_3 = judge_history(history_of(points), bounds={})
    at_day_1 = judge_history(history_of(until(points, 24)), bounds={})

    assert at_day_3.verdict is Verdict.LEAK
    assert at_day_3.because.endswith("in 6 of 6 processes, and no owner that was seen does")
    assert "there is no deep snapshot: which owner grows is not known" in at_day_3.notes
    assert at_day_1.verdict is Verdict.INCONCLUSIVE


# -- owners ----------------------------------------------------------------------------------------


def test_an_owner_that_grows_for_ever_is_a_leak_even_where_memory_hides_it() -> None:
    """Memory is flat as far as anyone can tell."""
    found = verdict_on(version_of(owner(240)))

    assert (found.verdict, found.owners[0].path) == (Verdict.LEAK, "app.x")
    assert found.because == (
        "app.x rose from level to level 12 of 12 times, up to 721 entries, "
        "also at no more traffic, and no bound was found"
    )
    assert found.advice == "remove the entry on every path (try/finally), or bound the container (maxsize, TTL)"


@pytest.mark.parametrize(
    ("facts", "verdict", "because"),
    [
        ({"alike": (10, 20)}, None, "goes up and down with traffic"),
        ({"steps": attrs.evolve(GROWING, late=0.1)}, None, "stopped growing"),
        ({"steps": attrs.evolve(GROWING, rose=9)}, None, "rises and falls"),
        ({"steps": attrs.evolve(GROWING, even=0.1)}, None, "rises and falls"),
        ({"steps": attrs.evolve(GROWING, rose=11, fell=0.5)}, None, "rises and falls"),
        ({"steps": attrs.evolve(GROWING, late=0.4)}, Verdict.WARMUP, "more and more slowly: at the end 40%"),
        ({"steps": attrs.evolve(GROWING, of=2, rose=2)}, Verdict.INCONCLUSIVE, "rose 2 of 2 times, which is too few"),
        ({"last": 100_000}, None, "next to nothing"),
        ({}, Verdict.LEAK, "no bound was found"),
    ],
)
def test_an_owner_is_excused(facts: dict[str, Any], verdict: Verdict | None, because: str) -> None:
    """By traffic, by having stopped, by falling, by slowing down, by too little data; else it is accused."""
    found = verdict_on(version_of(owner(240, **facts)))

    assert [each.verdict for each in found.owners] == ([verdict] if verdict else [])
    assert not found.owners or because in found.owners[0].because


def test_an_owner_with_a_bound_fills() -> None:
    """It will stop by itself, and memory's growth is explained by it."""
    bound = Bound("lru_cache(maxsize)", 10_000, 721)
    courses = {MEMORY: course(15 * A_MIB_A_DAY), "blocks": course(3_000, what="blocks"), **owner(240)}
    found = verdict_on(version_of(courses), bounds={"app.x": bound})

    assert (found.verdict, found.owners[0].bound) == (Verdict.FILLING, bound)
    assert found.because == "app.x: 721 of 10,000 entries filled; lru_cache(maxsize) stops it there"


def test_an_owner_that_is_full_grows_no_more() -> None:
    """Whatever its slope was, its bound is reached."""
    found = verdict_on(version_of(owner(240)), bounds={"app.x": Bound("deque(maxlen)", 721, 721)})

    assert (found.verdict, found.owners) == (Verdict.STABLE, ())


def test_a_bound_that_does_not_hold_excuses_nobody() -> None:
    """It has far more entries than its bound allows."""
    found = verdict_on(version_of(owner(240)), bounds={"app.x": Bound("Cache.maxsize", 100, 721)})

    assert found.verdict is Verdict.LEAK


def test_a_filling_owner_does_not_excuse_what_it_does_not_hold() -> None:
    """Memory grows by five times what the cache gains."""
    courses = {MEMORY: course(75 * A_MIB_A_DAY), "blocks": course(30_000, what="blocks", last=4e6), **owner(240)}
    found = verdict_on(version_of(courses), bounds={"app.x": Bound("lru_cache(maxsize)", 10_000, 721)})

    assert found.verdict is Verdict.LEAK
    assert found.because.startswith("memory grows by 75.0 MiB a day")


def test_owners_are_ranked_by_bytes_and_those_inside_others_left_out() -> None:
    """What grows only because it is inside of what grows is not told twice."""
    small = {name.replace("app.x", "app.small"): found for name, found in owner(120).items()}
    inside = {name.replace("app.x", "app.x[*].log"): found for name, found in owner(200).items()}
    found = verdict_on(version_of({**small, **inside, **owner(240)}))

    assert [each.path for each in found.owners] == ["app.x", "app.small"]


def test_a_container_that_holds_more_and_more_in_as_many_entries() -> None:
    """Its bytes grow, its length does not; of those above it nobody is named."""
    flat = course(0.0, what="entries", last=3)
    size = course(15 * A_MIB_A_DAY, last=60 * MIB)
    courses = {ENTRIES: flat, BYTES: size, "owner.entries:app.x['log']": flat, "owner.bytes:app.x['log']": size}
    found = verdict_on(version_of(courses))

    assert (found.verdict, [each.path for each in found.owners]) == (Verdict.LEAK, ["app.x['log']"])
    assert "up to 62,914,560 bytes" in found.because


def test_file_descriptors_that_are_never_closed() -> None:
    """They are a leak of their own kind, with their own advice."""
    opened = course(10, what="number", name="descriptors", last=900)
    found = verdict_on(version_of({"descriptors": opened}))

    assert (found.verdict, found.owners[0].path) == (Verdict.LEAK, "descriptors")
    assert found.advice == "close what is opened on every path (with statement)"


def test_on_the_first_day_an_owner_needs_a_second_witness() -> None:
    """18 hours of readings: believed if blocks rise in a straight line to the end, and only then."""
    young = {name: attrs.evolve(each, span=18.0) for name, each in owner(240).items()}
    blocks = course(3_000, what="blocks", last=4e6)
    facts: dict[str, Any] = {"longest": 24.0, "hours_of_day": 24}
    alone = verdict_on(version_of(young, **facts))
    witnessed = verdict_on(version_of({**young, "blocks": blocks}, **facts))
    bent = verdict_on(version_of({**young, "blocks": attrs.evolve(blocks, bend=4.0)}, **facts))

    assert (alone.verdict, bent.verdict) == (Verdict.STABLE, Verdict.STABLE)
    assert [each.verdict for each in alone.owners] == [Verdict.INCONCLUSIVE]
    assert witnessed.verdict is Verdict.LEAK
    assert witnessed.notes == ("seen for one day: what is emptied or expires once a day looks the same until tomorrow",)


@pytest.mark.parametrize(
    "facts",
    [
        {"plain": attrs.evolve(GROWING, rose=8)},
        {"settled": 6.0},
        {"steps": attrs.evolve(GROWING, rose=11)},
        {"alike": 2, "alike_rose": 2, "outgrew": 1.2},
    ],
)
def test_on_the_first_day_more_is_asked_of_an_owner(facts: dict[str, Any]) -> None:
    """It rose evenly only once traffic was taken out, or slowed down, or fell once, or rose as traffic did: not yet."""
    blocks = course(3_000, what="blocks", last=4e6)
    young = {name: attrs.evolve(each, span=18.0, **facts) for name, each in owner(240).items()}
    old = {name: attrs.evolve(each, **facts) for name, each in owner(240).items()}

    assert verdict_on(version_of({**young, "blocks": blocks}, longest=24.0)).verdict not in ACCUSING
    assert verdict_on(version_of({**old, "blocks": blocks})).verdict is Verdict.LEAK


# -- memory without an owner -----------------------------------------------------------------------


def test_the_c_heap_alone() -> None:
    """It grows, blocks do not, nobody owns it."""
    native = course(15 * A_MIB_A_DAY, last=300 * MIB)
    found = verdict_on(version_of({MEMORY: course(15 * A_MIB_A_DAY), "native": native}))

    assert found.verdict is Verdict.NATIVE
    assert found.because == (
        "the C heap grows by 15.0 MiB a day (13.5 to 16.5) in 6 of 6 processes, "
        "Python's blocks do not, and no owner does"
    )


def test_memory_that_grows_with_blocks_is_not_native() -> None:
    """Large Python objects live on the C heap too."""
    native, blocks = course(5 * A_MIB_A_DAY, last=300 * MIB), course(3_000, what="blocks", last=4e6)
    found = verdict_on(version_of({MEMORY: course(15 * A_MIB_A_DAY), "native": native, "blocks": blocks}))

    assert found.verdict is Verdict.LEAK
    assert found.because.endswith("and no owner that was seen does")


def test_memory_that_grows_without_the_heap_is_no_leak() -> None:
    """A little: fragmentation. A lot: nobody knows."""
    little = verdict_on(version_of({MEMORY: course(15 * A_MIB_A_DAY)}))
    much = verdict_on(version_of({MEMORY: course(150 * A_MIB_A_DAY, last=1_200 * MIB)}))

    assert (little.verdict, much.verdict) == (Verdict.STABLE, Verdict.INCONCLUSIVE)
    assert "neither Python's blocks nor the C heap grow" in little.because
    assert "MALLOC_ARENA_MAX" in much.advice


def test_memory_that_wanders_is_no_leak_because_it_happens_to_rise() -> None:
    """Blocks gained four times what they go up and down by: that happens by chance."""
    memory, blocks = course(15 * A_MIB_A_DAY), course(3_000, what="blocks", last=4e6)
    still = verdict_on(version_of({MEMORY: memory, "blocks": blocks}))
    wandering = verdict_on(version_of({MEMORY: memory, "blocks": attrs.evolve(blocks, noise=54_000)}))

    assert (still.verdict, wandering.verdict) == (Verdict.LEAK, Verdict.INCONCLUSIVE)


def test_memory_alone_needs_two_days() -> None:
    """After one and a half of a single replica: not yet, and when."""
    courses = {
        name: attrs.evolve(course(15 * A_MIB_A_DAY, last=last), lives=1, rising=1, span=35.0)
        for name, last in ((MEMORY, 800.0 * MIB), ("native", 300.0 * MIB))
    }
    found = verdict_on(version_of(courses, longest=36.0))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.enough_in == pytest.approx(12.0)


def test_memory_that_doubles_in_hours_is_not_waited_for() -> None:
    """It grew by more than it began with, evenly, within 8 hours."""
    fast = course(100 * MIB, last=1_500 * MIB)
    fast = attrs.evolve(fast, trend=attrs.evolve(fast.trend, baseline=700.0 * MIB))
    found = verdict_on(version_of({MEMORY: fast, "blocks": fast}, longest=8.0, hours_of_day=8))

    assert found.verdict is Verdict.LEAK


def test_memory_that_grows_more_and_more_slowly_warms_up() -> None:
    """The latest half of its time gained a fifth of what the first did."""
    found = verdict_on(version_of({MEMORY: course(15 * A_MIB_A_DAY, decays=True)}))

    assert found.verdict is Verdict.WARMUP
    assert found.because == "memory grows more and more slowly, 15.0 MiB a day (13.5 to 16.5) on the whole"


def test_a_slope_that_is_hardly_known_says_nothing() -> None:
    """Between -300 and 300 MiB a day: neither stable nor a leak."""
    vague = course(0.0)
    vague = attrs.evolve(
        vague, trend=attrs.evolve(vague.trend, per_hour=Slope(value=0.0, low=-13 * MIB, high=13 * MIB))
    )

    assert verdict_on(version_of({MEMORY: vague})).verdict is Verdict.INCONCLUSIVE


# -- stable, and too little data -------------------------------------------------------------------


def test_high_but_stable_is_not_a_leak() -> None:
    """The runbook's advice comes with it; at a modest level there is none to give."""
    high = verdict_on(version_of({}), limit=LIMIT, level=1_800 * MIB)
    modest = verdict_on(version_of({}), limit=LIMIT, level=800 * MIB)

    assert high.verdict is Verdict.STABLE
    assert high.advice.startswith("high but stable is not a leak")
    assert (modest.advice, modest.to_limit) == ("", None)


def test_no_snapshots() -> None:
    """An empty store."""
    found = judge_history(History(), bounds={})

    assert (found.verdict, found.because) == (Verdict.INCONCLUSIVE, "there are no snapshots")


@pytest.mark.parametrize(
    ("facts", "hours"),
    [
        ({"longest": 5.0, "hours_of_day": 5}, 19.0),
        ({"longest": 20.0, "hours_of_day": 20}, 4.0),
        ({"longest": 10.0, "hours_of_day": 24}, 6.0),
        ({"longest": 12.0, "hours_of_day": 12, "counts_units": False}, 18.0),
    ],
)
def test_too_little_data_says_when_there_is_enough(facts: dict[str, Any], hours: float) -> None:
    """With units a whole day and one life of 16 hours; without, a life of 30 hours."""
    found = verdict_on(version_of(owner(240), **facts))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.because.startswith("not enough data yet")
    assert found.enough_in == pytest.approx(hours)


@pytest.mark.parametrize(
    ("longest", "said"),
    [
        (0.0, "seen for less than a minute"),
        (0.25, "seen for 15 min"),
        (3.2, "seen for 3 h, 2 hours of the day"),
    ],
)
def test_a_short_time_is_told_in_its_own_unit(longest: float, said: str) -> None:
    """Who looks after five minutes is not told of hours, nor twice of none."""
    found = verdict_on(version_of({}, longest=longest, hours_of_day=2 if longest >= 1 else 0))

    assert found.because == f"not enough data yet: the longest of its processes was {said}"


def test_without_units_the_advice_is_to_count_them() -> None:
    """It shortens the wait."""
    found = verdict_on(version_of({}, longest=12.0, hours_of_day=12, counts_units=False))

    assert found.advice.startswith("count units of work")


def test_a_version_too_young_to_tell_reminds_of_the_one_before() -> None:
    """2.4.2 may have mended it."""
    found = verdict_on(version_of(owner(240)), version_of({}, "2.4.2", longest=3.0, hours_of_day=3))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.notes[0].startswith("2.4.1 before it: LEAK, app.x rose")


# -- deploys and the limit -------------------------------------------------------------------------


def test_the_deploy_that_brought_it_is_the_first_version_that_grows() -> None:
    """Flat in 2.4.0, growing in 2.4.1 and 2.4.2: it came with 2.4.1."""
    growing = {MEMORY: course(15 * A_MIB_A_DAY), **owner(240)}
    versions = version_of({}, "2.4.0"), version_of(growing, "2.4.1"), version_of(growing, "2.4.2")
    deploy = verdict_on(*versions).deploy

    assert deploy is not None
    assert (deploy.before, deploy.version) == ("2.4.0", "2.4.1")
    assert (deploy.per_hour_before, deploy.per_hour) == (0.0, 15 * A_MIB_A_DAY)


@pytest.mark.parametrize("facts", [{"longest": 3.0}, {"has_owners": False}])
def test_a_version_of_which_too_little_is_known_is_not_called_flat(facts: dict[str, Any]) -> None:
    """It was seen for three hours, or nobody walked its heap."""
    found = verdict_on(version_of({}, "2.4.0", **facts), version_of(owner(240), "2.4.1"))

    assert found.verdict is Verdict.LEAK
    assert found.deploy is None


def test_the_limit_is_reached_within_an_interval() -> None:
    """1,000 MiB of room at 90 to 110 MiB a day."""
    found = verdict_on(version_of({MEMORY: course(100 * A_MIB_A_DAY), **owner(240)}), limit=1_800 * MIB)

    assert found.to_limit is not None
    assert found.to_limit.low / 24 == pytest.approx(1_000 / 110)
    assert found.to_limit.high is not None
    assert found.to_limit.high / 24 == pytest.approx(1_000 / 90)


def test_where_memory_may_not_grow_at_all_the_limit_may_never_be_reached() -> None:
    """The interval of the slope contains 0."""
    found = verdict_on(version_of({MEMORY: course(A_MIB_A_DAY, doubt=3.0), **owner(240)}), limit=1_800 * MIB)

    assert found.to_limit is not None
    assert found.to_limit.high is None


def test_rules_can_be_replaced() -> None:
    """A rule of one's own that has no opinion leaves the word to the next."""
    found = judge_history(
        History(versions=(version_of({}),)),
        bounds={},
        rules=(lambda _: None, lambda case: _always(case.version.version)),
    )

    assert found.because == "2.4.1 is on holiday"


def _always(version: str) -> Opinion:
    return Opinion(Verdict.STABLE, f"{version} is on holiday")


def test_the_cache_of_a_history_is_the_one_that_is_bounded() -> None:
    """The path that the made-up histories bound is the one they fill."""
    assert judged("cache with a known bound", 48).owners[0].path == CACHE
