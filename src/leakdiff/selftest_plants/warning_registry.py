"""Warnings with a text of their own each: the registry of the module remembers every one."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

_numbers = itertools.count()
_catching: list[warnings.catch_warnings[Any]] = []


def setup() -> None:
    """Let each place warn once, and say nothing."""
    catching = warnings.catch_warnings()
    catching.__enter__()
    warnings.simplefilter("default")
    warnings.showwarning = _say_nothing
    _catching.append(catching)


def leak(units: int) -> None:
    """Warn with the number in the text."""
    for _ in range(units):
        warnings.warn(f"order {next(_numbers)} has no name", UserWarning, stacklevel=1)


def clean(units: int) -> None:
    """Warn with one and the same text."""
    for _ in range(units):
        warnings.warn("an order has no name", UserWarning, stacklevel=1)


def teardown() -> None:
    """Forget every warning."""
    globals().get("__warningregistry__", {}).clear()
    _catching.pop().__exit__(None, None, None)


def _say_nothing(*_: Any, **__: Any) -> None:
    pass
