"""Tracking a suspicion: how the length of one container goes, and who puts entries into it."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

import attrs

from leakdiff.errors import BadOption, CannotMeasure, OwnerNotFound
from leakdiff.interpreter import STOOD_STILL, blocks_service, is_in_event_loop, require_supported_interpreter
from leakdiff.model.code import NameKind
from leakdiff.model.tracking import Reading, Track, WhoAdds

if TYPE_CHECKING:
    from leakdiff.capture.inserts import Watched
    from leakdiff.capture.inserts_watching import Watching
    from leakdiff.capture.workload import Workload
    from leakdiff.model.code import Code, CodeSite
    from leakdiff.model.report import Finding
    from leakdiff.model.snapshot import OwnerSize

_SECONDS = 10.0
_LONGEST = 86_400.0
_SOONEST = 0.001  # seconds between two looks
_MOST_READINGS = 10_000


def readings(
    owner: str | Finding | OwnerSize, *, seconds: float | None = 60.0, every: float = 0.1
) -> Iterator[Reading]:
    """Yield the length of a container now, and whenever it has changed.

    Between two looks nothing of the program is held. A name that leads to another container meanwhile, or to none, is
    followed.

    Args:
        owner: A path of names such as ``app.matching._inflight``, a finding, or an owner of a snapshot.
        seconds: For how long; None goes on for ever.
        every: Seconds between two looks.

    Raises:
        BadOption: If an argument cannot work.
        OwnerNotFound: If no container is there; says how far the path leads.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    _check_times(seconds, every)
    return _changes(_find(owner).path, seconds, every)


def track(
    owner: str | Finding | OwnerSize,
    *,
    seconds: float | None = 60.0,
    every: float = 0.1,
    to: TextIO | None = None,
) -> Track:
    """Print a line for every change of a container's length, until the time is over or Ctrl-C.

    It runs in the thread of the caller. Ctrl-C ends it and gives what was read so far.

    Args:
        owner: A path of names such as ``app.matching._inflight``, a finding, or an owner of a snapshot.
        seconds: For how long; None goes on until Ctrl-C.
        every: Seconds between two looks: what comes and goes in between is not seen.
        to: Where the lines go; standard output otherwise.

    Raises:
        BadOption: If an argument cannot work.
        OwnerNotFound: If no container is there; says how far the path leads.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    _check_times(seconds, every)
    found = _find(owner)
    kept = _Kept(found.path, found.type)
    del found
    began = time.monotonic()
    ended = _print(kept.lines(seconds, every), sys.stdout if to is None else to)
    taken = time.monotonic() - began
    return Track(kept.path, kept.type, kept.readings, taken, every, ended, kept.left_out)


def who_adds(
    owner: str | Finding | OwnerSize,
    *,
    seconds: float = _SECONDS,
    step: Callable[..., Any] | None = None,
    everywhere: bool = False,
) -> WhoAdds:
    """Say which call stacks put entries into one container, and which take them out, while it is watched.

    From CPython 3.12 on it sees all threads, exactly. On 3.11 it sees a ``step`` exactly, and of other threads what
    they do some moments after an insertion. However it ends, nothing is left behind; Ctrl-C while it watches gives
    what was seen so far.

    Args:
        owner: A path of names such as ``app.matching._inflight``, a finding, or an owner of a snapshot.
        seconds: For how long, while other threads do the work. Not used where a step is given.
        step: Work to do once, in this thread, while watching: a function without arguments, or one that takes the
            number of units and is given 1; coroutine functions are awaited in an event loop of their own.
        everywhere: Whether to watch every line of the program's own code, rather than the functions that its source
            says put entries in: many times slower, and needed where they are not all that do.

    Raises:
        BadOption: If an argument cannot work.
        KeyboardInterrupt: If Ctrl-C comes before it watches, while the source is read.
        BadCallable: If ``step`` requires more than one argument.
        StepFailed: If ``step`` raises.
        OwnerNotFound: If no container is there; says how far the path leads.
        CannotMeasure: If somebody else uses what this needs.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    _check_seconds(seconds)
    if type(everywhere) is not bool:
        raise BadOption("everywhere", everywhere, "True or False")
    began = time.thread_time()
    from leakdiff.adding import told

    work = _work(step)
    watching, code = _watching(owner, everywhere)
    prepared = time.thread_time() - began
    found = told(watching.watch(seconds, work), code, prepared)
    if work is not None or not blocks_service():
        return found
    todo = "await asyncio.to_thread(leakdiff.who_adds, path)"
    return attrs.evolve(found, not_seen=(*found.not_seen, f"{STOOD_STILL}: {todo}"))


