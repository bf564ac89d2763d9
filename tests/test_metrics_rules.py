"""The rules and the dashboard that people load: parsed and tried by Prometheus' own tools, and by a real Prometheus."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import attrs
import pytest
from prometheus_client import CollectorRegistry, make_wsgi_app

from leakdiff.metrics.prometheus import LeakdiffCollector
from leakdiff.metrics.table import METRICS
from monitored import Monitored
from snapshots import snapshot

REPOSITORY = Path(__file__).resolve().parent.parent
RULES = REPOSITORY / "deploy" / "prometheus" / "leakdiff.rules.yml"
TESTS = RULES.with_name("leakdiff.rules.test.yml")
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "leakdiff.json"
HOW_TO = REPOSITORY / "docs" / "how-to" / "metrics.md"
PATIENCE = 60.0  # seconds a test waits for what takes two

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: install Debian's package prometheus"
)
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is missing: install Debian's package prometheus"
)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool beside the rules."""
    command = ["promtool", *arguments]
    return subprocess.run(command, cwd=RULES.parent, capture_output=True, text=True, timeout=100, check=False)


def alerts() -> list[str]:
    """Return the names of all alerts."""
    return re.findall(r"^ +- alert: (\w+)$", RULES.read_text(encoding="utf-8"), re.MULTILINE)


def recorded() -> set[str]:
    """Return the names of the series that the rules record."""
    return set(re.findall(r"- record: (\S+)", RULES.read_text(encoding="utf-8")))


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard."""
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert type(found) is list
    return found


def queries() -> list[str]:
    """Return the PromQL of the dashboard with values for its variables."""
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    asked += [note["expr"] for note in dashboard()["annotations"]["list"] if "expr" in note]
    return [query.replace("$instance", ".*").replace("$__interval", "5m") for query in asked]


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert type(found) is dict
    return found


# -- the rules -------------------------------------------------------------------------------------


@needs_promtool
def test_the_rules_are_well_formed() -> None:
    """As promtool sees it."""
    checked = promtool("check", "rules", RULES.name)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"SUCCESS: {len(alerts()) + len(recorded())} rules found" in checked.stdout


@needs_promtool
def test_each_alert_fires_on_a_leak_and_on_nothing_else() -> None:
    """Over days: leaks are told; sawtooth, daily cycle, warm-up, step, restart and high but flat are not."""
    tested = promtool("test", "rules", TESTS.name)

    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("alert", alerts())
def test_each_alert_is_tried_and_explained(alert: str) -> None:
    """There is a test in which it fires, and a heading in the guide that its runbook link leads to."""
    fired = rf"alertname: {alert}\n +exp_alerts:\n"
    heading = f"### {alert}\n"

    assert re.search(fired, TESTS.read_text(encoding="utf-8"))
    assert heading in HOW_TO.read_text(encoding="utf-8")
    assert f"runbook_url: docs/how-to/metrics.md#{alert.lower()}\n" in RULES.read_text(encoding="utf-8")


def test_each_alert_says_what_it_is_and_how_grave() -> None:
    """With summary, description, runbook and one of three severities."""
    for alert in RULES.read_text(encoding="utf-8").split("- alert: ")[1:]:
        assert re.search(r"severity: (critical|warning|info)\n", alert), alert
        assert all(f"{name}: " in alert for name in ("summary", "description", "runbook_url", "for")), alert


@pytest.mark.parametrize("path", [RULES, DASHBOARD], ids=lambda path: path.name)
def test_what_is_asked_for_exists(path: Path) -> None:
    """Each metric is one of ours, recorded by the rules, or Kubernetes' own."""
    text = path.read_text(encoding="utf-8")
    code = "\n".join(line.partition(" # ")[0] for line in text.splitlines() if not line.strip().startswith("#"))
    asked = set(re.findall(r"\bleakdiff_\w+", code))

    assert asked <= {metric.name for metric in METRICS}
    assert set(re.findall(r"\bleakdiff:[\w:]+", code)) <= recorded()
    assert len(asked) > 5


# -- the dashboard ---------------------------------------------------------------------------------


