"""The measurements, each run in a process of its own: ``python bench_measures.py NAME OBJECTS``.

Each returns figures by name; the ones called ``cpu`` are CPU seconds and are what tools are compared by.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bench_alive  # noqa: F401
import bench_heap
import bench_live  # noqa: F401 - it registers its measurements, as the next does
import bench_monitor  # noqa: F401
import bench_startup  # noqa: F401
from bench_heap import UNITS, PeakMemory, StallWatch, build_heap, cpu_of
from bench_registry import MEASUREMENTS, Figures, Measure, Measurement, measure

_PEER_ROUNDS = 3
_LEAKED = 5 * UNITS
_CHAINS = 20


# --- A clean step: what a round costs -------------------------------------------------------------


@measure("clean/leakdiff", "leakdiff")
def clean_leakdiff(objects: int) -> Figures:
    """Check a clean step: the first time, with its imports, and then as it costs from then on."""
    import leakdiff

    tracked = build_heap(objects)
    first = cpu_of(leakdiff.check, bench_heap.clean)
    told, measured = [], []
    for _ in range(5):
        alone = cpu_of(_rounds_of_the_step, 7)
        started = time.process_time()
        report = leakdiff.check(bench_heap.clean)
        measured.append((time.process_time() - started - alone) / len(report.rounds))
        told.append(report.cost.cpu_seconds / len(report.rounds))
    return {
        "cpu": statistics.median(measured),
        "told": statistics.median(told),
        "first": first,
        "verdict": str(report.verdict),
        "tracked": tracked,
    }


def _rounds_of_the_step(rounds: int) -> None:
    for _ in range(rounds):
        bench_heap.clean(UNITS)


def _per_round(look: Callable[[], object]) -> Figures:
    """Return the CPU seconds that a round with a look at the heap takes beyond the step."""
    look()
    alone = statistics.median(cpu_of(bench_heap.clean, UNITS) for _ in range(5))
    costs = []
    for _ in range(_PEER_ROUNDS):
        started = time.process_time()
        bench_heap.clean(UNITS)
        look()
        costs.append(time.process_time() - started - alone)
    return {"cpu": statistics.median(costs)}


@measure("clean/objgraph.growth", "objgraph")
def clean_objgraph(objects: int) -> Figures:
    """Compare counts by type."""
    import objgraph

    build_heap(objects)
    return _per_round(objgraph.growth)


@measure("clean/pympler SummaryTracker.diff", "pympler")
def clean_pympler_tracker(objects: int) -> Figures:
    """Compare summaries as its tracker does."""
    from pympler.tracker import SummaryTracker

    build_heap(objects)
    return _per_round(SummaryTracker().diff)


@measure("clean/pympler muppy + summary", "pympler")
def clean_pympler_muppy(objects: int) -> Figures:
    """List all objects and sum them up."""
    from pympler import muppy, summary

    build_heap(objects)
    return _per_round(lambda: summary.summarize(muppy.get_objects()))


@measure("clean/guppy heap after setref", "guppy")
def clean_guppy(objects: int) -> Figures:
    """Look at what is new since the reference point, which is set once and not counted."""
    import guppy

    build_heap(objects)
    heapy = guppy.hpy()
    heapy.setref()
    return _per_round(lambda: heapy.heap().size)


@measure("clean/tracemalloc, on after the heap was built")
def clean_tracemalloc_late(objects: int) -> Figures:
    """Compare snapshots of what was allocated since; the slower step counts."""
    build_heap(objects)
    return _compare_snapshots(start_first=False)


@measure("clean/tracemalloc, on from the start", slow=True)
def clean_tracemalloc_early(objects: int) -> Figures:
    """Compare snapshots of the whole heap, as a program that may leak anywhere needs."""
    import tracemalloc

    tracemalloc.start()
    build_heap(objects)
    return _compare_snapshots(start_first=True)


def _compare_snapshots(*, start_first: bool) -> Figures:
    import tracemalloc

    alone = statistics.median(cpu_of(bench_heap.clean, UNITS) for _ in range(5))
    if not start_first:
        tracemalloc.start()
    last = tracemalloc.take_snapshot()
    costs = []
    for _ in range(_PEER_ROUNDS):
        started = time.process_time()
        bench_heap.clean(UNITS)
        snapshot = tracemalloc.take_snapshot()
        snapshot.compare_to(last, "lineno")
        costs.append(time.process_time() - started - alone)
        last = snapshot
    return {"cpu": statistics.median(costs)}


@measure("clean/gc.collect + len(gc.get_objects)")
def clean_gc(objects: int) -> Figures:
    """Count all objects."""
    build_heap(objects)
    return _per_round(lambda: (gc.collect(), len(gc.get_objects())))


@measure("clean/psleak", "psleak", optional=True, environ=(("PYTHONMALLOC", "malloc"),))
def clean_psleak(objects: int) -> Figures:
    """Run its whole check of the step: bytes only, and per call rather than per round."""
    import psleak

    build_heap(objects)
    case = psleak.MemoryLeakTestCase()
    started = time.process_time()
    case.execute(bench_heap.clean, UNITS)
    return {"cpu": time.process_time() - started, "note": "the whole check, the step included"}


@measure("clean/memray tracker + leaked records", "memray", optional=True)
def clean_memray(objects: int) -> Figures:
    """Track a round into a file and read from it what stayed."""
    import memray

    build_heap(objects)

    def track() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "round.bin")
            with memray.Tracker(path):
                bench_heap.clean(UNITS)
            list(memray.FileReader(path).get_leaked_allocation_records(merge_threads=True))

    track()
    return {"cpu": statistics.median(cpu_of(track) for _ in range(_PEER_ROUNDS))}


# --- A leaking step: what grows and who holds it --------------------------------------------------


@measure("answer/leakdiff", "leakdiff")
def answer_leakdiff(objects: int) -> Figures:
    """Check a leaking step in a fresh process: the imports count."""
    import leakdiff

    tracked = build_heap(objects)
    memory = PeakMemory()
    started = time.process_time()
    report = leakdiff.check(bench_heap.leaking)
    cpu = time.process_time() - started
    return {**_told(report), "process": cpu, "extra": memory.extra() / tracked, "tracked": tracked}


@measure("warm/leakdiff", "leakdiff")
def warm_leakdiff(objects: int) -> Figures:
    """Check a leaking step again, on the large heap: what depends on its size, without the imports."""
    import leakdiff

    leakdiff.check(bench_heap.leaking, patience=0.1)
    bench_heap.inflight.clear()
    tracked = build_heap(objects)
    memory = PeakMemory()
    report = leakdiff.check(bench_heap.leaking)
    return {**_told(report), "extra": memory.extra() / tracked, "tracked": tracked}


@measure("stall/leakdiff", "leakdiff")
def stall_leakdiff(objects: int) -> Figures:
    """Check a leaking step while another thread wants to run every millisecond."""
    import leakdiff

    leakdiff.check(bench_heap.leaking, patience=0.1)
    build_heap(objects)
    watch = StallWatch()
    with watch.watching():
        report = leakdiff.check(bench_heap.leaking)
    own, place = watch.longest_outside_collections()
    return {
        "longest": watch.longest(),
        "collection": watch.longest_collection(),
        "outside": own,
        "place": place,
        "verdict": str(report.verdict),
    }


def _told(report: Any, owner: str = "bench_heap.inflight") -> Figures:
    first = report.findings[0] if report.findings else None
    return {
        "cpu": report.cost.cpu_seconds,
        "walked": report.cost.walked,
        "verdict": str(report.verdict),
        "owner": "" if first is None else first.owner or first.owner_type,
        "owner_right": first is not None and owner in (first.owner or ""),
    }


def _leaked() -> list[bench_heap.Request]:
    """Leak as many requests as five rounds do, and return some of them."""
    bench_heap.leaking(_LEAKED)
    return list(bench_heap.inflight.values())[-_CHAINS:]


@measure(f"answer/objgraph growth + {_CHAINS} chains", "objgraph", slow=True)
def answer_objgraph(objects: int) -> Figures:
    """See which type grew, and search back from some of the new objects to a module."""
    import objgraph

    build_heap(objects)
    started = time.process_time()
    objgraph.growth()
    leaked = _leaked()
    objgraph.growth()
    chains = [objgraph.find_backref_chain(found, objgraph.is_proper_module) for found in leaked]
    cpu = time.process_time() - started
    reached = sum(any(step is bench_heap.inflight for step in chain) for chain in chains)
    return {"cpu": cpu, "note": f"{reached} of {_CHAINS} chains pass the owner, which they do not name"}


@measure("answer/guppy setref + heap + shortest path", "guppy", slow=True)
def answer_guppy(objects: int) -> Figures:
    """Set the reference point, look at what is new, and ask for the shortest path to one of them."""
    import guppy

    build_heap(objects)
    heapy = guppy.hpy()
    started = time.process_time()
    heapy.setref()
    leaked = _leaked()
    heapy.heap().bytype  # noqa: B018 - partitions what is new
    path = str(heapy.iso(leaked[-1]).shpaths)
    cpu = time.process_time() - started
    return {"cpu": cpu, "note": "names the owner" if "inflight" in path else "does not name the owner"}


@measure("answer/pympler diff + referrers, 2 levels", "pympler", slow=True)
def answer_pympler(objects: int) -> Figures:
    """Compare summaries, and build the tree of referrers of one leaked object."""
    from pympler.refbrowser import RefBrowser
    from pympler.tracker import SummaryTracker

    build_heap(objects)
    started = time.process_time()
    tracker = SummaryTracker()
    leaked = _leaked()
    tracker.diff()
    tree = RefBrowser(leaked[-1], maxdepth=2, str_func=lambda _: "").get_tree()
    cpu = time.process_time() - started
    holds = any(getattr(node, "o", node) is bench_heap.inflight for node in tree.children)
    return {"cpu": cpu, "note": ("reaches" if holds else "does not reach") + " the owner, which it does not name"}


@measure("answer/refcycle snapshot + ancestors", "refcycle", optional=True, slow=True)
def answer_refcycle(objects: int) -> Figures:
    """Build the graph of the heap and take the ancestors of one leaked object in it."""
    import refcycle

    build_heap(objects)
    leaked = _leaked()
    started = time.process_time()
    graph = refcycle.snapshot()
    ancestors = graph.ancestors(leaked[-1], generations=3)
    cpu = time.process_time() - started
    return {"cpu": cpu, "note": f"{len(ancestors)} ancestors in 3 generations, not named"}


# --- Imports --------------------------------------------------------------------------------------

_IMPORTS = ("leakdiff", "objgraph", "pympler.muppy", "guppy", "networkx", "psutil")


@contextmanager
def compiled_already() -> Iterator[dict[str, str]]:
    """Give an environment that keeps bytecode to itself: from the second time on nothing is compiled."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        yield {**environ, "PYTHONPYCACHEPREFIX": folder}


