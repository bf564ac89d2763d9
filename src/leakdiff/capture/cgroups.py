"""The memory of the container the process runs in, from the files of its control group, version 1 or 2."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import attrs

from leakdiff.model.snapshot import Cgroup

_NO_LIMIT = 1 << 62  # version 1 writes "no limit" as the largest multiple of the page size
_NUMBER = re.compile(r"[0-9]{1,20}")
_ESCAPED = re.compile(r"\\([0-7]{3})")


@attrs.frozen
class _Mount:
    """Where a hierarchy of groups can be seen: ``root`` is the group that lies at ``point``."""

    root: str
    point: str
    kind: str
    options: tuple[str, ...]


def read_cgroup(root: Path = Path("/")) -> Cgroup | None:
    """Read the memory of this process's control group; None outside of one or where it does not count memory.

    Args:
        root: Where the file system starts.
    """
    paths = _own_paths(_text(root / "proc/self/cgroup"))
    mounts = list(_mounts(_text(root / "proc/self/mountinfo")))
    # A host with both versions gives memory to one of them; version 1 lists the controllers it has.
    if "memory" in paths:
        hierarchy = [mount for mount in mounts if mount.kind == "cgroup" and "memory" in mount.options]
        return _read_v1(_groups(root, hierarchy, paths["memory"]))
    if "" in paths:
        hierarchy = [mount for mount in mounts if mount.kind == "cgroup2"]
        return _read_v2(_groups(root, hierarchy, paths[""]))
    return None


# -- where the group is --------------------------------------------------------------------------


def _own_paths(text: str) -> dict[str, str]:
    """Return the process's group by controller of version 1, and that of version 2 under the empty name."""
    paths = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, found, path = rest.partition(":")
        if found and (controllers or number == "0"):
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _mounts(text: str) -> Iterator[_Mount]:
    for line in text.splitlines():
        before, found, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if found and len(fields) > 4 and len(rest) > 2:
            yield _Mount(_unescaped(fields[3]), _unescaped(fields[4]), rest[0], tuple(rest[-1].split(",")))


def _unescaped(path: str) -> str:
    """Undo what the kernel does to blanks in paths."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), path)


def _groups(root: Path, mounts: Sequence[_Mount], path: str) -> list[Path]:
    """Return the folders of the process's group and of those above it, as far as they can be seen from here."""
    for mount in mounts:
        point = root / mount.point.lstrip("/")
        below = _below(path, mount.root)
        if below is not None and os.path.isdir(point / below):  # Path.is_dir raises where it may not look
            return [point / group for group in (below, *below.parents)]
    # A path of the host's, which does not exist in here: the container's own group is what was mounted.
    return [root / mount.point.lstrip("/") for mount in mounts[:1]]


def _below(path: str, top: str) -> PurePosixPath | None:
    """Return a group's path below the one that is mounted; None if it lies elsewhere."""
    try:
        below = PurePosixPath(path).relative_to(top)
    except ValueError:
        return None
    return None if ".." in below.parts else below


# -- what its files say --------------------------------------------------------------------------


def _read_v2(groups: Sequence[Path]) -> Cgroup | None:
    for group in groups:
        usage = _number(group / "memory.current")
        if usage is not None:  # else the memory is charged to a group above
            stat = _table(group / "memory.stat")
            return Cgroup(
                version=2,
                usage=usage,
                limit=_least(_number(above / "memory.max") for above in groups),
                anon=stat.get("anon"),
                file=stat.get("file"),
                inactive_file=stat.get("inactive_file"),
                oom_kills=_table(group / "memory.events").get("oom_kill"),
            )
    return None


def _read_v1(groups: Sequence[Path]) -> Cgroup | None:
    for group in groups:
        usage = _number(group / "memory.usage_in_bytes")
        if usage is not None and not os.path.exists(group / "release_agent"):  # only the whole machine's group has one
            stat = _table(group / "memory.stat")
            limits = [_number(above / "memory.limit_in_bytes") for above in groups]
            return Cgroup(
                version=1,
                usage=usage,
                limit=_least([*limits, stat.get("hierarchical_memory_limit")]),
                anon=stat.get("total_rss", stat.get("rss")),
                file=stat.get("total_cache", stat.get("cache")),
                inactive_file=stat.get("total_inactive_file", stat.get("inactive_file")),
                oom_kills=_table(group / "memory.oom_control").get("oom_kill"),
            )
    return None


def _least(limits: Iterable[int | None]) -> int | None:
    """Return the limit that is met first; every group above limits those below it."""
    return min((limit for limit in limits if limit is not None and limit < _NO_LIMIT), default=None)


def _table(path: Path) -> dict[str, int]:
    """Return the lines ``name number`` of a file."""
    pairs = (line.split() for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and _NUMBER.fullmatch(pair[1])}


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if _NUMBER.fullmatch(text) else None


def _text(path: Path) -> str:
    """Return what a file holds, nothing if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, ValueError):
        return ""
