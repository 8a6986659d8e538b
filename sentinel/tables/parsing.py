"""Every cell of a table judged: an observation, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.domain.observation import Rejection
from sentinel.tables.cells import Axis, instant, number, stamp_text, time_axis
from sentinel.tables.layout import Shape, long_form, shape_of
from sentinel.tables.options import COLUMN, HEAD_ROWS, MORE, ROW, TableOptions

COMPLAINTS = 10
LONGEST_NAME_BYTES = 1_000
"""A name of a series that is longer is a broken row: it would stand on every page and in every scrape from then on."""
REJECTED = "__rejected__"
CAME = "__came__"
_WHAT = {
    Rejection.MALFORMED_ROW: f"more or other fields than the header names, or a name over {LONGEST_NAME_BYTES} bytes",
    Rejection.NO_SERIES: "no name for the series; a text is needed",
    Rejection.BAD_TIME: "is not a time",
    Rejection.NOT_A_NUMBER: "is not a number",
    Rejection.NOT_FINITE: "is not a finite number",
}
_FATAL = (Rejection.MALFORMED_ROW, Rejection.NO_SERIES, Rejection.BAD_TIME, Rejection.NOT_A_NUMBER)
"""What refuses the whole table when it is read strictly; missing and infinite values are only counted."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A table whose cells have been judged."""

    observations: pl.LazyFrame
    """series, time, value: no nulls, no NaN, no infinities; time is Datetime us UTC, or Float64 on a `number`
    axis. In the order of the file, which need not be that of time."""
    axis: Axis
    shape: Shape
    rejected: Mapping[str, int]
    complaints: tuple[str, ...]


def parse(
    table: pl.LazyFrame, options: TableOptions, where: str, *, strict: bool = False, axis: Axis | None = None
) -> Parsed:
    """Judge a table; one streaming pass counts what is left out, the observations themselves stay lazy.

    Parameters
    ----------
    table: as `open_table` gives it, or any table of these columns.
    where: the table's name in messages.
    strict: refuse the table at the first cell that is neither a number nor missing, or whose time is no time.
    axis: what the time column must be; None = decided by its first rows.

    Raises
    ------
    DataError
        As `shape_of`; the table has no rows; `axis` is `time` and the column holds numbers; or see `strict`.
    """
    head = table.head(HEAD_ROWS).collect()
    if head.is_empty():
        raise DataError(f"{where}: the table has no rows; at least one is needed")
    shape = shape_of(head, options, where)
    found = checked_axis(head, options, shape, where, axis)
    judged = judge(table, options, found, shape, where)
    left_out = judged.filter(pl.col(REJECTED).is_not_null())
    counts, first = pl.collect_all(
        [
            left_out.group_by(REJECTED).len(),
            left_out.filter(pl.col(REJECTED) != Rejection.MISSING).head(COMPLAINTS),
        ],
        engine="streaming",
    )
    complaints = _complaints(first, options, where, found)
    if strict and (fatal := first.filter(pl.col(REJECTED).is_in(_FATAL))).height:
        raise DataError(_complaints(fatal.head(1), options, where, found)[0])
    kept = judged.filter(pl.col(REJECTED).is_null()).select("series", "time", "value")
    return Parsed(kept, found, shape, dict(counts.iter_rows()), complaints)


def checked_axis(head: pl.DataFrame, options: TableOptions, shape: Shape, where: str, axis: Axis | None) -> Axis:
    """What the time column counts, by its first rows; DataError where instants are required and numbers came."""
    found = time_axis(head, options, shape.time)
    if axis == "time" and found == "number":
        raise DataError(
            f"{where}: column {shape.time!r} holds numbers (first {head[shape.time].drop_nulls()[0]}); "
            "time stamps are needed: ISO 8601, or time_format: '%s' for seconds since 1970"
        )
    return axis or found


