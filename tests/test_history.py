"""From the points of a history to slopes and shapes: lives, versions, warm-up, traffic, restarts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies  # noqa: F401 - its settings
from histories import BASELINE, LEAKING, MIB, make_history, until
from leakdiff.compare.history import history_of
from leakdiff.compare.lives import bins_of, lives_of, traffic_of, width_for
from leakdiff.judge.trends import judge_history
from leakdiff.model.history import MEMORY, Course, Fullest, History
from leakdiff.model.series import Shape
from leakdiff.model.trend import Point

MIDNIGHT = 1_760_054_400.0  # 00:00 UTC
HOUR = 3_600.0
Level = Callable[[float], float]


def life(  # noqa: PLR0913 - all that a life can differ in
    level: Level,
    hours: float = 48.0,
    *,
    start: float = 0.0,
    every: float = 0.5,
    units: Level | None = None,
    replica: str = "a",
    version: str = "1",
) -> list[Point]:
    """Return the readings of one process: its level, and its units done, by hours since it started."""
    return [
        Point(
            time=MIDNIGHT + (start + at * every) * HOUR,
            value=level(at * every),
            units=round(units(at * every)) if units is not None else None,
            instance=f"{replica}:{start}",
            replica=replica,
            started=MIDNIGHT + start * HOUR,
            version=version,
        )
        for at in range(1, int(hours / every) + 1)
    ]


def steadily(hour: float) -> float:
    """Do 1,000 units an hour."""
    return 1_000 * hour


def nightly(hour: float) -> float:
    """Do 1,000 units an hour on average, 500 at midnight and 1,500 at noon."""
    return 1_000 * (hour - 0.5 * math.sin(2 * math.pi * hour / 24) * 24 / (2 * math.pi))


def rate(hour: float, every: float = 0.5) -> float:
    """Return the units per hour of ``nightly`` in the interval before."""
    return (nightly(hour) - nightly(hour - every)) / every


def measured(*points: Point, name: str = "rss") -> Course:
    """Return how a series of one version goes."""
    courses = history_of({name: points}).versions[0].courses
    return courses[MEMORY if name == "rss" else name]


# -- lives and versions ----------------------------------------------------------------------------


@pytest.mark.parametrize("points", [{}, {"rss": []}, {"something.else": life(steadily)}])
def test_without_points_there_is_no_history(points: dict[str, list[Point]]) -> None:
    """No series, an empty one, or one that nobody asks for."""
    assert history_of(points) == History()


def test_a_restart_is_no_fall() -> None:
    """Two lives that both grow by 2 an hour: the slope is 2, and the restart brings the level back."""
    points = [*life(lambda hour: 100 + 2 * hour, 30, units=steadily)]
    points += life(lambda hour: 100 + 2 * hour, 30, start=31, units=steadily)
    found = history_of({"rss": points})

    assert found.versions[0].courses[MEMORY].trend.per_hour.value == pytest.approx(2.0)
    assert (found.processes, found.replicas, found.points) == (2, 1, 120)
    assert found.hours == pytest.approx(60.5)
    assert found.resets_on_restart is True


def test_a_restart_that_brings_nothing_back_is_told() -> None:
    """What is loaded at a start is as large as what was there at the end."""
    points = life(lambda hour: 100 + 2 * hour, 30, units=steadily)
    points += life(lambda hour: 160 + 2 * hour, 30, start=31, units=steadily)

    assert history_of({"rss": points}).resets_on_restart is False


def test_restarts_of_flat_lives_tell_nothing() -> None:
    """Where nothing grew, nothing could be brought back; and without a restart there is none."""
    flat = life(lambda _: 100.0, 30, units=steadily)

    assert history_of({"rss": [*flat, *life(lambda _: 100.0, 30, start=31, units=steadily)]}).resets_on_restart is None
    assert history_of({"rss": life(lambda hour: 100 + hour, 30, units=steadily)}).resets_on_restart is None


def test_versions_come_in_the_order_in_which_they_were_seen() -> None:
    """Not by their names: 10 follows 9. Each has its own slope."""
    points = life(lambda hour: 100 + hour, 20, start=20.5, version="10", units=steadily)
    points += life(lambda _: 100.0, 20, version="9", units=steadily)
    found = history_of({"rss": points})

    assert [version.version for version in found.versions] == ["9", "10"]
    slopes = [version.courses[MEMORY].trend.per_hour.value for version in found.versions]
    assert slopes == pytest.approx([0.0, 1.0])


def test_what_is_known_of_a_version() -> None:
    """How long its longest process was seen, in which hours of the day, whether units and owners are known."""
    points = {"rss": life(lambda _: 1.0, 10), "owner.entries:app.x": life(lambda _: 1.0, 4, every=2)}
    version = history_of(points).versions[0]

    assert version.longest == pytest.approx(9.5)
    assert version.hours_of_day == 11
    assert not version.counts_units
    assert version.has_owners


def test_replicas_are_taken_together() -> None:
    """Of three replicas that grow by 1, 2 and 3 an hour, the slope is 2, and all three rise."""
    points = [
        point
        for each in (1, 2, 3)
        for point in life(lambda hour, each=each: each * hour, units=steadily, replica=str(each))  # type: ignore[misc]
    ]
    course = measured(*points)

    assert course.trend.per_hour.value == pytest.approx(2.0)
    assert (course.lives, course.rising) == (3, 3)


def test_points_may_come_in_any_order() -> None:
    """A store need not sort."""
    points = make_history("leak since a deploy", 3, hours=30)
    shuffled = {name: random.Random(1).sample(found, len(found)) for name, found in points.items()}  # noqa: S311

    assert history_of(shuffled) == history_of(points)


@pytest.mark.parametrize("units", [True, False])
def test_a_history_of_other_days_is_the_same(units: bool) -> None:  # noqa: FBT001
    """Three days later everything is as it was, but for the time it was first seen."""
    points = make_history("leak", 1, hours=40, units=units)
    later = {
        name: [attrs.evolve(point, time=point.time + 72 * HOUR, started=point.started + 72 * HOUR) for point in found]
        for name, found in points.items()
    }
    one, other = history_of(points).versions[0], history_of(later).versions[0]

    assert one.courses.keys() == other.courses.keys()
    for name, course in one.courses.items():
        assert other.courses[name].trend.per_hour.value == pytest.approx(course.trend.per_hour.value, rel=1e-3)


def test_readings_twice_as_large_grow_twice_as_fast() -> None:
    """Scaling a series scales its slope, its interval and its levels."""
    points = make_history("leak", 2, hours=30)["rss"]
    one, two = measured(*points).trend, measured(*(attrs.evolve(p, value=2 * p.value) for p in points)).trend

    assert two.per_hour.value == pytest.approx(2 * one.per_hour.value)
    assert two.per_hour.high == pytest.approx(2 * one.per_hour.high)
    assert (two.baseline, two.last) == pytest.approx((2 * one.baseline, 2 * one.last))
    assert two.shape is one.shape


# -- which series ----------------------------------------------------------------------------------


def test_memory_is_what_nobody_shares_where_that_was_read_as_often() -> None:
    """``uss`` tells more than ``rss``, but not if only deep snapshots have it."""
    resident, own = life(lambda _: 200.0), life(lambda _: 100.0)

    assert history_of({"rss": resident, "uss": own}).versions[0].courses[MEMORY].trend.last == 100.0
    assert history_of({"rss": resident, "uss": own[::12]}).versions[0].courses[MEMORY].trend.last == 200.0


def test_what_is_held_against_the_limit_is_the_containers_anonymous_memory() -> None:
    """Page cache can be given back; without a container it is the process's memory."""
    points = {name: life(lambda _: 100.0) for name in ("rss", "cgroup.usage", "cgroup.anon")}

    assert history_of(points).fullest == Fullest(series="cgroup.anon", level=100.0)
    assert history_of({"rss": points["rss"]}).fullest == Fullest(series=MEMORY, level=100.0)


