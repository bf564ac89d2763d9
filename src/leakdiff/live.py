"""The table of contents of the live regime: snapshots of a process that cannot repeat its work, and what they tell."""

from __future__ import annotations

import os
import platform
import threading
import time
from abc import get_cache_token
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Self

import attrs

from leakdiff.__about__ import __version__
from leakdiff.deep import with_code
from leakdiff.errors import BadOption
from leakdiff.interpreter import STOOD_STILL, blocks_service, require_supported_interpreter
from leakdiff.model.report import ACCUSING, Cost, Report, Verdict
from leakdiff.model.snapshot import Snapshot
from leakdiff.model.trend import TrendRow
from leakdiff.options import DEFAULTS

if TYPE_CHECKING:
    from leakdiff.judge.verdicts import Judgement
    from leakdiff.model.diff import Diff
    from leakdiff.model.evidence import Suspect
    from leakdiff.model.trend import Point, Trend
    from leakdiff.store.interface import Store

Sites = Literal["auto"] | bool
Who = tuple[str | None, str | None, str | None]
Wait = Callable[[float], None]
ShouldStop = Callable[[], bool]

TABLES = ("version", "instance", "path")
_LONGEST = 86_400.0
_MOST_WINDOWS = 50
_HOURLY = 600.0  # seconds from which rates are told by the hour
_TO_THREAD = "await asyncio.to_thread(leakdiff.watch, 60)"
_CONTAINERS_ONLY = (
    "a watch sees what stays in containers; the C heap, file descriptors and objects that refer to each other in a "
    "chain are seen by a diff of two snapshots"
)
_FROZEN = (
    "the heap was frozen by someone else (gc.freeze, or another watch), and unfreezing it would undo their work: "
    "owners were compared by their lengths at the borders of the windows instead of by what is new"
)
_marking = threading.Lock()  # two watches would unfreeze each other's heap


def _forget_marks() -> None:
    """Let a forked child watch, whoever was watching in its parent."""
    global _marking  # noqa: PLW0603
    _marking = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_marks)
# What first use leaves on the heap is there before anything is counted: the process that rehearsed, and when. Whoever
# registers a class with an ABC, as imports do, makes abc forget all the answers it had remembered by then.
_rehearsed: tuple[int, object] = 0, None


def snapshot(  # noqa: PLR0913 - each argument is a knob of its own
    *,
    label: str | None = None,
    sites: Sites = "auto",
    owners: bool = True,
    budget: float = DEFAULTS.max_seconds,
    units: Callable[[], int] | None = None,
    service: str | None = None,
    version: str | None = None,
    revision: str | None = None,
) -> Snapshot:
    """Return everything leakdiff can know of this process now, as names and numbers.

    It walks the heap forward from named roots, a few milliseconds at a time, and lets other threads run in
    between. It holds no object of the program and can be kept, compared and stored.

    Args:
        label: A name for it.
        sites: Whether to read allocation sites from tracemalloc; ``"auto"`` does if it is on and keeps little.
        owners: Whether to name containers and read their lengths.
        budget: Seconds the walk may take; what was not reached then is said in ``left_out``.
        units: What returns the units of work done so far; ``leakdiff.count_units`` otherwise.
        service: ``service.name``; from the environment or installed metadata otherwise.
        version: ``service.version``.
        revision: ``vcs.ref.head.revision``.

    Raises:
        BadOption: If an argument cannot work.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    require_supported_interpreter()
    _check(label, sites, budget)
    _rehearse()
    taken = measure(label=label, units=units, who=(service, version, revision))
    return _deepen(taken, sites=sites, budget=budget, owners=owners)


def snapshot_with(
    who: Who, budget: float, rest: float | None = None, should_stop: ShouldStop | None = None
) -> Snapshot:
    """Take a snapshot as ``snapshot`` does, more gently.

    Args:
        who: ``service.name``, ``service.version`` and ``vcs.ref.head.revision``, as far as they are known.
        budget: Seconds the walk may take.
        rest: Seconds it rests after every 2 ms of work; half a millisecond if None.
        should_stop: Asked as often whether to give up.

    Raises:
        Abandoned: If it was to stop.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    require_supported_interpreter()
    _check(None, "auto", budget)
    _rehearse()
    return _deepen(measure(who=who), sites="auto", budget=budget, owners=True, should_stop=should_stop, rest=rest)


