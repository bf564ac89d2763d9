"""The live holders of one object: those that a root reaches, those reached through it, and what gc knows besides."""

from __future__ import annotations

import gc
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import attrs

from leakdiff.capture.alive_hidden import CONSTANTS
from leakdiff.capture.alive_walk import HolderWalk, walk_further
from leakdiff.capture.frames import running_frames
from leakdiff.capture.kinds import OWN, KindsByIdentity, derives, dict_of_type, type_name
from leakdiff.capture.naming import is_running, suspended_code
from leakdiff.capture.roots import Root, Roots, own_parts
from leakdiff.capture.walk import Budget, Pacer
from leakdiff.model.alive import Whose

MOST_HOLDERS = 1_000  # that are looked at one by one
MOST_OBJECTS = 50_000_000
IMMORTAL = 1 << 30  # references from which on the interpreter does not count
REST = 0.0005  # seconds of rest after 2 ms of work
_MOST_UNREACHED = 100
_MOST_REFERRERS = 100_000
_ITSELF = "itself"
_globals_of: Any = types.FunctionType.__dict__["__globals__"].__get__


@attrs.define(eq=False)
class Met:
    """A live holder; must not outlive the answer.

    Attributes:
        holder: The object that refers to the subject; a copy of a frame's locals stands for the frame.
        references: How often it does.
        root: Where the path to it starts; None where no root reaches it.
        way: The live objects from the root's target to it.
        whose: Whose it is, as far as the walk can tell.
        running: References that the generator or coroutine tells gc of whose frame this is.
    """

    holder: Any
    references: int
    root: Root | None
    way: list[Any]
    whose: Whose
    running: int = 0

    @property
    def is_frame(self) -> bool:
        """Whether it stands for the frame of a function that runs."""
        return self.root is not None and self.root.kind == "frame" and self.holder is self.root.target


@attrs.define(eq=False)
class Holding:
    """Who refers to an object; must not outlive the answer.

    Attributes:
        subject: The object.
        references: References to it, leakdiff's own left out.
        roots: Where the walk starts; a root that is the object itself is left out.
        walk: What was reached without passing the object.
        further: What was reached through it only.
        met: The holders that were looked at, those of a root first, in the order in which they were reached.
        seen: References that holders explain, those that were not looked at among them.
        same: How many holders stand for another one: what runs as a generator or coroutine, and its frame.
    """

    subject: Any
    references: int
    roots: Roots
    walk: HolderWalk
    further: HolderWalk
    met: list[Met] = attrs.field(factory=list)
    seen: int = 0
    same: int = 0

    @property
    def reached(self) -> int:
        """How many holders a root reaches without passing the object, those that were not looked at among them."""
        return len(set(self.walk.held)) - self.same

    @property
    def stopped(self) -> str:
        """What stopped the walks before they had seen all; empty where they came to their end."""
        return self.walk.budget.spent or ""

    @property
    def is_counted(self) -> bool:
        """Whether the interpreter counts the references to the object."""
        return self.references < IMMORTAL

    @property
    def held(self) -> int:
        """How many holders there are."""
        stray = sum(found.whose is Whose.UNREACHED for found in self.met)
        return self.reached + len(set(self.further.held)) + stray

    @property
    def instances(self) -> int:
        """References of instances, where the object is their class."""
        return self.walk.instances_of + self.further.instances_of

    def look(self) -> None:
        """Find the live holders, and count the references that they explain."""
        self.met = self._once([*self._reached(), *self._through_itself()])
        self.seen = self._explained()
        if self.is_counted and self.seen + self.instances < self.references and not self.stopped:
            unreached, ours = self._unreached(self._known(), _own_addresses())
            self.references -= ours
            self.seen += sum(found.references for found in unreached)
            self.met += unreached

    def _reached(self) -> Iterator[Met]:
        """Yield the holders that a root reaches without passing the object, those nearest to a root first."""
        walk = self.walk
        counts = Counter(walk.held)
        chosen = [index for at, index in enumerate(counts) if at < MOST_HOLDERS or walk.is_copy(index)]
        live = walk.live(chosen)
        for index in chosen:
            if index in live:
                root = self.roots[walk.chain(index)[0]]
                yield Met(live[index], counts[index], root, walk.way(index, live), Whose.PROGRAM)

    def _through_itself(self) -> Iterator[Met]:
        """Yield the holders that are reached through the object only."""
        root = Root("object", _ITSELF, self.subject)
        counts = Counter(self.further.held)
        chosen = list(counts)[:MOST_HOLDERS]
        live = self.further.live(chosen)
        for index in chosen:
            if index in live:
                yield Met(live[index], counts[index], root, self.further.way(index, live), Whose.ITSELF)

    def _once(self, met: list[Met]) -> list[Met]:
        """Leave out what runs as a generator or coroutine where its frame is among the holders: its locals are those.

        Only a value that the function has not named is told by the former alone.
        """
        kept, frames = [], [found for found in met if found.is_frame]
        for found in met:
            code = suspended_code(found.holder) if is_running(found.holder) else None
            frame = next((one for one in frames if code is not None and _code_of(one) is code), None)
            if frame is None:
                kept.append(found)
            else:
                frames.remove(frame)
                frame.running = found.references
                self.same += found.whose is Whose.PROGRAM
        return kept

    def _unreached(self, known: AbstractSet[int], own: AbstractSet[int]) -> tuple[list[Met], int]:
        """Return what gc knows to refer to it besides, which no root reaches, and how many references are leakdiff's.

        Args:
            known: Addresses of what was reached, and of what was made to look.
            own: Addresses of namespaces and classes of leakdiff.
        """
        found, ours, kinds = [], 0, KindsByIdentity()
        for holder in gc.get_referrers(self.subject)[:_MOST_REFERRERS]:
            times = sum(ref is self.subject for ref in gc.get_referents(holder))
            if id(holder) in known:
                continue
            if id(holder) in own:
                ours += times
            elif kinds[type(holder)] != OWN and type(holder) is not self.subject:
                found.append(Met(holder, times, None, [holder], Whose.UNREACHED))
        return found[:_MOST_UNREACHED], ours

    def _known(self) -> set[int]:
        """Return the addresses of the holders that were reached, and of what was made to look for them."""
        walks = (self.walk, self.further)
        known = {walk.addresses[index] for walk in walks for index in walk.held}
        known.update(id(made) for walk in walks for made in walk.makings())
        known.update(id(root.target) for root in (*self.roots.first, *self.roots.then))
        known.update(id(found.way) for found in self.met)
        return known

    def _explained(self) -> int:
        """Count the references that holders explain; copies of locals and variables stand for what they are of."""
        has_context = any("hamt" in type_name(type(found.holder)) for found in self.met)
        total = self._not_looked_at()
        for found in self.met:
            if found.is_frame:
                total += max(len(self._names(found)), found.running)
            elif found.root is None or found.holder is not found.root.target or found.root.kind != "context":
                total += found.references
            else:
                total += 0 if has_context else found.references
        return total + (0 if any(type(found.holder) is types.CellType for found in self.met) else self._in_cells())

    def _not_looked_at(self) -> int:
        """Count the references of holders that were seen, but are too many to be looked at one by one."""
        counts = [Counter(walk.held) for walk in (self.walk, self.further)]
        met = sum(found.references + found.running for found in self.met)
        return sum(sum(count.values()) for count in counts) - met

    def _in_cells(self) -> int:
        """Count the cells that hold the object and only frames lead to; a function shares those of the one around."""
        frames = [found for found in self.met if found.is_frame]
        made = [name for found in frames for name in self._names(found, "co_cellvars")]
        return len(made) + len({name for found in frames for name in self._names(found, "co_freevars")} - {*made})

    def _names(self, frame: Met, within: str = "") -> list[str]:
        """Return the variables of a frame that are the object: those in no cell, or those in cells of one kind."""
        code = _code_of(frame)
        names = [name for name, held in dict.items(frame.holder) if held is self.subject]
        if within:
            return [name for name in names if name in getattr(code, within, ())]
        return [name for name in names if code is None or name not in (*code.co_cellvars, *code.co_freevars)]


