"""The reader of source `csv`: a file, or a folder of CSV, Parquet and NDJSON files, followed as it grows.

The cursor holds one position per file (`csv.py`). Each fetch reads at most `max_observations`, in whole lines; a
last line without its newline is still being written and waits. A file that cannot be read holds up no other file of
its folder: it is complained about and tried again at the next fetch.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import polars as pl

from sentinel.config import CsvSource
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import DataError
from sentinel.domain.observation import OBSERVATIONS, Cursor, Frame, Rejection
from sentinel.sources.base import SourceError
from sentinel.sources.csv import Position, find_positions, find_tables
from sentinel.tables import Shape, TableOptions, file_format, find_shape, open_table
from sentinel.tables.cells import HEAD_ROWS
from sentinel.tables.columns import is_named, join_time, patterns_of
from sentinel.tables.complaints import COMPLAINTS
from sentinel.tables.counters import take_steps
from sentinel.tables.options import options_of
from sentinel.tables.parsing import check_cells, find_axis, split_checked
from sentinel.tables.reading import LONGEST_LINE_BYTES, PIECE_BYTES, TEXT, Head, cut, read_head, rows_of
from sentinel.tables.recognising import read_back, recognise, recognise_text, write_down
from sentinel.tables.repeated import find_second_rows

FUTURE_US = 24 * 3_600 * MICROSECONDS
"""Event times further ahead of the clock than this are refused: a typing error must not close years of ticks."""


class _Rows(NamedTuple):
    """The rows that one file gave, checked, and how far it has been read with them."""

    checked: pl.DataFrame
    position: Position
    more: bool
    options: TableOptions
    said: tuple[str, ...]
    """What was recognised, when the file is read for the first time."""


class Follower:
    """Reads what has been added to a file or a folder; keeps only the layouts of the files.

    How a file is written is recognised when its first rows are there, and stays with its position.
    """

    def __init__(self, settings: CsvSource, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._path, self._options = Path(settings.path), options_of(settings)
        self._shapes: dict[tuple[Path, tuple[str, ...]], Shape] = {}
        self._read_to_end: dict[Path, tuple[int, int, int, int]] = {}
        """Inode, size, time of change and rows of files that are replaced as a whole and hold nothing unread."""

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Read what has been added since `cursor`; see `PullSource.fetch`."""
        # Asked before the files are: whatever was written by then is read below.
        now_us = self._clock.now_us()
        written: Any = (cursor or {}).get("files", {})
        former = {name: Position(**position) for name, position in written.items()}
        try:
            found = find_tables(self._path)
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}; a readable file or folder is needed") from error
        try:
            positions, files = find_positions(former, found, now_us)
        except OSError as error:  # without the folder's list no one knows whether a rotated file has unread rows
            raise _name_failure(self._path.parent if self._path in found.values() else self._path, error) from error
        tables: list[pl.DataFrame] = []
        rejected: Counter[str] = Counter()
        complaints: list[str] = []
        left, more = self._settings.max_observations, False
        for name, path in files.items():
            if left <= 0:
                more = True
                break
            try:
                rows = self._read(path, positions.get(name), left)
            except (DataError, OSError, pl.exceptions.PolarsError) as error:
                if path == self._path:
                    raise _name_failure(path, error) from error
                rejected[Rejection.MALFORMED_ROW] += 1
                complaints.append(str(_name_failure(path, error)))
                continue
            if rows is None:
                continue
            kept, counts, lines = split_checked(rows.checked, rows.options, str(path))
            is_ahead = pl.col("time").dt.epoch("us") > now_us + FUTURE_US
            kept, ahead = kept.filter(~is_ahead), kept.filter(is_ahead)
            if ahead.height:
                counts[Rejection.FUTURE] = ahead.height
                lines += (_complain_of_future(path, ahead, now_us, rows.options.time_zone),)
            kept, positions[name] = _count(kept, rows, counts)
            lines = (*(f"{path}: {line}" for line in rows.said), *lines)
            tables.append(kept)
            rejected.update(counts)
            complaints.extend(lines)
            left -= rows.checked.height
            more = more or rows.more
        observations = pl.concat([pl.DataFrame(schema=OBSERVATIONS), *tables]).sort("time", maintain_order=True)
        return Frame(
            self._settings.name, observations,
            cursor={"files": {name: asdict(position) for name, position in positions.items()}},
            watermark_us=None if more else now_us, more=more,
            rejected=dict(rejected), complaints=tuple(complaints[:COMPLAINTS]),
        )  # fmt: skip

    def _read(self, path: Path, position: Position | None, left: int) -> _Rows | None:
        """Read one file on from its position, at most `left` observations; None where nothing has been added."""
        fmt = file_format(path, self._options)
        with path.open("rb") as file:
            size = file.seek(0, 2)
            position = position or Position.at(file, 0, 0)
            if fmt not in TEXT:
                return self._read_whole(path, file, fmt, size, position, left)
            if position.offset == size:
                return None
            said: tuple[str, ...] = ()
            if not position.read_as:
                found = recognise_text(file, str(path), fmt, self._options, whole=False)
                if found is None:
                    return None
                said = found.said
                position = replace(position, read_as=write_down(found.options, self._options))
            options = read_back(position.read_as, self._options)
            head = read_head(file, str(path), fmt, options, whole=False)
            if head is None:
                return None
            rows = self._read_text(path, file, fmt, head, position, left, options)
            return rows if rows is None else rows._replace(said=said)

    def _read_text(
        self, path: Path, file: BinaryIO, fmt: str, head: Head, position: Position, left: int, options: TableOptions
    ) -> _Rows | None:
        offset, row = max(position.offset, head.start), position.rows
        shape = self._shape(path, file, fmt, head, options)
        quoted = fmt == "csv"
        wanted, asked = max(1, left // len(shape.values)), PIECE_BYTES
        while True:
            file.seek(offset)
            piece = file.read(asked)
            length = cut(piece, head.codec, quoted=quoted, rows=wanted)
            if length or len(piece) < asked or asked >= LONGEST_LINE_BYTES:
                break
            asked *= 4
        if not length:
            if len(piece) < asked:
                return None
            raise DataError(f"{path}: no line ends within {asked >> 20} MiB after byte {offset}; not a table")
        more = len(piece) == asked or cut(piece, head.codec, quoted=quoted) > length
        rows = rows_of(piece[:length], fmt, head, options, row)
        joined = join_time(rows.lazy(), options)
        before: dict[str, int] = json.loads(position.repeated or "{}")
        second = find_second_rows(joined, options, shape.keys, before)
        checked = check_cells(joined, options, "time", shape, second).collect()
        position = position.go_on(file, offset + length, row + rows.height)
        position = replace(position, repeated=json.dumps(before) if before else "")
        return _Rows(checked, position, more, options, ())

    def _read_whole(
        self, path: Path, file: BinaryIO, fmt: str, size: int, position: Position, left: int
    ) -> _Rows | None:
        row, status = position.rows, os.fstat(file.fileno())
        state = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._read_to_end.get(path) == (*state, row):
            return None
        if fmt == "parquet" and row >= open_table(path, self._options).select(pl.len()).collect().item():
            return None
        found = recognise(path, self._options, counters=False)
        options = found.options
        table = join_time(open_table(path, options), options)
        height = table.select(pl.len()).collect().item()
        if row >= height:
            self._read_to_end[path] = (*state, row)
            return None
        head = table.head(HEAD_ROWS).collect()
        shape = find_shape(head, options, str(path))
        find_axis(head, options, shape, str(path), "time")
        rows = max(1, left // len(shape.values))
        second = find_second_rows(table, options, shape.keys, {})
        checked = check_cells(table.slice(row, rows), options, "time", shape, second).collect()
        said = () if position.read_as else found.said
        position = replace(position, read_as=write_down(options, self._options))
        position = position.go_on(file, size, min(height, row + rows))
        if row + rows >= height:
            self._read_to_end[path] = (*state, height)
        return _Rows(checked, position, row + rows < height, options, said)

    def _shape(self, path: Path, file: BinaryIO, fmt: str, head: Head, options: TableOptions) -> Shape:
        """Layout of a text file by its first rows; kept once there are enough of them to stay as they are."""
        key = (path, head.columns)
        if key in self._shapes:
            return self._shapes[key]
        file.seek(head.start)
        piece = file.read(PIECE_BYTES)
        first = piece[: cut(piece, head.codec, quoted=fmt == "csv", rows=HEAD_ROWS)]
        rows = join_time(rows_of(first, fmt, head, options, 0).lazy(), options).collect()
        shape = find_shape(rows, options, str(path))
        find_axis(rows, options, shape, str(path), "time")
        if rows.height >= HEAD_ROWS:
            self._shapes[key] = shape
        return shape


def _count(kept: pl.DataFrame, rows: _Rows, counts: dict[str, int]) -> tuple[pl.DataFrame, Position]:
    """Put the steps of counters in place of their values; the position keeps the last ones."""
    patterns = patterns_of(rows.options.transform, "difference")
    if not patterns:
        return kept, rows.position
    before: dict[str, float] = json.loads(rows.position.counted or "{}")
    steps, _ = take_steps(kept, "series", is_named(pl.col("series"), patterns), before)
    if left_out := kept.height - steps.height:
        counts[Rejection.MISSING] = counts.get(Rejection.MISSING, 0) + left_out
    return steps, replace(rows.position, counted=json.dumps(before))


def _complain_of_future(path: Path, ahead: pl.DataFrame, now_us: int, time_zone: str) -> str:
    now = pl.Series([now_us]).cast(pl.Datetime("us"))[0]
    return (
        f"{path}, series {ahead['series'][0]}: time {ahead['time'][0].isoformat()} is in the future (it is {now} UTC); "
        f"at most 24h ahead is allowed; is time_zone {time_zone} right?"
    )


def _name_failure(path: Path, error: Exception) -> DataError | SourceError:
    if isinstance(error, DataError):
        return error
    if isinstance(error, OSError):
        return SourceError(f"{path}: {error.strerror or error}; it is tried again at the next fetch")
    first_line = (str(error).splitlines() or ["no reason given"])[0]
    return SourceError(f"{path}: cannot be read ({first_line}); it is tried again at the next fetch")
