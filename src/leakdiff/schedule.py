"""When a monitor measures, how deeply, and what it rather leaves: decisions on plain values, without a clock."""

from __future__ import annotations

import enum
import os
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import attrs

from leakdiff.compare.slopes import Run, theil_sen
from leakdiff.errors import BadOption
from leakdiff.model.snapshot import Cgroup, Memory, OwnerSize, Snapshot
from leakdiff.model.trend import Trend
from leakdiff.store.interface import Store

Deep = Literal["on-growth", "never", "always"]

MOST_READINGS = 48  # that are looked at for growth: pairs of them are compared
_LEAST_READINGS = 6  # in which growth can be seen at all
_MOST_LIKELY_CHANCE = 0.05  # a growth that is more likely an accident asks for nothing
_LEAST_SHARE = 0.01  # of what there was before, that has to be gained
_LEAST_GAIN = {"blocks": 2_000, "native": 1 << 20, "rss": 1 << 20}
_CPU_OF_A_BLOCK = 2e-6  # seconds that a walk takes for each allocated block, until one has been measured
_MEMORY_OF_A_BLOCK = 40  # bytes of a walk's tables for each allocated block
_MOST_PENDING = 20
_MOST_DEEP_PENDING = 2
_MOST_WATCHED = 20
_MOST_REGISTERED = 100  # each is looked up at every measurement and has a series of its own
_LONGEST_PATH = 500  # characters
_FOREVER = 1e9


# -- what the user asked for -----------------------------------------------------------------------


def _positive(_: object, attribute: attrs.Attribute[float], value: object) -> None:
    if type(value) not in (int, float) or not 0 < value < _FOREVER:  # type: ignore[operator]
        raise BadOption(attribute.name, value, "a number of seconds above 0")


def _share(_: object, attribute: attrs.Attribute[float], value: object) -> None:
    if type(value) not in (int, float) or not 0 < value <= 1:  # type: ignore[operator]
        raise BadOption(attribute.name, value, "a number above 0 and at most 1")


def _part(_: object, attribute: attrs.Attribute[float], value: object) -> None:
    if type(value) not in (int, float) or not 0 <= value < 1:  # type: ignore[operator]
        raise BadOption(attribute.name, value, "a number from 0 and below 1")


