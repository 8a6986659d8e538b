"""Reads one text file on from its position, in whole lines.

The layout of a table is learnt from its first rows, stays with the position, and is learnt again only where one of the
first `HEAD_ROWS` rows says otherwise: number in a column of text, or text in one of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.domain.observation import Rejection
from sentinel.sources.opening import Plain
from sentinel.sources.positions import Position, TableLayout
from sentinel.tables import Shape, TableOptions, find_shape, open_table
from sentinel.tables.cells import HEAD_ROWS
from sentinel.tables.columns import carry_down, join_time
from sentinel.tables.complaints import REJECTED
from sentinel.tables.decimals import LOOKED_AT, MAY_TELL
from sentinel.tables.long_tables import find_labels, labels_of, refuse_changes
from sentinel.tables.options import command_line
from sentinel.tables.parsing import check_cells, find_axis, is_falling
from sentinel.tables.plain import Moments, PlainLayout, PlainRows
from sentinel.tables.reading import LONGEST_LINE_BYTES, PIECE_BYTES, Head, cut, read_head, rows_of
from sentinel.tables.recognising import find_marks_again, read_back, recognise, recognise_text, write_down
from sentinel.tables.repeated import LONGEST_US, find_second_rows, is_fixed
from sentinel.tables.shapes import find_texts

NAMED_ROWS = 100_000
"""Rows of a table whose rows name the series that are looked at before the start."""


TIMES_KEPT = 32
"""Files with columns of text of which the times of the first rows are kept; of others they are read again."""
HEADS_KEPT = 10_000
"""Files of which the head is kept; of others it is read again."""
_BYTES_BEFORE = 1 << 16
"""Bytes before new rows in which the site is looked up after a restart."""
_ROWS_SHORT = 2
"""Lines of a file that has a row, or may have one."""
_POINTED = re.compile(rb"(?<![\d.])[1-9]\d{0,2}\.\d{3}(?![\d.])")
_LONGEST_MARK = 4
"""Bytes of a byte order mark, which tells how a shorter head is read."""


class Rows(NamedTuple):
    """The rows that one file gave, checked, and how far it has been read with them."""

    checked: pl.DataFrame | PlainRows
    position: Position
    more: bool
    options: TableOptions
    said: tuple[str, ...] = ()
    """Lines for the log: the way the file is read, at its first time, and what changed in it since."""
    broken: tuple[str, ...] = ()
    """Pieces that their reader could not read, a line each."""

    @property
    def cells(self) -> int:
        """Number of cells that were read."""
        return self.checked.value.size if isinstance(self.checked, PlainRows) else self.checked.height


def first_series(path: Path, options: TableOptions) -> set[str]:
    """Names of the series of the first rows of a table; DataError if it cannot be read."""
    found = recognise(path, options, counters=False)
    options = found.options
    table = join_time(open_table(path, options), options)
    shape = find_shape(table.head(HEAD_ROWS).collect(), options, str(path))
    refuse_changes(table.head(HEAD_ROWS), found.labels, options, str(path))
    if not shape.keys:
        return set(shape.values)
    checked = check_cells(table.head(NAMED_ROWS), options, "time", shape).collect()
    return set(checked.filter(pl.col(REJECTED).is_null())["series"])


class TextReader:
    """Reads csv and ndjson files."""

    def __init__(self, options: TableOptions) -> None:
        self._options = options
        self._times: dict[tuple[int, int], pl.Series] = {}
        """By device and inode: times of the first rows of tables with columns of text."""
        self._heads: dict[tuple[int, int], tuple[str, bytes, Head]] = {}
        """By device and inode: how a csv file is read, the bytes before its first row, and what they tell."""
        self._labels: dict[tuple[int, int], tuple[dict[tuple[str, ...], str], set[str]]] = {}
        """By device and inode: the last text of columns of sites and units, and the columns whose change was said."""
        self._plain_layouts: dict[tuple[Head, TableLayout], PlainLayout | None] = {}
        self._read_back: dict[str, tuple[TableOptions, Moments]] = {}
        """By what was recognised: the options that it makes, and times that were read with them."""

    def read(self, path: Path, plain: Plain, fmt: str, position: Position, left: int, latest_us: int) -> Rows | None:
        """Read at most `left` observations; None where nothing has been added. Times past `latest_us` need a look."""
        said: tuple[str, ...] = ()
        if position.offset >= plain.size:
            return None
        if position.layout is None:
            found = recognise_text(plain.file, str(path), fmt, self._options, whole=False)
            if found is None and plain.ended:
                found = recognise_text(plain.file, str(path), fmt, self._options, whole=True)
            if found is None:
                return _say_broken(plain, position, self._options) or _say_short(plain, position, self._options)
            said = found.said
            position = replace(position, layout=TableLayout(write_down(found.options, self._options)))
        assert position.layout is not None
        read_as = position.layout.read_as
        if read_as not in self._read_back:
            options = read_back(read_as, self._options)
            self._read_back[read_as] = options, Moments(options)
        options, _ = self._read_back[read_as]
        head = self._read_head(path, plain, fmt, read_as, options)
        if head is None:
            return _say_broken(plain, position, options)
        rows = self._read_piece(path, plain, fmt, head, position, left, options, latest_us)
        return _say_broken(plain, position, options) if rows is None else rows._replace(said=(*said, *rows.said))

    def _read_head(self, path: Path, plain: Plain, fmt: str, read_as: str, options: TableOptions) -> Head | None:
        """Read the head of a file, unless it begins as it did the last time."""
        key = (plain.status.st_dev, plain.status.st_ino)
        known = self._heads.get(key)
        if known is not None and known[0] == read_as:
            plain.file.seek(0)
            if plain.file.read(len(known[1])) == known[1]:
                return known[2]
        head = read_head(plain.file, str(path), fmt, options, whole=False)
        if head is not None and fmt == "csv" and not options.names and head.start > _LONGEST_MARK:
            while len(self._heads) >= HEADS_KEPT:
                self._heads.pop(next(iter(self._heads)))
            plain.file.seek(0)
            self._heads[key] = read_as, plain.file.read(head.start), head
        return head

    def _read_piece(
        self, path: Path, plain: Plain, fmt: str, head: Head, position: Position, left: int, options: TableOptions,
        latest_us: int,
    ) -> Rows | None:  # fmt: skip
        offset, quoted = max(position.offset, head.start), fmt == "csv"
        columns = len(position.layout.values) if position.layout is not None else 0
        shape = None
        if not columns:
            shape = self._learn(path, plain, fmt, head, options, new=True)
            columns = len(shape.values)
        wanted, asked = max(1, left // columns), min(PIECE_BYTES, max(1 << 16, plain.size - offset + 1))
        while True:
            plain.file.seek(offset)
            piece = plain.file.read(asked)
            length = cut(piece, head.codec, quoted=quoted, rows=wanted)
            if length or len(piece) < asked or asked >= LONGEST_LINE_BYTES:
                break
            asked *= 4
        if not length and plain.ended and len(piece) < asked:
            length = len(piece)
        if not length:
            if len(piece) < asked:
                return None
            raise DataError(f"{path}: no line ends within {asked >> 20} MiB after byte {offset}; not a table")
        while True:
            try:
                rows = self._read_plain(plain, fmt, head, position, options, piece[:length], offset, shape, latest_us)
                rows = rows or self._check(path, plain, fmt, head, position, options, piece[:length], offset, shape)
                break
            except DataError:
                raise
            except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - whatever it stumbles over
                shorter = _shorten(piece, length, head.codec, quoted=quoted)
                if not shorter:
                    rows = _pass_over(path, plain, position, options, offset + length, error)
                    break
                length = shorter  # the fault is in one of the lines
        longer = plain.ended or len(piece) == asked or cut(piece, head.codec, quoted=quoted) > length
        if longer and offset + length < plain.size:
            return rows._replace(more=True)
        broken = (plain.broken,) if plain.broken else ()
        return rows._replace(position=rows.position.finish(plain), broken=(*rows.broken, *broken))

    def _read_plain(
        self, plain: Plain, fmt: str, head: Head, position: Position, options: TableOptions, piece: bytes, offset: int,
        shape: Shape | None, latest_us: int,
    ) -> Rows | None:  # fmt: skip
        """Read lines of a known layout that hold nothing but numbers; None where there is more to them."""
        layout = position.layout
        assert layout is not None
        if shape is None:
            if layout.left_out and position.rows < HEAD_ROWS:  # they may turn out to be series
                return None
            if position.rows < LOOKED_AT and _POINTED.search(piece):  # a point may stand between thousands
                return None
            shape = Shape(options.time_name, layout.series, layout.values, options.by, layout.left_out)
        layout = layout._replace(series=shape.series, values=shape.values, left_out=shape.left_out)
        if fmt != "csv" or position.repeated:
            return None
        key = head, layout
        if key not in self._plain_layouts:
            self._plain_layouts[key] = PlainLayout.of(head, options, shape, self._read_back[layout.read_as][1])
        plain_layout = self._plain_layouts[key]
        found = plain_layout.read(piece) if plain_layout is not None else None
        if found is None or found.time_us.max() > latest_us:
            return None
        moved = position.go_on(plain, offset + len(piece), position.rows + found.time_us.size)
        return Rows(found, replace(moved, layout=layout), more=False, options=options)

    def _check(
        self, path: Path, plain: Plain, fmt: str, head: Head, position: Position, options: TableOptions, piece: bytes,
        offset: int, shape: Shape | None,
    ) -> Rows:  # fmt: skip
        row, layout = position.rows, position.layout
        assert layout is not None
        rows, above = carry_down(rows_of(piece, fmt, head, options, row), position.above, options)
        joined = join_time(rows.lazy(), options)
        if shape is None:
            shape = Shape(options.time_name, layout.series, layout.values, options.by, layout.left_out)
            if row < HEAD_ROWS and self._is_doubtful(joined, shape, options, plain):
                shape = self._learn(path, plain, fmt, head, options)
        checked, before = self._judge(joined, options, shape, position)
        said: list[str] = []
        refused = bool((checked[REJECTED] == Rejection.NOT_A_NUMBER).any())
        if 0 < row < LOOKED_AT and _may_tell_marks(rows, shape):
            first = join_time(_first_rows(plain, fmt, head, options).lazy(), options).collect()
            found = find_marks_again(first, shape, options, self._options, row, str(path))
            if found != options:
                said.append(f"from row {row + 1} on also read with {command_line(found, options)}")
                options, layout, refused = found, layout._replace(read_as=write_down(found, self._options)), True
                checked, before = self._judge(joined, options, shape, position)
        if refused and row < HEAD_ROWS and shape.series is None and options.columns is None:
            learnt = self._learn(path, plain, fmt, head, options)
            if learnt != shape:
                shape = learnt
                checked, before = self._judge(joined, options, shape, position)
        layout = layout._replace(series=shape.series, values=shape.values, left_out=shape.left_out)
        moved = position.go_on(plain, offset + len(piece), row + rows.height)
        moved = replace(moved, layout=layout, repeated=before, above=above)
        said += self._note_labels(plain, fmt, head, options, shape, rows, offset)
        return Rows(checked, moved, more=False, options=options, said=tuple(said))

    def _note_labels(
        self, plain: Plain, fmt: str, head: Head, options: TableOptions, shape: Shape, rows: pl.DataFrame, offset: int
    ) -> Iterator[str]:
        """Say where a site, or the unit of a series, is another one than in the rows before: once for a column."""
        keys = shape.keys if shape.series is not None else ()
        found = [*labels_of(rows, keys, shape.values, options, self._options)]
        if not found:
            return
        file = plain.status.st_dev, plain.status.st_ino
        if file not in self._labels:
            while len(self._labels) >= HEADS_KEPT:
                self._labels.pop(next(iter(self._labels)))
            self._labels[file] = {}, set()
            before = _rows_before(plain, fmt, head, options, offset)
            # A change among them has been said.
            list(_find_changes(*self._labels[file], labels_of(before, keys, shape.values, options, self._options)))
        for (name, *key), was, text in _find_changes(*self._labels[file], found):
            yield (
                f"column {name!r}{f' of {key[-1]!r}' if key else ''} was {was!r} and is {text!r} in new rows, which go "
                "on as the same series: a series of each with by, or correct the file; further changes are not said"
            )

    def _judge(
        self, joined: pl.LazyFrame, options: TableOptions, shape: Shape, position: Position
    ) -> tuple[pl.DataFrame, dict[str, int]]:
        before = dict(position.repeated)
        falling = not position.rows and not is_fixed(options.time_zone)
        falling = falling and is_falling(joined.head(HEAD_ROWS).collect(), options, shape)
        second = find_second_rows(joined, options, shape.keys, before, falling=falling)
        checked = check_cells(joined, options, "time", shape, second).collect()
        if before and checked["time"].count():  # an hour that is long past comes no more
            newest_us = int(checked["time"].dt.epoch("us").max())  # type: ignore[arg-type]
            before = {name: us for name, us in before.items() if newest_us - us < 2 * LONGEST_US}
        return checked, before

    def _is_doubtful(self, joined: pl.LazyFrame, shape: Shape, options: TableOptions, plain: Plain) -> bool:
        """True if new rows may change which columns are series, or tell that the table has several sites."""
        if shape.series is not None or options.columns is not None or not shape.left_out:
            return False
        key = (plain.status.st_dev, plain.status.st_ino)
        known = self._times.get(key)
        new = joined.collect()
        if known is None or known.len() >= HEAD_ROWS:
            return known is None
        times = pl.concat([known, new[options.time_name].drop_nulls()])
        if times.is_duplicated().any():
            return True
        self._times[key] = times
        filled = [name for name in shape.left_out if new[name].drop_nulls().len()]
        return set(find_texts(new, filled, options)) != set(filled)

    def _learn(
        self, path: Path, plain: Plain, fmt: str, head: Head, options: TableOptions, *, new: bool = False
    ) -> Shape:
        """Learn the layout of a table from its first rows; several sites are refused in a `new` one only."""
        first = _first_rows(plain, fmt, head, options)
        rows = join_time(first.lazy(), options).collect()
        shape = find_shape(rows, options, str(path))
        if new:
            refuse_changes(first.lazy(), find_labels(first, options, self._options), options, str(path))
        find_axis(rows, options, shape, str(path), "time")
        if shape.left_out:
            while len(self._times) >= TIMES_KEPT:
                self._times.pop(next(iter(self._times)))
            self._times[plain.status.st_dev, plain.status.st_ino] = rows[options.time_name].drop_nulls()
        return shape


def _may_tell_marks(rows: pl.DataFrame, shape: Shape) -> bool:
    """True where a cell may tell decimal mark and thousands."""
    cells = rows.select(name for name in (*shape.values, *shape.left_out) if rows.schema.get(name) == pl.String)
    return bool(cells.select(pl.any_horizontal(pl.all().str.contains(MAY_TELL).any())).item()) if cells.width else False


def _first_rows(plain: Plain, fmt: str, head: Head, options: TableOptions) -> pl.DataFrame:
    plain.file.seek(head.start)
    piece = plain.file.read(PIECE_BYTES)
    length = cut(piece, head.codec, quoted=fmt == "csv", rows=HEAD_ROWS)
    return rows_of(piece[: length or len(piece)], fmt, head, options, 0)


def _rows_before(plain: Plain, fmt: str, head: Head, options: TableOptions, offset: int) -> pl.DataFrame:
    """Read the last rows before a place in a file; none where quotes may have begun before them."""
    start = max(head.start, offset - _BYTES_BEFORE)
    plain.file.seek(start)
    piece = plain.file.read(offset - start)
    if start > head.start:
        piece = b"" if b'"' in piece else piece[cut(piece, head.codec, quoted=False, rows=1) :]
    return rows_of(piece, fmt, head, options, 0)


def _find_changes(
    known: dict[tuple[str, ...], str], told: set[str], found: Iterable[tuple[tuple[str, ...], str]]
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Find the first change of each column: the column with its series, the text before, and the new one."""
    for key, text in found:
        was, known[key] = known.get(key, text), text
        if was.casefold() != text.casefold() and key[0] not in told:
            told.add(key[0])
            yield key, was, text


