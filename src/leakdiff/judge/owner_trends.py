"""What each owner of a history is: plain rules in an ordered tuple, the first with an opinion wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from leakdiff.judge import witnesses
from leakdiff.judge.rules import Opinion
from leakdiff.model.heap import Bound
from leakdiff.model.history import BYTES, ENTRIES, Course, VersionHistory
from leakdiff.model.report import Verdict
from leakdiff.model.trend import OwnerTrend

RESOURCES = ("descriptors", "threads", "tasks")
_STOPPED = 0.2
_OVERSHOOT = 1.02  # how far past its bound a length may be read while entries are replaced
_LEAST_BYTES = 64 * 1024
_RANK = (Verdict.LEAK, Verdict.FILLING, Verdict.WARMUP, Verdict.INCONCLUSIVE, Verdict.STABLE)


@attrs.frozen(kw_only=True)
class Case:
    """An owner under one version.

    Attributes:
        path: Its name.
        entries: How its length goes.
        bytes: How its retained estimate goes.
        bound: What limits it, where known.
        version: The version.
        by_bytes: Whether it is judged by its bytes, its length being no witness.
    """

    path: str
    entries: Course
    bytes: Course | None
    bound: Bound | None
    version: VersionHistory
    by_bytes: bool = False

    @property
    def course(self) -> Course:
        """What it is judged by."""
        return self.bytes if self.by_bytes and self.bytes is not None else self.entries

    @property
    def noun(self) -> str:
        """What is counted."""
        return "bytes" if self.by_bytes else self.path if self.path in RESOURCES else "entries"


Rule = Callable[[Case], Opinion | None]


def gains_next_to_nothing(case: Case) -> Opinion | None:
    """Excuse what gains too little to be told from noise."""
    too_few = case.by_bytes and witnesses.gain_of(case.course.trend, case.version) < _LEAST_BYTES
    if witnesses.is_material(case.course, case.version) and not too_few:
        return None
    return Opinion(Verdict.STABLE, "does not grow")


def goes_with_traffic(case: Case) -> Opinion | None:
    """Excuse what is in flight: it is larger only when there is more traffic."""
    if not witnesses.follows_traffic(case.course):
        return None
    course = case.course
    return Opinion(
        Verdict.STABLE,
        f"goes up and down with traffic: at no more traffic it was larger in {course.alike_rose:,} of "
        f"{course.alike:,} pairs of readings only",
    )


def stopped_growing(case: Case) -> Opinion | None:
    """Excuse what grew and stopped."""
    late = case.course.steps.late
    if late is None or late >= _STOPPED:
        return None
    return Opinion(Verdict.STABLE, f"stopped growing at {case.course.trend.last:,.0f} {case.noun}")


def rises_and_falls(case: Case) -> Opinion | None:
    """Excuse what does not rise nearly every time."""
    steps = case.course.steps
    if witnesses.always_rose(case.course.steps):
        return None
    return Opinion(Verdict.STABLE, f"rises and falls: it rose from level to level {steps.rose:,} of {steps.of:,} times")


def bounded_and_filling(case: Case) -> Opinion | None:
    """Excuse what still fills up to a known bound."""
    bound, length = case.bound, case.entries.trend.last
    if bound is None or case.by_bytes:
        return None
    filled = bound.filled or round(length)
    if filled > bound.limit * _OVERSHOOT + 1:
        return None
    if filled >= bound.limit:
        return Opinion(Verdict.STABLE, f"full: {bound.kind} keeps it at {bound.limit:,} entries")
    return Opinion(Verdict.FILLING, f"{filled:,} of {bound.limit:,} entries filled; {bound.kind} stops it there")


def slows_down(case: Case) -> Opinion | None:
    """Excuse what gains less and less."""
    late = case.course.steps.late
    if late is None or not witnesses.is_slowing(case.course.steps, case.version):
        return None
    return Opinion(Verdict.WARMUP, f"grows more and more slowly: at the end {late:.0%} of the rate at the beginning")


def seen_too_short(case: Case) -> Opinion | None:
    """Accuse nobody before a whole day was seen, and on too few readings."""
    steps = case.course.steps
    if witnesses.hours_missing(case.version) == 0 and witnesses.is_witnessed(case.course, case.version):
        return None
    return Opinion(Verdict.INCONCLUSIVE, f"rose {steps.rose:,} of {steps.of:,} times, which is too few to tell")


def grows_for_ever(case: Case) -> Opinion | None:
    """Accuse what rose through all that was seen, in every process, whatever the traffic."""
    steps, last = case.course.steps, case.course.trend.last
    return Opinion(
        Verdict.LEAK,
        f"rose from level to level {steps.rose:,} of {steps.of:,} times, up to {last:,.0f} {case.noun}, "
        f"also at no more traffic, and no bound was found",
    )


RULES: tuple[Rule, ...] = (
    gains_next_to_nothing,
    goes_with_traffic,
    stopped_growing,
    rises_and_falls,
    bounded_and_filling,
    slows_down,
    seen_too_short,
    grows_for_ever,
)


def judge_owners(
    version: VersionHistory, bounds: Mapping[str, Bound], rules: Sequence[Rule] = RULES
) -> tuple[OwnerTrend, ...]:
    """Return the owners of a version that grow, worst first; of owners inside one another, the one that explains most.

    Args:
        version: How its series go.
        bounds: Limits by path of an owner.
        rules: The first with an opinion wins.
    """
    judged = [_judged(case, rules) for case in _cases(version, bounds)]
    if not any(owner.verdict is Verdict.LEAK for owner in judged):
        flat = [
            case for case, owner in zip(_cases(version, bounds), judged, strict=True) if _may_hold_bytes(case, owner)
        ]
        judged += _innermost(_judged(attrs.evolve(case, by_bytes=True), rules) for case in flat)
    told = sorted((owner for owner in judged if owner.verdict is not Verdict.STABLE), key=_rank)
    return tuple(owner for at, owner in enumerate(told) if not any(_explains(above, owner) for above in told[:at]))


def _cases(version: VersionHistory, bounds: Mapping[str, Bound]) -> list[Case]:
    found = []
    for name, course in version.courses.items():
        if name.startswith(ENTRIES) or name in RESOURCES:
            path = name.removeprefix(ENTRIES)
            size = version.courses.get(BYTES + path)
            found.append(Case(path=path, entries=course, bytes=size, bound=bounds.get(path), version=version))
    return found


def _judged(case: Case, rules: Sequence[Rule]) -> OwnerTrend:
    opinion = next(opinion for rule in rules if (opinion := rule(case)) is not None)
    return OwnerTrend(
        path=case.path,
        entries=case.entries.trend,
        bytes=case.bytes.trend if case.bytes is not None else None,
        bound=case.bound,
        verdict=opinion.verdict,
        because=opinion.because,
    )


def _may_hold_bytes(case: Case, owner: OwnerTrend) -> bool:
    """Tell whether a container of steady length may be what grows, by what it holds."""
    return owner.verdict is Verdict.STABLE and case.bytes is not None and case.bound is None


def _innermost(owners: Iterable[OwnerTrend]) -> list[OwnerTrend]:
    """Return those that accuse and have no other inside them: bytes count for all that is above them too."""
    accused = [owner for owner in owners if owner.verdict is Verdict.LEAK]
    return [owner for owner in accused if not any(_is_inside(other.path, owner.path) for other in accused)]


def _rank(owner: OwnerTrend) -> tuple[int, float, int, str]:
    per_hour = owner.bytes.per_hour.value if owner.bytes is not None else 0.0
    return _RANK.index(owner.verdict), -per_hour, len(owner.path), owner.path


def _explains(above: OwnerTrend, owner: OwnerTrend) -> bool:
    """Tell whether an owner only grows because one around it does."""
    return above.verdict is owner.verdict and _is_inside(owner.path, above.path)


def _is_inside(path: str, other: str) -> bool:
    return path.startswith((other + ".", other + "["))
