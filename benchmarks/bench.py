"""Measure what leakdiff costs beside its peers: each measurement in a process of its own, in CPU seconds."""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import importlib.util
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from bench_measures import MEASUREMENTS, Measurement

FORMAT = 1
DONE, TROUBLE = 0, 2
SMALL, DEFAULT, LARGE = 100_000, 1_000_000, (5_000_000, 10_000_000)
PACKAGES = ("leakdiff", "objgraph", "pympler", "guppy3", "networkx", "psutil", "psleak", "memray", "refcycle")
LINEAR = ("warm/leakdiff", "clean/leakdiff")

Figures = dict[str, Any]
Key = tuple[str, int]


# --- Values ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement at one size of heap."""

    measurement: Measurement
    objects: int

    @property
    def key(self) -> Key:
        """Name the job."""
        return self.measurement.name, self.objects


@dataclass(frozen=True, slots=True)
class Result:
    """The medians of a job's runs, or why there are none."""

    name: str
    objects: int
    runs: int
    figures: Figures
    error: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: who, how much, how that compares, and what was aimed at."""

    what: str
    figure: str
    ratio: str = ""
    target: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The lines that answer one question."""

    title: str
    rows: tuple[Row, ...]


# --- Running --------------------------------------------------------------------------------------


def plan(wishes: argparse.Namespace) -> list[Job]:
    """Choose what to measure and on which heaps."""
    chosen = [found for found in MEASUREMENTS.values() if is_wished(found.name, wishes.names) and can_run(found)]
    jobs = [Job(found, wishes.objects) for found in chosen]
    sizes = {SMALL, *(LARGE if wishes.large else ())} - {wishes.objects}
    jobs += [Job(found, size) for size in sorted(sizes) for found in chosen if found.name in LINEAR]
    return jobs


