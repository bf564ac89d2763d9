"""Metrics for OpenTelemetry, by way of its API alone: which SDK exports them is the program's business."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from leakdiff.__about__ import __version__
from leakdiff.errors import MissingExtra
from leakdiff.metrics.readings import Reader
from leakdiff.metrics.shortlist import label_of
from leakdiff.metrics.table import METRICS, Metric
from leakdiff.model.snapshot import Identity

try:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter
except ImportError as error:
    raise MissingExtra("Metrics for OpenTelemetry", "opentelemetry-api", "opentelemetry") from error

if TYPE_CHECKING:
    from leakdiff.monitor import Monitor

_POD_NAMES = ("K8S_POD_NAME", "POD_NAME")  # what a downward API is usually asked for
_KUBERNETES = "KUBERNETES_SERVICE_HOST"  # every pod has it


def instrument(
    monitor: Monitor, meter_provider: MeterProvider | None = None, *, types: int = 20, containers: int = 50
) -> None:
    """Make observable gauges and counters of what a monitor knows; to observe them never takes a snapshot.

    Call it once. Their callbacks raise nothing: what cannot be read is not observed.

    Args:
        monitor: The process's monitor.
        meter_provider: Who makes the meter; the global one if None.
        types: How many types have a series of their own, the largest; up to half as many more stay in for a while.
        containers: The same of found owners; registered ones come on top.

    Raises:
        BadOption: If a number cannot work.
    """
    meter = get_meter("leakdiff", __version__, meter_provider)
    reader = Reader(monitor, types=types, containers=containers)
    for metric in METRICS:
        if metric.otel:
            make = meter.create_observable_counter if metric.is_counter else meter.create_observable_gauge
            make(metric.otel, callbacks=[_callback(reader, metric)], unit=metric.unit, description=metric.help)


def _callback(reader: Reader, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return partial(_observe, reader, metric)


def _observe(reader: Reader, metric: Metric, _: CallbackOptions) -> list[Observation]:
    readings = reader.try_read()
    if readings is None:
        return []
    names = [f"leakdiff.{label}" for label in metric.labels]
    return [
        Observation(value, dict(zip(names, map(label_of, labels), strict=True)))
        for labels, value in metric.rows(readings)
    ]


def resource_attributes(identity: Identity, environ: Mapping[str, str] = os.environ) -> dict[str, str | int]:
    """Return what is known of a process, as attributes of an OpenTelemetry resource.

    ``Resource.create(resource_attributes(monitor.identity()))`` merges them with those of the environment. A child
    that is forked later has an instance of its own: make its resource after the fork.

    Args:
        identity: Which process.
        environ: Where the name of the pod may be found; without one, the host is the pod inside Kubernetes.
    """
    pod = next((environ[name] for name in _POD_NAMES if environ.get(name)), None)
    if pod is None and _KUBERNETES in environ:
        pod = identity.host
    known = {
        "service.name": identity.service,
        "service.version": identity.version,
        "service.instance.id": identity.instance,
        "vcs.ref.head.revision": identity.revision,
        "host.name": identity.host,
        "k8s.pod.name": pod,
        "process.pid": identity.pid,
        "process.runtime.name": platform.python_implementation().lower(),
        "process.runtime.version": identity.python,
    }
    return {name: value for name, value in known.items() if value}
