"""The load of ``bench_web.py``: requests at random times that do not depend on the answers, from its own process."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time

_REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_MOST = 400  # connections; beyond it requests wait for one, and that counts
_LONGEST = 900.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Load:
    """Connections that are kept open, and what was measured: when each request was due and how late it was answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(_MOST)
        self.answered: list[tuple[float, float]] = []

    async def one(self, due: float) -> None:
        """Send a request and wait for its answer."""
        async with self._room:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(_REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            self._idle.append((reader, writer))
        self.answered.append((due, time.monotonic() - due))

    async def offer(self, rate: float, ended: asyncio.Event) -> None:
        """Send so many requests a second, on average, until it is enough."""
        chance, running = random.Random(1), set[asyncio.Task[None]]()  # noqa: S311 - a load
        due = time.monotonic()
        last = due + _LONGEST
        while not ended.is_set() and due < last:
            due += chance.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self.one(due))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)


async def main(port: int, rate: float) -> None:
    """Offer the load until a line comes on stdin, then print what was measured."""
    gc.disable()
    load, ended = Load(port), asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await load.offer(rate, ended)
    print(json.dumps(load.answered))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
