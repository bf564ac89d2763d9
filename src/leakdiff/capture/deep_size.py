"""What one entry of a container takes with all that belongs to it: by pympler where that is safe, else by a walk."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from leakdiff.capture.kinds import ATOM, INTEGER, OWN, TEXT, KindsByIdentity, derives, size_of
from leakdiff.capture.references import references

_MOST_OBJECTS = 2_000  # of one sample; larger ones are cut off there
_NOT_PART = (type, types.ModuleType, types.FunctionType, types.CodeType, types.FrameType)
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: written in Python, or by C code at run time


class DeepSizer:
    """Measures samples of entries."""

    def __init__(self) -> None:
        from pympler import asizeof

        self._asizeof = asizeof.Asizer(limit=100, stats=0)
        self._kinds = KindsByIdentity()

    def mean(self, sample: Sequence[Any], entries: int) -> tuple[float, str]:
        """Return the mean deep size of entries in bytes, and the tool that measured it.

        What several of them share counts once. Classes, modules and functions do not belong to an entry.

        Args:
            sample: Live keys and values of some entries.
            entries: How many entries they are.
        """
        parts, is_whole = self._parts(sample)
        if is_whole and all(_is_safe(type(part)) for part in parts):
            self._asizeof.reset()
            return self._asizeof.asizeof(*sample) / entries, "pympler"
        sizeofs: dict[int, bool] = {}
        return sum(size_of(part, sizeofs) for part in parts) / entries, "walk"

    def _parts(self, sample: Sequence[Any]) -> tuple[list[Any], bool]:
        """Return the objects that belong to a sample, and whether these are all."""
        parts = {id(part): part for part in sample}
        pending = list(parts.values())
        while pending:
            obj = pending.pop()
            for ref in references(obj, self._kinds):
                if id(ref) in parts or derives(type(ref), *_NOT_PART) or self._kinds[type(ref)] == OWN:
                    continue
                if len(parts) >= _MOST_OBJECTS:
                    return list(parts.values()), False
                parts[id(ref)] = ref
                if self._kinds[type(ref)] not in (ATOM, TEXT, INTEGER):
                    pending.append(ref)
        return list(parts.values()), True


def _is_safe(cls: type) -> bool:
    """Tell whether pympler can measure an instance without running a program's code, or keeping its class.

    That is so for what C code defines for good, such as str, dict and datetime: pympler remembers the types it meets.
    """
    return not type.__dict__["__flags__"].__get__(cls) & _HEAP_TYPE
