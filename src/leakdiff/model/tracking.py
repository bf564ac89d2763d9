"""What was seen of one container while somebody watched it: its lengths, and the stacks that changed it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from leakdiff.errors import BadOption
from leakdiff.model.heap import Site
from leakdiff.model.one_line import one_line
from leakdiff.model.shown import Shown

_SPARKS, _WIDEST = 40, 1_000  # characters that a drawing is wide


@attrs.frozen
class Reading:
    """The length of a container at one moment.

    Attributes:
        utc: Seconds since the epoch.
        length: Entries it held; None where the name led to no container.
        is_other: Whether the name leads to another container than the reading before.
    """

    utc: float
    length: int | None
    is_other: bool = False

    __repr__ = one_line

    def __iter__(self) -> Iterator[Any]:
        """Yield the moment and the length: ``for utc, length in track.readings``."""
        yield self.utc
        yield self.length


@attrs.frozen
class Track:
    """How the length of a container went.

    Attributes:
        owner: The container, by its path.
        type: Its type, at first.
        readings: The first reading, and one for every change of its length; where there were too many, the last ones.
        seconds: For how long it was watched.
        every: Seconds between two looks: what comes and goes in between is not seen.
        ended: Why it ended: ``time``, ``Ctrl-C``, or ``nobody reads`` where its lines could not be written any more.
        left_out: Changes that are not among the readings, for there were too many: those after the first reading.
    """

    owner: str
    type: str
    readings: tuple[Reading, ...]
    seconds: float
    every: float
    ended: str = "time"
    left_out: int = 0

    @property
    def gained(self) -> int:
        """Entries it holds more at the end than at the beginning."""
        known = [reading.length for reading in self.readings if reading.length is not None]
        return known[-1] - known[0] if known else 0

    @property
    def changes(self) -> int:
        """How often its length was seen to change."""
        return max(0, len(self.readings) - 1) + self.left_out

    def __repr__(self) -> str:
        from leakdiff.render.tracking import track_line

        return f"<Track {track_line(self)}>"

    def __str__(self) -> str:
        from leakdiff.render.tracking import track_line

        return track_line(self)

    def why(self) -> Shown:
        """Return the readings as the lines that were printed."""
        from leakdiff.render.tracking import track_text

        return Shown(track_text(self))

    def spark(self, width: int = _SPARKS) -> Shown:
        """Return the lengths as a small drawing in one line; it begins after changes that were left out.

        Args:
            width: Characters it may be wide.

        Raises:
            BadOption: If it cannot be so wide.
        """
        if type(width) is not int or not 1 <= width <= _WIDEST:
            raise BadOption("width", width, f"a whole number from 1 to {_WIDEST:,}")
        from leakdiff.render.tracking import track_spark

        return Shown(track_spark(self, width))


@attrs.frozen
class Inserts:
    """One call stack that was seen to change the length of a container.

    Attributes:
        stack: Its lines, outermost first; the last is the one that does it. Lines of leakdiff are left out.
        times: How often it did.
        entries: How many entries it put in, or took out, all times together.
        share: Of all that were put in, or taken out, from 0 to 1; of what was not told apart it has none.
        perhaps: Entries more that it, or another thread beside it, has put in: which of them is not known. A stack may
            have no others.
    """

    stack: tuple[Site, ...]
    times: int
    entries: int
    share: float
    perhaps: int = 0

    @property
    def site(self) -> Site:
        """The line that does it."""
        return self.stack[-1]

    def __repr__(self) -> str:
        return f"<Inserts {self.entries:,} entries, at {len(self.stack)} lines>"


@attrs.frozen
class WatchCost:
    """What watching for inserts cost.

    Attributes:
        cpu_seconds: CPU seconds in all: of finding the lines, and of looking while the program ran.
        events: How often leakdiff looked at the length.
    """

    cpu_seconds: float = 0.0
    events: int = 0

    __repr__ = one_line


@attrs.frozen
class WhoAdds:
    """Who put entries into one container while somebody watched.

    Attributes:
        owner: The container, by its path.
        type: Its type.
        length: Entries at the end.
        gained: Entries it gained; where the name was given to another container, what each of them gained meanwhile.
        seconds: For how long it was watched.
        stacks: Call stacks that put entries in, those that put most first.
        removals: Call stacks that took entries out.
        untold: Entries that were put in by nobody who could be named.
        lost: Entries that were taken out by nobody who could be named.
        method: How it was found out, in a sentence.
        cost: What that cost.
        not_seen: What could not be seen, in sentences.
        is_exact: Whether each stack was taken at the line that put, and not some moments later, and no change was left
            in doubt between threads.
    """

    owner: str
    type: str
    length: int
    gained: int
    seconds: float
    stacks: tuple[Inserts, ...]
    removals: tuple[Inserts, ...]
    untold: int
    method: str
    cost: WatchCost
    not_seen: tuple[str, ...] = ()
    lost: int = 0
    is_exact: bool = True

    @property
    def added(self) -> int:
        """Entries that were seen to be put in, whether they stayed or not."""
        return sum(one.entries for one in self.stacks) + self.untold

    @property
    def removed(self) -> int:
        """Entries that were seen to be taken out."""
        return sum(one.entries for one in self.removals) + self.lost

    @property
    def places(self) -> tuple[Site, ...]:
        """The lines that put entries in, each once."""
        return tuple(dict.fromkeys(one.site for one in self.stacks))

    def __repr__(self) -> str:
        from leakdiff.render.tracking import adds_claim

        return f"<WhoAdds {adds_claim(self)}>"

    def __str__(self) -> str:
        from leakdiff.render.tracking import adds_claim

        return f"leakdiff: {adds_claim(self)}"

    def __iter__(self) -> Iterator[Inserts]:
        return iter(self.stacks)

    def why(self) -> Shown:
        """Return every stack with its lines and its count, how that was found out, and what it cost."""
        from leakdiff.render.tracking import adds_text

        return Shown(adds_text(self))
