"""What a history is, by its latest version: plain rules in an ordered tuple, the first with an opinion wins."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from leakdiff.judge import witnesses
from leakdiff.judge.rules import Opinion
from leakdiff.model.history import MEMORY, Course, VersionHistory
from leakdiff.model.report import Verdict
from leakdiff.model.trend import OwnerTrend, SeriesTrend

_EXPLAINED = 1.5  # memory that grows by more than so many times what filling owners gain has another cause
_PYTHON_SHARE = 0.3  # of what the C heap gains: blocks that gain less do not grow with it
_BLOCK = 64  # bytes of a middling block
_CREEP = 0.03  # share of its level by which memory may grow in a day without the heap
_HOURS_A_DAY = 24
_NEXT_TO_NOTHING = 1 << 20  # bytes a day


@attrs.frozen(kw_only=True)
class Case:
    """A history under its latest version.

    Attributes:
        version: The version.
        owners: Its owners that grow, worst first.
    """

    version: VersionHistory
    owners: tuple[OwnerTrend, ...]

    def course(self, name: str) -> Course | None:
        """Return how a series goes."""
        return self.version.courses.get(name)

    def owners_that(self, verdict: Verdict) -> tuple[OwnerTrend, ...]:
        """Return the owners with a verdict."""
        return tuple(owner for owner in self.owners if owner.verdict is verdict)


Rule = Callable[[Case], Opinion | None]


# -- the rules -------------------------------------------------------------------------------------


def an_owner_grows_for_ever(case: Case) -> Opinion | None:
    """Accuse an owner without a bound that grows, whether or not memory's noise still hides it."""
    accused = case.owners_that(Verdict.LEAK)
    return Opinion(Verdict.LEAK, f"{accused[0].path} {accused[0].because}") if accused else None


def the_c_heap_grows(case: Case) -> Opinion | None:
    """Accuse the C heap where neither Python's blocks nor an owner grow with it."""
    native = case.course("native")
    if native is None or not _is_certain(native, case.version) or _blocks_grow(case, native):
        return None
    if _is_explained(case, native):  # entries above 512 bytes live there
        return None
    return Opinion(
        Verdict.NATIVE,
        f"the C heap grows by {_per_day(native.trend)} {_in_lives(native)}, Python's blocks do not, and no owner does",
    )


def memory_grows_without_an_owner(case: Case) -> Opinion | None:
    """Accuse memory that grows with what is on the heap, where no owner with a bound explains it."""
    memory = case.course(MEMORY)
    if memory is None or not _is_steady(memory, case.version) or _is_explained(case, memory):
        return None
    if not any(_is_certain(total, case.version) for total in _heap(case) or [memory]):
        return None
    return Opinion(
        Verdict.LEAK, f"memory grows by {_per_day(memory.trend)} {_in_lives(memory)}, and no owner that was seen does"
    )


def seen_too_short(case: Case) -> Opinion | None:
    """Say nothing else before a whole day was seen."""
    version = case.version
    if witnesses.hours_missing(version) == 0:
        return None
    seen = f"the longest of its processes was seen for {_for(version.longest)}"
    if version.counts_units:
        of_day = f", {version.hours_of_day} hours of the day" if version.longest >= 1 else ""
        return Opinion(Verdict.INCONCLUSIVE, f"not enough data yet: {seen}{of_day}")
    return Opinion(
        Verdict.INCONCLUSIVE,
        f"not enough data yet: {seen}, and without a count of units a shorter time than a day and a quarter "
        "cannot be told from the daily cycle",
    )


def a_bounded_owner_fills(case: Case) -> Opinion | None:
    """Excuse memory that grows because owners with a bound fill up."""
    filling, memory = case.owners_that(Verdict.FILLING), case.course(MEMORY)
    if not filling or (memory is not None and not _is_explained(case, memory)):
        return None
    return Opinion(Verdict.FILLING, f"{filling[0].path}: {filling[0].because}")


def memory_grows_more_slowly(case: Case) -> Opinion | None:
    """Excuse memory that grows less and less."""
    memory = case.course(MEMORY)
    slowing = case.owners_that(Verdict.WARMUP)
    if memory is None or not is_growing(memory, case.version):
        return None
    if slowing:
        return Opinion(Verdict.WARMUP, f"{slowing[0].path} {slowing[0].because}")
    if not witnesses.decays(memory):
        return None
    return Opinion(Verdict.WARMUP, f"memory grows more and more slowly, {_per_day(memory.trend)} on the whole")


