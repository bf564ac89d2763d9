"""Snapshots and watching of a live process: what they cost beside the nearest jobs of the peers."""

from __future__ import annotations

import gc
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bench_heap
from bench_heap import PeakMemory, StallWatch, build_heap, cpu_of
from bench_registry import Figures, measure

_BETWEEN = 1_000  # requests that are leaked between two snapshots which are compared
_TIMES = 5
_UNITS_TRACED = 20_000
_PER_REQUEST = 3  # tracked objects of a request that is kept
_SECONDS_OF_WATCH = 3.0
_PAUSE = 0.002  # between two pieces of traffic, each of which leaks one request


# --- One look at the whole heap -------------------------------------------------------------------


def _cost_of(look: Callable[[], object], objects: int) -> Figures:
    """Look once at a small heap, for what the first use takes, then at the large one."""
    look()
    tracked = build_heap(objects)
    return {"tracked": tracked, **_cost_here(look, tracked)}


def _cost_here(look: Callable[[], object], tracked: int) -> Figures:
    """Look once for CPU and memory, and once while another thread wants to run every millisecond."""
    memory, started = PeakMemory(), time.perf_counter()
    cpu = cpu_of(look)
    wall, extra = time.perf_counter() - started, memory.extra() / tracked
    return {"cpu": cpu, "wall": wall, "extra": extra, **_stalls_of(look)}


def _stalls_of(work: Callable[[], object]) -> Figures:
    watch = StallWatch()
    with watch.watching():
        work()
    outside, place = watch.longest_outside_collections()
    return {
        "collection": watch.longest_collection(),
        "outside": outside,
        "ours": watch.longest_of_ours(),
        "place": place,
    }


@measure("snapshot/leakdiff", "leakdiff")
def snapshot_leakdiff(objects: int) -> Figures:
    """Take snapshots, and compare, save and load them; the first call of the process, with its imports, apart."""
    from leakdiff.live import snapshot

    started = time.process_time()
    snapshot()
    first = time.process_time() - started
    tracked = build_heap(objects)
    taken: list[Any] = []
    costs = _cost_here(lambda: taken.append(snapshot()), tracked)
    bench_heap.leaking(_BETWEEN)
    before, after = taken[-1], snapshot()
    told = {"told": after.cost.memory / tracked, "told_stall": after.cost.longest_stall, "first": first}
    return {"tracked": tracked, **costs, **told, **_afterlife(before, after)}


@measure("snapshot/leakdiff, all in one dict", "leakdiff")
def snapshot_leakdiff_flat(objects: int) -> Figures:
    """Take a snapshot of a heap that is one large container, as a leak makes it: C code lists it in one go."""
    from leakdiff.live import snapshot

    snapshot()
    gc.disable()
    bench_heap.leaking(objects // _PER_REQUEST)
    gc.enable()
    gc.collect()
    tracked = len(gc.get_objects())
    note = f"the same; {len(bench_heap.inflight):,} entries"
    return {"tracked": tracked, **_cost_here(snapshot, tracked), "note": note}


def _afterlife(before: Any, after: Any) -> Figures:
    """Compare two snapshots, and write one to a file and read it."""
    from leakdiff.model.snapshot import Snapshot

    owners = (after - before).owners.growing()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "after.snapshot")
        costs = {
            "diff": _middle_cpu(lambda: after - before),
            "save": _middle_cpu(lambda: after.save(path)),
            "load": _middle_cpu(lambda: Snapshot.load(path)),
        }
        size = path.stat().st_size
    first = owners[0].name if owners else "none"
    gained = owners[0].gained if owners else 0
    right = (first, gained) == ("bench_heap.inflight", _BETWEEN)
    return {**costs, "file": size, "owners": len(after.heap.owners), "owner": first, "owner_right": right}


def _middle_cpu(work: Callable[[], object]) -> float:
    work()
    return statistics.median(cpu_of(work) for _ in range(_TIMES))


@measure("snapshot/objgraph.typestats", "objgraph")
def snapshot_objgraph(objects: int) -> Figures:
    """Count by type."""
    import objgraph

    return {**_cost_of(objgraph.typestats, objects), "note": "tracked objects by type"}


