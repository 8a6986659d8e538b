"""Columns that say something about others: parts of the time, and flags of quality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from sentinel.tables.cells import MORE, ROW, TableOptions, as_text, matches, pattern_regex, without_number, without_unit
from sentinel.tables.months import unfold_months

FLAGGED = "__flagged__"
"""Text that stands in place of a value that its flag calls bad."""
PRESETS = {"qartod": ("1", "2")}
"""Names for codes that mean good; QARTOD: 1 is passed, 2 is not evaluated."""


def join_time(table: pl.LazyFrame, options: TableOptions) -> pl.LazyFrame:
    """Add the column of times where several columns of a table make it, their texts with a blank between.

    A table that is no file gets `ROW` and `MORE` too.
    """
    names = table.collect_schema().names()
    if ROW not in names:
        table = table.with_row_index(ROW)
    if MORE not in names:
        table = table.with_columns(pl.lit(None, pl.String).alias(MORE))
    if options.layout == "months":
        return unfold_months(table, options)
    parts = options.time_columns
    if filled := [name for name in options.fill_down if name in names]:
        table = _fill_down(table, filled)
    if len(parts) == 1 or not set(parts) <= set(names):
        return table
    schema = table.collect_schema()
    # `12:00:00.0` of a form without fractions too; but a date, 01.02.00, may have points.
    whole = r"[\d:]+" if options.time_format is not None and "f" not in options.time_format else r"\d+"
    whole = "0{9}" if "%H.%M" in (options.time_format or "") else whole  # 08.00 is eight o'clock
    texts = [_text_of(name, schema[name]).str.strip_chars().str.replace(rf"^({whole})\.0+$", "$1") for name in parts]
    return table.with_columns(pl.concat_str(texts, separator=" ").alias(options.time_name))


def _fill_down(table: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    has_some = pl.any_horizontal(pl.col(names).cast(pl.String).str.strip_chars() != "")
    return table.with_columns(pl.col(names).gather(pl.when(has_some).then(pl.int_range(pl.len())).forward_fill()))


def carry_down(
    rows: pl.DataFrame, above: Mapping[str, str], options: TableOptions
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Fill the rows of a piece of text down from the cells `above` it; give those of its last row too."""
    names = [name for name in options.fill_down if name in rows.columns]
    if not names or rows.is_empty():
        return rows, dict(above)
    first = pl.DataFrame([{name: above.get(name) for name in names}], schema=dict.fromkeys(names, pl.String()))
    filled = _fill_down(pl.concat([first, rows], how="diagonal").lazy(), names).collect()[1:].select(rows.columns)
    return filled, {name: text for name, text in filled[names].row(-1, named=True).items() if text is not None}


def note_durations(schema: Mapping[str, pl.DataType], options: TableOptions) -> list[str]:
    """Say which columns that are asked for hold spans of time, and so are read in seconds."""
    names = [name for name in options.columns or () if schema.get(name) == pl.Duration]
    return [f"spans of time, read in seconds: {', '.join(names)}"] if names else []


def flatten(table: pl.LazyFrame, options: TableOptions) -> pl.LazyFrame:
    """Give each field of a column of structs a column of its own, `meta.time`; lists and bytes as texts.

    Durations are texts too, but for those that are asked for, which are seconds.
    """
    schema = table.collect_schema()
    while any(isinstance(kind, pl.Struct) for kind in schema.values()):
        flat: dict[str, pl.Expr] = {}
        for name, kind in schema.items():
            if isinstance(kind, pl.Struct):
                for one in kind.fields:
                    inner = f"{name}.{one.name}"
                    flat.setdefault(inner, pl.col(name).struct.field(one.name).alias(inner))
            else:
                flat[name] = pl.col(name)
        table = table.select(flat.values())
        schema = table.collect_schema()
    # Types that polars does not cast to text: whoever looks at all cells as texts would fail.
    odd = [(name, kind) for name, kind in schema.items() if kind.is_nested() or kind in (pl.Duration, pl.Binary)]
    wanted = options.columns or ()
    return table.with_columns(
        pl.col(name).dt.total_microseconds() / 1e6
        if kind == pl.Duration and name in wanted
        else _write(pl.col(name), kind)
        for name, kind in odd
    )


