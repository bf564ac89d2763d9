"""Which interpreters leakdiff can read the heap of."""

from __future__ import annotations

import platform
import sys

from leakdiff.errors import UnsupportedInterpreter

STOOD_STILL = "an event loop runs in this thread, and stood still meanwhile"


def require_supported_interpreter() -> None:
    """Refuse politely where the heap cannot be read exactly.

    Raises:
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    if sys.implementation.name != "cpython" or sys.version_info < (3, 11):
        raise UnsupportedInterpreter(f"{platform.python_implementation()} {platform.python_version()}")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise UnsupportedInterpreter(f"a free-threaded build of CPython {platform.python_version()}")


def blocks_service() -> bool:
    """Tell whether waiting in this thread stops an event loop that may serve; that of a notebook serves nothing."""
    return is_in_event_loop() and "ipykernel" not in sys.modules


def is_in_event_loop() -> bool:
    """Tell whether an event loop of asyncio runs in this thread: whoever blocks it stops what it serves."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001 - the other function raises
