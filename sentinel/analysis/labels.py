"""What happened, in the words of whoever owns the data: a file of labelled events, read and judged line by line.

Columns `series`, `time`, `kind`; times as in the data. What happened to a series holds for its comparison with a
counterpart (`peter/ph - paul/ph`) as well, unless that one has labels under its own name. The kinds:

- `transition`: the event itself, such as the day a bloom crossed its threshold.
- `start`: from here on slowing may be expected, such as the day fertilisation began.
- `end`: the event, or the period since `start`, is over; from here on the series is judged anew.
- `control`: nothing is going on; without a time in the whole series, with one from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import polars as pl

from sentinel.config import or_else
from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions, open_table
from sentinel.tables.cells import instant, number, stamp_text
from sentinel.tables.options import MORE, ROW

COLUMNS = ("series", "time", "kind")


class Kind(Enum):
    """What a label says; the value is its name in the file."""

    TRANSITION = "transition"
    START = "start"
    END = "end"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Label:
    """One line of the file."""

    where: str
    """File and row, for messages."""
    series: str
    kind: Kind
    time: float | None
    """Microseconds since 1970-01-01 UTC, or the owner's number on a numbered axis; None = the whole series."""
    written: str
    """The time as it stands in the file."""


def read_labels(path: Path, options: TableOptions, names: Sequence[str], *, numbered: bool) -> list[Label]:
    """Read a file of labelled events.

    Parameters
    ----------
    path
        CSV, Parquet or NDJSON, in the same dialect as the data.
    options
        Dialect and time format of the data.
    names
        Names of all series of the data.
    numbered
        Whether times are numbers.

    Raises
    ------
    DataError
        No file, a column or all rows missing; a row with an unknown series or kind, or no or a bad time; a row twice.
    """
    table = open_table(path, options)
    schema = table.collect_schema()
    for column in COLUMNS:
        if column not in schema:
            came = ", ".join(name for name in schema if name not in (ROW, MORE))
            raise DataError(f"{path}: no column {column!r} (there are {came}); series, time and kind are needed")
    cell, dtype = pl.col("time"), schema["time"]
    time = number(cell, dtype, options.decimal) if numbered else instant(cell, dtype, options).cast(pl.Int64)
    more = pl.col(MORE) if MORE in schema else pl.lit(None, pl.String)
    rows = table.select(
        pl.col(ROW), more.alias("more"), pl.col("series").cast(pl.String), pl.col("kind").cast(pl.String),
        stamp_text(cell, dtype).str.strip_chars().replace("", None).alias("written"),
        pl.when(time.is_finite()).then(time).alias("time") if numbered else time.alias("time"),
    ).collect()  # fmt: skip
    if rows.is_empty():
        raise DataError(f"{path}: the table has no rows; at least one event is needed")
    labels = list(_labels(rows, str(path), names, numbered=numbered))
    first: dict[object, Label] = {}
    for label in labels:
        same = first.setdefault((label.series, label.kind, label.time), label)
        if same is not label:
            raise DataError(f"{label.where}: the same event as in {same.where.rpartition(', ')[2]}; once is allowed")
    return labels


def _labels(rows: pl.DataFrame, path: str, names: Sequence[str], *, numbered: bool) -> Iterator[Label]:
    kinds = {kind.value: kind for kind in Kind}
    known = set(names)
    for row in rows.iter_rows(named=True):
        where = f"{path}, row {row[ROW] + 1}"
        series, written = (row["series"] or "").strip(), row["written"]
        if row["more"] is not None:
            raise DataError(f"{where}: more fields than the header names; series, time and kind are needed")
        if series not in known:
            raise DataError(f"{where}: no series {series!r} in the data; {or_else(series, names[:20], 'series')}")
        word = (row["kind"] or "").strip()
        if word not in kinds:
            raise DataError(f"{where}: {word!r} is no kind of event; {or_else(word, kinds, 'kinds')}")
        if written is None and kinds[word] is not Kind.CONTROL:
            raise DataError(f"{where}: a {word} without a time; only a control may have none")
        if written is not None and row["time"] is None:
            allowed = "a number is allowed, as in the data" if numbered else "times are written as in the data"
            raise DataError(f"{where}: {written!r} is not a time; {allowed}")
        yield Label(where, series, kinds[word], row["time"], written or "")
