"""The newest entries of an owner, as texts: none of the program's objects is kept."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from leakdiff.model.one_line import bounded, one_line
from leakdiff.model.showing import Showing
from leakdiff.model.shown import Shown

_LONGEST_NAME = 120


@attrs.frozen
class Peek:
    """What one object looks like, without having been asked.

    Attributes:
        type: Its qualified type name.
        text: Texts and numbers as they are, as far as 200 characters; of anything else its type, and how much it holds.
        parts: Names and texts of its first attributes, or keys and texts of its first members, one level down.
        more: How many of these are not shown.
    """

    type: str
    text: str
    parts: tuple[tuple[str, str], ...] = ()
    more: int = 0

    __repr__ = one_line

    def __str__(self) -> str:
        return self.text


@attrs.frozen
class Entry:
    """One entry of an owner: its key, where it has one, and its value."""

    key: Peek | None
    value: Peek

    __repr__ = one_line


@attrs.frozen
class Entries(Showing):
    """The newest entries of an owner, as they were when somebody looked.

    Attributes:
        owner: The owner's name.
        type: Its type.
        length: How many entries it holds.
        entries: The newest of them; any, where it keeps no order.
        containers: How many containers the path leads to; the others are of one of them, the largest.
    """

    owner: str
    type: str
    length: int
    entries: tuple[Entry, ...] = ()
    containers: int = 1

    def __repr__(self) -> str:
        return bounded(f"<Entries {len(self.entries):,} of {self.length:,} in {self.where}>")

    @property
    def where(self) -> str:
        """The container that was looked into: the owner, or one of those that its path leads to."""
        owner = bounded(self.owner, _LONGEST_NAME)
        return owner if self.containers == 1 else f"one of {self.containers:,} containers {owner}"

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, at: int) -> Entry:
        return self.entries[at]

    def __str__(self) -> str:
        return self.text()

    def why(self) -> Shown:
        """Return them as text that shows itself at a prompt."""
        return Shown(self.text())

    def text(self) -> str:
        """Return them as text: a line for each entry, and one for each of its attributes or members."""
        from leakdiff.render.sheets import sheets_of, sheets_text

        return sheets_text(sheets_of(self))
