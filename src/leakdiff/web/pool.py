"""The threads that answers are made in, so that no event loop waits for them, nor the service's own threads."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

_Answer = TypeVar("_Answer")


class Pool:
    """A few threads, made when they are first needed, and anew after a fork.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pools: dict[int, ThreadPoolExecutor] = {}

    async def run(self, work: Callable[[], _Answer]) -> _Answer:
        """Do something in a thread and wait for it, under asyncio or trio."""
        pool = self._pool()
        if not is_trio():
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        return await _under_trio(pool.submit(work))

    def _pool(self) -> ThreadPoolExecutor:
        pid = os.getpid()
        pool = self._pools.get(pid)
        if pool is None:
            made = ThreadPoolExecutor(self._most, thread_name_prefix="leakdiff-web")
            pool = self._pools.setdefault(pid, made)  # of two threads that are first here one wins
            for other in [other for other in self._pools if other != pid]:
                self._pools.pop(other, None)
        return pool


async def _under_trio(future: Future[_Answer]) -> _Answer:
    """Wait for what one of our threads does; trio's own threads are the service's."""
    import trio

    loop, done = trio.lowlevel.current_trio_token(), trio.Event()

    def tell(_: object) -> None:
        with suppress(trio.RunFinishedError):
            loop.run_sync_soon(done.set)

    future.add_done_callback(tell)
    await done.wait()
    return future.result()


def is_trio() -> bool:
    """Tell whether the running event loop is trio's."""
    if "trio" not in sys.modules:
        return False
    import trio

    return trio.lowlevel.in_trio_run()
