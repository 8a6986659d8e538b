"""Files opened as their plain bytes. A compressed one is inflated once and kept until it has been read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, NamedTuple, cast

from sentinel.domain.errors import DataError
from sentinel.tables.compressed import Inflated, open_plain

KEPT = 2
"""Compressed files that are kept inflated."""
SPOOL_BYTES = 32 << 20
"""Plain bytes of a compressed file that are kept in memory; more go to a temporary file."""
CHUNK_BYTES = 1 << 16


class Plain(NamedTuple):
    """An open file as its plain bytes."""

    file: BinaryIO
    size: int
    """Plain bytes."""
    status: os.stat_result
    compressed: bool
    ended: bool
    """Nothing will be added to it, so its last line may lack a newline."""
    broken: str = ""
    """Why the bytes after these cannot be read; empty where nothing is missing."""


def state_of(status: os.stat_result) -> str:
    """Inode, size and time of change of a file: the same text means that it is as it was."""
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"


class Opener:
    """Opens files, compressed or not."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[str, SpooledTemporaryFile[bytes], int, str]] = {}

    @contextmanager
    def open(self, path: Path) -> Iterator[Plain]:
        """Open a file to read and seek in its plain bytes; OSError where it cannot be opened."""
        with open_plain(path) as file:
            raw = getattr(file, "raw", None)
            if not isinstance(raw, Inflated):
                status = os.fstat(file.fileno())
                yield Plain(file, status.st_size, status, compressed=False, ended=False)
                return
            status = os.fstat(raw.fileno())
            kept = self._kept.get(path)
            if kept is None or kept[0] != state_of(status):
                while self._kept and (len(self._kept) >= KEPT or path in self._kept):
                    self._kept.pop(path if path in self._kept else next(iter(self._kept)))[1].close()
                kept = self._kept[path] = (state_of(status), *_inflate(raw))
        _, spool, size, broken = kept
        yield Plain(cast(BinaryIO, spool), size, status, compressed=True, ended=not broken, broken=broken)

    def close(self) -> None:
        """Let go of all."""
        while self._kept:
            self._kept.popitem()[1][1].close()


def _inflate(raw: Inflated) -> tuple[SpooledTemporaryFile[bytes], int, str]:
    """Write the plain bytes to a temporary file, up to where they are damaged: file, number, what is wrong."""
    spool: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 - kept over fetches
    size, broken = 0, ""
    try:
        while data := raw.read(CHUNK_BYTES):
            size += spool.write(data)
    except DataError as error:
        broken = str(error)
    except BaseException:  # whatever ends the reading, the temporary file is closed
        spool.close()
        raise
    return spool, size, broken
