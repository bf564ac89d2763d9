"""Many rounds of one signal: does it grow, at what rate, in which shape."""

from __future__ import annotations

import enum
import itertools
import statistics
from collections.abc import Sequence

import attrs

from leakdiff.model.signals import Round

_SIXTHS_NEED = 30  # readings below which a trend under a saw-tooth cannot be seen
_STEADY = 0.34  # spread of the rounds, as a share of their mean, up to which growth counts as a straight line


class Shape(enum.StrEnum):
    """The form growth has over rounds."""

    FLAT = "flat"
    LINEAR = "linear"
    PLATEAU = "plateau"
    STEP = "step"
    SAWTOOTH = "sawtooth"
    NOISY = "noisy"


@attrs.frozen
class Series:
    """What one signal gained in each round.

    Attributes:
        gains: Gain by round.
        units: Units of work by round.
        floor: Gain per unit up to which the signal counts as unchanged.
    """

    gains: tuple[int, ...]
    units: tuple[int, ...]
    floor: float = 0.0

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

    def last_third(self) -> Series:
        """Return its last third, or all of it where it is short."""
        start = len(self.gains) - max(1, len(self.gains) // 3) if len(self.gains) > 2 else 0
        return Series(self.gains[start:], self.units[start:], self.floor)

    def first_third(self) -> Series:
        """Return its first third, or all of it where it is short."""
        end = max(1, len(self.gains) // 3) if len(self.gains) > 2 else len(self.gains)
        return Series(self.gains[:end], self.units[:end], self.floor)

    def climbs(self) -> bool:
        """Tell whether it rises on the whole while it rises and falls: lows and highs of every sixth are higher.

        A level that is brought down to the same low again and again does not climb.
        """
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
    def shape(self) -> Shape:
        """The form of the growth; see the decisions page for the rules."""
        return _shape(self)

    @property
    def grew_in(self) -> int:
        """In how many rounds it gained more than the floor."""
        return sum(gain > self.floor * units for gain, units in zip(self.gains, self.units, strict=True))


def _shape(series: Series) -> Shape:
    gains = series.gains
    limits = [series.floor * units for units in series.units]
    up = [gain > limit for gain, limit in zip(gains, limits, strict=True)]
    down = [gain < -limit for gain, limit in zip(gains, limits, strict=True)]
    if abs(series.total) <= sum(limits) or not any(up):
        return Shape.FLAT
    if any(down):
        return Shape.SAWTOOTH if -min(gains) * 3 > max(gains) else Shape.NOISY
    if all(up):
        return Shape.LINEAR if _is_steady(gains) else Shape.NOISY
    if len(gains) > 2 and not any(up[-2:]):
        return Shape.STEP if sum(up) == 1 else Shape.PLATEAU
    return Shape.NOISY


def _is_steady(gains: Sequence[int]) -> bool:
    """Tell whether the spread of the rounds is small beside their mean (median absolute deviation)."""
    middle = statistics.median(gains)
    spread = statistics.median(abs(gain - middle) for gain in gains)
    return spread <= _STEADY * middle


@attrs.frozen
class Growth:
    """One signal that grows.

    Attributes:
        signal: Which.
        series: Its gains over the measured rounds.
    """

    signal: str
    series: Series

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
