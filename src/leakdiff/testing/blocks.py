"""A block that runs once and should leave nothing behind."""

from __future__ import annotations

import time
from collections.abc import Mapping

from leakdiff.capture.gone import BlockMark
from leakdiff.capture.walk import Budget
from leakdiff.errors import LeakdiffError
from leakdiff.model.verdict import Verdict
from leakdiff.testing.demands import Demands
from leakdiff.testing.holders import Holder, holders_of
from leakdiff.testing.scene import Block, Scene
from leakdiff.testing.verdict import refuse_error

_MOST_TYPES = 5
_UNKNOWN = "what was born in this block may be held where nobody looked"


class NoGrowth:
    """A block that should leave nothing behind.

    Attributes:
        demands: What is asked of it.
        is_repeated: Whether a loop in it has repeated a part of it, and was judged.
    """

    def __init__(self, scene: Scene, demands: Demands) -> None:
        self._scene, self.demands = scene, demands
        self._mark = BlockMark()
        self.is_repeated = False

    def begin(self) -> None:
        """Set the mark."""
        self._mark.set()

    def hand_over(self) -> None:
        """Take the mark away: a loop in the block judges what it repeats."""
        self.is_repeated = True
        self._mark.lift()

    def end(self, *, is_well: bool) -> None:
        """Take the mark away and, where the block ended well, fail the test by what outlived it.

        Raises:
            Failed: If anything did.
        """
        __tracebackhide__ = True
        started = time.thread_time()
        budget = self._scene.budget(self.demands.options)
        try:
            births = self._mark.births() if is_well and not self.is_repeated else {}
            blocks = self._blocks(births, budget) if births else []
        except LeakdiffError as error:
            refuse_error(error)
        finally:
            self._mark.lift()
        if is_well and not self.is_repeated:
            self._conclude(blocks, budget.spent, time.thread_time() - started)

    def _blocks(self, births: Mapping[int, int], budget: Budget) -> list[Block]:
        held = self._mark.held(births, budget, self._scene.workload())
        if held is None:
            return []
        holders = [holder for holder in holders_of(held) if self._counts(holder)]
        return [_born(holder) for holder in holders]

    def _conclude(self, blocks: list[Block], spent: str | None, cost: float) -> None:
        """Fail the test by what was found; where the walk stopped before it found anything, nothing can be said."""
        __tracebackhide__ = True
        if blocks:
            if spent is not None:
                self._scene.session.note(f"{self._scene.item.nodeid}: {spent}; what lies beyond was not looked at")
            self._scene.fails("no_growth", "GREW", blocks, cost)
        if spent is None:
            self._scene.passes("no_growth", "STABLE", "nothing born in the block outlived it", cost)
        elif Verdict.INCONCLUSIVE in self.demands.verdicts:
            self._scene.fails("no_growth", Verdict.INCONCLUSIVE, [_unknown(spent)], cost)
        else:
            sentence = f"{_UNKNOWN}, beyond max_objects or max_seconds"  # the same each time: it is told once
            self._scene.passes("no_growth", Verdict.INCONCLUSIVE, sentence, cost)

    def _counts(self, holder: Holder) -> bool:
        """Tell whether what somebody holds is against what is asked: not what is known or bounded."""
        told, bound, baseline = holder.told, holder.owner.bound, self._scene.session.baseline
        is_bounded = bound is not None and bound.filled <= bound.limit
        if told.kept_by or is_bounded or holder.is_runners or (told.entries or told.objects) <= self.demands.max_growth:
            return False
        is_known = baseline is not None and any(leak.fingerprint == told.fingerprint for leak in baseline.known)
        return not is_known and not self.demands.ignores(told.owner, told.owner_type, told.fingerprint)


def _unknown(spent: str) -> Block:
    """Say that it is not known who holds what was born in a block."""
    fix = "let it go on: leakdiff.no_growth(max_objects=..., max_seconds=...)"
    return Block("", _UNKNOWN, (("why", spent), ("fix", fix)))


def _born(holder: Holder) -> Block:
    """Say what was born in a block, and who holds it."""
    told = holder.told
    kind, count = told.types[0] if told.types else ("entry", told.entries)
    verb = "is" if count == 1 else "are"
    shown = "   ".join(f"+{number:,} {name}" for name, number in told.types[:_MOST_TYPES])
    rows = [("what", shown), *holder.rows(), ("why", "born in the block, alive after it and a collection")]
    claim = f"{count:,} {kind} born in this block {verb} alive after it, held by {holder.name}"
    return Block(holder.name, claim, tuple(rows), told.fingerprint)
