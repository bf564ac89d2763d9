"""Rounds in which each scenario in turn gets most of the units: they tell which of them grows what."""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Sequence

import attrs

from leakdiff.capture.owners import LengthWatch
from leakdiff.capture.tiers import Bench
from leakdiff.capture.varied import varied_rounds
from leakdiff.compare.scenarios import growth_of
from leakdiff.model.evidence import Evidence
from leakdiff.model.report import ACCUSING, Finding, Verdict
from leakdiff.model.series import series_of
from leakdiff.model.signals import Round
from leakdiff.model.soak import Growth
from leakdiff.soaking.traffic import Traffic

_PASSES = 2
_MOST_ROUNDS = 24
_SHOWN = 10  # entries that a round of the usual mix should gain
_MOST_BYTES = 64 << 20  # that the rounds may leak together
_TOLD = (*ACCUSING, Verdict.FILLING, Verdict.WARMUP)


@attrs.define(eq=False)
class Attribution:
    """Runs the rounds, once there are owners, and keeps what they showed.

    Attributes:
        traffic: The workload.
        seconds: After which no other round is begun.
    """

    traffic: Traffic
    seconds: float
    _counts: list[list[int]] = attrs.field(factory=list)
    _rounds: list[Round] = attrs.field(factory=list)
    _gains: dict[int, tuple[int, ...]] = attrs.field(factory=dict)

    def __call__(self, bench: Bench, evidence: Evidence, watch: LengthWatch) -> None:
        """Run rounds of different mixes; one scenario alone needs none."""
        many = len(self.traffic.running)
        self._counts, self._rounds, self._gains = [], [], {}
        if many == 1:
            return
        order = list(range(many)) * (_PASSES if many * _PASSES <= _MOST_ROUNDS else 1)
        table = array("q", bytes(8 * many * (len(order) + 1)))
        prepare = [functools.partial(self._favour, at, number, table) for number, at in enumerate(order)]
        try:
            rounds, gains = varied_rounds(
                bench, watch, max(many + 1, _units(bench, evidence, len(order))), prepare, self.seconds
            )
        finally:
            self.traffic.favoured = None
        self._note(table, len(rounds))
        rows = [list(table[at * many : (at + 1) * many]) for at in range(len(rounds) + 1)]
        self._counts = [[b - a for a, b in zip(row, rows[at + 1], strict=True)] for at, row in enumerate(rows[:-1])]
        self._rounds, self._gains = rounds, gains

    def _favour(self, scenario: int, number: int, table: array[int]) -> None:
        self._note(table, number)
        self.traffic.favoured = scenario

    def _note(self, table: array[int], row: int) -> None:
        """Write down how often each scenario ran so far, into a table made beforehand."""
        many = len(self.traffic.running)
        for at, running in enumerate(self.traffic.running):
            table[row * many + at] = running.units

    def growths(self, evidence: Evidence, findings: Sequence[Finding]) -> list[Growth]:
        """Say of each finding that grows which scenario does it."""
        return [self._growth(evidence, finding) for finding in findings if finding.verdict in _TOLD]

    def _growth(self, evidence: Evidence, finding: Finding) -> Growth:
        counted, counts, gains = self._by_length(evidence, finding) or self._by_total(evidence, finding)
        return growth_of(finding.owner or finding.owner_type, finding.fingerprint, counted, counts, gains)

    def _by_length(
        self, evidence: Evidence, finding: Finding
    ) -> tuple[str, Sequence[Sequence[float]], Sequence[float]] | None:
        """Return what an owner's length gained; None where it has none that can be read."""
        some = [at for at, one in enumerate(evidence.suspects) if one.owner.name == finding.owner and one.lengths]
        if finding.owner is None or not some:
            return None
        counted = "bytes" if evidence.suspects[some[0]].is_buffer else "entries"
        if len(self.traffic.running) == 1:
            series = evidence.suspects[some[0]].series
            return counted, [[units] for units in series.units], series.gains
        columns = [self._gains[at] for at in some if at in self._gains]
        if self._rounds and not columns:
            return None
        return counted, self._counts, [sum(row) for row in zip(*columns, strict=True)]

    def _by_total(self, evidence: Evidence, finding: Finding) -> tuple[str, Sequence[Sequence[float]], Sequence[float]]:
        is_native = (finding.per_unit.native_bytes or 0.0) > 0
        signal, counted = ("native_bytes", "bytes") if is_native else ("blocks", "blocks")
        if len(self.traffic.running) == 1:
            series = series_of(evidence.watched or evidence.marked, signal)
            return counted, [[units] for units in series.units], series.gains
        return counted, self._counts, [measured.of(signal) for measured in self._rounds]


def _units(bench: Bench, evidence: Evidence, rounds: int) -> int:
    """Return units for a round: enough to see the growth by, and not so many that memory fills."""
    first = next((one for one in evidence.suspects if one.rate > 0), None)
    if first is None:
        return bench.options.units
    size = 1.0 if first.is_buffer else first.found.bytes / max(1, first.found.entries)
    wanted = math.ceil(_SHOWN / first.rate) if not first.is_buffer else bench.options.units
    room = int(_MOST_BYTES / rounds / max(1.0, size))  # most of a round may be of the scenario that leaks
    return min(wanted, room, bench.options.units)
