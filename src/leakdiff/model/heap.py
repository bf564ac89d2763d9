"""The heap around what is new, in flat arrays: what capture hands to ownership."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import attrs

from leakdiff.model.one_line import bounded, one_line

_LONGEST_FILE = 100
_LONGEST_LABEL = 100
OLD = 0  # the birth of what was there before the first deep round


@attrs.frozen
class Site:
    """A line of code that allocated something: file, line, function, and the line's text where it can be read."""

    file: str
    line: int
    function: str = ""
    code: str = ""

    def __repr__(self) -> str:
        where = f" in {self.function}" if self.function else ""
        return bounded(f"<Site {self.file[-_LONGEST_FILE:]}:{self.line}{where}>")


@attrs.frozen
class Step:
    """One step of a path: how the object is reached from the one before it, and its type."""

    label: str
    type: str

    def __repr__(self) -> str:
        return bounded(f"<Step {bounded(self.label, _LONGEST_LABEL)}: {self.type}>")


@attrs.frozen
class Bound:
    """A limit that will stop a container's growth.

    Attributes:
        kind: What sets it: ``lru_cache``, ``deque``, ``queue`` or the name of an attribute.
        limit: Entries at most.
        filled: Entries now.
    """

    kind: str
    limit: int
    filled: int

    __repr__ = one_line


@attrs.frozen
class HeapGraph:
    """New objects, the old ones that hold them, and every edge between them.

    A node is an index. The first ``holders`` nodes are old objects that gained something; the rest are new,
    or old but reachable only through new ones (birth ``OLD``).

    Attributes:
        rounds: Deep rounds; the birth of a new object is a number from 1 to it.
        units: Units of work in all deep rounds together.
        holders: How many of the nodes are old.
        type_names: The names that ``types`` indexes.
        types: Type index by node.
        sizes: Shallow bytes by node, with those of the atoms only it refers to.
        births: Round in which a node was born, or ``OLD``.
        grown: Entries a holder gained over the deep rounds (negative when it shrank); 0 for new nodes.
        buffers: Bytes a holder's buffers gained over the deep rounds; for new nodes, bytes of their buffers.
        entries: References a node holds now.
        containers: For holders, whether they hold entries rather than named attributes.
        lost: For holders, the entries and bytes that large containers below them held before and that are gone:
            what replaced them must hold more to count as growth.
        floor: Entries below which it is not known how many a holder had before; ``grown`` is 0 then.
        groups: For holders, the number of a group of alike holders under one parent.
        inside: For holders that gc does not track, and that may thus be new, the nearest holder above on the path;
            else -1.
        sources: Edge sources, aligned with ``targets``.
        targets: Edge targets.
        atom_types: Type names of atoms (str, bytes, int, ...), which ``atoms`` indexes.
        atoms: ``(node, atom type, count)`` of atoms that only new objects refer to.
        orphans: New nodes that no root reaches, each with the references to it that nothing visible explains.
        left_out: What was not looked at, in sentences.
    """

    rounds: int
    units: int
    holders: int
    type_names: Sequence[str]
    types: Sequence[int]
    sizes: Sequence[int]
    births: Sequence[int]
    grown: Sequence[int]
    buffers: Sequence[int]
    entries: Sequence[int]
    containers: Sequence[int]
    lost: Sequence[tuple[int, int]]
    floor: int
    groups: Sequence[int]
    inside: Sequence[int]
    sources: Sequence[int] = attrs.field(factory=lambda: array("i"))
    targets: Sequence[int] = attrs.field(factory=lambda: array("i"))
    atom_types: Sequence[str] = ()
    atoms: Sequence[tuple[int, int, int]] = ()
    orphans: Sequence[tuple[int, int]] = ()
    left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<HeapGraph {self.holders:,} holders, {len(self.types) - self.holders:,} new objects>"

    def type_of(self, node: int) -> str:
        """Return the type name of a node."""
        return self.type_names[self.types[node]]
