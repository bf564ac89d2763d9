"""One replica of the demo service: serves requests and reports snapshots, as told on standard input.

Each line of input is a JSON object, ``{"serve": 40}`` or ``{"at": 3600.0, "deep": true}``; each of the latter is
answered by a line with a snapshot whose clock is the simulated one. Used by ``fleet.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import importlib
import json
import os
import sys
from typing import Any

import attrs

from leakdiff import count_units, snapshot
from leakdiff.live import measure
from leakdiff.model.snapshot import Moment, Snapshot
from leakdiff.store.codec import to_plain

SERVICES = {
    "leaky": "leakdiff.demo.matching",
    "fixed": "leakdiff.demo.matching_fixed",
    "high": "leakdiff.demo.matching_fixed",
    "filling": "leakdiff.demo.matching_fixed",
}
_routes: list[bytes] = []


@functools.lru_cache(maxsize=1_000_000)
def quote(number: int) -> bytes:
    """Return a price for a ride: a cache with a bound that is far away."""
    return number.to_bytes(8, "big") * 128


class Replica:
    """A service in one event loop, and the clock it believes in."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._service: Any = importlib.import_module(SERVICES[arguments.service])
        self._loop = asyncio.new_event_loop()
        self._served = 0
        if arguments.service == "high":
            _routes.extend(os.urandom(1 << 20) for _ in range(60))
        self._loop.run_until_complete(self._service.step(200))  # what the first requests leave behind

    def serve(self, units: int) -> None:
        """Answer some requests."""
        self._loop.run_until_complete(self._service.step(units))
        if self._arguments.service == "filling":
            for number in range(units):
                quote(self._served + number)
        self._served += units
        count_units(units)

    def look(self, at: float, *, deep: bool) -> Snapshot:
        """Take a snapshot that bears the simulated time."""
        taken = snapshot() if deep else measure()
        who = attrs.evolve(
            taken.identity,
            service="matching",
            version=self._arguments.version,
            host=self._arguments.host,
            started=self._arguments.started,
            boot_id="",
        )
        return attrs.evolve(taken, identity=who, taken=Moment(at, at), cgroup=None)


def main() -> None:
    """Do what standard input says until it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service", choices=sorted(SERVICES))
    parser.add_argument("version")
    parser.add_argument("host")
    parser.add_argument("started", type=float)
    replica = Replica(parser.parse_args())
    for line in sys.stdin:
        order = json.loads(line)
        if "serve" in order:
            replica.serve(order["serve"])
        else:
            taken = replica.look(order["at"], deep=order["deep"])
            sys.stdout.write(json.dumps(to_plain(taken)) + "\n")
            sys.stdout.flush()
    os._exit(0)  # what leaks is pending tasks: the interpreter would complain of each


if __name__ == "__main__":
    main()
