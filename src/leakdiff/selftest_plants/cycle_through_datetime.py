"""A reference cycle through ``datetime``, which hides its time zone from the collector."""

from __future__ import annotations

import datetime


class Zone(datetime.tzinfo):
    """A time zone that may know when it came into force, in its own time."""

    def __init__(self) -> None:
        self.names = ["summer", "winter"]
        self.since: datetime.datetime | None = None

    def utcoffset(self, _: datetime.datetime | None) -> datetime.timedelta:
        """Return the hour that it is ahead."""
        return datetime.timedelta(hours=1)

    def dst(self, _: datetime.datetime | None) -> datetime.timedelta:
        """Return that there is no summer time."""
        return datetime.timedelta(0)

    def tzname(self, _: datetime.datetime | None) -> str:
        """Return its name."""
        return self.names[0]


def leak(units: int) -> None:
    """Make zones that know since when, in their own time."""
    for _ in range(units):
        zone = Zone()
        zone.since = datetime.datetime(1996, 1, 1, tzinfo=zone)


def clean(units: int) -> None:
    """Make zones that know it in universal time."""
    for _ in range(units):
        zone = Zone()
        zone.since = datetime.datetime(1996, 1, 1, tzinfo=datetime.UTC)
