"""Tasks that wait for an event that does not come, and are never cancelled."""

from __future__ import annotations

import asyncio


class Message:
    """What a task was started for."""

    def __init__(self, text: str) -> None:
        self.text = text


class Inbox:
    """An event loop of its own, and the event that says it closes."""

    loop: asyncio.AbstractEventLoop
    closing: asyncio.Event

    def start(self) -> None:
        """Open the loop."""
        self.loop = asyncio.new_event_loop()
        self.closing = asyncio.Event()

    async def watch(self, message: Message) -> str:
        """Wait for the end, for one message."""
        await self.closing.wait()
        return message.text

    async def receive(self, units: int) -> None:
        """Start a task for each message, and forget it."""
        for _ in range(units):
            await self.start_watching()

    async def answer(self, units: int) -> None:
        """Start a task for each message, and cancel it."""
        for _ in range(units):
            watching = await self.start_watching()
            watching.cancel()
            await asyncio.wait([watching])

    async def start_watching(self) -> asyncio.Task[str]:
        """Start one task and let it run until it waits."""
        watching = asyncio.create_task(self.watch(Message("hello")))
        await asyncio.sleep(0)
        return watching

    async def close(self) -> None:
        """Let every waiting task end."""
        self.closing.set()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others)


_inbox = Inbox()


def setup() -> None:
    """Open the inbox."""
    _inbox.start()


def leak(units: int) -> None:
    """Receive messages whose tasks wait for ever."""
    _inbox.loop.run_until_complete(_inbox.receive(units))


def clean(units: int) -> None:
    """Receive messages and cancel their tasks."""
    _inbox.loop.run_until_complete(_inbox.answer(units))


def teardown() -> None:
    """Close the inbox and its loop."""
    _inbox.loop.run_until_complete(_inbox.close())
    _inbox.loop.close()