def hold(subject: Any, references: int, roots: Roots, seconds: float) -> Holding:
    """Walk from roots and find who refers to an object.

    Args:
        subject: The object.
        references: References to it, leakdiff's own left out.
        roots: Where to start.
        seconds: How long the walk may take.
    """
    roots = Roots(_without(roots.first, subject), _without(roots.then, subject))
    walk = HolderWalk(Budget(MOST_OBJECTS, seconds), pacer=Pacer(rest=REST), wanted=(type(subject),), subject=subject)
    walk.from_roots(*roots.targets(), avoid=own_parts())
    holding = Holding(subject, references, roots, walk, walk_further(walk))
    holding.look()
    return holding


def _code_of(found: Met) -> types.CodeType | None:
    return found.root.code if found.root is not None else None


def _without(roots: Sequence[Root], subject: Any) -> tuple[Root, ...]:
    """Leave out a root that is asked about itself: what it holds is reached through it then.

    A function of its own: a generator expression would put the object in a cell of the function around it, which is
    one more reference to it.
    """
    return tuple(root for root in roots if root.target is not subject)


def _own_addresses() -> set[int]:
    """Return the addresses of leakdiff's namespaces and classes, and of the globals that attrs gave their methods."""
    parts = own_parts()
    members = [member for part in parts if derives(type(part), type) for member in dict_of_type(part).values()]
    functions = [member for member in members if type(member) is types.FunctionType]
    return {*map(id, parts), *(id(_globals_of(function)) for function in functions)}


def running_code(subject: Any) -> tuple[Root, ...]:
    """Return roots for the code of running functions, which nothing else may lead to: it keeps constants and names."""
    if not any(type(subject) is constant for constant in CONSTANTS):
        return ()
    codes = {id(frame.f_code): frame.f_code for frame in running_frames()}
    return tuple(Root("interpreter", f"code of {code.co_qualname}()", [code]) for code in codes.values())
