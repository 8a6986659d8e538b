"""A copy of a journal as it is at one moment, made beside a writer, and there whole or not at all."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sentinel.domain.errors import StateError
from sentinel.journal.database import NO_SPACE, Database, FolderLock, JournalFull


def copy_database(database: Database, target: Path) -> None:
    """Copy the file of a journal to a path that must be free, in a folder that is made where it is missing.

    Raises StateError: there is a journal already, the folder is in use or not writable; JournalFull.
    """
    lock = FolderLock(target.parent)
    partial = target.with_name(f"{target.name}.partial")
    try:
        if target.exists():
            raise StateError(f"{target}: there is a journal already; an empty folder is needed")
        with suppress(FileNotFoundError):
            partial.unlink()  # of a copy that was interrupted
        try:
            # In one step: the pages are those of one moment, and a writer goes on meanwhile.
            with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
                database.connection.backup(copy, pages=-1)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.rename(target)
        except sqlite3.Error as error:
            partial.unlink(missing_ok=True)
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise JournalFull(f"{target}: no space left; room for the whole journal is needed") from error
            raise StateError(f"{target}: not copied ({error}); see `sentinel state verify`") from error
        except OSError as error:
            if error.errno in NO_SPACE:
                raise JournalFull(f"{target}: no space left; room for the whole journal is needed") from error
            raise StateError(f"{target}: {error.strerror}; it must be writable by this user") from error
    finally:
        lock.close()
