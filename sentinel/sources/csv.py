"""Source `csv`: a file, or a folder of CSV, Parquet and NDJSON files. Which files there are, and how far each was read.

A file is known by its content: a fingerprint of its first bytes and of the last bytes before the point up to which it
has been read. Device and inode say which of several such files it is, and find one again that was renamed away.
Wherever there is doubt the file is read from the start: observations read twice are removed downstream, by series and
time. The rows are read in `following.py`, which is imported at the first fetch: `sentinel check` does not wait for
polars.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

from sentinel.config import CsvSource
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import DataError
from sentinel.domain.spans import print_duration
from sentinel.sources.base import PullSource, SourceError

if TYPE_CHECKING:
    from sentinel.domain.observation import Cursor, Frame
    from sentinel.sources.following import Follower

ENDINGS = (".csv", ".parquet", ".ndjson", ".nc")
HEAD_BYTES = 1_024
TAIL_BYTES = 256
LINGER_SECONDS = 3_600
"""A file that was renamed away is followed until nothing has been written to it for so long."""


class Files(PullSource):
    """Follows the file or the folder that the settings name."""

    def __init__(self, settings: CsvSource, clock: Clock) -> None:
        super().__init__(settings.name, settings.every)
        self._settings = settings
        self._clock = clock
        self._follower: Follower | None = None

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Read what has been added since `cursor`; see `PullSource.fetch`."""
        if self._follower is None:
            from sentinel.sources.following import Follower

            self._follower = Follower(self._settings, self._clock)
        return self._follower.fetch(cursor)

    def describe(self) -> str:
        """Say which file or folder is read, and how often."""
        settings = self._settings
        every = print_duration(settings.every)
        return f"{settings.path}, read every {every}, times without an offset are {settings.time_zone}"

    def remarks(self) -> tuple[str, ...]:
        """Say it where there is nothing to read yet."""
        path = Path(self._settings.path).absolute()
        try:
            if not find_tables(path):
                return (f"no *.csv, *.parquet, *.ndjson or *.nc is in {path} now; they are read as they come",)
        except (FileNotFoundError, NotADirectoryError):
            return (f"{path} is not there now; it is read as soon as it is",)
        except OSError as error:
            return (f"{path} cannot be read now: {error.strerror}; it is read as soon as it can be",)
        except SourceError:  # a pipe; the first fetch says so
            pass
        return ()

    def known_series(self) -> frozenset[str] | None:
        """Columns of wide CSV tables, from their headers; columns of text are among them.

        None for long tables, `by`, Parquet and NDJSON, whose names are in the rows or cost reading them.
        """
        settings = self._settings
        if settings.layout == "long" or settings.by:
            return None
        try:
            tables = find_tables(Path(settings.path)).values()
            columns = [settings.columns or self._read_header(path) for path in tables]
        except (OSError, DataError, SourceError):
            return None
        return frozenset().union(*columns) if columns and all(columns) else None

    def _read_header(self, path: Path) -> list[str]:
        """Columns of a wide CSV table that may be series; none where its first line does not tell them."""
        from sentinel.tables import file_format
        from sentinel.tables.cells import UNNAMED, matches
        from sentinel.tables.columns import flag_patterns
        from sentinel.tables.options import options_of
        from sentinel.tables.reading import read_head
        from sentinel.tables.recognising import recognise_text

        settings, options = self._settings, options_of(self._settings)
        if file_format(path, options) != "csv":
            return []
        with path.open("rb") as file:
            found = recognise_text(file, str(path), "csv", options, whole=False)
            if found is None:
                return []
            options = found.options
            head = read_head(file, str(path), "csv", options, whole=False)
        columns = head.columns if head is not None else ()
        if options.layout == "months" or (
            settings.layout == "auto" and {settings.series_column, settings.value_column} <= set(columns)
        ):
            return []
        left_out = (*options.time_columns, *options.by)
        names = [name for name in columns if name not in left_out and not name.startswith(UNNAMED)]
        patterns = (*options.exclude, *flag_patterns(options.flags))
        return [name for name in names if not any(matches(name, one) for one in patterns)]


