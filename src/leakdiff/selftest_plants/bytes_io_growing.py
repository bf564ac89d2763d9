"""An ``io.BytesIO`` that is only ever written to."""

from __future__ import annotations

import io

_FRAME = bytes(range(128))

_recording = io.BytesIO()


def leak(units: int) -> None:
    """Write frames at the end of the recording."""
    for _ in range(units):
        _recording.write(_FRAME)


def clean(units: int) -> None:
    """Write frames, each over the one before."""
    for _ in range(units):
        _recording.write(_FRAME)
        _recording.seek(0)


def teardown() -> None:
    """Erase the recording."""
    _recording.seek(0)
    _recording.truncate()
