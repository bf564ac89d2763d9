"""Futures for answers that never come, kept by the number of their question."""

from __future__ import annotations

import asyncio
import itertools


class Client:
    """Asks questions and waits for answers by number."""

    loop: asyncio.AbstractEventLoop
    numbers = itertools.count()

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[str]] = {}

    def ask(self) -> int:
        """Ask one question, and return its number."""
        number = next(self.numbers)
        self.waiting[number] = self.loop.create_future()
        return number

    def answer(self, number: int) -> None:
        """Give the answer to one question."""
        self.waiting.pop(number).set_result("yes")


_client = Client()


def setup() -> None:
    """Open the loop."""
    _client.loop = asyncio.new_event_loop()


def leak(units: int) -> None:
    """Ask what nobody answers."""
    for _ in range(units):
        _client.ask()


def clean(units: int) -> None:
    """Ask, and be answered."""
    for _ in range(units):
        _client.answer(_client.ask())


def teardown() -> None:
    """Forget every question, and close the loop."""
    _client.waiting.clear()
    _client.loop.close()
