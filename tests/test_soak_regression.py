"""Which scenario grows what, when memory is full, and who comes when: numbers only, no heap."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from leakdiff.compare.scenarios import fit, growth_of, solve
from leakdiff.model.series import Series
from leakdiff.model.soak import Projection
from leakdiff.render.soaks import grows_text, projection_text
from leakdiff.soaking.load import Arrivals
from leakdiff.soaking.mix import Mix
from leakdiff.soaking.projection import Pace, project, unsureness

assert strategies  # registers the profile

NAMES = ["rider asks", "driver declines", "driver cancels"]
COUNTS = [[75, 20, 5], [12, 75, 13], [10, 15, 75], [75, 21, 4], [13, 75, 12], [10, 15, 75]]
RATES = st.lists(st.just(0.0) | st.floats(0.001, 1_000.0), min_size=3, max_size=3)
WEIGHTS = st.lists(st.floats(0.001, 1_000), min_size=1, max_size=7)


def gains_of(*rates: float) -> list[float]:
    """Return what rounds gain where each scenario makes something grow at its rate."""
    return [sum(rate * count for rate, count in zip(rates, row, strict=True)) for row in COUNTS]


# -- least squares ---------------------------------------------------------------------------------


@given(RATES)
def test_rates_that_made_the_gains_are_found_again(rates: list[float]) -> None:
    """Without noise, the fit returns the rates that the gains were made with, zeros among them."""
    found = fit(COUNTS, gains_of(*rates))

    assert found.rates == pytest.approx(rates, rel=1e-6, abs=1e-6 * max([*rates, 1e-9]))


ROWS = st.lists(st.tuples(*[st.integers(0, 100)] * 3, st.integers(-1_000, 1_000)), min_size=3, max_size=12)


@given(ROWS)
def test_no_better_fit_that_is_not_negative_exists(rows: list[tuple[int, ...]]) -> None:
    """No rate is negative, and the conditions of Karush, Kuhn and Tucker hold: what is zero would only hurt."""
    counts, gains = [row[:3] for row in rows], [row[3] for row in rows]
    found = fit(counts, gains)
    fitted = [sum(rate * count for rate, count in zip(found.rates, row, strict=True)) for row in counts]
    left = [gain - one for gain, one in zip(gains, fitted, strict=True)]
    slopes = [sum(row[i] * one for row, one in zip(counts, left, strict=True)) for i in range(3)]
    tiny = 1e-6 * (1 + sum(count * abs(gain) for row, gain in zip(counts, gains, strict=True) for count in row))

    assert min(found.rates) >= 0
    assert all(slope <= tiny for slope in slopes)
    assert all(abs(slope) <= tiny for rate, slope in zip(found.rates, slopes, strict=True) if rate > 0)


@given(st.lists(st.floats(-100, 100), min_size=4, max_size=4))
def test_a_system_is_solved(wanted: list[float]) -> None:
    """The solution of a regular system is the one it was made from."""
    matrix = [[4, 1, 0, 2], [1, 5, 1, 0], [0, 1, 3, 1], [2, 0, 1, 6]]
    right = [sum(value * x for value, x in zip(row, wanted, strict=True)) for row in matrix]

    assert solve(matrix, right) == pytest.approx(wanted, abs=1e-6)


def test_a_singular_system_has_no_solution() -> None:
    """Where one row makes up another, nothing is invented."""
    assert solve([[1, 2], [2, 4]], [1, 2]) is None


# -- what is said of it ----------------------------------------------------------------------------


def test_the_scenario_that_grows_it_is_named() -> None:
    """One scenario's rate is given, and that the others do nothing."""
    found = growth_of("app._background", "01a937", "entries", COUNTS, gains_of(0, 0, 1))

    assert grows_text(found, NAMES) == "1.00 per driver cancels, 0 for the others"


def test_all_that_grow_it_are_named_the_fastest_first() -> None:
    """Several scenarios may make one owner grow; a single other one is named too."""
    found = growth_of("app._inflight", "00fbf6", "entries", COUNTS, gains_of(0, 1, 2))

    assert grows_text(found, NAMES) == "2.00 per driver cancels, 1.00 per driver declines, 0 per rider asks"


def test_noise_does_not_make_a_scenario_guilty() -> None:
    """An entry more or less in a round is not another scenario's leak."""
    noisy = [gain + off for gain, off in zip(gains_of(0, 0, 1), (1, -1, 0, 0, 1, 0), strict=True)]
    found = growth_of("app._background", "01a937", "entries", COUNTS, noisy)

    assert found.rates[:2] == (0.0, 0.0)
    assert found.rates[2] == pytest.approx(1.0, abs=0.02)


