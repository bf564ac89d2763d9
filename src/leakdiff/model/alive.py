"""Who keeps an object, or the instances of a class, alive: names and numbers only, never the object."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from leakdiff.model.heap import Step
from leakdiff.model.named import Named
from leakdiff.model.one_line import bounded
from leakdiff.model.showing import Showing
from leakdiff.model.shown import Shown

if TYPE_CHECKING:
    import networkx as nx


class Whose(StrEnum):
    """Whose reference it is.

    Attributes:
        PROGRAM: The program's own: a root reaches the holder without passing the object.
        CALLER: The caller's: a local of the function that asks, or a variable of the module it asks from.
        SESSION: The prompt's: a name typed there, ``_``, ``Out[]``, the last exception.
        ITSELF: The holder is reached through the object only: a cycle, which does not keep it alive.
        UNREACHED: No root reaches the holder: garbage that was not collected yet, or what C code holds.
    """

    PROGRAM = "program"
    CALLER = "caller"
    SESSION = "session"
    ITSELF = "itself"
    UNREACHED = "unreached"


ENTRIES = ("[*]", " key", " entries")  # labels of what is in a container
ASKING = (Whose.CALLER, Whose.SESSION)  # they go with whoever asks


@attrs.frozen
class Holder:
    """An object that refers to the one that was asked about.

    Attributes:
        name: The holder by the name a person can edit, ``app.matching._inflight``.
        label: How it refers to the object: ``[*]``, ``.driver``, `` local r``, `` closure r``.
        type: The holder's type; ``module``, ``frame`` or another root where it is one.
        steps: The path from a root to the object: each edge, and the type it leads to.
        length: Entries the holder has; None for what has no entries.
        references: How often it refers to the object.
        distance: References from the root to the object, along the path.
        whose: Whose reference it is.
        is_alone: Whether it is known that nothing else keeps the object, whoever asks left aside.
        said: What else there is to say: of a prompt, what it calls the object.
    """

    name: str
    label: str
    type: str
    steps: tuple[Step, ...]
    length: int | None = None
    references: int = 1
    distance: int = 0
    whose: Whose = Whose.PROGRAM
    is_alone: bool = False
    said: str = ""

    @property
    def where(self) -> str:
        """Where the object is held: the holder, and how it refers to the object."""
        return f"{self.name}{self.label}"

    @property
    def owner(self) -> str:
        """What to look for in the code: the container, or the attribute or variable that holds the object itself."""
        return self.name if self.label in ENTRIES else self.where

    def __repr__(self) -> str:
        return bounded(f"<Holder {self.where}: {self.type}>")


@attrs.frozen
class InstanceOwner:
    """What holds instances of a class, by one path.

    Attributes:
        path: The owner's name, ``app.matching._inflight``.
        kind: What the path starts at: ``module``, ``class``, ``frame`` and so on.
        type: Its type.
        count: Instances it holds, itself or through other instances only.
        bytes: Their shallow bytes.
        share: Of all instances that are alive, 0 to 1.
        steps: The path from the root to an instance.
        unread: How many of them count here though their own path was not read: that of others of the same place and
            type was, as a sample.
    """

    path: str
    kind: str
    type: str
    count: int
    bytes: int
    share: float
    steps: tuple[Step, ...] = ()
    unread: int = 0

    def __repr__(self) -> str:
        return bounded(f"<InstanceOwner {self.count:,} in {self.path}>")


class InstanceOwners(Named[InstanceOwner]):
    """Owners of the instances of a class, those of most instances first: ``owners["app.jobs"]``.

    An instance that several hold counts for each.
    """

    one: ClassVar[str] = "owner"

    @staticmethod
    def names_of(value: Any) -> tuple[str, ...]:
        """Return its path."""
        return (value.path,)

    def why(self) -> Shown:
        """Return them as a table that shows itself at a prompt."""
        from leakdiff.render.alive import owners_text

        return Shown(owners_text(self))


class Holders(Named[Holder]):
    """Holders of an object: the program's first, the nearest to a root first; by ``where`` they hold it."""

    one: ClassVar[str] = "holder"

    @staticmethod
    def names_of(value: Any) -> tuple[str, ...]:
        """Return where it holds the object, and what it is called itself."""
        return value.where, value.name

    def why(self) -> Shown:
        """Return them as a table that shows itself at a prompt."""
        from leakdiff.render.alive import holders_text

        return Shown(holders_text(self))


