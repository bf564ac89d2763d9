"""How the monitor itself is doing: what a probe asks, and what is wrong in plain words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from leakdiff.model.health import MonitorHealth
from leakdiff.web.cells import moment, span
from leakdiff.web.routing import Asked
from leakdiff.web.view import Cell, Facts, Text, View
from leakdiff.web.views.parts import plain

if TYPE_CHECKING:
    from leakdiff.monitor import Monitor

NO_MONITOR = "No monitor watches this process: nothing is known of what came before, and the endpoint works without."
_STATES = {
    "running": "The monitor runs",
    "dead": "The monitor's thread is dead: it was started, and ended without being stopped. Start it again, or restart "
    "this process; nothing is measured meanwhile.",
    "stopped": "The monitor was stopped: nothing is measured by itself until monitor.start().",
    "never started": "The monitor was never started in this process: call monitor.start().",
}


def healthz(asked: Asked) -> View:
    """Say how the monitor is doing; 503 where it died."""
    monitor = asked.desk.monitor
    if monitor is None:
        return View(title="Health", said=NO_MONITOR, data={"state": "no monitor", "monitor": None, "faults": []})
    health, owners = monitor.health(), owner_faults(monitor)
    return View(
        title="Health",
        said=said_of(health),
        blocks=[
            *([Text(title="Registered owners", text="\n".join(owners))] if owners else []),
            Facts(title="Monitor", rows=tuple(_rows(health))),
        ],
        data={"state": health.state, "monitor": plain(health), "faults": [*faults_of(health), *owners]},
        status=503 if health.state == "dead" else 200,
    )


def said_of(health: MonitorHealth) -> str:
    """Say how a monitor is doing in a sentence or two."""
    said = _STATES[health.state]
    if health.state == "running":
        ago = f", the last {span(time.time() - health.last)} ago" if health.last is not None else ""
        said = f"{said}: {health.measurements:,} measurements{ago}, {health.deep:,} of them with a walk of the heap."
    waits = _waiting(health)
    return f"{said} {waits}" if waits else said


def faults_of(health: MonitorHealth) -> list[str]:
    """Return what is broken now, in plain words; none where all is well."""
    states = [_STATES[health.state]] if health.state != "running" else []
    waits = _waiting(health)
    return [*states, *([waits] if waits else [])]


def owner_faults(monitor: Monitor) -> list[str]:
    """Return which registered owners were not found at the last measurement, or had more entries than they may."""
    registered, latest = monitor.owners, monitor.latest(deep=None)
    if not registered or latest is None:
        return []
    lengths = {tally.name: tally.count for tally in latest.watched}
    owners = (latest.heap.owners if latest.heap is not None else None) or ()
    lengths |= {owner.path: owner.entries for owner in owners if owner.path in registered}
    return [fault for path, limit in sorted(registered.items()) if (fault := _owner_fault(path, limit, lengths))]


def _owner_fault(path: str, limit: int | None, lengths: Mapping[str, int]) -> str:
    if path not in lengths:
        return f"{path} is registered, and was not found at the last measurement: no container has this name."
    if limit is not None and lengths[path] > limit:
        return f"{path} has {lengths[path]:,} entries, and was registered with {limit:,} at most."
    return ""


def _waiting(health: MonitorHealth) -> str:
    if health.pending == 0:
        return ""
    waits = "1 measurement waits" if health.pending == 1 else f"{health.pending:,} measurements wait"
    return f"Its store cannot be written: {waits} for it in memory, of which the newest twenty are kept."


def _rows(health: MonitorHealth) -> list[tuple[str, Cell]]:
    last = moment(health.last) if health.last is not None else "never"
    return [
        ("state", health.state),
        ("pid", str(health.pid)),
        ("measurements", f"{health.measurements:,}"),
        ("with a walk of the heap", f"{health.deep:,}"),
        ("last", last),
        ("verdict", health.verdict.value),
        ("waiting for the store", f"{health.pending:,}"),
        ("failures of the store", f"{health.store_failures:,}"),
        ("failures of callbacks", f"{health.callback_failures:,}"),
        ("failures of measurements", f"{health.measurement_failures:,}"),
        ("walks left out: memory short", f"{health.skipped_for_memory:,}"),
        ("walks put off: CPU used up", f"{health.skipped_for_cpu:,}"),
        ("CPU", f"{health.cpu_seconds:.3f} s, {health.cpu_share:.3%} of one"),
        ("longest stall", f"{health.longest_stall * 1000:.1f} ms"),
    ]
