"""What a history amounts to: the verdict, the deploy that brought it, the time that is left, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from leakdiff.judge import witnesses
from leakdiff.judge.advice import advise
from leakdiff.judge.owner_trends import RESOURCES, judge_owners
from leakdiff.judge.rules import Opinion
from leakdiff.judge.trend_rules import RULES, Case, Rule, heap_grows, is_growing
from leakdiff.model.heap import Bound
from leakdiff.model.history import ENTRIES, MEMORY, History, VersionHistory
from leakdiff.model.report import ACCUSING, Verdict
from leakdiff.model.trend import Deploy, SeriesTrend, TimeToLimit, Trend

_HIGH = 0.7  # share of the limit
_LEAST_BEFORE = 6.0  # hours a version must have been seen to be called flat
_HALF = 0.5
_FRAGMENTED = (
    "compare snapshots around a heap trim: what falls then was fragmentation; fewer malloc arenas may help "
    "(MALLOC_ARENA_MAX)"
)
_HIGH_BUT_STABLE = "high but stable is not a leak: raise the limit, or look at what holds the memory in a deep snapshot"
_COUNT_UNITS = "count units of work (leakdiff.count_units): growth is then told from the daily cycle sooner"


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
        path = accused[0].path
        return advise(verdict, path, "file descriptors" if path == "descriptors" else "")
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
    is_outside = memory is not None and is_growing(memory, case.version) and not heap_grows(case)
    return _FRAGMENTED if is_outside and witnesses.total_missing(case.version) == 0 else ""
