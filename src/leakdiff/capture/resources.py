"""What the process holds besides memory: threads, tasks, descriptors, sockets and child processes, counted by name."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from leakdiff.capture.kinds import type_name
from leakdiff.capture.places import most_telling, place_of
from leakdiff.capture.roots import thread_names
from leakdiff.capture.tasks import count_suspended, count_tasks
from leakdiff.model.snapshot import Resources, Tally

_OWN_THREADS = "leakdiff"
_DESCRIPTORS = "/proc/self/fd"
_MOST_SOCKETS = 5_000  # psutil reads every socket of the host's network to find the states of ours
_LONGEST_NAME = 120
_NUMBER = re.compile(r"\d+")


def read_resources(suspended: Sequence[Any] = ()) -> tuple[Resources, list[str]]:
    """Count what the process holds, without running any of its code.

    Args:
        suspended: Live generators, coroutines, async generators and asyncio tasks that a walk of the heap met.
            Generators are known from there only, and so are tasks since Python 3.14.

    Returns:
        The counts, and sentences about what could not be read.
    """
    notes: list[str] = []
    descriptors = _counted("file descriptors", lambda: _descriptors(notes), notes)
    return Resources(
        threads=_counted("threads", _threads, notes),
        tasks=_counted("asyncio tasks", lambda: count_tasks(suspended), notes),
        generators=_counted("generators", lambda: count_suspended(suspended), notes),
        descriptors=descriptors,
        sockets=_counted("sockets", lambda: _sockets(descriptors, notes), notes),
        children=_counted("child processes", _children, notes),
    ), notes


def _counted(what: str, count: Callable[[], Counter[str]], notes: list[str]) -> tuple[Tally, ...]:
    """Return counts, most first; a part that fails says so and leaves the others alone."""
    try:
        found = count()
    except Exception as error:  # noqa: BLE001 - whatever it is, there is more in a snapshot
        notes.append(f"{what} could not be read: {type_name(type(error))}")
        return ()
    return tuple(Tally(name, number) for name, number in sorted(found.items(), key=lambda item: (-item[1], item[0])))


# -- threads ---------------------------------------------------------------------------------------


def _threads() -> Counter[str]:
    """Count threads by name and line; the one that is here has no line, which would be that of the snapshot."""
    frames: dict[int, types.FrameType | None] = {**sys._current_frames()}  # noqa: SLF001 - the only way to them
    frames[threading.get_ident()] = None  # this function's own: a cycle that only the collector would end
    known = thread_names()
    names: Counter[str] = Counter()
    for ident, frame in frames.items():
        name = known.get(ident, "unnamed thread")
        if not name.startswith(_OWN_THREADS):
            place = f" at {_line_of(frame)}" if frame is not None else ""
            names[f"{_without_numbers(name)}{place}"] += 1
    return names


def _without_numbers(name: str) -> str:
    return _NUMBER.sub("#", name)[:_LONGEST_NAME]


def _line_of(top: types.FrameType) -> str:
    frames = list(_stack(top))
    frame = frames[most_telling([frame.f_code for frame in frames])]
    return f"{place_of(frame.f_code, frame.f_lineno)} in {frame.f_code.co_qualname}"


def _stack(top: types.FrameType) -> Iterator[types.FrameType]:
    frame: types.FrameType | None = top
    while frame is not None:
        yield frame
        frame = frame.f_back


# -- descriptors and sockets -----------------------------------------------------------------------


def _descriptors(notes: list[str]) -> Counter[str]:
    """Count open file descriptors by kind; names of files stay where they are."""
    try:
        numbers = os.listdir(_DESCRIPTORS)
    except OSError:
        notes.append("file descriptors could be counted, but not by kind")
        return Counter({"descriptor": _number_of_descriptors()})
    return Counter(kind for kind in map(_kind_of_descriptor, numbers) if kind is not None)


def _number_of_descriptors() -> int:
    import psutil

    process: Any = psutil.Process()
    return int(process.num_fds() if hasattr(process, "num_fds") else process.num_handles())


def _kind_of_descriptor(number: str) -> str | None:
    """Return what a descriptor is of; None if it is closed by now, as is the one of the listing itself."""
    try:
        target = os.readlink(f"{_DESCRIPTORS}/{number}")
    except OSError:
        return None
    if not target.startswith("/"):
        return target if target.startswith("anon_inode:") else target.partition(":")[0]
    if target.startswith("/memfd:"):
        return "memfd"
    if target.endswith(" (deleted)"):
        return "deleted file"
    is_device = target.startswith("/dev/") and not target.startswith("/dev/shm/")  # noqa: S108 - nothing is made there
    return "device" if is_device else "file"


def _sockets(descriptors: Sequence[Tally], notes: list[str]) -> Counter[str]:
    """Count sockets of IP by protocol and state."""
    import psutil

    number = sum(kind.count for kind in descriptors if kind.name == "socket")
    if number > _MOST_SOCKETS:
        notes.append(f"the states of {number:,} sockets were not read; at most {_MOST_SOCKETS:,} are")
        return Counter()
    protocols = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}
    names: Counter[str] = Counter()
    for found in psutil.Process().net_connections(kind="inet"):
        state = f" {found.status}" if found.status != psutil.CONN_NONE else ""
        names[f"{protocols.get(found.type, 'other')}{state}"] += 1
    return names


# -- child processes -------------------------------------------------------------------------------


def _children() -> Counter[str]:
    """Count child processes by name; those that ended and that nobody waited for are marked."""
    import psutil

    names: Counter[str] = Counter()
    for child in psutil.Process().children():
        try:
            ended = " (ended, not waited for)" if child.status() == psutil.STATUS_ZOMBIE else ""
            names[f"{_without_numbers(child.name())}{ended}"] += 1
        except psutil.NoSuchProcess:  # it ended while we looked
            continue
    return names
