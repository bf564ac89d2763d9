"""How a monitor is doing: what it has measured, what it failed at, what it cost."""

from __future__ import annotations

import attrs

from leakdiff.model.one_line import one_line
from leakdiff.model.report import Verdict


@attrs.frozen(kw_only=True)
class MonitorHealth:
    """How a monitor is doing in this process.

    Attributes:
        running: Whether its thread is alive.
        pid: The process; a forked child has counts of its own.
        measurements: All measurements.
        deep: Of them, those that walked the heap.
        last: When the last one was taken, UTC seconds since the epoch; None before the first.
        verdict: What the trend said last.
        store_failures: How often the store could not be opened, written, read or pruned.
        callback_failures: How often ``on_change`` or a listener raised.
        measurement_failures: How often a measurement, or the trend, could not be made.
        skipped_for_memory: Deep measurements left out because memory was short.
        skipped_for_cpu: How often a deep measurement was put off because the share of CPU was used up.
        cpu_seconds: CPU seconds it took, without those of ``on_change``.
        cpu_share: The same as a share of one CPU since it was started.
        longest_stall: Longest time, in seconds, that other threads could not run because of its walks.
        pending: Snapshots that wait for the store.
        wanted: Whether its thread was started, and not stopped since: then it should be running.
    """

    running: bool
    pid: int
    measurements: int = 0
    deep: int = 0
    last: float | None = None
    verdict: Verdict = Verdict.INCONCLUSIVE
    store_failures: int = 0
    callback_failures: int = 0
    measurement_failures: int = 0
    skipped_for_memory: int = 0
    skipped_for_cpu: int = 0
    cpu_seconds: float = 0.0
    cpu_share: float = 0.0
    longest_stall: float = 0.0
    pending: int = 0
    wanted: bool = False

    __repr__ = one_line

    @property
    def state(self) -> str:
        """``running``, ``dead``, ``stopped``, or ``never started``."""
        if self.running:
            return "running"
        if self.wanted:
            return "dead"
        return "stopped" if self.measurements else "never started"
