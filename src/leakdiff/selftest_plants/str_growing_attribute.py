"""A ``str`` under an instance's attribute, replaced by a longer one each time."""

from __future__ import annotations

_LINE = "> and then the lights went out, and nobody knew who had been there\n"


class Chat:
    """Keeps a conversation as one text."""

    def __init__(self) -> None:
        self.history = ""

    def say(self, line: str) -> None:
        """Add one line."""
        self.history += line

    def forget_all_but(self, characters: int) -> None:
        """Keep the end of the conversation."""
        self.history = self.history[-characters:]


_chat = Chat()


def leak(units: int) -> None:
    """Say one more line a unit."""
    for _ in range(units):
        _chat.say(_LINE)


def clean(units: int) -> None:
    """Say one more line a unit, and keep the last 4,096 characters."""
    for _ in range(units):
        _chat.say(_LINE)
        _chat.forget_all_but(4_096)


def teardown() -> None:
    """Begin a new conversation."""
    _chat.history = ""
