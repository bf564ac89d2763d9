"""Who refers to one object: every holder that a root reaches, by name, and what stays unexplained."""

from __future__ import annotations

import gc
import sys
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from leakdiff.capture.alive_asker import Asker, find_asker
from leakdiff.capture.alive_names import Named, name_way
from leakdiff.capture.alive_walk import HolderWalk, walk_further
from leakdiff.capture.containers import is_container, length_of
from leakdiff.capture.kinds import OWN, KindsByIdentity, derives, size_of, type_name
from leakdiff.capture.naming import describe_type
from leakdiff.capture.roots import Root, Roots, find_roots, own_parts
from leakdiff.capture.walk import Budget, Pacer
from leakdiff.model.alive import ASKING, Alive, Holder, Holders, Whose
from leakdiff.model.heap import Step

MOST_OBJECTS = 50_000_000
REST = 0.0005  # seconds of rest after 2 ms of work
_MOST_HOLDERS = 1_000  # that are named
_MOST_UNREACHED = 100
_IMMORTAL = 1 << 30  # references from which on the interpreter does not count
_ITSELF = "itself"
_SINGLETONS = (None, True, False, Ellipsis, NotImplemented)
_SMALL = range(-5, 257)  # whole numbers that the interpreter makes once
_ORDER = tuple(Whose)


@attrs.define(eq=False)
class Met:
    """A live holder; must not outlive the answer.

    Attributes:
        holder: The object that refers to the subject; a copy of a frame's locals stands for the frame.
        references: How often it does.
        root: Where the path to it starts; None where no root reaches it.
        way: The live objects from the root's target to it.
        whose: Whose it is.
    """

    holder: Any
    references: int
    root: Root | None
    way: list[Any]
    whose: Whose


def read_object(subject: Any, references: int, budget: float) -> Alive:
    """Find who refers to an object.

    Args:
        subject: The object.
        references: References to it, leakdiff's own left out.
        budget: Seconds the walk may take.
    """
    permanent = why_permanent(subject, references)
    told = Alive(
        type=describe_type(subject),
        bytes=size_of(subject, {}),
        references=None if references >= _IMMORTAL else references,
        permanent=permanent,
    )
    if is_everywhere(subject):
        return told
    reading = _Reading(subject, references)
    return attrs.evolve(told, **reading.answer(Budget(MOST_OBJECTS, budget)))


