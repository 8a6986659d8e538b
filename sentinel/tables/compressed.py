"""Compressed text files, and those with line ends of old Macs: told by their first bytes, read as plain ones.

Errors of the libraries become a DataError that says what is wrong with the file.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast

from sentinel.domain.errors import DataError

Compression: TypeAlias = Literal["", "gzip", "bzip2", "xz", "zstd"]
MAGIC_BYTES = 10


def compression_of(first: bytes) -> Compression:
    """Tell the compression of a file by its first `MAGIC_BYTES`; empty if it is not compressed."""
    if first.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if first.startswith(b"BZh") and first[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return "bzip2"
    if first.startswith(b"\xfd7zXZ\0"):
        return "xz"
    return "zstd" if first.startswith(b"\x28\xb5\x2f\xfd") else ""


def open_plain(path: Path) -> BinaryIO:
    """Open a file, compressed or not, to read its plain bytes; OSError where it cannot be opened.

    Reading raises DataError where a compressed file ends too soon or is damaged.
    """
    file = path.open("rb")
    try:
        first = file.peek() if file.seekable() else b""
        kind = compression_of(first[:MAGIC_BYTES])
        if not kind:
            is_text = b"\0" not in first or first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            returns = is_text and b"\n" not in first and first.count(b"\r") > 1
            return cast(BinaryIO, io.BufferedReader(ReturnsAsNewlines(file))) if returns else file
    except BaseException:  # whatever ends the opening, the file is closed
        file.close()
        raise
    return cast(BinaryIO, io.BufferedReader(Inflated(file, kind, path), 1 << 16))


class ReturnsAsNewlines(io.RawIOBase):
    """The bytes of an open file whose lines end in a carriage return alone, as if they ended in a newline."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.fileno, self.seek, self.tell = file.fileno, file.seek, file.tell  # type: ignore[method-assign]

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        data = self._file.read(len(memoryview(buffer))).replace(b"\r", b"\n")
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class Inflated(io.RawIOBase):
    """The plain bytes of an open compressed file, which is closed with it."""

    def __init__(self, file: BinaryIO, kind: Compression, path: Path) -> None:
        self._file, self._kind, self._path = file, kind, path
        self._errors: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, lzma.LZMAError)
        self._plain: Any
        if kind == "zstd":
            from backports import zstd  # here: most files are not compressed

            self._plain, self._errors = zstd.ZstdFile(file), (*self._errors, zstd.ZstdError)
        elif kind == "gzip":
            self._plain = gzip.GzipFile(fileobj=file)
        else:
            self._plain = bz2.BZ2File(file) if kind == "bzip2" else lzma.LZMAFile(file)  # noqa: SIM115 - see close

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True; going back inflates from the start again."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes, as many as come at once; DataError if the file is damaged."""
        try:
            data = self._plain.read1(len(memoryview(buffer)))
        except self._errors as error:
            raise self._explain(error) from error
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def fileno(self) -> int:
        """Descriptor of the compressed file."""
        return self._file.fileno()

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
            self._file.close()
        super().close()

    def _explain(self, error: Exception) -> DataError:
        ends = isinstance(error, EOFError)
        what = "ends before its end: it was cut off or is still being written" if ends else f"is damaged ({error})"
        return DataError(f"{self._path}: the {self._kind} data {what}; copy or compress the file again")
