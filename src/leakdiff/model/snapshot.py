"""Everything known of a process at one moment, as names and numbers: what can be kept and compared."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from leakdiff.model.heap import Bound, Site
from leakdiff.model.named import Named, part
from leakdiff.model.one_line import IN_BYTES, bounded, one_line
from leakdiff.model.showing import Showing
from leakdiff.model.shown import Shown

if TYPE_CHECKING:
    from leakdiff.model.diff import Diff

_LONGEST_LABEL = 40


@attrs.frozen(kw_only=True)
class Identity:
    """Which process: what makes two snapshots comparable, and what tells replicas and deploys apart.

    Attributes:
        service: OpenTelemetry's ``service.name``.
        version: ``service.version``.
        revision: ``vcs.ref.head.revision``.
        host: Name of the host or pod.
        pid: Process id.
        started: When the process started, UTC seconds since the epoch.
        boot_id: The kernel's id of this boot of the host; empty where it has none.
        python: Version of the interpreter.
        leakdiff: Version of leakdiff.
    """

    service: str = ""
    version: str = ""
    revision: str = ""
    host: str = ""
    pid: int = 0
    started: float = 0.0
    boot_id: str = ""
    python: str = ""
    leakdiff: str = ""

    __repr__ = one_line

    @property
    def instance(self) -> str:
        """One life of one process: the same for all its snapshots, another after a restart."""
        return f"{self.host}:{self.pid}:{self.started:.0f}"


@attrs.frozen
class Moment:
    """When.

    Attributes:
        utc: Seconds since the epoch.
        monotonic: Seconds of a clock that never jumps; comparable within one boot of a host.
    """

    utc: float = 0.0
    monotonic: float = 0.0

    __repr__ = one_line

    def __str__(self) -> str:
        try:
            return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(self.utc))
        except (OSError, OverflowError, ValueError):  # no clock of ours, and no year that has a name
            return f"{self.utc:g} s"


@attrs.frozen
class TypeCount:
    """How many objects of one type the walk reached, and their shallow bytes."""

    name: str
    count: int
    bytes: int

    __repr__ = one_line


@attrs.frozen
class SiteCount:
    """How many blocks that are alive one line allocated, and their bytes."""

    site: Site
    count: int
    bytes: int

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class OwnerSize:
    """A container that can be reached by name; those with one path (``app.sessions[*].log``) are counted together.

    Attributes:
        path: The name, with ``[*]`` for a key or an index.
        kind: What the path starts at: ``module``, ``class``, ``frame`` and so on.
        type: The container's type.
        entries: Entries of all containers with this path.
        bytes: Retained estimate: shallow bytes of them and of all that the walk first reached through them.
        containers: How many containers have this path.
        key_shape: What the keys look like; None where there are none or they were not looked at.
        bound: What limits it, where that is known.
        entry_bytes: Deep size of one entry, mean of a sample; None where none was taken.
        sized_by: What measured ``entry_bytes``: ``pympler`` or ``walk``.
    """

    path: str
    kind: str
    type: str
    entries: int
    bytes: int
    containers: int = 1
    key_shape: str | None = None
    bound: Bound | None = None
    entry_bytes: float | None = None
    sized_by: str | None = None

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Memory:
    """The process's memory in bytes; None where the platform cannot tell.

    Attributes:
        rss: Resident set size.
        uss: Of it, what no other process shares.
        pss: Proportional set size: what is shared is divided by those who share it.
        shared: Of the resident set, pages that are shared or belong to files.
        native: Bytes in use on the C heap (malloc), Python objects above 512 bytes among them.
        blocks: Blocks of Python's own allocator in use, a number and not bytes.
        minor_faults: Page faults without reading from disk, since the process started.
        major_faults: Page faults that read from disk.
    """

    rss: int = 0
    uss: int | None = None
    pss: int | None = None
    shared: int | None = None
    native: int | None = None
    blocks: int = 0
    minor_faults: int | None = None
    major_faults: int | None = None

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Cgroup:
    """The container the process runs in, from its memory control group; bytes.

    Attributes:
        version: 1 or 2.
        usage: Memory charged to the container.
        limit: Where the kernel kills it; None without a limit.
        anon: Of the usage, anonymous memory: what a leak grows.
        file: Of the usage, page cache.
        inactive_file: Of the page cache, what can be given back at once.
        oom_kills: Processes of the container that the kernel killed for memory.
    """

    version: int
    usage: int
    limit: int | None = attrs.field(default=None, metadata=IN_BYTES)
    anon: int | None = None
    file: int | None = None
    inactive_file: int | None = None
    oom_kills: int | None = None

    __repr__ = one_line


@attrs.frozen
class Tally:
    """How many of something there are, under one name."""

    name: str
    count: int

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Resources:
    """What a process holds besides memory, counted by name.

    Attributes:
        threads: By name (numbers as ``#``) and the line they are at.
        tasks: asyncio tasks by coroutine and the line they await at.
        generators: Suspended generators, coroutines and async generators by name.
        descriptors: Open file descriptors by kind.
        sockets: Sockets by protocol and state.
        children: Child processes by name.
    """

    threads: tuple[Tally, ...] = ()
    tasks: tuple[Tally, ...] = ()
    generators: tuple[Tally, ...] = ()
    descriptors: tuple[Tally, ...] = ()
    sockets: tuple[Tally, ...] = ()
    children: tuple[Tally, ...] = ()

    __repr__ = one_line


RESOURCE_KINDS = tuple(attrs.fields_dict(Resources))


@attrs.frozen(kw_only=True)
class SnapshotCost:
    """What taking it cost.

    Attributes:
        cpu_seconds: CPU seconds of the thread that took it.
        seconds: How long it took, pauses included.
        longest_stall: Longest time, in seconds, that other threads could not run because of it.
        memory: Most bytes its own tables took.
        walked: Objects walked.
    """

    cpu_seconds: float = 0.0
    seconds: float = 0.0
    longest_stall: float = 0.0
    memory: int = 0
    walked: int = 0

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Heap:
    """What the forward walk saw.

    Attributes:
        types: Every type with its count and bytes, most bytes first.
        large_bytes: Of all bytes, those of objects above 512 bytes, which live on the C heap.
        owners: Containers by path, most bytes first; None if they were not asked for.
        least_entries: Containers with fewer entries are not listed.
        sites: Allocation sites, most bytes first; None if tracemalloc was off or too large to read.
        is_whole: Whether the walk ended by itself, rather than by its budget.
    """

    types: tuple[TypeCount, ...] = ()
    large_bytes: int = 0
    owners: tuple[OwnerSize, ...] | None = None
    least_entries: int = 0
    sites: tuple[SiteCount, ...] | None = None
    is_whole: bool = True

    __repr__ = one_line

    @property
    def objects(self) -> int:
        """All objects reached."""
        return sum(found.count for found in self.types)

    @property
    def bytes(self) -> int:
        """Their shallow bytes."""
        return sum(found.bytes for found in self.types)


class Types(Named[TypeCount]):
    """Types of a snapshot, most bytes first."""

    one = "type"

    def _short(self, value: TypeCount) -> str:
        return f"{super()._short(value)} {value.count:,}"


class Owners(Named[OwnerSize]):
    """Containers of a snapshot, most bytes first."""

    one = "owner"

    @staticmethod
    def names_of(value: OwnerSize) -> tuple[str, ...]:
        """Return its path."""
        return (value.path,)

    def _short(self, value: OwnerSize) -> str:
        return f"{super()._short(value)} {value.entries:,}"


class Sites(Named[SiteCount]):
    """Allocation sites of a snapshot, most bytes first."""

    one = "site"

    @staticmethod
    def names_of(value: SiteCount) -> tuple[str, ...]:
        """Return file and line, as the reader knows the file; and with all of its path."""
        from leakdiff.render.text import short_path

        site = value.site
        return f"{short_path(site.file)}:{site.line}", f"{site.file}:{site.line}"

    def _short(self, value: SiteCount) -> str:
        return f"{super()._short(value)} {value.count:,}"


def _not_walked(snapshot: Snapshot) -> str:
    return "" if snapshot.is_deep else "a cheap measurement, without a walk of the heap"


@attrs.frozen(kw_only=True)
class Snapshot(Showing):
    """What is known of a process at one moment.

    Attributes:
        taken: When.
        identity: Of which process.
        label: What the caller called it.
        memory: The process's memory.
        cgroup: Its container's memory; None outside of one.
        resources: Threads, tasks, descriptors and so on; None in a cheap measurement.
        heap: Types, owners and sites; None in a cheap measurement.
        units: Units of work done so far, where the program counts them (``leakdiff.count_units``).
        watched: Lengths of single owners by path, read in a cheap measurement without a walk.
        left_out: What was not looked at or could not be, in sentences.
        cost: What it cost.
    """

    taken: Moment
    identity: Identity
    label: str | None = None
    memory: Memory = Memory()
    cgroup: Cgroup | None = None
    resources: Resources | None = None
    heap: Heap | None = None
    units: int | None = None
    watched: tuple[Tally, ...] = ()
    left_out: tuple[str, ...] = ()
    cost: SnapshotCost = SnapshotCost()

    def __repr__(self) -> str:
        from leakdiff.render.plain import size

        label = f" {bounded(self.label, _LONGEST_LABEL)!r}" if self.label else ""
        heap = f"{self.heap.objects:,} objects, {size(self.heap.bytes)}, " if self.heap is not None else ""
        return bounded(f"<Snapshot{label} {heap}RSS {size(self.memory.rss)}, {self.taken}>")

    def __str__(self) -> str:
        return self.text().partition("\n")[0]

    def __sub__(self, before: object) -> Diff:
        from leakdiff.compare.difference import difference

        return difference(before, self) if isinstance(before, Snapshot) else NotImplemented

    @property
    def is_deep(self) -> bool:
        """Whether the heap was walked."""
        return self.heap is not None

    @part
    def types(self) -> Types:
        """Every type with its count and bytes: ``snapshot.types["dict"]``, ``snapshot.types.like("Result")``."""
        return Types(self.heap.types if self.heap is not None else (), _not_walked(self))

    @part
    def owners(self) -> Owners:
        """Containers by path, most bytes first: ``snapshot.owners["app.matching._inflight"]``."""
        found = self.heap.owners if self.heap is not None else None
        return Owners(found or (), _not_walked(self) or ("owners were not asked for" if found is None else ""))

    @part
    def sites(self) -> Sites:
        """Lines that allocated what is alive, most bytes first, where tracemalloc was on: by ``app.py:41``."""
        found = self.heap.sites if self.heap is not None else None
        return Sites(found or (), _not_walked(self) or ("tracemalloc was off" if found is None else ""))

    def why(self) -> Shown:
        """Return the snapshot as text that shows itself at a prompt."""
        return Shown(self.text())

    def text(self) -> str:
        """Return the snapshot as text for a reader."""
        from leakdiff.render.snapshots import snapshot_text

        return snapshot_text(self)

    def save(self, path: str | Path) -> None:
        """Write it to a file, whole or not at all: compressed JSON with a format number, never pickle.

        Raises:
            CannotWrite: If the file cannot be written.
        """
        from leakdiff.store.files import save

        save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that ``save`` wrote.

        Raises:
            CannotRead: If the file is missing, corrupt, foreign or of a newer format.
        """
        from leakdiff.store.files import load

        return load(path)  # type: ignore[return-value]
