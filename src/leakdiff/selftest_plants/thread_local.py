"""A list in a ``threading.local`` of a thread that lives long."""

from __future__ import annotations

import threading


class Crumb:
    """One thing that happened during a request."""

    def __init__(self, text: str) -> None:
        self.text = text


class Session(threading.local):
    """What each thread knows of its request."""

    def __init__(self) -> None:
        self.breadcrumbs: list[Crumb] = []


_session = Session()


def leak(units: int) -> None:
    """Leave breadcrumbs in this thread's session."""
    for _ in range(units):
        _session.breadcrumbs.append(Crumb("opened"))


def clean(units: int) -> None:
    """Leave breadcrumbs and pick each one up."""
    for _ in range(units):
        _session.breadcrumbs.append(Crumb("opened"))
        _session.breadcrumbs.pop()


def teardown() -> None:
    """Pick up every breadcrumb of this thread."""
    _session.breadcrumbs.clear()
