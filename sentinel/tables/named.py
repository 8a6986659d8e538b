"""Columns that options name: an option that fits no column of the table is refused, as it would change nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.domain.errors import DataError
from sentinel.tables.cells import MissingMarks, TableOptions, matches, without_unit

_DEFAULT = TableOptions()


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


def require(names: Sequence[str], wanted: str, part: str, where: str) -> None:
    """Raise DataError where the column that an option names is not there."""
    if wanted in names:
        return
    option = part if part in ("by", "columns") else f"{part}_column"
    flag = f", or --{option.replace('_', '-')} on the command line"
    hint = "; is `separator` right?" if len(names) == 1 and is_text(where) else ""
    raise DataError(
        f"{where}: no column {wanted!r}; columns are {list_names(names)}; say which it is with {option}{flag}{hint}"
    )


def _refuse(option: str, written: str, wanted: str, names: Sequence[str], where: str, more: str = "") -> None:
    raise DataError(
        f"{where}: {option}: {written!r} names nothing: there is no column {wanted!r}{more}; columns are "
        f"{list_names(names)}; correct or leave out {option}, or --{option} on the command line"
    )


def list_names(names: Sequence[str]) -> str:
    """Write the first names of columns for a message."""
    shown = ", ".join(name for name in names[:12] if not name.startswith("__"))
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