def _how_deep(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    if type(value) is not str or value not in ("on-growth", "never", "always"):
        raise BadOption(attribute.name, value, "'on-growth', 'never' or 'always'")


def _text(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    if value is not None and type(value) is not str:
        raise BadOption(attribute.name, value, "a text")


def _function(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not callable(value):
        raise BadOption(attribute.name, value, "a function")


def _bytes(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if type(value) is not int or value < 1:
        raise BadOption(attribute.name, value, "a whole number of bytes above 0")


@attrs.frozen(kw_only=True)
class Settings:
    """What a monitor was told; ``leakdiff.Monitor`` explains each."""

    interval: float = attrs.field(default=300.0, validator=_positive)
    deep: Deep = attrs.field(default="on-growth", validator=_how_deep)
    deep_interval: float = attrs.field(default=6 * 3_600.0, validator=_positive)
    cpu_share: float = attrs.field(default=0.005, validator=_share)
    jitter: float = attrs.field(default=0.1, validator=_part)
    memory_share: float = attrs.field(default=0.9, validator=_share)
    keep_for: float = attrs.field(default=30 * 86_400.0, validator=_positive)
    keep_bytes: int = attrs.field(default=512 << 20, validator=_bytes)
    units: Callable[[], int] | None = attrs.field(default=None, validator=_function)
    on_change: Callable[[Trend], object] | None = attrs.field(default=None, validator=_function)
    service: str | None = attrs.field(default=None, validator=_text)
    version: str | None = attrs.field(default=None, validator=_text)
    revision: str | None = attrs.field(default=None, validator=_text)
    label: str | None = attrs.field(default=None, validator=_text)


def check_place(store: object) -> None:
    """Refuse at once what can never become a store; whether it can be opened is seen when it is.

    Raises:
        BadOption: If it is a URL of another kind, or no path and no store.
    """
    if isinstance(store, str | os.PathLike):
        path = os.fsdecode(store).removeprefix("sqlite:///")
        is_right = path != "" and "://" not in path
    else:
        is_right = store is None or isinstance(store, Store)
    if not is_right:
        raise BadOption("store", store, "sqlite:///PATH, a path, an object with the methods of Store, or None")


def registered(owners: Mapping[str, int | None] | Iterable[str]) -> dict[str, int | None]:
    """Return the owners that a user registers, by path, with the entries each may have at most.

    Raises:
        BadOption: If one is no path of names, or its limit no number, or if there are too many.
    """
    if isinstance(owners, str | bytes) or not isinstance(owners, Iterable):
        raise BadOption("owners", owners, "paths of containers, or a dict of their limits by path")
    found: dict[str, int | None] = {}
    for path in owners:
        add_owner(found, path, owners[path] if isinstance(owners, Mapping) else None, name="owners")
    return found


def add_owner(owners: dict[str, int | None], path: str, limit: int | None, *, name: str = "path") -> None:
    """Register one more owner.

    Raises:
        BadOption: If it is no path of names, or its limit no number, or if there are too many.
    """
    if type(path) is not str or len(path) > _LONGEST_PATH or not is_path_of_names(path):
        raise BadOption(
            name, path, "names from a module on, such as app.matching._inflight: what needs a walk cannot be registered"
        )
    if limit is not None and (type(limit) is not int or limit < 0):
        raise BadOption("limit", limit, "a whole number of entries, or None")
    if path not in owners and len(owners) >= _MOST_REGISTERED:
        raise BadOption(name, path, f"one of at most {_MOST_REGISTERED} owners: unregister() another first")
    owners[path] = limit


def is_path_of_names(path: str) -> bool:
    """Tell whether a path goes by names alone, from a module on, so that it can be followed without a walk."""
    names = path.split(".")
    return len(names) > 1 and all(name.isidentifier() for name in names)


# -- when ------------------------------------------------------------------------------------------


def first_due(now: float, *, interval: float, jitter: float, chance: float) -> float:
    """Return when to measure first: soon, but not at the same moment as the replicas that started with this one.

    Args:
        now: The present, in seconds of any clock.
        interval: Seconds between measurements.
        jitter: Share of the interval by which they may move.
        chance: A random number from 0 to 1.
    """
    return now + interval * jitter * chance


def next_due(  # noqa: PLR0913 - times and shares, each by its name
    due: float, now: float, *, interval: float, jitter: float, chance: float, least: float = 0.0
) -> float:
    """Return when to measure next. What was missed, in a long walk or while the host slept, is not made up for.

    Args:
        due: When the last one was due.
        now: When it was over.
        interval: Seconds between two.
        jitter: Share of the interval by which they may move, sooner or later.
        chance: A random number from 0 to 1.
        least: Seconds there must be between two so that they cost no more than they may.
    """
    step = max(interval * (1 + jitter * (2 * chance - 1)), least)
    return due + step if due + step > now else now + step


# -- deep or not -----------------------------------------------------------------------------------


class Reason(enum.Enum):
    """Why a deep measurement is wanted."""

    BASELINE = "there is none to compare with"
    INTERVAL = "the last one is old"
    GROWTH = "memory grows"
    ALWAYS = "it was asked for"


@attrs.frozen(kw_only=True)
class Reading:
    """What a cheap measurement says about growth.

    Attributes:
        time: When, in seconds of a clock that never jumps.
        blocks: Blocks of Python's own allocator in use.
        native: Bytes in use on the C heap; None where that is not known.
        rss: Resident set size in bytes.
    """

    time: float
    blocks: int
    native: int | None
    rss: int

    @classmethod
    def of(cls, snapshot: Snapshot, time: float) -> Reading:
        """Return the reading of a snapshot."""
        memory = snapshot.memory
        return cls(time=time, blocks=memory.blocks, native=memory.native, rss=memory.rss)


@attrs.frozen(kw_only=True)
class Walks:
    """The deep measurements so far.

    Attributes:
        last: When the last one began; None before the first.
        asked: How many in a row, up to the last, were taken because memory grew.
        cpu: CPU seconds the last one took.
        blocks: Blocks that were allocated then.
    """

    last: float | None = None
    asked: int = 0
    cpu: float = 0.0
    blocks: int = 0

    def and_one(self, reason: Reason, *, began: float, cpu: float, blocks: int) -> Walks:
        """Return them with one more."""
        asked = self.asked + 1 if reason is Reason.GROWTH else 0
        return Walks(last=began, asked=asked, cpu=cpu, blocks=blocks)


def deep_reason(
    settings: Settings, walks: Walks, readings: Sequence[Reading], *, now: float, started: float
) -> Reason | None:
    """Say why the next measurement should be deep; None if it need not be.

    Args:
        settings: What the monitor was told.
        walks: The deep measurements so far.
        readings: The cheap readings since the last of them.
        now: The present, in seconds of the clock of the readings.
        started: When the monitor started.
    """
    if settings.deep == "never":
        return None
    if settings.deep == "always":
        return Reason.ALWAYS
    if walks.last is None:  # not at the first measurement: what imports leave should be there by then
        is_time = now - started >= min(settings.interval, settings.deep_interval) / 2
        return Reason.BASELINE if is_time else None
    if now - walks.last >= settings.deep_interval:
        return Reason.INTERVAL
    return Reason.GROWTH if is_growing(readings, walks.asked) else None


def is_growing(readings: Sequence[Reading], asked: int = 0) -> bool:
    """Tell whether blocks, C heap or resident set grow, by enough and too steadily for an accident.

    Args:
        readings: The readings since the last deep measurement.
        asked: How many deep measurements in a row growth has asked for; each doubles the readings that are needed
            for the next, for a leak that goes on need not be walked every half hour.
    """
    if len(readings) < min(_LEAST_READINGS << min(asked, 8), MOST_READINGS):
        return False
    return any(_grows(readings, signal) for signal in _LEAST_GAIN)


def _grows(readings: Sequence[Reading], signal: str) -> bool:
    times = tuple(reading.time for reading in readings)
    values = tuple(getattr(reading, signal) for reading in readings)
    if None in values:
        return False
    third = len(values) // 3
    before, after = statistics.median(values[:third]), statistics.median(values[-third:])
    if after - before < max(_LEAST_GAIN[signal], _LEAST_SHARE * before):
        return False
    estimate = theil_sen([Run(times, values, tuple(range(len(values))))])
    return estimate is not None and estimate.slope.value > 0 and estimate.significance < _MOST_LIKELY_CHANCE


def own_bytes(memory: Memory) -> int:
    """Return the resident memory that is the process's own: without pages that are shared or belong to files."""
    return memory.rss - (memory.shared or 0)


def growth_of(readings: Sequence[tuple[float, int]]) -> float | None:
    """Return how fast memory grows, as the Theil-Sen slope of readings; None of fewer than six.

    Args:
        readings: Seconds of a clock that never jumps, and bytes.

    Returns:
        Bytes per second.
    """
    if len(readings) < _LEAST_READINGS:
        return None
    times, values = zip(*readings, strict=True)
    estimate = theil_sen([Run(times, values, tuple(range(len(values))))])
    return estimate.slope.value if estimate is not None else None


# -- what it may cost ------------------------------------------------------------------------------


def predicted_cpu(blocks: int, walks: Walks) -> float:
    """Return the CPU seconds that a deep measurement will take: as many a block as the last one, at first 2 us."""
    return blocks * (walks.cpu / walks.blocks if walks.blocks else _CPU_OF_A_BLOCK)


def is_affordable(predicted: float, *, spent: float, elapsed: float, cpu_share: float) -> bool:
    """Tell whether it can be done without having taken more than the share of CPU since the monitor started.

    Args:
        predicted: CPU seconds it will take.
        spent: CPU seconds taken so far.
        elapsed: Seconds since the start.
        cpu_share: Share of one CPU.
    """
    return spent + predicted <= cpu_share * elapsed


def fits_in_memory(cgroup: Cgroup | None, blocks: int, memory_share: float) -> bool:
    """Tell whether the tables of a walk leave the container below its limit; without a limit they always do.

    Page cache that can be given back at once does not count as used.

    Args:
        cgroup: The container.
        blocks: Blocks that are allocated.
        memory_share: Share of the limit that may be used.
    """
    if cgroup is None or cgroup.limit is None:
        return True
    used = cgroup.usage - (cgroup.inactive_file or 0)
    return used + blocks * _MEMORY_OF_A_BLOCK <= memory_share * cgroup.limit


# -- what to keep ----------------------------------------------------------------------------------


def worth_watching(owners: Sequence[OwnerSize]) -> tuple[str, ...]:
    """Return the paths of the largest owners whose length can be read without a walk: single ones, named throughout."""
    single = [owner for owner in owners if owner.containers == 1 and "[" not in owner.path and " " not in owner.path]
    ranked = sorted(single, key=lambda owner: (-owner.bytes, -owner.entries, owner.path))
    return tuple(owner.path for owner in ranked[:_MOST_WATCHED])


def newest(pending: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
    """Return what is kept of the snapshots that could not be stored: few, and only the last of them deep.

    A deep snapshot may take megabytes; an older one is kept as the cheap measurement it began as.
    """
    kept = list(pending[-_MOST_PENDING:])
    deep = [at for at, snapshot in enumerate(kept) if snapshot.is_deep]
    for at in deep[:-_MOST_DEEP_PENDING]:
        kept[at] = attrs.evolve(kept[at], heap=None, resources=None)
    return tuple(kept)
