"""What every text is made with: sizes as people read them, and text that cannot steer a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakdiff.model.snapshot import Identity, Moment

ROUND_COLUMNS = ("phase", "units", "objects", "blocks", "native_bytes", "fds", "threads", "freed")
"""What a table of rounds says of each."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(count: float) -> str:
    """Return a number of bytes as ``1.1 MiB``."""
    step = 0
    while abs(count) >= (1023.5 if step == 0 else 1023.95) and step < len(_UNITS) - 1:
        count /= 1024
        step += 1
    return f"{count:.0f} B" if step == 0 else f"{count:.1f} {_UNITS[step]}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 thread`` or ``1,200 threads``."""
    return f"{count:,} {noun if count == 1 else f'{noun}s' if plural is None else plural}"


def printable(text: str) -> str:
    """Return text with everything escaped that could steer a terminal or break a line."""
    if text.isprintable():  # nearly all of it is, and ten million characters take a second one by one
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in text
    )


def who_of(identity: Identity) -> str:
    """Say which process something is of: ``matching 2.4.1 on pod-7, pid 12``."""
    named = f"{identity.service or 'a process'} {identity.version}".rstrip()
    revision = f" ({identity.revision[:12]})" if identity.revision else ""
    host = f" on {identity.host}" if identity.host else ""
    return printable(f"{named}{revision}{host}, pid {identity.pid}")


def when(moment: Moment) -> str:
    """Say when something was; a time that no calendar has stays a number."""
    try:
        return str(moment)
    except (OSError, OverflowError, ValueError):  # no clock of ours, and no year that has a name
        return f"{moment.utc:g} s"