@dataclass(frozen=True, slots=True)
class Position:
    """The place up to which one file has been read."""

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
    read_as: str = ""
    """Options that were recognised when the file was first read, as JSON; empty = not yet."""
    counted: str = ""
    """Last values of the series of which the steps are judged, as JSON."""
    repeated: str = ""
    """Latest time by series that the clocks made happen twice and was the first, as JSON."""

    @classmethod
    def at(cls, file: BinaryIO, offset: int, rows: int) -> Position:
        """Position of an open file that has been read up to `offset`."""
        status = os.fstat(file.fileno())
        head_bytes = min(HEAD_BYTES, status.st_size)
        head, tail = _fingerprints(file, head_bytes, offset)
        return cls(status.st_dev, status.st_ino, offset, rows, head_bytes, head, tail)

    def move(self, path: Path) -> Position:
        """Give the same position in another file of the same content."""
        device, inode = _inode(path)
        return replace(self, device=device, inode=inode)

    def go_on(self, file: BinaryIO, offset: int, rows: int) -> Position:
        """Give the position of the same file further on."""
        return replace(
            Position.at(file, offset, rows), read_as=self.read_as, counted=self.counted, repeated=self.repeated
        )

    def fits(self, path: Path) -> bool:
        """True if this file begins as the one that was read did, and is at least as long."""
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < max(self.offset, self.head_bytes):
                    return False
                return _fingerprints(file, self.head_bytes, self.offset) == (self.head, self.tail)
        except OSError:
            return False


def find_tables(path: Path) -> dict[str, Path]:
    """Find the tables of a folder, or the file itself, by name and in order of name.

    OSError if it cannot be looked at, SourceError if it is neither a file nor a folder.
    """
    if not path.is_dir():
        if not S_ISREG(path.stat().st_mode):
            raise SourceError(f"{path}: a pipe or a device; a file or a folder is needed")
        return {path.name: path}
    # A writer renames its finished file into place: names with a dot in front or .tmp behind are not finished.
    found = sorted(one for one in path.iterdir() if one.suffix.lower() in ENDINGS)
    return {one.name: one for one in found if not one.name.startswith(".") and one.is_file()}


def find_positions(
    former: dict[str, Position], found: dict[str, Path], now_us: int
) -> tuple[dict[str, Position], dict[str, Path]]:
    """Find the files of the last fetch among those that are there now.

    Returns
    -------
    positions: by name, of all files that can be read: where they have been read to, or their start; also of files
        that were renamed to, or copied to, a name nobody would look for and that may still be written to.
    found: by name, with those of the latter that hold unread rows; such a file comes before the others, as its rows
        are older.
    """
    by_inode = {(position.device, position.inode): position for position in former.values()}
    positions: dict[str, Position] = {}
    for name, path in found.items():
        position = by_inode.get(_inode(path))
        if position is not None and position.fits(path):
            positions[name] = by_inode.pop(_inode(path))
    folder = next(iter(found.values())).parent if by_inode and found else None
    others = sorted(set(folder.iterdir()) - set(found.values())) if folder else []
    away = {
        path: by_inode.pop(_inode(path))
        for path in others
        if (position := by_inode.get(_inode(path))) is not None and position.head_bytes and position.fits(path)
    }
    lost = {position: name for name, position in former.items() if position in by_inode.values()}
    for name, path in found.items():
        if name in positions:
            continue
        position = former.get(name)
        # Only a position whose own file is gone may go over to another file of that name: a copy that replaced it.
        if position is not None and position in lost and position.fits(path):
            positions[name] = position.move(path)
            del lost[position]
            continue
        # Kept before its first row is read, it will be found again even if it is renamed away until then.
        with suppress(OSError), path.open("rb") as file:
            positions[name] = Position.at(file, 0, 0)
    away |= _find_copies(lost, [path for path in others if path not in away])
    unread = {path.name: path for path, position in away.items() if path.stat().st_size > position.offset}
    # The writer of the others may not have noticed yet that its file was renamed.
    since = now_us / MICROSECONDS - LINGER_SECONDS
    for path, position in away.items():
        if path.name in unread or path.stat().st_mtime > since:
            positions.setdefault(path.name, position)
    return positions, unread | found


def _find_copies(lost: dict[Position, str], others: list[Path]) -> dict[Path, Position]:
    """Copies, `lake.csv.1` of `lake.csv`, that go on where the file was read to before it was emptied."""
    away: dict[Path, Position] = {}
    for position, name in lost.items():
        copies = (path for path in others if position.offset and path.name.startswith(name) and path not in away)
        copy = next((path for path in copies if position.fits(path)), None)
        if copy is not None:
            away[copy] = position.move(copy)
    return away


def _inode(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (-1, -1)
    return status.st_dev, status.st_ino


def _fingerprints(file: BinaryIO, head_bytes: int, offset: int) -> tuple[str, str]:
    file.seek(0)
    head = file.read(head_bytes)
    file.seek(max(0, offset - TAIL_BYTES))
    tail = file.read(min(TAIL_BYTES, offset))
    return hashlib.sha256(head).hexdigest()[:16], hashlib.sha256(tail).hexdigest()[:16]
