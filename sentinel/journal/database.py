"""The SQLite connection: how it is opened, how a transaction ends, and what its errors are called here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sentinel.domain.errors import StateError
from sentinel.journal import schema

BUSY_SECONDS = 5.0
"""How long to wait for another program that writes to the file (a person with a database shell)."""

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


class JournalUnwritable(StateError):  # noqa: N818 - likewise
    """The disk failed or refused; nothing of the transaction was written, and it may be tried again."""


class JournalCorrupt(StateError):  # noqa: N818 - likewise
    """The file's contents contradict themselves."""


class JournalForgotten(StateError):  # noqa: N818 - likewise
    """What is asked for has been forgotten: retention took it."""


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
        except BaseException:
            self.connection.close()
            raise

    def _file_at_path(self) -> tuple[int, int] | None:
        """Device and inode of what is at the path now; None where nothing can be seen."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

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

    def _prepare(self, read_only: bool) -> None:
        try:
            with self._named_errors():
                fresh = schema.is_new(self.connection)  # from here on the file exists
                self._file = self._file_at_path()
        except JournalCorrupt as error:  # its first page is not that of a database
            raise schema.foreign(self.path) from error
        if not fresh:
            with self._named_errors():
                schema.require(self.connection, self.path)
        elif read_only:
            raise StateError(f"{self.path}: empty; a journal that sentinel has written is needed")
        if read_only:
            return
        with self._named_errors():
            if fresh:
                self.connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only possible before the first table
            for pragma in PRAGMAS:
                self.connection.execute(f"PRAGMA {pragma}")
        if fresh:
            with self.transaction() as connection:
                schema.create(connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything or nothing: commits at the end, rolls back on any exception.

        Raises JournalFull, JournalUnwritable or JournalCorrupt; the connection stays usable.
        """
        self.require_file()
        with self._named_errors():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # SQLite rolls back by itself on some errors
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see one moment, whatever a writer in another process does meanwhile."""
        with self._named_errors():
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def read(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        """All rows of a query."""
        with self._named_errors():
            return self.connection.execute(query, parameters).fetchall()

    def close(self) -> None:
        """Close the connection; the last one to close also empties the write-ahead log."""
        self.connection.close()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            named = self._named(error)
            if named is None:  # a mistake of this program, not a state of the disk
                raise
            raise named from error

    def _named(self, error: sqlite3.DatabaseError) -> StateError | None:
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the low byte; the rest is detail
            case sqlite3.SQLITE_FULL:
                return JournalFull(f"{self.path}: {error}; make space on this disk, nothing was lost")
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return JournalCorrupt(
                    f"{self.path}: {error}; restore the file from a backup, or move it away to start afresh"
                )
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return JournalUnwritable(f"{self.path}: another program is writing to it ({error}); stop it")
            case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
                return JournalUnwritable(f"{self.path}: {error}; see to the disk and the rights of the state folder")
        return None
