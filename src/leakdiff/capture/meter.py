"""The cheap signals: blocks, native bytes, descriptors, threads and new objects, in microseconds."""

from __future__ import annotations

import _thread
import atexit
import gc
import os
import sys
from array import array
from collections.abc import Callable
from typing import Any

from leakdiff.model.signals import Phase, Round

_FIELDS = 6  # objects, blocks, native bytes, fds, threads, freed
# Where C code looks up attributes by names that it makes each time, as open() of a text file and asyncio.Runner do,
# the cache of types keeps up to 4,096 of them: a block a unit, like a leaked reference. Clearing it takes 6 us.
_clear_type_cache: Callable[[], object] = getattr(sys, "_clear_type_cache", lambda: None)


class Meter:
    """Reads the signals into a table made beforehand, so that reading leaves nothing on the heap."""

    def __init__(self, rows: int) -> None:
        self._native = native_gauge()
        self._fds = descriptor_gauge()
        self._table = array("q", bytes(8 * _FIELDS * rows))
        self._units = array("q", bytes(8 * rows))
        self._row = 0

    @property
    def native_is_known(self) -> bool:
        """Whether the bytes in use on the C heap can be read here."""
        return self._native is not None

    def read(self, objects: int, freed: int, units: int = 0) -> None:
        """Store one reading: the caller counts objects and has just collected."""
        table, at = self._table, self._row * _FIELDS
        _clear_type_cache()
        table[at] = objects
        table[at + 1] = sys.getallocatedblocks()
        if self._native is not None:
            table[at + 2] = self._native()
        table[at + 3] = self._fds()
        table[at + 4] = _thread._count()  # noqa: SLF001 - the only O(1) count of all threads
        table[at + 5] = freed
        self._units[self._row] = units
        self._row += 1

    def restart(self) -> None:
        """Forget the readings, keep the table."""
        self._row = 0

    def rounds(self, phase: Phase) -> list[Round]:
        """Return the change between each reading and the one before it."""
        return [self._round(phase, row) for row in range(1, self._row)]

    def _round(self, phase: Phase, row: int) -> Round:
        now, before = row * _FIELDS, (row - 1) * _FIELDS
        objects, blocks, native, fds, threads = (self._table[now + k] - self._table[before + k] for k in range(5))
        return Round(
            phase=phase,
            units=self._units[row],
            objects=objects,
            blocks=blocks,
            native_bytes=native if self._native else None,
            fds=fds,
            threads=threads,
            freed=self._table[now + 5],
        )


def native_gauge() -> Callable[[], int] | None:
    """Return what reads the bytes in use on the C heap; None where they cannot be told."""
    import psutil

    heap_info: Callable[[], Any] | None = getattr(psutil, "heap_info", None)
    if heap_info is None:
        return None

    def read() -> int:
        info = heap_info()
        return int(info.heap_used + info.mmap_used)

    try:
        read()
    except (OSError, NotImplementedError, RuntimeError):
        return None
    return read


def descriptor_gauge() -> Callable[[], int]:
    """Return what counts open file descriptors (handles on Windows)."""
    import psutil

    process = psutil.Process(os.getpid())
    count: Callable[[], int] = getattr(process, "num_fds" if hasattr(process, "num_fds") else "num_handles")
    return count


def callbacks_at_exit() -> int:
    """Return how many callbacks are registered with ``atexit``; those that were taken back may be among them."""
    return atexit._ncallbacks()  # noqa: SLF001 - all that the interpreter tells of them


def count_tracked() -> int:
    """Count every object gc tracks, frozen ones included, without making a list of them."""
    try:
        gc.freeze()
        return gc.get_freeze_count()
    finally:
        gc.unfreeze()
