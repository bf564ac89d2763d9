"""The demo service under load: open-loop arrivals in its own event loop, latencies from when a request was due."""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path

from leakdiff.demo import matching_fixed as service

_BUSY = 0.35  # share of a CPU that the load takes
_RIDES = 20  # of a request, one after the other: half a millisecond
_CALIBRATION = 200  # requests
_TRIAL = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Answered:
    """The requests of one run: when each was due, in seconds of ``time.perf_counter``, and how late its answer was."""

    due: array[float] = field(default_factory=lambda: array("d"))
    latency: array[float] = field(default_factory=lambda: array("d"))

    def quantile(self, share: float) -> float:
        """Return the latency, in seconds, that this share of the requests does not exceed."""
        ordered = sorted(self.latency)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    def between(self, begin: float, end: float) -> Answered:
        """Return the requests that were due in a span of time."""
        pairs = [pair for pair in zip(self.due, self.latency, strict=True) if begin <= pair[0] <= end]
        return Answered(array("d", (due for due, _ in pairs)), array("d", (late for _, late in pairs)))


async def offer(rate: float, seconds: float, seed: int, stop: threading.Event | None = None) -> Answered:
    """Send requests at random times that do not depend on the answers.

    Args:
        rate: Requests a second, on average.
        seconds: How long at most.
        seed: Of the times.
        stop: Ends it earlier.
    """
    chance, answered = random.Random(seed), Answered()  # noqa: S311 - a load
    running: set[asyncio.Task[None]] = set()
    due = time.perf_counter()
    end = due + seconds
    while due < end and not (stop is not None and stop.is_set()):
        due += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(_answer(due, answered))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    return answered


async def _answer(due: float, answered: Answered) -> None:
    await service.step(_RIDES)
    answered.due.append(due)
    answered.latency.append(time.perf_counter() - due)


async def calibrated() -> float:
    """Return how many requests a second make the process as busy as it shall be."""
    await service.step(_CALIBRATION * _RIDES)
    started = time.process_time()
    await service.step(_CALIBRATION * _RIDES)
    rate = _BUSY * _CALIBRATION / (time.process_time() - started)
    return rate * _BUSY / await busy_at(rate)  # a request that is waited for costs more than one of a batch


def waited() -> float:
    """Return for how many seconds the main thread could have run and had no CPU, as far as Linux tells."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


async def busy_at(rate: float) -> float:
    """Return which share of a CPU a load takes."""
    started, cpu = time.perf_counter(), time.process_time()
    await offer(rate, _TRIAL, seed=0)
    return (time.process_time() - cpu) / (time.perf_counter() - started)
