"""One SQLite file for many threads, kept whole over forks.

A connection must not be carried into a forked child, and it is not enough that the child opens its own: SQLite notes in
memory which locks a process holds on a file, and the child inherits the note without the locks. When the parent then
closes, it finds nobody else there and deletes the log into which the child goes on writing: its snapshots are lost.
So connections are closed before a fork, and each side opens its own afterwards. After a fork that Python was not told
of (by C code) the child is refused. See "Carrying an open database connection across a fork" in SQLite's
"How To Corrupt An SQLite Database File".
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from leakdiff.errors import StoreLocked, StoreUnusable
from leakdiff.store import schema
from leakdiff.store.location import FileId, address_of, file_id

_SETTINGS = (
    "PRAGMA synchronous = NORMAL",  # in WAL mode the file stays whole after a power cut too
    "PRAGMA cache_size = -512",  # KiB: this is a guest in someone's memory
    "PRAGMA journal_size_limit = 4194304",
)
_PAUSE = 0.01
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
_DAMAGED = ("it is damaged", "Move it away, and a new one begins; `sqlite3 FILE .recover` may save what it holds.")
_TOLD = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_ERROR: _DAMAGED,  # a table is not there, or has other columns
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space; what was stored before is intact."),
    sqlite3.SQLITE_READONLY: ("it can only be read", "Get permission to write to the file and its folder, or copy it."),
    sqlite3.SQLITE_NOTADB: ("it is no leakdiff store", "Name another file."),
    sqlite3.SQLITE_IOERR: ("the system could not read or write it", "Check the disk, its quota and its mount."),
    sqlite3.SQLITE_CANTOPEN: (
        "it or the -wal file beside it cannot be opened",
        "Get permission to write to the folder, or copy both files into another.",
    ),
}
_CLOSED = ("it was closed", "Open it again.")
_STRANDED = ("this process was forked while it was in use", "Open it after the fork, in each process.")

_living: set[weakref.ref[Database]] = set()
_abandoned: list[tuple[sqlite3.Connection, FileId | None]] = []  # the parent's: even to close them could do harm


class Database:
    """An SQLite file, or a database in memory, that threads use in turn.

    Args:
        path: The file; None for memory.
        must_exist: Whether to refuse rather than to make one.
        timeout: Seconds to wait for others.
    """

    def __init__(self, path: str | None, *, must_exist: bool = False, timeout: float = 5.0) -> None:
        self.path = path
        self.place = ":memory:" if path is None else path
        self._must_exist = must_exist
        self._timeout = timeout
        self._lock = threading.Lock()
        self._resting_for = 0  # the thread that forks, while it does
        self._ended: tuple[str, str] | None = None
        self._connection: sqlite3.Connection | None = None
        self._opened_in = 0
        self._file: FileId | None = None
        self._finalizer: weakref.finalize[..., Database] | None = None
        _living.add(weakref.ref(self, _living.discard))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection, outside of a transaction.

        Raises:
            StoreLocked: If others held the file, or the turn, for too long.
            StoreUnusable: If the file cannot be used.
        """
        lock = self._lock  # a forked child gets another
        if not lock.acquire(timeout=self._timeout):
            raise StoreLocked(self.place, self._timeout)
        try:
            yield self._present()
        except sqlite3.Error as error:
            raise self._told(error) from error
        finally:
            lock.release()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for one transaction, which counts whole or, after an error, not at all."""
        with self.reading() as connection, _transaction(connection):
            yield connection

    def close(self) -> None:
        """Close the connection for good; to close twice is no error."""
        with self._lock:
            self._ended = _CLOSED
            self._drop()

    # -- the connection ----------------------------------------------------------------------------

    def _present(self) -> sqlite3.Connection:
        if self._connection is not None and self._opened_in != os.getpid():
            self._ended = _STRANDED
            self._drop()
        if self._ended is not None:
            raise StoreUnusable(self.place, *self._ended)
        if self._connection is not None and self._file != file_id(self.path):
            self._drop()  # it was deleted or replaced: what goes there now, nobody will read
        return self._connection or self._open_patiently()

    def _open_patiently(self) -> sqlite3.Connection:
        """Open the file; where several processes make it at once, SQLite fails without waiting for the others."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return self._open()
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE)

    def _open(self) -> sqlite3.Connection:
        address, may_write = address_of(self.path, must_exist=self._must_exist)
        self._file = file_id(self.path)
        self._refuse_inherited()
        connection = sqlite3.connect(
            address, uri=True, timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection, may_write=may_write)
        except BaseException:
            connection.close()
            raise
        self._connection, self._opened_in = connection, os.getpid()
        self._finalizer = weakref.finalize(self, _finalize, connection, self._opened_in, self._file, self._lock)
        return connection

    def _refuse_inherited(self) -> None:
        for other in _all_living():
            if other._connection is not None and other._opened_in != os.getpid():  # noqa: SLF001
                other._drop()  # noqa: SLF001
        if self._file is not None and any(file == self._file for _, file in _abandoned):
            raise StoreUnusable(self.place, *_STRANDED)

    def _prepare(self, connection: sqlite3.Connection, *, may_write: bool) -> None:
        version = schema.version_of(connection, self.place)
        if version == 0 and (self._must_exist or not may_write):
            raise StoreUnusable(self.place, "it is empty", "Name a store that snapshots were added to.")
        if not may_write:
            schema.check_present(version, self.place)
            return
        for setting in _SETTINGS:
            connection.execute(setting)
        if version == 0:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # it counts only before anything is in the file
        connection.execute("PRAGMA journal_mode = WAL")
        if version < len(schema.MIGRATIONS):
            with _transaction(connection):
                schema.migrate(connection, self.place)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if self._finalizer is not None:
            self._finalizer.detach()
        if connection is not None:
            _let_go(connection, self._opened_in, self._file)

    def _told(self, error: sqlite3.Error) -> StoreUnusable:
        """Return the error in our words; the next one to come opens the file anew."""
        if _code(error) in _BUSY:
            return StoreLocked(self.place, self._timeout)
        self._drop()
        saw, todo = _TOLD.get(_code(error), ("SQLite refused", "Please report it."))
        return StoreUnusable(self.place, f"{saw} ({error})", todo)

    # -- forks -------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Close the connection before a fork, once nobody uses it, and keep others from opening one."""
        if self._lock.acquire(timeout=self._timeout):
            self._resting_for = threading.get_ident()
            if self.path is not None:  # what is in memory is copied by the fork, and has no locks
                self._drop()

    def _wake_in_parent(self) -> None:
        if self._resting_for == threading.get_ident():
            self._resting_for = 0
            self._lock.release()

    def _wake_in_child(self) -> None:
        if self._resting_for == threading.get_ident():
            self._opened_in = os.getpid()
        self._resting_for = 0
        self._lock = threading.Lock()  # whoever held the old one is not in this process


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's code, without the details in its upper bits."""
    # Only what SQLite finds itself has one; that a text is none, or a column of another type, is found later.
    unknown = sqlite3.SQLITE_CORRUPT if isinstance(error, sqlite3.OperationalError) else sqlite3.SQLITE_MISUSE
    return int(getattr(error, "sqlite_errorcode", unknown)) & 0xFF


def _finalize(connection: sqlite3.Connection, opened_in: int, file: FileId | None, lock: threading.Lock) -> None:
    """Let go of the connection of a database that nobody has any more, or at exit."""
    # At exit a daemon thread may be in the middle of something, and none may begin: the turn is not given back.
    if lock.acquire(blocking=False):
        _let_go(connection, opened_in, file)


def _let_go(connection: sqlite3.Connection, opened_in: int, file: FileId | None) -> None:
    if opened_in == os.getpid():
        connection.close()
    else:
        _abandoned.append((connection, file))


def _all_living() -> list[Database]:
    return [database for reference in tuple(_living) if (database := reference()) is not None]


def _before_fork() -> None:
    for database in _all_living():
        database._rest()  # noqa: SLF001


def _after_fork_in_parent() -> None:
    for database in _all_living():
        database._wake_in_parent()  # noqa: SLF001


def _after_fork_in_child() -> None:
    for database in _all_living():
        database._wake_in_child()  # noqa: SLF001


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
