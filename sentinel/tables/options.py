"""How a table is written; the names are those of the settings of a csv source."""

from __future__ import annotations

from dataclasses import dataclass

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
    """How a table is written; see the settings of a csv source for each."""

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
