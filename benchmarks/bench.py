"""Measure what leakdiff costs beside its peers: each measurement in a process of its own, in CPU seconds."""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import importlib.util
import json
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

import bench_measures  # noqa: F401 - registers the measurements
from bench_alive_tables import alive_tables
from bench_live_tables import live_tables
from bench_registry import MEASUREMENTS, Measurement
from bench_tables import Cost, Figures, Key, Result, Table, check_tables

FORMAT = 1
DONE, TROUBLE = 0, 2
SMALL, DEFAULT, LARGE = 100_000, 1_000_000, (5_000_000, 10_000_000)
PACKAGES = ("leakdiff", "objgraph", "pympler", "guppy3", "networkx", "psutil", "psleak", "memray", "refcycle")
LINEAR = ("warm/leakdiff", "clean/leakdiff")
SIDE_BY_SIDE = "snapshot/"  # at all sizes but the largest, at which peers take tens of GB and minutes


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


# --- Running --------------------------------------------------------------------------------------


def plan(wishes: argparse.Namespace) -> list[Job]:
    """Choose what to measure and on which heaps."""
    chosen = [found for found in MEASUREMENTS.values() if is_wished(found.name, wishes.names) and can_run(found)]
    jobs = [Job(found, wishes.objects) for found in chosen]
    sizes = {SMALL, *(LARGE if wishes.large else ())} - {wishes.objects}
    jobs += [Job(found, size) for size in sorted(sizes) for found in chosen if is_for(found.name, size)]
    return jobs


def is_for(name: str, size: int) -> bool:
    """Tell whether to measure something at a further size of heap."""
    return name in LINEAR or (name.startswith(SIDE_BY_SIDE) and size < LARGE[-1])


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


# --- Writing --------------------------------------------------------------------------------------


def make_tables(results: Sequence[Result], objects: int) -> list[Table]:
    """Turn what was measured into the tables that are printed; empty ones are left out."""
    by_key = {(result.name, result.objects): result for result in results}
    return [
        table
        for table in (*check_tables(by_key, objects), *live_tables(by_key, objects), *alive_tables(by_key, objects))
        if table.rows
    ]


def as_text(tables: Iterable[Table]) -> str:
    """Write the tables for a terminal."""
    return "\n\n".join("\n".join(lines_of(table)) for table in tables)


def lines_of(table: Table) -> Iterator[str]:
    """Align the rows under the title; where there are several figures, under their names too."""
    yield table.title
    if isinstance(table.rows[0], Cost):
        yield line(table.rows[0].form, table.rows[0].columns)
    yield from (line(row.form, row.cells) for row in table.rows)


def line(form: str, cells: Sequence[str]) -> str:
    """Align one row."""
    return f"  {form.format(*cells)}".rstrip()


def as_markdown(tables: Iterable[Table], facts: Mapping[str, Any]) -> str:
    """Write the page for the documentation: no paths and no names of this machine."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    blocks = ["# Benchmarks", "", f"Measured by `make bench` on {facts['date']}: {machine(facts)}.", ""]
    blocks += [f"With {versions}.", "", *EXPLANATION, ""]
    for table in tables:
        columns = table.rows[0].columns
        rule = "|---|--:|--:|---|---|" if len(columns) == 5 else "|---|--:|--:|--:|--:|---|"
        blocks += [f"## {table.title}", "", f"| {' | '.join(columns)} |", rule]
        blocks += [f"| {' | '.join(escape(cell.strip()) for cell in row.cells)} |" for row in table.rows] + [""]
    return "\n".join(blocks)


EXPLANATION = (
    "CPU seconds, not elapsed time; each measurement in a process of its own, medians of several runs",
    "(the slowest peers run once). The peers do the nearest job they can: those that only count or",
    "total do not say who holds what grew. Stalls are those of a thread that wants to run every millisecond;",
    "those of snapshots and watching count only while the process had a CPU.",
)


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
