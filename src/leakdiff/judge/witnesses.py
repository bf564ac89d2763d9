"""What counts as growth in a history: thresholds, and plain questions to the course of a series."""

from __future__ import annotations

from leakdiff.model.history import MEMORY, Course, Steps, VersionHistory
from leakdiff.model.trend import SeriesTrend

WHOLE_DAY = 24.0

# How long something must have been seen, in hours.
_LONG_LIFE = 16.0  # a cache that fills for longer, and whose bound nobody sees, looks like a leak
_LONG_LIFE_UNCOUNTED = 30.0  # without units, one day has to be compared with the next
_HOURS_OF_DAY = 23  # what happens once a day has happened
SECOND_DAY = 29.0  # readings that span so much can be compared with those of the day before
_LONG_TOTAL, _LONG_TOTAL_UNCOUNTED = 48.0, 72.0
_HOURS_TO_DOUBLE = 6.0

# How steadily it must have grown.
_ALWAYS = 0.9  # share of the steps, pairs or lives
_LEAST_STEPS, _MANY_STEPS = 3, 8  # fewer than the second may all rise by chance
_EVEN = 0.25
_LASTING, _LASTING_BY_HOURS = 0.6, 0.35  # early and late hours differ by the traffic they had
_KEPT, _SURELY_KEPT = 0.75, 0.6
_EMPTIED, _FELL, _STRAIGHT = 0.25, 0.15, 1.6
_HALF, _FAR_MORE = 0.5, 2.0
_SEVERAL_LIVES = 3
_VERY_UNLIKELY = 0.001

# How much.
_LEAST_GAIN, _LEAST_SHARE, _LEAST_SHARE_IN_FEW = 10, 0.05, 0.25
_LEAST_SHARE_OF_MEMORY = 0.01
_OUT_OF_NOISE, _FAR_OUT_OF_NOISE = 4.0, 10.0
_DOUBLED = 1.0
_VAGUE = 0.05  # of the level, a day


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


def is_vague(total: Course) -> bool:
    """Tell whether a slope is known so badly that it says nothing: to no better than 5 % of the level a day."""
    half = (total.trend.per_hour.high - total.trend.per_hour.low) / 2
    return half * WHOLE_DAY > _VAGUE * abs(total.trend.last)


def is_material(course: Course, version: VersionHistory) -> bool:
    """Tell whether an owner gains enough to be spoken of: 10 entries, 5 % of what it has, and more than noise."""
    gain = gain_of(course.trend, version)
    return gain >= _LEAST_GAIN and gain >= _LEAST_SHARE * course.trend.last and gain >= _OUT_OF_NOISE * course.noise


def follows_traffic(course: Course) -> bool:
    """Tell whether an owner is larger only where there is more traffic."""
    return course.alike > 0 and course.alike_rose < _ALWAYS * course.alike


def always_rose(steps: Steps) -> bool:
    """Tell whether nearly every step of every life went up, by about as much, and none far down."""
    return steps.of > 0 and steps.rose >= _ALWAYS * steps.of and steps.even >= _EVEN and steps.fell <= _EMPTIED


def is_slowing(steps: Steps, version: VersionHistory) -> bool:
    """Tell whether it grew less at the end than at the beginning, by the hour or per unit of work.

    By the hour it may be less because there was less traffic, within reason.
    """
    late, by_hours = steps.late, steps.late_by_hours
    if by_hours is not None and by_hours < _LASTING_BY_HOURS:
        return True
    return version.counts_units and late is not None and late < _LASTING


def is_witnessed(course: Course, version: VersionHistory) -> bool:
    """Tell whether there are enough readings to believe an owner.

    What goes up and down by chance may rise a few times in a row: with few steps it must have gained a quarter of what
    it has, and a total must rise too. Until its readings reach into the second day more is asked: it must have risen
    every time, from the start, and beside it a total that is read more often must rise in a straight line to the end.
    An owner that was full, or emptied, between two of its readings would show there.
    """
    steps = course.steps
    if steps.of < _LEAST_STEPS or steps.late is None or course.alike == 0 or course.span < _LONG_LIFE:
        return False
    totals = [total for name in ("blocks", "native", MEMORY) if (total := version.courses.get(name)) is not None]
    if course.span < SECOND_DAY and not (_rose_from_the_start(course, version) and any(map(is_straight, totals))):
        return False
    is_large = gain_of(course.trend, version) >= _LEAST_SHARE_IN_FEW * course.trend.last
    return steps.of >= _MANY_STEPS or (is_large and any(total.trend.per_hour.low > 0 for total in totals))


def _rose_from_the_start(course: Course, version: VersionHistory) -> bool:
    """Tell whether an owner rose every time and never slowed down, also with what follows traffic left in.

    What filled up while traffic rose, and stopped when it fell, looks even once that is taken out. And what rose while
    traffic did must have risen by far more.
    """
    if course.settled > 0 or course.steps.rose < course.steps.of:
        return False
    if course.alike < _HALF * course.steps.of and course.outgrew < _FAR_MORE:
        return False
    return always_rose(course.plain) and not is_slowing(course.plain, version)


def is_straight(total: Course) -> bool:
    """Tell whether a total rises in a straight line and never fell by much."""
    return total.trend.per_hour.low > 0 and total.bend <= _STRAIGHT and total.steps.fell <= _FELL and lasts(total)


def rises(course: Course | None) -> bool:
    """Tell whether a total rises beyond doubt: over all of its time, in its latest half, and in nearly every life."""
    if course is None or course.late is None or course.trend.significance > _VERY_UNLIKELY:
        return False
    return course.trend.per_hour.low > 0 and course.late.low > 0 and course.rising >= _ALWAYS * course.lives


def stands_out(total: Course, version: VersionHistory) -> bool:
    """Tell whether a total gained far more than it wanders: what goes up and down by chance also rises at times."""
    return gain_of(total.trend, version) >= _FAR_OUT_OF_NOISE * total.noise


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
    if not version.counts_units or total.lives < _SEVERAL_LIVES or total.span < SECOND_DAY:
        return False
    return surely_lasts(total) and is_straight(total)


def rises_enough(course: Course, version: VersionHistory) -> bool:
    """Tell whether a total gains at least 1 % of itself."""
    return gain_of(course.trend, version) >= _LEAST_SHARE_OF_MEMORY * course.trend.baseline


def total_missing(version: VersionHistory) -> float:
    """Return the hours until a total is believed without an owner that grows."""
    return max(0.0, (_LONG_TOTAL if version.counts_units else _LONG_TOTAL_UNCOUNTED) - version.longest)


def has_doubled(course: Course, version: VersionHistory) -> bool:
    """Tell whether a total has grown by more than it started with, evenly, and for hours."""
    return version.longest >= _HOURS_TO_DOUBLE and gain_of(course.trend, version) >= _DOUBLED * course.trend.baseline