def is_wished(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a name contains or matches any pattern, if there are patterns."""
    return not patterns or any(pattern in name or fnmatch.fnmatch(name, pattern) for pattern in patterns)


def can_run(measurement: Measurement) -> bool:
    """Tell whether to try: what is optional and missing is left out."""
    return not measurement.optional or all(importlib.util.find_spec(package) for package in measurement.needs)


def run_all(jobs: Sequence[Job], *, runs: int, timeout: float) -> list[Result]:
    """Run every job several times, in turns, so that a busy minute of the machine hits all tools alike."""
    seen: dict[Key, list[Figures | str]] = {job.key: [] for job in jobs}
    for turn in range(runs):
        for job in jobs:
            had = seen[job.key]
            if turn and (is_slow(job) or isinstance(had[-1], str)):
                continue
            tell(f"bench: run {turn + 1} of {runs}  {job.measurement.name}  {job.objects:,} objects")
            had.append(run_once(job, timeout=timeout))
    return [summarise(job, seen[job.key]) for job in jobs]


def is_slow(job: Job) -> bool:
    """Tell whether once is enough."""
    return job.measurement.slow or job.objects > DEFAULT


def run_once(job: Job, *, timeout: float) -> Figures | str:
    """Measure in a fresh process.

    Returns:
        The figures, or the last line of what went wrong.
    """
    script = Path(__file__).with_name("bench_measures.py")
    command = [sys.executable, str(script), job.measurement.name, str(job.objects)]
    environ = {**os.environ, "PYTHONHASHSEED": "0", **dict(job.measurement.environ)}
    try:
        child = subprocess.run(command, env=environ, timeout=timeout, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {timeout:g} s"
    if child.returncode:
        return (child.stderr.strip().splitlines() or ["no output"])[-1] + f" (exit {child.returncode})"
    figures: Figures = json.loads(child.stdout.splitlines()[-1])
    return figures


def summarise(job: Job, seen: Sequence[Figures | str]) -> Result:
    """Take the median of every number; of words, what the last run said."""
    good = [figures for figures in seen if not isinstance(figures, str)]
    errors = [error for error in seen if isinstance(error, str)]
    medians = {name: middle([figures[name] for figures in good]) for name in (good[0] if good else ())}
    return Result(*job.key, len(good), medians, errors[0] if errors else "")


def middle(seen: Sequence[Any]) -> Any:
    """Return the median of numbers, the conjunction of truths, and every different word."""
    if isinstance(seen[0], bool):
        return all(seen)
    if isinstance(seen[0], int | float):
        return statistics.median(seen)
    return " or ".join(dict.fromkeys(seen))


# --- Tables ---------------------------------------------------------------------------------------


def make_tables(results: Sequence[Result], objects: int) -> list[Table]:
    """Turn what was measured into the tables that are printed; empty ones are left out."""
    by_key = {(result.name, result.objects): result for result in results}
    at_size = {name: result for (name, size), result in by_key.items() if size == objects}
    heap = f"on a heap of {objects:,} tracked objects"
    tables = [
        Table(f"Clean step {heap}: CPU per round beyond the step", tuple(clean_rows(at_size))),
        Table(f"Leaking step {heap}: the full answer, owner and path", tuple(answer_rows(at_size))),
        Table("Full answer by size of the heap, imports done", tuple(linear_rows(by_key, "warm/leakdiff"))),
        Table("Clean round by size of the heap", tuple(linear_rows(by_key, "clean/leakdiff"))),
        Table("Import", tuple(import_rows(at_size))),
        Table("Smallest leak", tuple(smallest_rows(at_size))),
    ]
    return [table for table in tables if table.rows]


def section(results: Mapping[str, Result], name: str) -> Iterator[tuple[str, Result]]:
    """Return who was measured, and the result, for one section."""
    for result in results.values():
        kind, _, tool = result.name.partition("/")
        if kind == name:
            yield tool, result


def clean_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Compare a round of leakdiff with one look of each peer."""
    ours = figure(results, "clean/leakdiff", "cpu")
    for tool, result in section(results, "clean"):
        cpu = result.figures.get("cpu")
        if cpu is None:
            yield failed(tool, result)
        elif tool == "leakdiff":
            told, first = result.figures["told"], result.figures["first"]
            yield Row("leakdiff, measured", ms(cpu), "1", aim("< 1 ms", met=cpu < 0.001), verdict_of(result))
            yield Row("leakdiff, as its report says", ms(told), "", aim("< 1 ms", met=told < 0.001))
            yield Row("leakdiff, first check, whole", ms(first), note="with its imports and the step")
        else:
            note = result.figures.get("note", "")
            yield Row(tool, ms(cpu), times(cpu, ours), lead(tool, result, cpu / ours if ours else 0.0), note)


def lead(tool: str, result: Result, ratio: float) -> str:
    """Write the lead that is aimed at over some peers, on heaps of a million objects or more."""
    if not ratio or result.objects < DEFAULT or not tool.startswith(("objgraph", "pympler", "guppy")):
        return ""
    return aim(">= 1,000 x", met=ratio >= 1_000)


def answer_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Compare the full answer with the peers' nearest job, then show memory and stalls."""
    ours = figure(results, "answer/leakdiff", "cpu")
    for tool, result in section(results, "answer"):
        cpu = result.figures.get("cpu")
        if cpu is None:
            yield failed(tool, result)
        elif tool == "leakdiff":
            yield from own_answer_rows(result)
        else:
            yield Row(tool, seconds(cpu), times(cpu, ours), "", result.figures.get("note", ""))
    yield from memory_rows(results)
    yield from stall_rows(results)


def own_answer_rows(result: Result) -> Iterator[Row]:
    """Show leakdiff's own CPU seconds against both targets, and whether it was right."""
    cpu, owner = result.figures["cpu"], result.figures["owner"]
    right = "right" if result.figures["owner_right"] else "WRONG"
    yield Row("leakdiff, as its report says", seconds(cpu), "1", aim("<= 3 s", met=cpu <= 3), verdict_of(result))
    yield Row("  the design's target", seconds(cpu), "", aim("<= 2 s", met=cpu <= 2))
    yield Row("  of the process, step included", seconds(result.figures["process"]))
    yield Row("  owner", owner, "", aim("bench_heap.inflight", met=result.figures["owner_right"]), right)


def memory_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Show peak extra memory by object of the heap."""
    warm, cold = results.get("warm/leakdiff"), results.get("answer/leakdiff")
    if warm is not None and "extra" in warm.figures:
        extra = warm.figures["extra"]
        yield Row("extra memory, imports done", per_object(extra), "", aim("<= 32 B", met=extra <= 32))
        yield Row("  the design's target", per_object(extra), "", aim("<= 24 B", met=extra <= 24))
        cpu = warm.figures["cpu"]
        yield Row("CPU, imports done", seconds(cpu), "", aim("<= 2 s", met=cpu <= 2))
    elif warm is not None:
        yield failed("extra memory", warm)
    if cold is not None and "extra" in cold.figures:
        yield Row("extra memory, imports included", per_object(cold.figures["extra"]))


def stall_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Show how long another thread had to wait."""
    result = results.get("stall/leakdiff")
    if result is None:
        return
    if not result.figures:
        yield failed("longest stall of other threads", result)
        return
    outside = result.figures["outside"]
    yield Row("longest stall of other threads", ms(result.figures["longest"]))
    yield Row("  longest collection (gc.collect)", ms(result.figures["collection"]))
    yield Row(
        "  longest outside collections",
        ms(outside),
        "",
        aim("<= 20 ms", met=outside <= 0.02),
        f"at {result.figures['place']}",
    )


def linear_rows(results: Mapping[Key, Result], name: str) -> Iterator[Row]:
    """Show CPU by size, with the exponent from each size to the next."""
    sizes = sorted(size for found, size in results if found == name)
    last: Result | None = None
    for size in sizes if len(sizes) > 1 else ():
        result = results[name, size]
        if "cpu" not in result.figures:
            yield failed(f"{size:,} objects", result)
            continue
        cpu = result.figures["cpu"]
        extra = result.figures.get("extra")
        note = "" if extra is None else per_object(extra)
        yield Row(f"{size:,} objects", ms(cpu) if cpu < 0.01 else seconds(cpu), exponent(last, result), "", note)
        last = result


def exponent(last: Result | None, now: Result) -> str:
    """Say by which power of the size the cost grew: 1 is linear, 0 does not depend on it."""
    if last is None or last.figures["cpu"] <= 0 or now.figures["cpu"] <= 0:
        return ""
    power = math.log(now.figures["cpu"] / last.figures["cpu"]) / math.log(now.objects / last.objects)
    return f"exponent {power:.2f}"


def import_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Compare imports."""
    ours = figure(results, "import/leakdiff", "cpu")
    for tool, result in section(results, "import"):
        cpu = result.figures.get("cpu")
        if cpu is None:
            yield failed(tool, result)
            continue
        loaded = result.figures.get("modules")
        note = f"modules loaded: {loaded:.0f}" if loaded else "beyond starting Python"
        target = aim("<= 40 ms", met=cpu <= 0.04) if tool == "leakdiff" else ""
        yield Row(tool, ms(cpu), times(cpu, ours), target, note)


def smallest_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Show the verdicts on leaks that are hard to see."""
    for tool, result in section(results, "smallest"):
        if not result.figures:
            yield failed(tool, result)
            continue
        said, expected = result.figures["verdict"], result.figures["expected"]
        found = said == expected and result.figures["owner_right"]
        yield Row(tool, said, "", aim(expected, met=found), result.figures["owner"])


def failed(what: str, result: Result) -> Row:
    """Say that something could not be measured."""
    return Row(what, "NOT RUN", note=result.error)


def figure(results: Mapping[str, Result], name: str, field: str) -> float:
    """Return one figure, 0 where it is not known."""
    return float(results[name].figures.get(field, 0.0)) if name in results else 0.0


# --- Words ----------------------------------------------------------------------------------------


def ms(spent: float) -> str:
    """Write seconds as milliseconds."""
    return f"{spent * 1_000:,.3f} ms" if spent < 0.01 else f"{spent * 1_000:,.1f} ms"


def seconds(spent: float) -> str:
    """Write seconds."""
    return f"{spent:.2f} s"


def per_object(extra: float) -> str:
    """Write bytes by object."""
    return f"{extra:.1f} B per object"


def times(cost: float, ours: float) -> str:
    """Write a cost as a multiple of ours."""
    if not ours:
        return ""
    ratio = cost / ours
    return f"{ratio:,.0f} x" if ratio >= 100 else f"{ratio:.2f} x"


def aim(target: str, *, met: bool) -> str:
    """Write a target and whether it is met."""
    return f"{target} ({'met' if met else 'MISSED'})"


def verdict_of(result: Result) -> str:
    """Write the verdict."""
    return f"verdict {result.figures.get('verdict', '?')}"


COLUMNS = ("", "figure", "against leakdiff", "target", "")


def as_text(tables: Iterable[Table]) -> str:
    """Write the tables for a terminal."""
    return "\n\n".join("\n".join([table.title, *map(line, table.rows)]) for table in tables)


def line(row: Row) -> str:
    """Align one row."""
    return f"  {row.what:45} {row.figure:>20}  {row.ratio:>14}  {row.target:32} {row.note}".rstrip()


def as_markdown(tables: Iterable[Table], facts: Mapping[str, Any]) -> str:
    """Write the page for the documentation: no paths and no names of this machine."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    blocks = ["# Benchmarks", "", f"Measured by `make bench` on {facts['date']}: {machine(facts)}.", ""]
    blocks += [f"With {versions}.", "", *EXPLANATION, ""]
    for table in tables:
        blocks += [f"## {table.title}", "", "| " + " | ".join(COLUMNS) + " |", "|---|--:|--:|---|---|"]
        blocks += [f"| {' | '.join(map(escape, cells(row)))} |" for row in table.rows] + [""]
    return "\n".join(blocks)


EXPLANATION = (
    "CPU seconds, not elapsed time; each measurement in a process of its own, medians of several runs",
    "(the slowest peers run once). The peers do the nearest job they can: those that only count or",
    "total do not say who holds what grew.",
)


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of a row."""
    return row.what.strip(), row.figure, row.ratio, row.target, row.note


def escape(text: str) -> str:
    """Keep a text in its cell and its signs as they are."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("_", "\\_")


def machine(facts: Mapping[str, Any]) -> str:
    """Describe what the figures were measured with, by versions and counts only."""
    return f"CPython {facts['python']} on {facts['system']}, {facts['cpus']} CPUs, up to {facts['runs']} runs each"


def gather_facts(runs: int) -> dict[str, Any]:
    """Return date, versions and counts."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
        "runs": runs,
        "packages": dict(installed()),
    }