def test_the_fullest_replica_counts_and_no_single_reading() -> None:
    """The highest of what is still alive, over the last day; one reading that is far off is none."""
    points = life(lambda hour: 300.0 if hour == 47 else 120.0, replica="a")
    points += life(lambda _: 150.0, replica="b")
    points += life(lambda _: 900.0, 20, replica="gone")

    assert history_of({"rss": points}).fullest == Fullest(series=MEMORY, level=150.0)


def test_owners_are_told_by_entries_and_bytes() -> None:
    """Both series of a path, under the path's name."""
    courses = history_of(make_history("leak", 3, hours=48)).versions[0].courses
    entries, size = courses[f"owner.entries:{LEAKING}"].trend, courses[f"owner.bytes:{LEAKING}"].trend

    assert (entries.name, entries.what, size.what) == (LEAKING, "entries", "bytes")
    assert 24 * entries.per_hour.value == pytest.approx(256, rel=0.05)
    assert 24 * size.per_hour.value == pytest.approx(15 * MIB, rel=0.05)


# -- warm-up ---------------------------------------------------------------------------------------


def test_the_first_half_hour_is_left_out() -> None:
    """Imports and pools: 500 within half an hour, and then nothing."""
    course = measured(*life(lambda hour: 1_000 + 1_000 * min(hour, 0.5), every=0.1, units=steadily))

    assert course.trend.per_hour.value == 0.0
    assert course.trend.shape is Shape.FLAT
    assert course.trend.baseline == 1_500.0


