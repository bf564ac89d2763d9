"""Allocation sites of live objects, from tracemalloc, and the function each line lies in."""

from __future__ import annotations

import gc
import itertools
import os
import re
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from types import TracebackType
from typing import Any, Self

import attrs

from leakdiff.capture.entries import newest
from leakdiff.capture.kinds import PLAIN, Kinds, derives, make_kinds, type_name
from leakdiff.capture.references import references
from leakdiff.model.heap import Site
from leakdiff.model.snapshot import SiteCount
from leakdiff.source_files import (
    SourceFiles,
    is_installed,
    is_of_stdlib,
    is_own_file,
    is_typed,
    is_users_file,
    passes_on,
    read_text,
)

_SAMPLE = 100
_FEW = 8  # entries at either end that are looked into
_MOST_MEMBERS = 500_000
_MOST_SITES = 500
_MOST_TRACES = 24 << 20  # bytes of traces, about 200,000 of them: read in 0.1 s
_ASKED = (f"{os.sep}tracemalloc.py", f"{os.sep}pympler{os.sep}asizeof.py")  # what they allocate, they do for us

_HEADER = re.compile(r"(?:async\s+)?(def|class)\s+(\w+)")
_NO_START = "#)]}"  # comments, and what closes what was opened further up

Line = tuple[str, int]
Stack = tuple[Line, ...]  # innermost line first


class Tracing:
    """tracemalloc for the time of a ``with`` block; one that was already on is used and left as it is."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self.note: str | None = None
        self._ours = False

    def __enter__(self) -> Self:
        if tracemalloc.is_tracing():
            limit = tracemalloc.get_traceback_limit()
            self.note = f"tracemalloc was already on with {limit} frame(s); it was used and left as it was"
        else:
            tracemalloc.start(self._frames)
            self._ours = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ours:
            tracemalloc.stop()


@attrs.frozen
class Traces:
    """Where one round's survivors were allocated.

    Attributes:
        by_holder: For each group of holders, the most frequent allocation stack by type name.
        everywhere: The same over all new objects.
        survivors: The stacks that hold most memory: (stack, blocks per unit, bytes per unit).
    """

    by_holder: tuple[dict[str, Stack], ...] = ()
    everywhere: dict[str, Stack] = attrs.field(factory=dict)
    survivors: tuple[tuple[Stack, float, float], ...] = ()


def newborn_under(holders: Sequence[Any], new: AbstractSet[int]) -> list[Any]:
    """Return a sample of what is new under some holders: their newest entries and what those refer to."""
    kinds = make_kinds()
    found: list[Any] = []
    for holder in holders[:_SAMPLE]:
        found.extend(_traced_members(holder))
        found.extend(ref for ref in references(holder, kinds)[:_SAMPLE] if id(ref) in new)
    few = found if len(found) <= 2 * _FEW else [*found[:_FEW], *found[-_FEW:]]
    return [*found, *_below(few, new, kinds)]


def _below(start: Sequence[Any], new: AbstractSet[int], kinds: Kinds) -> list[Any]:
    """Return what is new below a few entries, however deep: what an entry is made of, not many entries' first level."""
    pending = list(start)
    seen = set(map(id, pending))
    for obj in pending:
        if len(pending) > _SAMPLE * 4:
            break
        if id(obj) in new:
            fresh = [ref for ref in references(obj, kinds) if id(ref) not in seen]
            seen.update(map(id, fresh))
            pending.extend(ref for ref in fresh if id(ref) in new or kinds[type(ref)] != PLAIN)
    return pending[len(start) :]


def _traced_members(holder: Any) -> list[Any]:
    """Return new entries of a holder; a set keeps no order, but only what is new has a trace."""
    if derives(type(holder), set, frozenset):
        members: Iterator[Any] = itertools.islice(iter(gc.get_referents(holder)), _MOST_MEMBERS)
        traced = (member for member in members if tracemalloc.get_object_traceback(member) is not None)
        return list(itertools.islice(traced, _SAMPLE))
    keys, values = newest(holder, _SAMPLE)
    if derives(type(holder), list):  # what is inserted at the start is new as well
        oldest = list.__getitem__(holder, slice(0, _SAMPLE))
        values = [value for value in [*values, *oldest] if tracemalloc.get_object_traceback(value)] or values
    return [*values, *keys]


def stack_of(obj: Any) -> Stack:
    """Return where an object was allocated, innermost line first, without leakdiff's own."""
    trace = tracemalloc.get_object_traceback(obj)
    if trace is None:
        return ()
    return _above_own((frame.filename, frame.lineno) for frame in reversed(trace))


def _above_own(lines: Iterable[Line]) -> Stack:
    """Return the lines of a stack up to leakdiff's own: what called leakdiff has nothing to do with the step."""
    return tuple(itertools.takewhile(lambda line: not is_own_file(line[0]), lines))


def common_stacks(objects: Iterable[Any]) -> dict[str, Stack]:
    """Return the most frequent allocation stack by type name, from a sample of the objects."""
    stacks: dict[str, Counter[Stack]] = {}
    seen: Counter[str] = Counter()
    for obj in objects:
        name = type_name(type(obj))
        seen[name] += 1
        if seen[name] <= _SAMPLE and (stack := stack_of(obj)):
            stacks.setdefault(name, Counter())[stack] += 1
    return {name: counter.most_common(1)[0][0] for name, counter in stacks.items()}