def test_a_scenario_that_the_noise_hides_is_neither_cleared_nor_accused() -> None:
    """In fits where rounds differ by chance, a weak leaker is hardly ever told as 0, and an innocent hardly blamed."""
    chance, cleared, blamed = random.Random(7), 0, 0  # noqa: S311 - not a secret
    for _ in range(500):
        noisy = [gain + chance.gauss(0, 6) for gain in gains_of(1, 0.1, 0)]
        known = growth_of("app.cache", "abcdef", "entries", COUNTS, noisy).known
        cleared += known.get(1) == 0
        blamed += known.get(2, 0) > 0

    assert cleared <= 10
    assert blamed <= 15


def test_what_is_sure_is_told_beside_what_is_not() -> None:
    """One scenario surely grows it, one surely does not show; of that which the noise hides, it says so."""
    noisy = [gain + off for gain, off in zip(gains_of(1, 0.1, 0), (5, -6, 0, -5, 6, 0), strict=True)]
    found = growth_of("app.cache", "abcdef", "entries", COUNTS, noisy)

    assert grows_text(found, NAMES) == (
        "1.00 per rider asks; of driver declines and driver cancels it is not known: "
        "rounds of the same mix differ too much"
    )
    assert set(found.known) == {0}


def test_where_no_round_was_run_that_is_the_reason() -> None:
    """A soak that was too short for rounds of other mixes does not say that nothing grew in them."""
    found = growth_of("app.cache", "abcdef", "entries", [], [])

    assert grows_text(found, NAMES) == "by which scenario is not known: no round was run to tell"


def test_scenarios_that_always_come_together_are_not_told_apart() -> None:
    """Two columns in the same proportion say nothing on which of them it is; that is said instead."""
    counts = [[10, 5, 20], [20, 10, 8], [30, 15, 9]]
    found = growth_of("app.cache", "abcdef", "entries", counts, [10, 20, 30])

    assert found.rates == ()
    assert grows_text(found, NAMES) == (
        "rider asks and driver declines cannot be told apart: they came together in every round"
    )


def test_growth_that_does_not_follow_the_scenarios_is_not_blamed_on_one() -> None:
    """Where the same mix gains nothing in one round and much in another, no scenario is named."""
    found = growth_of("app.cache", "abcdef", "entries", COUNTS, [0, 0, 300, 300, 0, 0])

    assert grows_text(found, NAMES).startswith("by which scenario is not known: ")


def test_an_owner_that_stopped_growing_has_no_scenario() -> None:
    """Without growth in the rounds that should tell, nothing is said of scenarios."""
    found = growth_of("app.cache", "abcdef", "entries", COUNTS, [0] * len(COUNTS))

    assert grows_text(found, NAMES) == (
        "by which scenario is not known: it did not grow in the rounds that were to tell"
    )


def test_bytes_and_blocks_say_what_they_count() -> None:
    """Growth of the C heap is told in bytes, that of leaked references in blocks."""
    native = growth_of("C heap", "abcdef", "bytes", COUNTS, gains_of(0, 0, 2048))
    blocks = growth_of("blocks", "abcdef", "blocks", COUNTS, gains_of(0, 0, 2))

    assert grows_text(native, NAMES) == "2.0 KiB per driver cancels, 0 for the others"
    assert grows_text(blocks, NAMES) == "2.00 blocks per driver cancels, 0 for the others"


# -- the mix ---------------------------------------------------------------------------------------


@given(WEIGHTS, st.lists(st.integers(1, 400), min_size=1, max_size=8), st.integers())
def test_each_scenario_gets_its_share_over_any_rounds(weights: list[float], rounds: list[int], seed: int) -> None:
    """However long the rounds are, each scenario has come as often as its weight says, but for one or two."""
    mix, came = Mix(weights, seed), Counter[int]()
    for units in rounds:
        drawn = mix.draw(units)
        came.update(drawn)

        assert len(drawn) == units
    assert all(abs(came[at] - share * sum(rounds)) < 2 for at, share in enumerate(mix.shares))


@given(WEIGHTS, st.integers(1, 400), st.integers())
def test_the_same_seed_draws_the_same_run(weights: list[float], units: int, seed: int) -> None:
    """A run can be repeated exactly."""
    one, other = Mix(weights, seed), Mix(weights, seed)

    assert [one.draw(units) for _ in range(3)] == [other.draw(units) for _ in range(3)]


def test_a_favoured_scenario_gets_most_of_a_round() -> None:
    """Rounds that are to tell scenarios apart differ a great deal; the usual rounds are not changed by them."""
    mix = Mix([0.73, 0.25, 0.02], 0)

    assert Counter(mix.draw_favouring(2, 400)) == {2: 300, 0: 74, 1: 26}
    assert Counter(mix.draw(400)) == {0: 292, 1: 100, 2: 8}


# -- the load --------------------------------------------------------------------------------------


def test_a_steady_load_arrives_evenly() -> None:
    """Four a second come every quarter of a second."""
    steady = Arrivals(8, 4.0, 10, "steady")

    assert [steady.at(number) for number in range(4)] == [0, 0.25, 0.5, 0.75]
    assert steady.end == 2.0


