"""Which few names get a series of their own: the largest, without flapping and without end."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from leakdiff.render.plain import printable

_LONGEST = 200  # characters of a label


class Shortlist:
    """The names that have a series of their own.

    A name comes in when it is among the first few, and stays until it has fallen well below: two names that change
    places at every look do not come and go. Names without number, such as of classes made in a loop, end at a limit.

    Args:
        most: A name comes in when it is among the first so many.
        until: It stays while it is among the first so many; there are never more names at once.
        ever: Names that may come in over the life of the process.
    """

    def __init__(self, most: int, until: int, ever: int) -> None:
        self._most, self._until, self._ever = most, until, ever
        self._names: tuple[str, ...] = ()
        self._seen: set[str] = set()

    def update(self, ranked: Iterable[str]) -> tuple[str, ...]:
        """Return the names that are on it now, the largest first.

        Args:
            ranked: All names, the largest first, each once.
        """
        near = [name for _, name in zip(range(self._until), ranked, strict=False)]
        chosen = set(self._names)
        chosen.update(name for name in near[: self._most] if self._may_come(name))
        self._names = tuple(name for name in near if name in chosen)
        return self._names

    def _may_come(self, name: str) -> bool:
        if name not in self._seen and len(self._seen) < self._ever:
            self._seen.add(name)
        return name in self._seen


def label_of(name: str) -> str:
    """Return a name as a label: printable, so that it breaks no exposition, and at most 200 characters."""
    text = name if name.isascii() and name.isprintable() else printable(name)
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 12]}... {zlib.crc32(text.encode()):08x}"