def surviving_stacks(units: int, most: int = 5) -> tuple[tuple[Stack, float, float], ...]:
    """Return the allocation stacks that hold most memory: (stack, blocks per unit, bytes per unit)."""
    found = []
    for stat in tracemalloc.take_snapshot().statistics("traceback"):
        stack = _above_own((frame.filename, frame.lineno) for frame in reversed(stat.traceback))
        innermost = stat.traceback[-1].filename
        if stack and not is_own_file(innermost) and innermost != tracemalloc.__file__:
            found.append((stack, stat.count / units, stat.size / units))
    found.sort(key=lambda item: (-item[2], item[0]))
    return tuple(found[:most])


@attrs.frozen
class LiveSites:
    """The lines that allocated what is alive.

    Attributes:
        sites: Most bytes first; None where they were not read.
        left_out: Why not, in a sentence, if they could have been.
        stall: Seconds that copying the traces stopped all threads.
    """

    sites: tuple[SiteCount, ...] | None = None
    left_out: str | None = None
    stall: float = 0.0


def live_sites(*, force: bool) -> LiveSites:
    """Return the lines that allocated what is alive: by file, number and function; what stands in them is not kept.

    Args:
        force: Read them even where tracemalloc keeps so much that copying it stops all threads for long.
    """
    if not tracemalloc.is_tracing():
        return LiveSites()
    kept = tracemalloc.get_tracemalloc_memory()
    if kept > _MOST_TRACES and not force:
        return LiveSites(
            left_out=f"allocation sites were left out: tracemalloc keeps {kept >> 20} MiB of traces, and reading them "
            "would stop all threads (sites=True reads them)"
        )
    started = time.perf_counter()
    traces = tracemalloc.take_snapshot()
    stall = time.perf_counter() - started
    return LiveSites(_counted(traces), stall=stall)


def _counted(traces: tracemalloc.Snapshot) -> tuple[SiteCount, ...]:
    counts: Counter[Line] = Counter()
    sizes: Counter[Line] = Counter()
    for stat in traces.statistics("traceback"):
        stack = [(frame.filename, frame.lineno) for frame in reversed(stat.traceback)]
        if not is_ours(stack):
            counts[stack[0]] += stat.count
            sizes[stack[0]] += stat.size
    texts: dict[str, list[str]] = {}
    ranked = sorted(sizes, key=lambda line: (-sizes[line], line))
    return tuple(SiteCount(_site(line, texts), counts[line], sizes[line]) for line in ranked[:_MOST_SITES])


def _site(line: Line, texts: dict[str, list[str]]) -> Site:
    """Describe one line of hundreds: to parse all their files would take seconds, and stop all threads for each."""
    path, number = line
    if path not in texts:
        texts[path] = read_text(path).splitlines()
    return Site(file=path, line=number, function=function_at(texts[path], number), code="")


def function_at(lines: Sequence[str], number: int) -> str:
    """Return the function that a line lies in, as indentation has it: the headers above that stand further left.

    Args:
        lines: The source.
        number: Which line, from 1.
    """
    names: list[str] = []
    indent = None
    for line in reversed(lines[: max(0, number)]):
        text = line.lstrip()
        if not text or (indent is not None and (text[0] in _NO_START or len(line) - len(text) >= indent)):
            continue
        indent = len(line) - len(text)
        header = _HEADER.match(text)
        if header is not None and (names or header[1] == "def"):  # what a class's body allocates is in no function
            names.append(header[2])
        if indent == 0:
            break
    return ".".join(reversed(names))


def is_ours(stack: Sequence[Line]) -> bool:
    """Tell whether leakdiff allocated something, itself or by a library it asked.

    A step that it called is not ours, and neither is what a framework does with a request that was handed on to it.
    """
    if any(stack[0][0].endswith(asked) for asked in _ASKED):
        return True
    inside = _above_own(stack)
    if len(inside) == len(stack) or any(is_users_file(file) for file, _ in inside):
        return False
    is_handed_on = passes_on(stack[len(inside)][0])
    return not (is_handed_on and any(is_installed(file) for file, _ in inside))


@attrs.define
class Sources:
    """Reads source files once each, to say which function a line lies in; leaves ``linecache`` alone."""

    _files: SourceFiles = attrs.field(factory=SourceFiles)

    def sites(self, stack: Stack) -> tuple[Site, ...]:
        """Return the lines of a stack worth showing, innermost first.

        They are the innermost, the innermost outside the standard library, and the innermost of the user's
        own code.
        """
        real = [line for line in stack if is_typed(line[0]) or not line[0].startswith("<")]
        chosen = [
            next(iter(real), None),
            next((line for line in real if not is_of_stdlib(line[0])), None),
            next((line for line in real if is_users_file(line[0])), None),
        ]
        return tuple(self.site(*line) for line in dict.fromkeys(chosen) if line is not None)

    def site(self, path: str, line: int) -> Site:
        """Describe one line."""
        code, function = self._files.line(path, line), self._files.function_at(path, line)
        return Site(file=path, line=line, function=function, code=code)
