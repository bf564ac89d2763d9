"""Who holds what grows: an accumulation found in the graph, and the owner it gets a name from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from leakdiff.model.code import Home
from leakdiff.model.heap import Bound, Site, Step
from leakdiff.model.one_line import one_line

ORPHANS = "held by C code"
LIBRARIES = ("attr", "attrs", "guppy", "networkx", "objgraph", "psutil", "pympler")  # that leakdiff itself imports
AT_EXIT = "atexit callbacks"  # the interpreter holds them, and tells only how many there are


@attrs.frozen
class Accumulation:
    """A place in the heap graph under which new objects pile up, round after round.

    Attributes:
        path: Nodes from a holder down to the accumulation point (one node if the holder is it).
        members: Holder nodes alike under one parent, which count as one owner.
        reached: New nodes under it.
        entries: Entries it gained, over all deep rounds, all members together.
        buffer_bytes: Bytes its buffers gained.
        objects: New objects it reaches, atoms included.
        bytes: Their shallow bytes together, with the buffers.
        retained: Bytes that only it holds (its dominator subtree).
        share: Its bytes, those of objects that several owners reach being shared out among them.
        sharers: Positions, in the list it comes in, of others that reach half of what it reaches or more.
        types: Objects by type name.
        tail: Nodes from the accumulation point down to the most numerous new type.
        orphan: Whether no root reaches it.
        cyclic: For orphans, whether they hold each other in a cycle.
        unexplained: For orphans, references to the topmost that nothing visible explains.
        graph: What lies above and under it, as a networkx graph of type names and counts.
    """

    path: tuple[int, ...]
    members: tuple[int, ...]
    reached: frozenset[int]
    entries: int
    buffer_bytes: int
    objects: int
    bytes: int
    retained: int
    types: Mapping[str, int]
    tail: tuple[int, ...] = ()
    orphan: bool = False
    cyclic: bool = False
    unexplained: int = 0
    share: float = 0.0
    sharers: tuple[int, ...] = ()
    graph: Any = attrs.field(default=None, eq=False, repr=False)

    __repr__ = one_line


@attrs.frozen
class EntryType:
    """One type among an owner's keys and values.

    Attributes:
        name: Its qualified name.
        per_entry: How many an entry has on average.
        bytes: Mean shallow bytes.
    """

    name: str
    per_entry: float
    bytes: float

    __repr__ = one_line


@attrs.frozen
class Owner:
    """An owner by the name a person can edit.

    Attributes:
        kind: The kind of root the path starts at: ``module``, ``class``, ``frame`` and so on.
        name: The name, such as ``app.matching._inflight``; None where no owner exists.
        steps: The path from the root down to the growing object, as steps.
        depth: How many of the steps lead to the owner itself; the rest lead to the growing object.
        type: The owner's type.
        length: Entries it holds now.
        key_shape: What its keys look like.
        bound: What limits it.
        entry_types: Types of the keys and values of its newest entries.
        born: Allocation sites, most frequent first.
        waiting: Where one of the tasks, coroutines or generators among its new entries is suspended, outermost first.
        home: Where code that names it is to be looked for; None where no name leads to it.
    """

    kind: str
    name: str | None
    steps: tuple[Step, ...]
    depth: int
    type: str
    length: int = 0
    key_shape: str | None = None
    bound: Bound | None = None
    entry_types: tuple[EntryType, ...] = ()
    born: tuple[Site, ...] = ()
    sites_by_type: Mapping[str, Site] = attrs.field(factory=dict)
    waiting: tuple[Site, ...] = ()
    home: Home | None = None

    __repr__ = one_line

    @property
    def way(self) -> tuple[Step, ...]:
        """The steps from the root to the owner itself."""
        return self.steps[: self.depth]
