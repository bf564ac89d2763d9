"""What it costs to start: imports and help, as whole processes in CPU time, beside the peers.

Run by itself it prints the page of the documentation; ``make bench`` runs it among the others, as ``startup/*``.
"""

from __future__ import annotations

import datetime
import functools
import importlib.util
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from bench_registry import MEASUREMENTS, Figures, Measurement
from bench_tables import STARTUP_TARGETS

RUNS = 15
BARE = "python -c pass"
STARTED = {
    BARE: ("-c", "pass"),
    "import leakdiff": ("-c", "import leakdiff"),
    "leakdiff --help": ("-m", "leakdiff", "--help"),
    "leakdiff check --help": ("-m", "leakdiff", "check", "--help"),
    "leakdiff completion bash": ("-m", "leakdiff", "completion", "bash"),
    "import pytest": ("-c", "import pytest"),
    "import leakdiff.pytest_plugin": ("-c", "import leakdiff.pytest_plugin"),
    "import objgraph": ("-c", "import objgraph"),
    "import pympler.muppy": ("-c", "import pympler.muppy"),
    "import guppy": ("-c", "import guppy"),
    "memray --help": ("-m", "memray", "--help"),
}
NEEDS = {"import pytest": "pytest", "import leakdiff.pytest_plugin": "pytest", "import objgraph": "objgraph"} | {
    "import pympler.muppy": "pympler",
    "import guppy": "guppy",
    "memray --help": "memray",
}


def cpu_of(*arguments: str, environ: Mapping[str, str]) -> float:
    """Return the CPU seconds of one Python process, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ,
        timeout=60,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def started(name: str, runs: int = RUNS) -> Figures:
    """Start one of them many times, in turns with a bare Python; the first of each compiles and does not count."""
    bare, whole = [], []
    with tempfile.TemporaryDirectory() as folder:
        kept = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environ = {**kept, "PYTHONPYCACHEPREFIX": folder}
        for _ in range(runs + 1):
            bare.append(cpu_of(*STARTED[BARE], environ=environ))
            whole.append(cpu_of(*STARTED[name], environ=environ))
    cpu = statistics.median(whole[1:])
    return {"cpu": cpu, "beyond": cpu - statistics.median(bare[1:])}


for _name in STARTED:
    MEASUREMENTS[f"startup/{_name}"] = Measurement(
        name=f"startup/{_name}",
        run=functools.partial(lambda name, _: started(name), _name),
        needs=(NEEDS.get(_name, "leakdiff"),),
        optional=True,
        slow=True,  # it has runs of its own
    )


# --- A page of its own ----------------------------------------------------------------------------


def rows(figures: Mapping[str, Figures]) -> Iterator[tuple[str, ...]]:
    """Return the cells of the table: what it costs, what of it is beyond Python, against the import, and the target."""
    ours = figures["import leakdiff"]["beyond"]
    for name, seen in figures.items():
        ratio = "" if name == BARE else f"{seen['beyond'] / ours:.1f} x"
        target = STARTUP_TARGETS.get(name)
        aim = f"<= {target * 1_000:.0f} ms ({'met' if seen['cpu'] <= target else 'MISSED'})" if target else ""
        yield name, ms(seen["cpu"]), "" if name == BARE else ms(seen["beyond"]), ratio, aim.replace("<", "&lt;")


def ms(seconds: float) -> str:
    """Write seconds as milliseconds."""
    return f"{seconds * 1_000:.1f} ms"


def versions() -> Iterator[str]:
    """Return leakdiff and the peers, each with its version."""
    for name in ("leakdiff", "pytest", "objgraph", "pympler", "guppy3", "memray"):
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def page(figures: Mapping[str, Figures]) -> str:
    """Return the page of the documentation."""
    day = datetime.datetime.now(datetime.UTC).date()
    machine = f"CPython {platform.python_version()} on {platform.system()}, {os.cpu_count()} CPUs"
    lines = [
        "# Benchmarks of starting",
        "",
        f"Measured by `python benchmarks/bench_startup.py` on {day}: {machine}, medians of {RUNS}.",
        "",
        f"With {', '.join(versions())}.",
        "",
        "CPU time of a whole process, from its start to its end, with bytecode compiled already. *Beyond* is what it",
        "costs beside a Python that does nothing, measured in turns with it. The targets are for the whole process.",
        "",
        "|  | CPU | beyond | against `import leakdiff` | target |",
        "|---|--:|--:|--:|---|",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in rows(figures))]) + "\n"


def main() -> int:
    """Measure all that can be, and print the page."""
    figures: dict[str, Any] = {}
    for name in STARTED:
        if importlib.util.find_spec(NEEDS.get(name, "leakdiff")) is None:
            sys.stderr.write(f"bench: {name}: not installed, left out\n")
            continue
        sys.stderr.write(f"bench: {name}\n")
        figures[name] = started(name)
    sys.stdout.write(page(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
