"""All that a check found out, before anyone judges it."""

from __future__ import annotations

import attrs

from leakdiff.model.code import Code
from leakdiff.model.heap import Site
from leakdiff.model.native import NativeEvidence
from leakdiff.model.one_line import one_line
from leakdiff.model.owner import Accumulation, Owner
from leakdiff.model.series import Growth, Series
from leakdiff.model.signals import Round


@attrs.frozen
class Suspect:
    """An accumulation with its owner's name and how the owner's length went on afterwards.

    Attributes:
        found: The accumulation.
        owner: Its owner.
        lengths: The owner's length before the first and after each watched round; empty if not watched.
        units: Units of work in each watched round.
        rate: What it gained per unit in the deep rounds, in entries or, for buffers, in bytes.
        code: What the source says of its owner, where that was read.
        references: For what no root reaches, its reference count and what of that is visible, in a sentence.
    """

    found: Accumulation
    owner: Owner
    lengths: tuple[int, ...] = ()
    units: tuple[float, ...] = ()
    rate: float = 0.0
    code: Code | None = None
    references: str = ""

    __repr__ = one_line

    @property
    def series(self) -> Series:
        """What the owner gained in each watched round."""
        gains = tuple(after - before for before, after in zip(self.lengths, self.lengths[1:], strict=False))
        return Series(gains, self.units[: len(gains)])

    @property
    def is_buffer(self) -> bool:
        """Whether its length is counted in bytes."""
        return bool(self.found.buffer_bytes) and not self.found.entries


@attrs.frozen
class Survivor:
    """A line whose allocations stay: blocks and bytes per unit that tracemalloc still sees."""

    sites: tuple[Site, ...]
    blocks: float
    bytes: float

    __repr__ = one_line


@attrs.frozen
class Evidence:
    """What was measured and found.

    Attributes:
        marked: Rounds of the cheap tier.
        confirming: Rounds without a mark.
        suspected: Signals that may grow, judged by the cheap tier.
        growing: Those that also grow without a mark.
        watched: Totals of the rounds after the deep ones, under a mark.
        deep_units: Units of work in the deep rounds, 0 if there were none.
        is_whole: Whether the walk reached everything it wanted to; if not, the rest may hold what grows.
        suspects: Accumulations with their owners.
        survivors: Lines whose allocations stay, for growth without an owner.
        native: For growth without an owner, the C functions behind it and how to see it again.
        idle_share: What grew while no unit was running, as a share of what a round of the same duration grew.
        collector_is_off: Whether gc is disabled and, in many rounds, nobody but us collected what they left.
        interrupted: Where Ctrl-C stopped the check.
    """

    marked: tuple[Round, ...] = ()
    confirming: tuple[Round, ...] = ()
    suspected: tuple[Growth, ...] = ()
    growing: tuple[Growth, ...] = ()
    watched: tuple[Round, ...] = ()
    deep_units: float = 0
    is_whole: bool = True
    suspects: tuple[Suspect, ...] = ()
    survivors: tuple[Survivor, ...] = ()
    native: NativeEvidence | None = None
    idle_share: float = 0.0
    collector_is_off: bool = False
    interrupted: str | None = None

    __repr__ = one_line

    @property
    def rounds(self) -> tuple[Round, ...]:
        """All measured rounds."""
        return (*self.marked, *self.confirming, *self.watched)
