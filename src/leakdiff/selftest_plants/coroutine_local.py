"""A dict that is a local variable of a coroutine, in a task that never ends."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_numbers = itertools.count()


class Quote:
    """One offer."""

    def __init__(self, number: int) -> None:
        self.number = number


async def keep_all(inbox: asyncio.Queue[Quote]) -> None:
    """Keep every quote by its number."""
    by_number: dict[int, Quote] = {}
    while True:
        quote = await inbox.get()
        by_number[quote.number] = quote
        inbox.task_done()


async def keep_last(inbox: asyncio.Queue[Quote]) -> None:
    """Keep the last quote."""
    last: dict[str, Quote] = {}
    while True:
        last["quote"] = await inbox.get()
        inbox.task_done()


class Feed:
    """An event loop of its own, with one long-lived consumer on it."""

    loop: asyncio.AbstractEventLoop
    inbox: asyncio.Queue[Quote]
    consumer: asyncio.Task[None]

    def start(self, consume: Callable[[asyncio.Queue[Quote]], Coroutine[None, None, None]]) -> None:
        """Open the loop and start the consumer, which first runs in ``deliver``."""
        self.loop = asyncio.new_event_loop()
        self.inbox = asyncio.Queue()
        self.consumer = self.loop.create_task(consume(self.inbox), name="quotes")

    def deliver(self, units: int) -> None:
        """Run the loop until the consumer has taken that many new quotes."""
        for number in itertools.islice(_numbers, units):
            self.inbox.put_nowait(Quote(number))
        self.loop.run_until_complete(self.inbox.join())

    def stop(self) -> None:
        """Cancel the consumer and close the loop."""
        self.consumer.cancel()
        self.loop.run_until_complete(asyncio.wait([self.consumer]))
        self.loop.close()


_keeping = Feed()
_passing = Feed()


def setup() -> None:
    """Start a feed whose consumer keeps all, and one whose consumer does not."""
    _keeping.start(keep_all)
    _passing.start(keep_last)


def leak(units: int) -> None:
    """Deliver quotes to the consumer that keeps them."""
    _keeping.deliver(units)


def clean(units: int) -> None:
    """Deliver quotes to the consumer that keeps one."""
    _passing.deliver(units)


def teardown() -> None:
    """Stop both feeds."""
    _keeping.stop()
    _passing.stop()
