"""The layout of a table: a long one has a column that names the series, a wide one a column for each.

An option that names no column of the table is refused: it would change nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import MORE, ROW, UNNAMED, MissingMarks, TableOptions, matches, number, without_unit
from sentinel.tables.columns import is_flag
from sentinel.tables.decimals import texts_of
from sentinel.tables.long_tables import lacks_half_day, may_name, tell_apart

_FIRST_ROWS = 20
_CLOCK = re.compile(r"\d{1,2}[:.hH]\d{2}([:.]\d{2})?(\.\d+)?( ?[AaPp]\.? ?([Mm]\.?)?)?")
"""A time of day, in other forms than those that are recognised too: 9:00a, 09.15, 9h15."""
_HOUR = re.compile(r"([01]?\d|2[0-4])([0-5]\d){0,2}")
"""Hours, with minutes and seconds or without, as a number: 7, 0700, 2400, 130000."""
_HALF_DAY = re.compile(r"[AaPp]\.? ?[Mm]\.?")
_CLOCK_NAMES = re.compile("time|zeit|uhr|hora|heure|hour|stunde|clock|hhmm")
_DEFAULT = TableOptions()


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


def list_columns(head: pl.DataFrame, options: TableOptions, where: str) -> list[str]:
    """List the columns of a table; the number of a row, from 0, is one in a text file whose time it is asked to be."""
    is_time = options.time_column == ROW and _is_file_of_text(where)
    return [name for name in head.columns if name not in (ROW, MORE) or (is_time and name == ROW)]


def find_shape(head: pl.DataFrame, options: TableOptions, where: str) -> Shape:
    """Decide the layout from columns and first rows; DataError where a column is missing, or none could be a series."""
    names = list_columns(head, options, where)
    refuse_wildcards(names, where)
    for name in options.time_columns:
        require(names, name, "time", where, _say_steps(head, names, options, where) if name not in names else "")
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
    keys = head.select(options.time_name, *options.by).filter(pl.col(options.time_name).is_not_null())
    if keys.is_duplicated().any():
        _refuse_repeats(head, texts, [name for name in names if name not in (*taken, *texts)], values, options, where)
    return Shape(options.time_name, None, values, options.by, texts)


def _refuse_repeats(
    head: pl.DataFrame, texts: Sequence[str], numbers: Sequence[str], values: Sequence[str], options: TableOptions,
    where: str,
) -> None:  # fmt: skip
    """Raise DataError where times repeat and columns tell the rows apart, or hold text that may."""
    by = () if options.by else tell_apart(head, options.time_name, texts, numbers)
    by = () if set(by) >= set(values) else by  # a water level beside no other column is no place
    if not (by or options.by) and lacks_half_day(head, options):
        raise DataError(
            f"{where}: times of column {options.time_name!r} have hours 1 to 12 only and fall back behind each 12: "
            "AM and PM are missing, so that afternoons are taken for mornings; write them, or hours from 0 to 23; if "
            f"the times are right as they stand, choose the series with columns: [{', '.join(values[:3])}]"
        )
    told = by or tuple([name for name in texts if head[name].drop_nulls().n_unique() > 1] or texts)[:1]
    clock = _find_clock(head, told, texts, numbers, options)
    if options.by and (clock is None or not _tells_rows(head, clock, options)):
        return
    if clock is None and not told:
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
    if clock is not None:
        flags = _flags("time-column", (*options.time_columns, clock))
        may_be = bool(told) and not options.by and may_name(head, clock)
        named = f"; if it names series: {_flags('by', told)}" * may_be
        raise DataError(
            f"{where}: times of column {options.time_name!r} repeat, and {clock!r} holds times of day "
            f"({head[clock].drop_nulls()[0]}); say so with {flags}, and --time-format with the letters of strftime if "
            f"they are in no known form{named}; if neither, choose the series with columns: [{', '.join(values[:3])}]"
        )
    what = f"{' and '.join(map(repr, told))} {'tell' if len(told) > 1 else 'tells'} the rows apart"
    what = what if by else f"column {told[0]!r} holds text"
    flags = _flags("by", told)
    others = [name for name in values if name not in told]
    raise DataError(
        f"{where}: times repeat and {what}; if {'they name' if len(told) > 1 else 'it names'} series, say so "
        f"with by: [{', '.join(told)}], or {flags} on the command line, else choose the series with "
        f"columns: [{', '.join(others[:3])}]"
    )


def _find_clock(
    head: pl.DataFrame, told: Sequence[str], texts: Sequence[str], numbers: Sequence[str], options: TableOptions
) -> str | None:
    """Name the column that holds times of day, which rows of one date lack."""
    for form in (_CLOCK, _HALF_DAY):
        clock = next((name for name in told if name in texts and _are_clocks(head[name], options, form)), None)
        if clock is not None:
            return clock
    clocks = [name for name in numbers if _CLOCK_NAMES.search(name.lower())]
    clock = next((name for name in clocks if _are_clocks(head[name], options)), None)  # 09.15 is a number too
    if clock is not None:
        return clock
    apart = (name for name in clocks if _tells_rows(head, name, options))
    return next((name for name in apart if _are_clocks(head[name], options, _HOUR)), None)


def _tells_rows(head: pl.DataFrame, name: str, options: TableOptions) -> bool:
    """True of a column with which no time of a series comes twice."""
    rows = head.filter(pl.col(options.time_name).is_not_null())
    return rows.select(options.time_name, *options.by, name).is_unique().all()


def _are_clocks(cells: pl.Series, options: TableOptions, form: re.Pattern[str] = _CLOCK) -> bool:
    texts = texts_of(cells, options).unique()
    return not texts.is_empty() and all(map(form.fullmatch, texts))


def _flags(option: str, names: Iterable[str]) -> str:
    return " ".join(f"--{option} {shlex.quote(name)}" for name in names)


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


def refuse_unmatched(names: Sequence[str], options: TableOptions, where: str) -> None:
    """Raise DataError where an option names, by itself or with a `*`, no column of a table.

    A transform is let through where the rows name the series, as it can be meant for one of them.
    """
    long = {"series": options.series_column, "value": options.value_column}
    given = [part for part, name in long.items() if name != getattr(_DEFAULT, f"{part}_column")]
    # Who names one of the two wants a long table, which needs both.
    for part in (*given, *(long if given and options.layout != "wide" else ())):
        require(names, long[part], part, where)
    for pattern in options.exclude:
        if not any(matches(name, pattern) for name in names):
            _refuse("exclude", pattern, pattern, names, where)
    wide = options.layout == "wide" or not set(long.values()) <= set(names)
    for column, mark in MissingMarks.of(options).by_column:
        # It may be a series: `peter/ph` with `by`, any name where the rows name the series.
        if wide and column not in (*names, options.time_name) and not (options.by and _ends_with_column(column, names)):
            _refuse("missing", f"{column}={mark}", column, names, where)
    for written in options.flags:
        pattern = written.rpartition("=")[0]
        flags = {pattern.replace("*", one) for name in names if pattern != "*" for one in (name, without_unit(name))}
        if flags.isdisjoint(names):
            judged = " whose * is the name of another" if "*" in pattern else ""
            _refuse("flags", written, pattern, names, where, judged)
    if wide:
        _refuse_transforms(names, options, where)


def _refuse_transforms(names: Sequence[str], options: TableOptions, where: str) -> None:
    for written in options.transform:
        pattern = written.rpartition("=")[0]
        # With `by` a `*` can stand for what is before the column.
        in_rows = bool(options.by) and ("*" in pattern or _ends_with_column(pattern, names))
        if not in_rows and not any(matches(name, pattern) for name in names):
            _refuse("transform", written, pattern, names, where)
    for name in names:
        fit = [written for written in options.transform if matches(name, written.rpartition("=")[0])]
        if len(fit) > 1:
            raise DataError(f"{where}: transform: column {name!r} has two, {' and '.join(fit)}; one is allowed")


def _ends_with_column(name: str, columns: Sequence[str]) -> bool:
    """Tell if a name is that of a series with `by`, such as `peter/ph`, of one of the columns."""
    return any(name.endswith(f"/{column}") for column in columns)


def is_text(where: str) -> bool:
    """True of a table, by its name in messages, that a separator cuts into columns: no spreadsheet, no Parquet."""
    return not where.lower().endswith((".xlsx", ".xle", ".parquet", ".pq", ".nc", ".nc4", ".cdf"))


def _is_file_of_text(where: str) -> bool:
    """True of a file whose rows are numbered from 0 to its end; of an address each answer begins anew."""
    return is_text(where) and "://" not in where


def _say_steps(head: pl.DataFrame, names: Sequence[str], options: TableOptions, where: str) -> str:
    """Say how rows of numbers without a time are read."""
    if not _is_file_of_text(where) or find_texts(head, names, options):
        return ""
    return f"; of rows without times, at equal steps: --time-column {ROW} --time-format '10 minutes since 2021-01-31'"


def require(names: Sequence[str], wanted: str, part: str, where: str, more: str = "") -> None:
    """Raise DataError where the column that an option names is not there."""
    if wanted in names:
        return
    option = part if part in ("by", "columns") else f"{part}_column"
    flag = f", or --{option.replace('_', '-')} on the command line"
    hint = "; is `separator` right?" if len(names) == 1 and is_text(where) else ""
    raise DataError(
        f"{where}: no column {wanted!r}; columns are {list_names(names)}; say which it is with "
        f"{option}{flag}{hint}{more}"
    )


def _refuse(option: str, written: str, wanted: str, names: Sequence[str], where: str, more: str = "") -> None:
    raise DataError(
        f"{where}: {option}: {written!r} names nothing: there is no column {wanted!r}{more}; columns are "
        f"{list_names(names)}; correct or leave out {option}, or --{option} on the command line"
    )


def list_names(names: Collection[str]) -> str:
    """Write the first names of columns for a message."""
    shown = ", ".join(name for name in islice(names, 12) if not name.startswith("__"))
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
