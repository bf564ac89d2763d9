"""What OpenTelemetry is told, as its own SDK collects it."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric, Sum
from opentelemetry.sdk.resources import Resource

from fresh import run_fresh
from leakdiff.metrics.opentelemetry import instrument, resource_attributes
from leakdiff.metrics.table import METRICS
from leakdiff.model.heap import Bound
from leakdiff.model.snapshot import Cgroup, Identity
from monitored import Monitored
from snapshots import MATCHING, MIB, snapshot


class Collected:
    """What an SDK collects of a monitor."""

    def __init__(self, monitored: Monitored, **options: Any) -> None:
        self._reader = InMemoryMetricReader()
        provider = MeterProvider([self._reader], shutdown_on_exit=False)
        instrument(monitored.monitor, provider, **options)

    def metrics(self) -> dict[str, Metric]:
        """Collect once."""
        found = self._reader.get_metrics_data()
        scopes = [scope for resource in (found.resource_metrics if found else ()) for scope in resource.scope_metrics]
        assert {scope.scope.name for scope in scopes} <= {"leakdiff"}
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self) -> dict[str, dict[tuple[object, ...], float]]:
        """Collect once, and return values by name and attributes."""
        return {
            name: {tuple((point.attributes or {}).values()): point.value for point in metric.data.data_points}  # type: ignore[union-attr]
            for name, metric in self.metrics().items()
        }


def seen() -> Monitored:
    """Return a monitor that has measured the heap once."""
    monitored = Monitored(owners={"shop.cache": 100})
    monitored.see(
        snapshot(
            types={"dict": (10, 640)},
            owners={"shop.cache": (7, 900), "shop.sessions": (3, 300)},
            bounds={"shop.sessions": Bound("maxlen", 64, 3)},
            cgroup=Cgroup(version=2, usage=80 * MIB, limit=512 * MIB),
        )
    )
    return monitored


def test_all_that_is_known_is_told() -> None:
    """Gauges and counters with one attribute each."""
    points = Collected(seen()).points()

    assert points["leakdiff.heap.objects"] == {("dict",): 10}
    assert points["leakdiff.heap.size"] == {("dict",): 640}
    assert points["leakdiff.container.entries"] == {("shop.cache",): 7, ("shop.sessions",): 3}
    assert points["leakdiff.container.limit"] == {("shop.cache",): 100, ("shop.sessions",): 64}
    assert points["leakdiff.container.size"] == {("shop.cache",): 900, ("shop.sessions",): 300}
    assert points["leakdiff.memory.size"] == {(): 90 * MIB}
    assert points["leakdiff.cgroup.limit"] == {(): 512 * MIB}
    assert points["leakdiff.snapshots"] == {("cheap",): 0, ("deep",): 1}
    assert points["leakdiff.verdict"]["INCONCLUSIVE",] == 1
    assert sum(points["leakdiff.verdict"].values()) == 1


def test_names_units_and_kinds_are_those_of_the_table() -> None:
    """Units are UCUM, attributes have our namespace, and counters are monotonic sums."""
    found = Collected(seen()).metrics()
    table = {metric.otel: metric for metric in METRICS if metric.otel}

    assert set(found) <= set(table)
    assert set(table) - set(found) == {"leakdiff.growth", "leakdiff.monitor.running"}  # not known, and not started
    for name, metric in found.items():
        assert metric.unit == table[name].unit
        assert metric.description == table[name].help
        assert (isinstance(metric.data, Sum) and metric.data.is_monotonic) == table[name].is_counter
        [names] = {tuple(point.attributes or ()) for point in metric.data.data_points}
        assert names == tuple(f"leakdiff.{label}" for label in table[name].labels)


def test_units_are_said_as_the_conventions_want() -> None:
    """Bytes as By, seconds as s, and what is counted in braces."""
    assert {metric.unit for metric in METRICS if metric.otel and metric.name.endswith("_bytes")} == {"By"}
    units = {metric.unit for metric in METRICS if metric.otel} - {"By", "By/s", "s", "1"}
    assert all(unit.startswith("{") and unit.endswith("}") for unit in units)


def test_to_observe_takes_no_snapshot() -> None:
    """However often it is collected."""
    monitored = seen()
    collected = Collected(monitored)
    first, second = collected.points(), collected.points()

    assert first == second
    assert monitored.monitor.health().measurements == 1


def test_what_is_gone_is_no_longer_told() -> None:
    """There is no last value of a series that has ended."""
    monitored = seen()
    collected = Collected(monitored)
    collected.points()
    monitored.see(snapshot(at=300, types={"list": (1, 56)}, owners={}))
    points = collected.points()

    assert points["leakdiff.heap.objects"] == {("list",): 1}
    assert "leakdiff.container.entries" not in points


def test_a_failing_monitor_raises_nothing(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK sees no error, and collects what others observe."""
    monitored = seen()
    collected = Collected(monitored)

    def fail(**_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(monitored.monitor, "latest", fail)

    assert collected.metrics() == {}
    assert caplog.messages == ["The metrics of leakdiff cannot be read: RuntimeError was raised."]


def test_without_a_provider_the_global_one_makes_the_meter() -> None:
    """With the API alone installed, or before the program has set one up, nothing happens."""
    said = run_fresh("""
        import json, sys
        sys.modules["opentelemetry.sdk"] = None  # the API alone
        import leakdiff
        from leakdiff.metrics.opentelemetry import instrument

        print(json.dumps(instrument(leakdiff.Monitor())))
    """)

    assert said is None


def test_a_resource_says_which_process() -> None:
    """Service, version, revision and instance; the pod where Kubernetes or the downward API tells."""
    attributes = resource_attributes(MATCHING, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    runtime = {"process.runtime.name": "cpython", "process.runtime.version": "3.12.1"}

    assert attributes == runtime | {
        "service.name": "matching",
        "service.version": "2.4.1",
        "service.instance.id": MATCHING.instance,
        "vcs.ref.head.revision": "3f9a2c1d77aa00ff",
        "host.name": "pod-1",
        "k8s.pod.name": "pod-1",
        "process.pid": 17,
    }
    assert Resource.create(attributes).attributes["service.name"] == "matching"
    assert resource_attributes(MATCHING, {"POD_NAME": "matching-7d9"})["k8s.pod.name"] == "matching-7d9"
    assert "k8s.pod.name" not in resource_attributes(MATCHING, {})


def test_a_resource_says_nothing_that_is_not_known() -> None:
    """An empty version would hide the one of the environment."""
    assert resource_attributes(Identity(host="pod-1", pid=1), {}).keys() == {
        "service.instance.id",
        "host.name",
        "process.pid",
        "process.runtime.name",
    }


def test_the_package_is_asked_for_where_it_is_missing() -> None:
    """The import fails with a sentence that says what to install."""
    said = run_fresh("""
        import json, sys
        sys.modules["opentelemetry"] = None
        try:
            import leakdiff.metrics.opentelemetry
        except ImportError as error:
            print(json.dumps([error.slug, str(error)]))
    """)

    assert said == [
        "missing-extra",
        (
            "Metrics for OpenTelemetry needs opentelemetry-api, which is not installed: "
            "pip install 'leakdiff[opentelemetry]'."
        ),
    ]
