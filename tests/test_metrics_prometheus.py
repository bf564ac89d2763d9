"""What Prometheus is told: the collector, the plain gauges of the multiprocess mode, and what both read."""

from __future__ import annotations

import logging
import math
import re
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as families_of_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from fresh import run_fresh
from leakdiff.errors import BadOption
from leakdiff.metrics.prometheus import LeakdiffCollector, gauges
from leakdiff.metrics.readings import Reader
from leakdiff.metrics.shortlist import Shortlist, label_of
from leakdiff.metrics.table import METRICS
from leakdiff.model.heap import Bound
from leakdiff.model.snapshot import Cgroup, SnapshotCost
from leakdiff.model.verdict import Verdict
from leakdiff.monitor import Monitor
from leakdiff.watcher import World
from monitored import Monitored
from snapshots import MIB, NOON, cheap, snapshot

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "metrics.md"


def told(registry: CollectorRegistry) -> dict[str, float]:
    """Return what a registry exposes, by name and labels."""
    lines = generate_latest(registry).decode().splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#") and "_created" not in line]
    return {name: float(value) for name, _, value in samples}


def of(samples: dict[str, float], name: str) -> dict[str, float]:
    """Return the samples of one name, by the value of its only label."""
    return {key.split('"')[1]: value for key, value in samples.items() if key.startswith(name + "{")}


def collected(monitored: Monitored, **options: Any) -> Callable[[], dict[str, float]]:
    """Return what tells what a collector tells."""
    registry = CollectorRegistry()
    registry.register(LeakdiffCollector(monitored.monitor, **options))
    return lambda: told(registry)


def mirrored(monitored: Monitored, **options: Any) -> Callable[[], dict[str, float]]:
    """Return what tells what plain gauges tell."""
    registry = CollectorRegistry()
    gauges(monitored.monitor, registry=registry, **options)
    return lambda: told(registry)


Exporter = Callable[..., Callable[[], dict[str, float]]]
both = pytest.mark.parametrize("exporter", [collected, mirrored])


# -- what is told ----------------------------------------------------------------------------------


@both
def test_all_that_is_known_is_told(exporter: Exporter) -> None:
    """Everything that a deep snapshot and the monitor know, under the names of the reference."""
    monitored = Monitored(owners={"shop.cache": 100}, revision="3f9a")
    say = exporter(monitored)
    monitored.see(
        snapshot(
            types={"dict": (10, 640), "shop.Order": (5, 280)},
            owners={"shop.cache": (7, 900), "shop.sessions": (3, 300)},
            bounds={"shop.sessions": Bound("maxlen", 64, 3)},
            cgroup=Cgroup(version=2, usage=80 * MIB, limit=512 * MIB, inactive_file=20 * MIB),
            cost=SnapshotCost(longest_stall=0.004),
        )
    )
    samples = say()

    assert of(samples, "leakdiff_heap_objects") == {"dict": 10, "shop.Order": 5}
    assert of(samples, "leakdiff_heap_bytes") == {"dict": 640, "shop.Order": 280}
    assert of(samples, "leakdiff_container_entries") == {"shop.cache": 7, "shop.sessions": 3}
    assert of(samples, "leakdiff_container_limit") == {"shop.cache": 100, "shop.sessions": 64}
    assert of(samples, "leakdiff_container_bytes") == {"shop.cache": 900, "shop.sessions": 300}
    assert of(samples, "leakdiff_verdict") == {str(verdict): verdict is Verdict.INCONCLUSIVE for verdict in Verdict}
    assert of(samples, "leakdiff_snapshots_total") == {"cheap": 0, "deep": 1}
    assert of(samples, "leakdiff_failures_total") == {"measurement": 0, "store": 0, "callback": 0}
    assert of(samples, "leakdiff_snapshots_skipped_total") == {"cpu": 0, "memory": 0}
    alone = {name.removeprefix("leakdiff_"): value for name, value in samples.items() if "{" not in name}
    assert time.time() - 86_400 < alone.pop("start_time_seconds") < time.time()
    assert alone == {
        "memory_bytes": 90 * MIB,
        "native_heap_bytes": 30 * MIB,
        "blocks": 400_000,
        "cgroup_usage_bytes": 60 * MIB,
        "cgroup_limit_bytes": 512 * MIB,
        "containers_missing": 0,
        "heap_complete": 1,
        "last_measurement_timestamp_seconds": NOON,
        "snapshots_pending": 0,
        "snapshot_pause_seconds": 0.004,
        "cpu_seconds_total": 0,
    }
    [build] = [name for name in samples if name.startswith("leakdiff_build_info")]
    assert 'service="matching",service_revision="3f9a",service_version="2.4.1"' in build