@needs_promtool
def test_what_the_dashboard_asks_can_be_parsed(tmp_path: Path) -> None:
    """All of its queries, as rules of a file that promtool checks."""
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
    path = tmp_path / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    checked = promtool("check", "rules", str(path))

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"SUCCESS: {len(rules)} rules found" in checked.stdout


def test_panels_do_not_overlap() -> None:
    """Each has an id of its own and a place of its own within the 24 columns."""
    places = [panel["gridPos"] for panel in panels()]
    taken = [
        (x, y)
        for place in places
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]

    assert len({panel["id"] for panel in panels()}) == len(panels())
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_panels_say_what_they_show() -> None:
    """Each has a title and a description, each target an id of its own and the data source that was chosen."""
    shown = [panel for panel in panels() if panel["type"] != "row"]
    assert {panel["type"] for panel in shown} == {"stat", "timeseries", "table"}
    for panel in shown:
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"
        ids = [target["refId"] for target in panel["targets"]]
        assert len(ids) == len(set(ids)) > 0


def test_the_dashboard_asks_for_what_was_chosen() -> None:
    """Data source, service and instance are variables; every query is of the chosen instances."""
    names = [variable["name"] for variable in dashboard()["templating"]["list"]]

    assert names == ["datasource", "service", "instance"]
    assert dashboard()["id"] is None  # or an import would replace somebody's
    for panel in panels():
        for target in panel.get("targets", ()):
            series = re.findall(r"leakdiff[_:][\w:]+(\{[^}]*\})?", target["expr"])
            assert series
            assert all('instance=~"$instance"' in chosen for chosen in series), target["expr"]


def test_every_metric_is_shown() -> None:
    """But for the one that says when a process started, which marks restarts, they all have a panel."""
    text = json.dumps(dashboard())

    assert [metric.name for metric in METRICS if metric.name not in text] == ["leakdiff_heap_complete"]


# -- a real server ---------------------------------------------------------------------------------


@attrs.frozen
class Server:
    """A Prometheus that runs."""

    port: int

    def ask(self, path: str, **query: str) -> Any:
        """Ask its API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            said = json.load(answer)
        assert said["status"] == "success"
        return said["data"]

    def wait_for(self, query: str) -> list[dict[str, Any]]:
        """Return what a query finds, as soon as it finds anything."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                found = self.ask("query", query=query)["result"]
            except OSError:  # it is not up yet
                found = []
            if found:
                assert type(found) is list
                return found
            time.sleep(0.1)
        raise TimeoutError(query)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[int]:
    """Return the port of a service that exposes what a monitor knows: a cache is above its limit."""
    monitored = Monitored(owners={"shop.cache": 100})
    monitored.see(snapshot(types={"dict": (10, 640)}, owners={"shop.cache": (101, 900)}))
    registry = CollectorRegistry()
    registry.register(LeakdiffCollector(monitored.monitor))
    server = make_server("127.0.0.1", 0, make_wsgi_app(registry), handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def prometheus(service: int, tmp_path: Path) -> Iterator[Server]:
    """Return a Prometheus that scrapes the service every second and has loaded the rules."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "prometheus.yml"
    scrape = {"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{service}"]}]}
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config.write_text(json.dumps({"global": every, "rule_files": [str(RULES)], "scrape_configs": [scrape]}))
    options = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path}", f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([shutil.which("prometheus") or "", *options], stderr=log)
        try:
            yield Server(port)
        finally:
            process.kill()
            process.wait()


@needs_prometheus
def test_a_real_prometheus_loads_it_all(prometheus: Server) -> None:
    """It scrapes a process, evaluates all rules, raises the alarm of a cache above its limit, and knows all queries."""
    [alarm] = prometheus.wait_for('ALERTS{alertname="LeakdiffContainerAboveLimit"}')
    assert (alarm["metric"]["container"], alarm["metric"]["severity"]) == ("shop.cache", "critical")
    assert alarm["metric"]["alertstate"] == "pending"
    prometheus.wait_for("leakdiff:container_entries:floor8h")
    [service] = prometheus.wait_for("leakdiff_build_info")
    assert service["metric"]["service"] == "matching"

    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    assert {rule["name"] for rule in rules} >= set(alerts())
    for query in queries():
        assert prometheus.ask("query", query=query)["resultType"] == "vector"
