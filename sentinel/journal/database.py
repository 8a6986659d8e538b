"""The file of the journal: its tables, its one writing process, its transactions, and what its errors mean."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sentinel.domain.errors import StateError, UpstreamError

APPLICATION_ID = 0x534E544C  # "SNTL"
VERSION = 2

BLOCK_TABLES = (
    # See blocks.py and known.py.
    """CREATE TABLE block (
        batch INTEGER PRIMARY KEY, level INTEGER NOT NULL, slot INTEGER NOT NULL, data BLOB NOT NULL)""",
    "CREATE INDEX block_time ON block (level, slot)",
    "CREATE TABLE newest (batch INTEGER PRIMARY KEY, data BLOB NOT NULL)",
)
READING_TABLES = (
    # See readings.py; a file of version 2 may be older than these.
    """CREATE TABLE IF NOT EXISTS reading (
        id INTEGER PRIMARY KEY, sink TEXT NOT NULL, points INTEGER NOT NULL, about TEXT NOT NULL,
        data BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS reading_sink_id ON reading (sink, id)",
    "CREATE TABLE IF NOT EXISTS reading_sink (sink TEXT PRIMARY KEY, batch INTEGER NOT NULL)",
)
TABLES = (
    *BLOCK_TABLES,
    *READING_TABLES,
    # Ids are dense, from 0, in order of first appearance: they index the arrays of the pipeline.
    "CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, source TEXT NOT NULL)",
    """CREATE TABLE batch (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        source TEXT NOT NULL,
        arrival_us INTEGER NOT NULL,
        complete_until_us INTEGER,
        first_us INTEGER,
        last_us INTEGER,
        observations INTEGER NOT NULL,
        payload TEXT NOT NULL)""",
    "CREATE INDEX batch_settings ON batch (id) WHERE kind = 'settings'",
    """CREATE TABLE cursor (
        source TEXT PRIMARY KEY, value TEXT NOT NULL, complete_until_us INTEGER, batch INTEGER NOT NULL)""",
    """CREATE TABLE checkpoint (
        id INTEGER PRIMARY KEY,
        batch INTEGER NOT NULL,
        created_us INTEGER NOT NULL,
        header TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        complete INTEGER NOT NULL)""",
    """CREATE TABLE checkpoint_piece (
        checkpoint INTEGER NOT NULL,
        name TEXT NOT NULL,
        part INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (checkpoint, name, part))""",
    """CREATE TABLE event (
        id TEXT PRIMARY KEY, batch INTEGER NOT NULL, series, time_us INTEGER NOT NULL, body TEXT NOT NULL)""",
    # delivered_us: null = owed, negative = refused for good at that time.
    """CREATE TABLE outbox (
        event TEXT, sink TEXT, delivered_us INTEGER, PRIMARY KEY (event, sink)) WITHOUT ROWID""",
    "CREATE INDEX outbox_undelivered ON outbox (sink) WHERE delivered_us IS NULL",
    """CREATE TABLE digest (
        series INTEGER, tick INTEGER, digest TEXT NOT NULL, PRIMARY KEY (series, tick)) WITHOUT ROWID""",
)

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
BUSY_SECONDS = 5.0
"""Bound on the wait for another program that writes to the file (a person with a database shell)."""

PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",  # a committed batch survives a power cut, not only a crash of this process
    "secure_delete = OFF",  # Debian's default is ON: deleted checkpoints would be written once more, as zeros
    "temp_store = MEMORY",
    "cache_size = -32768",  # KiB
    "journal_size_limit = 67108864",
)


class JournalFull(StateError):  # noqa: N818 - says what the journal is
    """No space is left; nothing of the transaction was written, and it may be tried again."""

    exit_code = UpstreamError.exit_code


class JournalUnwritable(StateError):  # noqa: N818 - likewise
    """The disk failed or refused; nothing of the transaction was written, and it may be tried again."""

    exit_code = UpstreamError.exit_code


class JournalCorrupt(StateError):  # noqa: N818 - likewise
    """The file's contents contradict themselves."""


class JournalForgotten(StateError):  # noqa: N818 - likewise
    """The batches that were asked for have been forgotten: retention took them."""

    whole_from = 1
    """The batch from which on none is missing."""


class FolderLock:
    """An advisory lock on a state folder, which the kernel releases when its holder dies.

    Held from construction to `close`; StateError names the process that holds it already, JournalFull says that the
    disk is full. The folder is made where it is missing. The file stays behind: removing it would let two processes
    lock two files of the same name.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise _full(path, error) from error
            raise StateError(f"{folder}: {error.strerror}; the state folder must be writable by this user") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise StateError(
                    f"{folder}: in use by process {holder or 'unknown'}; one process per state folder; "
                    "stop that process or set another daemon.state_dir"
                ) from error
            if error.errno in NO_SPACE:
                raise _full(path, error) from error
            raise StateError(f"{path}: {error.strerror}; the state folder must be on a local disk") from error

    def close(self) -> None:
        """Let the next process in."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