def _shorten(piece: bytes, length: int, codec: str, *, quoted: bool) -> int:
    """Give the length of about half the lines of a piece, 0 if it is a single one."""
    lines = piece[:length].count(b"\n") // 2
    while lines and (shorter := cut(piece, codec, quoted=quoted, rows=lines)) >= length:
        lines //= 2
    return shorter if lines else 0


def _say_broken(plain: Plain, position: Position, options: TableOptions) -> Rows | None:
    """Say that the rest of a compressed file is lost, where nothing more can be read of it; None of a sound one."""
    if not plain.broken:
        return None
    return Rows(_NOTHING, position.finish(plain), more=False, options=options, broken=(plain.broken,))


def _say_short(plain: Plain, position: Position, options: TableOptions) -> Rows | None:
    """Say that a file has too few rows to tell how it is read, where it has any."""
    plain.file.seek(0)
    if plain.file.read(_BYTES_BEFORE).count(b"\n") < _ROWS_SHORT:
        return None
    said = "its first rows do not tell yet how it is read: nothing of it is taken until more rows do, or an option"
    return Rows(_NOTHING, position.finish(plain), more=False, options=options, said=(said,))


def _pass_over(
    path: Path, plain: Plain, position: Position, options: TableOptions, end: int, error: BaseException
) -> Rows:
    """Pass over a line that its reader cannot read."""
    why = (str(error).splitlines() or [type(error).__name__])[0]
    line = f"{path}, row {position.rows + 1}: cannot be read ({why}); it is left out"
    moved = position.go_on(plain, end, position.rows + 1)
    return Rows(
        _NOTHING, replace(moved, layout=position.layout, repeated=position.repeated), False, options, broken=(line,)
    )


_NOTHING = pl.DataFrame(
    schema={
        "__row__": pl.UInt32, "__column__": pl.String, REJECTED: pl.String, "__came__": pl.String,
        "series": pl.String, "time": pl.Datetime("us", "UTC"), "value": pl.Float64,
    }
)  # fmt: skip
