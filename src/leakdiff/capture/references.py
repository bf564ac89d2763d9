"""What an object refers to, also where gc cannot see it."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

from leakdiff.capture.kinds import BUFFER, MODULE, NDARRAY, PLAIN, Kinds, dict_of_module


def references(obj: object, kinds: Kinds) -> Sequence[Any]:
    """Return the objects that ``obj`` refers to; runs no code of theirs."""
    kind = kinds[type(obj)]
    if kind in (PLAIN, BUFFER):
        return gc.get_referents(obj)
    if kind == MODULE:
        return [dict_of_module(obj)]
    if kind == NDARRAY:
        return [*gc.get_referents(obj), *array_items(obj, kinds)]
    return ()


def array_items(obj: object, kinds: Kinds) -> list[Any]:
    """Return what a numpy object array holds, and the array it is a view of."""
    cls: Any = kinds.ndarray
    base = cls.__dict__["base"].__get__(obj)
    if base is not None:
        return [base]
    if cls.__dict__["dtype"].__get__(obj).kind != "O":
        return []
    return list(cls.__dict__["flat"].__get__(obj))
