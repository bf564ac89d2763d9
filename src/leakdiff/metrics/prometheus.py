"""Metrics for Prometheus, by way of prometheus_client: a collector, and plain gauges for its multiprocess mode."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from leakdiff.errors import MissingExtra
from leakdiff.metrics.readings import Reader, Readings
from leakdiff.metrics.shortlist import label_of
from leakdiff.metrics.table import METRICS, Metric
from leakdiff.model.snapshot import Snapshot

try:
    import prometheus_client
    from prometheus_client import CollectorRegistry, Counter, Gauge
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError as error:
    raise MissingExtra("Metrics for Prometheus", "prometheus_client 0.15 or newer", "prometheus") from error

if TYPE_CHECKING:
    from leakdiff.monitor import Monitor

_FOLDER = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
_logger = logging.getLogger("leakdiff.metrics")

Family = CounterMetricFamily | GaugeMetricFamily
Labels = tuple[str, ...]


# -- one process -----------------------------------------------------------------------------------


class LeakdiffCollector(Collector):
    """Tells what a monitor knows whenever Prometheus asks; it never takes a snapshot.

    Register it: ``prometheus_client.REGISTRY.register(LeakdiffCollector(monitor))``. In prometheus_client's
    multiprocess mode nobody asks collectors: use ``gauges`` there.

    Args:
        monitor: The process's monitor.
        types: How many types have a series of their own, the largest; up to half as many more stay in for a while.
        containers: The same of found owners; registered ones come on top.

    Raises:
        BadOption: If a number cannot work.
    """

    def __init__(self, monitor: Monitor, *, types: int = 20, containers: int = 50) -> None:
        self._reader = Reader(monitor, types=types, containers=containers)
        if _is_multiprocess():
            _logger.warning("A collector is not asked in prometheus_client's multiprocess mode: use gauges(monitor).")

    def collect(self) -> Iterator[Family]:
        """Return the present readings; where they cannot be had, families without any."""
        readings = self._reader.try_read()
        return (_family(metric, readings) for metric in METRICS)

    def describe(self) -> Iterator[Family]:
        """Return the families without readings: a registry asks for their names when this is registered."""
        return (_family(metric, None) for metric in METRICS)


def _family(metric: Metric, readings: Readings | None) -> Family:
    kind = CounterMetricFamily if metric.is_counter else GaugeMetricFamily
    family: Family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in metric.rows(readings) if readings is not None else ():
        family.add_metric([label_of(label) for label in labels], value)
    return family


# -- several processes, scraped as one -------------------------------------------------------------


def gauges(
    monitor: Monitor, *, types: int = 20, containers: int = 50, registry: CollectorRegistry | None = None
) -> Callable[[], object]:
    """Keep plain gauges and counters up to date, at every snapshot of a monitor: for the multiprocess mode.

    Call it once, before or after the workers fork; each worker's readings have a ``pid`` of their own. A process
    registers them as its monitor measures: one that does not measure tells nothing. What a file of that mode
    once had stays in it: a type that left the list reads 0, an owner NaN.

    Args:
        monitor: The process's monitor.
        types: How many types have a series of their own, the largest; up to half as many more stay in for a while.
        containers: The same of found owners; registered ones come on top.
        registry: Where to register them; prometheus_client's own if None.

    Returns:
        What ends the updates when it is called.

    Raises:
        BadOption: If a number cannot work.
    """
    mirror = _Mirror(
        Reader(monitor, types=types, containers=containers),
        prometheus_client.REGISTRY if registry is None else registry,
    )
    _keep_forks_out()
    if monitor.latest() is not None:
        mirror.update()
    return monitor.listen(mirror.update)


class _Mirror:
    """Gauges and counters that show what a reader reads."""

    def __init__(self, reader: Reader, registry: CollectorRegistry) -> None:
        self._reader, self._registry = reader, registry
        self._pid = os.getpid()
        self._made: dict[str, Gauge | Counter] = {}
        self._counted: dict[tuple[str, Labels], float] = {}
        self._shown: dict[str, set[Labels]] = {}

    def update(self, _: Snapshot | None = None) -> None:
        """Show what is known now."""
        readings = self._reader.read()
        with _updating:
            if self._pid != os.getpid():
                self._pid, self._counted = os.getpid(), {}
            for metric in METRICS:
                rows = {tuple(map(label_of, labels)): value for labels, value in metric.rows(readings)}
                show = self._count if metric.is_counter else self._set
                show(metric, rows)

    def _set(self, metric: Metric, rows: dict[Labels, float]) -> None:
        for labels, value in rows.items():
            self._child(metric, labels).set(value)
        shown = self._shown.setdefault(metric.name, set())
        for labels in shown - rows.keys():
            if _is_multiprocess() or not labels:
                self._child(metric, labels).set(0.0 if "type" in metric.labels else math.nan)
            else:
                self._made[metric.name].remove(*labels)
                shown.discard(labels)
        shown.update(rows)

    def _count(self, metric: Metric, rows: dict[Labels, float]) -> None:
        for labels, value in rows.items():
            before = self._counted.get((metric.name, labels), 0.0)
            self._child(metric, labels).inc(max(0.0, value - before))
            self._counted[metric.name, labels] = max(value, before)

    def _child(self, metric: Metric, labels: Labels) -> Any:
        """Return what to set; it is made when there is something to set, for without labels it would be 0 at once."""
        made = self._made.get(metric.name)
        if made is None:
            made = self._made[metric.name] = _make(metric, self._registry)
        return made.labels(*labels) if labels else made


def _make(metric: Metric, registry: CollectorRegistry) -> Gauge | Counter:
    what = metric.name, metric.help, metric.labels
    if metric.is_counter:
        return Counter(*what, registry=registry)
    return Gauge(*what, registry=registry, multiprocess_mode=metric.mode)


def _is_multiprocess() -> bool:
    return any(name in os.environ for name in _FOLDER)  # as prometheus_client tells


# -- forks -----------------------------------------------------------------------------------------

_updating = threading.RLock()
_is_prepared = False


def _keep_forks_out() -> None:
    """Let a fork wait for an update: a lock of prometheus_client that is held then would be held for ever."""
    global _is_prepared  # noqa: PLW0603 - once a process, and forked children inherit it
    if not _is_prepared and hasattr(os, "register_at_fork"):
        _is_prepared = True
        release = _updating.release
        os.register_at_fork(before=_updating.acquire, after_in_parent=release, after_in_child=release)
