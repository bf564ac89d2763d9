"""Locals of frames, read without pinning them."""

from __future__ import annotations

import inspect
import sys
import types
from typing import Any

_OURS = 3  # references to the dict of a frame: the frame, our local, getrefcount's argument


def locals_of(frame: types.FrameType) -> dict[str, Any]:
    """Return a copy of a frame's locals and do not pin them.

    Up to 3.12 reading ``f_locals`` leaves a dict in the frame that keeps every local alive until the
    function returns; emptying that dict lets them go, unless the function itself got it from ``locals()``.
    """
    shown: Any = frame.f_locals
    if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:  # a class body or exec: the user's own mapping
        return dict.copy(shown) if type(shown) is dict else {}
    copied = dict(shown)
    if sys.version_info < (3, 13) and sys.getrefcount(shown) <= _OURS:
        shown.clear()
    return copied