def _watching(owner: object, everywhere: bool) -> tuple[Watching, Code]:  # noqa: FBT001 - as it was given
    """Return what watches a container, which alone holds it, and what the source says of it."""
    watched = _find(owner)
    from leakdiff.capture.inserts_watching import Watching
    from leakdiff.source.read import read_code

    home = watched.home()
    code = read_code(home)
    is_everywhere = everywhere or home.kind is NameKind.CACHE  # whoever calls a cached function fills the cache
    return Watching(watched, _lines(code.puts), _lines(code.gones), is_everywhere=is_everywhere), code


class _Kept:
    """The readings of a track: the first, and the last so many of those that follow."""

    def __init__(self, path: str, kind: str) -> None:
        self.path, self.type = path, kind
        self.left_out = 0
        self._first: list[Reading] = []
        self._last: deque[Reading] = deque()

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Those that are kept."""
        return (*self._first, *self._last)

    def lines(self, seconds: float | None, every: float) -> Iterator[str]:
        """Keep readings as they come, and yield a line for each."""
        from leakdiff.render.tracking import change_line, first_line

        yield first_line(self.path, self.type, seconds)
        if blocks_service():
            yield f"{STOOD_STILL.replace('stood', 'stands')}: await asyncio.to_thread(leakdiff.track, {self.path!r})"
        before = None
        for reading in _changes(self.path, seconds, every):
            self._keep(reading)
            yield change_line(self.path, reading, before)
            before = reading

    def _keep(self, reading: Reading) -> None:
        (self._last if self._first else self._first).append(reading)
        if len(self._last) >= _MOST_READINGS:
            self._last.popleft()
            self.left_out += 1


def _print(lines: Iterator[str], to: TextIO) -> str:
    """Write lines as they come, and return why they ended."""
    try:
        for line in lines:
            try:
                _write(line, to)
            except (OSError, ValueError):  # a pipe that nobody reads, or a file that is closed
                return "nobody reads"
    except KeyboardInterrupt:
        return "Ctrl-C"
    return "time"


def _write(line: str, to: TextIO) -> None:
    try:
        to.write(f"{line}\n")
    except UnicodeEncodeError:  # of a terminal that knows ASCII only
        to.write(line.encode("ascii", "backslashreplace").decode() + "\n")
    to.flush()


def _check_times(seconds: object, every: object) -> None:
    if seconds is not None:
        _check_seconds(seconds)
    if type(every) not in (int, float) or not _SOONEST <= every <= _LONGEST:  # type: ignore[operator]
        raise BadOption("every", every, f"a number of seconds from {_SOONEST:g} to {_LONGEST:,.0f}")


def _check_seconds(seconds: object) -> None:
    if type(seconds) not in (int, float) or not 0 < seconds <= _LONGEST:  # type: ignore[operator]
        raise BadOption("seconds", seconds, f"a number of seconds above 0, at most {_LONGEST:,.0f}")


def _find(owner: object) -> Watched:
    require_supported_interpreter()
    from leakdiff.capture.inserts import find_watched

    return find_watched(_path_of(owner))


def _path_of(owner: object) -> str:
    """Return the path of what was given; of somebody else's object nothing is read."""
    from leakdiff.model.report import Finding
    from leakdiff.model.snapshot import OwnerSize

    if type(owner) is Finding:
        if owner.owner is None:
            todo = "Only what has a name can be tracked: finding.why() tells what is known."
            raise OwnerNotFound(f"The owner of {owner.fingerprint}", "no Python object owns this growth", todo)
        return owner.owner
    if type(owner) is OwnerSize:
        return owner.path
    if type(owner) is not str:
        raise BadOption("owner", owner, "a path of names such as 'app.matching._inflight', a finding or an owner")
    return owner


def _changes(path: str, seconds: float | None, every: float) -> Iterator[Reading]:
    from leakdiff.capture.inserts import looks

    length: int | None = -1
    known: int | None = None
    for look in looks(path, _forever if seconds is None else seconds, every):
        is_other = look.identity is not None and known is not None and look.identity != known
        if look.length != length or is_other:
            yield Reading(look.utc, look.length, is_other)
        length, known = look.length, look.identity or known


_forever = float("inf")


def _work(step: Callable[..., Any] | None) -> Workload | None:
    if step is None:
        return None
    from leakdiff.capture.workload import Workload

    work = Workload(step)
    if work.is_async and is_in_event_loop():
        raise CannotMeasure(
            "An asynchronous step",
            "an event loop runs in this thread, and would wait for it",
            "Call it from another thread: await asyncio.to_thread(leakdiff.who_adds, path, step=step).",
        )
    return work


def _lines(sites: Iterable[CodeSite]) -> frozenset[tuple[str, int]]:
    return frozenset((found.site.file, found.site.line) for found in sites)
