"""Growth: which signals deserve a closer look, and which of them keep growing without a mark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import rounds_of
from leakdiff.compare.growth import TOTALS, confirmed, suspects
from leakdiff.model.series import Growth, series_of
from leakdiff.model.signals import Phase, Round
from strategies import rounds


def suspected_in(signal: str, *gains: int | None) -> list[str]:
    """Return the signals suspected after rounds in which only one of them changed."""
    return [growth.signal for growth in suspects(rounds_of(signal, gains, Phase.MARK))]


def goes_on(signal: str, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Tell whether a growth under the mark is confirmed by the rounds without it."""
    growth = Growth(signal, series_of(rounds_of(signal, before), signal))
    return bool(confirmed([growth], rounds_of(signal, after)))


# -- under the mark --------------------------------------------------------------------------------


@pytest.mark.parametrize("signal", TOTALS)
def test_a_constant_gain_is_suspect(signal: str) -> None:
    """What a leak looks like raises suspicion whichever total shows it."""
    assert suspected_in(signal, 1_010, 1_010, 1_010) == [signal]


@pytest.mark.parametrize("signal", TOTALS)
def test_what_does_not_change_is_not_suspect(signal: str) -> None:
    """Three rounds that add nothing are clean, whatever the first cost."""
    assert suspected_in(signal, 0, 0, 0) == []


def test_the_first_round_is_warm_up() -> None:
    """Caches that fill while the first round runs accuse nobody."""
    assert suspected_in("blocks", 5_000, 0, 0) == []


def test_the_first_of_two_rounds_counts() -> None:
    """Two rounds are too few to give one away."""
    assert suspected_in("blocks", 101, 101) == ["blocks"]


def test_falling_totals_are_not_suspect() -> None:
    """A process that gives memory back does not leak."""
    assert suspected_in("blocks", 0, -50, -50, 20) == []


def test_one_block_in_ten_rounds_is_not_suspect() -> None:
    """Below the floor, growth must at least be frequent."""
    assert suspected_in("blocks", 0, 1, 0, 0, 0, 0, 0, 0) == []


def test_one_block_in_every_round_is_suspect() -> None:
    """The smallest leak, one object in a thousand units, is far below the floor and perfectly steady."""
    assert suspected_in("blocks", 1, 1, 1, 1) == ["blocks"]


def test_native_noise_is_not_suspect() -> None:
    """A few bytes a unit are the allocator's."""
    assert suspected_in("native_bytes", 0, 500, 600, 700) == []


def test_native_bytes_may_grow_by_leaps() -> None:
    """A buffer that doubles leaves out rounds and is suspect all the same."""
    assert suspected_in("native_bytes", 0, 0, 65_536, 0) == ["native_bytes"]


def test_native_bytes_that_cannot_be_read_are_not_suspect() -> None:
    """Where the C heap is not measured it says nothing."""
    assert suspected_in("native_bytes", None, None, None) == []


# -- without the mark ------------------------------------------------------------------------------


def test_growth_that_keeps_its_rate_is_confirmed() -> None:
    """The same gain between two full collections is growth."""
    assert goes_on("blocks", (404, 404), (404, 404, 404))


def test_growth_that_was_the_marks_own_is_not_confirmed() -> None:
    """Old cycles that the mark kept alive are gone with it."""
    assert not goes_on("blocks", (404, 404), (0, 0, 0))


def test_growth_that_ends_is_not_confirmed() -> None:
    """A cache that has become full gains nothing in the last round."""
    assert not goes_on("blocks", (404, 404), (404, 120, 0))


def test_growth_that_fades_is_not_confirmed() -> None:
    """A tenth of the rate, and less each round, is what is left of a warm-up."""
    assert not goes_on("blocks", (1_000, 1_000), (180, 100, 60))


def test_what_goes_on_evenly_at_a_lower_rate_is_confirmed() -> None:
    """A cache beside a slow leak has become full: what is left gains the same in every round."""
    assert goes_on("blocks", (311, 312), (15, 12, 12))
    assert not goes_on("blocks", (311, 312), (15, 12, 0))
    assert not goes_on("blocks", (311, 312), (12,))


def test_a_native_leap_is_confirmed_by_its_mean() -> None:
    """A buffer that doubles in the first round and not in the last is still growing."""
    assert goes_on("native_bytes", (32_768, 32_768), (65_536, 0, 0))


def test_confirmed_growth_has_the_confirming_rounds_rate() -> None:
    """What is reported was measured without a mark."""
    (growth,) = confirmed(suspects(rounds_of("blocks", (505, 505, 505))), rounds_of("blocks", (404, 404)))

    assert growth.rate == 4.0


@given(st.lists(rounds, max_size=6), st.lists(rounds, max_size=6))
def test_only_what_was_suspected_is_confirmed(marked: list[Round], confirming: list[Round]) -> None:
    """A closer look clears or keeps; it never adds, and what it keeps has grown."""
    suspected = suspects(marked)
    kept = confirmed(suspected, confirming)

    assert [growth.signal for growth in kept] == [g.signal for g in suspected if g.signal in {k.signal for k in kept}]
    assert all(growth.series.total > 0 for growth in kept)


@given(st.lists(rounds, max_size=6))
def test_suspects_have_grown_and_come_in_a_fixed_order(marked: list[Round]) -> None:
    """Whatever the rounds, a suspect gained something."""
    names = [growth.signal for growth in suspects(marked)]

    assert names == [signal for signal in TOTALS if signal in names]
    assert all(growth.series.total > 0 for growth in suspects(marked))
