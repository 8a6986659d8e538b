"""The options of a table, and one cell of it as a number; null where it is none."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, TypeAlias

import polars as pl

Axis: TypeAlias = Literal["time", "number"]
"""Unit of the time column: instants, or steps of any length."""
ROW = "__row__"
"""Column that numbers the rows of a file from 0, comments not counted."""
MORE = "__more__"
"""Column that is null unless the row had more fields than the header names."""
COLUMN = "__column__"
"""Column of the long form that names the column of the table from which a value came."""
UNNAMED = "__unnamed_"
"""Beginning of the name that a column without one is given."""
STATES = ("unavailable", "unknown")
"""Texts that home automation writes in place of a number; in a column of names they are names."""
HEAD_ROWS = 1_000
"""Rows from which layout and kind of time axis are decided."""
WHITESPACE = "whitespace"
"""The separator of columns that any number of blanks and tabs keep apart."""
ASKED_UTC = "Etc/UTC"
"""UTC that someone asked for: a zone in the name of the times does not take its place, as it does of the default."""
MINUS = "\u2212\u2013"
"""Dashes that programs which write as printers do put before a number: the minus sign and the en dash."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The form in which a table is written; the names are those of the settings of a csv source."""

    dialect: str = "auto"
    """Name of a kind of file; `auto`: recognised by its first lines; `none`: the options alone say it."""
    format: str = "auto"
    """`csv`, `parquet`, `ndjson`, `json`, `xlsx`, `xle`, `netcdf`; `auto`: by the file's ending, csv by any other."""
    layout: str = "auto"
    """`long` (one observation per row), `wide` (one column per series), `months` (a row for each year), `auto`."""
    sheet: str | None = None
    """Of a spreadsheet; None = the first that is not empty."""
    time_column: str | tuple[str, ...] = "time"
    """Several are joined with a blank: a date and a time of day, or year, month and day."""
    series_column: str = "series"
    value_column: str = "value"
    by: tuple[str, ...] = ()
    """Columns whose texts come before the series' name: `peter/ph`."""
    keep_labels: bool = False
    """They are labels: `ph{lake="peter"}`."""
    columns: tuple[str, ...] | None = None
    """Wide layout: the columns that are series; None = all that hold numbers."""
    exclude: tuple[str, ...] = ()
    """Wide layout: columns that are no series; a `*` stands for any text."""
    time_format: str | None = None
    """strftime, or a name of `times.NUMBERS`; None = ISO 8601; `%s` = seconds since 1970 UTC."""
    time_zone: str = "UTC"
    """Of time stamps without an offset."""
    time_direction: str | None = None
    """Of a time column of numbers: `forward` grows towards the present, `backward` counts ages before it."""
    encoding: str = "utf-8"
    separator: str = ","
    """One character, or `whitespace`."""
    decimal: str = "."
    thousands: str | None = None
    comment: str | None = "#"
    names: tuple[str, ...] = ()
    """Names of the columns, in order, of a table that has no line of names."""
    skip_rows: int = 0
    """Lines before the header."""
    unit_rows: int = 0
    """Lines between the header and the first row: units, types."""
    fill_down: tuple[str, ...] = ()
    """Columns of which a row that has none of them takes the cells of the row above, as merged cells have."""
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null")
    """Texts that mean no value; a number stands for every spelling of it, and `ph=99` is a mark of one column."""
    below_detection: str | None = None
    """The meaning of `<0.5`: `half` of the limit, the `limit`, or `missing`; None = it is not a number."""
    trailing: tuple[str, ...] = ()
    """Marks behind a number that do not change it: `*` in `7.00*`."""
    flags: tuple[str, ...] = ()
    """`*_qual=0,1`: flag columns, named after the column they judge, and the codes that mean good."""
    transform: tuple[str, ...] = ()
    """`rain=difference`, `chl=log`: what a column becomes before it is a series."""

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The columns that hold the time."""
        return (self.time_column,) if isinstance(self.time_column, str) else self.time_column

    @property
    def time_name(self) -> str:
        """Name of the time column, joined where it is several."""
        return " ".join(self.time_columns)


def number(cell: pl.Expr, dtype: pl.DataType, options: TableOptions) -> pl.Expr:
    """A cell as Float64, null where it is not a number."""
    if dtype in (pl.Categorical, pl.Enum):
        return pl.lit(None, pl.Float64)
    if dtype != pl.String:
        return cell.cast(pl.Float64, strict=False)
    text = cell.str.strip_chars()
    if options.trailing:
        text = pl.coalesce(text.str.extract(marked(options), 1), text)
    if options.below_detection is None:
        return _plain_number(text, options)
    limit = _plain_number(text.str.strip_prefix("<"), options)
    share = {"half": 0.5, "limit": 1.0, "missing": math.nan}[options.below_detection]
    return pl.when(text.str.starts_with("<")).then(limit * share).otherwise(limit)


def marked(options: TableOptions) -> str:
    """Give the pattern of a number with one of the marks behind it."""
    marks = "|".join(map(re.escape, sorted(options.trailing, key=len, reverse=True)))
    return rf"^(.*\d[.,]?)\s*({marks})$"


def as_text(cell: pl.Expr, dtype: pl.DataType, options: TableOptions) -> pl.Expr:
    """A cell as text that `number` reads back: the number of a typed column gets the decimal mark of the options."""
    text = cell.cast(pl.String)
    return text.str.replace(".", options.decimal, literal=True) if dtype.is_float() else text


def _plain_number(text: pl.Expr, options: TableOptions) -> pl.Expr:
    decimal, thousands = options.decimal, options.thousands
    for dash in MINUS:
        text = text.str.replace_all(dash, "-", literal=True)
    if thousands is not None:
        mark = re.escape(thousands)
        # Groups of three only: a mark elsewhere is a slip, or the number is written in another way.
        grouped = text.str.contains(
            rf"^[+-]?(\d{{1,3}}({mark}\d{{3}})+|\d+)?({re.escape(decimal)}\d*)?([eE][+-]?\d+)?$"
        )
        text = pl.when(grouped).then(text.str.replace_all(thousands, "", literal=True))
    elif decimal == ",":
        # A point would be a mark of thousands, which cannot be told from a decimal point: refused.
        text = pl.when(~text.str.contains(".", literal=True)).then(text)
    if decimal == ",":
        text = text.str.replace(",", ".", literal=True)
    return text.cast(pl.Float64, strict=False)


def number_twins(names: Sequence[str]) -> list[str]:
    """Number the columns that share a name, in order: `ANOM`, `ANOM (2)`; those without one are `UNNAMED`."""
    numbered: set[str] = set()
    twins: list[str] = []
    for at, given in enumerate(names):
        # Columns without a name are indices that spreadsheets and data frames write; they are never series.
        name = given or f"{UNNAMED}{at}__"
        twin = next(one for n in count(1) if (one := name if n == 1 else f"{name} ({n})") not in numbered)
        numbered.add(twin)
        twins.append(twin)
    return twins


def without_number(name: str) -> str:
    """Give the name that twins share: of `flag (2)`, or `flag.1` of pandas, it is `flag`."""
    return re.sub(r"( \(\d+\)|\.\d+)$", "", name)


def without_unit(name: str) -> str:
    """Give a name without the brackets at its end: `TEMP (degree_C)` is `TEMP`."""
    return re.sub(r"\s*[\[(][^\[\]()]*[\])]\s*$", "", name)


def matches(name: str, pattern: str) -> bool:
    """True if a column has this name, or one that the pattern with `*` fits; brackets stand for themselves."""
    return name == pattern or re.fullmatch(pattern_regex(pattern), name) is not None


def pattern_regex(pattern: str) -> str:
    """Give a pattern with `*` as a regular expression."""
    return re.escape(pattern).replace(r"\*", ".*")


@dataclass(frozen=True, slots=True)
class MissingMarks:
    """Marks of a missing value, of all columns and of single ones."""

    texts: tuple[str, ...]
    numbers: tuple[float, ...]
    by_column: tuple[tuple[str, str], ...]
    """Column and mark."""

    @classmethod
    def of(cls, options: TableOptions) -> MissingMarks:
        """Read the marks as the options write them."""
        split = [mark.rpartition("=") for mark in options.missing]
        common = tuple(mark for column, _, mark in split if not column)
        numbers = tuple(n for mark in common if (n := _finite(mark)) is not None)
        return cls(common, numbers, tuple((column, mark) for column, _, mark in split if column))

    def holds(self, value: pl.Expr, dtype: pl.DataType, as_number: pl.Expr, column: pl.Expr) -> pl.Expr:
        """True where a cell is missing: `value` as it came, `as_number`, and the name of its column."""
        missing = value.is_null()
        text = value.str.strip_chars() if dtype == pl.String else None
        missing |= text.is_in(list(self.texts)) if text is not None else as_number.is_nan().fill_null(False)
        if self.numbers:
            missing |= as_number.is_in(list(self.numbers)).fill_null(False)
        for name, mark in self.by_column:
            here = column == name
            if (as_float := _finite(mark)) is not None:
                missing |= here & (as_number == as_float).fill_null(False)
            elif text is not None:
                missing |= here & (text == mark)
        return missing


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
