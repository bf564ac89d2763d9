"""What an object refers to, also where gc cannot see it."""

from __future__ import annotations

import gc
import types
from collections.abc import Sequence
from typing import Any

from leakdiff.capture.adapters import contents
from leakdiff.capture.holders import greenlet_locals as greenlet_locals  # noqa: PLC0414  # naming asks it here
from leakdiff.capture.kinds import (
    BUFFER,
    HIDER,
    MODULE,
    NDARRAY,
    PLAIN,
    SUSPENDED,
    Kinds,
    adapter_of,
    derives,
    dict_of_module,
    dict_of_type,
    loaded,
    qualname_of,
)


def references(obj: object, kinds: Kinds) -> Sequence[Any]:
    """Return the objects that ``obj`` refers to; runs no code of theirs."""
    kind = kinds[type(obj)]
    if kind in (PLAIN, BUFFER):
        return gc.get_referents(obj)
    if kind == MODULE:
        return [dict_of_module(obj)]
    if kind == SUSPENDED:
        return _of_suspended(gc.get_referents(obj))
    if kind in (NDARRAY, HIDER):
        return [*gc.get_referents(obj), *_look_into(obj, kinds)]
    return ()


def time_zone_of(obj: object) -> object:
    """Return the time zone of a datetime or a time, which gc is not told of; None for anything else."""
    for name in ("datetime", "time"):
        cls = loaded("datetime", name)
        if cls is not None and derives(type(obj), cls):
            return dict_of_type(cls)["tzinfo"].__get__(obj)
    return None


def _of_suspended(refs: list[Any]) -> list[Any]:
    """Leave out the frame and the empty dict that stay with a generator whose locals we named; its function follows."""
    at = next((at for at, ref in enumerate(refs) if type(ref) is types.FrameType), len(refs))
    end = at + 2 if [type(ref) for ref in refs[at + 1 : at + 2]] == [dict] and not refs[at + 1] else at + 1
    return [*refs[:at], *refs[end:]] if [type(ref) for ref in refs[end : end + 1]] == [types.FunctionType] else refs


def _look_into(obj: object, kinds: Kinds) -> list[Any]:
    """Ask the adapter for what an object hides from gc; an adapter is a user's code and may raise anything."""
    adapter = adapter_of(type(obj))
    if adapter is None:
        return []
    try:
        return contents(adapter, obj)
    except Exception as error:  # noqa: BLE001
        kinds.failures[adapter.name] = (
            f"the adapter for {adapter.name} raised {qualname_of(type(error))}: its contents were not looked at"
        )
        return []