def test_nothing_is_known_before_the_first_measurement() -> None:
    """Only the process, its monitor and the verdict; and the gauges, which show what was measured, show nothing."""
    say, show = collected(Monitored()), mirrored(Monitored())

    assert {name.partition("{")[0] for name in say()} == {
        "leakdiff_verdict",
        "leakdiff_containers_missing",
        "leakdiff_snapshots_total",
        "leakdiff_snapshots_skipped_total",
        "leakdiff_snapshots_pending",
        "leakdiff_failures_total",
        "leakdiff_cpu_seconds_total",
        "leakdiff_start_time_seconds",
        "leakdiff_build_info",
    }
    assert show() == {}


def test_a_scrape_takes_no_snapshot() -> None:
    """However often it is scraped: what was measured was asked for by somebody else."""
    monitored = Monitored()
    say = collected(monitored)
    monitored.see(cheap())
    for _ in range(3):
        say()

    assert monitored.monitor.health().measurements == 1


@both
def test_what_is_no_longer_known_is_no_longer_told(exporter: Exporter) -> None:
    """Labels of owners and types that are gone vanish; a reading without labels becomes NaN or vanishes."""
    monitored = Monitored()
    say = exporter(monitored, types=1)
    monitored.see(snapshot(types={"shop.Order": (5, 280), "dict": (1, 64)}, owners={"shop.cache": (7, 900)}))
    before = say()
    monitored.see(snapshot(at=300, types={"dict": (2, 128)}, owners={"shop.sessions": (3, 300)}, native=None))
    after = say()

    assert of(before, "leakdiff_heap_objects") == {"shop.Order": 5, "other": 1}
    assert of(after, "leakdiff_heap_objects") == {"dict": 2}
    assert of(after, "leakdiff_container_entries") == {"shop.sessions": 3}
    assert math.isnan(after.get("leakdiff_native_heap_bytes", math.nan))


@both
def test_counters_only_grow(exporter: Exporter) -> None:
    """They follow what the monitor counts."""
    monitored = Monitored()
    say = exporter(monitored)
    seen = []
    for at in range(3):
        monitored.see(cheap(at=at * 300.0))
        seen.append(of(say(), "leakdiff_snapshots_total")["cheap"])

    assert seen == [1, 2, 3]


def test_growth_is_the_slope_of_the_latest_measurements() -> None:
    """One outlier does not move it, and of fewer than six measurements it is not told."""
    monitored = Monitored()
    say = collected(monitored)
    for at in range(5):
        monitored.see(cheap(at=at * 300.0, rss=100 * MIB + at * 300 * 1_000))
    assert "leakdiff_growth_bytes_per_second" not in say()
    monitored.see(cheap(at=1_500.0, rss=900 * MIB))
    monitored.see(cheap(at=1_800.0, rss=100 * MIB + 1_800 * 1_000))

    assert say()["leakdiff_growth_bytes_per_second"] == pytest.approx(1_000)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_told() -> None:
    """A monitor that was never started, or was stopped, is not dead: nothing is told of its thread."""

    def die(*_: object) -> bool:
        raise SystemExit

    monitor = Monitor(_world=World(wait=die))
    registry = CollectorRegistry()
    registry.register(LeakdiffCollector(monitor))
    seen = [told(registry).get("leakdiff_monitor_running")]
    monitor.start()
    while monitor.health().running:
        time.sleep(0.001)
    seen.append(told(registry).get("leakdiff_monitor_running"))
    monitor.stop()
    seen.append(told(registry).get("leakdiff_monitor_running"))

    assert seen == [None, 0.0, None]


def test_both_formats_are_well_formed() -> None:
    """Prometheus' text and OpenMetrics are parsed to the same samples, each under a family that says its type."""
    monitored = Monitored(owners=["shop.cache"])
    registry = CollectorRegistry()
    registry.register(LeakdiffCollector(monitored.monitor))
    monitored.see(snapshot(types={'a"b\n\\': (1, 2)}, owners={"shop.sessions[*].log": (3, 4)}))
    plain = parsed(text_string_to_metric_families(generate_latest(registry).decode()))
    modern = parsed(families_of_openmetrics(generate_openmetrics(registry).decode()))  # type: ignore[no-untyped-call]

    assert plain == modern
    assert {name for name, *_ in plain} >= {metric.name for metric in METRICS if metric.is_counter}


