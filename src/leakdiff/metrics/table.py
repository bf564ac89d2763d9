"""Every metric once: its names, unit, labels, meaning and how it is read; all exporters go by this table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import attrs

from leakdiff.metrics.readings import Container, Readings
from leakdiff.model.health import MonitorHealth
from leakdiff.model.verdict import Verdict

Row = tuple[tuple[str, ...], float]  # the values of the labels, and the reading
Mode = Literal["liveall", "livemax"]


@attrs.frozen
class Metric:
    """One metric.

    Attributes:
        name: Its name in Prometheus; that of a counter ends in ``_total``.
        help: What it means.
        rows: Reads it.
        labels: Names of its labels.
        unit: Its unit for OpenTelemetry, as UCUM has it.
        otel: Its name in OpenTelemetry; empty where the resource says it.
        is_counter: Whether it only ever grows.
        mode: What prometheus_client does with it where several processes are scraped as one: ``liveall`` keeps those
            of all living processes apart by ``pid``, ``livemax`` tells the largest.
    """

    name: str
    help: str
    rows: Callable[[Readings], Iterable[Row]]
    labels: tuple[str, ...] = ()
    unit: str = "1"
    otel: str = ""
    is_counter: bool = False
    mode: Mode = "liveall"


def _one(read: Callable[[Readings], float | None]) -> Callable[[Readings], Iterator[Row]]:
    def rows(readings: Readings) -> Iterator[Row]:
        value = read(readings)
        if value is not None:
            yield (), float(value)

    return rows


def _of_health(read: Callable[[MonitorHealth], float | None]) -> Callable[[Readings], Iterator[Row]]:
    return _one(lambda readings: read(readings.health))


def _of_containers(read: Callable[[Container], int | None]) -> Callable[[Readings], Iterator[Row]]:
    def rows(readings: Readings) -> Iterator[Row]:
        for container in readings.containers:
            value = read(container)
            if value is not None:
                yield (container.path,), float(value)

    return rows


def _kinds(read: Callable[[MonitorHealth], dict[str, int]]) -> Callable[[Readings], Iterator[Row]]:
    return lambda readings: (((kind,), float(count)) for kind, count in read(readings.health).items())


def _verdicts(readings: Readings) -> Iterator[Row]:
    return (((verdict.value,), float(verdict is readings.health.verdict)) for verdict in Verdict)


def _build(readings: Readings) -> Iterator[Row]:
    who = readings.identity
    yield (who.leakdiff, who.python, who.service, who.version, who.revision), 1.0


METRICS = (
    # -- does it leak --------------------------------------------------------------------------
    Metric(
        "leakdiff_verdict",
        "1 for what the trend said last, 0 for all other verdicts.",
        _verdicts,
        labels=("verdict",),
        otel="leakdiff.verdict",
    ),
    Metric(
        "leakdiff_growth_bytes_per_second",
        "How fast leakdiff_memory_bytes grew over the latest measurements, 48 at most (Theil-Sen slope).",
        _one(lambda readings: readings.growth),
        unit="By/s",
        otel="leakdiff.growth",
    ),
    Metric(
        "leakdiff_memory_bytes",
        "Resident memory that is the process's own: without pages that are shared or belong to files.",
        _one(lambda readings: readings.own),
        unit="By",
        otel="leakdiff.memory.size",
    ),
    Metric(
        "leakdiff_native_heap_bytes",
        "Bytes in use on the C heap, Python objects above 512 bytes among them.",
        _one(lambda readings: readings.memory.native if readings.memory else None),
        unit="By",
        otel="leakdiff.native_heap.size",
    ),
    Metric(
        "leakdiff_blocks",
        "Blocks of Python's own allocator in use.",
        _one(lambda readings: readings.memory.blocks if readings.memory else None),
        unit="{block}",
        otel="leakdiff.blocks",
    ),
    Metric(
        "leakdiff_cgroup_usage_bytes",
        "Memory charged to the container, without page cache that can be given back at once.",
        _one(
            lambda readings: readings.cgroup.usage - (readings.cgroup.inactive_file or 0) if readings.cgroup else None
        ),
        unit="By",
        otel="leakdiff.cgroup.usage",
        mode="livemax",
    ),
    Metric(
        "leakdiff_cgroup_limit_bytes",
        "Where the kernel kills the container; absent without a limit.",
        _one(lambda readings: readings.cgroup.limit if readings.cgroup else None),
        unit="By",
        otel="leakdiff.cgroup.limit",
        mode="livemax",
    ),
    # -- who holds it --------------------------------------------------------------------------
    Metric(
        "leakdiff_container_entries",
        "Entries of a registered or found owner.",
        _of_containers(lambda container: container.entries),
        labels=("container",),
        unit="{entry}",
        otel="leakdiff.container.entries",
    ),
    Metric(
        "leakdiff_container_limit",
        "Entries it may have at most, as registered or as its bound says.",
        _of_containers(lambda container: container.limit),
        labels=("container",),
        unit="{entry}",
        otel="leakdiff.container.limit",
    ),
    Metric(
        "leakdiff_container_bytes",
        "What it retained at the latest walk of the heap.",
        _of_containers(lambda container: container.bytes),
        labels=("container",),
        unit="By",
        otel="leakdiff.container.size",
    ),
    Metric(
        "leakdiff_containers_missing",
        "Registered owners whose path leads to no container.",
        _one(lambda readings: readings.missing),
        unit="{container}",
        otel="leakdiff.containers.missing",
    ),
    # -- what grows ----------------------------------------------------------------------------
    Metric(
        "leakdiff_heap_objects",
        "Objects of a type at the latest walk of the heap; all but the largest types are added up as other.",
        lambda readings: (((one.name,), float(one.count)) for one in readings.types),
        labels=("type",),
        unit="{object}",
        otel="leakdiff.heap.objects",
    ),
    Metric(
        "leakdiff_heap_bytes",
        "Their shallow bytes.",
        lambda readings: (((one.name,), float(one.bytes)) for one in readings.types),
        labels=("type",),
        unit="By",
        otel="leakdiff.heap.size",
    ),
    Metric(
        "leakdiff_heap_complete",
        "Whether the latest walk of the heap came to its end (1), or was ended by its budget (0).",
        _one(lambda readings: None if readings.is_whole is None else float(readings.is_whole)),
        otel="leakdiff.heap.complete",
    ),
    # -- how the monitor is doing --------------------------------------------------------------
    Metric(
        "leakdiff_monitor_running",
        "Whether the thread of the monitor is alive (1), or has ended though nobody stopped it (0).",
        _of_health(lambda health: float(health.running) if health.running or health.wanted else None),
        otel="leakdiff.monitor.running",
    ),
    Metric(
        "leakdiff_last_measurement_timestamp_seconds",
        "When the latest measurement was taken, since the epoch.",
        _of_health(lambda health: health.last),
        unit="s",
        otel="leakdiff.last_measurement.time",
    ),
    Metric(
        "leakdiff_snapshots_total",
        "Snapshots taken: cheap ones, and deep ones that walked the heap.",
        _kinds(lambda health: {"cheap": health.measurements - health.deep, "deep": health.deep}),
        labels=("kind",),
        unit="{snapshot}",
        otel="leakdiff.snapshots",
        is_counter=True,
    ),
    Metric(
        "leakdiff_snapshots_skipped_total",
        "Deep snapshots that were put off for the share of CPU, or left out because memory was short.",
        _kinds(lambda health: {"cpu": health.skipped_for_cpu, "memory": health.skipped_for_memory}),
        labels=("reason",),
        unit="{snapshot}",
        otel="leakdiff.snapshots.skipped",
        is_counter=True,
    ),
    Metric(
        "leakdiff_snapshots_pending",
        "Snapshots that wait for the store.",
        _of_health(lambda health: health.pending),
        unit="{snapshot}",
        otel="leakdiff.snapshots.pending",
    ),
    Metric(
        "leakdiff_snapshot_pause_seconds",
        "Longest time for which the latest walk of the heap kept other threads waiting.",
        _one(lambda readings: readings.pause),
        unit="s",
        otel="leakdiff.snapshot.pause",
    ),
    Metric(
        "leakdiff_failures_total",
        "Failures of measurements, of the store and of callbacks.",
        _kinds(
            lambda health: {
                "measurement": health.measurement_failures,
                "store": health.store_failures,
                "callback": health.callback_failures,
            }
        ),
        labels=("kind",),
        unit="{failure}",
        otel="leakdiff.failures",
        is_counter=True,
    ),
    Metric(
        "leakdiff_cpu_seconds_total",
        "CPU time the monitor took.",
        _of_health(lambda health: health.cpu_seconds),
        unit="s",
        otel="leakdiff.cpu.time",
        is_counter=True,
    ),
    # -- which process -------------------------------------------------------------------------
    Metric(
        "leakdiff_start_time_seconds",
        "When the process started, since the epoch.",
        _one(lambda readings: readings.identity.started),
    ),
    Metric(
        "leakdiff_build_info",
        "1; the labels say which leakdiff, which Python and which service.",
        _build,
        labels=("version", "python", "service", "service_version", "service_revision"),
        mode="livemax",
    ),
)
