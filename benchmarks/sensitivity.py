"""How small a leak is still seen, and how many units that takes: ``make sensitivity``.

Every cell is the share of runs, of different seeds, in which a leak of that rate was called LEAK or NATIVE with so
many units a round. Units leak at random, as real ones do, beside work that allocates and frees. Each run has a process
of its own.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import functools
import itertools
import os
import platform
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

UNITS = (11, 31, 101, 307, 1_009)
RATES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
KINDS = ("object", "text", "malloc")
ROUNDS = 5
ACCUSED = "1"  # exit status


class Order:
    """What one unit leaves behind."""


def leaking_step(kind: str, rate: float, seed: int) -> Callable[[int], None]:
    """Return a step that leaks something in a random share of its units.

    Args:
        kind: ``object`` (an instance in a list), ``text`` (a string in a dict) or ``malloc`` (16 bytes of the C heap).
        rate: Share of the units that leak.
        seed: Of the choice of units.
    """
    chance = random.Random(seed)  # noqa: S311 - a workload, no secret
    kept: dict[str, list[object]] = {"orders": []}
    texts: dict[str, str] = {}
    numbers = itertools.count()
    malloc = ctypes.CDLL(None).malloc
    malloc.restype = ctypes.c_void_p
    leaks: dict[str, Callable[[], object]] = {
        "object": lambda: kept["orders"].append(Order()),
        "text": lambda: texts.setdefault(f"order {next(numbers)}", "paid"),
        "malloc": lambda: malloc(16),
    }

    def step(units: int) -> None:
        for _ in range(units):
            sorted({str(chance.random()): Order() for _ in range(20)})
            if chance.random() < rate:
                leaks[kind]()

    return step


def run_one(kind: str, rate: float, units: int, seed: int) -> int:
    """Check one leak in this process and return the exit status that ``leakdiff check`` would have."""
    from leakdiff import check

    return int(bool(check(leaking_step(kind, rate, seed), units=units, rounds=ROUNDS).leaks))


def found(kind: str, rate: float, units: int, seed: int) -> bool:
    """Run one check in a process of its own."""
    command = [sys.executable, __file__, "--one", kind, str(rate), str(units), str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.stdout.strip() not in ("0", "1"):
        raise RuntimeError(ended.stderr[-2_000:])
    return ended.stdout.strip() == ACCUSED


def table(kind: str, seeds: int, jobs: int) -> list[str]:
    """Measure one kind of leak at all rates and numbers of units, as a table in Markdown."""
    lines = [
        f"| leaks per unit | {' | '.join(f'{units:,} units a round' for units in UNITS)} | fewest units, all found |",
        f"| --- |{' --- |' * (len(UNITS) + 1)}",
    ]
    for rate in RATES:
        hits = []
        for units in UNITS:
            with ThreadPoolExecutor(jobs) as pool:
                ask = functools.partial(found, kind, rate, units)
                hits.append(sum(pool.map(ask, range(seeds))))
        sure = [units for units, hit in zip(UNITS, hits, strict=True) if hit == seeds]
        fewest = f"{sure[0] * ROUNDS:,}" if sure else "more"
        lines.append(f"| {rate:g} | {' | '.join(f'{hit} of {seeds}' for hit in hits)} | {fewest} |")
        print(lines[-1], flush=True)
    return lines


def as_markdown(tables: dict[str, list[str]]) -> str:
    """Write the page for the documentation."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    said = {
        "object": "An instance appended to a list",
        "text": "A string put into a dict of strings, which gc does not track up to 3.13",
        "malloc": "16 bytes of malloc, never freed",
    }
    lines = [
        "# How small a leak is seen",
        "",
        f"Measured by `make sensitivity` on {date}: CPython {platform.python_version()}, {os.cpu_count()} CPUs. Units",
        f"leak at random; {ROUNDS} rounds, all other options at their defaults. The last column counts the units of",
        "the measured rounds; warm-up and, where something grows, further rounds come on top.",
    ]
    for kind, rows in tables.items():
        lines += ["", f"## {said[kind]}", "", *rows]
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all, print it, and write the page if asked."""
    parser = argparse.ArgumentParser(prog="sensitivity", description=__doc__, allow_abbrev=False)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--seeds", type=int, default=10, help="runs a cell")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument("--markdown", type=Path, metavar="PATH", help="write the tables to PATH")
    wishes = parser.parse_args(arguments)
    if wishes.one:
        kind, rate, units, seed = wishes.one
        print(run_one(kind, float(rate), int(units), int(seed)))
        return 0
    tables = {}
    for kind in KINDS:
        print(kind)
        tables[kind] = table(kind, wishes.seeds, wishes.jobs)
    if wishes.markdown:
        wishes.markdown.write_text(as_markdown(tables), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