_IN_A_BARE_INTERPRETER = """
import sys, time
loaded, started = len(sys.modules), time.process_time()
import {module}
print(time.process_time() - started, len(sys.modules) - loaded)
"""


def _import_cost(module: str) -> Measure:
    def run(_: int) -> Figures:
        code = _IN_A_BARE_INTERPRETER.format(module=module)
        with compiled_already() as environ:
            command = [sys.executable, "-c", code]
            seen = [subprocess.check_output(command, text=True, env=environ).split() for _ in range(6)][1:]
        return {"cpu": statistics.median(float(cpu) for cpu, _ in seen), "modules": int(seen[0][1])}

    return run


for _module in _IMPORTS:
    MEASUREMENTS[f"import/{_module}"] = Measurement(
        name=f"import/{_module}", run=_import_cost(_module), needs=(_module.partition(".")[0],)
    )


@measure("import/leakdiff --help", "leakdiff")
def import_help(_: int) -> Figures:
    """Start the command, beyond starting Python."""
    with compiled_already() as environ:
        bare = [_cpu_of_child(environ, "-c", "pass") for _ in range(6)][1:]
        whole = [_cpu_of_child(environ, "-m", "leakdiff", "--help") for _ in range(6)][1:]
    return {"cpu": statistics.median(whole) - statistics.median(bare)}


def _cpu_of_child(environ: Mapping[str, str], *arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# --- Sensitivity ----------------------------------------------------------------------------------


@measure("smallest/one object per 1,000 units", "leakdiff")
def smallest_object(_: int) -> Figures:
    """Check a step that keeps every thousandth object, with 1,009 units a round."""
    import leakdiff

    report = leakdiff.check(bench_heap.rarely_leaking, units=1_009)
    return {**_told(report, "bench_heap.slow_requests"), "expected": "LEAK"}


@measure("smallest/malloc(16) per unit", "leakdiff")
def smallest_malloc(_: int) -> Figures:
    """Check a step that takes 16 bytes from C a unit."""
    import leakdiff

    report = leakdiff.check(bench_heap.leak_malloc)
    told = _told(report)
    return {**told, "owner_right": all(found.owner is None for found in report), "expected": "NATIVE"}


# --- One measurement in this process --------------------------------------------------------------


def main() -> int:
    """Run one measurement and print its figures as JSON on the last line."""
    name, objects = sys.argv[1:]
    print("\n" + json.dumps(MEASUREMENTS[name].run(int(objects))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
