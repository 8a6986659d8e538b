"""Compressed text files, and those with line ends of old Macs: told by their first bytes, read as plain ones."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from abc import abstractmethod
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast

from sentinel.domain.errors import DataError

Compression: TypeAlias = Literal["gzip", "bzip2", "xz", "zstd"]
_BEGINNINGS: dict[Compression, bytes] = {
    "gzip": rb"\x1f\x8b\x08", "bzip2": rb"BZh.(1AY&SY|\x17rE8P\x90)", "xz": rb"\xfd7zXZ\0", "zstd": rb"\(\xb5/\xfd",
}  # fmt: skip


def open_plain(path: Path) -> BinaryIO:
    """Open a file to read its plain bytes, which raises DataError where it is damaged; OSError: it cannot be opened."""
    file = path.open("rb")
    try:
        first = file.peek() if file.seekable() else b""
        kind = next((one for one, begins in _BEGINNINGS.items() if re.match(begins, first, re.DOTALL)), None)
        if kind is None:
            is_text = b"\0" not in first or first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            returns = is_text and b"\n" not in first and first.count(b"\r") > 1
            return cast(BinaryIO, io.BufferedReader(ReturnsAsNewlines(file))) if returns else file
    except BaseException:  # whatever ends the opening, the file is closed
        file.close()
        raise
    return cast(BinaryIO, io.BufferedReader(Inflated(file, kind, path), 1 << 16))


class _Changed(io.RawIOBase):
    """An open file whose bytes are given changed; it is closed with this."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(memoryview(buffer)))
        memoryview(buffer)[: len(data)] = data
        return len(data)

    @abstractmethod
    def _read(self, size: int) -> bytes:
        """Read at most so many of the changed bytes; none at the end."""

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()


class ReturnsAsNewlines(_Changed):
    """The bytes of an open file whose lines end in a carriage return alone, as if they ended in a newline."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.seek, self.tell = file.seek, file.tell  # type: ignore[method-assign]

    def _read(self, size: int) -> bytes:
        return self._file.read(size).replace(b"\r", b"\n")


class Inflated(_Changed):
    """The plain bytes of an open compressed file; to go back inflates it from its start again."""

    def __init__(self, file: BinaryIO, kind: Compression, path: Path) -> None:
        super().__init__(file)
        self._kind, self._path = kind, path
        self._errors: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, lzma.LZMAError)
        self._plain: Any
        if kind == "zstd":
            from backports import zstd  # here: most files are not compressed

            self._plain, self._errors = zstd.ZstdFile(file), (*self._errors, zstd.ZstdError)
        elif kind == "gzip":
            self._plain = gzip.GzipFile(fileobj=file)
        else:
            self._plain = bz2.BZ2File(file) if kind == "bzip2" else lzma.LZMAFile(file)  # noqa: SIM115 - see close

    def _read(self, size: int) -> bytes:
        """Read some bytes, as many as come at once; DataError if the file is damaged."""
        try:
            return cast(bytes, self._plain.read1(size))
        except self._errors as error:
            raise self._explain(error) from error

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place among the plain bytes."""
        try:
            return int(self._plain.seek(offset, whence))
        except self._errors as error:
            raise self._explain(error) from error

    def tell(self) -> int:
        """Place among the plain bytes."""
        return int(self._plain.tell())

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._plain.close()
        super().close()

    def _explain(self, error: Exception) -> DataError:
        ends = isinstance(error, EOFError)
        what = "ends before its end: it was cut off or is still being written" if ends else f"is damaged ({error})"
        return DataError(f"{self._path}: the {self._kind} data {what}; copy or compress the file again")