def _write(cell: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Write cells of such a type as texts: bytes as what they say in UTF-8, others as Python shows them."""
    if kind == pl.Duration:
        return cell.dt.to_string("iso")
    if kind == pl.Binary:
        return cell.map_elements(lambda one: one.decode(errors="backslashreplace"), return_dtype=pl.String)
    return cell.map_elements(lambda one: str(one.to_list()), return_dtype=pl.String)


def _text_of(name: str, dtype: pl.DataType) -> pl.Expr:
    """A part of a time as text; a date that a spreadsheet keeps as midnight is a date."""
    column = pl.col(name)
    if not isinstance(dtype, pl.Datetime):
        return column.cast(pl.String)
    return (
        pl.when(column.dt.time() == pl.time(0)).then(column.dt.to_string("%Y-%m-%d")).otherwise(column.cast(pl.String))
    )


def patterns_of(written: Sequence[str], what: str | None = None) -> list[str]:
    """Names of columns that `rain=difference` and the like give this right-hand side, or any."""
    split = (text.rpartition("=") for text in written)
    return [name for name, _, right in split if what in (None, right)]


def is_named(names: pl.Expr, patterns: Sequence[str]) -> pl.Expr:
    """True where a name fits one of the patterns."""
    return names.str.contains("^(" + "|".join(pattern_regex(one) for one in patterns) + ")$")


def is_flag(name: str, flags: Sequence[str]) -> bool:
    """True for a column that one of the flags names, or for a twin of it."""
    return any(matches(one, pattern) for pattern in patterns_of(flags) for one in (name, without_number(name)))


def judge(table: pl.LazyFrame, values: Mapping[str, str], options: TableOptions) -> pl.LazyFrame:
    """Put `FLAGGED` in place of each value whose flag is not among the codes that mean good.

    The `*` of a pattern stands for the name of the column that is judged; a flag column without it judges all, of
    several of one name each those beside it.
    """
    schema = table.collect_schema()
    names = schema.names()
    bad: dict[str, list[pl.Expr]] = {}
    for text in options.flags:
        pattern, _, codes = text.rpartition("=")
        twins = [name for name in names if without_number(name) == pattern]
        for value in values:
            # `TEMP QC` is also the flag of `TEMP (degree_C)`.
            written = dict.fromkeys(pattern.replace("*", name) for name in (value, without_unit(value)))
            flag = next((one for one in written if one in names and one != value), None)
            flag = _nearest(names, twins, value, values) if len(twins) > 1 else flag
            if flag is not None:
                bad.setdefault(value, []).append(~_is_good(flag, codes.split(",")))
    if not bad:
        return table
    return table.with_columns(
        pl.when(pl.any_horizontal(faults))
        .then(pl.lit(FLAGGED))
        .otherwise(as_text(pl.col(value), schema[value], options))
        .alias(value)
        for value, faults in bad.items()
    )


def _nearest(names: Sequence[str], flags: Sequence[str], value: str, values: Iterable[str]) -> str:
    """Name the flag of a value among several of one name: the next behind it, or before it where the last one is."""
    at = names.index(value)
    if names.index(flags[-1]) > max(map(names.index, values)):
        return next(one for one in flags if names.index(one) > at)
    return next((one for one in reversed(flags) if names.index(one) < at), flags[0])


def _is_good(flag: str, codes: Sequence[str]) -> pl.Expr:
    wanted = [one.strip() for code in codes for one in PRESETS.get(code.strip(), (code,))]
    text = pl.col(flag).cast(pl.String).fill_null("").str.strip_chars().str.replace(r"\.0+$", "")
    # Behind a code there may be words: `<0> (CSM)`.
    return text.is_in(wanted) | text.str.extract(r"^(\S+)\s").is_in(wanted).fill_null(False)
