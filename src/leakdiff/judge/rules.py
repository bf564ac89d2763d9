"""What a suspect is: plain functions in an ordered tuple, the first with an opinion wins."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from leakdiff.model.evidence import Suspect
from leakdiff.model.report import Verdict
from leakdiff.model.signals import rate_text

_STOPPED_ROUNDS = 2
_SLOWER = 0.7
_WEAK_TYPES = ("weakref.ReferenceType", "ReferenceType", "weakref.KeyedRef", "weakref.ref", "weakref.WeakMethod")


@attrs.frozen
class Opinion:
    """A verdict with its reason."""

    verdict: Verdict
    because: str


Rule = Callable[[Suspect], Opinion | None]


def only_weak_references(suspect: Suspect) -> Opinion | None:
    """Excuse a registry of weak references: its entries go when what they point to goes."""
    types = suspect.found.types
    weak = sum(count for name, count in types.items() if name.endswith(("ReferenceType", "KeyedRef", "WeakMethod")))
    if weak == 0 or weak * 10 < 9 * suspect.found.objects:
        return None
    return Opinion(Verdict.STABLE, "holds weak references only; they go when what they point to goes")


def bounded_and_filling(suspect: Suspect) -> Opinion | None:
    """Excuse a container that still fills up to a known bound."""
    bound = suspect.owner.bound
    if bound is None:
        return None
    if bound.filled >= bound.limit:
        return Opinion(Verdict.STABLE, f"full: {bound.kind} keeps it at {bound.limit:,} entries")
    return Opinion(
        Verdict.FILLING, f"{bound.filled:,} of {bound.limit:,} entries filled; {bound.kind} stops it there"
    )


def stopped_growing(suspect: Suspect) -> Opinion | None:
    """Excuse an owner whose length no longer rises."""
    gains = suspect.gains
    if len(gains) < _STOPPED_ROUNDS or any(gain > 0 for gain in gains[-_STOPPED_ROUNDS:]):
        return None
    if suspect.found.buffer_bytes and not suspect.found.entries:
        return Opinion(Verdict.STABLE, f"stopped growing at {max(suspect.lengths):,} bytes")
    return Opinion(Verdict.STABLE, f"stopped growing at {max(suspect.lengths):,} entries")


def rises_and_falls(suspect: Suspect) -> Opinion | None:
    """Excuse an owner that is emptied or evicts: it fell by more than a round adds."""
    gains = suspect.gains
    if not gains or min(gains) >= 0:
        return None
    if -min(gains) * 2 < max(gains):
        return None
    return Opinion(Verdict.STABLE, f"rises and falls: between {min(suspect.lengths):,} and {max(suspect.lengths):,} entries")


def slows_down(suspect: Suspect) -> Opinion | None:
    """Excuse an owner that gains less and less: its keys come from a limited set."""
    gains = suspect.gains
    third = len(gains) // 3
    if third < 1:
        return None
    early, late = sum(gains[:third]), sum(gains[-third:])
    if early + late == 0 or late > _SLOWER * early or early - late < 4 * math.sqrt(early + late):
        return None
    return Opinion(
        Verdict.WARMUP,
        f"grows more and more slowly: {early:,} entries in the first {third} rounds that watched it, "
        f"{late:,} in the last {third}",
    )


def grows_for_ever(suspect: Suspect) -> Opinion | None:
    """Accuse what grew in the deep rounds and in every round that watched it."""
    if suspect.found.orphan:
        return None
    gains = suspect.gains
    if not gains:
        return Opinion(Verdict.LEAK, "what was born in every one of the rounds is still held, and nothing bounds it")
    grew = sum(gain > 0 for gain in gains)
    rate = sum(gains) / (len(gains) * suspect.watched_units)
    noun = "bytes" if suspect.found.buffer_bytes and not suspect.found.entries else "entries"
    return Opinion(
        Verdict.LEAK,
        f"grew in {grew} of {len(gains)} further rounds by {rate_text(rate)} {noun} per unit, up to "
        f"{suspect.lengths[-1]:,}, and nothing bounds it",
    )


RULES: tuple[Rule, ...] = (
    only_weak_references,
    bounded_and_filling,
    rises_and_falls,
    stopped_growing,
    slows_down,
    grows_for_ever,
)


def opinion_on(suspect: Suspect, rules: tuple[Rule, ...] = RULES) -> Opinion | None:
    """Return the first opinion any rule has."""
    for rule in rules:
        opinion = rule(suspect)
        if opinion is not None:
            return opinion
    return None
