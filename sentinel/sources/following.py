"""The reader of source `csv`: a file, or a folder of CSV, Parquet and NDJSON files, followed as it grows.

The cursor holds one position per file (`positions.py`). Each fetch reads at most `max_observations`, in whole lines; a
last line without its newline is still being written and waits. A file that cannot be read holds up no other: it is
complained about, counted once, and read when it has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from sentinel import __version__
from sentinel.config import CsvSource, identity
from sentinel.domain.clock import Clock
from sentinel.domain.errors import DataError
from sentinel.domain.labels import add_labels
from sentinel.domain.observation import OBSERVATIONS, Cursor, Frame, Rejection
from sentinel.domain.spans import moment_in_words
from sentinel.sources.base import SourceError
from sentinel.sources.counting import Counters, CounterWatch, count_steps
from sentinel.sources.csv import FILE, file_labels, find_tables
from sentinel.sources.labels import labeller
from sentinel.sources.opening import Opener
from sentinel.sources.pieces import Rows, TextReader
from sentinel.sources.positions import Marks, Position
from sentinel.sources.rotation import Found, Lost, Search
from sentinel.sources.rows import FUTURE_US, leave_out_future, rename
from sentinel.sources.whole import WholeReader
from sentinel.tables import file_format
from sentinel.tables.cells import COLUMN, TableOptions
from sentinel.tables.columns import patterns_of
from sentinel.tables.complaints import COMPLAINTS
from sentinel.tables.options import options_of
from sentinel.tables.parsing import split_checked
from sentinel.tables.plain import PlainRows, Unfolding
from sentinel.tables.reading import TEXT
from sentinel.tables.repeated import find_twice, is_fixed, may_change, near_change, say_twice


class _Read(NamedTuple):
    """Rows that a fetch has read so far."""

    tables: list[pl.DataFrame | PlainRows]
    rejected: Counter[str]
    complaints: list[str]
    first_us: dict[str, int]
    """Earliest time by table, under its name before it was rotated."""
    counters: Counters
    marked: Counter[str]


class Follower:
    """Reads what has been added to a file or a folder.

    How a file is written is recognised when its first rows are there, and stays with its position.
    """

    def __init__(self, settings: CsvSource, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._path, self._options = Path(settings.path), options_of(settings)
        self._labelled = labeller({key: text for key, text in settings.labels.items() if FILE not in text})
        self._labels_files = any(FILE in text for text in settings.labels.values())
        self._read_with = f"{__version__} {self._options}"
        self._opener, self._counters, self._names = Opener(), CounterWatch(self._options), Unfolding()
        self._format = cache(lambda name: file_format(Path(name), self._options))
        """Tells the format of a file by its name, which is asked several times in each fetch."""
        self._hours_said = set[object]()
        self._text, self._whole = TextReader(self._options), WholeReader(self._options)

    def close(self) -> None:
        """Let go of files that are kept inflated."""
        self._opener.close()

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Read what has been added since `cursor`; see `PullSource.fetch`."""
        more = False
        try:
            frame = self._fetch(cursor)
            more = frame.more
            return frame
        finally:
            if not more:
                self._opener.close()

    def _fetch(self, cursor: Cursor | None) -> Frame:
        # Asked before the files are: whatever was written by then is read below.
        now_us = self._clock.now_us()
        marks = Marks.of(cursor, self._read_with)
        found = self._find(marks, now_us, first=cursor is None)
        read = _Read([], Counter(), [], {}, marks.counters, Counter())
        left, more, held_up = self._settings.max_observations, False, set[str]()
        for name, path in found.files.items():
            base = found.bases[name]
            if left <= 0:
                more = True
                break
            if base in held_up:  # what came after it waits until it has been read
                continue
            rows = self._read_file(path, base, found, left, read, now_us)
            if rows is not None:
                found.positions[name] = self._take(rows, path, base, now_us, read)
            if name in found.ended and not (rows and rows.more):
                del found.positions[name]
            if rows is None:
                continue
            left -= rows.cells
            if rows.more:
                more = True
                held_up.add(base)
        for gone in found.lost:
            self._say_lost(gone, found, read)
        if found.older:
            how = "read first" if self._settings.older_files else "left out (older_files)"
            names = f"{found.older[0]} to {found.older[-1]}, {len(found.older):,} in all"
            read.complaints.insert(0, f"{self._path}: rotated before the first start, {how}: {names}")
        observations = self._join(read.tables)
        counted: dict[str, tuple[int, float]] = {}
        if patterns := patterns_of(self._options.transform, "difference"):
            counted |= marks.counted
            observations = count_steps(observations, patterns, counted, read.rejected)
        key = self._key
        if self._settings.prefix or self._settings.labels:
            observations = rename(observations, key)
        layouts = {one.layout for one in found.positions.values() if one.layout is not None}
        columns = {
            name for layout in layouts if layout.series is None and not self._options.by for name in layout.values
        }
        rising = {name for name in read.counters.left_out if not self._counters.is_asked_for(name)}
        return Frame(
            identity(self._settings), observations,
            cursor=Marks(found.positions, counted, read.counters).to_cursor(self._read_with),
            watermark_us=None if more else now_us, more=more,
            rejected=dict(read.rejected), marked=dict(read.marked), complaints=tuple(read.complaints[:COMPLAINTS]),
            columns=None if self._labels_files else tuple(key(name) for name in sorted(columns - rising)),
            counting=tuple(key(name) for name in sorted(rising)),
        )  # fmt: skip

    def _find(self, marks: Marks, now_us: int, *, first: bool) -> Found:
        try:
            tables = find_tables(self._path)
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}; a readable file or folder is needed") from error
        try:
            return Search(
                marks.positions, tables, self._path, self._opener, self._is_whole,
                first=first, with_older=self._settings.older_files,
            ).run(now_us)  # fmt: skip
        except OSError as error:  # without the folder's list no one knows whether a rotated file has unread rows
            raise _name_failure(self._path.parent if self._path in tables.values() else self._path, error) from error

    def _is_whole(self, name: str) -> bool:
        """True of a file that is replaced as a whole, not added to."""
        return self._format(name) not in TEXT

    def _read_file(self, path: Path, base: str, found: Found, left: int, read: _Read, now_us: int) -> Rows | None:
        """Read one file on from its position; None where nothing has been added or nothing of it can be read."""
        try:
            with self._opener.open(path) as opened:
                name, positions = path.name, found.positions
                plain = opened._replace(ended=opened.ended or name in found.ended)
                position = positions[name] = positions.get(name) or Position.at(plain, 0, 0)
                fmt = self._format(base)
                try:
                    if self._is_whole(base):
                        rows = self._whole.read(path, plain, fmt, position, left)
                    else:
                        rows = self._text.read(path, plain, fmt, position, left, now_us + FUTURE_US)
                except OSError:
                    raise
                except (Exception, pl.exceptions.PanicException) as error:
                    positions[name] = position.finish(plain)
                    raise _name_failure(path, error) from error
                if rows is None:
                    positions[name] = position.finish(plain)
        except (DataError, SourceError, OSError) as error:
            if path == self._path and not read.tables:  # there is nothing else
                raise _name_failure(path, error) from error
            read.rejected[Rejection.UNREADABLE] += 1
            read.complaints.append(str(_name_failure(path, error)))
            return None
        return rows

    def _take(self, rows: Rows, path: Path, base: str, now_us: int, read: _Read) -> Position:
        """Take over what a file gave; its position, with the latest time."""
        lines: tuple[str, ...] = ()
        if not isinstance(rows.checked, PlainRows):
            kept, counts, marked, lines = split_checked(rows.checked, rows.options, str(path))
            read.marked.update(marked)
        elif self._is_settled(rows.checked, rows.options, read.counters):
            return self._take_plain(rows, rows.checked, path, base, read)
        else:
            kept = self._names.unfold([rows.checked]).with_columns(pl.col("series").alias(COLUMN))
            counts = _count_missing(rows.checked)
        told = list(lines)
        kept = leave_out_future(kept, now_us, str(path), rows.options.time_zone, counts, told)
        layout, said = rows.position.layout, list(rows.said)
        if layout is not None and layout.series is None:
            kept, counting = self._counters.take(kept, layout.values, read.counters)
            said += counting
        said += self._note_repeated_hour(kept, rows)
        kept = kept.drop(COLUMN)
        if self._labels_files:
            kept = rename(kept, lambda name: add_labels(name, file_labels(self._settings, base)))
        read.tables.append(kept)
        read.rejected.update(counts)
        _note_remarks(path, said, rows, read)
        read.complaints.extend(told)
        if not kept.height:
            return rows.position
        times = kept["time"].dt.epoch("us")
        first_us, last_us = int(times.min()), int(times.max())  # type: ignore[arg-type]
        return _note_times(rows.position, base, first_us, last_us, read)

    def _key(self, name: str) -> str:
        """Give the key of a series: its name with the prefix and the labels of all files."""
        return self._labelled(self._settings.prefix + name)

    def _is_settled(self, plain: PlainRows, options: TableOptions, counters: Counters) -> bool:
        """True if it is known of each column whether it counts, and the clocks of no zone go back at these times."""
        decided = all(name in counters.judged or name in counters.counting for name in plain.names)
        return decided and not (is_fixed(options.time_zone) and may_change(plain.time_us, options.time_zone))

    def _take_plain(self, rows: Rows, plain: PlainRows, path: Path, base: str, read: _Read) -> Position:
        """Take over rows that were read the short way; the position, with the latest time."""
        read.rejected.update(_count_missing(plain))
        _note_remarks(path, rows.said, rows, read)
        left_out = {name for name in read.counters.counting if not self._counters.is_asked_for(name)}
        if left_out.intersection(plain.names):
            places = [place for place, name in enumerate(plain.names) if name not in left_out]
            plain = PlainRows(tuple(plain.names[place] for place in places), plain.time_us, plain.value[:, places])
        if not plain.names:
            return rows.position
        labels = file_labels(self._settings, base) if self._labels_files else {}
        names = tuple(add_labels(name, labels) for name in plain.names)
        read.tables.append(PlainRows(names, plain.time_us, plain.value))
        times = plain.time_us[~np.isnan(plain.value).all(axis=1)]
        if not times.size:
            return rows.position
        return _note_times(rows.position, base, int(times.min()), int(times.max()), read)

    def _join(self, tables: list[pl.DataFrame | PlainRows]) -> pl.DataFrame:
        """Put what was read into one table, in order of time."""
        parts: list[pl.DataFrame] = [] if tables else [pl.DataFrame(schema=OBSERVATIONS)]
        for _, some in groupby(tables, type):
            side_by_side = list(some)
            plain = [one for one in side_by_side if isinstance(one, PlainRows)]
            parts += [self._names.unfold(plain)] if plain else side_by_side  # type: ignore[arg-type]
        joined = parts[0] if len(parts) == 1 else pl.concat(parts)
        return joined if joined["time"].is_sorted() else joined.sort("time", maintain_order=True)

    def _note_repeated_hour(self, kept: pl.DataFrame, rows: Rows) -> Iterator[str]:
        """Say once, for each such hour, that the hour that clocks put back repeat comes for the second time."""
        zone, newest = rows.options.time_zone, pl.lit(rows.position.newest_us, pl.Int64)
        if not is_fixed(zone) or not (near := kept.filter(near_change(zone))).height:
            return
        again = near.filter(pl.struct("series", "time").is_duplicated() | (pl.col("time").dt.epoch("us") <= newest))
        found, zones = find_twice(again["time"], zone)
        hour = found.dt.truncate("1d").min()
        if zones and hour not in self._hours_said:
            self._hours_said.add(hour)
            yield say_twice(found, zones)

    def _say_lost(self, gone: Lost, found: Found, read: _Read) -> None:
        """Say that rows are missing, unless what stands there now goes back to what was read."""
        newest_us = gone.position.newest_us
        first_us = read.first_us.get(found.bases.get(gone.name, gone.name))
        if gone.may_overlap and None not in (newest_us, first_us) and first_us <= newest_us:  # type: ignore[operator]
            return
        folder = self._path if self._path.is_dir() else self._path.parent
        until = "" if newest_us is None else f" up to {moment_in_words(newest_us)}"
        read.rejected[Rejection.LOST] += 1
        read.complaints.insert(
            0,
            f"{folder / gone.name}: the file that was read to byte {gone.position.offset:,}{until} is gone, deleted or "
            "overwritten: if rows were written to it after that, they are lost; more rotated files should be kept",
        )


def _count_missing(plain: PlainRows) -> Counter[str]:
    missing = int(np.count_nonzero(np.isnan(plain.value)))
    return Counter({Rejection.MISSING: missing} if missing else {})


def _note_remarks(path: Path, said: Iterable[str], rows: Rows, read: _Read) -> None:
    read.complaints.extend((*(f"{path}: {line}" for line in said), *rows.broken))
    if rows.broken:
        read.rejected[Rejection.UNREADABLE] += len(rows.broken)


def _note_times(position: Position, base: str, first_us: int, last_us: int, read: _Read) -> Position:
    """Note the earliest and the latest time that a file gave."""
    read.first_us[base] = min(first_us, read.first_us.get(base, first_us))
    newest_us = position.newest_us
    return replace(position, newest_us=last_us if newest_us is None else max(newest_us, last_us))


def _name_failure(path: Path, error: BaseException) -> DataError | SourceError:
    if isinstance(error, DataError | SourceError):
        return error
    if isinstance(error, OSError):
        return SourceError(f"{path}: {error.strerror or error}; it is tried again at the next fetch")
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    return SourceError(f"{path}: cannot be read ({first_line}); it is read again once it has changed")
