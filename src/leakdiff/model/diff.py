"""What changed between two snapshots."""

from __future__ import annotations

from typing import Self

import attrs

from leakdiff.model.heap import Bound
from leakdiff.model.named import Named
from leakdiff.model.one_line import bounded, one_line
from leakdiff.model.showing import Showing
from leakdiff.model.shown import Shown
from leakdiff.model.snapshot import Identity, Moment


@attrs.frozen
class Change:
    """One line of a diff: what there was of something before and after.

    Attributes:
        name: A type, a path, a line, a resource or a kind of memory.
        before: How many before: objects, entries, blocks; for memory, bytes.
        after: How many after.
        bytes_before: Their bytes before.
        bytes_after: Their bytes after.
    """

    name: str
    before: int
    after: int
    bytes_before: int = 0
    bytes_after: int = 0

    __repr__ = one_line

    @property
    def gained(self) -> int:
        """How many more there are."""
        return self.after - self.before

    @property
    def gained_bytes(self) -> int:
        """How many more bytes they are."""
        return self.bytes_after - self.bytes_before


class Changes(Named[Change]):
    """Changes of one kind, the largest gain first; what did not change is not among them.

    One is taken out by its number or its name: ``diff.owners["app.matching._inflight"]``.
    """

    one = "change"

    def growing(self) -> Self:
        """Return those that gained in number, or in bytes and not less in number."""
        grown = (change for change in self if change.gained > 0 or (change.gained == 0 < change.gained_bytes))
        return type(self)(grown, self.note)

    @property
    def gained(self) -> int:
        """How many more there are in all."""
        return sum(change.gained for change in self)

    @property
    def gained_bytes(self) -> int:
        """How many more bytes in all."""
        return sum(change.gained_bytes for change in self)

    def _short(self, value: Change) -> str:
        return f"{super()._short(value)} {value.gained:+,}"


@attrs.frozen
class Side:
    """Which snapshot."""

    taken: Moment
    identity: Identity
    label: str | None = None

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Diff(Showing):
    """What changed between two snapshots.

    Attributes:
        before: The earlier side.
        after: The later side.
        seconds: Time between them.
        units: Units of work between them, where both counted them and are of one process.
        types: By type: objects and shallow bytes.
        owners: By path: entries and retained estimate.
        sites: By allocation line: blocks and bytes.
        resources: By kind and name, such as ``tasks fetch() at app.py:12``.
        memory: The resident set by kind (``python objects``, ``native heap``, ``shared``, ``fragmentation and other``);
            the gains add up to the gain of the resident set.
        totals: Whole signals: resident set, blocks, native heap, container usage, page cache and so on.
        bounds: Limit by path, of owners that have one.
        incomparable: What cannot be compared, in sentences.
    """

    before: Side
    after: Side
    seconds: float = 0.0
    units: int | None = None
    types: Changes = attrs.field(factory=Changes)
    owners: Changes = attrs.field(factory=Changes)
    sites: Changes = attrs.field(factory=Changes)
    resources: Changes = attrs.field(factory=Changes)
    memory: Changes = attrs.field(factory=Changes)
    totals: Changes = attrs.field(factory=Changes)
    bounds: dict[str, Bound] = attrs.field(factory=dict)
    incomparable: tuple[str, ...] = ()

    def __repr__(self) -> str:
        from leakdiff.render.plain import size

        grown = len(self.owners.growing())
        return bounded(f"<Diff {grown} owners grew, heap {size(self.types.gained_bytes)} in {self.seconds:,.0f} s>")

    def __str__(self) -> str:
        return self.text().partition("\n")[0]

    @property
    def grew(self) -> bool:
        """Whether an owner gained entries, or all objects together bytes, or all resources together a number."""
        owners = any(change.gained > 0 for change in self.owners)
        return owners or self.types.gained_bytes > 0 or self.resources.gained > 0

    def why(self) -> Shown:
        """Return the diff as text that shows itself at a prompt."""
        return Shown(self.text())

    def text(self) -> str:
        """Return the diff as text for a reader."""
        from leakdiff.render.snapshots import diff_text

        return diff_text(self)
