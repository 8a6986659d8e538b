"""A sheet of a spreadsheet (.xlsx) as a table; its library is imported when such a file is read."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import TypeAlias

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import MORE, ROW, TableOptions, number_twins

Cell: TypeAlias = int | float | str | bool | time | date | datetime | timedelta


def read_sheet(path: Path, options: TableOptions) -> pl.DataFrame:
    """Read the first sheet that is not empty; columns of one kind of cell keep their type, others are text.

    `ROW` is the number of the row in the sheet, from 0. DataError: no spreadsheet, or no cell in it.
    """
    first, rows = _from_names(path, options)
    if not rows:
        raise DataError(f"{path}: no sheet has a header line and rows; at least one row is needed")
    if options.names:
        first, rows = first - 1, [list(options.names), *([*row[: len(options.names)]] for row in rows)]
    names = number_twins([*map(_text, rows[0])])
    above = 1 + options.unit_rows
    body = {first + n: row for n, row in enumerate(rows[above:], above) if any(map(_text, row))}
    columns = [_column(name, [row[n] for row in body.values()], options) for n, name in enumerate(names)]
    numbers = pl.Series(ROW, list(body), dtype=pl.UInt32)
    return pl.DataFrame([numbers, *columns]).with_columns(pl.lit(None, pl.String).alias(MORE))


def count_titles(path: Path, sheet: str | None = None) -> int:
    """Count the rows above the names: blank ones, and titles of a single cell."""
    rows = sheet_rows(path, sheet)
    filled = [sum(map(bool, map(_text, row))) for row in rows]
    return next((n for n, cells in enumerate(filled) if cells > 1), 0)


def first_texts(path: Path, options: TableOptions, count: int) -> list[list[str]]:
    """Read the first rows of a sheet as texts, from that of the names on."""
    return [list(map(_text, row)) for row in _from_names(path, options)[1][:count]]


def _from_names(path: Path, options: TableOptions) -> tuple[int, list[list[Cell]]]:
    """The rows of a sheet from that of the names on, and the number of this one in the sheet, from 0."""
    rows = sheet_rows(path, options.sheet)
    below = range(options.skip_rows, len(rows))
    first = next((n for n in below if any(map(_text, rows[n]))), len(rows))
    return first, rows[first:]


def sheet_rows(path: Path, sheet: str | None = None) -> list[list[Cell]]:
    """Read the cells of a sheet, by default of the first that is not empty; DataError where there is none."""
    sheets = _sheets(path)
    if sheet is not None and sheet not in sheets:
        raise DataError(
            f"{path}: no sheet {sheet!r}; its sheets are {', '.join(map(repr, sheets))}; say it with --sheet"
        )
    return sheets[sheet] if sheet is not None else next((rows for rows in sheets.values() if rows), [])


def filled_sheets(path: Path) -> list[str]:
    """Name the sheets that are not empty."""
    return [name for name, rows in _sheets(path).items() if rows]


def forget_sheets() -> None:
    """Let go of the workbook that is kept while a file is recognised and read."""
    _read_book.cache_clear()


def _sheets(path: Path) -> dict[str, list[list[Cell]]]:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; the file must be readable") from error
    return _read_book(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1)
def _read_book(path: Path, *_state: int) -> dict[str, list[list[Cell]]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(path)
        return {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names}
    except (CalamineError, OSError) as error:
        raise DataError(f"{path}: not a readable spreadsheet ({error}); .xlsx is read") from error


def _column(name: str, cells: list[Cell], options: TableOptions) -> pl.Series:
    """Give cells of one kind their type; where kinds are mixed, all become text."""
    kinds = {type(cell) for cell in cells if cell != ""}
    known = [None if cell == "" else cell for cell in cells]
    if kinds <= {int, float} and kinds:
        return pl.Series(name, known, dtype=pl.Float64, strict=False)
    if kinds and kinds <= {datetime, date}:
        whole = [datetime.combine(c, time()) if type(c) is date else c for c in known]
        return pl.Series(name, whole, dtype=pl.Datetime("us"))
    # The texts of a column that names series are shown as they are, and never read as numbers.
    write = _text if name in (*options.by, options.series_column) else _exact
    return pl.Series(name, [write(cell) or None for cell in cells], dtype=pl.String)


def _exact(cell: Cell) -> str:
    """Write a number as `12042e-3`: the marks of decimals and thousands, which are for texts, do not change it."""
    if not isinstance(cell, float) or cell.is_integer() or not isfinite(cell):
        return _text(cell)
    sign, digits, exponent = Decimal(repr(cell)).as_tuple()
    return f"{'-' if sign else ''}{''.join(map(str, digits))}e{exponent}"


def _text(cell: Cell) -> str:
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    if isinstance(cell, float):
        return f"{cell:.15g}"
    return str(cell).strip()
