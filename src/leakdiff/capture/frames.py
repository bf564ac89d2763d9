"""Locals of frames, read without pinning them."""

from __future__ import annotations

import inspect
import sys
import types
from typing import Any


def locals_of(frame: types.FrameType) -> dict[str, Any]:
    """Return a copy of a frame's locals and do not pin them.

    Up to 3.12 reading ``f_locals`` leaves a dict in the frame that keeps every local alive until the
    function returns; emptying that dict lets them go.
    """
    shown = frame.f_locals
    copied = dict(shown)
    if sys.version_info < (3, 13) and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        shown.clear()  # type: ignore[attr-defined]
    return copied
