"""What a store holds, as text and as plain values."""

from __future__ import annotations

import time
from typing import Any

import attrs

from leakdiff.model.kept import StoreInfo
from leakdiff.render.plain import counted, size

FORMAT = 1
_HOUR = 3_600


def info_text(info: StoreInfo) -> str:
    """Return how much a store holds, in one line or two."""
    snapshots, processes = (
        counted(info.snapshots, "snapshot", "snapshots"),
        counted(info.processes, "process", "processes"),
    )
    about = f"leakdiff: {snapshots} ({info.deep:,} deep) of {processes}, {size(info.bytes)}, schema {info.schema}"
    if info.first is None or info.last is None:
        return about
    hours = (info.last - info.first) / _HOUR
    return f"{about}\n\n  from   {_time(info.first)}\n  until  {_time(info.last)}, {hours:,.1f} h later"


def info_plain(info: StoreInfo) -> dict[str, Any]:
    """Return the same as plain values; times are UTC seconds since the epoch."""
    return {"format": FORMAT, **attrs.asdict(info)}


def _time(utc: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(utc))
