"""The only place that asks objgraph, pympler and guppy3: the same work, one after the other."""

from __future__ import annotations

import gc
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import Any, Protocol

import attrs

from leakdiff.capture.quiet_import import without
from leakdiff.capture.workload import Workload
from leakdiff.model.opinion import Sighting, TypeSeen

Seen = dict[str, tuple[int, int]]  # objects and bytes by type name

_MOST_TYPES = 20
_LEAST = 0.02  # objects per unit below which growth is a peer's own
_LEAST_OBJECTS = 3
_LEAST_BYTES = 8.0
_PLAIN_NAME = re.compile(r"[\w.<>]+")  # others are written by a class's own code and could hold anything
_UNNAMED = "(types with a repr of their own)"
_DETAIL = re.compile(r"^(function|module|frame) ?\(.*\)$", re.DOTALL)  # pympler adds which function it is


class Peer(Protocol):
    """A tool that says what grew since a mark."""

    def mark(self) -> None:
        """Forget what grew until now."""

    def growth(self) -> Seen:
        """Return what grew since the mark."""


class Objgraph:
    """``objgraph.growth``: counts what gc tracks, by type."""

    def __init__(self) -> None:
        import objgraph

        self._growth: Any = objgraph.growth
        self._peaks: dict[str, int] = {}  # ours: the default keeps them in the function

    def mark(self) -> None:
        """Forget what grew until now."""
        self.growth()

    def growth(self) -> Seen:
        """Return what grew since the mark."""
        grown = self._growth(limit=None, peak_stats=self._peaks, shortnames=False)
        return {str(name).removeprefix("builtins."): (delta, 0) for name, _, delta in grown}


class Pympler:
    """``SummaryTracker.diff``: counts what gc tracks and what that refers to, with shallow sizes."""

    def __init__(self) -> None:
        with without("numpy"):  # pympler imports it where it is installed: 12 MiB that the program did not ask for
            from pympler.tracker import SummaryTracker

        self._tracker: Any = SummaryTracker()

    def mark(self) -> None:
        """Forget what grew until now."""
        self._tracker.diff()

    def growth(self) -> Seen:
        """Return what grew since the mark."""
        seen: Seen = {}
        for name, count, size in self._tracker.diff():
            plain = _DETAIL.sub(r"\1", name)
            objects, total = seen.get(plain, (0, 0))
            seen[plain] = objects + count, total + size
        return seen


class Guppy:
    """``hpy().heap()`` relative to ``setrelheap()``: what is reachable and was not there before."""

    def __init__(self) -> None:
        from guppy import hpy

        self._heapy: Any = hpy()

    def mark(self) -> None:
        """Forget what was there until now."""
        self._heapy.setrelheap()

    def growth(self) -> Seen:
        """Return what is new since the mark."""
        rows = self._heapy.heap().bytype.partition.get_rows()
        return {str(row.name): (row.count, row.size) for row in rows}


@attrs.frozen
class Kind:
    """One of the peers.

    Attributes:
        name: What it is called and installed as.
        make: Imports it.
        cannot_see: What it cannot see, in a few words.
        reads_modules: Whether it asks gc what modules refer to, which some interpreters do not survive.
    """

    name: str
    make: Callable[[], Peer]
    cannot_see: str
    reads_modules: bool = True


PEERS = (
    Kind(
        "objgraph",
        Objgraph,
        "what gc does not track (str, bytes, int, dicts and tuples of such), sizes, the C heap, owners",
        reads_modules=False,
    ),
    Kind("pympler", Pympler, "what lies inside containers that gc does not track, the C heap, owners"),
    Kind(
        "guppy3",
        Guppy,
        "what grows in place, str keys of a dict, that something new only replaces an old one, the C heap, owners",
    ),
)


def ask(kind: Kind, workload: Workload, units: int, warmup: int) -> Sighting:
    """Show a peer some units of work, and return what it saw; a peer that is missing or fails says so.

    Args:
        kind: The peer.
        workload: The work, set up.
        units: Units of work it is shown.
        warmup: Units before that, while it looks for the first time.

    Raises:
        StepFailed: If the step raises.
    """
    try:
        return _asked(kind, workload, units, warmup)
    except _Refusal as refusal:
        return Sighting(kind.name, _version(kind), cannot_see=kind.cannot_see, absent=str(refusal))
    finally:
        gc.collect()  # what peers keep lies in cycles


class _Refusal(Exception):
    """A peer cannot be asked; says why."""


def _asked(kind: Kind, workload: Workload, units: int, warmup: int) -> Sighting:
    _refuse_hanging(kind)
    with _guarded(kind):
        peer = kind.make()
        peer.mark()
        peer.growth()  # its first answer makes what its next ones would count
    workload.run(warmup, f"the warm-up for {kind.name}")
    _refuse_hanging(kind)  # the step may have imported asyncio just now
    started = time.thread_time()
    with _guarded(kind):
        peer.mark()
    seconds = time.thread_time() - started
    workload.run(units, f"the round for {kind.name}")
    started = time.thread_time()
    with _guarded(kind):
        seen = peer.growth()
    seconds += time.thread_time() - started
    return Sighting(kind.name, _version(kind), _types(seen, units), kind.cannot_see, seconds)


def _refuse_hanging(kind: Kind) -> None:
    if kind.reads_modules and (3, 12, 0) <= sys.version_info[:3] <= (3, 12, 5) and "_asyncio" in sys.modules:
        raise _Refusal(
            "it hangs on CPython 3.12.0 to 3.12.5 once asyncio is loaded, as it is by leakdiff itself (gh-122695); "
            "3.12.6 has it mended"
        )


@contextmanager
def _guarded(kind: Kind) -> Iterator[None]:
    """Turn whatever a peer raises into a refusal, by name only: its message could hold a value."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImportError:
        why = ", and has no wheels for Python 3.15 and later" if _has_no_wheel(kind) else ""
        raise _Refusal(f"it is not installed{why}") from None
    except Exception as error:  # noqa: BLE001 - a peer that fails is no failure of ours
        raise _Refusal(f"it raised {type(error).__name__}") from None


def _has_no_wheel(kind: Kind) -> bool:
    return kind.name == "guppy3" and sys.version_info >= (3, 15)


def _version(kind: Kind) -> str:
    try:
        return metadata.version(kind.name)
    except metadata.PackageNotFoundError:
        return ""


def _types(seen: Mapping[str, tuple[int, int]], units: int) -> tuple[TypeSeen, ...]:
    """Return what grew by more than a peer's own work does, most objects first."""
    counted: Seen = {}
    for name, (objects, size) in seen.items():
        known = name if _PLAIN_NAME.fullmatch(name) else _UNNAMED
        before = counted.get(known, (0, 0))
        counted[known] = before[0] + objects, before[1] + size
    grown = [TypeSeen(name, objects / units, size / units) for name, (objects, size) in counted.items()]
    told = [each for each in grown if _is_more_than_noise(each, units)]
    return tuple(sorted(told, key=lambda each: (-each.per_unit, -each.bytes, each.name))[:_MOST_TYPES])


def _is_more_than_noise(each: TypeSeen, units: int) -> bool:
    many = each.per_unit >= _LEAST and round(each.per_unit * units) >= _LEAST_OBJECTS
    return many or each.bytes >= _LEAST_BYTES
