"""What ``leakdiff.who_adds`` and ``leakdiff.track`` cost a small threaded program, as a Markdown table.

Four threads handle requests and put each into a map: once with some other work around it, as in a service, once
without any. CPU seconds of the whole process, the median of five runs beside runs without leakdiff.
"""

from __future__ import annotations

import _thread
import argparse
import io
import json
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable

import leakdiff

_THREADS, _RUNS = 4, 5
_PATH = "__main__.inflight"
inflight: dict[tuple[int, int], object] = {}
_BODY = json.dumps({"rider": "r-17", "stops": [{"at": [52.5, 13.4], "wait": n} for n in range(40)]})

Work = Callable[[], None]


def serve(thread: int, requests: int) -> None:
    """Handle requests: read, weigh, answer, and remember."""
    for number in range(requests):
        ride = json.loads(_BODY)
        waits = weigh(ride["stops"])
        remember((thread, number), (waits, json.dumps(ride)))


def weigh(stops: list[dict[str, float]]) -> float:
    """Do what a service does between two insertions."""
    total = 0.0
    for stop in stops:
        if stop["wait"] > 1:
            total += stop["wait"] ** 0.5
    return total


def remember(key: tuple[int, int], ride: object) -> None:
    """Put one entry in."""
    inflight[key] = ride


def only_remember(thread: int, requests: int) -> None:
    """Put entries in and do nothing else."""
    for number in range(requests):
        remember((thread, number), None)


def in_threads(handle: Callable[[int, int], None], requests: int) -> Work:
    """Return what handles so many requests in each of some threads."""

    def work() -> None:
        inflight.clear()
        threads = [threading.Thread(target=handle, args=(number, requests)) for number in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return work


def cpu_of(work: Work) -> float:
    """Return the CPU seconds of the process while the work is done."""
    began = time.process_time()
    work()
    return time.process_time() - began


def without(work: Work) -> float:
    """Measure the work alone."""
    return cpu_of(work)


def by_lines(work: Work, *, everywhere: bool = False) -> float:
    """Measure it as the step of ``who_adds``."""
    taken: list[float] = []
    leakdiff.who_adds(_PATH, step=lambda: taken.append(cpu_of(work)), everywhere=everywhere)
    return taken[0]


def everywhere(work: Work) -> float:
    """Measure it with every line of the program watched."""
    return by_lines(work, everywhere=True)


def beside(watch: Callable[[], object]) -> Callable[[Work], float]:
    """Return what measures the work beside a watch of the main thread, which it ends."""

    def measure(work: Work) -> float:
        taken: list[float] = []

        def go() -> None:
            time.sleep(0.3)
            taken.append(cpu_of(work))
            _thread.interrupt_main()

        thread = threading.Thread(target=go)
        thread.start()
        watch()
        thread.join()
        return taken[0]

    return measure


def methods() -> dict[str, Callable[[Work], float]]:
    """Return what this Python can do."""
    lines = "sys.monitoring" if sys.version_info >= (3, 12) else "sys.settrace"
    found: dict[str, Callable[[Work], float]] = {
        "without leakdiff, again": without,
        "`track`, ten looks a second": beside(lambda: leakdiff.track(_PATH, seconds=60, to=io.StringIO())),
        f"`who_adds`, functions that put ({lines})": by_lines,
        f"`who_adds(everywhere=True)` ({lines})": everywhere,
    }
    if sys.version_info < (3, 12):
        found["`who_adds`, other threads (sampled)"] = beside(lambda: leakdiff.who_adds(_PATH, seconds=60))
    return found


def each(taken: float, requests: int) -> float:
    """Return microseconds a request."""
    return taken / _THREADS / requests * 1e6


def cell(taken: float, before: float, requests: int) -> str:
    """Return how many times as long it took, and by how much longer a request."""
    return f"\N{MULTIPLICATION SIGN} {taken / before:.2f}, {each(taken - before, requests):+,.1f} µs"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000, help="for each thread")
    requests = parser.parse_args().requests
    works = {"a service": in_threads(serve, requests), "nothing but inserts": in_threads(only_remember, requests)}
    leakdiff.who_adds(_PATH, step=works["a service"])  # what is imported at first use does not count
    leakdiff.track(_PATH, seconds=0.01, to=io.StringIO())
    usual = {name: statistics.median(without(work) for _ in range(_RUNS)) for name, work in works.items()}
    heads = [f"{name}, {each(taken, requests):,.1f} µs of CPU a request" for name, taken in usual.items()]
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, CPython {platform.python_version()}\n")
    print(f"| | {' | '.join(heads)} |\n|---|---|---|")
    for name, measure in methods().items():
        taken = [statistics.median(measure(work) for _ in range(_RUNS)) for work in works.values()]
        cells = [cell(one, before, requests) for one, before in zip(taken, usual.values(), strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
