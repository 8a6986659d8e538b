"""How far a file has been read, and whether a file found today is the one that was read yesterday.

A file is known by its content: a fingerprint of its first bytes and of the last bytes before the point up to which it
has been read. Device and inode say which of several such files it is, and find one again that was renamed away.
Wherever there is doubt the file is read from the start: observations read twice are removed downstream, by series and
time.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from sentinel.domain.clock import MICROSECONDS

HEAD_BYTES = 1_024
TAIL_BYTES = 256
LINGER_SECONDS = 3_600
"""A file that was renamed away is followed until nothing has been written to it for so long."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one file has been read."""

    device: int
    inode: int
    offset: int
    """Bytes read; of a Parquet file, which is replaced as a whole, its size."""
    rows: int
    """Rows read, for messages; of a Parquet file the position in it."""
    head_bytes: int
    head: str
    """Fingerprint of the first `head_bytes`."""
    tail: str
    """Fingerprint of the last bytes before `offset`, at most `TAIL_BYTES`."""

    @classmethod
    def at(cls, file: BinaryIO, offset: int, rows: int) -> Mark:
        """Mark an open file as read up to `offset`."""
        status = os.fstat(file.fileno())
        head_bytes = min(HEAD_BYTES, status.st_size)
        head, tail = _prints(file, head_bytes, offset)
        return cls(status.st_dev, status.st_ino, offset, rows, head_bytes, head, tail)

    @classmethod
    def from_json(cls, written: Any) -> Mark:
        """From what `to_json` gave."""
        return cls(**written)

    def to_json(self) -> dict[str, object]:
        """As a JSON object."""
        return asdict(self)

    def moved_to(self, path: Path) -> Mark:
        """The same mark on a file of the same content."""
        device, inode = _inode(path)
        return replace(self, device=device, inode=inode)

    def fits(self, path: Path) -> bool:
        """Whether the file begins as the marked one did and is at least as long."""
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < max(self.offset, self.head_bytes):
                    return False
                return _prints(file, self.head_bytes, self.offset) == (self.head, self.tail)
        except OSError:
            return False


def place_marks(marks: dict[str, Mark], found: dict[str, Path], now_us: int) -> tuple[dict[str, Mark], dict[str, Path]]:
    """Bring the marks of the last fetch to the files that are there now.

    Returns
    -------
    marks: by name, of all files that can be read: where they have been read to, or their start; also of files that
        were renamed to, or copied to, a name nobody would look for and that may still be written to.
    found: by name, with those of the latter that hold unread rows; such a file comes before the others, as its rows
        are older.
    """
    by_inode = {(mark.device, mark.inode): mark for mark in marks.values()}
    placed: dict[str, Mark] = {}
    for name, path in found.items():
        mark = by_inode.get(_inode(path))
        if mark is not None and mark.fits(path):
            placed[name] = by_inode.pop(_inode(path))
    others = _others(found) if by_inode and found else []
    away = {
        path: by_inode.pop(_inode(path))
        for path in others
        if (mark := by_inode.get(_inode(path))) is not None and mark.head_bytes and mark.fits(path)
    }
    lost = {mark: name for name, mark in marks.items() if mark in by_inode.values()}
    for name, path in found.items():
        if name in placed:
            continue
        mark = marks.get(name)
        # Only a mark whose own file is gone may go over to another file of that name: a copy that has replaced it.
        if mark is not None and mark in lost and mark.fits(path):
            placed[name] = mark.moved_to(path)
            del lost[mark]
            continue
        # Marked before its first row is read, it will be found again even if it is renamed away until then.
        with suppress(OSError), path.open("rb") as file:
            placed[name] = Mark.at(file, 0, 0)
    away |= _copied_away(lost, [path for path in others if path not in away])
    kept = {path.name: mark for path, mark in away.items() if _unread(path, mark) or _may_grow(path, now_us)}
    unread = {path.name: path for path, mark in away.items() if _unread(path, mark)}
    return kept | placed, unread | found


def _others(found: dict[str, Path]) -> list[Path]:
    """What lies beside the files found, in order of name."""
    known = set(found.values())
    return sorted(path for path in next(iter(known)).parent.iterdir() if path not in known)


def _copied_away(lost: dict[Mark, str], others: list[Path]) -> dict[Path, Mark]:
    """Copies, `lake.csv.1` of `lake.csv`, that go on where the file was read to before it was emptied."""
    away: dict[Path, Mark] = {}
    for mark, name in lost.items():
        copies = (path for path in others if mark.offset and path.name.startswith(name) and path not in away)
        copy = next((path for path in copies if mark.fits(path)), None)
        if copy is not None:
            away[copy] = mark.moved_to(copy)
    return away


def _unread(path: Path, mark: Mark) -> bool:
    return path.stat().st_size > mark.offset


def _may_grow(path: Path, now_us: int) -> bool:
    """Its writer may not have noticed yet that the file was renamed."""
    return path.stat().st_mtime > now_us / MICROSECONDS - LINGER_SECONDS


def _inode(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (-1, -1)
    return status.st_dev, status.st_ino


def _prints(file: BinaryIO, head_bytes: int, offset: int) -> tuple[str, str]:
    file.seek(0)
    head = file.read(head_bytes)
    file.seek(max(0, offset - TAIL_BYTES))
    tail = file.read(min(TAIL_BYTES, offset))
    return hashlib.sha256(head).hexdigest()[:16], hashlib.sha256(tail).hexdigest()[:16]
