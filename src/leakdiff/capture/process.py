"""The process's memory as the operating system and the C library count it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import attrs

from leakdiff.model.snapshot import Memory

if TYPE_CHECKING:
    import psutil


def read_memory(*, cheap: bool) -> Memory:
    """Read the memory of this process; what cannot be read here is None, the resident set 0.

    Args:
        cheap: Leave out ``uss`` and ``pss``: the kernel walks the page tables for them, with the memory map locked.
    """
    import psutil

    minor, major = _page_faults()
    memory = Memory(native=native_bytes(), blocks=sys.getallocatedblocks(), minor_faults=minor, major_faults=major)
    try:
        process = psutil.Process()  # made anew: after a fork this is another process
        memory = _with_resident(memory, process)
        return memory if cheap else _with_unshared(memory, process)
    except (psutil.Error, OSError):  # no /proc, or not for us
        return memory


def native_bytes() -> int | None:
    """Return the bytes in use on the C heap; None where the C library cannot tell."""
    import psutil

    heap_info = getattr(psutil, "heap_info", None)
    try:
        info = heap_info() if heap_info is not None else None
    except (OSError, NotImplementedError, RuntimeError):
        return None
    return info.heap_used + info.mmap_used if info is not None else None


def _with_resident(memory: Memory, process: psutil.Process) -> Memory:
    info = process.memory_info()
    return attrs.evolve(memory, rss=info.rss, shared=getattr(info, "shared", None))


def _with_unshared(memory: Memory, process: psutil.Process) -> Memory:
    info = process.memory_full_info()
    return attrs.evolve(memory, uss=getattr(info, "uss", None), pss=getattr(info, "pss", None))


def _page_faults() -> tuple[int | None, int | None]:
    """Return page faults without and with reading from disk, of all threads since the process started."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None, None
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_minflt, used.ru_majflt