def _check(label: object, sites: object, budget: object) -> None:
    if label is not None and type(label) is not str:
        raise BadOption("label", label, "a text")
    if type(sites) is not bool and (type(sites) is not str or sites != "auto"):
        raise BadOption("sites", sites, "True, False or 'auto'")
    if type(budget) not in (int, float) or not budget > 0:  # type: ignore[operator]
        raise BadOption("budget", budget, "a number of seconds above 0")


def measure(
    *, label: str | None = None, units: Callable[[], int] | None = None, who: Who = (None, None, None)
) -> Snapshot:
    """Return a cheap measurement, without a walk: the process's memory and its container's."""
    from leakdiff.capture.cgroups import read_cgroup
    from leakdiff.capture.identity import now, read_identity
    from leakdiff.capture.process import read_memory
    from leakdiff.capture.snapshots import Stopwatch
    from leakdiff.capture.traffic import read_units

    clock = Stopwatch()
    service, version, revision = who
    notes: list[str] = []
    taken = Snapshot(
        taken=now(),
        identity=read_identity(service=service, version=version, revision=revision),
        label=label,
        memory=read_memory(cheap=True),
        cgroup=read_cgroup(),
        units=read_units(units, notes),
        left_out=tuple(notes),
    )
    return attrs.evolve(taken, cost=clock.cost())


def _deepen(  # noqa: PLR0913 - what a walk may do, each by its name
    taken: Snapshot,
    *,
    sites: Sites,
    budget: float,
    owners: bool,
    should_stop: ShouldStop | None = None,
    rest: float | None = None,
) -> Snapshot:
    from leakdiff.capture.process import read_memory
    from leakdiff.capture.snapshots import Stopwatch, read_heap
    from leakdiff.capture.turns import quick_turns

    clock = Stopwatch()
    memory = read_memory(cheap=False)
    with quick_turns():
        reading = read_heap(owners=owners, seconds=budget, should_stop=should_stop, rest=rest)
        heap = reading.heap(sites=sites)
    walk = reading.walk
    return attrs.evolve(
        taken,
        memory=memory,
        resources=reading.resources,
        heap=heap,
        left_out=(*taken.left_out, *reading.notes),
        cost=clock.cost(walk.pacer.longest, walk.memory(), len(walk.addresses)),
    )


def prepare() -> None:
    """Import whatever a snapshot, a watch or a trend needs, in the thread of the caller.

    A fork while another thread imports leaves the child with a module that nobody finishes.

    Raises:
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    require_supported_interpreter()
    _rehearse()
    from leakdiff.capture import lookup, owners  # noqa: F401
    from leakdiff.compare import history  # noqa: F401
    from leakdiff.judge import trends  # noqa: F401
    from leakdiff.ownership import accumulate  # noqa: F401
    from leakdiff.source import pages, pending, read  # noqa: F401
    from leakdiff.store import sqlite  # noqa: F401


def _rehearse() -> None:
    global _rehearsed  # noqa: PLW0603 - once a process
    if _rehearsed == (os.getpid(), get_cache_token()):
        return
    from leakdiff.capture.turns import quick_turns

    with quick_turns():  # the imports take half a second, of a program that may be serving
        from leakdiff.capture import explained, windows  # noqa: F401 - imported before anything is counted
        from leakdiff.capture.snapshots import rehearse
        from leakdiff.compare import cohorts, difference, lengths  # noqa: F401
        from leakdiff.judge import live  # noqa: F401
        from leakdiff.render import snapshots  # noqa: F401
        from leakdiff.store import files  # noqa: F401
        from leakdiff.store.codec import decoded, encoded

        decoded(encoded(measure()))
        rehearse()
    _rehearsed = os.getpid(), get_cache_token()


def diff(before: Snapshot, after: Snapshot | None = None) -> Diff:
    """Return what changed between two snapshots; without ``after``, between one and now.

    The two may be of different processes, hosts and versions: owners are compared by name. What cannot be
    compared is said in ``incomparable``.
    """
    for name, given in (("before", before), ("after", after)):
        if type(given) is not Snapshot and (name, given) != ("after", None):
            raise BadOption(name, given, "a snapshot; Snapshot.load(path) reads one from a file")
    return (after if after is not None else snapshot()) - before


def explain(diff: Diff, *, budget: float = DEFAULTS.max_seconds) -> Report:
    """Say who holds what grew between two snapshots: look again, in this process, at the owners that gained.

    A third look is what accuses: an owner is a LEAK if it has grown since the later snapshot as well; from two looks
    alone nobody is accused. The snapshots may be of another process of the same program: owners are found by path.

    Args:
        diff: What ``leakdiff.diff`` returned.
        budget: Seconds the walk may take.

    Raises:
        BadOption: If an argument cannot work.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    require_supported_interpreter()
    _check(None, "auto", budget)
    _check_diff(diff)
    _rehearse()
    from leakdiff.capture.explained import owners_at
    from leakdiff.capture.identity import now, read_identity
    from leakdiff.capture.snapshots import Stopwatch, read_heap
    from leakdiff.compare.lengths import suspects_of_diff
    from leakdiff.judge.live import beyond_owners

    clock = Stopwatch()
    is_same = read_identity().instance == diff.after.identity.instance
    since = now().monotonic - diff.after.taken.monotonic if is_same else None
    reading = read_heap(owners=True, seconds=budget)
    owners = owners_at(reading, [change.name for change in diff.owners.growing()])
    unit, length = ("hour", 3600) if diff.seconds >= _HOURLY else ("second", 1)
    suspects, notes = suspects_of_diff(diff, owners, since, length)
    looked = f"{diff.seconds:,.0f} s between two looks"
    judgement = beyond_owners(_judged(suspects, max(diff.seconds, 1.0) / length, looked, unit), diff, owners)
    cost = Cost(clock.cost().cpu_seconds, reading.walked)
    return _report(judgement, (*notes, *diff.incomparable, *reading.notes), cost, unit)


