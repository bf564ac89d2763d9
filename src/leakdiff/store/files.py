"""Files that are written whole or not at all, and snapshots as such files: JSON, compressed, never pickle."""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from leakdiff.errors import CannotRead, CannotWrite

if TYPE_CHECKING:
    from leakdiff.model.snapshot import Snapshot

_GZIP, _SQLITE = b"\x1f\x8b", b"SQLite format 3\x00"
_COPY = "Take another snapshot, or read a copy that is whole."
_OTHER = "Name a file that Snapshot.save wrote."


def save(snapshot: Snapshot, path: str | os.PathLike[str]) -> None:
    """Write a snapshot to a file, whole or not at all; the same snapshot gives the same bytes.

    Args:
        snapshot: What to write.
        path: Where to; a file that is there is replaced.

    Raises:
        CannotWrite: If the file cannot be written; nothing half-written stays.
    """
    from leakdiff.store.codec import encoded

    write_whole(Path(path), gzip.compress(encoded(snapshot), mtime=0))


def load(path: str | os.PathLike[str]) -> Snapshot:
    """Read a snapshot from a file that ``save`` wrote, or from the same JSON without compression.

    Raises:
        CannotRead: If the file is missing, corrupt, foreign or of a newer format.
    """
    from leakdiff.store.codec import Malformed, decoded

    try:
        return decoded(_content(path))
    except Malformed as error:
        raise CannotRead(str(path), error.saw, error.todo) from error
    except EOFError as error:
        raise CannotRead(str(path), "it is truncated", _COPY) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise CannotRead(str(path), f"it is damaged: {error}", _COPY) from error
    except OSError as error:
        raise CannotRead(str(path), *reason_of(error, _OTHER)) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file completely or not at all; what it had before stays until the new content is on the disk.

    Raises:
        CannotWrite: If it cannot be written; nothing half-written stays.
    """
    try:
        target = path.resolve()  # through links, to what they point to
        if target.exists() and not target.is_file():  # a pipe or a device
            target.write_bytes(content)
        else:
            _replace(target, content)
    except (OSError, ValueError) as error:
        raise CannotWrite(str(path), error) from error


def make_folder(path: Path) -> Path:
    """Make a folder, with those above it, unless it is there, and return it.

    Raises:
        CannotWrite: If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise CannotWrite(str(path), error) from error
    return path


def _replace(target: Path, content: bytes) -> None:
    temporary = target.with_name(f".leakdiff-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _content(path: str | os.PathLike[str]) -> bytes:
    """Return the JSON in a file, however it is packed."""
    from leakdiff.store.codec import MOST_BYTES, Malformed

    if "\0" in os.fspath(path):
        raise Malformed("its name holds a NUL", _OTHER)
    with Path(path).open("rb") as file:
        start = file.peek(len(_SQLITE))
        if start.startswith(_SQLITE):
            raise Malformed("it is an SQLite database", "If it is a store, ask `leakdiff trend` about it.")
        packed = gzip.GzipFile(fileobj=file) if start.startswith(_GZIP) else file
        content = packed.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Malformed(f"it holds more than {MOST_BYTES >> 20} MiB, as no snapshot does", _OTHER)
    return content


def reason_of(error: OSError, other: str) -> tuple[str, str]:
    """Return why a file cannot be read, and what to do.

    Args:
        error: What the system said.
        other: What to do if it is no file.
    """
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "there is no such file", "Check the name and the folder."
    if isinstance(error, PermissionError):
        return "permission denied", "Read it as the user who wrote it, or change its mode."
    if isinstance(error, IsADirectoryError):
        return "it is a folder", other
    return str(error.strerror or error).lower(), "Read a copy that is whole."
