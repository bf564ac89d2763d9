"""Does anything grow? From the rounds of the cheap tier to the signals worth a closer look."""

from __future__ import annotations

from collections.abc import Sequence

from leakdiff.model.series import Growth, Series, series_of
from leakdiff.model.signals import FLOORS, LEAST_NATIVE, Round

TOTALS = ("blocks", "native_bytes", "fds", "threads")
_EVEN = 0.1  # spread of the rounds, as a share of the largest
_SEVERAL = 3
_ALIKE = 1.5  # the largest gain to the smallest, in rounds that gain about the same
_KEPT = 0.3  # share of the rate that must remain once the mark is gone


def suspects(rounds: Sequence[Round]) -> list[Growth]:
    """Return the totals that may be growing; generous, since only a closer look is at stake.

    The first of three or more rounds is left out: what it adds is warm-up.
    """
    later = rounds[1:] if len(rounds) > 2 else rounds
    grown = [Growth(signal, series_of(later, signal)) for signal in TOTALS]
    return [growth for growth in grown if _may_grow(growth)]


def _may_grow(growth: Growth) -> bool:
    gains, floor = growth.series.gains, FLOORS[growth.signal]
    if not gains or growth.series.total <= 0:
        return False
    above_noise = growth.series.mean > floor > 0
    never_falls = min(gains) >= 0
    if growth.signal == "native_bytes":
        return above_noise and (never_falls or gains[-1] > 0)
    often = sum(gain > 0 for gain in gains) * 2 >= len(gains)
    return (never_falls and often) or (above_noise and gains[-1] > 0)


def confirmed(suspected: Sequence[Growth], rounds: Sequence[Round]) -> list[Growth]:
    """Return the suspects that also grow between two full collections without a mark.

    Args:
        suspected: What grew under the mark.
        rounds: The rounds measured without one.
    """
    kept = []
    for growth in suspected:
        series = series_of(rounds, growth.signal)
        if _goes_on(growth, series):
            kept.append(Growth(growth.signal, series))
    return kept


def _is_even(series: Series) -> bool:
    """Tell whether all rounds gained the same, and more than noise: that is growth, whatever the mark saw."""
    spread = max(series.gains) - min(series.gains)
    return series.mean >= LEAST_NATIVE and spread <= _EVEN * max(series.gains)


def _goes_on(growth: Growth, series: Series) -> bool:
    """Tell whether a signal keeps its rate; buffers grow by leaps, so native bytes are judged by their mean."""
    if series.total <= 0:
        return False
    if growth.signal == "native_bytes":
        return _is_even(series) or series.mean >= _KEPT * growth.series.mean
    return series.gains[-1] > 0 and (series.rate >= _KEPT * growth.rate or _is_steady(series))


def _is_steady(series: Series) -> bool:
    """Tell whether all of several rounds gained about the same: what grew faster before is full, and this is not."""
    return len(series.gains) >= _SEVERAL and 0 < max(series.gains) <= _ALIKE * min(series.gains)