def test_a_slow_warm_up_is_left_out_too() -> None:
    """300 that come with a time constant of 3 hours do not count as growth, 1 an hour beneath them does."""
    course = measured(*life(lambda hour: 1_000 + hour + 300 * (1 - math.exp(-hour / 3)), 72, units=steadily))

    assert course.trend.per_hour.value == pytest.approx(1.0, abs=0.05)
    assert course.span < 60


def test_a_process_that_ran_before_it_was_watched_has_no_warm_up() -> None:
    """Its first half hour was long ago."""
    points = [attrs.evolve(point, started=MIDNIGHT - 500 * HOUR) for point in life(lambda hour: hour, 10)]

    assert measured(*points).span == pytest.approx(9.5)


# -- traffic ---------------------------------------------------------------------------------------


def test_what_follows_traffic_is_taken_out() -> None:
    """1 an hour under a nightly swing of 100, seen for 18 hours: the swing alone would make it look like 9."""
    points = life(lambda hour: 1_000 + 0.1 * rate(hour) + hour, 18, units=nightly)
    course = measured(*points)
    blind = measured(*(attrs.evolve(point, units=None) for point in points))

    assert course.trend.per_hour.value == pytest.approx(1.0, abs=0.05)
    assert blind.trend.per_hour.value > 2


def test_growth_by_units_is_told_by_unit() -> None:
    """0.01 for each unit, whatever the hour; 10 an hour on the average of a day."""
    trend = measured(*life(lambda hour: 0.01 * round(nightly(hour)), 33, units=nightly)).trend

    assert trend.per_unit is not None
    assert trend.per_unit.value == pytest.approx(0.01)
    assert trend.per_hour.value == pytest.approx(10.0, rel=0.02)


def test_growth_by_the_clock_is_told_by_the_hour() -> None:
    """A timer leaks whatever the traffic."""
    trend = measured(*life(lambda hour: 3 * hour, 33, units=nightly)).trend

    assert trend.per_unit is None
    assert trend.per_hour.value == pytest.approx(3.0)


def test_without_units_the_same_hours_of_two_days_are_compared() -> None:
    """A nightly swing and 1 an hour, seen for 48 hours."""
    course = measured(*life(lambda hour: 1_000 + 0.1 * rate(hour) + hour, 48), name="owner.entries:app.x")

    assert course.trend.per_hour.value == pytest.approx(1.0)
    assert course.alike == course.alike_rose > 0


def test_without_units_nothing_is_comparable_within_a_day() -> None:
    """There is a slope, and no pair of readings that would exclude the daily cycle."""
    assert measured(*life(lambda hour: 0.1 * rate(hour), 20), name="owner.entries:app.x").alike == 0


def test_what_is_in_flight_does_not_grow() -> None:
    """An owner that swings with traffic, read every 5 hours beside readings that tell the traffic every half hour."""
    often = life(lambda _: 100.0, 60, units=nightly)
    seldom = life(lambda hour: round(rate(hour) / 20), 60, every=5, units=nightly)
    courses = history_of({"rss": often, "owner.entries:app.inflight": seldom}).versions[0].courses
    course = courses["owner.entries:app.inflight"]

    assert course.trend.per_hour.value == pytest.approx(0.0, abs=0.1)
    assert course.alike > 20
    assert course.alike_rose < 0.7 * course.alike


def test_by_how_much_an_owner_outgrew_traffic() -> None:
    """From midnight to noon traffic triples: what is in flight grows as much, a leak by far more."""
    often = life(lambda _: 100.0, 13, units=nightly)
    flying = life(lambda hour: rate(hour) / 20, 13, every=2, units=nightly)
    leaking = life(lambda hour: 100 * hour, 13, every=2, units=nightly)
    points = {"rss": often, "owner.entries:app.flying": flying, "owner.entries:app.leaking": leaking}
    courses = history_of(points).versions[0].courses

    assert courses["owner.entries:app.flying"].outgrew == pytest.approx(1.0, abs=0.1)
    assert courses["owner.entries:app.leaking"].outgrew > 2


def test_a_counter_that_begins_anew_is_not_trusted() -> None:
    """Units that fall within a life are no count of work."""
    points = life(lambda hour: hour, 40, units=lambda hour: 1_000 * (hour % 20))

    assert not history_of({"rss": points}).versions[0].counts_units


