"""A list on a class, shared by every short-lived instance."""

from __future__ import annotations

from typing import ClassVar


class Visit:
    """One line in the auditor's trail."""

    def __init__(self, page: str) -> None:
        self.page = page


class Auditor:
    """Is made for one request, but writes to a list that all auditors share."""

    trail: ClassVar[list[Visit]] = []

    def note(self, page: str) -> None:
        """Write one more line."""
        self.trail.append(Visit(page))


def leak(units: int) -> None:
    """Note visits on the class."""
    for _ in range(units):
        Auditor().note("/home")


def clean(units: int) -> None:
    """Note visits on the class, and take each one off again."""
    for _ in range(units):
        Auditor().note("/home")
        Auditor.trail.pop()


def teardown() -> None:
    """Erase the trail."""
    Auditor.trail.clear()
