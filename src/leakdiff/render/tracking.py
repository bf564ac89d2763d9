"""What was seen of one container as text: the lines of a track, and the stacks that put entries in."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence

from leakdiff.model.heap import Site
from leakdiff.model.tracking import Inserts, Reading, Track, WhoAdds
from leakdiff.render.plain import counted, printable
from leakdiff.render.text import short_path
from leakdiff.source_files import is_of_stdlib

_MOST_STACKS = 5
_MOST_REMOVALS = 3
_MOST_LINES = 8  # of a stack
_SHORT, _LONG = 0.0995, 9.95  # seconds: below the one told in milliseconds, from the other on in whole ones
_WIDTH = 20  # of "in function", as in the report
_entries = functools.partial(counted, noun="entry", plural="entries")


def first_line(path: str, kind: str, seconds: float | None) -> str:
    """Say what is tracked, and how to end it."""
    ends = "until Ctrl-C" if seconds is None else f"for {_seconds(seconds)} or until Ctrl-C"
    return (
        f"leakdiff: {printable(path)} ({printable(kind)}), a line for each change of its length {ends}; times are UTC"
    )


def change_line(path: str, reading: Reading, before: Reading | None) -> str:
    """Return one line: when, what, how long it is now, and by how much that has changed."""
    return f"{_clock(reading.utc)}  {printable(path)}  {_changed(reading, before)}"


def _changed(reading: Reading, before: Reading | None) -> str:
    if reading.length is None:
        return "is not there any more" if before is not None else "is not there"
    if before is None:
        return f"{reading.length:,}"
    if before.length is None:
        return f"{reading.length:,} ({'another container' if reading.is_other else 'there again'})"
    other = "another container now, " if reading.is_other else ""
    return f"{reading.length:,} ({other}{reading.length - before.length:+,})"


def track_line(track: Track) -> str:
    """Return a track in one line."""
    lengths = [reading.length for reading in track.readings if reading.length is not None]
    went = f"{lengths[0]:,} → {lengths[-1]:,} ({track.gained:+,})" if lengths else "never there"
    changes = f"{track.changes:,} change{'s' * (track.changes != 1)}"
    ended = f", ended by {track.ended}" if track.ended != "time" else ""
    return f"{printable(track.owner)} {went}, {changes} in {_seconds(track.seconds)}{ended}"


def track_text(track: Track) -> str:
    """Return a track as its lines, and in what they were seen; ends without a newline."""
    lines = [f"leakdiff: {track_line(track)}", ""]
    lines += (f"  {change_line(track.owner, reading, None)}" for reading in track.readings[:1])
    if track.left_out:
        lines.append(
            f"  {counted(track.left_out, 'change')} after that {'was' if track.left_out == 1 else 'were'} left out"
        )
    before = None if track.left_out else track.readings[0] if track.readings else None
    for reading in track.readings[1:]:
        lines.append(f"  {change_line(track.owner, reading, before)}")
        before = reading
    lines.append(f"  looked at every {track.every:g} s: what came and went in between was not seen; times are UTC")
    return "\n".join(lines)


def track_spark(track: Track, width: int) -> str:
    """Return the lengths over time as a drawing in one line."""
    from leakdiff.render.pictures.names import can_be_written
    from leakdiff.render.pictures.sparks import BLOCKS, spark

    return str(spark(_over_time(track, width), width, ascii=not can_be_written(BLOCKS)))


def _over_time(track: Track, width: int) -> list[float]:
    """Return the length at evenly spaced moments: changes come when they come."""
    readings = track.readings[1:] if track.left_out else track.readings
    known = [(reading.utc, reading.length) for reading in readings if reading.length is not None]
    if not known:
        return []
    began = known[0][0]
    step = max(0.0, track.readings[0].utc + track.seconds - began) / max(1, width - 1)
    found, at = [], 0
    for position in range(width):
        while at + 1 < len(known) and known[at + 1][0] <= began + position * step + step / 2:
            at += 1
        found.append(float(known[at][1]))
    return found


def adds_claim(seen: WhoAdds) -> str:
    """Say in one line what was seen."""
    name, during = printable(seen.owner), f"in {_seconds(seen.seconds)}"
    if not seen.added and not seen.gained:
        return f"{name} gained no entries {during}"
    places = len(seen.places)
    where = f", from {places:,} place{'s' * (places != 1)}" if places else ", from nowhere that could be seen"
    if seen.gained == seen.added:
        return f"{name} gained {_entries(seen.gained)} {during}{where}"
    went = "gained" if seen.gained >= 0 else "lost"
    both = f"{seen.added:,} put in{where}, and {seen.added - seen.gained:,} taken out"
    return f"{name} {went} {_entries(abs(seen.gained))} {during}: {both}"


def adds_text(seen: WhoAdds) -> str:
    """Return all that was seen: every stack, the method, its cost, what could not be seen; ends without a newline."""
    blocks = [f"leakdiff: {adds_claim(seen)}"]
    blocks += _blocks(seen.stacks, "put", _MOST_STACKS)
    blocks += _blocks(seen.removals, "gone", _MOST_REMOVALS)
    blocks.append("\n".join(f"  {name:<5}  {printable(text)}" for name, text in _ending(seen)))
    return "\n\n".join(blocks)


def _blocks(stacks: Sequence[Inserts], name: str, most: int) -> Iterator[str]:
    for one in stacks[:most]:
        yield "\n".join((f"  {_count(one)}", *_lines(one, name)))
    if len(stacks) > most:
        entries = sum(one.entries for one in stacks[most:])
        yield f"  and {len(stacks) - most:,} more stacks with {_entries(entries)}"


def _count(one: Inserts) -> str:
    times = f", {'once' if one.times == 1 else f'{one.times:,} times'}" if one.times != one.entries else ""
    perhaps = f"; {_entries(one.perhaps)} more by it or by others" if one.perhaps else ""
    return f"{_entries(one.entries)} ({one.share:.0%}){times}{perhaps}"


def _lines(one: Inserts, name: str) -> Iterator[str]:
    """Yield the lines of a stack, innermost first."""
    shown = _telling(one.stack)
    for at, site in enumerate(shown[:_MOST_LINES]):
        yield f"  {name if at == 0 else 'from':<5}  {_site(site)}"
    if len(shown) > _MOST_LINES:
        more = len(shown) - _MOST_LINES
        yield f"         and {more:,} line{'s' * (more != 1)} above"


def _telling(stack: Sequence[Site]) -> Sequence[Site]:
    """Return the lines of a stack worth showing, innermost first.

    Above the program's own innermost line, those of the standard library only say that there are threads and loops.
    """
    inwards = stack[::-1]
    own = next((at for at, site in enumerate(inwards) if not is_of_stdlib(site.file)), len(inwards))
    return [site for at, site in enumerate(inwards) if at <= own or not is_of_stdlib(site.file)]


def _site(site: Site) -> str:
    where = f"in {printable(site.function)}" if site.function else ""
    return f"{printable(short_path(site.file))}:{site.line}  {where:<{_WIDTH}}  {printable(site.code)}".rstrip()


def _ending(seen: WhoAdds) -> Iterator[tuple[str, str]]:
    yield "how", seen.method
    looks = f"the length was read {seen.cost.events:,} times"
    yield "cost", f"{seen.cost.cpu_seconds:.2f} CPU s in {_seconds(seen.seconds)}; {looks}"
    for note in seen.not_seen:
        yield "note", note


def _seconds(seconds: float) -> str:
    if seconds < _SHORT:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:,.0f} s" if seconds >= _LONG else f"{seconds:.1f} s".replace(".0 s", " s")


def _clock(utc: float) -> str:
    moment = time.gmtime(utc)
    return f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}.{int(utc % 1 * 1000):03}"
