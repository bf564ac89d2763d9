"""A list on an attribute of a long-lived instance."""

from __future__ import annotations


class Letter:
    """What is put into a mailbox."""

    def __init__(self, text: str) -> None:
        self.text = text


class Mailbox:
    """Keeps the letters that were delivered."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def deliver(self) -> None:
        """Put one more letter in."""
        self.letters.append(Letter("dear reader"))


_mailbox = Mailbox()


def leak(units: int) -> None:
    """Deliver letters that nobody collects."""
    for _ in range(units):
        _mailbox.deliver()


def clean(units: int) -> None:
    """Deliver letters and collect each one."""
    for _ in range(units):
        _mailbox.deliver()
        _mailbox.letters.pop()


def teardown() -> None:
    """Empty the mailbox."""
    _mailbox.letters.clear()
