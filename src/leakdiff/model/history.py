"""A history as measured: how every series of every version goes, before anyone judges it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from leakdiff.model.one_line import one_line
from leakdiff.model.trend import SeriesTrend, Slope

MEMORY = (
    "memory"  # the series that is called so: what no other process shares where that is known, else what is resident
)
ENTRIES, BYTES = "owner.entries:", "owner.bytes:"


@attrs.frozen(kw_only=True)
class Steps:
    """How a series went from every few hours to the next, within lives of processes; the steps do not overlap.

    Attributes:
        of: How many steps.
        rose: How many of them went up.
        late: The rate of the last third of each life, as a share of that of its first third; None where lives are
            too short, or the first third did not grow.
        late_by_hours: The same with rates per hour, whatever the traffic was.
        even: The rate of the slowest quarter of the steps as a share of the median rate.
        largest: The largest step as a share of all that was gained in its life, the median of all lives of five steps
            or more; 0 without one.
        fell: The deepest fall as a share of what was gained in its life, the median of all lives that gained.
    """

    of: int = 0
    rose: int = 0
    late: float | None = None
    late_by_hours: float | None = None
    even: float = 0.0
    largest: float = 0.0
    fell: float = 0.0

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Course:
    """How one series goes under one version.

    Attributes:
        trend: Its slope and shape.
        steps: Whether it went up step by step.
        span: Most hours between the first and the last reading of a life, warm-up left out.
        settled: Hours that were left out as a slow warm-up; 0 where growth did not slow down.
        noise: Standard deviation of what the slope leaves.
        bend: How many times more one line leaves unexplained than a line for each third of a life; 1 is straight.
        early: Of totals, the slope of the first half of each life, per hour; None where that is too short.
        late: Of totals, the slope of the latest half.
        lives: Of totals, lives of processes long enough for a slope of their own.
        rising: Of totals, how many of them rose.
        plain: Of owners, the steps with what follows traffic left in.
        alike: Of owners, pairs of readings of one life of which the later had no more traffic than the sooner, or,
            where traffic is not known, was at the same time of day.
        alike_rose: Of owners, in how many of them the later reading is higher, so that traffic does not explain it.
        outgrew: Of owners, by how many times more a life grew from first to last reading than its traffic did, the
            median of all lives.
    """

    trend: SeriesTrend
    steps: Steps = Steps()
    span: float = 0.0
    settled: float = 0.0
    noise: float = 0.0
    bend: float = 1.0
    early: Slope | None = None
    late: Slope | None = None
    lives: int = 0
    rising: int = 0
    plain: Steps = Steps()
    alike: int = 0
    alike_rose: int = 0
    outgrew: float = 0.0

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class VersionHistory:
    """What is known of one version.

    Attributes:
        version: ``service.version``.
        courses: By series: ``memory``, ``blocks``, ``native``, ``owner.entries:PATH`` and so on.
        longest: Hours the longest of its processes lived, as far as it was seen.
        hours_of_day: In how many of the 24 hours of the day it was seen after warm-up.
        counts_units: Whether its processes count units of work.
        has_owners: Whether there is a deep snapshot of it, so that an owner that is not listed is known to be small.
    """

    version: str
    courses: Mapping[str, Course]
    longest: float = 0.0
    hours_of_day: int = 0
    counts_units: bool = False
    has_owners: bool = False

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Fullest:
    """The replica that is nearest to the container's limit.

    Attributes:
        series: The series that is held against the limit.
        level: Its highest level over the last day, bytes.
    """

    series: str
    level: float

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class History:
    """All of it.

    Attributes:
        versions: Oldest first.
        resets_on_restart: Whether restarts bring memory back to where it started; None where that was not to be seen.
        fullest: The replica that is nearest to the limit.
        replicas: How many replicas.
        processes: How many lives of processes.
        points: How many snapshots.
        hours: From the first to the last.
    """

    versions: tuple[VersionHistory, ...] = ()
    resets_on_restart: bool | None = None
    fullest: Fullest | None = None
    replicas: int = 0
    processes: int = 0
    points: int = 0
    hours: float = 0.0

    __repr__ = one_line
