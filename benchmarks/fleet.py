"""A 72-hour history of six replicas, in a few minutes: real processes and snapshots under a simulated clock.

The replicas run the demo service with a nightly traffic cycle and 5 % noise, are restarted now and then, and after
half of the time get a new version. Four stories: the new version leaks; it does not; memory is high and flat; a cache
with a bound is still filling.

    python benchmarks/fleet.py [--hours 72] [--replicas 6] [--every 300] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import random
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import attrs

from leakdiff import trend
from leakdiff.model.trend import Trend
from leakdiff.store.codec import from_plain
from leakdiff.store.interface import Store
from leakdiff.store.sqlite import open_store

HOUR, DAY = 3600.0, 86_400.0
_START = 1_767_225_600.0  # 2026-01-01
_REPLICA = Path(__file__).with_name("fleet_replica.py")
_TELLING_UNITS = 2_000


@attrs.frozen(kw_only=True)
class Plan:
    """What happens in a history.

    Attributes:
        before: The service until the deploy.
        after: The service from then on.
        hours: How long it lasts.
        replicas: How many serve.
        every: Seconds between cheap measurements.
        deep_every: Seconds between deep ones.
        a_day: Requests a replica serves in a day, on average.
        seed: Of the noise and of the restarts.
    """

    before: str = "fixed"
    after: str = "leaky"
    hours: float = 72.0
    replicas: int = 6
    every: float = 300.0
    deep_every: float = 6 * HOUR
    a_day: int = 12_500
    seed: int = 0


STORIES = {
    "a leak since 2.4.1": Plan(),
    "the same, fixed": Plan(after="fixed"),
    "high and flat": Plan(before="high", after="high"),
    "a bounded cache, filling": Plan(before="filling", after="filling"),
}


class Life:
    """One process of a replica, from its start to its end."""

    def __init__(self, service: str, version: str, host: str, started: float) -> None:
        command = [sys.executable, str(_REPLICA), service, version, host, str(started)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def serve(self, units: int) -> None:
        """Let it answer requests."""
        self._order({"serve": units})

    def look(self, at: float, store: Store, *, deep: bool) -> None:
        """Keep a snapshot of it."""
        self._order({"at": at, "deep": deep})
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        store.add(from_plain(json.loads(self._process.stdout.readline())))

    def end(self) -> None:
        """End it and wait."""
        self._process.communicate()

    def _order(self, order: dict[str, object]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()


def simulate(plan: Plan, store: Store) -> int:
    """Let a history happen, one replica after the other, and return how many requests the last version served."""
    served = 0
    for number in range(plan.replicas):
        served += _one_replica(plan, store, number)
    return served


def _one_replica(plan: Plan, store: Store, number: int) -> int:
    noise = random.Random(f"{plan.seed} {number}")  # noqa: S311 - a simulation
    deploy = _START + plan.hours * HOUR / 2 + number * 300
    restarts = [deploy, *_restarts(plan, noise)]
    life, served, deep_at = None, 0, 0.0
    for at in _times(plan, number):
        if life is None or any(at - plan.every < restart <= at for restart in restarts):
            if life is not None:
                life.end()
            is_new = at >= deploy
            service, version = (plan.after, "2.4.1") if is_new else (plan.before, "2.4.0")
            life, deep_at = Life(service, version, f"matching-{number}", at), at + HOUR
        units = _units(plan, at, noise)
        life.serve(units)
        served += units if at >= deploy else 0
        life.look(at, store, deep=at >= deep_at)
        if at >= deep_at:
            deep_at += plan.deep_every
    if life is not None:
        life.end()
    return served


def _times(plan: Plan, number: int) -> Iterator[float]:
    at = _START + number * 7
    while at < _START + plan.hours * HOUR:
        yield at
        at += plan.every


def _restarts(plan: Plan, noise: random.Random) -> list[float]:
    """Return when a replica is restarted besides the deploy: once on average."""
    return [_START + noise.uniform(0.1, 0.9) * plan.hours * HOUR for _ in range(noise.choice((0, 1, 2)))]


def _units(plan: Plan, at: float, noise: random.Random) -> int:
    """Return the requests of one interval: few at night, and 5 % noise."""
    cycle = 1 + 0.4 * math.sin(2 * math.pi * (at % DAY) / DAY)
    return max(0, round(plan.a_day * plan.every / DAY * cycle * noise.gauss(1, 0.05)))


def true_bytes_per_unit() -> float:
    """Measure what a request of the leaky service leaves behind, by tracemalloc in a process of its own."""
    source = "import sys; sys.path.insert(0, sys.argv[1]); import fleet; print(fleet.traced())"
    command = [sys.executable, "-c", source, str(Path(__file__).parent)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def traced() -> float:
    """Return bytes per request that stay allocated in this process."""
    import asyncio
    import os

    from leakdiff.demo import matching

    loop = asyncio.new_event_loop()
    loop.run_until_complete(matching.step(1_000))
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    loop.run_until_complete(matching.step(_TELLING_UNITS))
    gc.collect()
    gained = tracemalloc.get_traced_memory()[0] - before
    sys.stdout.write(f"{gained / _TELLING_UNITS}\n")
    sys.stdout.flush()
    os._exit(0)  # pending tasks would complain
    return 0.0


def tell(name: str, plan: Plan, folder: Path) -> Trend:
    """Let one story happen and print what the trend says of it."""
    path = folder / f"{name.replace(' ', '-').replace(',', '')}.sqlite"
    store = open_store(str(path))
    simulate(plan, store)
    found = trend(store)
    info = store.info()
    print(f"\n## {name}: {info.snapshots:,} snapshots, {info.bytes / 2**20:.1f} MiB\n\n{found.text()}")
    store.close()
    return found


def main() -> int:
    """Tell every story."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stories", nargs="*", metavar="STORY", help=f"of: {', '.join(STORIES)}")
    parser.add_argument("--hours", type=float, default=72.0)
    parser.add_argument("--replicas", type=int, default=6)
    parser.add_argument("--every", type=float, default=300.0, help="seconds between cheap measurements")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the stores there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in arguments.stories or STORIES:
            plan = attrs.evolve(
                STORIES[name], hours=arguments.hours, replicas=arguments.replicas, every=arguments.every
            )
            found = tell(name, plan, folder)
            if name == "a leak since 2.4.1" and found.memory is not None:
                truth = true_bytes_per_unit() * plan.a_day
                ratio = found.memory.per_hour.value * 24 / truth
                print(f"\nbytes a day: {found.memory.per_hour.value * 24:,.0f}, true {truth:,.0f}: {ratio:.3f} of it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
