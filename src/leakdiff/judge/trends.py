"""What a history amounts to: plain rules in an ordered tuple, the first with an opinion wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from leakdiff.judge import witnesses
from leakdiff.judge.advice import advise
from leakdiff.judge.owner_trends import RESOURCES, judge_owners
from leakdiff.judge.rules import Opinion
from leakdiff.model.heap import Bound
from leakdiff.model.history import ENTRIES, MEMORY, Course, History, VersionHistory
from leakdiff.model.owner import Owner
from leakdiff.model.report import ACCUSING, Verdict
from leakdiff.model.trend import Deploy, OwnerTrend, SeriesTrend, TimeToLimit, Trend

_EXPLAINED = 1.5  # memory that grows by more than so many times what filling owners gain has another cause
_PYTHON_SHARE = 0.3  # of what the C heap gains: blocks that gain less do not grow with it
_BLOCK = 64  # bytes of a middling block
_HIGH = 0.7  # share of the limit
_LEAST_BEFORE = 6.0  # hours a version must have been seen to be called flat
_HALF = 0.5
_CREEP = 0.03  # share of its level by which memory may grow in a day without the heap
_HOURS_A_DAY = 24
_FRAGMENTED = (
    "compare snapshots around a heap trim: what falls then was fragmentation; fewer malloc arenas may help "
    "(MALLOC_ARENA_MAX)"
)
_HIGH_BUT_STABLE = "high but stable is not a leak: raise the limit, or look at what holds the memory in a deep snapshot"
_COUNT_UNITS = "count units of work (leakdiff.count_units): growth is then told from the daily cycle sooner"


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
    seen = f"the longest of its processes was seen for {version.longest:.0f} h"
    if version.counts_units:
        return Opinion(Verdict.INCONCLUSIVE, f"not enough data yet: {seen}, {version.hours_of_day} hours of the day")
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
    if memory is None or not _is_growing(memory, case.version):
        return None
    if slowing:
        return Opinion(Verdict.WARMUP, f"{slowing[0].path} {slowing[0].because}")
    if not witnesses.decays(memory):
        return None
    return Opinion(Verdict.WARMUP, f"memory grows more and more slowly, {_per_day(memory.trend)} on the whole")


def memory_creeps_without_the_heap(case: Case) -> Opinion | None:
    """Excuse memory that grows by very little while nothing on the heap does."""
    memory = case.course(MEMORY)
    if memory is None or not _is_growing(memory, case.version) or not _heap(case) or _heap_grows(case):
        return None
    if memory.trend.per_hour.high * _HOURS_A_DAY > _CREEP * memory.trend.last:
        return None
    return Opinion(
        Verdict.STABLE,
        f"memory creeps up by {_per_day(memory.trend)}, but neither Python's blocks nor the C heap grow: fragmentation",
    )


def memory_grows_but_is_not_proven(case: Case) -> Opinion | None:
    """Say what is missing before memory that grows is called a leak."""
    memory = case.course(MEMORY)
    if memory is None or not _is_growing(memory, case.version):
        return None
    grows = f"memory grows by {_per_day(memory.trend)}"
    if witnesses.total_missing(case.version) > 0:
        return Opinion(
            Verdict.INCONCLUSIVE, f"{grows}, no owner that was seen grows with it, and it was seen too short for that"
        )
    if _heap_grows(case):
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
    memory_creeps_without_the_heap,
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


def _heap_grows(case: Case) -> bool:
    """Tell whether anything on the heap grows with memory, or nothing of it was read."""
    heap = _heap(case)
    return not heap or any(witnesses.rises(total) for total in heap)


def _is_growing(memory: Course, version: VersionHistory) -> bool:
    return memory.trend.per_hour.low > 0 and witnesses.rises_enough(memory, version)


def _is_explained(case: Case, memory: Course) -> bool:
    """Tell whether owners that fill up to their bounds gain what memory gains."""
    filling = case.owners_that(Verdict.FILLING)
    gained = sum(
        owner.bytes.per_hour.high if owner.bytes is not None else memory.trend.per_hour.high for owner in filling
    )
    return bool(filling) and memory.trend.per_hour.low <= _EXPLAINED * gained


# -- the whole -------------------------------------------------------------------------------------


def judge_history(
    history: History, *, bounds: Mapping[str, Bound], limit: int | None = None, rules: Sequence[Rule] = RULES
) -> Trend:
    """Say what a history amounts to, under its latest version.

    Args:
        history: What was measured.
        bounds: Limits by path of an owner.
        limit: The container's limit in bytes.
        rules: The first with an opinion wins.
    """
    if not history.versions:
        return Trend(verdict=Verdict.INCONCLUSIVE, because="there are no snapshots", enough_in=witnesses.WHOLE_DAY)

    def judged(version: VersionHistory) -> Opinion:
        return _opinion(Case(version=version, owners=judge_owners(version, bounds)), rules)

    latest = history.versions[-1]
    case = Case(version=latest, owners=judge_owners(latest, bounds))
    opinion, memory = _opinion(case, rules), case.course(MEMORY)
    return Trend(
        verdict=opinion.verdict,
        because=opinion.because,
        memory=memory.trend if memory is not None else None,
        owners=case.owners,
        deploy=_deploy(history, case, opinion.verdict),
        resets_on_restart=history.resets_on_restart,
        to_limit=_to_limit(history, case, opinion.verdict, limit),
        enough_in=_enough_in(case, opinion.verdict),
        advice=_advice(history, case, opinion.verdict, limit),
        replicas=history.replicas,
        processes=history.processes,
        points=history.points,
        hours=history.hours,
        notes=tuple(_notes(history, case, opinion.verdict, judged)),
    )


def _opinion(case: Case, rules: Sequence[Rule]) -> Opinion:
    return next(opinion for rule in rules if (opinion := rule(case)) is not None)


def _enough_in(case: Case, verdict: Verdict) -> float | None:
    if verdict is not Verdict.INCONCLUSIVE:
        return None
    return witnesses.hours_missing(case.version) or witnesses.total_missing(case.version) or None


def _notes(history: History, case: Case, verdict: Verdict, judged: Callable[[VersionHistory], Opinion]) -> list[str]:
    version, notes = case.version, []
    if not version.has_owners:
        notes.append("there is no deep snapshot: which owner grows is not known")
    if verdict is Verdict.LEAK and version.longest < witnesses.SECOND_DAY:
        notes.append("seen for one day: what is emptied or expires once a day looks the same until tomorrow")
    if witnesses.hours_missing(version) > 0 and len(history.versions) > 1:
        before = history.versions[-2]
        opinion = judged(before)
        if opinion.verdict in ACCUSING:
            notes.append(f"{before.version or 'the version'} before it: {opinion.verdict}, {opinion.because}")
    return notes


# -- deploys ---------------------------------------------------------------------------------------


def _deploy(history: History, case: Case, verdict: Verdict) -> Deploy | None:
    """Return the version since which it grows; None where all grow, or the one before was not seen enough."""
    if verdict not in ACCUSING:
        return None
    guilty = _guilty(case, verdict)
    now = case.version.courses[guilty].trend
    since = case.version
    for before in reversed(history.versions[:-1]):
        if _was_flat(before, guilty, now):
            return Deploy(
                version=since.version,
                before=before.version,
                per_hour_before=_memory_rate(before),
                per_hour=_memory_rate(since),
            )
        if _grew(before, guilty, now):
            since = before
    return None


def _guilty(case: Case, verdict: Verdict) -> str:
    accused = case.owners_that(Verdict.LEAK)
    if accused:
        return accused[0].path if accused[0].path in RESOURCES else ENTRIES + accused[0].path
    return "native" if verdict is Verdict.NATIVE else MEMORY


def _was_flat(version: VersionHistory, guilty: str, now: SeriesTrend) -> bool:
    if version.longest < _LEAST_BEFORE:
        return False
    course = version.courses.get(guilty)
    if course is None:
        return guilty.startswith(ENTRIES) and version.has_owners
    return course.trend.per_hour.high < _HALF * now.per_hour.value


def _grew(version: VersionHistory, guilty: str, now: SeriesTrend) -> bool:
    course = version.courses.get(guilty)
    return (
        course is not None
        and course.trend.per_hour.low > 0
        and course.trend.per_hour.value > _HALF * now.per_hour.value
    )


def _memory_rate(version: VersionHistory) -> float:
    course = version.courses.get(MEMORY)
    return course.trend.per_hour.value if course is not None else 0.0


# -- the limit, and what to do ---------------------------------------------------------------------


def _to_limit(history: History, case: Case, verdict: Verdict, limit: int | None) -> TimeToLimit | None:
    if limit is None or history.fullest is None or verdict not in (*ACCUSING, Verdict.INCONCLUSIVE):
        return None
    course = case.course(history.fullest.series)
    if course is None or course.trend.per_hour.high <= 0:
        return None
    if verdict is Verdict.INCONCLUSIVE and course.trend.per_hour.low <= 0:
        return None
    room, slope = max(0.0, limit - history.fullest.level), course.trend.per_hour
    return TimeToLimit(limit=limit, low=room / slope.high, high=room / slope.low if slope.low > 0 else None)


def _advice(history: History, case: Case, verdict: Verdict, limit: int | None) -> str:
    accused = case.owners_that(Verdict.LEAK)
    if accused:
        owner = Owner(kind="", name=accused[0].path, steps=(), depth=0, type="")
        return advise(verdict, owner, "file descriptors" if accused[0].path == "descriptors" else "")
    if verdict is Verdict.NATIVE:
        return "check the extensions: take snapshots with tracemalloc on, or run leakdiff.check on what calls them"
    if verdict is Verdict.STABLE:
        fullest = history.fullest
        return _HIGH_BUT_STABLE if limit and fullest and fullest.level >= _HIGH * limit else ""
    if verdict is Verdict.INCONCLUSIVE:
        return _advice_to_wait(case)
    return ""


def _advice_to_wait(case: Case) -> str:
    if not case.version.counts_units:
        return _COUNT_UNITS
    memory = case.course(MEMORY)
    is_outside = memory is not None and _is_growing(memory, case.version) and not _heap_grows(case)
    return _FRAGMENTED if is_outside and witnesses.total_missing(case.version) == 0 else ""


# -- words -----------------------------------------------------------------------------------------


def _per_day(trend: SeriesTrend) -> str:
    value, low, high = (
        24 * rate / (1 << 20) for rate in (trend.per_hour.value, trend.per_hour.low, trend.per_hour.high)
    )
    return f"{value:.1f} MiB a day ({low:.1f} to {high:.1f})"


def _in_lives(course: Course) -> str:
    return f"in {course.rising:,} of {course.lives:,} processes"
