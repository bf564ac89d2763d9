"""The tables of the live regime: snapshots by size of heap, watching, and a monitor's effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench_monitor import WINDOW
from bench_tables import (
    Cost,
    Key,
    Result,
    Row,
    Table,
    aim,
    failed,
    figure,
    linear_rows,
    ms,
    of_size,
    per_object,
    seconds,
    section,
    times,
    verdict_of,
)

_SHARE = 0.005


def live_tables(by_key: Mapping[Key, Result], objects: int) -> list[Table]:
    """Return what the live regime costs; snapshots at every size at which peers were measured, too."""
    sizes = sorted({size for name, size in by_key if name.startswith("snapshot/")})
    at_size = of_size(by_key, objects)
    return [
        *(
            Table(f"Snapshot of a heap of {size:,} tracked objects", tuple(snapshot_rows(of_size(by_key, size))))
            for size in sizes
        ),
        Table(f"leakdiff.snapshot on {objects:,} objects", tuple(own_rows(at_size))),
        Table("Snapshot by size of the heap", tuple(linear_rows(by_key, "snapshot/leakdiff"))),
        Table(f"Watching live traffic on a heap of {objects:,} objects", tuple(watch_rows(at_size))),
        Table(f"Monitor in the demo service, heap of {objects:,} objects: latency", tuple(latency_rows(at_size))),
        Table(f"Monitor, heap of {objects:,} objects: share of a CPU", tuple(share_rows(at_size))),
    ]


# --- Snapshots ------------------------------------------------------------------------------------


def snapshot_rows(results: Mapping[str, Result]) -> Iterator[Cost]:
    """Compare one look at the whole heap."""
    ours = figure(results, "snapshot/leakdiff", "cpu")
    for tool, result in section(results, "snapshot"):
        yield from costs(tool, result, ours)


def costs(tool: str, result: Result, ours: float) -> Iterator[Cost]:
    """Show what a tool costs; a stall is what other threads see of it, without collections."""
    figures = result.figures
    if not figures:
        yield Cost(tool, "NOT RUN", note=result.error)
        return
    cpu = figures.get("cpu")
    note = figures.get("note", "types, sites, owners by path, resources, memory by kind")
    yield Cost(
        tool,
        "" if cpu is None else seconds(cpu),
        "" if cpu is None else times(cpu, ours),
        ms(figures["ours"]),
        per_object(figures["extra"]) if "extra" in figures else "",
        note,
    )
    if "compare" in figures:
        yield Cost("  compare_to, beyond two of these", seconds(figures["compare"]), times(figures["compare"], ours))


def own_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Show what else a snapshot costs, against what was aimed at."""
    result = results.get("snapshot/leakdiff")
    if result is None or not result.figures:
        return
    found = result.figures
    yield Row("CPU, after the first call", seconds(found["cpu"]), "", aim("<= 2 s", met=found["cpu"] <= 2))
    yield Row("  elapsed, rests included", seconds(found["wall"]))
    yield Row("  first call of a process, small heap", seconds(found["first"]), note="with imports and the rehearsal")
    yield from stall_rows(result, figure(results, "snapshot/a loop of Python", "outside"))
    yield Row("  as the snapshot says", ms(found["told_stall"]))
    flat = results.get("snapshot/leakdiff, all in one dict")
    if flat is not None and flat.figures:
        ours = flat.figures["ours"]
        yield Row("  where one dict holds all", ms(ours), "", aim("<= 20 ms", met=ours <= 0.02))
    extra = found["extra"]
    yield Row("extra memory", per_object(extra), "", aim("<= 24 B", met=extra <= 24))
    yield Row("  as the snapshot says", per_object(found["told"]))
    yield Row("diff of two", ms(found["diff"]), note=f"{found['owners']:.0f} owners by path")
    right = "right" if found["owner_right"] else "WRONG"
    yield Row(
        "  first owner that grew", found["owner"], "", aim("bench_heap.inflight", met=found["owner_right"]), right
    )
    yield Row("file", f"{found['file'] / 1024:.1f} KiB")
    yield Row("  save", ms(found["save"]))
    yield Row("  load", ms(found["load"]))


