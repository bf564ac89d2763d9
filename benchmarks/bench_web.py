"""What the debug endpoint costs the service it looks at: latency of a service under load, beside its peers."""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import IO, Any, cast

import attrs

_HERE = Path(__file__).parent
_PREFIX, _TOKEN = "/debug/leakdiff", "benchmark-" * 4  # as bench_web_service.py has them
_BUSY = 0.35  # share of a CPU that the load takes
_BEFORE = 5.0  # seconds of load before each look, the first of a process longer
_CALIBRATION = 400  # requests
_PAUSE = 0.5  # seconds between two of the short looks
_SHORT = 10  # short looks
_GOAL = 0.020  # seconds that p99 may rise by
_TIMEOUT = 180.0
_PEERS = ("objgraph", "guppy3", "dozer")
_SNAPSHOT = "POST /snapshot"


@attrs.frozen
class Latency:
    """The latencies, in seconds, of some requests in order."""

    values: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """Return what this share of the requests does not exceed."""
        return self.values[max(0, math.ceil(share * len(self.values)) - 1)] if self.values else math.nan


@attrs.frozen
class Line:
    """One way to look, beside the time before it.

    Attributes:
        name: What is done.
        before: Latencies before it.
        during: Latencies while it was done.
        seconds: How long it takes.
        others: Share of the machine's CPUs that other programs took meanwhile.
        failure: Why it could not be done.
    """

    name: str
    before: Latency = Latency(())
    during: Latency = Latency(())
    seconds: float = 0.0
    others: float = 0.0
    failure: str = ""

    @property
    def rise(self) -> float:
        """Seconds that p99 rose by."""
        return self.during.quantile(0.99) - self.before.quantile(0.99)


@attrs.frozen
class Span:
    """When one look was taken, and how much the machine had to do with other things."""

    quiet: float
    began: float
    ended: float
    others: float


# -- a service and its load ------------------------------------------------------------------------


class Service:
    """A service that runs, and how to talk to it."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid, self.port = pid, port

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """Send a request and return its answer, as JSON if it is."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        request.add_header("Authorization", f"Bearer {_TOKEN}")
        request.add_header("Accept", "application/json")
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            body = answer.read()
        return json.loads(body) if body.startswith(b"{") else {}

    def rate(self) -> float:
        """Return how many requests a second make it as busy as it shall be."""
        started = cpu_of(self.pid)
        for _ in range(_CALIBRATION):
            self.ask("GET", "/")
        return _BUSY * _CALIBRATION / max(0.01, cpu_of(self.pid) - started)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def others(*pids: int) -> float:
    """Return the CPU seconds that all processes but these have taken since the machine was started."""
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK") - sum(map(cpu_of, pids))