def test_a_burst_is_what_comes_in_a_second_at_once() -> None:
    """Four a second come together at the start of each second."""
    burst = Arrivals(8, 4.0, 10, "burst")

    assert [burst.at(number) for number in range(8)] == [0, 0, 0, 0, 1, 1, 1, 1]


@given(st.integers(2, 500), st.floats(0.1, 1_000))
def test_a_ramp_rises_and_takes_as_long(units: int, rate: float) -> None:
    """Arrivals become denser, and as many come in a round as at a steady rate."""
    ramp = Arrivals(units, rate, 10, "ramp")
    gaps = [ramp.at(number + 1) - ramp.at(number) for number in range(units - 1)]

    assert gaps == sorted(gaps, reverse=True)
    assert ramp.at(units - 1) < ramp.end == pytest.approx(units / rate)


def test_without_a_rate_the_concurrency_rises_or_comes_in_bursts() -> None:
    """A ramp goes from one at a time to the most; a burst starts when all before it have ended."""
    ramp, burst = Arrivals(8, None, 4, "ramp"), Arrivals(8, None, 4, "burst")

    assert [ramp.room(number) for number in range(8)] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert [burst.room(number) for number in range(8)] == [1, 4, 4, 4, 1, 4, 4, 4]
    assert {ramp.at(number) for number in range(8)} == {0.0}


# -- when memory is full ---------------------------------------------------------------------------


def test_the_limit_is_reached_in_days() -> None:
    """What leaks in a day and how much room there is give a range, as wide as the rate is unsure."""
    pace = Pace(rate=0.02, size=0.02 * 60 * 1024, unsure=0.03)
    found = project([pace], units_per_day=12_500, limit=2 << 30, used=1_850 << 20)

    assert found is not None
    assert projection_text(found) == (
        "at 250 leaks a day and 60.0 KiB each the limit of 2.0 GiB is reached in 13-14 days, from 1.8 GiB now"
    )


def test_several_leaks_are_told_together() -> None:
    """The limit does not care which of them fills it."""
    found = project(
        [Pace(0.02, 1_200.0, 0.1), Pace(None, 1_200.0, 0.0)], units_per_day=1e6, limit=10 << 30, used=1 << 30
    )

    assert found is not None
    assert projection_text(found) == "at 2.2 GiB a day the limit of 10.0 GiB is reached in 3-5 days, from 1.0 GiB now"


@pytest.mark.parametrize(
    ("days", "said"),
    [(400.0, "in 400-420 days"), (3.4, "in 3-4 days"), (0.2, "in 4-6 hours"), (0.01, "in 14-16 minutes")],
)
def test_the_range_is_in_a_unit_that_says_something(days: float, said: str) -> None:
    """Whole days or hours or minutes, rounded outwards."""
    found = Projection(250.0, 61_440.0, 15e6, 2 << 30, 1 << 30, days, days * 1.05)

    assert said in projection_text(found)


def test_a_limit_that_is_passed_is_said_to_be() -> None:
    """Where more is in use than the limit, there is no date to give."""
    found = project([Pace(1.0, 100.0, 0.0)], units_per_day=10, limit=1 << 20, used=2 << 20)

    assert found is not None
    assert projection_text(found) == "the limit of 1.0 MiB is reached already: 2.0 MiB are in use"


@pytest.mark.parametrize(
    ("paces", "per_day", "limit", "used"),
    [
        ([], 10.0, 1 << 30, 1 << 20),
        ([Pace(1.0, 100.0, 0.0)], None, 1 << 30, 1 << 20),
        ([Pace(1.0, 100.0, 0.0)], 10.0, None, 1 << 20),
        ([Pace(1.0, 100.0, 0.0)], 10.0, 1 << 30, None),
        ([Pace(1.0, 100.0, 0.7)], 10.0, 1 << 30, 1 << 20),
        ([Pace(1e-9, 1e-7, 0.0)], 10.0, 1 << 30, 1 << 20),
    ],
    ids=["nothing leaks", "no rate", "no limit", "memory unknown", "rate unsure", "in a thousand years"],
)
def test_numbers_that_carry_no_projection_get_none(
    paces: list[Pace], per_day: float | None, limit: int | None, used: int | None
) -> None:
    """No date is better than an invented one."""
    assert project(paces, units_per_day=per_day, limit=limit, used=used) is None


def test_a_rate_is_as_unsure_as_its_rounds_differ() -> None:
    """Rounds that agree leave one entry of doubt; those that do not leave more."""
    alike = unsureness(Series((20, 20, 20, 20), (100, 100, 100, 100)))
    unlike = unsureness(Series((5, 40, 10, 25), (100, 100, 100, 100)))

    assert alike == pytest.approx(1 / 80)
    assert unlike > 0.5
    assert unsureness(Series((0, 0), (1, 1))) == float("inf")
