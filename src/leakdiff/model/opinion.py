"""What objgraph, pympler and guppy3 saw of the same work, and how it compares with a report; names and numbers only."""

from __future__ import annotations

import enum
import functools
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Self

import attrs

from leakdiff.model.one_line import bounded, one_line
from leakdiff.model.showing import Showing
from leakdiff.model.shown import Shown


class Stance(enum.StrEnum):
    """How a peer's answer compares with ours."""

    AGREES = "agrees"
    BLIND = "blind"  # it saw nothing of what grows
    DIFFERS = "differs"
    ABSENT = "absent"  # it could not be asked


@attrs.frozen
class TypeSeen:
    """One type that a peer saw grow.

    Attributes:
        name: Its name, as the peer has it.
        per_unit: Objects per unit of work.
        bytes: Bytes per unit; 0 where the peer does not count them.
    """

    name: str
    per_unit: float
    bytes: float = 0.0

    __repr__ = one_line


@attrs.frozen
class Sighting:
    """What one peer saw.

    Attributes:
        peer: Its name.
        version: Its version; empty where it is not installed.
        types: Types it saw grow, most first.
        cannot_see: What it cannot see, in a few words.
        cpu_seconds: CPU seconds of its own work on the one interval, without warming up and without the step.
        absent: Why it could not be asked, in a sentence; empty where it was.
    """

    peer: str
    version: str = ""
    types: tuple[TypeSeen, ...] = ()
    cannot_see: str = ""
    cpu_seconds: float = 0.0
    absent: str = ""

    __repr__ = one_line


@attrs.frozen
class PeerOpinion:
    """What one peer saw, and how it compares with the report."""

    sighting: Sighting
    stance: Stance
    because: str

    __repr__ = one_line


@attrs.frozen
class SecondOpinion(Showing):
    """What the peers say of the same work.

    Attributes:
        opinions: One for each peer.
        units: Units of work that each of them was shown.
        verdict: The verdict of the report they are compared with.
        unit: What the rates count by.
    """

    opinions: tuple[PeerOpinion, ...]
    units: int
    verdict: str
    unit: str = "unit"

    def __repr__(self) -> str:
        stances = ", ".join(f"{each.sighting.peer} {each.stance}" for each in self.opinions)
        return bounded(f"<SecondOpinion on {self.verdict}: {stances or 'nobody was asked'}, {self.units:,} units>")

    def __iter__(self) -> Iterator[PeerOpinion]:
        return iter(self.opinions)

    def __str__(self) -> str:
        return self.text()

    def why(self) -> Shown:
        """Return it as text that shows itself at a prompt."""
        return Shown(self.text())

    def text(self) -> str:
        """Return a table with a line for each peer, and under it what none of them can say."""
        from leakdiff.render.opinions import render_opinion

        return render_opinion(self)


Call = Callable[..., Any]


class WeakWork:
    """Where a report finds the work it is about, as long as somebody else keeps it: it keeps nothing alive.

    Functions and bound methods are referred to weakly; of anything else only that it was there is remembered.
    Copies refer to the same work, pickles and ``==`` to none.
    """

    __slots__ = ("_roles",)

    def __init__(self, step: Call | None = None, setup: Call | None = None, teardown: Call | None = None) -> None:
        named = (("step", step), ("setup", setup), ("teardown", teardown))
        self._roles = {role: _weak(call) for role, call in named if call is not None}

    def __repr__(self) -> str:
        return "<WeakWork>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()

    def missing(self) -> str:
        """Return the first of step, setup and teardown that cannot be found any more, or an empty text."""
        if "step" not in self._roles:
            return "step"
        return next((role for role in self._roles if self.find(role) is None), "")

    def find(self, role: str) -> Call | None:
        """Return the step, setup or teardown, if it was given and is still there."""
        reference = self._roles.get(role)
        return None if reference is None else reference()


def _weak(call: Call) -> Callable[[], Call | None]:
    if type(call) is functools.partial and not call.args and not call.keywords:  # of a decorated function
        return _weak(call.func)
    if type(call) is types.FunctionType:
        return weakref.ref(call)
    if type(call) is types.MethodType:
        try:
            return weakref.WeakMethod(call)
        except TypeError:  # of an object with slots and none for weak references
            return _nothing
    return _nothing


def _nothing() -> None:
    return None
