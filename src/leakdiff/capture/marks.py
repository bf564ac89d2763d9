"""A mark in time: what is born after it and still lives is the cohort, exactly."""

from __future__ import annotations

import gc
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self

from leakdiff.errors import CannotMeasure

OWN_FROZEN = 1_000  # 3.12 starts with 375 frozen objects; a service that froze its heap has thousands


class Mark(Protocol):
    """A way to tell new objects from old ones."""

    exact_note: str | None

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def collect(self) -> int:
        """Free the cyclic garbage among the new objects and say how many were found."""
        ...

    def cohort(self) -> list[Any]:
        """Return the tracked objects born since the mark and alive."""
        ...

    def again(self) -> None:
        """Move the mark to now: what is new becomes old."""
        ...


def is_frozen_by_others() -> bool:
    """Tell whether somebody called ``gc.freeze()``: unfreezing would undo their work.

    The count walks a list (50 ms at 860,000 frozen objects), which only those pay who froze.
    """
    return gc.get_freeze_count() > OWN_FROZEN


def make_mark() -> Mark:
    """Return the exact mark that this heap allows."""
    return GenerationMark() if is_frozen_by_others() else FreezeMark()


class FreezeMark:
    """Freeze the heap: ``gc.get_objects()`` then returns only what was born since (2-12 us to set)."""

    exact_note: str | None = None
    _are_set = 0

    def __enter__(self) -> Self:
        gc.freeze()
        FreezeMark._are_set += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        FreezeMark._are_set = max(0, FreezeMark._are_set - 1)
        gc.unfreeze()

    def collect(self) -> int:
        """Collect; the frozen heap is not walked."""
        return gc.collect()

    def collect_young(self) -> int:
        """Collect what is young, and leave what has lived through a collection or two to the program's own.

        Up to CPython 3.13 a full collection remembers how many objects it looked at, and the next one comes once a
        quarter as many are new. With the heap frozen these are few: a moment after the heap is thawed, the program
        would have a full collection of all of it, half a second for a million objects.
        """
        return gc.collect(1) if sys.version_info < (3, 14) else gc.collect()

    def cohort(self) -> list[Any]:
        """Return every tracked object that is not frozen."""
        return gc.get_objects()

    def addresses(self) -> Iterator[int]:
        """Return the addresses of the cohort, to be consumed by one call into C.

        A tuple that another thread is building is among the objects, and cannot grow while anyone else refers to it:
        that thread would get a ``SystemError``. So no other thread may run for as long as we have the objects.
        """
        return map(id, itertools.chain.from_iterable(map(gc.get_objects, (None,))))

    def again(self) -> None:
        """Freeze what was born since the last freeze as well."""
        gc.freeze()

    @classmethod
    def let_go_in_child(cls) -> None:
        """Unfreeze the heap of a child that was forked under a mark: nobody there will take the mark away."""
        if cls._are_set:
            cls._are_set = 0
            gc.unfreeze()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=FreezeMark.let_go_in_child)


class GenerationMark:
    """Where someone else froze the heap: keep the old out of the young generations instead.

    With the two older generations' thresholds out of reach, what is born stays in generations 0 and 1.
    """

    exact_note: str | None = (
        "the heap was frozen by someone else (gc.freeze), so new objects were told apart by their gc generation"
    )

    def __init__(self) -> None:
        self._thresholds = gc.get_threshold()
        self._full_collections = 0

    def __enter__(self) -> Self:
        self.again()
        young = self._thresholds[0]
        gc.set_threshold(young, 1_000_000_000, 1_000_000_000)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.set_threshold(*self._thresholds)

    def collect(self) -> int:
        """Collect the youngest generation; survivors stay young enough to be told apart."""
        return gc.collect(0)

    def cohort(self) -> list[Any]:
        """Return the two young generations.

        Raises:
            CannotMeasure: If a full collection ran since the mark, which makes everything old.
        """
        if gc.get_stats()[2]["collections"] != self._full_collections:
            raise CannotMeasure(
                "New objects",
                "the heap was frozen by someone else (gc.freeze) and the step ran a full collection (gc.collect)",
                "Run the check before the program freezes its heap, or without the collection.",
            )
        return [*gc.get_objects(generation=0), *gc.get_objects(generation=1)]

    def again(self) -> None:
        """Make everything old."""
        gc.collect()
        self._full_collections = gc.get_stats()[2]["collections"]


@contextmanager
def collection_paused() -> Iterator[None]:
    """Keep the cyclic collector from running by itself while millions of references are in hand."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
