"""Where an SQLite store lies: the file, made if need be, and the address under which SQLite can open it."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from urllib.parse import quote

from leakdiff.errors import StoreUnusable

FileId = tuple[int, int]

_OTHER = "Name another file."


def address_of(path: str | None, *, must_exist: bool) -> tuple[str, bool]:
    """Return the address of a store, and whether it can be written; make the file if need be.

    Args:
        path: The file; None for memory.
        must_exist: Whether to refuse rather than to make it.

    Raises:
        StoreUnusable: If it is missing, no file, or not to be read or made.
    """
    if path is None:
        return "file::memory:", True
    if not must_exist:
        _make(path)
    _check_file(path)
    may_enter = os.access(Path(path).parent, os.W_OK)
    may_write = may_enter and os.access(path, os.W_OK)
    mode = "mode=rw" if may_write else "mode=ro"
    if not may_enter and not Path(f"{path}-wal").exists():
        mode = "immutable=1"  # SQLite could not make its -shm file there, and nobody else is writing
    return f"file:{quote(os.fsencode(path))}?{mode}", may_write


def file_id(path: str | None) -> FileId | None:
    """Return what tells a file from another of the same name; None where there is none."""
    if path is None:
        return None
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def bytes_on_disk(path: str) -> int:
    """Return what a store takes, with its log."""
    total = 0
    for part in (path, f"{path}-wal"):
        with contextlib.suppress(FileNotFoundError):
            total += Path(part).stat().st_size
    return total


def _make(path: str) -> None:
    """Make the file, for its owner's eyes only, unless it is there.

    A file that is there is not even opened: to close it again would drop the locks that SQLite holds on it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreUnusable(
            path, f"it cannot be made: {error.strerror}", "Name one in a folder you may write to."
        ) from error


def _check_file(path: str) -> None:
    try:
        found = Path(path).stat()
    except OSError as error:
        raise StoreUnusable(path, f"it cannot be found: {error.strerror}", "Check the name and the folder.") from error
    if not stat.S_ISREG(found.st_mode):
        saw = "it is a folder" if stat.S_ISDIR(found.st_mode) else "it is a pipe or a device"
        raise StoreUnusable(path, saw, _OTHER)
    if not os.access(path, os.R_OK):
        raise StoreUnusable(path, "permission denied", "Read it as the user who wrote it, or change its mode.")
    if found.st_size == 1:  # SQLite takes it for an empty one, and would overwrite it
        raise StoreUnusable(path, "it is no leakdiff store", _OTHER)