def stall_rows(result: Result, loop: float) -> Iterator[Row]:
    """Show how long another thread had to wait outside collections, and what of it was not ours."""
    found = result.figures
    met = aim("<= 20 ms", met=found["ours"] <= 0.02)
    yield Row("longest stall of other threads", ms(found["ours"]), "", met, "while this process had a CPU")
    note = f"in a loop of plain Python {ms(loop)}" if loop else ""
    yield Row("  with the time other processes took", ms(found["outside"]), note=note)
    yield Row("  longest collection", ms(found["collection"]))


# --- Watching -------------------------------------------------------------------------------------


def watch_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Show what watching costs and whether it named the owner."""
    result = results.get("watch/leakdiff")
    if result is None:
        return
    found = result.figures
    if not found:
        yield failed("leakdiff.watch", result)
        return
    right = "right" if found["owner_right"] else "WRONG"
    yield Row("CPU", seconds(found["cpu"]), note=f"{found['seconds']:g} s of traffic, {verdict_of(result)}")
    yield Row("  owner", found["owner"], "", aim("bench_heap.inflight", met=found["owner_right"]), right)
    yield from stall_rows(result, figure(results, "snapshot/a loop of Python", "outside"))
    yield Row("extra memory", per_object(found["extra"]), note="what the traffic leaks included")


# --- Monitor --------------------------------------------------------------------------------------


def latency_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Compare latencies with those without a monitor, whose spread is the noise."""
    result = results.get("monitor/latency")
    if result is None:
        return
    found = result.figures
    if not found:
        yield failed("latency", result)
        return
    most = found["without_p99_most"]
    noise = f"{ms(found['without_p99_least'])} to {ms(most)} in runs without a monitor"
    load = f"{found['rate']:,.0f} requests a second, {found['busy']:.0%} busy"
    others = f"and {found['walk_waited']:.0%} of the walk; latencies mean little where others take much"
    yield Row("p50 without a monitor", ms(found["without_p50"]), "1", note=load)
    yield Row("p50 with cheap measurements every second", ms(found["cheap_p50"]), _against(found, "cheap_p50"))
    yield Row("p99 without a monitor", ms(found["without_p99"]), "1", note=f"noise: {noise}")
    yield _p99("p99 with cheap measurements every second", found, "cheap_p99")
    share = f"the walk is {found['walk'] / WINDOW:.2%} of them"
    yield _p99("p99 of 10 minutes with a walk, computed", found, "window_p99", share)
    yield _p99("p99 of a run with a walk in its middle", found, "deep_p99", "4 a day by default")
    walk = f"{found['walk']:.1f} s, {seconds(found['walk_cpu'])} of CPU"
    yield Row("  p50 while the heap is walked", ms(found["walk_p50"]), _against(found, "walk_p50"), note=walk)
    yield Row("  p99 while the heap is walked", ms(found["walk_p99"]), _against(found, "walk_p99"))
    yield Row("  longest while the heap is walked", ms(found["walk_longest"]))
    yield Row("waited for a CPU", f"{found['waited']:.0%}", note=others)


def _p99(what: str, found: Mapping[str, float], name: str, note: str = "") -> Row:
    within = found[name] <= found["without_p99_most"]
    return Row(what, ms(found[name]), _against(found, name), aim("within noise", met=within), note)


def _against(found: Mapping[str, float], name: str) -> str:
    return f"{found[name] / found['without_' + name[-3:]]:.2f} x"


def share_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Add up what a monitor takes of a CPU."""
    latency, result = results.get("monitor/latency"), results.get("monitor/costs")
    if result is not None and not result.figures:
        yield failed("share of a CPU", result)
    elif result is not None:
        found = result.figures
        met = aim("<= 0.5 %", met=found["share"] <= _SHARE)
        yield Row("at its default settings, computed", f"{found['share']:.4%}", "", met)
        yield Row("  cheap measurement, every 300 s", ms(found["cheap"]), note="with 20 owners' lengths, and storing")
        yield Row("  walk, every 6 hours", seconds(found["deep"]))
        yield Row("  trend, every hour", ms(found["trend"]), note="over 30 days")
        yield Row("  prune, every hour", ms(found["prune"]))
    if latency is not None and latency.figures:
        share = latency.figures["share"]
        note = "a cheap measurement every second, 300 times as often as it does by default"
        yield Row("measured in the runs above", f"{share:.3%}", "", aim("<= 0.5 %", met=share <= _SHARE), note)
