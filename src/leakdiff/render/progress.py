"""What is happening now, on standard error: one line that goes away, or with ``--verbose`` a line for each stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from leakdiff.render.plain import printable
from leakdiff.render.terminal import can_redraw, width_of

QUIET, NORMAL, VERBOSE = "quiet", "normal", "verbose"
VOICE: ContextVar[str] = ContextVar("leakdiff_voice", default=NORMAL)
"""How much the command line says beside its results; the command line sets it."""

_PATIENCE = 1.0
_CLEAR = "\r\x1b[K"


class Progress:
    """Tells on a terminal, after a second, what is being done; without a terminal nothing, unless it is verbose."""

    def __init__(self) -> None:
        voice = VOICE.get()
        self._started = time.monotonic()
        self._stream = sys.stderr
        self._is_verbose = voice == VERBOSE
        self._is_shown = voice == NORMAL and can_redraw(self._stream)
        self._is_there = False

    def __call__(self, what: str) -> None:
        """Tell what is being done now."""
        seconds = time.monotonic() - self._started
        if self._is_verbose:
            self._write(f"leakdiff: {seconds:6.2f} s  {printable(what)}\n")
        elif self._is_shown and seconds >= _PATIENCE:
            line = f"leakdiff: {printable(what)}"[: width_of(self._stream) - 1]  # what wraps cannot be erased
            self._is_there = True
            self._write(f"{_CLEAR}{line}")

    def close(self) -> None:
        """Remove the line."""
        if self._is_there:
            self._is_there = False
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        with suppress(Exception):  # nobody may be there to read it, and the program may have put anything there
            self._stream.write(text)
            self._stream.flush()


@contextmanager
def waiting_for(what: str, progress: Progress | None = None) -> Iterator[None]:
    """Tell what one piece of work is that takes more than a second, while it is being done.

    A thread of its own does that where somebody looks: not for work whose memory is being measured.

    Args:
        what: What it is.
        progress: Of the larger work that it is a part of, if there is one.
    """
    progress = progress or Progress()
    if not progress._is_shown:  # noqa: SLF001
        progress(what)
        yield
        return
    import threading

    timer = threading.Timer(_PATIENCE, progress, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        progress.close()
