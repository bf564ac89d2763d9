"""When the memory is full: from what leaks in a unit, how often units come, and what is in use now."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from leakdiff.model.evidence import Evidence
from leakdiff.model.report import Finding, Report
from leakdiff.model.series import Series, series_of
from leakdiff.model.soak import Projection

_SECONDS_A_DAY = 86_400
_MOST_UNSURE = 0.5  # share of the rate; beyond it, there is no telling
_SURE = 2.0  # standard errors
_FAR = 365_000.0  # days


@attrs.frozen
class Pace:
    """What one finding leaks for each unit.

    Attributes:
        rate: Entries per unit; None where none are counted.
        size: Bytes per unit.
        unsure: By which share of it the rate may be off.
    """

    rate: float | None
    size: float
    unsure: float


def paces_of(report: Report, evidence: Evidence) -> list[Pace]:
    """Return what each leak of a report leaks for each unit."""
    return [pace for pace in (_pace(finding, evidence) for finding in report.leaks) if pace is not None]


def _pace(finding: Finding, evidence: Evidence) -> Pace | None:
    rate = finding.per_unit
    if finding.owner is not None and finding.entries_per_unit and finding.per_entry:
        series = [one.series for one in evidence.suspects if one.owner.name == finding.owner and one.lengths]
        unsure = unsureness(series[0]) if len(series) == 1 else unsureness(series_of(evidence.watched, "blocks"))
        return Pace(finding.entries_per_unit, finding.entries_per_unit * finding.per_entry, unsure)
    native = rate.native_bytes or 0.0
    size = max(rate.bytes, native)
    if size <= 0:
        return None
    signal = "native_bytes" if native >= rate.bytes else "blocks"
    return Pace(None, size, unsureness(series_of(evidence.watched or evidence.marked, signal)))


def unsureness(series: Series) -> float:
    """Return by which share a rate may be off: two standard errors of the ratio of gains to units, and one entry.

    The formula is that of a ratio estimator (Cochran, Sampling Techniques, 1977, section 6.3).
    """
    count, whole = len(series.gains), series.total
    if count < 2 or whole <= 0:
        return math.inf
    left = [gain - series.mean * units for gain, units in zip(series.gains, series.units, strict=True)]
    error = math.sqrt(count / (count - 1) * sum(one * one for one in left))
    return (_SURE * error + 1) / whole


def project(
    paces: Sequence[Pace], *, units_per_day: float | None, limit: int | None, used: int | None
) -> Projection | None:
    """Say when the limit is reached; None where the numbers do not carry it.

    Args:
        paces: What leaks.
        units_per_day: Units a day in production.
        limit: Bytes at which the process is killed.
        used: Bytes in use now.
    """
    size = sum(pace.size for pace in paces)
    if not units_per_day or not limit or not used or size <= 0:
        return None
    unsure = sum(pace.unsure * pace.size for pace in paces) / size
    if unsure > _MOST_UNSURE:
        return None
    days = max(0, limit - used) / (size * units_per_day)
    counted = len(paces) == 1 and paces[0].rate is not None
    if days > _FAR:
        return None
    return Projection(
        per_day=(paces[0].rate or 0.0) * units_per_day if counted else size * units_per_day,
        each=size / (paces[0].rate or 1.0) if counted else None,
        bytes_per_day=size * units_per_day,
        limit=limit,
        used=used,
        soonest=days / (1 + unsure),
        latest=days / (1 - unsure),
    )


def units_a_day(per_day: float | None, rate: float | None) -> float | None:
    """Return how many units a day are to be expected: as told, or as fast as in the soak where that had a rate."""
    if per_day is not None:
        return per_day
    return rate * _SECONDS_A_DAY if rate is not None else None