def parsed(families: Iterable[Metric]) -> dict[tuple[Any, ...], float]:
    """Return the samples by name and labels."""
    samples = (sample for family in families for sample in family.samples)
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}


def test_nothing_of_others_is_told() -> None:
    """The names of prometheus_client's own collectors stay theirs."""
    assert all(metric.name.startswith("leakdiff_") for metric in METRICS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_the_reference_has_every_metric() -> None:
    """Name, type, labels, unit for OpenTelemetry and name there, as the table of the code has them."""
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in REFERENCE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `leakdiff_")
    ]

    assert [row[:5] for row in rows] == [
        [
            metric.name,
            "counter" if metric.is_counter else "gauge",
            ", ".join(f"`{label}`" for label in metric.labels).strip("`"),
            metric.otel,
            metric.unit if metric.otel else "",
        ]
        for metric in METRICS
    ]


# -- owners ----------------------------------------------------------------------------------------


@pytest.fixture
def app() -> Iterator[Any]:
    """Let there be a module ``shop`` with a cache, while a test runs."""
    module: Any = types.ModuleType("shop")
    module.cache = {1: 1, 2: 2}
    sys.modules["shop"] = module
    yield module
    del sys.modules["shop"]


def test_the_length_of_an_owner_is_read_at_the_scrape(app: Any) -> None:
    """It is fresh, whether the owner was registered or found by a walk; what needs a walk is as old as that."""
    monitored = Monitored(owners=["shop.cache"])
    say = collected(monitored)
    app.found = [1]
    monitored.see(snapshot(owners={"shop.cache": (2, 64), "shop.found": (1, 8), "shop.cache[*]": (4, 32)}))
    app.cache[3], app.found = 3, [1, 2, 3, 4]

    assert of(say(), "leakdiff_container_entries") == {"shop.cache": 3, "shop.found": 4, "shop.cache[*]": 4}


@pytest.mark.usefixtures("app")
def test_an_owner_can_be_registered_and_forgotten() -> None:
    """At once, with the limit it is meant to keep; one that leads nowhere is counted."""
    monitored = Monitored()
    say = collected(monitored)
    monitored.monitor.register("shop.cache", limit=1)
    monitored.monitor.register("shop.cahce")
    first = say()
    monitored.monitor.unregister("shop.cache")
    then = say()

    assert of(first, "leakdiff_container_entries") == {"shop.cache": 2}
    assert of(first, "leakdiff_container_limit") == {"shop.cache": 1}
    assert first["leakdiff_containers_missing"] == then["leakdiff_containers_missing"] == 1
    assert of(then, "leakdiff_container_entries") == {}


def test_a_registered_owner_is_told_however_small_it_is() -> None:
    """Where only a walk found it, with what the walk said, among those that are larger."""
    monitored = Monitored(owners=["shop.small"])
    say = collected(monitored, containers=1)
    monitored.see(snapshot(owners={"shop.large": (9, 900), "shop.middling": (5, 500), "shop.small": (1, 1)}))

    assert of(say(), "leakdiff_container_bytes") == {"shop.small": 1, "shop.large": 900}


# -- bounds ----------------------------------------------------------------------------------------


def test_names_do_not_come_and_go() -> None:
    """Two that change places at the edge both stay; one leaves when it has fallen well below."""
    few = Shortlist(2, 3, 10)

    assert few.update("abc") == ("a", "b")
    assert few.update("acb") == ("a", "c", "b")
    assert few.update("abc") == ("a", "b", "c")
    assert few.update("adcb") == ("a", "d", "c")
    assert few.update("abcd") == ("a", "b", "c")


def test_names_end() -> None:
    """After so many different ones no other comes in: classes that are made in a loop fill no database."""
    few = Shortlist(2, 3, 5)
    shown = {name for at in range(100) for name in few.update([f"Made{at}", f"Made{at + 1}", f"Made{at + 2}"])}

    assert len(shown) == 5


