"""Long or wide: which columns of a table are time, series and values; any table as series, time, value."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import number
from sentinel.tables.options import COLUMN, HEAD_ROWS, MORE, ROW, UNNAMED, TableOptions

_CELL = "__cell__"


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a table by their part."""

    time: str
    series: str | None
    """Long layout: the column that names the series."""
    values: tuple[str, ...]
    """Long layout: one; wide layout: one per series."""
    by: tuple[str, ...]
    left_out: tuple[str, ...]
    """Wide layout: columns of text, which are no series."""


def shape_of(head: pl.DataFrame, options: TableOptions, where: str) -> Shape:
    """Decide the layout from the columns and the first rows of a table.

    Raises
    ------
    DataError
        A column that is needed is not there, or the table has no column that could be a series.
    """
    names = [name for name in head.columns if name not in (ROW, MORE)]
    _require(names, options.time_column, "time", where)
    for name in options.by:
        _require(names, name, "by", where)
    has_long = options.series_column in names and options.value_column in names
    if options.layout == "long" or (options.layout == "auto" and has_long):
        _require(names, options.series_column, "series", where)
        _require(names, options.value_column, "value", where)
        return Shape(options.time_column, options.series_column, (options.value_column,), options.by, ())
    return _wide(head, names, options, where)


def long_form(
    table: pl.LazyFrame,
    options: TableOptions,
    where: str = "table",
    shape: Shape | None = None,
    carry: tuple[str, ...] = (),
) -> pl.LazyFrame:
    """Bring a table to one row per observation: series, time, value as they came; `ROW`, `COLUMN`, `MORE`, `carry`.

    The rows of a wide table come column by column within each piece that was read, not in the order of time.
    """
    schema = table.collect_schema()
    if shape is None:
        shape = shape_of(table.head(HEAD_ROWS).collect(), options, where)
    if ROW not in schema:
        table = table.with_row_index(ROW)
    more = pl.col(MORE) if MORE in schema else pl.lit(None, pl.String).alias(MORE)
    prefix = pl.lit("")
    for name in shape.by:
        prefix = prefix + _name(name) + "/"
    common: list[str | pl.Expr] = [ROW, more, pl.col(shape.time).alias("time"), *carry]
    if shape.series is not None:
        own = (prefix + _name(shape.series)).alias("series")
        return table.select(*common, own, pl.col(shape.values[0]).alias("value"), pl.lit(shape.values[0]).alias(COLUMN))
    types = {schema[name] for name in shape.values}
    cells = pl.col(shape.values) if len(types) == 1 else pl.col(shape.values).cast(_common(types))
    # The parts get names that no column of a table has, so that none is taken for another while unfolding.
    index = (ROW, MORE, "__time__", "__prefix__", *carry)
    return (
        table.select(*common, prefix.alias("__prefix__"), cells.name.prefix(_CELL))
        .rename({"time": "__time__"})
        .unpivot(on=[_CELL + name for name in shape.values], index=index, variable_name=COLUMN, value_name="value")
        .with_columns(pl.col(COLUMN).str.strip_prefix(_CELL))
        .select(
            ROW,
            MORE,
            pl.col("__time__").alias("time"),
            *carry,
            (pl.col("__prefix__") + pl.col(COLUMN)).alias("series"),
            "value",
            COLUMN,
        )
    )


def _wide(head: pl.DataFrame, names: list[str], options: TableOptions, where: str) -> Shape:
    taken = (options.time_column, *options.by)
    if options.columns is not None:
        for name in options.columns:
            _require(names, name, "columns", where)
        return Shape(options.time_column, None, options.columns, options.by, ())
    free = [name for name in names if name not in taken and not name.startswith(UNNAMED)]
    texts = tuple(name for name in free if _is_text(head[name], options))
    values = tuple(name for name in free if name not in texts)
    if not values:
        raise DataError(
            f"{where}: no column of numbers beside {_listed(list(taken))}; columns are {_listed(names)}; "
            "is `separator` or `decimal` right?"
        )
    if texts and not options.by and head[options.time_column].drop_nulls().is_duplicated().any():
        raise DataError(
            f"{where}: times repeat and column {texts[0]!r} holds text; if it tells series apart, say so "
            f"with by: [{texts[0]}], or --by {texts[0]} on the command line, "
            f"else choose the series with columns: [{', '.join(values[:3])}]"
        )
    return Shape(options.time_column, None, values, options.by, texts)


def _is_text(cells: pl.Series, options: TableOptions) -> bool:
    """Whether a column holds something, and none of it is a number."""
    if cells.dtype.is_numeric() or cells.dtype in (pl.Boolean, pl.Null):
        return False
    if cells.dtype != pl.String:
        return True
    cells = cells.drop_nulls().str.strip_chars()
    cells = cells.filter(~cells.is_in(options.missing))
    numbers = cells.to_frame().select(number(pl.col(cells.name), pl.String(), options.decimal)).to_series()
    return bool(cells.len()) and numbers.null_count() == cells.len()


def _common(types: set[pl.DataType]) -> pl.DataType:
    return pl.Float64() if all(dtype.is_numeric() or dtype == pl.Boolean for dtype in types) else pl.String()


def _name(column: str) -> pl.Expr:
    """Text of a naming column; null where it is empty."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def _require(names: list[str], wanted: str, part: str, where: str) -> None:
    if wanted in names:
        return
    option = part if part in ("by", "columns") else f"{part}_column"
    # `columns` is an option of a csv source only.
    flag = "" if part == "columns" else f", or --{option.replace('_', '-')} on the command line"
    hint = "; is `separator` right?" if len(names) == 1 else ""
    raise DataError(
        f"{where}: no column {wanted!r}; columns are {_listed(names)}; say which it is with {option}{flag}{hint}"
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(name for name in names[:12] if not name.startswith("__"))
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
