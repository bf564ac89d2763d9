"""Locals of frames, read without pinning them."""

from __future__ import annotations

import inspect
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

from leakdiff.source_files import is_own_file

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


def running_frames() -> Iterator[types.FrameType]:
    """Yield the frames that run in this thread, innermost first; ours are left out."""
    frame: types.FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to one's own frames
    while frame is not None:
        if not is_own_file(frame.f_code.co_filename):
            yield frame
        frame = frame.f_back


def trace_running(on_call: Callable[[types.FrameType, str, None], Any]) -> None:
    """Trace also what runs already in this thread: a trace function by itself is told of new frames only."""
    for frame in running_frames():
        if frame.f_trace is None and (traced := on_call(frame, "call", None)) is not None:
            frame.f_trace = traced


def is_method_of(found: Any, owner: object) -> bool:
    """Tell whether a trace or profile function is that of an object; the program may have set one meanwhile."""
    return type(found) is types.MethodType and found.__self__ is owner


def start_tracing(on_call: Callable[..., Any], stop: Callable[[], None], *, also_running: bool = False) -> None:
    """Trace this thread and those that it starts; if Ctrl-C comes in between, call what stops that.

    Args:
        on_call: The trace function.
        stop: Takes it back.
        also_running: Whether to trace also what runs already in this thread.
    """
    try:
        threading.settrace(on_call)
        if also_running:
            trace_running(on_call)
        sys.settrace(on_call)
    except BaseException:
        stop()
        raise


def stop_tracing(owner: object) -> None:
    """Take back the trace function of an object, in this thread and for new ones; that of somebody else stays."""
    if is_method_of(sys.gettrace(), owner):
        sys.settrace(None)  # there was none: whoever starts makes sure of that
    if is_method_of(threading.gettrace(), owner):
        threading.settrace(None)