def judge(table: pl.LazyFrame, options: TableOptions, axis: Axis, shape: Shape, where: str) -> pl.LazyFrame:
    """Bring a table to its long form with series, time and value parsed; `REJECTED` says why to leave a row out."""
    cell, dtype = pl.col(shape.time), table.collect_schema()[shape.time]
    parsed = number(cell, dtype, options.decimal) if axis == "number" else instant(cell, dtype, options)
    if axis == "number":
        parsed = pl.when(parsed.is_finite()).then(parsed)
    # Times are parsed before a wide table is unfolded: once per row, not once per value.
    long = long_form(table.with_columns(parsed.alias("__t__")), options, where, shape, carry=("__t__",))
    value_type = long.collect_schema()["value"]
    value = number(pl.col("value"), value_type, options.decimal)
    missing = pl.col("value").is_null()
    if value_type == pl.String:
        missing |= pl.col("value").str.strip_chars().is_in(list(options.missing))
    else:
        missing |= value.is_nan().fill_null(False)
    unreadable = pl.col("series").str.contains("\N{REPLACEMENT CHARACTER}", literal=True).fill_null(False)
    unreadable |= (pl.col("series").str.len_bytes() > LONGEST_NAME_BYTES).fill_null(False)
    reasons = (
        (pl.col(MORE).is_not_null() | unreadable, Rejection.MALFORMED_ROW, pl.coalesce(MORE, "series")),
        (pl.col("series").is_null(), Rejection.NO_SERIES, pl.lit("")),
        (pl.col("__t__").is_null(), Rejection.BAD_TIME, stamp_text(pl.col("time"), dtype).fill_null("")),
        (missing, Rejection.MISSING, pl.lit("")),
        (pl.col("__v__").is_null(), Rejection.NOT_A_NUMBER, pl.col("value").cast(pl.String)),
        (~pl.col("__v__").is_finite(), Rejection.NOT_FINITE, pl.col("value").cast(pl.String)),
    )
    rejected = pl.coalesce(*(pl.when(holds).then(pl.lit(reason)) for holds, reason, _ in reasons))
    came = pl.coalesce(*(pl.when(pl.col(REJECTED) == reason).then(text) for _, reason, text in reasons))
    return (
        long.with_columns(value.alias("__v__"))
        .with_columns(rejected.alias(REJECTED))
        .with_columns(came.alias(CAME))
        .select(ROW, COLUMN, REJECTED, CAME, "series", time=pl.col("__t__"), value=pl.col("__v__"))
    )


def verdict(
    judged: pl.DataFrame, options: TableOptions, where: str, axis: Axis = "time"
) -> tuple[pl.DataFrame, dict[str, int], tuple[str, ...]]:
    """Split judged rows into observations, counts by reason, and complaints."""
    left_out = judged.filter(pl.col(REJECTED).is_not_null())
    counts: dict[str, int] = dict(left_out.group_by(REJECTED).len().iter_rows())
    first = left_out.filter(pl.col(REJECTED) != Rejection.MISSING).head(COMPLAINTS)
    kept = judged.filter(pl.col(REJECTED).is_null()).select("series", "time", "value")
    return kept, counts, _complaints(first, options, where, axis)


def _complaints(rows: pl.DataFrame, options: TableOptions, where: str, axis: Axis) -> tuple[str, ...]:
    lines = (_complaint(row, options, where, axis) for row in rows.iter_rows(named=True))
    return tuple(dict.fromkeys(lines))


def _complaint(row: Mapping[str, object], options: TableOptions, where: str, axis: Axis) -> str:
    reason, number_of_row = str(row[REJECTED]), int(str(row[ROW])) + 1
    if reason == Rejection.BAD_TIME:
        column, allowed = options.time_column, _times(options, axis)
    elif reason in (Rejection.NOT_A_NUMBER, Rejection.NOT_FINITE):
        marks = ", ".join(repr(mark) for mark in options.missing)
        column, allowed = str(row[COLUMN]), f"a number or a mark of a missing value ({marks}) is allowed"
    elif reason == Rejection.NO_SERIES:
        return f"{where}, row {number_of_row}: {_WHAT[reason]}"
    else:
        return f"{where}, row {number_of_row}: {_WHAT[reason]} (at {_short(row[CAME])}); check separator and encoding"
    return f"{where}, row {number_of_row}, column {column!r}: {_short(row[CAME])} {_WHAT[reason]}; {allowed}"


def _times(options: TableOptions, axis: Axis) -> str:
    if axis == "number":
        return "a number is allowed, as in the rows before"
    if options.time_format is not None:
        return f"{options.time_format!r} is allowed"
    example = f"2020-01-31T12:00:00Z, or in time zone {options.time_zone} without offset"
    return f"ISO 8601 is allowed ({example}), in the years 1 to 9999 UTC"


def _short(came: object) -> str:
    text = str(came)
    return repr(text if len(text) <= 60 else text[:57] + "...")
