"""Who put entries into a container, told as names and numbers: what was seen of it live goes no further."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from leakdiff.capture.inserts_booked import Tally, Trail, added_up
from leakdiff.capture.inserts_watching import Seen
from leakdiff.model.code import Code
from leakdiff.model.heap import Site
from leakdiff.model.tracking import Inserts, WatchCost, WhoAdds
from leakdiff.render.text import short_path
from leakdiff.source_files import SourceFiles

_MOST_STACKS = 200
_MOST_LINES = 5  # named of one function
_COUNTED = "Counted is what makes it longer: a key that is set again does not"


def told(seen: Seen, code: Code, prepared: float) -> WhoAdds:
    """Return what was seen as names and numbers."""
    began = time.thread_time()
    files = SourceFiles()
    booked = seen.booked
    puts, gones = _stacks(booked.puts, files, booked.untold), _stacks(booked.gones, files, booked.lost)
    return WhoAdds(
        owner=seen.path,
        type=seen.type,
        length=seen.length,
        gained=seen.gained,
        seconds=seen.seconds,
        stacks=puts[:_MOST_STACKS],
        removals=gones[:_MOST_STACKS],
        untold=booked.untold + _beyond(puts),
        lost=booked.lost + _beyond(gones),
        method=f"{seen.method}. {_COUNTED}.",
        cost=WatchCost(prepared + seen.cpu + time.thread_time() - began, booked.events),
        not_seen=(*_of_source(seen, code), *seen.not_seen),
        is_exact=seen.is_exact,
    )


def _of_source(seen: Seen, code: Code) -> Iterator[str]:
    """Say what the source does not show, and what it alone does: the one function that puts, where none was seen."""
    if code.missing:
        yield f"of the source: {code.missing}"
    functions = {(put.site.file, put.site.function) for put in code.puts}
    is_known = len(functions) == 1 and all(put.is_sure for put in code.puts)
    if seen.is_sampled and seen.booked.untold and not seen.booked.puts and is_known and not code.missing:
        ((file, function),) = functions
        lines = ", ".join(str(line) for line in sorted({put.site.line for put in code.puts})[:_MOST_LINES])
        yield (
            f"by the source, not seen: {function or 'the module itself'} ({short_path(file)}:{lines}) puts into it, "
            "and no other function that it shows does"
        )


def _stacks(table: Mapping[Trail, Tally], files: SourceFiles, untold: int) -> tuple[Inserts, ...]:
    """Return stacks without leakdiff's own lines, those that did most first."""
    tallies = added_up(table)
    total = sum(tally.entries for tally in tallies.values()) + untold
    ranked = sorted(tallies.items(), key=lambda item: (-item[1].entries, -item[1].perhaps, item[0]))
    return tuple(
        Inserts(_sites(trail, files), tally.times, tally.entries, tally.entries / (total or 1), tally.perhaps)
        for trail, tally in ranked
    )


def _sites(trail: Trail, files: SourceFiles) -> tuple[Site, ...]:
    """Return the lines of a stack, outermost first."""
    return tuple(
        Site(file, line, name.replace("<locals>.", "").removeprefix("<module>"), files.line(file, line))
        for file, line, name in reversed(trail)
    )


def _beyond(stacks: Sequence[Inserts]) -> int:
    return sum(one.entries for one in stacks[_MOST_STACKS:])
