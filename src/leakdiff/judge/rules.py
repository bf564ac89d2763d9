"""What a suspect is: plain functions in an ordered tuple, the first with an opinion wins."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import attrs

from leakdiff.model.evidence import Suspect
from leakdiff.model.report import Verdict
from leakdiff.model.signals import rate_text

_RESTING_ROUNDS = 5
_SLOWER = 0.85
_FEW_WEAK = 4
_WEAK = ("ReferenceType", "KeyedRef", "WeakMethod")
_NEARLY_ALL = 0.9
_OVERSHOOT = 1.02  # how far past its bound a length may be read while entries are replaced


@attrs.frozen
class Opinion:
    """A verdict with its reason."""

    verdict: Verdict
    because: str


Rule = Callable[[Suspect], Opinion | None]


def only_weak_references(suspect: Suspect) -> Opinion | None:
    """Excuse a registry of weak references: its entries go when what they point to goes."""
    held: Mapping[str, float] = suspect.found.types
    whole: float = suspect.found.objects
    if not held and not suspect.is_buffer:  # it was rebuilt: what is new in it is not known, what it holds is
        held = {entry.name: entry.per_entry for entry in suspect.owner.entry_types}
        whole = sum(held.values())
    weak = sum(count for name, count in held.items() if name.endswith(_WEAK))
    strong = whole - weak
    if weak == 0 or (weak < _NEARLY_ALL * whole and not (strong <= 1 and weak >= _FEW_WEAK)):  # one may be in flight
        return None
    return Opinion(Verdict.STABLE, "holds weak references only; they go when what they point to goes")


def bounded_and_filling(suspect: Suspect) -> Opinion | None:
    """Excuse a container that still fills up to a known bound."""
    bound = suspect.owner.bound
    if bound is None or max(suspect.lengths, default=0) > bound.limit * _OVERSHOOT + 1:
        return None
    if bound.filled >= bound.limit:
        return Opinion(Verdict.STABLE, f"full: {bound.kind} keeps it at {bound.limit:,} entries")
    return Opinion(Verdict.FILLING, f"{bound.filled:,} of {bound.limit:,} entries filled; {bound.kind} stops it there")


def stopped_growing(suspect: Suspect) -> Opinion | None:
    """Excuse an owner whose length no longer rises."""
    series = suspect.series
    if len(series.gains) < _RESTING_ROUNDS or any(gain > 0 for gain in series.gains[-_RESTING_ROUNDS:]):
        return None
    return Opinion(Verdict.STABLE, f"stopped growing at {max(suspect.lengths):,} {noun(suspect)}")


def rises_and_falls(suspect: Suspect) -> Opinion | None:
    """Excuse an owner that is emptied or evicts: it fell by about what a round adds, or more."""
    if not suspect.series.swings or suspect.series.climbs():
        return None
    least, most = min(suspect.lengths), max(suspect.lengths)
    return Opinion(Verdict.CHURN, f"rises and falls: between {least:,} and {most:,} {noun(suspect)}")


def slows_down(suspect: Suspect) -> Opinion | None:
    """Excuse an owner that gains less and less: its keys come from a limited set."""
    series = suspect.series
    if not series.gains or series.swings:  # where a saw-tooth stands at the end says nothing of its rate
        return None
    late = series.last_third()
    expected = max(suspect.rate, series.first_third().mean) * sum(late.units)
    if late.total >= _SLOWER * expected or expected - late.total < 4 * math.sqrt(max(1.0, expected)):
        return None
    return Opinion(
        Verdict.WARMUP,
        f"grows more and more slowly: {rate_text(expected / sum(late.units))} {noun(suspect)} per unit at first, "
        f"{rate_text(late.mean)} at last{_where_it_ends(suspect, expected / sum(late.units))}",
    )


def _where_it_ends(suspect: Suspect, at_first: float) -> str:
    """Say where an owner would stop if its rate went on falling with what it holds: its keys are limited."""
    series = suspect.series
    third = max(1, len(series.gains) // 3)
    sooner, later = suspect.lengths[third // 2], suspect.lengths[-1 - third // 2]
    at_last = series.last_third().mean
    if later <= sooner or not 0 < at_last < at_first:
        return ""
    end = later + at_last * (later - sooner) / (at_first - at_last)
    return f"; going on like that it stops at about {end:,.0f}"


def grows_for_ever(suspect: Suspect) -> Opinion | None:
    """Accuse what grew in the deep rounds and went on at that rate in the rounds that watched it."""
    if suspect.found.orphan:
        return None
    series = suspect.series
    if series.total <= 0:
        return Opinion(Verdict.LEAK, "what was born in every one of the rounds is still held, and no bound was found")
    return Opinion(
        Verdict.LEAK,
        f"grew in {series.grew_in} of {len(series.gains)} further rounds by {rate_text(series.mean)} "
        f"{noun(suspect)} per unit, up to {suspect.lengths[-1]:,}, and no bound was found",
    )


def noun(suspect: Suspect) -> str:
    """Say what its length counts."""
    return "bytes" if suspect.is_buffer else "entries"


RULES: tuple[Rule, ...] = (
    only_weak_references,
    bounded_and_filling,
    rises_and_falls,
    stopped_growing,
    slows_down,
    grows_for_ever,
)


# Excuses that look at one object alone; they do not hold if all grows on and nobody else accounts for it: entries
# may have moved to another object, and dead weak references stay where nobody removes them.
BY_LENGTH: tuple[Rule, ...] = (stopped_growing, slows_down, only_weak_references)


def opinion_on(suspect: Suspect, rules: tuple[Rule, ...] = RULES) -> Opinion | None:
    """Return the first opinion any rule has."""
    for rule in rules:
        opinion = rule(suspect)
        if opinion is not None:
            return opinion
    return None
