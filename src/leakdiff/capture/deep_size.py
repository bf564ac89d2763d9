"""What one entry of a container takes with all that belongs to it: by pympler where that is safe, else by a walk."""

from __future__ import annotations

import collections
import datetime
import types
from collections.abc import Sequence
from typing import Any

from leakdiff.capture.kinds import ATOM, INTEGER, OWN, TEXT, KindsByIdentity, derives, is_exactly, size_of
from leakdiff.capture.quiet_import import without
from leakdiff.capture.references import references

_MOST_OBJECTS = 2_000  # of one sample; larger ones are cut off there
_NOT_PART = (type, types.ModuleType, types.FunctionType, types.CodeType, types.FrameType)
# Data and nothing else. Of other types pympler does more than look: it follows weak references, and asks what they
# lead to for its class and ``__dict__``; it reads the locals of generators, which then keep them.
_PLAIN_DATA = (
    str,
    bytes,
    bytearray,
    int,
    bool,
    float,
    complex,
    type(None),
    list,
    tuple,
    dict,
    set,
    frozenset,
    collections.deque,
    collections.OrderedDict,
    collections.defaultdict,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
)


class DeepSizer:
    """Measures samples of entries."""

    def __init__(self) -> None:
        with without("numpy"):  # pympler imports it where it is installed: 12 MiB that the program did not ask for
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
        if is_whole and all(is_exactly(type(part), *_PLAIN_DATA) for part in parts):
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
