"""Many rounds of one signal: does it grow, and at what rate."""

from __future__ import annotations

import enum
import itertools
import statistics
from collections.abc import Sequence

import attrs

from leakdiff.model.one_line import one_line
from leakdiff.model.signals import Round

_FALLS = 0.5  # share of what it rises by that a saw-tooth falls by
_ENOUGH = 4  # readings from which on a jump or a slowing can be told
_ALL_AT_ONCE = 0.7  # share of the whole rise that one jump makes
_STOPPED = 0.2  # share of its early rate below which it no longer grows
_NEARLY_ALWAYS = 0.8
_SIXTHS_NEED = 30  # readings below which a trend under a saw-tooth with many teeth cannot be seen
_LOWS_NEED = 3  # lows of a saw-tooth with few teeth that must rise


class Shape(enum.StrEnum):
    """How a series goes."""

    FLAT = "flat"
    LINEAR = "linear"
    PLATEAU = "plateau"  # grew, and stopped
    STEP = "step"  # one jump, flat on both sides
    SAWTOOTH = "sawtooth"  # rises and falls back
    NOISY = "noisy"


@attrs.frozen
class Series:
    """What one signal gained in each round.

    Attributes:
        gains: Gain by round.
        units: Units of work by round.
    """

    gains: tuple[int, ...]
    units: tuple[float, ...]

    __repr__ = one_line

    @property
    def rate(self) -> float:
        """Median gain per unit over the rounds."""
        if not self.gains:
            return 0.0
        return statistics.median(gain / units for gain, units in zip(self.gains, self.units, strict=True))

    @property
    def total(self) -> int:
        """Gain over all rounds."""
        return sum(self.gains)

    @property
    def mean(self) -> float:
        """Mean gain per unit."""
        return self.total / sum(self.units) if self.units else 0.0

    @property
    def likely_rate(self) -> float:
        """Median gain per unit, or the mean where that is more.

        Garbage from before, collected in one of the rounds, must not hide what the others gain; nor must the median
        hide what is gained in few of them.
        """
        return max(self.rate, self.mean)

    def last_third(self) -> Series:
        """Return its last third, or all of it where it is short."""
        start = len(self.gains) - max(1, len(self.gains) // 3) if len(self.gains) > 2 else 0
        return Series(self.gains[start:], self.units[start:])

    def first_third(self) -> Series:
        """Return its first third, or all of it where it is short."""
        end = max(1, len(self.gains) // 3) if len(self.gains) > 2 else len(self.gains)
        return Series(self.gains[:end], self.units[:end])

    @property
    def swings(self) -> bool:
        """Whether it falls, in some round, by half of what it gains at most in one, or more."""
        return bool(self.gains) and min(self.gains) < 0 and -min(self.gains) * 2 >= max(self.gains)

    def climbs(self) -> bool:
        """Tell whether it rises on the whole while it rises and falls.

        A level that is brought down to the same low again and again does not climb.
        """
        return self._sixths_rise() or self._lows_rise()

    def _lows_rise(self) -> bool:
        """Tell whether each of its lows is above the one before it by more than where it was read can explain.

        A round that ends right after a fall reads the low itself; one that ends later adds what a round gains.
        """
        falls = self._falls()
        if not falls:
            return False
        deepest = min(size for size, _ in falls)
        lows = [low for size, low in falls if size * 2 <= deepest]
        if lows[0] > 0:  # it started below its first low: the low before that reading cannot have been higher
            lows.insert(0, 0)
        steps = [later - sooner for sooner, later in itertools.pairwise(lows)]
        return len(lows) >= _LOWS_NEED and min(steps) > max(self.gains) and -2 * sum(steps) <= deepest

    def _falls(self) -> list[tuple[int, int]]:
        """Return by how much it fell each time (negative) and to what level, counted from its first reading."""
        found, level = [], 0
        for falling, gains in itertools.groupby(self.gains, key=lambda gain: gain < 0):
            size = sum(gains)
            level += size
            if falling:
                found.append((size, level))
        return found

    def _sixths_rise(self) -> bool:
        """Tell whether lows and highs of every sixth are above those of the one before."""
        levels = [0, *itertools.accumulate(self.gains)]
        if len(levels) < _SIXTHS_NEED:
            return False
        cuts = [len(levels) * part // 6 for part in range(7)]
        parts = [levels[start:end] for start, end in itertools.pairwise(cuts)]
        lows, highs = [min(part) for part in parts], [max(part) for part in parts]
        rise = lows[-1] - lows[0]
        always = all(later > sooner for level in (lows, highs) for sooner, later in itertools.pairwise(level))
        return always and rise > 2 * max(high - low for low, high in zip(lows, highs, strict=True))

    @property
    def shape(self) -> Shape | None:
        """How it went: exact counts, so that plain shares tell; None where nothing was counted."""
        if not self.gains:
            return None
        risen, fallen = sum(gain for gain in self.gains if gain > 0), -sum(gain for gain in self.gains if gain < 0)
        if risen == fallen == 0:
            return Shape.FLAT
        if fallen > _FALLS * risen:
            return Shape.SAWTOOTH
        if len(self.gains) >= _ENOUGH and max(self.gains) > _ALL_AT_ONCE * risen:
            return Shape.STEP
        early, late = self.first_third(), self.last_third()
        if len(self.gains) >= _ENOUGH and late.mean < _STOPPED * early.mean:
            return Shape.PLATEAU
        return Shape.LINEAR if self.grew_in >= _NEARLY_ALWAYS * len(self.gains) else Shape.NOISY

    @property
    def grew_in(self) -> int:
        """In how many rounds it gained anything."""
        return sum(gain > 0 for gain in self.gains)


@attrs.frozen
class Growth:
    """One signal that grows.

    Attributes:
        signal: Which.
        series: Its gains over the measured rounds.
    """

    signal: str
    series: Series

    __repr__ = one_line

    @property
    def rate(self) -> float:
        """Gain per unit."""
        return self.series.rate


def series_of(rounds: Sequence[Round], signal: str) -> Series:
    """Return one signal's series."""
    return Series(
        gains=tuple(measured.of(signal) for measured in rounds),
        units=tuple(measured.units for measured in rounds),
    )
