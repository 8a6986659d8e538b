"""Marks of how far files have been read: what the cursor of source `csv` holds.

A file is known by its content: a fingerprint of its first bytes and of the last bytes before the point up to which it
has been read. Device and inode say which of several such files it is. Everything counts plain bytes: a file may be
compressed in the meantime.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, BinaryIO, NamedTuple

from sentinel.sources.counting import Counters
from sentinel.sources.opening import Plain, state_of

HEAD_BYTES = 1_024
TAIL_BYTES = 256


class TableLayout(NamedTuple):
    """Layout of a file, learnt from its first rows; files that are read alike share it."""

    read_as: str = ""
    """Options that were recognised, as JSON."""
    series: str | None = None
    """Long layout: the column that names the series."""
    values: tuple[str, ...] = ()
    """The columns of values; empty = not learnt yet."""
    left_out: tuple[str, ...] = ()
    """Wide layout: columns of text."""

    def to_json(self) -> list[object]:
        """Write it for a cursor, which holds no tuples."""
        return [self.read_as, self.series, list(self.values), list(self.left_out)]

    @classmethod
    def of(cls, read_as: str, series: str | None, values: Sequence[str], left_out: Sequence[str]) -> TableLayout:
        """Read what `to_json` wrote."""
        return cls(read_as, series, tuple(values), tuple(left_out))


@dataclass(frozen=True, slots=True)
class Position:
    """The place up to which one file has been read."""

    device: int
    inode: int
    offset: int
    """Bytes read; of a Parquet file or a spreadsheet, which is replaced as a whole, its size."""
    rows: int
    """Rows read, for messages; of a Parquet file or a spreadsheet the position in it."""
    head_bytes: int
    head: str
    """Fingerprint of the first `head_bytes`."""
    tail: str
    """Fingerprint of the last bytes before `offset`, at most `TAIL_BYTES`."""
    changed_ns: int = 0
    """When it had last been written to by then, nanoseconds since 1970."""
    done: str = ""
    """State of the file in which it holds nothing more that can be read; empty = there is more."""
    newest_us: int | None = None
    """Latest event time that was read from it, microseconds."""
    layout: TableLayout | None = None
    """None = not recognised yet."""
    repeated: Mapping[str, int] = field(default_factory=dict)
    """Latest time by series that the clocks made happen twice and was the first."""
    above: Mapping[str, str] = field(default_factory=dict)
    """Cells that the next row takes from above where it has none."""

    @classmethod
    def at(cls, plain: Plain, offset: int, rows: int) -> Position:
        """Position of an open file that has been read up to `offset`."""
        status, head_bytes = plain.status, min(HEAD_BYTES, plain.size)
        if not offset:
            plain.file.seek(0)
            first = plain.file.read(head_bytes)
            # A return alone will be read as a newline once there are two.
            head_bytes = first.find(b"\r") if b"\r" in first and b"\n" not in first else head_bytes
        head, tail = fingerprints(plain.file, head_bytes, offset)
        return cls(status.st_dev, status.st_ino, offset, rows, head_bytes, head, tail, status.st_mtime_ns)

    @classmethod
    def before(cls, status: os.stat_result) -> Position:
        """Position before the first byte of a file that has not been opened."""
        return cls(status.st_dev, status.st_ino, 0, 0, 0, "", "", status.st_mtime_ns)

    def move(self, plain: Plain) -> Position:
        """Give the same position in another file of the same content."""
        status = plain.status
        return replace(self, device=status.st_dev, inode=status.st_ino, changed_ns=status.st_mtime_ns, done="")

    def go_on(self, plain: Plain, offset: int, rows: int, newest_us: int | None = None) -> Position:
        """Give the position of the same file further on."""
        known = [us for us in (self.newest_us, newest_us) if us is not None]
        return replace(
            Position.at(plain, offset, rows),
            layout=self.layout, repeated=self.repeated, above=self.above, newest_us=max(known, default=None),
        )  # fmt: skip

    def finish(self, plain: Plain) -> Position:
        """Note that the file holds nothing more that can be read, as it is now."""
        return replace(self, done=state_of(plain.status), changed_ns=plain.status.st_mtime_ns)

    def fits(self, plain: Plain) -> bool:
        """True if this file begins as the one that was read did, and is at least as long."""
        if not self.head:
            return True
        if plain.size < max(self.offset, self.head_bytes):
            return False
        return fingerprints(plain.file, self.head_bytes, self.offset) == (self.head, self.tail)


@dataclass(frozen=True, slots=True)
class Marks:
    """Positions up to which all files of a source have been read."""

    positions: dict[str, Position]
    counted: dict[str, tuple[int, float]]
    """Time and value up to which each counter has been read, by series."""
    counters: Counters

    def to_cursor(self, options: str) -> dict[str, object]:
        """Write as JSON; what files share is written once. `options` are those the files were read with."""
        layouts: dict[TableLayout, int] = {}
        files = {}
        for name, position in self.positions.items():
            written = {one.name: getattr(position, one.name) for one in fields(Position)}
            written = {key: value for key, value in written.items() if value not in ("", None, {})}
            if (layout := written.pop("layout", None)) is not None:  # in cursors it has an older name
                written["way"] = layouts.setdefault(layout, len(layouts))
            files[name] = written
        cursor: dict[str, object] = {"files": files, "options": fingerprint(options)}
        if layouts:
            cursor["ways"] = [layout.to_json() for layout in layouts]
        if self.counted:
            cursor["counted"] = {name: list(mark) for name, mark in self.counted.items()}
        if counters := self.counters.to_json():
            cursor["counters"] = counters
        return cursor

    @classmethod
    def of(cls, cursor: Mapping[str, Any] | None, options: str) -> Marks:
        """Read a cursor, also one of an earlier version.

        With other options columns are learnt again, and a file of which nothing more could be read is looked at again.
        """
        cursor = cursor or {}
        same = cursor.get("options") == fingerprint(options)
        layouts = [TableLayout.of(*written) if same else TableLayout(written[0]) for written in cursor.get("ways", ())]
        positions, counted = {}, {name: (int(us), float(v)) for name, (us, v) in cursor.get("counted", {}).items()}
        known = {one.name for one in fields(Position)}
        for name, written in cursor.get("files", {}).items():
            mine = {key: value for key, value in written.items() if key in known}
            mine["layout"] = layouts[written["way"]] if "way" in written else None
            mine = {"head": "", "tail": "", **mine}
            if not same:
                mine["done"] = ""
            positions[name] = Position(**_upgrade(mine, written, counted))
        columns = (name for _, _, values, _ in cursor.get("ways", ()) for name in values)
        return cls(positions, counted, Counters.of_json(cursor.get("counters", {}), columns))


def _upgrade(mine: dict[str, Any], written: Mapping[str, Any], counted: dict[str, tuple[int, float]]) -> dict[str, Any]:
    """Put in what version 0.1 kept as texts of JSON, for each file by itself."""
    if written.get("read_as"):
        mine["layout"] = TableLayout(written["read_as"])
    if isinstance(written.get("repeated"), str):
        mine["repeated"] = json.loads(written["repeated"] or "{}")
    for series, value in json.loads(written["counted"] or "{}").items() if "counted" in written else ():
        counted[series] = (_LONG_AGO_US, value)
    return mine


_LONG_AGO_US = -(2**62)


def fingerprint(text: str) -> str:
    """Short fingerprint of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprints(file: BinaryIO, head_bytes: int, offset: int) -> tuple[str, str]:
    """Fingerprints of the first bytes of a file and of the last ones before an offset."""
    file.seek(0)
    head = file.read(head_bytes)
    file.seek(max(0, offset - TAIL_BYTES))
    tail = file.read(min(TAIL_BYTES, offset))
    return hashlib.sha256(head).hexdigest()[:16], hashlib.sha256(tail).hexdigest()[:16]