def memory_creeps(case: Case) -> Opinion | None:
    """Excuse memory that grows by next to nothing, or by little while nothing on the heap does."""
    memory = case.course(MEMORY)
    if memory is None or not is_growing(memory, case.version):
        return None
    a_day = memory.trend.per_hour.high * _HOURS_A_DAY
    if a_day > _CREEP * memory.trend.last:
        return None
    grows = f"memory creeps up by {_per_day(memory.trend)}"
    if _heap(case) and not any(is_growing(total, case.version) for total in _heap(case)):
        return Opinion(Verdict.STABLE, f"{grows}, but neither Python's blocks nor the C heap grow: fragmentation")
    if a_day > _NEXT_TO_NOTHING:
        return None
    return Opinion(Verdict.STABLE, f"{grows}, and no owner that was seen does: too little to matter")


def memory_grows_but_is_not_proven(case: Case) -> Opinion | None:
    """Say what is missing before memory that grows is called a leak."""
    memory = case.course(MEMORY)
    if memory is None or not is_growing(memory, case.version):
        return None
    grows = f"memory grows by {_per_day(memory.trend)}"
    if witnesses.total_missing(case.version) > 0:
        return Opinion(
            Verdict.INCONCLUSIVE, f"{grows}, no owner that was seen grows with it, and it was seen too short for that"
        )
    if heap_grows(case):
        return Opinion(Verdict.INCONCLUSIVE, f"{grows}, but not evenly, and no owner that was seen grows with it")
    return Opinion(
        Verdict.INCONCLUSIVE,
        f"{grows}, but neither Python's blocks nor the C heap grow with it: fragmentation, or memory that does "
        "not come from malloc",
    )


def noise_hides_it(case: Case) -> Opinion | None:
    """Claim nothing where memory's slope is hardly known."""
    memory = case.course(MEMORY)
    if memory is None or not witnesses.is_vague(memory):
        return None
    return Opinion(Verdict.INCONCLUSIVE, f"memory goes up and down too much to tell: by {_per_day(memory.trend)}")


def nothing_grows(case: Case) -> Opinion | None:
    """Say that memory does not grow, and how sure that is."""
    memory = case.course(MEMORY)
    if memory is None:
        return Opinion(Verdict.STABLE, "no owner grows; memory was not read")
    trend = memory.trend
    return Opinion(Verdict.STABLE, f"memory does not grow: {_per_day(trend)}, and no owner does")


RULES: tuple[Rule, ...] = (
    an_owner_grows_for_ever,
    the_c_heap_grows,
    memory_grows_without_an_owner,
    seen_too_short,
    a_bounded_owner_fills,
    memory_grows_more_slowly,
    memory_creeps,
    memory_grows_but_is_not_proven,
    noise_hides_it,
    nothing_grows,
)


def _blocks_grow(case: Case, native: Course) -> bool:
    blocks = case.course("blocks")
    if blocks is None or blocks.trend.per_hour.low <= 0:
        return False
    return blocks.trend.per_hour.value * _BLOCK > _PYTHON_SHARE * native.trend.per_hour.value


def _is_steady(course: Course, version: VersionHistory) -> bool:
    """Tell whether a total grows beyond doubt, for long enough, or by so much that nobody can wait."""
    if not witnesses.rises(course) or not witnesses.rises_enough(course, version) or not witnesses.lasts(course):
        return False
    return witnesses.was_seen_long(course, version) or witnesses.has_doubled(course, version)


def _is_certain(course: Course, version: VersionHistory) -> bool:
    """Tell whether a steady total also gained far more than it wanders by chance."""
    return _is_steady(course, version) and witnesses.stands_out(course, version)


def _heap(case: Case) -> list[Course]:
    """Return what of the heap was read as a total."""
    return [total for name in ("blocks", "native", "heap.bytes") if (total := case.course(name)) is not None]


def heap_grows(case: Case) -> bool:
    """Tell whether anything on the heap grows with memory, or nothing of it was read."""
    heap = _heap(case)
    return not heap or any(witnesses.rises(total) for total in heap)


def is_growing(total: Course, version: VersionHistory) -> bool:
    """Tell whether a total grows, as far as anyone can tell yet."""
    return total.trend.per_hour.low > 0 and witnesses.rises_enough(total, version)


def _is_explained(case: Case, memory: Course) -> bool:
    """Tell whether owners that fill up to their bounds gain what memory gains."""
    filling = case.owners_that(Verdict.FILLING)
    gained = sum(
        owner.bytes.per_hour.high if owner.bytes is not None else memory.trend.per_hour.high for owner in filling
    )
    return bool(filling) and memory.trend.per_hour.low <= _EXPLAINED * gained


# -- words -----------------------------------------------------------------------------------------


def _per_day(trend: SeriesTrend) -> str:
    slope = trend.per_hour
    value, low, high = (_HOURS_A_DAY * rate / (1 << 20) for rate in (slope.value, slope.low, slope.high))
    return f"{value:.1f} MiB a day ({low:.1f} to {high:.1f})"


def _for(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.0f} h"
    return f"{hours * 60:.0f} min" if hours * 60 >= 1 else "less than a minute"


def _in_lives(course: Course) -> str:
    return f"in {course.rising:,} of {course.lives:,} processes"
