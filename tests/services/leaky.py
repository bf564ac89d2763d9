"""The same leak for every framework: who cancelled a ride is remembered for ever."""

from __future__ import annotations

_cancelled: dict[str, bytearray] = {}


def cancel(ride: str) -> None:
    """Forget to forget a ride."""
    _cancelled[f"ride-{ride}"] = bytearray(600)
