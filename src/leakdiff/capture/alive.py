"""Who refers to one object, by name: from live holders to the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from leakdiff.capture.alive_asker import Asker, find_asker
from leakdiff.capture.alive_holders import IMMORTAL, MOST_HOLDERS, Holding, Met, hold, running_code
from leakdiff.capture.alive_names import name_way
from leakdiff.capture.containers import is_container, length_of
from leakdiff.capture.kinds import derives, size_of, type_name
from leakdiff.capture.naming import describe_type
from leakdiff.capture.roots import Roots, find_roots
from leakdiff.model.alive import Alive, Holder, Holders, Whose
from leakdiff.model.heap import Step

_MOST_ASKED = 100  # holders that may be made to keep a ``__dict__`` so that an attribute has a name
_SINGLETONS = (None, True, False, Ellipsis, NotImplemented)
_SMALL = range(-5, 257)  # whole numbers that the interpreter makes once
_ORDER = tuple(Whose)


def read_object(subject: Any, references: int, budget: float) -> Alive:
    """Find who refers to an object.

    Args:
        subject: The object.
        references: References to it, leakdiff's own left out.
        budget: Seconds the walk may take.
    """
    told = Alive(type=describe_type(subject), bytes=size_of(subject, {}), permanent=why_permanent(subject, references))
    if is_everywhere(subject):
        return told
    found = find_roots()
    roots = Roots(found.first, (*found.then, *running_code(subject)))
    del found  # what it set apart for other walks refers to what is in the prompt's namespace
    asker = find_asker(roots)
    holding = hold(subject, references, roots, budget)
    holders = sorted(_named(holding, asker), key=_rank)
    alive = attrs.evolve(
        told,
        holders=holders,
        held=holding.held,
        references=holding.references if holding.is_counted else None,
        seen=holding.seen,
        instances=holding.instances,
        walked=holding.walk.walked + holding.further.walked,
        stopped=holding.stopped,
        notes=tuple(_notes(holding)),
    )
    return attrs.evolve(alive, holders=Holders(_alone(alive)))


def _named(holding: Holding, asker: Asker) -> Iterator[Holder]:
    for number, found in enumerate(holding.met):
        if found.root is None:
            yield _stray(found)
        else:
            yield _told(found, holding.subject, asker, is_quiet=number >= _MOST_ASKED)


def _told(found: Met, subject: Any, asker: Asker, *, is_quiet: bool) -> Holder:
    """Name a holder that was reached from a root, or through the object."""
    if found.root is None:
        return _stray(found)
    named = name_way([*found.way, subject], found.root, is_quiet=is_quiet)
    whose = found.whose
    if whose is Whose.PROGRAM:
        whose = asker.claims(found.way, found.root, named.steps[1].label) or whose
    has_entries = derives(type(named.holder), dict) or is_container(named.holder)
    return Holder(
        name=named.name,
        label=named.label,
        type=named.type,
        steps=named.steps,
        length=length_of(named.holder) if has_entries else None,
        references=found.references,
        distance=len(found.way),
        whose=whose,
        said=asker.says(found.way, subject, named.name, f"{named.name}{named.label}") if whose is Whose.SESSION else "",
    )


def _stray(found: Met) -> Holder:
    kind = describe_type(found.holder)
    steps = (Step("no root reaches it", "native"), Step(f" {kind}", type_name(type(found.holder))), Step(" ", ""))
    return Holder(f"a {kind} that no root reaches", "", kind, steps, None, found.references, 1, Whose.UNREACHED)


def _rank(holder: Holder) -> tuple[int, int, str]:
    return _ORDER.index(holder.whose), holder.distance, holder.where


def _alone(alive: Alive) -> Iterator[Holder]:
    """Mark the one holder that keeps the object, besides whoever asks, where it is known that there is but one."""
    for holder in alive.holders:
        is_alone = holder.whose is Whose.PROGRAM and alive.programs == 1 and alive.is_whole
        yield attrs.evolve(holder, is_alone=True) if is_alone else holder


def _notes(holding: Holding) -> Iterator[str]:
    if holding.stopped:
        yield f"{holding.stopped}: there may be more holders"
    if holding.reached > MOST_HOLDERS:
        yield f"only the first {MOST_HOLDERS:,} holders are named"
    counted = holding.seen + holding.instances
    if holding.is_counted and counted > holding.references:
        yield f"{counted:,} references were seen of {holding.references:,}: what holds it changed meanwhile"
    yield from dict.fromkeys([*holding.walk.kinds.failures.values(), *holding.further.kinds.failures.values()])


# -- what the interpreter keeps --------------------------------------------------------------------


def is_everywhere(subject: Any) -> bool:
    """Tell whether an object is one of those that everything refers to: who holds it says nothing."""
    return any(subject is single for single in _SINGLETONS) or (type(subject) is int and subject in _SMALL)


def why_permanent(subject: Any, references: int) -> str:
    """Say why the interpreter never frees an object; empty where it may."""
    if any(subject is single for single in _SINGLETONS):
        return "there is one of it, which the interpreter itself holds"
    if is_everywhere(subject):
        return "whole numbers from -5 to 256 are made once, and the interpreter itself holds them"
    cls = type(subject)
    if (cls is str or cls is bytes or cls is tuple) and not subject:
        return "the empty one is made once, and the interpreter itself holds it"
    if references < IMMORTAL:
        return ""
    if derives(cls, type):
        return "it is immortal: a class of C code, which the interpreter never frees nor counts references to"
    return "it is immortal: the interpreter never frees it, nor counts references to it"
