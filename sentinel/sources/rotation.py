"""Files that a source has now, and those of them that were read before under another name.

The files that a table was rotated to, `lake.csv.1` or `lake.csv-20261128`, compressed or not, make a *chain* with it,
the oldest first. Whatever in the chain is newer than what was read last is read too, however many rotations were
missed. A file that was read and is not found any more is *lost* if rows may have been written to it since.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.errors import DataError
from sentinel.domain.filenames import SUFFIXES, split_rotated, without_compression
from sentinel.sources.csv import ENDINGS
from sentinel.sources.opening import Opener, Plain, state_of
from sentinel.sources.positions import HEAD_BYTES, Position, fingerprints
from sentinel.tables.compressed import open_plain

LINGER_SECONDS = 3_600
"""A file that was renamed away is followed until nothing has been written to it for so long."""


class Lost(NamedTuple):
    """A file that was read and is gone."""

    name: str
    position: Position
    may_overlap: bool
    """No rotated file took its place: if what stands there now begins earlier than this ended, nothing is missing."""


class Found(NamedTuple):
    """The files of a source, by name."""

    files: dict[str, Path]
    """Those that may hold unread rows, in the order in which they are to be read."""
    positions: dict[str, Position]
    """The marks up to which they have been read; also of files that may still be written to."""
    bases: dict[str, str]
    """By name of a file: the name of its table before it was rotated."""
    lost: list[Lost]
    ended: set[str]
    """Those of the files that are read for the last time: what stands behind their last newline is a row."""
    older: list[str]
    """At the first look: the files that tables had been rotated to before."""


class Search:
    """One look for the files of the last fetch among those that are there now, and those that came in between.

    `former` are the positions by name, `tables` what `find_tables` gave for `path`; `is_whole` tells by the name which
    files are replaced as a whole. At the `first` look, `with_older`, what tables were rotated to before is read too.
    """

    def __init__(
        self, former: Mapping[str, Position], tables: Mapping[str, Path], path: Path, opener: Opener,
        is_whole: Callable[[str], bool], *, first: bool, with_older: bool,
    ) -> None:  # fmt: skip
        self._first, self._with_older = first, with_older
        self._tables, self._opener, self._is_whole = tables, opener, is_whole
        self._single = path.name if tables.get(path.name) == path else None
        self._folder = path.parent if self._single is not None else path
        self._left = dict(former)
        """Positions whose file has not been found yet."""
        self._inodes = {(one.device, one.inode): name for name, one in former.items()}
        self._positions: dict[str, Position] = {}
        self._bases: dict[str, str] = {}
        self._ended: set[str] = set()

    def run(self, now_us: int) -> Found:
        """Look; OSError if a folder that may hold rotated files cannot be listed."""
        for name, path in self._tables.items():
            self._match(name, path)
        bases = {name: self._base(name) for name in (*self._left, *self._tables)}
        unsure = {self._base(name) for name, one in self._positions.items() if not one.offset}
        siblings: dict[str, list[Path]] = {}
        if self._left or unsure or self._first:
            siblings = self._list_rotated(
                {*bases.values()} if self._first else {bases[name] for name in self._left} | unsure
            )
        for paths in siblings.values():
            for path in paths:
                self._match(path.name, path)
        tables: dict[str, list[Path]] = {}
        for name, path in self._tables.items():
            tables.setdefault(bases[name], []).append(path)
        chains = {
            base: self._chain(base, siblings.get(base, []), tables.get(base, [])) for base in sorted({*bases.values()})
        }
        for base, chain in chains.items():
            self._find_copies(base, chain)
        new = [path for name, path in self._tables.items() if name not in self._positions]
        for base in chains if new else ():  # renamed and compressed
            self._find_copies(base, new)
        # The writer of the others may not have noticed yet that its file was renamed.
        since_ns = (now_us // MICROSECONDS - LINGER_SECONDS) * 1_000_000_000
        files: dict[str, Path] = {}
        lost: list[Lost] = []
        older: list[str] = []
        for base, chain in chains.items():
            older += self._find_older(chain) if self._first else []
            newer, newest = self._find_newer(base, chain), self._newest_read(chain)
            lost += self._find_lost(base, chain, newer)
            for at, path in enumerate(chain):
                if at < newest and path.name not in self._tables:
                    self._let_go(path, files, since_ns)
                self._add(path, files, is_newer=path in newer)
                bases[path.name] = base
        return Found(files, self._positions, bases, lost, self._ended, older)

    def _base(self, name: str) -> str:
        """Name of the table of a file before it was rotated."""
        if self._single is not None:
            return self._single
        if name not in self._bases:
            base = split_rotated(name)[0]
            self._bases[name] = base if base.lower().endswith(ENDINGS) else without_compression(name)
        return self._bases[name]

    def _match(self, name: str, path: Path) -> None:
        """Find the position of a file by its inode, if it still begins as it did."""
        try:
            status = path.stat()
        except OSError:
            return
        old = self._inodes.get((status.st_dev, status.st_ino))
        position = self._left.get(old) if old is not None else None
        if old is None or position is None:
            return
        if position.head and position.done != state_of(status):
            is_read = False
            try:
                with self._opener.open(path) as plain:
                    if not position.fits(plain):
                        return
                    is_read = bool(position.done) and plain.size == position.offset and not plain.compressed
            except FileNotFoundError:
                return
            except OSError:  # it keeps its place: it is the same file
                pass
            is_read = is_read and not self._is_whole(self._base(name))
            position = replace(position, done=state_of(status) if is_read else "", changed_ns=status.st_mtime_ns)
        self._positions[name] = position
        del self._left[old]

    def _list_rotated(self, bases: set[str]) -> dict[str, list[Path]]:
        """List the files that these tables were rotated or renamed to; of a file and its compressed copy the file."""
        with os.scandir(self._folder) as entries:
            inodes = {entry.name: entry.inode() for entry in entries if entry.name not in self._tables}
        sought = {self._left[name].inode: name for name in self._left}
        found: dict[str, list[Path]] = {}
        for name, inode in sorted(inodes.items()):
            base, number, date = split_rotated(name, self._single)
            plain = without_compression(name)
            is_rotated = number is not None or bool(date) or (name != plain and plain == base)
            is_copy = name != plain and plain in inodes  # it is being compressed
            if inode in sought and not (is_rotated and base in bases):
                base = self._base(sought[inode])  # renamed to a name nobody would look for
            elif not is_rotated or base not in bases or is_copy:
                continue
            if (self._folder / name).is_file():
                found.setdefault(base, []).append(self._folder / name)
        return found

    def _chain(self, base: str, siblings: list[Path], tables: list[Path]) -> list[Path]:
        """The rotated files of a table, the oldest first, and the table itself."""
        ranks = {path: split_rotated(path.name, base)[1:] for path in siblings}
        numbers = {path: number for path, (number, _) in ranks.items() if number is not None}
        dates = {path: date for path, (_, date) in ranks.items() if date}
        own = [path for path in siblings if path.name.lower() in {base.lower() + suffix for suffix in SUFFIXES}]
        if len(numbers) == len(siblings) - len(own):
            rotated = sorted(numbers, key=lambda one: -numbers[one])
        elif len(dates) == len(siblings) - len(own):
            rotated = sorted(dates, key=lambda one: dates[one])
        else:  # several ways of rotating: the names do not tell the order
            rotated = sorted(set(siblings) - set(own), key=lambda one: (one.stat().st_mtime_ns, one.name))
        # `lake.csv.gz` comes before `lake.csv`.
        return [*rotated, *own, *sorted(tables, key=lambda one: one.name.lower().endswith(SUFFIXES), reverse=True)]

    def _find_copies(self, base: str, chain: list[Path]) -> None:
        """Find files that were copied or compressed, by their content."""
        # One of the same name first: a copy that replaced it.
        # Of a rotated file nothing of which had been read the beginning is known.
        for old in [name for name in self._left if self._base(name) == base and self._is_known(name, base)]:
            position = self._left[old]
            for path in sorted(chain, key=lambda one: one.name != old):
                known = self._positions.get(path.name)
                if (known is None or not known.offset) and self._fits(position, path):
                    with self._opener.open(path) as plain:
                        self._positions[path.name] = position.move(plain)
                    del self._left[old]
                    break

    def _is_known(self, name: str, base: str) -> bool:
        return bool(self._left[name].offset or (name != base and self._left[name].head))

    def _fits(self, position: Position, path: Path) -> bool:
        with suppress(OSError, DataError):
            with open_plain(path) as file:  # its beginning tells most of the others, and a compressed file is long
                if fingerprints(file, position.head_bytes, 0)[0] != position.head:
                    return False
            with self._opener.open(path) as plain:
                return position.fits(plain)
        return False

    def _find_newer(self, base: str, chain: list[Path]) -> list[Path]:
        """Find the rotated files that came since the last fetch."""
        known = [n for n, path in enumerate(chain) if path.name in self._positions]
        read = [n for n in known if self._positions[chain[n].name].offset]
        rotated = [path for path in chain if path.name not in self._tables]
        if self._first:
            newer = rotated if self._with_older else []
        elif read:
            newer = [path for path in chain[read[-1] + 1 :] if path in rotated]
        else:  # all that is known of them: they were written to since
            seen = [self._positions[chain[n].name] for n in known]
            seen += [one for name, one in self._left.items() if self._base(name) == base]
            since = min((one.changed_ns for one in seen if one.changed_ns), default=None)
            newer = [path for path in rotated if since is not None and path.stat().st_mtime_ns >= since]
        tables = [path for path in chain if path not in rotated]
        return [path for path in newer if path.name not in self._positions and not self._is_copy(path, tables)]

    def _find_older(self, chain: list[Path]) -> list[str]:
        tables = [path for path in chain if path.name in self._tables]
        return [path.name for path in chain if path not in tables and not self._is_copy(path, tables)]

    def _is_copy(self, path: Path, tables: list[Path]) -> bool:
        """True if a file is the beginning of a table: it is being copied or compressed, and holds nothing more."""
        with suppress(OSError, DataError), self._opener.open(path) as mine:
            return any(self._begins_with(mine, table) for table in tables if table != path)
        return False

    def _begins_with(self, mine: Plain, table: Path) -> bool:
        with suppress(OSError, DataError), self._opener.open(table) as whole:
            head_bytes = min(HEAD_BYTES, mine.size)
            return mine.size <= whole.size and fingerprints(mine.file, head_bytes, mine.size) == fingerprints(
                whole.file, head_bytes, mine.size
            )
        return False

    def _find_lost(self, base: str, chain: list[Path], newer: list[Path]) -> Iterator[Lost]:
        """Find the files that are gone, and to which rows may have been written since they were read."""
        if self._is_whole(base):
            return
        known = [self._positions[path.name] for path in chain if path.name in self._positions]
        # A file of which nothing had been read is known by its inode alone, which another may have by now. While what
        # is older is still there, this is too, among what is newer.
        is_sure = any(one.offset or one.done for one in known)
        for name, position in self._left.items():
            if self._base(name) != base:
                continue
            if name == base and chain:
                if position.offset or not is_sure:
                    yield Lost(name, position, may_overlap=not newer)
            elif not position.done or (chain and position.offset and not is_sure):
                yield Lost(name, position, may_overlap=False)

    def _add(self, path: Path, files: dict[str, Path], *, is_newer: bool) -> None:
        """Add a file if it may hold unread rows; a file that is seen for the first time is known from then on."""
        name = path.name
        is_table = name in self._tables
        position = self._positions.get(name)
        if position is not None:
            if not position.done:
                files[name] = path
            return
        if not (is_table or is_newer):
            return
        # Kept before its first row is read, it will be found again even if it is renamed away until then.
        files[name] = path
        with suppress(OSError, DataError):
            if name.lower().endswith(SUFFIXES):  # inflated when its turn comes
                status = path.stat()
                self._positions[name] = Position.before(status)
                own = self._tables.get(without_compression(name))
                if own is not None and self._is_copy(path, [own]):
                    del files[name]
                    self._positions[name] = replace(self._positions[name], done=state_of(status))
                return
            with self._opener.open(path) as plain:
                self._positions[name] = Position.at(plain, 0, 0)

    def _newest_read(self, chain: list[Path]) -> int:
        """Place in a chain of the newest file of which something has been read: what is newer is told by it."""
        names = [path.name for path in chain]
        read = [at for at, name in enumerate(names) if name in self._positions and self._positions[name].offset]
        return read[-1] if read else 0

    def _let_go(self, path: Path, files: dict[str, Path], since_ns: int) -> None:
        """Forget a rotated file that has been read and is written to no more, after a last row without a newline."""
        position = self._positions.get(path.name)
        if position is None or not position.done:
            return
        is_compressed = path.name.lower().endswith(SUFFIXES)
        if not is_compressed and position.changed_ns > since_ns:
            return
        if not is_compressed and 0 < position.offset < path.stat().st_size:
            files[path.name] = path
            self._ended.add(path.name)
        else:
            del self._positions[path.name]
