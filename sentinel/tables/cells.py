"""The options of a table, and one cell of it as a number or as an instant; null where it is neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

Axis: TypeAlias = Literal["time", "number"]
"""Unit of the time column: instants, or steps of any length."""
_ISO = (
    r"^\s*(?<date>\d{4}-\d{2})(?<day>-\d{2})?"
    r"(?:[T ](?<hour>\d{2}):(?<minute>\d{2})(?::(?<second>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?)?"
    r"\s*(?<offset>[Zz]|[+-]\d{2}(?::?\d{2})?)?\s*$"
)
_UTC_US = pl.Datetime("us", "UTC")
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999 in UTC, the only ones that a calendar has a name for; polars stops the program at far later."""
ROW = "__row__"
"""Column that numbers the rows of a file from 0, comments not counted."""
MORE = "__more__"
"""Column that is null unless the row had more fields than the header names."""
COLUMN = "__column__"
"""Column of the long form that names the column of the table from which a value came."""
UNNAMED = "__unnamed_"
"""Beginning of the name that a column without one is given."""
HEAD_ROWS = 1_000
"""Rows from which layout and kind of time axis are decided."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The form in which a table is written; the names are those of the settings of a csv source."""

    format: str = "auto"
    """`csv`, `parquet`, `ndjson`, or `auto`: by the file's ending, csv if it is none of the others."""
    layout: str = "auto"
    """`long` (one observation per row), `wide` (one column per series), `auto`: long if it has both columns."""
    time_column: str = "time"
    series_column: str = "series"
    value_column: str = "value"
    by: tuple[str, ...] = ()
    """Columns whose texts come before the series' name: `peter/ph`."""
    columns: tuple[str, ...] | None = None
    """Wide layout: the columns that are series; None = all that hold numbers."""
    time_format: str | None = None
    """strftime; None = ISO 8601; `%s` = seconds since 1970 UTC."""
    time_zone: str = "UTC"
    """Of time stamps without an offset."""
    encoding: str = "utf-8"
    separator: str = ","
    decimal: str = "."
    comment: str | None = "#"
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null")


def number(cell: pl.Expr, dtype: pl.DataType, decimal: str) -> pl.Expr:
    """A cell as Float64, null where it is not a number."""
    if dtype != pl.String:
        return cell.cast(pl.Float64, strict=False)
    text = cell.str.strip_chars()
    if decimal == ",":
        # A point would be a mark of thousands, which cannot be told from a decimal point: refused.
        text = pl.when(~text.str.contains(".", literal=True)).then(text.str.replace(",", ".", literal=True))
    return text.cast(pl.Float64, strict=False)


def instant(cell: pl.Expr, dtype: pl.DataType, options: TableOptions) -> pl.Expr:
    """A cell as Datetime in microseconds UTC, null where it is not a time of the years 1 to 9999.

    A naive time that a change of the clocks makes happen twice is the first of the two; a skipped one is null.
    """
    return _keep_nameable(_parse_instant(_keep_nameable(cell, dtype), dtype, options), _UTC_US)


def _keep_nameable(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A cell, null where it is a stamp outside of the years 1 to 9999, which casts and texts do not survive."""
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "ns":  # nanoseconds cannot leave these years
        unit_us = 1_000 if dtype.time_unit == "ms" else 1
    elif dtype == pl.Date:
        unit_us = 86_400_000_000
    else:
        return cell
    return pl.when(cell.to_physical().is_between(_FIRST_US // unit_us, _LAST_US // unit_us)).then(cell)


def stamp_text(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A time cell as text for a message, whatever it holds."""
    text = _keep_nameable(cell, dtype).cast(pl.String)
    if not isinstance(dtype, pl.Datetime | pl.Date):
        return text
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else "days"
    return pl.coalesce(text, cell.to_physical().cast(pl.String) + f" {unit} since 1970")


def _parse_instant(cell: pl.Expr, dtype: pl.DataType, options: TableOptions) -> pl.Expr:
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return cell.dt.cast_time_unit("us").dt.convert_time_zone("UTC")
    if dtype in (pl.Datetime, pl.Date):
        return _to_utc(cell.cast(pl.Datetime("us")), options.time_zone)
    if options.time_format == "%s":
        seconds = number(cell, dtype, options.decimal)
        return (pl.when(seconds.abs() < 2.5e11).then(seconds) * 1e6).round().cast(pl.Int64).cast(_UTC_US)
    if dtype != pl.String:
        return pl.lit(None, _UTC_US)
    if options.time_format is None:
        # A function of whole columns: as one expression, the search for the parts would run once for every part.
        return cell.map_batches(
            lambda cells: _parse_iso(cells, options.time_zone), return_dtype=_UTC_US, is_elementwise=True
        )
    parsed = cell.str.strip_chars().str.to_datetime(options.time_format, time_unit="us", strict=False)
    if any(mark in options.time_format for mark in ("%z", "%:z", "%#z")):
        return parsed.dt.convert_time_zone("UTC")
    return _to_utc(parsed, options.time_zone)


def _parse_iso(cells: pl.Series, time_zone: str) -> pl.Series:
    """ISO 8601: `2020-01`, a date, or a date and time of day, with or without an offset from UTC."""
    parts = cells.str.extract_groups(_ISO).struct.unnest()
    hour, minute, second = (pl.col(name).cast(pl.Int64).fill_null(0) for name in ("hour", "minute", "second"))
    fraction = pl.col("fraction").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    date = (pl.col("date") + pl.col("day").fill_null("-01")).str.to_date("%Y-%m-%d", strict=False)
    time_of_day = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
    on_the_clock = (hour < 24) & (minute < 60) & (second < 60)
    naive = pl.when(on_the_clock).then(date.cast(pl.Int64) * 86_400_000_000 + time_of_day)
    digits = pl.col("offset").str.replace(":", "", literal=True).str.slice(1).str.pad_end(4, "0")
    east = (digits.str.slice(0, 2).cast(pl.Int64) * 60 + digits.str.slice(2, 2).cast(pl.Int64)) * 60_000_000
    sign = pl.col("offset").str.slice(0, 1).replace_strict({"+": 1, "-": -1}, default=0, return_dtype=pl.Int64)
    return (
        parts.lazy()
        .with_columns(naive.alias("naive"))
        .select(
            pl.when(pl.col("offset").is_null())
            .then(_to_utc(pl.col("naive").cast(pl.Datetime("us")), time_zone))
            .otherwise((pl.col("naive") - sign * east.fill_null(0)).cast(_UTC_US))
        )
        .collect()
        .to_series()
    )


def _to_utc(naive: pl.Expr, time_zone: str) -> pl.Expr:
    local = naive.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")
