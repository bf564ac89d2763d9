"""A monitor in the demo service under load: latency with and without it, and its share of a CPU."""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench_heap import build_heap
from bench_registry import Figures, measure

if TYPE_CHECKING:  # asyncio and the service are for those processes that need them
    from bench_load import Answered

WINDOW = 600.0  # seconds over which a service may look at its latency
_PAIRS = 4  # of runs without and with a monitor
_SECONDS = 7.0  # one hiccup of 50 ms is less than a hundredth
_MARGIN = 3.0  # seconds of load before and after a walk
_LONGEST = 120.0
_TIMES = 20
_HOUR, _DAY = 3_600.0, 86_400.0
_INTERVAL, _DEEP_INTERVAL = 300.0, 6 * _HOUR  # a monitor's own, unless told otherwise


# --- Latency with and without ---------------------------------------------------------------------


@measure("monitor/latency", "leakdiff", slow=True)
def monitor_latency(objects: int) -> Figures:
    """Serve the same load by turns without and with a monitor, then once while it walks the heap."""
    import asyncio

    from leakdiff.monitor import Monitor

    monitor = Monitor(1.0, deep="never")
    with _running(monitor):  # what is done once is done: imports, opening the store, the first trend
        time.sleep(2.0)
    tracked = build_heap(objects)
    return {"tracked": tracked, **asyncio.run(_latencies(monitor))}


@contextmanager
def _running(monitor: Any) -> Iterator[None]:
    monitor.start()
    try:
        yield
    finally:
        monitor.stop()


async def _latencies(monitor: Any) -> Figures:
    from bench_load import busy_at, calibrated, offer, waited

    rate = await calibrated()
    busy = await busy_at(rate)
    without, cheap = [], []
    waited_before, spent_before = waited(), monitor.health().cpu_seconds
    for turn in range(_PAIRS):
        without.append(await offer(rate, _SECONDS, seed=turn))
        with _running(monitor):
            cheap.append(await offer(rate, _SECONDS, seed=turn))
    return {
        "rate": rate,
        "busy": busy,
        "waited": (waited() - waited_before) / (2 * _PAIRS * _SECONDS),
        "share": (monitor.health().cpu_seconds - spent_before) / (_PAIRS * _SECONDS),
        **_spread("without", without),
        **_spread("cheap", cheap),
        **await _during_a_walk(monitor, rate, without),
    }


def _spread(name: str, runs: list[Answered]) -> Figures:
    p99 = [run.quantile(0.99) for run in runs]
    return {
        f"{name}_p50": statistics.median(run.quantile(0.5) for run in runs),
        f"{name}_p99": statistics.median(p99),
        f"{name}_p99_least": min(p99),
        f"{name}_p99_most": max(p99),
    }


async def _during_a_walk(monitor: Any, rate: float, without: list[Answered]) -> Figures:
    """Serve while the heap is walked in the middle of the run, from a thread as the monitor's own."""
    import asyncio

    from bench_load import offer

    walk = _Walk(monitor)
    walking = asyncio.create_task(asyncio.to_thread(walk.run))
    run = await offer(rate, _LONGEST, seed=_PAIRS, stop=walk.ended)
    await walking
    meanwhile = run.between(walk.begin, walk.end)
    return {
        "deep_p50": run.quantile(0.5),
        "deep_p99": run.quantile(0.99),
        "walk": walk.end - walk.begin,
        "walk_waited": walk.waited / (walk.end - walk.begin),
        "walk_cpu": walk.cpu,
        "walk_p50": meanwhile.quantile(0.5),
        "walk_p99": meanwhile.quantile(0.99),
        "walk_longest": meanwhile.quantile(1.0),
        "window_p99": _mixed_p99(meanwhile, without, (walk.end - walk.begin) / WINDOW),
    }


class _Walk:
    """A deep measurement in the middle of some load, when it was and what it took."""

    def __init__(self, monitor: Any) -> None:
        self._monitor = monitor
        self.ended = threading.Event()
        self.begin = self.end = self.waited = self.cpu = 0.0

    def run(self) -> None:
        """Wait, measure, wait."""
        from bench_load import waited

        time.sleep(_MARGIN)
        before, self.begin = waited(), time.perf_counter()
        taken = self._monitor.measure_now(deep=True)
        self.end, self.waited = time.perf_counter(), waited() - before
        self.cpu = taken.cost.cpu_seconds if taken.is_deep else math.nan
        time.sleep(_MARGIN)
        self.ended.set()


def _mixed_p99(meanwhile: Answered, without: list[Answered], share: float) -> float:
    """Return the 99th percentile where this share of the requests goes as ``meanwhile`` and the rest as ``without``."""
    usual = [latency for run in without for latency in run.latency]
    weighed = [(latency, share / len(meanwhile.latency)) for latency in meanwhile.latency]
    weighed += [(latency, (1 - share) / len(usual)) for latency in usual]
    above = 0.0
    for latency, weight in sorted(weighed, reverse=True):
        above += weight
        if above > 0.01:
            return latency
    return 0.0


# --- Share of a CPU -------------------------------------------------------------------------------


@measure("monitor/costs", "leakdiff")
def monitor_costs(objects: int) -> Figures:
    """Measure what a monitor does at its default settings, piece by piece, and add it up."""
    from leakdiff.monitor import Monitor

    Monitor().measure_now(deep=True)
    tracked = build_heap(objects)
    monitor = Monitor()
    started = time.thread_time()
    taken = monitor.measure_now(deep=True)
    deep = time.thread_time() - started
    cheap = statistics.median(_cpu_of_cheap(monitor) for _ in range(_TIMES))  # it reads lengths of owners by now
    hourly = _cpu_of_an_hour(taken)
    return {
        "tracked": tracked,
        "cheap": cheap,
        "deep": deep,
        **hourly,
        "share": cheap / _INTERVAL + deep / _DEEP_INTERVAL + sum(hourly.values()) / _HOUR,
    }


def _cpu_of_cheap(monitor: Any) -> float:
    started = time.thread_time()
    monitor.measure_now()
    return time.thread_time() - started


def _cpu_of_an_hour(taken: Any) -> Figures:
    """Judge and prune a store that holds what is kept of 30 days."""
    import attrs

    from leakdiff.live import trend
    from leakdiff.store.sqlite import open_store

    store = open_store("sqlite:///:memory:")
    now = taken.taken.utc
    for age in _ages():
        moment = attrs.evolve(taken.taken, utc=now - age, monotonic=taken.taken.monotonic - age)
        is_deep = age % _DEEP_INTERVAL == 0
        store.add(attrs.evolve(taken, taken=moment, heap=taken.heap if is_deep else None))
    store.prune(max_age=30 * _DAY)
    return {"trend": _cpu(lambda: trend(store)), "prune": _cpu(lambda: store.prune(max_age=30 * _DAY))}


def _ages() -> Iterator[float]:
    """Yield the ages of the measurements of 30 days: of the last 24 hours all, before that one an hour."""
    yield from (hours * _HOUR for hours in range(30 * 24 - 1, 24, -1))
    yield from (number * _INTERVAL for number in range(int(_DAY / _INTERVAL), -1, -1))


def _cpu(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started
