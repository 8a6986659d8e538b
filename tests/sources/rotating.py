"""A writer whose file is rotated by someone else, as logrotate does it, in steps that a test may order as it likes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from backports import zstd

from tests.sources.following import line

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}
START_NS = 1_700_000_000_000_000_000


class Writer:
    """Appends numbered rows to `lake.csv` in a folder, and rotates it; each step takes a second of the file system."""

    def __init__(self, folder: Path, *, dated: bool = False, copies: bool = False, ending: str = ".gz") -> None:
        self.path, self.folder = folder / "lake.csv", folder
        self.written = 0
        """Rows written so far: 0, 1, 2, ..."""
        self._dated, self._copies, self._ending = dated, copies, ending
        self._steps = self._rotations = 0
        self._copied: Path | None = None
        self.path.write_text("time,n\n")
        self._touch(self.path)

    def append(self, rows: int) -> None:
        """Write rows."""
        self.finish()
        with self.path.open("a") as file:
            file.write("".join(line(n) for n in range(self.written, self.written + rows)))
        self.written += rows
        self._touch(self.path)

    def rotate(self) -> None:
        """Rename the file, or begin to copy it, and let the others move on."""
        self.finish()
        self._rotations += 1
        if self._dated:
            target = self.folder / f"lake.csv-{20260000 + self._rotations}"
        else:
            for path in sorted(self.rotated(), key=lambda one: -self.number(one)):
                ending = path.suffix if path.suffix in COMPRESS else ""
                path.rename(self.folder / f"lake.csv.{self.number(path) + 1}{ending}")
            target = self.folder / "lake.csv.1"
        if self._copies:
            shutil.copy(self.path, target)
            self._touch(target)
            self._copied = target
        else:
            self.path.rename(target)
            self.path.write_text("time,n\n")
            self._touch(self.path)

    def finish(self) -> None:
        """Empty the file that has been copied."""
        if self._copied is not None:
            self.path.write_text("time,n\n")  # the same inode
            self._touch(self.path)
            self._copied = None

    def compress(self) -> None:
        """Compress the oldest rotated file that is not."""
        self.finish()
        plain = [path for path in self.rotated() if path.suffix not in COMPRESS]
        if plain:
            path = plain[0]
            target = path.with_name(path.name + self._ending)
            target.write_bytes(COMPRESS[self._ending](path.read_bytes()))
            os.utime(target, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
            path.unlink()

    def delete(self) -> Path | None:
        """Delete the oldest rotated file; None if there is none."""
        self.finish()
        old = self.rotated()
        if old:
            old[0].unlink()
        return old[0] if old else None

    def rotated(self) -> list[Path]:
        """List the rotated files, the oldest first."""
        found = [path for path in self.folder.iterdir() if path != self.path]
        return sorted(found, key=lambda one: one.name if self._dated else -self.number(one))

    def number(self, path: Path) -> int:
        """Give the number of a rotated file."""
        return int(path.name.split(".")[2])

    def _touch(self, path: Path) -> None:
        self._steps += 1
        when = START_NS + self._steps * 1_000_000_000
        os.utime(path, ns=(when, when))
