"""Series over hours and days: their slope, shape and verdict."""

from __future__ import annotations

import attrs

from leakdiff.model.heap import Bound
from leakdiff.model.named import Named
from leakdiff.model.one_line import IN_BYTES, bounded, one_line
from leakdiff.model.report import Verdict
from leakdiff.model.series import Shape
from leakdiff.model.showing import Showing
from leakdiff.model.shown import Shown


@attrs.frozen(kw_only=True)
class Point:
    """One reading of one series.

    Attributes:
        time: UTC seconds since the epoch.
        value: The reading: bytes, entries or a number.
        units: Units of work the process had done by then; None where it does not count them.
        instance: One life of one process (``Identity.instance``).
        replica: What stays the same over restarts of it: the host.
        started: When that process started, UTC seconds.
        version: ``service.version``.
    """

    time: float
    value: float
    units: int | None = None
    instance: str = ""
    replica: str = ""
    started: float = 0.0
    version: str = ""

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Slope:
    """A rate of growth with its confidence interval (95 %)."""

    value: float
    low: float
    high: float

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class SeriesTrend:
    """How one series of one version goes, over all replicas and restarts together.

    Attributes:
        name: The series: ``memory``, ``blocks``, ``native``, or an owner's path.
        what: What its values are: ``bytes``, ``entries``, ``blocks`` or ``number``.
        shape: How it goes.
        per_hour: Theil-Sen slope with its interval, for one process.
        per_unit: The same for each unit of work, where the program counts them.
        significance: Two-sided probability of the Mann-Kendall test; small when the trend is no accident.
        points: How many readings it rests on.
        hours: Time they span, restarts left out.
        baseline: Median of the first readings after a start.
        last: Median of the last readings.
    """

    name: str
    what: str
    shape: Shape
    per_hour: Slope
    per_unit: Slope | None = None
    significance: float = 1.0
    points: int = 0
    hours: float = 0.0
    baseline: float = 0.0
    last: float = 0.0

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class OwnerTrend:
    """How one owner goes: what the trend accuses or excuses.

    Attributes:
        path: The owner's name.
        entries: The trend of its length.
        bytes: The trend of its retained estimate.
        bound: What limits it, where known.
        verdict: What it is.
        because: The reason.
    """

    path: str
    entries: SeriesTrend
    bytes: SeriesTrend | None = None
    bound: Bound | None = None
    verdict: Verdict = Verdict.STABLE
    because: str = ""

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Deploy:
    """A version that changed how memory goes.

    Attributes:
        version: Since which it grows.
        before: The version before it.
        per_hour_before: The slope under the version before.
        per_hour: The slope since.
    """

    version: str
    before: str
    per_hour_before: float
    per_hour: float

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class TimeToLimit:
    """Hours until the container's limit is reached, as an interval; ``high`` None means it may never be."""

    limit: int = attrs.field(metadata=IN_BYTES)
    low: float
    high: float | None

    __repr__ = one_line


class OwnerTrends(Named[OwnerTrend]):
    """Owners of a trend, worst first; one is taken out by its number or its path."""

    one = "owner"

    @staticmethod
    def names_of(value: OwnerTrend) -> tuple[str, ...]:
        """Return its path."""
        return (value.path,)

    def _short(self, value: OwnerTrend) -> str:
        return f"{value.verdict} {super()._short(value)}"


@attrs.frozen(kw_only=True)
class Trend(Showing):
    """What a history amounts to.

    Attributes:
        verdict: The verdict over all of it.
        because: Its reason in a sentence a stranger can check.
        memory: How memory goes under the latest version.
        owners: Owners that grow, worst first.
        deploy: The version that introduced it, where one did.
        resets_on_restart: Whether restarts bring memory back to the baseline; None without a restart.
        to_limit: When the container's limit is reached.
        enough_in: Hours until there is enough to tell; None when there is.
        advice: What to do.
        replicas: How many replicas it rests on.
        processes: How many lives of processes.
        points: How many snapshots.
        hours: From the first to the last.
        notes: What could not be judged, in sentences.
    """

    verdict: Verdict
    because: str
    memory: SeriesTrend | None = None
    owners: OwnerTrends = attrs.field(default=OwnerTrends(), converter=OwnerTrends)
    deploy: Deploy | None = None
    resets_on_restart: bool | None = None
    to_limit: TimeToLimit | None = None
    enough_in: float | None = None
    advice: str = ""
    replicas: int = 0
    processes: int = 0
    points: int = 0
    hours: float = 0.0
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        over = f"{self.points:,} snapshots, {self.replicas:,} replicas, {self.hours:,.1f} hours"
        return bounded(f"<Trend {self.verdict}, {over}>")

    def __str__(self) -> str:
        from leakdiff.render.trends import trend_headline

        return trend_headline(self)

    def why(self) -> Shown:
        """Return the trend as text that shows itself at a prompt."""
        return Shown(self.text())

    def text(self) -> str:
        """Return the trend as text for a reader."""
        from leakdiff.render.trends import trend_text

        return trend_text(self)


@attrs.frozen(kw_only=True)
class TrendRow:
    """One line of a table of trends.

    Attributes:
        name: A version, a life of a process, or an owner's path.
        memory: How its memory goes, or an owner's bytes; None where that is not known.
        entries: For owners, how their length goes.
        verdict: For owners, what they are.
    """

    name: str
    memory: SeriesTrend | None = None
    entries: SeriesTrend | None = None
    verdict: Verdict | None = None

    __repr__ = one_line
