"""One process per state folder: an advisory lock that the kernel releases when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from sentinel.domain.errors import StateError

LOCK_FILE = "lock"


class FolderLock:
    """Held from construction to `close`; StateError names the process that holds it already.

    The file stays behind: removing it would let two processes lock two files of the same name.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_FILE
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
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
            raise StateError(
                f"{path}: {error.strerror}; the state folder must be on a local disk with space"
            ) from error

    def close(self) -> None:
        """Let the next process in."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