@attrs.frozen(kw_only=True)
class Alive(Showing):
    """Who keeps one object alive, or all instances of a class.

    Attributes:
        type: The object's type, a class or function with its name; of instances, their class.
        of_class: Whether it is about all instances of a class.
        count: Instances that are alive; 1 for an object.
        bytes: Shallow bytes, of all together.
        holders: The direct holders of the object, the program's first; empty for instances.
        held: How many holders there are, also where not all of them are listed.
        owners: Who holds the instances, by path; empty for an object.
        several: Instances that more than one of the owners holds.
        stray: Instances that no root reaches: garbage that was not collected yet, or what C code holds.
        references: References to the object, leakdiff's own left out; None where the interpreter does not count.
        seen: Of them, how many belong to a holder that was found.
        instances: Of them, how many are those of its instances, where the object is a class.
        permanent: Why the interpreter never frees it, or empty.
        walked: Objects that were walked.
        stopped: What stopped the walk before it had seen all, in a sentence; empty where it came to its end.
        notes: What was not looked at, in sentences.
    """

    type: str
    of_class: bool = False
    count: int = 1
    bytes: int = 0
    holders: Holders = attrs.field(factory=Holders, converter=Holders)
    held: int = 0
    owners: InstanceOwners = attrs.field(factory=InstanceOwners)
    several: int = 0
    stray: int = 0
    references: int | None = None
    seen: int = 0
    instances: int = 0
    permanent: str = ""
    walked: int = 0
    stopped: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        from leakdiff.render.alive import alive_line

        return bounded(f"<Alive {alive_line(self)}>")

    def __str__(self) -> str:
        return self.text().partition("\n")[0]

    @property
    def unexplained(self) -> int:
        """References that no holder explains: of C code, the interpreter, or a value that a function has not named.

        Where the walk was stopped, also of what it did not come to.
        """
        return 0 if self.references is None else max(0, self.references - self.seen - self.instances)

    @property
    def programs(self) -> int:
        """How many holders are the program's own, those that are not listed among them."""
        return self.held - sum(holder.whose is not Whose.PROGRAM for holder in self.holders)

    @property
    def is_whole(self) -> bool:
        """Whether nothing else keeps the object than holders that a root reaches, and all was looked at."""
        stray = any(holder.whose is Whose.UNREACHED for holder in self.holders)
        return not (self.unexplained or self.instances or stray or self.permanent or self.stopped or self.notes)

    @property
    def path(self) -> tuple[Step, ...]:
        """The way from a root to the object, or to an instance: that of the first holder; empty without one."""
        first = (*self.holders, *self.owners)[:1]
        return first[0].steps if first else ()

    @property
    def graph(self) -> nx.DiGraph[str]:
        """The paths of all holders together: names with ``kind`` and ``said``, edges with ``label``."""
        from leakdiff.alive import graph_of

        return graph_of(self)

    def text(self) -> str:
        """Return all of it as text, row by row."""
        from leakdiff.render.alive import alive_text

        return alive_text(self)

    def why(self) -> Shown:
        """Return all of it as text that shows itself at a prompt."""
        return Shown(self.text())

    def draw(self, style: str = "tree") -> Shown:
        """Return a picture of the paths.

        Args:
            style: ``tree`` or ``ascii`` for text; ``dot``, ``mermaid``, ``svg``.

        Raises:
            BadOption: If there is no such style.
            NothingToDraw: If nothing holds it, or a program that draws is not there.
        """
        from leakdiff.drawing import draw_graph

        return draw_graph(self.graph, style)