class Database:
    """One connection. Any thread may use it, but only one at a time: it belongs to the engine."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        with self._named_errors():
            self.connection = sqlite3.connect(
                uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
            )
        try:
            self._prepare(read_only)
        except BaseException:  # whatever ends the opening, the file is closed
            self.connection.close()
            raise

    def require_file(self) -> None:
        """Raise JournalUnwritable if the path no longer leads to the file that was opened.

        SQLite goes on writing to a file that was deleted or replaced, and what it writes is gone with the process.
        """
        found = self._file_at_path()
        if found != self._file:
            what = "removed" if found is None else "replaced by another file"
            raise JournalUnwritable(
                f"{self.path}: {what} while this process has it open; put it back, or start again with what is there"
            )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything at the end, or roll all of it back on any exception.

        Raises JournalFull, JournalUnwritable or JournalCorrupt; the connection stays usable.
        """
        self.require_file()
        with self._named_errors():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:  # an interrupt must not leave half a transaction either
                if self.connection.in_transaction:  # SQLite rolls back by itself on some errors
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads inside see one moment, whatever a writer in another process does meanwhile."""
        with self._named_errors():
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def read(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Fetch all rows of a query."""
        with self._named_errors():
            return self.connection.execute(query, parameters).fetchall()

    def read_number(self, query: str, parameters: Sequence[object] = ()) -> int:
        """Fetch the whole number that a query gives; 0 where that is none."""
        ((number,),) = self.read(query, parameters)
        return int(number or 0)

    def write(self, query: str, rows: Iterable[Sequence[object]]) -> None:
        """Change something for each of these rows, in one transaction; errors as of `transaction`."""
        with self.transaction() as connection:
            connection.executemany(query, rows)

    def close(self) -> None:
        """Close the connection; the last one to close also empties the write-ahead log."""
        self.connection.close()

    def _file_at_path(self) -> tuple[int, int] | None:
        """Device and inode of what is at the path now; None where nothing can be seen."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _prepare(self, read_only: bool) -> None:
        """Create the tables of a new file; refuse with a StateError one that is no journal of this version."""
        foreign = StateError(
            f"{self.path}: not a journal of sentinel; the state folder must be its own; set another daemon.state_dir"
        )
        try:
            ((tables, application, version),) = self.read(
                "SELECT (SELECT count(*) FROM sqlite_master), application_id, user_version"
                " FROM pragma_application_id, pragma_user_version"
            )  # from here on the file exists
        except JournalCorrupt as error:  # its first page is not that of a database
            raise foreign from error
        self._file = self._file_at_path()
        new = not (tables or application or version)
        if new and read_only:
            raise StateError(f"{self.path}: empty; a journal that sentinel has written is needed")
        if not new and application != APPLICATION_ID:
            raise foreign
        is_old = version == 1 or bool(self.read("SELECT 1 FROM sqlite_master WHERE name = 'observation'"))
        if is_old and read_only:
            raise StateError(
                f"{self.path}: a journal of an earlier version; `sentinel run` with this state folder converts it"
            )
        if not new and version != VERSION and not is_old:
            install = "install the newer sentinel that wrote it, or " if version > VERSION else ""
            raise StateError(
                f"{self.path}: schema version {version}; this sentinel knows version {VERSION}; "
                f"{install}set another daemon.state_dir"
            )
        if read_only:
            return
        with self._named_errors():
            if new:
                self.connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only possible before the first table
            for pragma in PRAGMAS:
                self.connection.execute(f"PRAGMA {pragma}")
        if new or not self.read("SELECT 1 FROM sqlite_master WHERE name = 'reading'"):
            with self.transaction() as connection:
                for statement in TABLES if new else READING_TABLES:
                    connection.execute(statement)
                if new:
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Turn what SQLite says of the disk into a StateError; a mistake of this program stays as it is."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the low byte; the rest is detail
                case sqlite3.SQLITE_FULL:
                    raise _full(self.path, error) from error
                case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                    raise JournalCorrupt(
                        f"{self.path}: {error}; restore the file from a backup, or move it away to start afresh"
                    ) from error
                case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                    raise JournalUnwritable(
                        f"{self.path}: another program is writing to it ({error}); stop it"
                    ) from error
                case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
                    unwritable = JournalUnwritable(
                        f"{self.path}: {error}; see to the disk and the rights of the state folder"
                    )
                    if not all(os.access(path, os.W_OK) for path in (self.path.parent, self.path) if path.exists()):
                        unwritable.exit_code = StateError.exit_code  # rights do not come back by waiting
                    raise unwritable from error
            raise


def _full(path: Path, error: Exception) -> JournalFull:
    what = error.strerror if isinstance(error, OSError) else error
    return JournalFull(f"{path}: {what}; make space on this disk, nothing was lost")
