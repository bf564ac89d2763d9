"""Which old snapshots a store can do without."""

from __future__ import annotations

from collections.abc import Iterable

from leakdiff.model.kept import Header

_HOUR = 3_600
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY


def surplus(headers: Iterable[Header], now: float) -> list[int]:
    """Return the ids of snapshots that lie closer together than their age asks for.

    Of each process everything of the last 24 hours stays, then for 7 days one an hour, and beyond that one a day:
    a deep one where there is one, the earliest of them.
    """
    kept: dict[tuple[str, int, float], Header] = {}
    old = [header for header in headers if now - header.taken > _DAY]
    for header in sorted(old, key=lambda header: (not header.is_deep, header.taken, header.id)):
        kept.setdefault(_slot(header, now), header)
    return [header.id for header in old if kept[_slot(header, now)] is not header]


def _slot(header: Header, now: float) -> tuple[str, int, float]:
    length = _HOUR if now - header.taken <= _WEEK else _DAY
    return header.identity.instance, length, header.taken // length