def test_the_series_of_a_process_are_bounded() -> None:
    """A heap with a thousand types and owners, others at each look, makes few series, and none is lost from the sum."""
    monitored = Monitored()
    registry = CollectorRegistry()
    registry.register(LeakdiffCollector(monitored.monitor, types=20, containers=50))
    names: dict[str, set[str]] = {"type": set(), "container": set()}
    for at in range(30):
        some = {f"shop.Made{number}": (1, 5_000 - number) for number in range(at * 100, at * 100 + 1_000)}
        monitored.see(snapshot(at=at * 300.0, types=some, owners=some))
        samples = told(registry)
        assert sum(of(samples, "leakdiff_heap_objects").values()) == 1_000
        assert len(of(samples, "leakdiff_heap_bytes")) <= 31
        assert len(of(samples, "leakdiff_container_entries")) <= 75
        names["type"].update(of(samples, "leakdiff_heap_bytes"))
        names["container"].update(of(samples, "leakdiff_container_entries"))

    assert len(names["type"]) == 101
    assert len(names["container"]) == 250


@pytest.mark.parametrize("places", [{"types": -1}, {"containers": 10_000}, {"types": True}, {"types": "20"}])
def test_a_number_of_series_that_cannot_work_is_refused(places: dict[str, Any]) -> None:
    """It would be met first by whoever pays for the database."""
    with pytest.raises(BadOption, match="must be a whole number from 0 to 1,000"):
        LeakdiffCollector(Monitored().monitor, **places)


# -- hostile names ---------------------------------------------------------------------------------

WICKED = ['a"b', "a\nb", "a\\b", "\udc80.y", "\x00", "\u202eevil", "x" * 10_000, "", "other", "{}", "é"]


@both
def test_hostile_names_harm_nothing(exporter: Exporter) -> None:
    """Each type is told once, in one line that can be parsed, and no longer than needed."""
    monitored = Monitored()
    say = exporter(monitored)
    monitored.see(snapshot(types=dict.fromkeys(WICKED, (1, 10)), owners=dict.fromkeys(WICKED, (1, 10))))
    names = [re.findall(r'type="(.*)"', name)[0] for name in say() if name.startswith("leakdiff_heap_objects")]

    assert len(names) == len(set(names)) == len(WICKED)
    assert max(map(len, names)) <= 200


def test_long_names_that_differ_at_their_end_differ() -> None:
    """What is cut off is told apart by a checksum."""
    assert label_of("x" * 300 + "a") != label_of("x" * 300 + "b")
    assert label_of("x" * 200) == "x" * 200


# -- faults ----------------------------------------------------------------------------------------


