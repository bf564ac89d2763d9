"""Who holds something, by the name a person can edit, and the rows that say so."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from leakdiff.capture.gone import Held
from leakdiff.judge.outlived import outlived
from leakdiff.model.outlived import Outlived
from leakdiff.model.owner import Owner
from leakdiff.ownership.gains import find_gains
from leakdiff.testing.scene import Row

_MOST_OTHERS = 3
_WORKLOAD = "workload "
_LOCAL = " local "


@attrs.frozen
class Holder:
    """Who holds something, by name.

    Attributes:
        told: What is told of it.
        owner: The owner.
        is_runners: Whether it is a part of what the test runner keeps.
    """

    told: Outlived
    owner: Owner
    is_runners: bool

    @property
    def variable(self) -> str:
        """The name of the local variable that it is; empty if it is none."""
        label = self.owner.steps[self.owner.depth - 1].label
        return label.removeprefix(_LOCAL) if label.startswith(_LOCAL) else ""

    @property
    def name(self) -> str:
        """The name of the owner; of a local variable, with its function rather than with who holds that."""
        if not self.variable:
            return self.told.owner.removesuffix("[*]")
        first, above = self.owner.steps[0], self.owner.steps[self.owner.depth - 2]
        function = first.label if first.type == "frame" else above.type.rpartition(" ")[2]
        return f"the local {self.variable} of {function}"

    def rows(self) -> list[Row]:
        """Say who it is, and how it is reached."""
        return [("owner", self._owner()), ("path", self.told.path.removeprefix(_WORKLOAD))]

    def _owner(self) -> str:
        if not self.told.entries:
            return self.name
        entries = f"{self.owner.length:,} {plural('entry', self.owner.length)}"
        keys = f"         keys: {self.owner.key_shape}" if self.owner.key_shape else ""
        return f"{self.name}     {self.owner.type}, {entries}{keys}"


def holders_of(held: Held) -> list[Holder]:
    """Name the holders, the one that explains most first."""
    gains = find_gains(held.graph())
    owners = held.owners([gain.found for gain in gains])
    found = []
    for gain, owner in zip(gains, owners, strict=True):
        told = outlived([attrs.evolve(gain, also=())], [owner], [""])
        found += [Holder(item, owner, held.is_runners(gain.found.path[0])) for item in told]
    return found


def others(holders: Sequence[Holder]) -> list[Row]:
    """Say who else holds it, in a row, if anybody does."""
    names = [name for name in dict.fromkeys(holder.name for holder in holders) if name != holders[0].name]
    more = f" and {len(names) - _MOST_OTHERS} more" if len(names) > _MOST_OTHERS else ""
    return [("also", f"held by {', '.join(names[:_MOST_OTHERS])}{more}")] if names else []


def plural(word: str, count: int) -> str:
    """Return a word as it follows a number."""
    if count == 1:
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
