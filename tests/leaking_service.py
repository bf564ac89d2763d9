"""The matching service of the demo, really leaking under an endpoint and a monitor with two days of history: run it.

It prints where the endpoint is, as a line of JSON, and ends when its input does. The token is in ``LEAKDIFF_TOKEN``.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import threading

import attrs

import leakdiff
import leakdiff.web
from leakdiff import live
from leakdiff.demo import matching
from leakdiff.model.snapshot import Moment, Snapshot, Tally
from leakdiff.store.interface import Store
from leakdiff.store.sqlite import open_store

OWNER = "leakdiff.demo.matching._inflight"
SERVICE, BEFORE, AFTER = "matching", "2.4.0", "2.4.1"
MIB = 1 << 20
HOURS, EVERY = 32, 900.0  # of each version, and seconds between readings
UNITS = 20_000  # that were served before the first look
LEAKED = 36 * MIB  # by them


def past(store: Store) -> None:
    """Make up a history that leads to the present: a version that is well, then one that leaks."""
    now = live.measure(who=(SERVICE, BEFORE, None))
    chance = random.Random(1)  # noqa: S311 - noise, no secret
    for version, began in ((BEFORE, 2 * HOURS), (AFTER, HOURS)):
        for at in range(1, int(HOURS * 3_600 / EVERY)):
            store.add(_reading(now, version, began * 3_600.0, at * EVERY, chance))


def _reading(now: Snapshot, version: str, began: float, age: float, chance: random.Random) -> Snapshot:
    """Return what would have been read of a version that began so many seconds ago, when it was of an age."""
    utc = now.taken.utc - began + age
    identity = attrs.evolve(now.identity, version=version)
    share = age / (HOURS * 3_600.0)  # of what the leak has come to by now
    if version == BEFORE:  # another life; the present process takes the later one for its own
        identity, share = attrs.evolve(identity, started=now.taken.utc - began, pid=17), 0.0
    memory = now.memory.rss - LEAKED * (1 - share) + MIB * (math.sin(utc / 86_400 * math.tau) + chance.gauss(0, 0.2))
    return attrs.evolve(
        now,
        taken=Moment(utc, age),
        identity=identity,
        memory=attrs.evolve(now.memory, rss=int(memory)),
        units=int(UNITS * age / (HOURS * 3_600.0)),
        watched=(Tally(OWNER, int(40 + 4 * math.sin(utc) + UNITS * 0.27 * share)),),
    )


def traffic(has_served: threading.Event) -> None:
    """Serve rides for ever, a hundred in a second after the first."""

    async def serve() -> None:
        await _serve(UNITS)
        has_served.set()
        while True:
            await _serve(2)
            await asyncio.sleep(0.02)

    asyncio.run(serve())


async def _serve(units: int) -> None:
    await matching.step(units)
    leakdiff.count_units(units)


def main() -> None:
    """Serve until the input ends."""
    store, has_served = open_store("sqlite:///:memory:"), threading.Event()
    threading.Thread(target=traffic, args=(has_served,), name="traffic", daemon=True).start()
    has_served.wait()
    leakdiff.watch(0.1)  # what a first watch imports, and what grows by it, is none of the service's
    past(store)
    with (
        leakdiff.Monitor(300.0, store=store, deep="never", service=SERVICE, version=AFTER) as monitor,
        leakdiff.web.serve(monitor=monitor, cooldown=0, service=SERVICE, version=AFTER) as server,
    ):
        monitor.measure_now(deep=True)
        print(json.dumps(server.url), flush=True)  # noqa: T201 - who started it waits for this
        sys.stdin.read()


if __name__ == "__main__":
    main()
