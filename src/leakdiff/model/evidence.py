"""All that a check found out, before anyone judges it."""

from __future__ import annotations

import attrs

from leakdiff.model.heap import Site
from leakdiff.model.owner import Accumulation, Owner
from leakdiff.model.series import Growth
from leakdiff.model.signals import Round


@attrs.frozen
class Suspect:
    """An accumulation with its owner's name and how the owner's length went on afterwards.

    Attributes:
        found: The accumulation.
        owner: Its owner.
        lengths: The owner's length before the first and after each watched round; empty if not watched.
        watched_units: Units of work between two of the lengths.
    """

    found: Accumulation
    owner: Owner
    lengths: tuple[int, ...] = ()
    watched_units: int = 0

    @property
    def gains(self) -> tuple[int, ...]:
        """What the owner gained in each watched round."""
        return tuple(after - before for before, after in zip(self.lengths, self.lengths[1:], strict=False))

    @property
    def goes_on(self) -> bool:
        """Whether it has an owner that was not seen to stop growing."""
        return not self.found.orphan and (not self.gains or any(gain > 0 for gain in self.gains[-2:]))


@attrs.frozen
class Survivor:
    """A line whose allocations stay: blocks and bytes per unit that tracemalloc still sees."""

    sites: tuple[Site, ...]
    blocks: float
    bytes: float


@attrs.frozen
class Evidence:
    """What was measured and found.

    Attributes:
        marked: Rounds of the cheap tier.
        confirming: Rounds without a mark.
        suspected: Signals that may grow, judged by the cheap tier.
        growing: Those that also grow without a mark.
        deep_units: Units of work in the deep rounds, 0 if there were none.
        suspects: Accumulations with their owners.
        survivors: Lines whose allocations stay, for growth without an owner.
        idle_share: What grew while no unit was running, as a share of what a round of the same duration grew.
        interrupted: Where Ctrl-C stopped the check.
    """

    marked: tuple[Round, ...] = ()
    confirming: tuple[Round, ...] = ()
    suspected: tuple[Growth, ...] = ()
    growing: tuple[Growth, ...] = ()
    deep_units: int = 0
    suspects: tuple[Suspect, ...] = ()
    survivors: tuple[Survivor, ...] = ()
    idle_share: float = 0.0
    interrupted: str | None = None

    @property
    def rounds(self) -> tuple[Round, ...]:
        """All measured rounds."""
        return (*self.marked, *self.confirming)
