"""Import a library of ours without what it would take along into somebody's process."""

from __future__ import annotations

import operator
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from typing import Any


class _Absent:
    """A finder for which a module is not installed, as far as the present thread asks."""

    def __init__(self, name: str) -> None:
        self._name, self._thread = name, threading.get_ident()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002 - as importlib calls it
        """Refuse the module; leave every other to the finders that come after."""
        if name == self._name and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


@contextmanager
def without(name: str) -> Iterator[None]:
    """Let imports of this thread go on as if a module were not installed, unless the program has it already."""
    absent: Any = _Absent(name)
    before = sys.meta_path
    sys.meta_path = [absent, *before]  # another list: threads that go through the present one must not notice
    try:
        yield
    finally:
        left = [finder for finder in sys.meta_path if finder is not absent]
        is_as_before = len(left) == len(before) and all(map(operator.is_, left, before))
        sys.meta_path = before if is_as_before else left
