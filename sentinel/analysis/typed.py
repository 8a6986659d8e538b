"""A quick reading of text tables whose every cell is a plain time, a plain number or empty.

`parse` judges each cell as text and says what is wrong with it, at some 3 us a cell. Where nothing is wrong, one typed
read gives the same observations. It gives up at the first surprise, and then `parse` reads the table.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from sentinel.domain.errors import DataError
from sentinel.domain.observation import Rejection
from sentinel.tables import Axis, Parsed, TableOptions
from sentinel.tables.cells import COLUMN, HEAD_ROWS, MORE, MissingMarks
from sentinel.tables.complaints import LONGEST_NAME_BYTES
from sentinel.tables.parsing import count_numbers, find_axis, find_late
from sentinel.tables.reading import STREAM_BYTES, Head, csv_rows, file_format, read_head
from sentinel.tables.shapes import Shape, find_shape

LARGEST_BYTES = 64 << 20
"""Size of the files that are read so: they are held in memory at once. Larger ones are streamed."""
_TIME = "__time__"
_FORMS = [f"%Y-%m-%d{clock}" for clock in ("", "T%H:%M:%S", " %H:%M:%S", "T%H:%M:%SZ", "T%H:%M", " %H:%M")]
"""Forms of times, of which a table uses one."""


def read_typed(path: Path, options: TableOptions, axis: Axis | None = None) -> Parsed | None:
    """Read a plain table as `parse` would; None where it is not that plain, or has a fault that `parse` is to say."""
    if not _are_plain(options) or file_format(path, options) != "csv":
        return None
    try:
        if path.suffix in (".gz", ".zst", ".bz2", ".xz") or path.stat().st_size > LARGEST_BYTES:
            return None
        data = path.read_bytes()
        head = read_head(io.BytesIO(data), str(path), "csv", options, whole=True)
        if head is None or head.codec != "utf-8" or b'"' in data or (options.comment or "\n").encode() in data:
            return None
        if data.count(b"\r") != data.count(b"\r\n"):
            return None
        return _read(data, head, options, str(path), axis)
    except (OSError, DataError, pl.exceptions.PolarsError):
        return None


def _are_plain(options: TableOptions) -> bool:
    """True if no option changes what a cell means."""
    usual = TableOptions()
    same = (
        "decimal", "thousands", "below_detection", "flags", "transform", "by", "time_format", "time_zone", "fill_down",
        "time_direction",
    )  # fmt: skip
    marks = MissingMarks.of(options)
    return (
        not (marks.numbers or marks.by_column)
        and all(getattr(options, name) == getattr(usual, name) for name in same)
        and len(options.time_columns) == 1
        and len(options.separator) == 1
        and options.layout != "months"
    )


def _read(data: bytes, head: Head, options: TableOptions, where: str, axis: Axis | None) -> Parsed | None:
    """Read the rows below the head."""
    piece = data[head.start :]
    ends = np.flatnonzero(np.frombuffer(piece, np.uint8) == ord("\n")) + 1
    first = csv_rows(piece[: int(ends[HEAD_ROWS - 1])] if ends.size >= HEAD_ROWS else piece, head, options)
    shape = find_shape(first, options, where)
    found = find_axis(first, options, shape, where, axis)
    table = _read_types(piece, head, options, shape, found)
    if table is None:
        return None
    time = table[shape.time] if found == "number" else _read_times(table[shape.time])
    values = table.select(pl.col(name) for name in shape.values)
    # NaN and infinities are marks, or faults.
    if time is None or not all(values.select(pl.all().is_finite().all()).row(0)):
        return None
    if shape.series is not None:
        names = table[shape.series].str.strip_chars()
        if not _are_names(names):
            return None
        long = pl.DataFrame([names.alias("series"), time.alias("time"), values.to_series().alias("value")])
    else:
        edges = np.searchsorted(ends, np.arange(STREAM_BYTES, len(piece), STREAM_BYTES), side="right").tolist()
        # An open last line is a piece of its own.
        edges = [0, *edges, *([table.height - 1] if ends.size < table.height else []), table.height]
        long = _unfold(values, time, edges)
    missing = long["value"].null_count()
    rejected = {Rejection.MISSING: missing} if missing else {}
    late = find_late(count_numbers(table.lazy().slice(HEAD_ROWS), shape.left_out, options).collect(), first, options)
    return Parsed(long.drop_nulls("value").lazy(), found, shape, rejected, (), {}, {}, None, tuple(late))


def _read_types(piece: bytes, head: Head, options: TableOptions, shape: Shape, axis: Axis) -> pl.DataFrame | None:
    """Read the rows, columns of numbers as such; None where a row is too long, blank, or without a time."""
    names = [*head.columns, MORE]
    numbers = {*shape.values, *([shape.time] if axis == "number" else [])}
    header = options.separator.join(f"c{at}" for at in range(len(names))).encode() + b"\n"
    table = pl.read_csv(
        io.BytesIO(header + piece), infer_schema=False, separator=options.separator, quote_char=None,
        schema_overrides={f"c{at}": pl.Float64() for at, name in enumerate(names) if name in numbers},
        truncate_ragged_lines=True, encoding="utf8-lossy",
    )  # fmt: skip
    table.columns = names
    time = table[shape.time]
    whole = time.null_count() == 0 and table[MORE].null_count() == table.height > 0
    return table if whole and (axis == "time" or bool(time.is_finite().all())) else None


def _read_times(cells: pl.Series) -> pl.Series | None:
    """Read times of UTC that are all written in the form of the first; None where there is none for all."""
    for form in _FORMS:
        if cells[:1].str.to_datetime(form, time_unit="us", strict=False).null_count():
            continue
        times = cells.str.to_datetime(form, time_unit="us", strict=False)
        # The parser alone would allow more, such as months of one digit.
        same = bool((times.dt.to_string(form) == cells).all()) and not times.null_count()
        return times.dt.replace_time_zone("UTC") if same and bool((times.dt.year() >= 1).all()) else None
    return None


def _are_names(names: pl.Series) -> bool:
    """True if every cell names a series."""
    known = names.unique()
    faults = (known == "") | known.str.contains("\N{REPLACEMENT CHARACTER}", literal=True)
    return known.null_count() == 0 and not (faults | (known.str.len_bytes() > LONGEST_NAME_BYTES)).any()


def _unfold(values: pl.DataFrame, time: pl.Series, edges: Sequence[int]) -> pl.DataFrame:
    """Bring a wide table to its long form as `parse` does: column by column within each piece of the file."""
    table = values.with_columns(time.alias(_TIME))
    parts = [table[first:last] for first, last in pairwise(edges) if first < last]
    # Names that no column has.
    long = pl.concat([part.unpivot(index=_TIME, variable_name=COLUMN, value_name=MORE) for part in parts])
    return long.select(pl.col(COLUMN).alias("series"), pl.col(_TIME).alias("time"), pl.col(MORE).alias("value"))