@attrs.define(eq=False)
class _Reading:
    """One look for the holders of an object; must not outlive the answer."""

    subject: Any
    references: int

    def answer(self, budget: Budget) -> dict[str, Any]:
        """Return what was found, as fields of the answer."""
        roots = _without(find_roots(), self.subject)
        asker = find_asker(roots)
        walk = HolderWalk(budget, pacer=Pacer(rest=REST), wanted=(type(self.subject),), subject=self.subject)
        walk.from_roots(*roots.targets(), avoid=own_parts())
        further = walk_further(walk)
        met = [*self._reached(walk, roots), *self._through_itself(further)]
        seen, instances = self._seen(met), walk.instances_of + further.instances_of
        if 0 < self.references - seen - instances < _IMMORTAL // 2:
            unreached = list(self._unreached(walk, further, roots))
            seen += sum(found.references for found in unreached)
            met += unreached
        holders = sorted(self._named(met, asker), key=_rank)
        return {
            "holders": Holders(_alone(holders, _count_of(walk))),
            "held": len(set(walk.held)) + len(set(further.held)) + sum(one.whose is Whose.UNREACHED for one in holders),
            "seen": min(seen, self.references),
            "instances": instances,
            "walked": walk.walked + further.walked,
            "notes": tuple(self._notes(walk, further)),
        }

    # -- who holds it ------------------------------------------------------------------------------

    def _reached(self, walk: HolderWalk, roots: Roots) -> Iterator[Met]:
        """Yield the holders that a root reaches without passing the object, those nearest to a root first."""
        counts = Counter(walk.held)
        chosen = list(counts)[:_MOST_HOLDERS]
        live = walk.live(chosen)
        for index in chosen:
            if index in live:
                yield Met(live[index], counts[index], roots[walk.chain(index)[0]], walk.way(index, live), Whose.PROGRAM)

    def _through_itself(self, further: HolderWalk) -> Iterator[Met]:
        """Yield the holders that are reached through the object only."""
        root = Root("object", _ITSELF, self.subject)
        counts = Counter(further.held)
        chosen = list(counts)[:_MOST_HOLDERS]
        live = further.live(chosen)
        for index in chosen:
            if index in live:
                yield Met(live[index], counts[index], root, further.way(index, live), Whose.ITSELF)

    def _unreached(self, walk: HolderWalk, further: HolderWalk, roots: Roots) -> Iterator[Met]:
        """Yield what gc knows to refer to it besides: no root reaches those."""
        known = {one.addresses[index] for one in (walk, further) for index in one.held}
        known.update(id(root.target) for root in (*roots.first, *roots.then))
        known.update(map(id, (self, walk, further, walk.wanted, walk.roots, further.roots)))
        kinds = KindsByIdentity()
        for found in gc.get_referrers(self.subject)[:_MOST_UNREACHED]:
            if id(found) in known or type(found) is types.FrameType or kinds[type(found)] == OWN:
                continue
            times = sum(ref is self.subject for ref in gc.get_referents(found))
            yield Met(found, times, None, [found], Whose.UNREACHED)

    def _seen(self, met: Sequence[Met]) -> int:
        """Count the references that holders explain; copies of locals and variables stand for what they are of."""
        has_cell = any(type(found.holder) is types.CellType for found in met)
        has_context = any("hamt" in type_name(type(found.holder)) for found in met)
        total = 0
        for found in met:
            if found.root is None or found.holder is not found.root.target or not found.root.is_copy:
                total += found.references
            elif found.root.kind == "frame":
                total += self._of_frame(found.root, has_cell=has_cell)
            else:
                total += 0 if has_context and found.root.kind == "context" else found.references
        return total

    def _of_frame(self, root: Root, *, has_cell: bool) -> int:
        """Count the references of a frame: a variable that an inner function uses lies in a cell, which they share."""
        code = root.code
        shared = (*code.co_cellvars, *code.co_freevars) if code is not None else ()
        names = [name for name, held in dict.items(root.target) if held is self.subject]
        own = sum(name not in shared for name in names)
        return own + int(len(names) > own and not has_cell)

    # -- how it is told ----------------------------------------------------------------------------

    def _named(self, met: Sequence[Met], asker: Asker) -> Iterator[Holder]:
        for number, found in enumerate(met):
            yield self._told(found, asker, is_quiet=number >= _MOST_UNREACHED)

    def _told(self, found: Met, asker: Asker, *, is_quiet: bool) -> Holder:
        if found.root is None:
            return _told_unreached(found)
        named = name_way([*found.way, self.subject], found.root, is_quiet=is_quiet)
        whose = found.whose
        if whose is Whose.PROGRAM:
            first = named.steps[1].label if len(named.steps) > 1 else ""
            whose = asker.claims(found.holder, named.type, found.root, first) or Whose.PROGRAM
        is_prompts = whose is Whose.SESSION
        return Holder(
            name=named.name,
            label=named.label,
            type=named.type,
            steps=named.steps,
            length=length_of(named.holder) if named.holder is not None and is_container(named.holder) else None,
            references=found.references,
            distance=len(found.way),
            whose=whose,
            said=asker.says(found.holder, self.subject, f"{named.name}{named.label}") if is_prompts else "",
        )

    def _notes(self, walk: HolderWalk, further: HolderWalk) -> Iterator[str]:
        if walk.budget.spent is not None:
            yield f"{walk.budget.spent}: there may be more holders"
        if len(set(walk.held)) > _MOST_HOLDERS:
            yield f"only the first {_MOST_HOLDERS:,} holders are named"
        yield from dict.fromkeys([*walk.kinds.failures.values(), *further.kinds.failures.values()])


def _told_unreached(found: Met) -> Holder:
    kind = describe_type(found.holder)
    steps = (Step("no root reaches it", "native"), Step(f" {kind}", type_name(type(found.holder))))
    return Holder(f"a {kind} that no root reaches", "", kind, steps, None, found.references, 1, Whose.UNREACHED)


def _rank(holder: Holder) -> tuple[int, int, str]:
    return _ORDER.index(holder.whose), holder.distance, holder.where


def _count_of(walk: HolderWalk) -> int:
    return len(set(walk.held))


def _alone(holders: Sequence[Holder], reached: int) -> Iterator[Holder]:
    """Mark the one holder that a root reaches, besides whoever asks, where there is but one."""
    asking = sum(holder.whose in ASKING for holder in holders)
    for holder in holders:
        is_alone = holder.whose is Whose.PROGRAM and reached - asking == 1
        yield attrs.evolve(holder, is_alone=is_alone) if is_alone else holder


def _without(roots: Roots, subject: Any) -> Roots:
    """Leave out a root that is asked about itself: what it holds is reached through it then."""
    kept = (tuple(root for root in part if root.target is not subject) for part in (roots.first, roots.then))
    return Roots(*kept)


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
    if references < _IMMORTAL:
        return ""
    if derives(cls, type):
        return "it is immortal: a class of C code, which the interpreter never frees nor counts references to"
    return "it is immortal: the interpreter never frees it, nor counts references to it"


def is_interned(subject: Any) -> bool:
    """Tell whether a text is in the interpreter's table of names; False where it cannot be asked."""
    asked = getattr(sys, "_is_interned", None)
    return type(subject) is str and asked is not None and bool(asked(subject))


__all__ = ["Named", "is_interned", "read_object"]
