"""Work submitted to an executor whose only worker is stuck."""

from __future__ import annotations

import concurrent.futures
import threading


class Mail:
    """What is to be sent."""

    def __init__(self, to: str) -> None:
        self.to = to


class Sender:
    """One worker, and the gate that it waits at."""

    executor: concurrent.futures.ThreadPoolExecutor

    def __init__(self) -> None:
        self.gate = threading.Event()

    def send(self, mail: Mail) -> str:
        """Send one mail, once the gate is open."""
        self.gate.wait()
        return mail.to


_sender = Sender()


def setup() -> None:
    """Open the executor, and give its worker something to be stuck in."""
    _sender.executor = concurrent.futures.ThreadPoolExecutor(1)
    _sender.executor.submit(_sender.send, Mail("first@example.org"))


def leak(units: int) -> None:
    """Submit mails behind the one that is stuck."""
    for _ in range(units):
        _sender.executor.submit(_sender.send, Mail("you@example.org"))


def clean(units: int) -> None:
    """Open the gate, and wait for each mail."""
    _sender.gate.set()
    for _ in range(units):
        _sender.executor.submit(_sender.send, Mail("you@example.org")).result()


def teardown() -> None:
    """Send all, and close the executor."""
    _sender.gate.set()
    _sender.executor.shutdown(cancel_futures=True)
