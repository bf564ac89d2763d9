"""Who keeps one object alive: what ``why_alive`` costs beside the peers' nearest answer about the same object."""

from __future__ import annotations

import gc
import io
import statistics
import time
from collections.abc import Callable
from typing import Any

import bench_heap
from bench_heap import PeakMemory, StallWatch, build_heap, cpu_of
from bench_registry import Figures, measure

_OWNER = "bench_heap.HEAP"
_TIMES = 3


def _subject() -> Any:
    """Return an object in the middle of the heap: an order, which its lines point back at."""
    shard = list(bench_heap.HEAP.values())[len(bench_heap.HEAP) // 2]
    return list(shard.values())[len(shard) // 2]


def _cost_of(ask: Callable[[Any], str], objects: int) -> Figures:
    """Ask once about a small object, for what the first use takes, then about one in the middle of a large heap."""
    ask(Exception())
    tracked = build_heap(objects)
    memory = PeakMemory()
    started = time.process_time()
    note = ask(_subject())
    cpu = time.process_time() - started
    return {"cpu": cpu, "extra": memory.extra() / tracked, "note": note, "tracked": tracked}


@measure("alive/leakdiff", "leakdiff")
def alive_leakdiff(objects: int) -> Figures:
    """Find all holders by name, and what no holder explains."""
    import leakdiff

    leakdiff.why_alive(Exception())
    tracked = build_heap(objects)
    memory = PeakMemory()
    found = leakdiff.why_alive(_subject())
    extra = memory.extra() / tracked
    cpu = statistics.median(cpu_of(leakdiff.why_alive, _subject()) for _ in range(_TIMES))
    watch = StallWatch()
    with watch.watching():
        leakdiff.why_alive(_subject())
    right = any(holder.where.startswith(_OWNER) for holder in found.holders) and not found.unexplained
    note = f"{found.held} holders, each by name: {found.holders[0].where}" if right else f"WRONG: {found}"
    return {"cpu": cpu, "extra": extra, "ours": watch.longest_of_ours(), "note": note, "tracked": tracked}


@measure("alive/leakdiff, all instances of a class", "leakdiff")
def alive_instances(objects: int) -> Figures:
    """Find who holds each of the instances of one class."""
    import leakdiff

    leakdiff.owners(BaseException)
    tracked = build_heap(objects)
    memory, found = PeakMemory(), []
    cpu = cpu_of(lambda: found.append(leakdiff.why_alive(bench_heap.Order)))
    watch = StallWatch()
    with watch.watching():
        leakdiff.why_alive(bench_heap.Order)
    extra = memory.extra() / tracked
    note = f"{found[0].count:,} instances, {found[0].owners[0].count:,} under {found[0].owners[0].path}"
    return {"cpu": cpu, "extra": extra, "ours": watch.longest_of_ours(), "note": note}


@measure("alive/gc.get_referrers")
def alive_gc(objects: int) -> Figures:
    """List what refers to it: neither names nor a path, and blind to what gc does not track."""
    return _cost_of(lambda subject: f"{len(gc.get_referrers(subject))} objects, without a name or a path", objects)


@measure("alive/objgraph.find_backref_chain", "objgraph", slow=True)
def alive_objgraph(objects: int) -> Figures:
    """Search back to a module."""
    import objgraph

    def ask(subject: Any) -> str:
        chain = objgraph.find_backref_chain(subject, objgraph.is_proper_module)
        reached = "reaches a module" if objgraph.is_proper_module(chain[0]) else "reaches no module"
        return f"one chain of {len(chain)} objects, which {reached}; not what else holds it"

    return _cost_of(ask, objects)


@measure("alive/objgraph.show_backrefs", "objgraph", slow=True)
def alive_objgraph_picture(objects: int) -> Figures:
    """Write a picture of what is above it, three levels, as DOT."""
    import objgraph

    def ask(subject: Any) -> str:
        out = io.StringIO()
        objgraph.show_backrefs([subject], max_depth=3, output=out)
        return f"a picture of three levels, {out.getvalue().count('->')} edges"

    return _cost_of(ask, objects)


@measure("alive/guppy shpaths", "guppy", slow=True)
def alive_guppy(objects: int) -> Figures:
    """Ask Heapy for the shortest paths from its root."""
    import guppy

    heapy = guppy.hpy()

    def ask(subject: Any) -> str:
        return f"shortest paths only: {str(heapy.iso(subject).shpaths).splitlines()[0][:60]}"

    return _cost_of(ask, objects)


@measure("alive/pympler RefBrowser", "pympler", slow=True)
def alive_pympler(objects: int) -> Figures:
    """Make a tree of what refers to it, three levels."""
    from pympler import refbrowser

    def ask(subject: Any) -> str:
        tree = refbrowser.RefBrowser(subject, maxdepth=3, str_func=lambda obj: type(obj).__name__).get_tree()
        return f"a tree of types, {len(tree.children)} of them directly above"

    return _cost_of(ask, objects)