@measure("snapshot/objgraph.growth", "objgraph")
def snapshot_objgraph_growth(objects: int) -> Figures:
    """Collect, count by type, and compare with the last time."""
    import objgraph

    return {**_cost_of(objgraph.growth, objects), "note": "growth of tracked objects by type"}


@measure("snapshot/pympler muppy + summary", "pympler", slow=True)
def snapshot_pympler(objects: int) -> Figures:
    """List all objects and sum them up."""
    from pympler import muppy, summary

    costs = _cost_of(lambda: summary.summarize(muppy.get_objects()), objects)
    return {**costs, "note": "objects and bytes by type"}


@measure("snapshot/guppy heap().bytype", "guppy")
def snapshot_guppy(objects: int) -> Figures:
    """Walk the heap from the interpreter's root and write the table of types."""
    import guppy

    heapy = guppy.hpy()
    return {**_cost_of(lambda: str(heapy.heap().bytype), objects), "note": "objects and bytes by type"}


@measure("snapshot/Counter(map(type, gc.get_objects()))")
def snapshot_gc(objects: int) -> Figures:
    """Count what gc tracks."""
    return {**_cost_of(lambda: Counter(map(type, gc.get_objects())), objects), "note": "tracked objects by type"}


@measure("snapshot/tracemalloc.take_snapshot", slow=True)
def snapshot_tracemalloc(objects: int) -> Figures:
    """Read all traces, on from the start as a program that may leak anywhere needs, and compare two such readings."""
    import tracemalloc

    alone = _middle_cpu(lambda: bench_heap.clean(_UNITS_TRACED))
    tracemalloc.start()
    slower = _middle_cpu(lambda: bench_heap.clean(_UNITS_TRACED)) / alone
    costs = _cost_of(tracemalloc.take_snapshot, objects)
    traces = tracemalloc.get_tracemalloc_memory() / costs["tracked"]
    before, after = tracemalloc.take_snapshot(), tracemalloc.take_snapshot()
    compare = cpu_of(lambda: after.compare_to(before, "lineno"))
    note = f"blocks and bytes by line; always: program x {slower:.1f}, traces {traces:.0f} B per object"
    return {**costs, "compare": compare, "note": note}


@measure("snapshot/a loop of Python")
def snapshot_loop(_: int) -> Figures:
    """Run plain Python for two seconds: the stalls are those of the interpreter's switches and of the machine."""
    return {**_stalls_of(lambda: _spin(2.0)), "note": "what switching threads costs here whatever runs"}


def _spin(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


# --- Watching live traffic ------------------------------------------------------------------------


@measure("watch/leakdiff", "leakdiff")
def watch_leakdiff(objects: int) -> Figures:
    """Watch for a few seconds while a thread serves requests, some of which are kept."""
    from leakdiff.live import watch

    with _traffic():
        watch(0.3)
    bench_heap.inflight.clear()
    tracked = build_heap(objects)
    reports: list[Any] = []
    with _traffic():
        memory = PeakMemory()
        stalls = _stalls_of(lambda: reports.append(watch(_SECONDS_OF_WATCH)))
        extra = memory.extra() / tracked
    report = reports[0]
    first = report.findings[0] if report.findings else None
    return {
        "tracked": tracked,
        "cpu": report.cost.cpu_seconds,
        "extra": extra,
        **stalls,
        "seconds": _SECONDS_OF_WATCH,
        "verdict": str(report.verdict),
        "owner": "none" if first is None else first.owner or first.owner_type,
        "owner_right": first is not None and first.owner == "bench_heap.inflight",
    }


@contextmanager
def _traffic() -> Iterator[None]:
    """Serve requests from a thread while the block runs."""
    ends = threading.Event()
    thread = threading.Thread(target=_serve, args=(ends,), name="traffic")
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def _serve(ends: threading.Event) -> None:
    while not ends.wait(_PAUSE):
        bench_heap.clean(10)
        bench_heap.leaking(1)