def _check_diff(diff: object) -> None:
    from leakdiff.model.diff import Diff

    if type(diff) is not Diff:
        raise BadOption("diff", diff, "what leakdiff.diff returned")


def watch(seconds: float = 60.0, windows: int = 2, *, budget: float = DEFAULTS.max_seconds) -> Report:
    """Watch live traffic and say who keeps what it leaves behind.

    The time is cut into marked windows and one more part: what is born in a window and survives the next is suspect,
    what is in flight is not; in the last part the suspects' lengths are read to see whether they go on. Call it from
    any thread while others serve; ``watching`` does so in the background.

    Args:
        seconds: How long in all, without the two walks of the heap.
        windows: How many windows.
        budget: Seconds each walk may take.

    Returns:
        A report; INCONCLUSIVE if Ctrl-C ended it, or if nothing grew while it blocked an event loop of this thread.

    Raises:
        BadOption: If an argument cannot work.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    started = time.monotonic()
    try:
        report = watch_with(seconds, windows, budget, time.sleep)
    except KeyboardInterrupt:
        because = f"interrupted after {time.monotonic() - started:.1f} of {seconds:g} s: watch again, to the end"
        return _report(_inconclusive(because), (), Cost(), "second")
    return _beside_a_loop(report) if blocks_service() else report


def _inconclusive(because: str) -> Judgement:
    from leakdiff.judge.verdicts import Judgement

    return Judgement(Verdict.INCONCLUSIVE, because, ())


def _beside_a_loop(report: Report) -> Report:
    """Say that an event loop stood still: what it serves may be all that leaks."""
    if report.leaks:
        return attrs.evolve(report, not_analysed=(*report.not_analysed, f"{STOOD_STILL}: {_TO_THREAD}"))
    return attrs.evolve(report, verdict=Verdict.INCONCLUSIVE, because=f"{STOOD_STILL}: {_TO_THREAD}")


class watching:  # noqa: N801 - a context manager that reads like a verb, as contextlib's do
    """Watch the traffic of a ``with`` block from a thread in the background, as ``watch`` does.

    The end of the block waits until the watch is over; let the traffic go on for as long. If the block raises, the
    watch is given up and there is no report.

    Attributes:
        report: The report, once the block has ended.
    """

    def __init__(self, seconds: float = 60.0, windows: int = 2, *, budget: float = DEFAULTS.max_seconds) -> None:
        _check_watch(seconds, windows, budget)
        self.report: Report | None = None
        self._arguments = seconds, windows, budget
        self._given_up = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="leakdiff-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is not None:
            self._given_up.set()
        self._thread.join()
        failed, self._error = self._error, None
        if failed is not None and kind is None:
            raise failed

    def _run(self) -> None:
        try:
            self.report = watch_with(*self._arguments, self._wait)
        except _GivenUp:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where the block ends
            self._error = error.with_traceback(None)

    def _wait(self, seconds: float) -> None:
        if self._given_up.wait(seconds):
            raise _GivenUp


class _GivenUp(Exception):
    """The block that was watched raised."""


def _check_watch(seconds: object, windows: object, budget: object) -> None:
    _check(None, "auto", budget)
    if type(seconds) not in (int, float) or not 0 < seconds < _LONGEST:  # type: ignore[operator]
        raise BadOption("seconds", seconds, f"a number above 0 and below {_LONGEST:,}")
    if type(windows) is not int or not 2 <= windows <= _MOST_WINDOWS:
        raise BadOption("windows", windows, f"a whole number from 2 to {_MOST_WINDOWS}")


def watch_with(  # noqa: PLR0913 - what a watch may do, each by its name
    seconds: float,
    windows: int,
    budget: float,
    wait: Wait,
    *,
    rest: float | None = None,
    should_stop: ShouldStop | None = None,
) -> Report:
    """Watch as ``watch`` does, and let somebody else do the waiting.

    Args:
        seconds: How long in all, without the two walks of the heap.
        windows: How many windows.
        budget: Seconds each walk may take.
        wait: Called for each window, then for each part of the time after them, with its seconds; may raise to give up.
        rest: Seconds that walks rest after every 2 ms of work; half a millisecond if None.
        should_stop: Asked as often whether to give up; may raise for that as well.

    Raises:
        Abandoned: If it was to stop.
        BadOption: If an argument cannot work.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    require_supported_interpreter()
    _check_watch(seconds, windows, budget)
    _rehearse()
    from leakdiff.capture.windows import can_mark

    part = seconds / (windows + 1)
    lock = _marking
    if not can_mark() or not lock.acquire(blocking=False):
        return _unmarked(windows, part, budget, wait, rest=rest, should_stop=should_stop)
    try:
        return _marked(windows, part, budget, wait, rest=rest, should_stop=should_stop)
    finally:
        lock.release()


