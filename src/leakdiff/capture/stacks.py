"""Memory in use by allocation stack, from tracemalloc: all that is alive, or what a window has left behind."""

from __future__ import annotations

import os
import sys
import time
import tracemalloc
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import attrs

from leakdiff.capture.kinds import derives, dict_of_module
from leakdiff.capture.sites import Line, Stack, function_at, is_ours
from leakdiff.capture.walk import Pacer
from leakdiff.errors import CannotMeasure
from leakdiff.model.heap import Site
from leakdiff.model.profile import Profile, Sample
from leakdiff.source_files import read_text

FRAMES = (
    16  # of a stack: who called a framework is mostly among them, and a service is 4 times slower, with 32 of them 8
)
MOST_TRACES = 24 << 20  # bytes of tracemalloc's tables, about 200,000 blocks: copied in 0.1 s, while nobody else runs
MOST_STACKS = 30_000  # of a profile: each takes half a kilobyte for as long as it is kept
_REST = 0.004  # seconds after every 2 ms
_BLOCKS = 2_000  # of the sample that says what an allocation costs
_MODULE_LEVEL = "<module>"

Usage = Mapping[Stack, tuple[int, int]]  # blocks and bytes by stack


def is_tracing() -> bool:
    """Tell whether tracemalloc is on."""
    return tracemalloc.is_tracing()


def traced_size() -> int:
    """Return the bytes that tracemalloc's tables take."""
    return tracemalloc.get_tracemalloc_memory()


@attrs.frozen
class Reading:
    """What is in use by stack, and what reading it took.

    Attributes:
        profile: It.
        stall: Seconds in which no other thread could run.
        cpu: CPU seconds of this thread.
        traces: Bytes of tracemalloc's tables.
    """

    profile: Profile
    stall: float
    cpu: float
    traces: int


def in_use() -> Reading:
    """Return what is in use now by stack, as far as tracemalloc has seen it allocated; tracemalloc must be on."""
    cpu = time.thread_time()
    traces = _traces()
    limit = tracemalloc.get_traceback_limit()
    note = f"tracemalloc keeps {limit} frame{'s' * (limit != 1)} of a stack, and only what was allocated since it is on"
    usage = _usage(traces.found)
    profile = _profile(usage.by_stack, notes=(note, *usage.notes()))
    return Reading(profile, traces.stall, time.thread_time() - cpu, traces.size)


class AllocationWindow:
    """tracemalloc for the time of a ``with`` block: what is allocated in it and alive at its end, by stack.

    A tracemalloc that was on is used and left on; the change of each stack counts then. One that was started here is
    stopped however the block ends, and in a child that is forked within it.

    Attributes:
        was_on: Whether tracemalloc was on before.
        slower: Seconds that an allocation of a sample took longer with it; None where it was on.
    """

    def __init__(self, frames: int = FRAMES) -> None:
        self.was_on = tracemalloc.is_tracing()
        self.slower: float | None = None
        self._frames = frames
        self._began = 0.0
        self._before: Usage = {}

    def __enter__(self) -> Self:
        if self.is_full and self.was_on:
            raise CannotMeasure(
                "What is allocated in a window",
                f"tracemalloc was on already, and its tables take more than {MOST_TRACES >> 20} MiB",
                "Stop it (tracemalloc.stop) and trace again.",
            )
        if self.was_on:
            self._before = _usage(_traces().found).by_stack
        else:
            usual = _cost_of_allocation()
            tracemalloc.start(self._frames)
            _ours.append(self)
            try:
                self.slower = max(0.0, _cost_of_allocation() - usual)
                tracemalloc.clear_traces()
            except BaseException:
                self.__exit__(None, None, None)
                raise
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self in _ours:
            _ours.remove(self)
            tracemalloc.stop()

    @property
    def is_full(self) -> bool:
        """Whether there is as much to read as may be read at once, or nothing more, for somebody has stopped it."""
        return not self.is_on or traced_size() > MOST_TRACES

    @property
    def is_on(self) -> bool:
        """Whether tracemalloc is on."""
        return tracemalloc.is_tracing()

    def read(self) -> Reading:
        """Return what was allocated so far and is alive; a tracemalloc that was started here is stopped before that.

        What making a profile of the traces allocates would be traced as well, and the service be slowed for longer than
        was asked for.
        """
        cpu, seconds = time.thread_time(), time.monotonic() - self._began
        traces = _traces()
        self._stop()
        usage = _usage(traces.found)
        notes = ((_WAS_ON,) if self.was_on else ()) + usage.notes()
        profile = _profile(_grown(self._before, usage.by_stack), seconds=seconds, notes=notes)
        return Reading(profile, traces.stall, time.thread_time() - cpu, traces.size)


