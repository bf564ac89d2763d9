"""Where some routes put into an owner and others take out of it: a fit whose rates have either sign."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import attrs

from leakdiff.compare.route_windows import Window, columns_of, merged
from leakdiff.compare.scenarios import solve
from leakdiff.model.routes import TIME, OwnerByRoute, RouteRate

_WINDOWS = 60
_CANDIDATES = 12  # routes that are fitted: those that came most
_EXPLAINED = 0.98  # share that a fit must explain to be believed
_SURE = 2.0  # standard errors
_UNSURE = 0.15  # of a rate: routes that come together leave more open
_SHOWN = 0.05  # entries per request below which a route is no taker


def with_takers(seen: OwnerByRoute, windows: Sequence[Window]) -> OwnerByRoute | None:
    """Say which routes put in and which take out, where that explains it all; None where it does not."""
    some = merged(windows, _WINDOWS)
    columns = columns_of(some)
    del columns[TIME]
    names = sorted(columns, key=lambda name: -sum(columns[name]))[: min(_CANDIDATES, max(1, len(some) // 3))]
    rates = _signed(names, [columns[name] for name in names], [window.gain for window in some])
    is_sure = all(rate.margin <= _UNSURE * abs(rate.per_request) for rate in rates)
    if not is_sure or not any(rate.per_request < 0 for rate in rates):
        return None
    return attrs.evolve(seen, rates=tuple(sorted(rates, key=lambda rate: -rate.per_request)))


def _signed(names: Sequence[str], columns: Sequence[Sequence[float]], gains: Sequence[float]) -> list[RouteRate]:
    """Fit rates of either sign; none where they do not explain the gains, or where the columns do not tell."""
    products = [[sum(a * b for a, b in zip(i, j, strict=True)) for j in columns] for i in columns]
    rates = solve(products, [sum(a * gain for a, gain in zip(i, gains, strict=True)) for i in columns])
    if rates is None:
        return []
    rows = zip(*columns, strict=True)
    left = [gain - sum(map(operator.mul, rates, row)) for gain, row in zip(gains, rows, strict=True)]
    squares = sum(one * one for one in left)
    if squares > (1 - _EXPLAINED) * sum(gain * gain for gain in gains):
        return []
    variance = squares / max(1, len(gains) - len(names))
    margins = [_SURE * math.sqrt(variance * spread) for spread in _spreads(products)]
    found = [RouteRate(route=n, per_request=r, margin=m) for n, r, m in zip(names, rates, margins, strict=True)]
    return [rate for rate in found if abs(rate.per_request) > max(_SHOWN, rate.margin)]


def _spreads(products: Sequence[Sequence[float]]) -> list[float]:
    """Return the diagonal of the inverse."""
    width = range(len(products))
    solved = (solve(products, [float(i == j) for j in width]) for i in width)
    return [max(0.0, column[i]) if column is not None else math.inf for i, column in enumerate(solved)]
