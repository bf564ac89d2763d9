"""Slopes: what Theil-Sen and Mann-Kendall say, checked against scipy, and corrected where scipy does not."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies  # noqa: F401 - its settings
from leakdiff.compare.slopes import (
    Estimate,
    Run,
    autocorrelation,
    design_effect,
    deviation,
    exact_significance,
    hamed_rao,
    kendall_variance,
    pair_slopes,
    theil_sen,
)

_VALUES = st.integers(-1_000, 1_000).map(float)
_SERIES = st.lists(_VALUES, min_size=3, max_size=24, unique=True)


def run_of(*values: float, start: int = 0) -> Run:
    """Return a life read once an hour."""
    return Run(tuple(float(at) for at in range(len(values))), tuple(values), tuple(range(start, start + len(values))))


def estimate(*runs: Run, day: int = 0) -> Estimate:
    """Return the estimate of lives that can be compared."""
    found = theil_sen(runs, day=day)
    assert found is not None
    return found


def noise(count: int, alike: float, seed: int) -> list[float]:
    """Return AR(1) noise of variance 1."""
    chance, values = random.Random(seed), [0.0]  # noqa: S311 - to be repeated
    for _ in range(count - 1):
        values.append(alike * values[-1] + chance.gauss(0, math.sqrt(1 - alike**2)))
    return values


# -- what they are ---------------------------------------------------------------------------------


def test_one_outlier_does_not_move_the_slope() -> None:
    """The slope is the median over pairs: a spike among ten readings changes nothing."""
    values = [3.0 * at for at in range(10)]
    values[4] = 1_000.0

    assert estimate(run_of(*values)).slope.value == 3.0


def test_lives_are_compared_within_themselves_only() -> None:
    """A restart that brings memory down is no fall: both lives grow by 2 an hour."""
    found = estimate(run_of(100, 102, 104, 106), run_of(10, 12, 14, 16, start=4))

    assert (found.slope.low, found.slope.value, found.slope.high) == (2.0, 2.0, 2.0)
    assert found.pairs == 12


def test_a_daily_cycle_is_left_out_by_comparing_the_same_hours() -> None:
    """Readings every 6 hours that swing by 100 and gain 4 a day, seen for two days and a quarter."""
    swing = [0.0, 50.0, 100.0, 50.0]
    cycle = run_of(*(swing[at % 4] + at for at in range(9)))

    assert estimate(cycle, day=4).slope.value == 1.0
    assert pair_slopes(cycle, day=4) == [1.0] * len(pair_slopes(cycle, day=4))


@pytest.mark.parametrize("runs", [(), (run_of(1.0),), (Run((2.0, 2.0), (1.0, 5.0), (0, 0)),)])
def test_nothing_to_compare_is_no_estimate(runs: tuple[Run, ...]) -> None:
    """No reading, one reading, or two at the same moment have no slope."""
    assert theil_sen(runs) is None


def test_without_a_whole_day_no_two_readings_are_of_the_same_hour() -> None:
    """Asked to compare the same hours only, 24 hourly readings have nothing to say."""
    assert theil_sen([run_of(*range(24))], day=24) is None


# -- the same as scipy -----------------------------------------------------------------------------


@given(_SERIES)
def test_slope_and_interval_are_scipys(values: list[float]) -> None:
    """One short life without autocorrelation: the slope and its 95 % interval as ``scipy.stats.theilslopes``."""
    stats = pytest.importorskip("scipy.stats")
    expected = stats.theilslopes(values, list(range(len(values))), 0.95)
    found = theil_sen([run_of(*values[:10])])
    whole = stats.theilslopes(values[:10], list(range(len(values[:10]))), 0.95)

    assert found is not None
    assert found.slope.value == pytest.approx(whole.slope)
    assert found.slope.low == pytest.approx(whole.low_slope)
    assert found.slope.high == pytest.approx(whole.high_slope)
    assert min(pair_slopes(run_of(*values))) <= expected.slope


@given(st.lists(_VALUES, min_size=2, max_size=10, unique=True))
def test_the_exact_probability_is_scipys(values: list[float]) -> None:
    """One short life without ties: the probability as the exact test of ``scipy.stats.kendalltau``."""
    stats = pytest.importorskip("scipy.stats")
    expected = stats.kendalltau(range(len(values)), values, method="exact").pvalue

    assert estimate(run_of(*values)).significance == pytest.approx(expected)


@given(st.lists(st.integers(0, 4), min_size=3, max_size=20), st.data())
def test_the_variance_with_ties_is_scipys(values: list[int], data: st.DataObject) -> None:
    """Ties on both sides: the variance from which ``scipy.stats.kendalltau`` has its asymptotic probability."""
    stats = pytest.importorskip("scipy.stats")
    times = data.draw(st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values)))
    if len(set(values)) == 1 or len(set(times)) == 1:
        return
    pairs = itertools.combinations(zip(times, values, strict=True), 2)
    score = sum(
        (x < u) * (y < v) + (x > u) * (y > v) - (x < u) * (y > v) - (x > u) * (y < v) for (x, y), (u, v) in pairs
    )
    expected = stats.kendalltau(times, values, method="asymptotic").pvalue
    variance = kendall_variance(times, values)

    assert math.erfc(abs(score) / math.sqrt(2 * variance)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("lengths", [(3,), (4,), (3, 3), (2, 4), (3, 2, 2)])
def test_the_exact_probability_over_lives_counts_all_orders(lengths: tuple[int, ...]) -> None:
    """Over several lives, the probability is the share of all their orders that are at least as extreme."""
    scores = [0]
    for length in lengths:
        own = [_score(order) for order in itertools.permutations(range(length))]
        scores = [one + other for one in scores for other in own]

    for score in set(scores):
        share = sum(abs(other) >= abs(score) for other in scores) / len(scores)
        assert exact_significance(lengths, score) == pytest.approx(min(1.0, share) if score else 1.0)


def _score(order: tuple[int, ...]) -> int:
    return sum((later > sooner) - (later < sooner) for sooner, later in itertools.combinations(order, 2))


# -- properties ------------------------------------------------------------------------------------


@given(_SERIES, st.integers(-1_000, 1_000), st.integers(1, 16))
def test_shifted_and_stretched_readings_shift_nothing_and_stretch_the_slope(
    values: list[float], shift: int, times: int
) -> None:
    """Adding a constant changes no slope; multiplying by one multiplies slope and interval."""
    found, moved = estimate(run_of(*values)), estimate(run_of(*(times * value + shift for value in values)))

    assert moved.slope.value == pytest.approx(times * found.slope.value)
    assert moved.slope.low == pytest.approx(times * found.slope.low)
    assert moved.slope.high == pytest.approx(times * found.slope.high)
    assert moved.significance == pytest.approx(found.significance)


@given(_SERIES, st.integers(-50, 50))
def test_a_line_added_to_the_readings_is_added_to_the_slope(values: list[float], slope: int) -> None:
    """Readings that also grow by so much an hour have a slope that is larger by so much."""
    tilted = run_of(*(value + slope * at for at, value in enumerate(values)))

    assert estimate(tilted).slope.value == pytest.approx(estimate(run_of(*values)).slope.value + slope)


@given(_SERIES)
def test_falling_mirrors_rising(values: list[float]) -> None:
    """The negated series has the negated slope and the same probability."""
    found, mirrored = estimate(run_of(*values)), estimate(run_of(*(-value for value in values)))

    assert mirrored.slope.value == pytest.approx(-found.slope.value)
    assert mirrored.significance == pytest.approx(found.significance)


@given(st.lists(_SERIES, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_lives_does_not_matter(lives: list[list[float]], chance: random.Random) -> None:
    """Replicas have no order."""
    runs = [run_of(*values) for values in lives]
    found = estimate(*runs)
    chance.shuffle(runs)

    again = estimate(*runs)
    assert again.slope == found.slope
    assert again.significance == pytest.approx(found.significance)


@given(_SERIES)
def test_the_slope_lies_in_its_interval(values: list[float]) -> None:
    """The interval contains what it is the interval of, and the probability is one."""
    found = estimate(run_of(*values))

    assert found.slope.low <= found.slope.value <= found.slope.high
    assert 0 <= found.significance <= 1


# -- corrections -----------------------------------------------------------------------------------


def test_what_never_changes_has_no_trend() -> None:
    """Equal readings: slope 0, and nothing unlikely about it."""
    flat = estimate(run_of(*[7.0] * 40))

    assert (flat.slope.low, flat.slope.value, flat.slope.high) == (0.0, 0.0, 0.0)
    assert flat.significance == 1.0


def test_autocorrelation_is_found_again() -> None:
    """Of noise made with 0.8 from reading to reading, about 0.8 is found, and of white noise next to none."""
    alike = [noise(60, 0.8, seed) for seed in range(20)]
    white = [noise(60, 0.0, seed) for seed in range(20)]

    assert autocorrelation(alike) == pytest.approx(0.8, abs=0.08)
    assert autocorrelation(white) < 0.08


@pytest.mark.parametrize(("alike", "length", "expected"), [(0.0, 50, 1.0), (0.5, 3, 1.0), (0.5, 400, 2.9)])
def test_hamed_and_raos_factor(alike: float, length: int, expected: float) -> None:
    """Without autocorrelation nothing is corrected; with 0.5 in a long series the variance is about three times."""
    assert hamed_rao(length, alike) == pytest.approx(expected, abs=0.05)


def test_noise_that_resembles_itself_is_rarely_taken_for_a_trend() -> None:
    """AR(1) noise with 0.8: uncorrected, more than every fourth series would be significant at 5 %."""
    runs = [run_of(*noise(60, 0.8, seed)) for seed in range(200)]
    corrected = sum(estimate(run).significance < 0.05 for run in runs)
    naive = sum(_uncorrected(run) < 0.05 for run in runs)

    assert naive > 50
    assert corrected <= 20


def _uncorrected(run: Run) -> float:
    score = sum((slope > 0) - (slope < 0) for slope in pair_slopes(run))
    return math.erfc(abs(score) / math.sqrt(2 * kendall_variance(run.x, run.y)))


def test_replicas_that_share_their_noise_count_as_one() -> None:
    """Six copies of one life tell no more than it does; six independent lives tell more."""
    trend = [0.02 * at + value for at, value in enumerate(noise(40, 0.0, 3))]
    others = [run_of(*(0.02 * at + value for at, value in enumerate(noise(40, 0.0, seed)))) for seed in range(6)]
    one, copies = estimate(run_of(*trend)), estimate(*[run_of(*trend)] * 6)

    assert copies.significance == pytest.approx(one.significance, rel=0.2)
    assert estimate(*others).significance < one.significance / 100


def test_the_design_effect_of_identical_and_of_independent_lives() -> None:
    """As many as there are, and one."""
    same = [(slot, value) for slot, value in enumerate(noise(50, 0.0, 1)) for _ in range(4)]
    apart = [(slot, value) for seed in range(4) for slot, value in enumerate(noise(500, 0.0, seed))]

    assert design_effect(same) == pytest.approx(4.0)
    assert design_effect(apart) == pytest.approx(1.0, abs=0.15)
    assert design_effect([]) == 1.0


def test_a_wider_variance_widens_the_interval() -> None:
    """What is known of a covariate that was taken out makes the slope less sure."""
    run = run_of(*(0.3 * at + value for at, value in enumerate(noise(40, 0.0, 5))))
    plain, wide = theil_sen([run]), theil_sen([run], spread=4.0)
    assert plain is not None
    assert wide is not None

    assert wide.slope.high - wide.slope.low > 1.5 * (plain.slope.high - plain.slope.low)
    assert wide.significance > plain.significance


def test_deviation_is_that_of_normal_noise() -> None:
    """1.4826 times the median absolute value; of nothing it is 0."""
    assert deviation(noise(4_000, 0.0, 1)) == pytest.approx(1.0, abs=0.05)
    assert deviation([]) == 0.0