_WAS_ON = "tracemalloc was already on and was left on: by how much each stack grew is told, and none that shrank"
_ours: list[AllocationWindow] = []


def _stop_in_child() -> None:
    """Stop what was started for a window in a child that was forked within it."""
    if _ours:
        _ours.clear()
        tracemalloc.stop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stop_in_child)


def _cost_of_allocation() -> float:
    """Return the seconds that an allocation takes, the least of a few samples."""
    return min(_timed_sample() for _ in range(5)) / _BLOCKS


def _timed_sample() -> float:
    started = time.perf_counter()
    kept = [bytes(64) + b"." for _ in range(_BLOCKS)]
    taken = time.perf_counter() - started
    kept.clear()
    return taken


@attrs.frozen
class _Traces:
    """tracemalloc's traces, how many seconds all threads waited for them, and the bytes of its tables."""

    found: tracemalloc.Snapshot
    stall: float
    size: int


def _traces() -> _Traces:
    started = time.perf_counter()
    found = tracemalloc.take_snapshot()
    return _Traces(found, time.perf_counter() - started, traced_size())


@attrs.frozen
class _Used:
    """Blocks and bytes in use by stack, and the bytes that leakdiff allocated itself, which are not among them."""

    by_stack: Usage
    own: int

    def notes(self) -> tuple[str, ...]:
        return (f"{self.own:,} bytes that leakdiff allocated itself",) if self.own else ()


def _usage(traces: tracemalloc.Snapshot) -> _Used:
    pacer, own = Pacer(rest=_REST), 0
    usage: dict[Stack, tuple[int, int]] = {}
    for stat in traces.statistics("traceback"):
        stack: Stack = tuple((frame.filename, frame.lineno) for frame in reversed(stat.traceback))
        if is_ours(stack):
            own += stat.size
        else:
            blocks, size = usage.get(stack, (0, 0))
            usage[stack] = blocks + stat.count, size + stat.size
        pacer.breathe()
    return _Used(usage, own)


def _grown(before: Usage, after: Usage) -> Usage:
    changes = {
        stack: (blocks - before.get(stack, (0, 0))[0], size - before.get(stack, (0, 0))[1])
        for stack, (blocks, size) in after.items()
    }
    return {stack: (max(0, blocks), size) for stack, (blocks, size) in changes.items() if size > 0}


def _profile(usage: Usage, *, notes: tuple[str, ...], seconds: float = 0.0) -> Profile:
    """Return the stacks that hold most, named; those beyond ``MOST_STACKS`` are added up in a note."""
    ranked = sorted(usage.items(), key=lambda item: (-item[1][1], item[0]))
    shown, others = ranked[:MOST_STACKS], ranked[MOST_STACKS:]
    if others:
        left_out = sum(size for _, (_, size) in others)
        notes = (*notes, f"{len(others):,} stacks more, with {left_out:,} bytes in all")
    sites, pacer, samples = _sites(dict.fromkeys(line for stack, _ in shown for line in stack)), Pacer(rest=_REST), []
    for stack, (blocks, size) in shown:
        samples.append(Sample(tuple(sites[line] for line in stack), blocks, size))
        pacer.breathe()
    return Profile(taken=time.time(), by="sites", samples=tuple(samples), seconds=seconds, left_out=notes)


def _sites(lines: Iterable[Line]) -> dict[Line, Site]:
    """Describe lines: their functions by qualified name, as far as files and their indentation tell."""
    modules, texts, pacer = _modules_by_file(), dict[str, list[str]](), Pacer(rest=_REST)
    sites: dict[Line, Site] = {}
    for path, number in lines:
        if path not in texts:
            texts[path] = read_text(path).splitlines()
        sites[path, number] = Site(path, number, _qualified(modules.get(path, ""), texts[path], number))
        pacer.breathe()
    return sites


def _qualified(module: str, text: Sequence[str], number: int) -> str:
    function = function_at(text, number) or _MODULE_LEVEL
    return f"{module}.{function}" if module else function


def _modules_by_file() -> dict[str, str]:
    """Return the names of loaded modules by the file their code names."""
    found: dict[str, str] = {}
    for name, module in dict.copy(sys.modules).items():
        if type(name) is str and derives(type(module), types.ModuleType):
            path: Any = dict_of_module(module).get("__file__")
            if type(path) is str:
                found.setdefault(path, name)
    return found
