"""One line on the terminal that says what is happening, for anything over a second."""

from __future__ import annotations

import sys
import time

_PATIENCE = 1.0
_CLEAR = "\r\x1b[K"


class Progress:
    """Writes to standard error, and only if it is a terminal."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._is_terminal = _is_terminal(sys.stderr)
        self._shown = False

    def __call__(self, what: str) -> None:
        """Show what is being done now."""
        if self._is_terminal and time.monotonic() - self._started >= _PATIENCE:
            sys.stderr.write(f"{_CLEAR}leakdiff: {what}")
            sys.stderr.flush()
            self._shown = True

    def close(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


def _is_terminal(stream: object) -> bool:
    """Tell whether a stream is a terminal; what stands in for standard error may not be able to say."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError, OSError):
        return False
