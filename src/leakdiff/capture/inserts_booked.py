"""What is known of the changes of a container's length, by the call stacks that made them."""

from __future__ import annotations

import sys
import types
from _thread import get_ident
from collections.abc import Collection, Mapping

import attrs

from leakdiff.source_files import is_own_file, passes_on

Place = tuple[str, int, str]  # file, line, function
Trail = tuple[Place, ...]  # innermost first
Lines = Collection[tuple[str, int]]

_DEEPEST = 64  # lines of a stack that are kept
_MOST_TRAILS = 2_000


@attrs.define(eq=False)
class Tally:
    """How often a stack changed the length, and by how many entries in all.

    Attributes:
        times: How often.
        entries: Entries.
        perhaps: Entries that it may have put in, and somebody else as well.
    """

    times: int = 0
    entries: int = 0
    perhaps: int = 0

    def plus(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(self.times + other.times, self.entries + other.entries, self.perhaps + other.perhaps)


@attrs.define(eq=False)
class Booked:
    """What is known of the changes of a length.

    Attributes:
        puts: What put entries in, by stack.
        gones: What took entries out.
        untold: Entries that nobody who is known put in.
        lost: Entries that nobody who is known took out.
        doubted: Entries among both that a line that is watched may have put in or taken out, or another thread.
        contested: Changes seen while another thread had done its line as well, and told apart by what the lines did
            before.
        events: How often the length was read.
        crowded: Entries among both that are of stacks beyond the most that are kept.
        failed: Events that could not be taken note of.
    """

    puts: dict[Trail, Tally] = attrs.field(factory=dict)
    gones: dict[Trail, Tally] = attrs.field(factory=dict)
    untold: int = 0
    lost: int = 0
    doubted: int = 0
    contested: int = 0
    events: int = 0
    crowded: int = 0
    failed: int = 0

    @property
    def balance(self) -> int:
        """What all that is booked comes to."""
        told = sum(one.entries for one in self.puts.values()) - sum(one.entries for one in self.gones.values())
        return told + self.untold - self.lost

    def add(self, trail: Trail, change: int, times: int = 1) -> None:
        """Book a change on a stack."""
        table = self.puts if change > 0 else self.gones
        tally = table.get(trail)
        if tally is None:
            if len(table) >= _MOST_TRAILS:
                self.crowded += abs(change)
                self.add_unknown(change)
                return
            tally = table[trail] = Tally()
        tally.times += times
        tally.entries += abs(change)

    def merge(self, other: Booked) -> None:
        """Add what another one knows."""
        for mine, theirs in ((self.puts, other.puts), (self.gones, other.gones)):
            for trail, tally in list(theirs.items()):
                mine[trail] = mine.get(trail, Tally()).plus(tally)
        self.untold += other.untold
        self.lost += other.lost
        self.doubted += other.doubted
        self.contested += other.contested
        self.events += other.events
        self.crowded += other.crowded
        self.failed += other.failed

    def add_unknown(self, change: int) -> None:
        """Book a change that nobody is known to have made."""
        self.untold += max(0, change)
        self.lost += max(0, -change)

    def add_perhaps(self, trail: Trail, change: int) -> None:
        """Note who may have put entries in that are booked on nobody."""
        if trail in self.puts or len(self.puts) < _MOST_TRAILS:
            self.puts.setdefault(trail, Tally()).perhaps += change


def frames_of_others() -> dict[int, types.FrameType]:
    """Return what other threads run, by thread.

    Without our own: a frame that is among its own locals is a cycle, and keeps all that called it until a collection.
    """
    frames = sys._current_frames()  # noqa: SLF001 - the only way to the stacks of other threads
    frames.pop(get_ident(), None)
    return frames


def trail_of(frame: types.FrameType | None) -> Trail:
    """Return the stack of a frame, innermost first."""
    places: list[Place] = []
    while frame is not None and len(places) < _DEEPEST:
        places.append((frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_qualname))
        frame = frame.f_back
    return tuple(places)


def without_own(trail: Trail) -> Trail:
    """Leave out leakdiff's own lines, and what called leakdiff to do the work; not who it hands requests on to."""
    kept: list[Place] = []
    for place in trail:
        if not is_own_file(place[0]):
            kept.append(place)
        elif not passes_on(place[0]):
            break
    return tuple(kept)


def added_up(table: Mapping[Trail, Tally]) -> dict[Trail, Tally]:
    """Return what stacks did without leakdiff's own lines; those that are the same then count together."""
    found: dict[Trail, Tally] = {}
    for trail, tally in table.items():
        kept = without_own(trail) or trail[:1]
        found[kept] = found.get(kept, Tally()).plus(tally)
    return found