def test_a_failing_reader_spoils_no_page(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The metrics of all others are told, ours are left out, and it is logged once."""
    monitored = Monitored()
    registry = CollectorRegistry()
    collector = LeakdiffCollector(monitored.monitor)
    registry.register(collector)

    def fail(_: object) -> Any:
        raise RuntimeError("secret")

    monitored.monitor.register("shop.cache")
    monkeypatch.setattr(collector, "_reader", Reader(monitored.monitor, lengths=fail))

    assert told(registry) == told(registry) == {}
    assert caplog.messages == ["The metrics of leakdiff cannot be read: RuntimeError was raised."]


def test_a_collector_in_the_multiprocess_mode_says_that_it_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Where metrics would vanish in silence, a line in the log says what to use."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with caplog.at_level(logging.WARNING, "leakdiff.metrics"):
        LeakdiffCollector(Monitor())

    assert caplog.messages == [
        "A collector is not asked in prometheus_client's multiprocess mode: use gauges(monitor)."
    ]


def test_gauges_can_be_ended() -> None:
    """Then they show what they showed last."""
    monitored = Monitored()
    registry = CollectorRegistry()
    end = gauges(monitored.monitor, registry=registry)
    monitored.see(cheap(rss=100 * MIB))
    end()
    monitored.see(cheap(at=300.0, rss=200 * MIB))

    assert told(registry)["leakdiff_memory_bytes"] == 90 * MIB


# -- forks -----------------------------------------------------------------------------------------


def test_a_reader_begins_anew_in_a_forked_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the child's identity, and nothing of what was measured in the parent."""
    monitored = Monitored()
    reader = Reader(monitored.monitor)
    monitored.see(snapshot(types={"dict": (1, 64)}))
    before = reader.read()
    monkeypatch.setattr("os.getpid", lambda: 4_711)
    after = reader.read()

    assert (before.types != (), after.types, after.memory) == (True, (), None)
    assert (after.health.pid, after.health.measurements) == (4_711, 0)


_WORKERS = """
import json, os, sys, time, types
import leakdiff
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from leakdiff.metrics.prometheus import gauges

app = types.ModuleType("app")
app.cache = {}
sys.modules["app"] = app
monitor = leakdiff.Monitor(3_600.0, owners=["app.cache"], deep="never")
gauges(monitor)
if "measured":
    monitor.measure_now()

def work(number):
    app.cache.update(dict.fromkeys(range(number)))
    for _ in range(number):
        assert monitor.measure_now() is not None
    assert monitor.health().callback_failures == 0
    os._exit(0)

def told():
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    lines = generate_latest(registry).decode().splitlines()
    kept = [line for line in lines if line.startswith(("leakdiff_container_entries", "leakdiff_snapshots_total"))]
    kept += [line for line in lines if line.startswith(("leakdiff_build_info", "leakdiff_memory_bytes"))]
    return sorted(line.replace(f'pid="{pid}"', f'pid="{name}"') for line in kept for pid, name in
        names.items() if f'pid="{pid}"' in line or ("pid" not in line and name == "parent"))

names = {os.getpid(): "parent"}
for number in (2, 3):
    if not (pid := os.fork()):
        work(number)
    names[pid] = f"worker {number}"
    assert os.waitpid(pid, 0)[1] == 0
both = told()
multiprocess.mark_process_dead(pid)
print(json.dumps([both, told()]))
"""


@pytest.mark.parametrize("parent", ["measured", ""])
def test_workers_have_numbers_of_their_own(parent: str, tmp_path: Path) -> None:
    """In the multiprocess mode each worker's gauges have its pid, counters add up, and a dead worker's gauges go."""
    environment = f"import os\nos.environ['PROMETHEUS_MULTIPROC_DIR'] = {str(tmp_path)!r}\n"
    alive, then = run_fresh(environment + _WORKERS.replace('"measured"', repr(parent)))

    entries = [line for line in alive if "container_entries" in line and "parent" not in line]
    assert entries == [
        'leakdiff_container_entries{container="app.cache",pid="worker 2"} 2.0',
        'leakdiff_container_entries{container="app.cache",pid="worker 3"} 3.0',
    ]
    assert f'leakdiff_snapshots_total{{kind="cheap"}} {6.0 if parent else 5.0}' in alive
    assert sum(line.startswith("leakdiff_build_info") for line in alive) == 1
    assert all(float(line.split()[-1]) > MIB for line in alive if "memory_bytes" in line)
    assert sum("memory_bytes" in line for line in alive) == (3 if parent else 2)
    assert not any("worker 3" in line for line in then)
    assert f'leakdiff_snapshots_total{{kind="cheap"}} {6.0 if parent else 5.0}' in then


def test_what_left_the_list_is_marked_in_the_multiprocess_mode(tmp_path: Path) -> None:
    """A file of that mode forgets nothing: a type reads 0, so that sums stay right, and an owner NaN."""
    said = run_fresh(f"""
        import json, os, sys, types
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = {str(tmp_path)!r}
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from prometheus_client import CollectorRegistry, generate_latest, multiprocess
        from leakdiff.metrics.prometheus import gauges
        from monitored import Monitored
        from snapshots import snapshot

        monitored = Monitored()
        gauges(monitored.monitor, types=1)
        monitored.see(snapshot(types={{"shop.Order": (5, 280)}}, owners={{"shop.cache": (7, 900)}}))
        monitored.see(snapshot(at=300, types={{"dict": (2, 128)}}, owners={{"shop.sessions": (3, 300)}}, native=None))
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        lines = generate_latest(registry).decode().replace(f'pid="{{os.getpid()}}"', "").splitlines()
        names = ("leakdiff_heap_objects", "leakdiff_container_entries", "leakdiff_native")
        print(json.dumps(sorted(line for line in lines if line.startswith(names))))
    """)

    assert said == [
        'leakdiff_container_entries{container="shop.cache",} NaN',
        'leakdiff_container_entries{container="shop.sessions",} 3.0',
        'leakdiff_heap_objects{,type="dict"} 2.0',
        'leakdiff_heap_objects{,type="shop.Order"} 0.0',
        "leakdiff_native_heap_bytes{} NaN",
    ]


def test_the_package_is_asked_for_where_it_is_missing() -> None:
    """The import fails with a sentence that says what to install."""
    said = run_fresh("""
        import json, sys
        sys.modules["prometheus_client"] = None
        try:
            import leakdiff.metrics.prometheus
        except ImportError as error:
            print(json.dumps([error.slug, str(error)]))
    """)

    assert said == [
        "missing-extra",
        (
            "Metrics for Prometheus needs prometheus_client 0.15 or newer, which is not installed: "
            "pip install 'leakdiff[prometheus]'."
        ),
    ]
