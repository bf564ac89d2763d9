"""A load generator for services on loopback: scenarios in turn over kept connections, with the latency of each request.

Other benchmarks import it; by itself it drives ``leakdiff.demo.rides``::

    python benchmarks/web_load.py 127.0.0.1:8000 --seconds 10 --clients 8
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random

import attrs

MOST_SECONDS = 300.0
MOST_CLIENTS = 64
_TIMEOUT = 10.0  # seconds that an answer may take


@attrs.define
class Load:
    """What came of it.

    Attributes:
        latencies: Seconds of each request that was answered, in order of their ends.
        statuses: How often each status was answered.
        failed: Requests without an answer: the connection broke.
        seconds: How long it lasted.
    """

    latencies: list[float] = attrs.field(factory=list)
    statuses: dict[int, int] = attrs.field(factory=dict)
    failed: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Requests answered in a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def quantile(self, share: float) -> float:
        """Return the latency that so large a share of the requests stayed within, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Client:
    """One connection to the service, opened again when it breaks."""

    def __init__(self, host: str, port: int, load: Load, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._host, self._port, self._load = host, port, load
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in (("Host", f"{host}:{port}"), *headers))
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request and return the status and the body; status 0 where there was no answer."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_TIMEOUT):
                status, answer = await self._exchange(method, path, body)
        except (OSError, EOFError, ValueError):
            self._load.failed += 1
            await self.close()
            await asyncio.sleep(0.05)  # a worker that is being started again
            return 0, b""
        self._load.latencies.append(time.perf_counter() - began)
        self._load.statuses[status] = self._load.statuses.get(status, 0) + 1
        return status, answer

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=1 << 24)
        reader, writer = self._streams
        writer.write(
            f"{method} {path} HTTP/1.1\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body
        )
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        status = int(head[0].split(" ")[1])
        answer = await _body(reader, fields) if method != "HEAD" and status not in (204, 304) else b""
        if fields.get("connection", "").lower() == "close" or head[0].startswith("HTTP/1.0"):
            await self.close()
        return status, answer

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if "content-length" in fields:
        return await reader.readexactly(int(fields["content-length"]))
    if fields.get("transfer-encoding", "").lower() != "chunked":
        return await reader.read()
    pieces = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        pieces.append((await reader.readexactly(size + 2))[:-2])
    await reader.readline()
    return b"".join(pieces)


Scenario = Callable[[Client, Random], Awaitable[None]]


async def drive(  # noqa: PLR0913 - each argument is a knob of its own
    host: str,
    port: int,
    scenario: Scenario,
    *,
    seconds: float,
    clients: int = 8,
    pause: float = 0.0,
    headers: Sequence[tuple[str, str]] = (),
    stop: Callable[[], bool] | None = None,
) -> Load:
    """Let clients run a scenario again and again.

    Args:
        host: A loopback address.
        port: The service's port.
        scenario: What one client does, given its connection and a source of chance.
        seconds: For how long, 300 at most.
        clients: How many at a time, 64 at most.
        pause: Seconds that a client rests between two scenarios, on average.
        headers: Sent with each request.
        stop: Asked before each scenario whether to end sooner.

    Raises:
        ValueError: If the host is not loopback, or there would be more load than that.
    """
    if not ipaddress.ip_address(host).is_loopback or not 0 < seconds <= MOST_SECONDS or not 0 < clients <= MOST_CLIENTS:
        raise ValueError("load goes to loopback only, for 300 s and from 64 clients at most")
    load, began = Load(), time.perf_counter()

    def is_over() -> bool:
        return time.perf_counter() >= began + seconds or (stop is not None and stop())

    await asyncio.gather(
        *(_client(Client(host, port, load, headers), scenario, Random(n), is_over, pause) for n in range(clients))  # noqa: S311
    )
    load.seconds = time.perf_counter() - began
    return load


async def _client(
    client: Client, scenario: Scenario, chance: Random, is_over: Callable[[], bool], pause: float
) -> None:
    while not is_over():
        await scenario(client, chance)
        if pause:
            await asyncio.sleep(chance.expovariate(1 / pause))
    await client.close()


async def rides(client: Client, chance: Random) -> None:
    """Ask for a ride of ``leakdiff.demo.rides`` and cancel it one time in five, export one time in two hundred."""
    _, number = await client.ask("POST", "/rides")
    if number.isdigit():
        await client.ask("POST", f"/rides/{int(number)}/{'cancel' if chance.random() < 0.2 else 'accept'}")
    if chance.random() < 0.5:
        await client.ask("GET", "/health")
    if chance.random() < 0.005:
        await client.ask("GET", "/export")


def main() -> None:
    """Drive the demo service."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="127.0.0.1:PORT")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.01)
    given = parser.parse_args()
    host, _, port = given.address.rpartition(":")
    with suppress(KeyboardInterrupt):
        load = asyncio.run(
            drive(host, int(port), rides, seconds=given.seconds, clients=given.clients, pause=given.pause)
        )
        print(f"{len(load.latencies):,} requests, {load.per_second:,.0f} a second, {load.failed:,} without an answer")
        median, worst = statistics.median(load.latencies), load.quantile(0.99)
        print(f"median {median * 1e3:.2f} ms, p99 {worst * 1e3:.2f} ms; statuses {load.statuses}")


if __name__ == "__main__":
    main()
