"""The layout of a table: a long one has a column that names the series, a wide one a column for each."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.apart import lacks_half_day, tell_apart
from sentinel.tables.cells import (
    MORE,
    ROW,
    UNNAMED,
    TableOptions,
    matches,
    number,
)  # fmt: skip
from sentinel.tables.columns import is_flag
from sentinel.tables.named import is_text, list_names, refuse_unmatched, require

_FIRST_ROWS = 20


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

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that tell the series of one row from that of another."""
        return (*self.by, *((self.series,) if self.series is not None else ()))


def refuse_wildcards(names: Iterable[str], where: str) -> None:
    """Raise DataError for a name that polars would take for other columns too."""
    for name in names:
        if name == "*" or (name.startswith("^") and name.endswith("$")):
            raise DataError(f"{where}: a column is named {name!r}, which stands for any of them; give it another name")


def find_shape(head: pl.DataFrame, options: TableOptions, where: str) -> Shape:
    """Decide the layout from the columns and the first rows of a table.

    Raises DataError: a column that is needed is not there, or the table has no column that could be a series.
    """
    names = [name for name in head.columns if name not in (ROW, MORE)]
    refuse_wildcards(names, where)
    for name in options.time_columns:
        require(names, name, "time", where)
    for name in options.by:
        require(names, name, "by", where)
    refuse_unmatched(names, options, where)
    has_long = options.series_column in names and options.value_column in names
    if options.layout == "long" or (options.layout == "auto" and has_long):
        require(names, options.series_column, "series", where)
        require(names, options.value_column, "value", where)
        return Shape(options.time_name, options.series_column, (options.value_column,), options.by, ())
    return _find_wide_shape(head, names, options, where)


def _find_wide_shape(head: pl.DataFrame, names: list[str], options: TableOptions, where: str) -> Shape:
    taken = tuple(dict.fromkeys((*options.time_columns, options.time_name, *options.by)))
    if options.columns is not None:
        for name in options.columns:
            require(names, name, "columns", where)
        return Shape(options.time_name, None, options.columns, options.by, ())
    free = [name for name in names if name not in taken and not name.startswith(UNNAMED)]
    excluded = {n for n in free if any(matches(n, one) for one in options.exclude) or is_flag(n, options.flags)}
    free = [name for name in free if name not in excluded]
    texts = tuple(find_texts(head, free, options))
    values = tuple(name for name in free if name not in texts)
    if not values:
        cell = next((f"; {name!r} holds {head[name].drop_nulls()[0]!r:.40}" for name in texts), "")
        hint = "is `separator` or `decimal` right? " if is_text(where) else ""
        raise DataError(
            f"{where}: no column of numbers beside {list_names(list(taken))}; columns are {list_names(names)}{cell}; "
            f"{hint}a cell holds a number without its unit"
        )
    # A line of names that a logger wrote again is no row.
    is_string = head[options.time_name].dtype == pl.String
    head = head.filter(pl.col(options.time_name) != options.time_name) if is_string else head
    if not options.by and head[options.time_name].drop_nulls().is_duplicated().any():
        _refuse_repeats(head, texts, [name for name in names if name not in (*taken, *texts)], values, options, where)
    return Shape(options.time_name, None, values, options.by, texts)


def _refuse_repeats(
    head: pl.DataFrame, texts: Sequence[str], numbers: Sequence[str], values: Sequence[str], options: TableOptions,
    where: str,
) -> None:  # fmt: skip
    """Raise DataError where times repeat and columns tell the rows apart, or hold text that may."""
    by = tell_apart(head, options.time_name, texts, numbers)
    if not by and lacks_half_day(head, options):
        raise DataError(
            f"{where}: times of column {options.time_name!r} have hours 1 to 12 only and fall back behind each 12: "
            "AM and PM are missing, so that afternoons are taken for mornings; write them, or hours from 0 to 23; if "
            f"the times are right as they stand, choose the series with columns: [{', '.join(values[:3])}]"
        )
    if not by and not texts:
        times = head[options.time_name].drop_nulls()
        read = head.select(number(pl.col(options.time_name), times.dtype, options)).to_series()
        if options.time_format is None and times.n_unique() < times.len() / 2 and read.null_count() < read.len() / 2:
            most = times.value_counts(sort=True).row(0)
            raise DataError(
                f"{where}: column {options.time_name!r} is taken as the time and has the same number in most rows "
                f"({most[0]} x{most[1]:,}); name all columns that make the time, in order: --time-column "
                f"{shlex.quote(options.time_name)} --time-column ..., with --time-format"
            )
        return
    told = by or texts[:1]
    what = f"{' and '.join(map(repr, told))} {'tell' if len(told) > 1 else 'tells'} the rows apart"
    what = what if by else f"column {texts[0]!r} holds text"
    flags = " ".join(f"--by {shlex.quote(name)}" for name in told)
    others = [name for name in values if name not in told]
    raise DataError(
        f"{where}: times repeat and {what}; if {'they name' if len(told) > 1 else 'it names'} series, say so "
        f"with by: [{', '.join(told)}], or {flags} on the command line, else choose the series with "
        f"columns: [{', '.join(others[:3])}]"
    )


def find_texts(head: pl.DataFrame, names: Sequence[str], options: TableOptions) -> list[str]:
    """Find the columns that hold something, and no number at all."""
    kinds = head.schema
    texts = [name for name in names if kinds[name] == pl.String]
    found = {n for n in names if not (kinds[n].is_numeric() or kinds[n] in (pl.Boolean, pl.Null, pl.String))}
    if texts:
        own = dict(zip(head.columns, head.get_columns(), strict=True))  # a column looked up by name costs their number
        # The first rows tell of most columns that they hold numbers; the others are looked at as a whole.
        _, numeric = _tell([own[name].head(_FIRST_ROWS) for name in texts], options)
        untold = [name for name, one in zip(texts, numeric, strict=True) if not one]
        if untold:
            told = zip(untold, *_tell([own[name] for name in untold], options), strict=True)
            found |= {name for name, some, one in told if some and not one}
    return [name for name in names if name in found]


def _tell(columns: Sequence[pl.Series], options: TableOptions) -> tuple[list[bool], list[bool]]:
    """Tell of each of these columns of text, of equal length, if it holds something, and if it holds a number.

    All their cells are one column: an expression for each of them took most of the time of a wide table's first read.
    """
    cell = pl.col("cell")
    known = ~cell.str.strip_chars().is_in(options.missing)  # null where empty
    is_number = number(cell, pl.String(), options).is_not_null() & known
    cells = pl.DataFrame({"cell": pl.concat(columns)})
    found = cells.select(known.fill_null(False), is_number.fill_null(False).alias("number"))
    some, numeric = (
        [bool(one.any()) for one in found[name].to_numpy().reshape(len(columns), -1)] for name in found.columns
    )
    return some, numeric
