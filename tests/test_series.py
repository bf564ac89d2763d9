"""Series: the rate of a signal over rounds, and whether it climbs."""

from __future__ import annotations

import itertools

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import rounds_of
from leakdiff.model.series import Series, series_of
from leakdiff.model.signals import rate_text
from strategies import series


def over(*gains: int) -> Series:
    """Return a series with these gains, each over 10 units."""
    return Series(gains, (10,) * len(gains))


def test_the_rate_is_the_median_so_one_leap_does_not_move_it() -> None:
    """A dict that doubles its table in one round adds to the mean and not to the rate."""
    leap = over(10, 10, 500, 10, 10)

    assert leap.rate == 1.0
    assert leap.mean == 10.8


def test_garbage_from_before_does_not_hide_what_is_gained() -> None:
    """One round that starts with a collection loses more than all gain; a rare gain shows in the mean alone."""
    assert over(-227, 58, 58).likely_rate == 5.8
    assert over(0, 0, 3).likely_rate == 0.1


def test_rounds_of_different_length_count_by_their_units() -> None:
    """A rate is per unit, whatever the number of units in each round."""
    uneven = Series((10, 20, 40), (10, 20, 40))

    assert uneven.rate == 1.0
    assert uneven.mean == 1.0


def test_no_rounds_have_no_rate() -> None:
    """Nothing measured is no growth, and no error."""
    nothing = over()

    assert (nothing.rate, nothing.mean, nothing.total, nothing.grew_in) == (0.0, 0.0, 0, 0)


def test_a_series_is_read_from_rounds() -> None:
    """One signal of every round, in order; what could not be read counts as no change."""
    read = series_of(rounds_of("native_bytes", (48, None, 16)), "native_bytes")

    assert read.gains == (48, 0, 16)
    assert read.units == (101, 101, 101)


@given(series())
def test_swapping_signs_negates(some: Series) -> None:
    """A signal that falls is the mirror of one that rises."""
    mirrored = attrs.evolve(some, gains=tuple(-gain for gain in some.gains))

    assert mirrored.rate == -some.rate
    assert mirrored.mean == -some.mean
    assert mirrored.total == -some.total


@given(st.lists(st.integers(1, 1_000), max_size=8))
def test_what_never_changes_has_rate_0(units: list[int]) -> None:
    """Rounds that gain nothing have no rate, however many there are."""
    still = Series((0,) * len(units), tuple(units))

    assert (still.rate, still.mean, still.grew_in) == (0.0, 0.0, 0)


@given(series())
def test_the_rate_lies_between_the_slowest_and_the_fastest_round(some: Series) -> None:
    """No rate is reported that no round came near to."""
    rates = [gain / units for gain, units in zip(some.gains, some.units, strict=True)]

    assert min(rates) <= some.rate <= max(rates)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1.00", 1.0), ("0.27", 0.2706), ("12,345.68", 12_345.678), ("0.001", 0.001), ("0.00", 0.0), ("-2.50", -2.5)],
)
def test_a_rate_is_written_with_what_matters(text: str, rate: float) -> None:
    """Two decimals, or two significant digits where those would be zeros."""
    assert rate_text(rate) == text


def test_a_rising_saw_tooth_climbs() -> None:
    """Its lows rise all the time, by more than it falls between them."""
    gains = (10, 10, 10, 10, -20) * 12

    assert Series(gains, (101,) * len(gains)).climbs()


def test_a_saw_tooth_that_comes_down_to_the_same_level_does_not_climb() -> None:
    """A cache that is wiped when it is full ends where it began."""
    gains = (10, 10, 10, 10, -40) * 12

    assert not Series(gains, (101,) * len(gains)).climbs()


def test_a_few_rounds_show_no_climb() -> None:
    """A trend under a saw-tooth needs some thirty readings."""
    assert not Series((10, 10, -5), (101,) * 3).climbs()


def test_a_saw_tooth_with_few_teeth_climbs_if_every_low_is_above_the_one_before() -> None:
    """The timers of an event loop, a third of which stay, are cleared more and more rarely."""
    gains = (66, 132, 83, 101) * 3 + (-700,) + (66, 132, 83, 101) * 4 + (-1_000,) + (66, 132, 83, 101)

    assert Series(gains, (101,) * len(gains)).climbs()


def test_lows_that_rise_by_no_more_than_a_round_gains_may_be_chance() -> None:
    """How soon after a fall a round ends is chance: two lows a round's gain apart can be the same one."""
    gains = (100,) * 6 + (-500,) + (100,) * 6 + (-550,) + (100,) * 3

    assert not Series(gains, (101,) * len(gains)).climbs()


@given(
    size=st.integers(20, 3_000),
    units=st.lists(st.sampled_from((66, 83, 101, 132)), min_size=2, max_size=60),
    start=st.integers(0, 3_000),
)
def test_what_is_emptied_at_a_fixed_size_never_climbs(size: int, units: list[int], start: int) -> None:
    """However its teeth and the rounds fall together, a buffer that is flushed when it is full does not leak."""
    levels = [(start + done) % size for done in itertools.accumulate(units, initial=0)]
    gains = tuple(later - sooner for sooner, later in itertools.pairwise(levels))
    flushed = Series(gains, tuple(units))

    assert not (flushed.swings and flushed.climbs())


@pytest.mark.parametrize(
    ("gains", "shape"),
    [
        ((), None),
        ((0, 0, 0), "flat"),
        ((10, 10, 11, 9, 10), "linear"),
        ((10, 0, 0, 10, 0, 9, 0), "noisy"),
        ((0, 0, 500, 0, 0, 1), "step"),
        ((100, 90, 60, 30, 5, 0), "plateau"),
        ((50, 50, -100, 50, 50, -100), "sawtooth"),
    ],
)
def test_a_series_has_a_shape(gains: tuple[int, ...], shape: str | None) -> None:
    """Exact counts need no statistics: plain shares of the whole tell how it went."""
    found = over(*gains).shape

    assert (found and found.value) == shape


@given(series())
def test_any_series_has_a_shape(measured: Series) -> None:
    """Whatever was counted goes somehow, and nothing counted goes nohow."""
    assert (measured.shape is None) == (not measured.gains)