def installed() -> Iterator[tuple[str, str]]:
    """Return the versions of leakdiff and its peers."""
    for name in PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            if name == "leakdiff" and importlib.util.find_spec(name):
                yield name, importlib.import_module(name).__version__


def tell(message: str) -> None:
    """Tell whoever waits what is going on."""
    print(message, file=sys.stderr, flush=True)


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(path)


# --- The command ----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables and keep them.

    Returns:
        0 whatever the figures are, 2 if something could not be run.
    """
    wishes = parse_arguments(arguments)
    jobs = plan(wishes)
    if wishes.list:
        print(*sorted({job.measurement.name for job in jobs}), sep="\n")
        return DONE
    if not jobs:
        tell("bench: no measurement matches; --list shows them")
        return TROUBLE
    results = run_all(jobs, runs=wishes.runs, timeout=wishes.timeout)
    tables, facts = make_tables(results, wishes.objects), gather_facts(wishes.runs)
    print(f"leakdiff bench, {machine(facts)}\n\n{as_text(tables)}")
    if wishes.json:
        everything = {"format": FORMAT, **facts, "objects": wishes.objects, "results": [asdict(r) for r in results]}
        write(wishes.json, json.dumps(everything, indent=1) + "\n")
    if wishes.markdown:
        write(wishes.markdown, as_markdown(tables, facts))
    for result in results:
        if result.error:
            tell(f"bench: {result.name} ({result.objects:,} objects): {result.error}")
    return TROUBLE if any(result.error for result in results) else DONE


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, allow_abbrev=False)
    option = parser.add_argument
    option("names", nargs="*", metavar="NAME", help="only measurements that contain or match NAME")
    option(
        "--objects", type=int, default=DEFAULT, metavar="N", help="tracked objects on the heap (default %(default)s)"
    )
    option("--large", action="store_true", help="also heaps of 5 and 10 million objects")
    option("--runs", type=int, default=3, metavar="N", help="runs of each measurement (default %(default)s)")
    option("--timeout", type=float, default=300.0, metavar="SECONDS", help="limit for one run (default %(default)s)")
    option("--json", type=Path, metavar="PATH", help="write everything to PATH")
    option("--markdown", type=Path, metavar="PATH", help="write the tables to PATH")
    option("--list", action="store_true", help="name the measurements and stop")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
