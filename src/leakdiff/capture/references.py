"""What an object refers to, also where gc cannot see it."""

from __future__ import annotations

import gc
import types
from collections.abc import Sequence
from typing import Any

from leakdiff.capture.frames import locals_of
from leakdiff.capture.kinds import (
    BUFFER,
    HIDER,
    MODULE,
    NDARRAY,
    PLAIN,
    SUSPENDED,
    Kinds,
    dict_of_module,
    dict_of_type,
    mro_of,
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
    if kind == NDARRAY:
        return [*gc.get_referents(obj), *array_items(obj, kinds)]
    if kind == HIDER:
        return [*gc.get_referents(obj), *_look_into(obj, kinds.hider_of(type(obj)))]
    return ()


def _of_suspended(refs: list[Any]) -> list[Any]:
    """Leave out the frame and the empty dict that stay with a generator whose locals we named; its function follows."""
    at = next((at for at, ref in enumerate(refs) if type(ref) is types.FrameType), len(refs))
    end = at + 2 if [type(ref) for ref in refs[at + 1 : at + 2]] == [dict] and not refs[at + 1] else at + 1
    return [*refs[:at], *refs[end:]] if [type(ref) for ref in refs[end : end + 1]] == [types.FunctionType] else refs


def _look_into(obj: object, hider: Any) -> list[Any]:
    if hider.__name__ == "greenlet":
        return [value for _, value in greenlet_locals(obj)]
    return [part for pair in hider.__dict__["items"](obj) for part in pair]


def greenlet_locals(obj: object) -> list[tuple[str, Any]]:
    """Return names and values of the locals of all frames of a suspended greenlet; none if it runs or has ended."""
    frame = _greenlet_frame(obj)
    found: list[tuple[str, Any]] = []
    while frame is not None:
        found.extend(locals_of(frame).items())
        frame = frame.f_back
    return found


def _greenlet_frame(obj: object) -> types.FrameType | None:
    for cls in mro_of(type(obj)):
        descriptor = dict_of_type(cls).get("gr_frame")
        if type(descriptor) is types.GetSetDescriptorType:
            frame = descriptor.__get__(obj)
            return frame if type(frame) is types.FrameType else None
    return None


def array_items(obj: object, kinds: Kinds) -> list[Any]:
    """Return what a numpy object array holds, empty places left out, or the array it is a view of."""
    cls: Any = kinds.ndarray
    base = cls.__dict__["base"].__get__(obj)
    if base is not None:
        return [base]
    if cls.__dict__["dtype"].__get__(obj).kind != "O":
        return []
    return [item for item in cls.__dict__["flat"].__get__(obj) if item is not None]
