"""What counts as growth in a history: thresholds, and plain questions to the course of a series."""

from __future__ import annotations

from leakdiff.model.history import MEMORY, Course, VersionHistory
from leakdiff.model.trend import SeriesTrend

WHOLE_DAY = 24.0
_LONG_LIFE = 16.0  # hours of life; a cache that fills for longer without a visible bound looks like a leak
_LONG_LIFE_UNCOUNTED = 30.0  # without units, one day has to be compared with the next
_HOURS_OF_DAY = 23  # what happens once a day has happened
_ALWAYS = 0.9
_LEAST_STEPS = 3
_MANY_STEPS = 6  # from here on an owner is believed without a second witness
_EVEN = 0.25
_LASTING, _LASTING_UNCOUNTED = 0.6, 0.4  # without units, early and late hours differ by the traffic they had
_VERY_UNLIKELY = 0.001
_WHOLE_DAY_OF_READINGS = 23.0
_SECOND_DAY = 29.0  # hours between readings from which on a day is compared with the next
_FELL, _STILL = 0.15, 0.5
_LEAST_GAIN, _LEAST_SHARE = 10, 0.05
_OUT_OF_NOISE = 4.0
_LEAST_SHARE_OF_MEMORY = 0.01
_LONG_TOTAL, _LONG_TOTAL_UNCOUNTED = 48.0, 72.0
_SEVERAL_LIVES = 3
_KEPT, _SURELY_KEPT = 0.75, 0.6
_DOUBLED, _HOURS_TO_DOUBLE = 1.0, 6.0


def hours_missing(version: VersionHistory) -> float:
    """Return the hours until a version was seen long enough; 0 if it was.

    Where units are counted, some process must have lived 16 hours, and readings must cover the day; otherwise some
    process must have lived a day and a quarter.
    """
    if not version.counts_units:
        return max(0.0, _LONG_LIFE_UNCOUNTED - version.longest)
    uncovered = WHOLE_DAY - version.hours_of_day if version.hours_of_day < _HOURS_OF_DAY else 0.0
    return max(0.0, _LONG_LIFE - version.longest, uncovered)


def gain_of(trend: SeriesTrend, version: VersionHistory) -> float:
    """Return what a series gains over the longest life of a process."""
    return trend.per_hour.value * version.longest


def is_material(course: Course, version: VersionHistory) -> bool:
    """Tell whether an owner gains enough to be spoken of: 10 entries, 5 % of what it has, and more than noise."""
    gain = gain_of(course.trend, version)
    return gain >= _LEAST_GAIN and gain >= _LEAST_SHARE * course.trend.last and gain >= _OUT_OF_NOISE * course.noise


def follows_traffic(course: Course) -> bool:
    """Tell whether an owner is larger only where there is more traffic."""
    return course.alike > 0 and course.alike_rose < _ALWAYS * course.alike


def always_rose(course: Course) -> bool:
    """Tell whether nearly every step of every life went up, and by about as much."""
    steps = course.steps
    return steps.of > 0 and steps.rose >= _ALWAYS * steps.of and steps.even >= _EVEN


def is_slowing(course: Course, version: VersionHistory) -> bool:
    """Tell whether it grew less at the end than at the beginning."""
    least = _LASTING if version.counts_units else _LASTING_UNCOUNTED
    return course.steps.late is None or course.steps.late < least


def is_witnessed(course: Course, version: VersionHistory) -> bool:
    """Tell whether there are enough readings to believe an owner.

    With few of them a total must rise too. Before the owner itself was read for a whole day, the total must go on
    rising to the end: an owner that was full, or emptied, since its last reading would show there.
    """
    if course.steps.of < _LEAST_STEPS or course.alike == 0 or course.span < _LONG_LIFE:
        return False
    if course.steps.of >= _MANY_STEPS and course.span >= _SECOND_DAY:
        return True
    totals = [total for name in ("blocks", "native", MEMORY) if (total := version.courses.get(name)) is not None]
    if course.span >= _WHOLE_DAY_OF_READINGS:
        return any(total.trend.per_hour.low > 0 for total in totals)
    return any(goes_on(total) for total in totals)


def goes_on(total: Course) -> bool:
    """Tell whether a total rises to the end and never fell by much."""
    if total.latest is None or total.trend.per_hour.low <= 0 or total.steps.fell > _FELL:
        return False
    return total.latest.low > 0 and total.latest.value >= _STILL * total.trend.per_hour.value


def rises(course: Course | None) -> bool:
    """Tell whether a total rises beyond doubt: over all of its time, in its latest half, and in nearly every life."""
    if course is None or course.late is None or course.trend.significance > _VERY_UNLIKELY:
        return False
    return course.trend.per_hour.low > 0 and course.late.low > 0 and course.rising >= _ALWAYS * course.lives


def lasts(total: Course) -> bool:
    """Tell whether a total gains as much in the latest half of its time as in the first."""
    return total.early is None or total.late is None or total.late.value >= _KEPT * total.early.value


def surely_lasts(total: Course) -> bool:
    """Tell the same with the doubt about the latest half on the other side."""
    return total.early is not None and total.late is not None and total.late.low >= _SURELY_KEPT * total.early.value


def decays(course: Course) -> bool:
    """Tell whether a total clearly gains less in the latest half of its time than in the first."""
    return course.early is not None and course.late is not None and course.early.low > max(0.0, course.late.high)


def was_seen_long(total: Course, version: VersionHistory) -> bool:
    """Tell whether a total without an owner was seen long enough: for two days, or into the second in three lives."""
    if hours_missing(version) > 0:
        return False
    if total_missing(version) == 0:
        return True
    return version.counts_units and total.lives >= _SEVERAL_LIVES and total.span >= _SECOND_DAY and surely_lasts(total)


def rises_enough(course: Course, version: VersionHistory) -> bool:
    """Tell whether a total gains at least 1 % of itself."""
    return gain_of(course.trend, version) >= _LEAST_SHARE_OF_MEMORY * course.trend.baseline


def total_missing(version: VersionHistory) -> float:
    """Return the hours until a total is believed without an owner that grows."""
    return max(0.0, (_LONG_TOTAL if version.counts_units else _LONG_TOTAL_UNCOUNTED) - version.longest)


def has_doubled(course: Course, version: VersionHistory) -> bool:
    """Tell whether a total has grown by more than it started with, evenly, and for hours."""
    return version.longest >= _HOURS_TO_DOUBLE and gain_of(course.trend, version) >= _DOUBLED * course.trend.baseline