@contextmanager
def serving(objects: int) -> Iterator[Service]:
    """Run a service for the time of a block."""
    command = [sys.executable, str(_HERE / "bench_web_service.py"), str(objects)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = cast("IO[str]", process.stdout)
            yield Service(process.pid, json.loads(lines.readline())["port"])
        finally:
            process.kill()


@contextmanager
def loaded(service: Service, rate: float, answered: list[tuple[float, float]]) -> Iterator[int]:
    """Offer load from a process that is yielded, for the time of a block; what it measured is added at its end."""
    command = [sys.executable, str(_HERE / "bench_web_load.py"), str(service.port), str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.pid
            out, _ = process.communicate("\n", timeout=_TIMEOUT)
            answered.extend((due, late) for due, late in json.loads(out))
        finally:
            process.kill()


# -- ways to look ----------------------------------------------------------------------------------


def job(path: str) -> Callable[[Service], str]:
    """Return what begins a job and waits for it."""

    def look(service: Service) -> str:
        begun = service.ask("POST", _PREFIX + path)
        while (found := service.ask("GET", f"{_PREFIX}/{begun['url']}?format=json"))["state"] == "running":
            time.sleep(_PAUSE)
        return "" if found["state"] == "done" else str(found["said"])

    return look


def views(path: str) -> Callable[[Service], str]:
    """Return what looks at a view many times, as somebody does who refreshes it."""

    def look(service: Service) -> str:
        for _ in range(_SHORT):
            service.ask("GET", _PREFIX + path)
            time.sleep(_PAUSE)
        return ""

    return look


def peer(name: str) -> Callable[[Service], str]:
    """Return what lets a peer look once."""

    def look(service: Service) -> str:
        service.ask("POST", f"/peer/{name}")
        return ""

    return look


def looks(seconds: float, names: Sequence[str]) -> dict[str, Callable[[Service], str]]:
    """Return all ways to look, those that belong to the endpoint first, in the order in which they can be done."""
    ways = {
        _SNAPSHOT: job("/snapshot"),
        f"POST /watch?seconds={seconds:g}": job(f"/watch?seconds={seconds:g}"),
        "GET /owners, every 0.5 s": views("/owners?format=json"),
        "GET /pprof/heap, every 0.5 s": views("/pprof/heap"),
        **{name: peer(name) for name in _PEERS},
    }
    return {name: look for name, look in ways.items() if not names or any(wish in name for wish in names)}


def measure(objects: int, ways: dict[str, Callable[[Service], str]], turns: int) -> list[Line]:
    """Look in each way, each peer in a service of its own and the endpoint in another."""
    ours = {name: look for name, look in ways.items() if name not in _PEERS}
    groups = [ours, *({name: look} for name, look in ways.items() if name in _PEERS)]
    return [line for group in groups if group for line in _measured(objects, group, turns)]


def _measured(objects: int, ways: dict[str, Callable[[Service], str]], turns: int) -> Iterator[Line]:
    answered: list[tuple[float, float]] = []
    spans: dict[str, list[Span]] = {}
    failures: dict[str, str] = {}
    with serving(objects) as service:
        if not {_SNAPSHOT, *_PEERS} & set(ways):
            job("/snapshot")(service)  # what the views look at
        rate = service.rate()
        with loaded(service, rate, answered) as load:
            time.sleep(2.0)
            for turn in range(turns):
                for name, look in ways.items():
                    tell(f"turn {turn + 1} of {turns}: {name}, {rate:.0f} requests a second")
                    quiet, used = time.monotonic(), others(service.pid, load)
                    time.sleep(_BEFORE)
                    began = time.monotonic()
                    failures[name] = _failure(look, service) or failures.get(name, "")
                    ended = time.monotonic()
                    share = (others(service.pid, load) - used) / (ended - quiet) / (os.cpu_count() or 1)
                    spans.setdefault(name, []).append(Span(quiet, began, ended, share))
    for name, all_times in spans.items():
        times = sorted(all_times, key=lambda span: span.others)[: max(1, turns // 2)]
        before = _between(answered, [(span.quiet, span.began) for span in times])
        during = _between(answered, [(span.began, span.ended) for span in times])
        lasted = statistics.mean(span.ended - span.began for span in times)
        yield Line(name, before, during, lasted, statistics.mean(span.others for span in times), failures[name])


def _failure(look: Callable[[Service], str], service: Service) -> str:
    try:
        return look(service)
    except (OSError, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}"


def _between(answered: Sequence[tuple[float, float]], spans: Sequence[tuple[float, float]]) -> Latency:
    return Latency(tuple(sorted(late for due, late in answered if any(a <= due < b for a, b in spans))))


def with_kept(lines: Sequence[Line], path: Path, order: Iterable[str]) -> list[Line]:
    """Add what was kept of other looks, in the usual order, and keep all."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept |= {line.name: attrs.asdict(line) for line in lines}
    path.write_text(json.dumps(kept))
    return [_line(**kept[name]) for name in order if name in kept]


def _line(*, before: dict[str, Any], during: dict[str, Any], **others: Any) -> Line:
    return Line(before=Latency(tuple(before["values"])), during=Latency(tuple(during["values"])), **others)


# -- telling ---------------------------------------------------------------------------------------

_COLUMNS = (
    "look", "lasts", "others", "p50 before", "during", "p99 before", "during", "ratio", "rise", "max before",
    "during", "goal: rise of p99 <= 20 ms",
)  # fmt: skip


def cells(line: Line) -> tuple[str, ...]:
    """Return a line as texts."""
    if line.failure:
        return line.name, *[""] * 10, line.failure
    before, during = line.before, line.during
    p50, p99, most = ((before.quantile(share), during.quantile(share)) for share in (0.5, 0.99, 1.0))
    return (
        line.name,
        f"{line.seconds:.1f} s",
        f"{line.others:.0%}",
        *map(ms, p50),
        *map(ms, p99),
        f"{p99[1] / p99[0]:.1f}x",
        ms(line.rise),
        *map(ms, most),
        "met" if line.rise <= _GOAL else "MISSED",
    )


def ms(seconds: float) -> str:
    """Return seconds as milliseconds."""
    return f"{1e3 * seconds:.1f} ms"


def markdown(lines: Sequence[Line], wishes: argparse.Namespace) -> str:
    """Return a page."""
    rows = [_COLUMNS, ("---", *["--:"] * (len(_COLUMNS) - 2), "---"), *map(cells, lines)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"# Benchmarks of the debug endpoint\n\n{about(wishes)}\n\n{table}\n"


def plain(lines: Sequence[Line]) -> str:
    """Return columns."""
    rows = [_COLUMNS, *map(cells, lines)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_COLUMNS))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def about(wishes: argparse.Namespace) -> str:
    """Say how it was measured."""
    packages = ", ".join(f"{name} {_version(name)}" for name in ("leakdiff", "uvicorn", "objgraph", "guppy3", "dozer"))
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"Measured by `make bench-web` on {today}: CPython {platform.python_version()} on {platform.system()}, "
        f"{packages}; {os.cpu_count()} CPUs, {wishes.turns} turns.\n\n"
        f"A small ASGI service under uvicorn with {wishes.objects:,} tracked objects of ballast answers requests that "
        f"come at random times from another process on loopback, so many that it is busy {_BUSY:.0%} of the time. A "
        "latency counts from the moment at which a request was due. Each look is compared with the seconds just before "
        "it; the peers look in a thread of the same service, each in a process of its own. Of all turns the half "
        "counts in which other programs took least of the machine's CPUs, which share is said."
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


def tell(line: str) -> None:
    """Say how far it is."""
    print(f"bench-web: {line}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench_web", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", help="only looks whose name contains one of these")
    parser.add_argument("--objects", type=int, default=1_000_000, help="tracked objects of ballast")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a watch, without its walks")
    parser.add_argument("--turns", type=int, default=4, help="how often each look is taken; the calmer half counts")
    parser.add_argument("--markdown", type=Path, help="write a page as well")
    parser.add_argument("--results", type=Path, help="keep what was measured, and show what is kept there as well")
    wishes = parser.parse_args(arguments)
    lines = measure(wishes.objects, looks(wishes.seconds, wishes.names), wishes.turns)
    if wishes.results is not None:
        lines = with_kept(lines, wishes.results, looks(wishes.seconds, ()))
    print(about(wishes), plain(lines), sep="\n\n")
    if wishes.markdown is not None:
        wishes.markdown.write_text(markdown(lines, wishes), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