def _marked(  # noqa: PLR0913 - as watch_with
    windows: int, part: float, budget: float, wait: Wait, *, rest: float | None, should_stop: ShouldStop | None
) -> Report:
    from leakdiff.capture.turns import quick_turns

    with quick_turns():  # networkx is among what is imported
        from leakdiff.capture.owners import OwnerReader, watch_lengths
        from leakdiff.capture.snapshots import Stopwatch
        from leakdiff.capture.windows import births_of, live_windows, read_lengths
        from leakdiff.compare.cohorts import suspects_of_windows, that_stay
        from leakdiff.ownership.accumulate import find_accumulations

    clock = Stopwatch()
    seen = live_windows(windows, part, budget, wait, rest=rest, should_stop=should_stop)
    with quick_turns():
        graph = seen.graph()
        found = that_stay(find_accumulations(graph), graph)
        reader = OwnerReader(seen.newborn, seen.roots, is_quiet=True)
        owners = [births_of(reader, item, reader.read(item)) for item in found]
        lengths = watch_lengths(reader, found)
        walked, notes, lasted = len(seen.newborn.walk.addresses), seen.notes(), seen.seconds
        del reader, seen
    gaps = read_lengths(lengths, part, wait)
    with quick_turns():
        suspects = suspects_of_windows(found, owners, [lengths.lengths(at) for at in range(len(found))], gaps, lasted)
        judgement = _judged(suspects, lasted, f"{windows} windows of {part:.3g} s", "second")
    notes = (*notes, *graph.left_out, *([_CONTAINERS_ONLY] if not judgement.findings else []))
    return _report(judgement, notes, Cost(clock.cost().cpu_seconds, walked), "second")


def _judged(suspects: Sequence[Suspect], lasted: float, looked: str, unit: str) -> Judgement:
    """Judge suspects, and those that are accused once more with their source read: it may enforce a bound."""
    from leakdiff.judge.live import judge_live

    judgement = judge_live(suspects, lasted, looked, unit)
    accused = {finding.owner for finding in judgement.findings if finding.verdict in ACCUSING}
    if not accused:
        return judgement
    read = [with_code(suspect) if suspect.owner.name in accused else suspect for suspect in suspects]
    return judge_live(read, lasted, looked, unit)