def test_growth_that_stops_is_not_hidden_by_traffic() -> None:
    """A cache that is full after 10 hours, at traffic that rises until noon: one line does not fit, and it stopped."""
    course = measured(*life(lambda hour: 0.1 * rate(hour) + 20 * min(hour, 10), 30, units=nightly))

    assert course.bend > 2
    assert course.late is not None
    assert course.late.value == pytest.approx(0.0, abs=2.0)


def test_growth_as_long_as_traffic_rises_is_seen_with_traffic_left_in() -> None:
    """Full at the peak of traffic, it looks like even growth that follows traffic; as it was read, it stopped."""
    course = measured(*life(lambda hour: 20 * min(hour, 12), 24, units=nightly), name="owner.entries:app.x")

    assert course.steps.rose == course.steps.of
    assert course.plain.rose < 0.7 * course.plain.of


# -- shapes ----------------------------------------------------------------------------------------


def _noise(seed: int, sigma: float) -> Level:
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    return lambda _: chance.gauss(0, sigma)


def _beside(level: Level, sigma: float = 1.0) -> Level:
    noise = _noise(7, sigma)
    return lambda hour: 1_000 + level(hour) + noise(hour)


@pytest.mark.parametrize(
    ("shape", "level"),
    [
        (Shape.FLAT, _beside(lambda _: 0.0)),
        (Shape.LINEAR, _beside(lambda hour: 3 * hour)),
        (Shape.PLATEAU, _beside(lambda hour: 300 * (1 - math.exp(-hour / 3)))),
        (Shape.STEP, _beside(lambda hour: 100.0 if hour > 30 else 0.0)),
        (Shape.SAWTOOTH, _beside(lambda hour: 40 * (hour % 9))),
        (Shape.NOISY, _beside(lambda _: 0.0, 150.0)),
    ],
)
def test_shapes(shape: Shape, level: Level) -> None:
    """Two days of each, with a little noise."""
    assert measured(*life(level, 48, units=steadily)).trend.shape is shape


# -- cost ------------------------------------------------------------------------------------------


def test_however_many_readings_there_are_few_medians_are_compared() -> None:
    """30,000 readings of six lives become at most 64 medians a life, 300 in all."""
    points = [
        point for replica in "abcdef" for point in life(steadily, 84, every=1 / 60, units=steadily, replica=replica)
    ]
    lives = lives_of(points)
    traffic = traffic_of(lives)
    thinned = [bins_of(found, width_for(lives), traffic) for found in lives]

    assert len(points) > 30_000
    assert max(map(len, thinned)) <= 64
    assert sum(map(len, thinned)) <= 300


def test_slopes_come_out_as_they_were_made() -> None:
    """Six replicas for three days, with all the noise: memory, blocks and the C heap within a tenth of the truth."""
    courses = history_of(until(make_history("leak", 7), 72)).versions[0].courses

    assert 24 * courses[MEMORY].trend.per_hour.value == pytest.approx(15 * MIB, rel=0.1)
    assert 24 * courses["native"].trend.per_hour.value == pytest.approx(5 * MIB, rel=0.1)
    assert 24 * courses["blocks"].trend.per_hour.value == pytest.approx(10 * MIB / 128, rel=0.1)
    assert courses[MEMORY].trend.baseline == pytest.approx(1.1 * BASELINE, rel=0.1)


_POINTS = st.lists(
    st.builds(
        Point,
        time=st.floats(MIDNIGHT, MIDNIGHT + 200 * HOUR) | st.sampled_from([MIDNIGHT + HOUR, MIDNIGHT + 30 * HOUR]),
        value=st.floats(-1e12, 1e12) | st.integers(0, 9).map(float),
        units=st.none() | st.integers(0, 10**9),
        instance=st.sampled_from(["", "a", "b"]),
        replica=st.sampled_from(["", "r"]),
        started=st.sampled_from([0.0, MIDNIGHT, MIDNIGHT + 9 * HOUR]),
        version=st.sampled_from(["", "1", "2"]),
    ),
    max_size=40,
)


@given(st.dictionaries(st.sampled_from(["rss", "blocks", "native", "owner.entries:x", "owner.bytes:x"]), _POINTS))
def test_whatever_the_points_are_there_is_an_answer(points: dict[str, list[Point]]) -> None:
    """Clocks that jump, counters that fall, lives of one reading, levels below 0."""
    found = history_of(points)
    trend = judge_history(found, bounds={}, limit=1_000)

    assert found.points == trend.points
    assert trend.because
    for version in found.versions:
        for course in version.courses.values():
            slope = course.trend.per_hour
            assert slope.low <= slope.value <= slope.high
            assert 0 <= course.steps.rose <= course.steps.of