def _unmarked(  # noqa: PLR0913 - as watch_with
    windows: int, part: float, budget: float, wait: Wait, *, rest: float | None, should_stop: ShouldStop | None
) -> Report:
    """Where someone else froze the heap: compare the lengths of owners at the borders of the windows."""
    from leakdiff.capture.explained import owners_at
    from leakdiff.capture.snapshots import Stopwatch, read_heap
    from leakdiff.compare.lengths import grown_paths, suspects_of_snapshots

    def look() -> Snapshot:
        return _deepen(measure(), sites=False, budget=budget, owners=True, should_stop=should_stop, rest=rest)

    clock, taken = Stopwatch(), [look()]
    for _ in range(windows + 1):
        wait(part)
        taken.append(look())
    reading = read_heap(owners=True, seconds=budget, rest=rest, should_stop=should_stop)
    suspects = suspects_of_snapshots(taken, owners_at(reading, grown_paths(taken)))
    lasted = taken[-1].taken.monotonic - taken[0].taken.monotonic
    judgement = _judged(suspects, lasted, f"{windows + 1} windows of {part:.3g} s", "second")
    return _report(judgement, (_FROZEN, *reading.notes), Cost(clock.cost().cpu_seconds, reading.walked), "second")


def _report(judgement: Judgement, notes: Iterable[str], cost: Cost, unit: str) -> Report:
    from leakdiff.capture.identity import now, read_identity

    return Report(
        verdict=judgement.verdict,
        because=judgement.because,
        findings=judgement.findings,
        not_analysed=tuple(dict.fromkeys(notes)),
        cost=cost,
        python=platform.python_version(),
        version=__version__,
        unit=unit,
        taken=now(),
        identity=read_identity(),
    )


def trend(store: str | os.PathLike[str] | Store, *, since: float | None = None, now: float | None = None) -> Trend:
    """Say what a history of snapshots amounts to: does it leak, since which version, who holds it, and until when.

    Args:
        store: Where the history is: ``sqlite:///path``, a path, or a store.
        since: Only the last so many seconds of it; all of it if None.
        now: The time to count ``since`` from, UTC seconds; the present if None.

    Raises:
        BadOption: If an argument cannot work.
        StoreUnusable: If the store is missing, foreign, corrupt or locked.
    """
    from leakdiff.compare.history import history_of
    from leakdiff.judge.trends import judge_history

    with _opened(store) as history:
        points = _points(history, since, now)
        return judge_history(history_of(points), bounds=history.bounds(), limit=history.limit())


def trend_table(
    store: str | os.PathLike[str] | Store, by: str, *, since: float | None = None, now: float | None = None
) -> tuple[TrendRow, ...]:
    """Return how memory goes under each version or in each life of a process, or how each owner goes.

    Args:
        store: Where the history is.
        by: ``version``, ``instance`` or ``path``.
        since: Only the last so many seconds of it.
        now: The time to count ``since`` from, UTC seconds.

    Raises:
        BadOption: If an argument cannot work.
        StoreUnusable: If the store is missing, foreign, corrupt or locked.
    """
    from leakdiff.compare.history import history_of, points_by_instance
    from leakdiff.model.history import MEMORY

    if by not in TABLES:
        raise BadOption("by", by, f"one of {', '.join(TABLES)}")
    if by == "path":
        owners = trend(store, since=since, now=now).owners
        return tuple(TrendRow(name=o.path, memory=o.bytes, entries=o.entries, verdict=o.verdict) for o in owners)
    with _opened(store) as history:
        points = _points(history, since, now)
    if by == "version":
        versions = [(version.version, version) for version in history_of(points).versions]
    else:
        lives = {name: history_of(found).versions for name, found in points_by_instance(points).items()}
        versions = [(name, found[-1]) for name, found in lives.items() if found]
    courses = [(name, version.courses.get(MEMORY)) for name, version in versions]
    return tuple(TrendRow(name=name, memory=course.trend if course else None) for name, course in courses)


@contextmanager
def _opened(store: str | os.PathLike[str] | Store) -> Iterator[Store]:
    """Open what is named, and close it again; what was open stays so."""
    from leakdiff.store.sqlite import open_store

    opened = open_store(store, must_exist=True)
    try:
        yield opened
    finally:
        if opened is not store:
            opened.close()


def _points(store: Store, since: float | None, now: float | None) -> dict[str, list[Point]]:
    if since is not None and (type(since) not in (int, float) or not since > 0):
        raise BadOption("since", since, "a number of seconds above 0")
    start = (now if now is not None else time.time()) - since if since is not None else None
    return {name: store.points(name, start) for name in store.series()}
