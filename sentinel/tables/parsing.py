"""Every cell of a table checked: an observation, or the reason why not."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.domain.labels import write_key
from sentinel.domain.observation import Rejection
from sentinel.tables import cells, complaints
from sentinel.tables.cells import COLUMN, HEAD_ROWS, MORE, ROW, Axis, MissingMarks, TableOptions, number
from sentinel.tables.columns import FLAGGED, is_named, join_time, judge, patterns_of
from sentinel.tables.complaints import CAME, REJECTED, Refusal
from sentinel.tables.decimals import texts_of
from sentinel.tables.repeated import find_second_rows
from sentinel.tables.shapes import Shape, find_shape
from sentinel.tables.times import MONTH, have_days, instant, stamp_text

EMPTIED_NAMED = 12
"""Series without a value that are named one by one."""
_CELL = "__cell__"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A table whose cells have been checked."""

    observations: pl.LazyFrame
    """series, time, value: no nulls, no NaN, no infinities; time is Datetime us UTC, or Float64 on a `number`
    axis. In the order of the file, which need not be that of time."""
    axis: Axis
    shape: Shape
    rejected: Mapping[str, int]
    complaints: tuple[str, ...]
    marks: Mapping[str, int]
    """Count of each text or number that was taken as a missing value; empty cells are not among them."""
    trailing: Mapping[str, int]
    """Count of each mark behind a number that was taken off."""
    refusal: Refusal | None
    """Why the table would be refused if it were read strictly; None = it would not."""
    late: tuple[str, ...] = ()
    """Lines on columns of text that hold numbers below the first rows."""


def parse(
    table: pl.LazyFrame, options: TableOptions, where: str, *, strict: bool = False, axis: Axis | None = None
) -> Parsed:
    """Check a table, as `open_table` gives it; one streaming pass counts what is left out, observations stay lazy.

    `where` is its name in messages, `axis` what its times must be. DataError: as `find_shape`; it has no rows; it has
    not that axis; or, with `strict`, a cell is neither a number nor missing, or no time.
    """
    table = join_time(table, options)
    head = table.head(HEAD_ROWS).collect()
    if head.is_empty():
        raise DataError(f"{where}: the table has no rows; at least one is needed")
    shape = find_shape(head, options, where)
    found = find_axis(head, options, shape, where, axis)
    second = second_rows(table, head, options, shape) if found == "time" else []
    by_day = found == "time" and have_days(head[shape.time], options)
    checked = check_cells(table, options, found, shape, second, by_day=by_day)
    left_out = checked.filter(pl.col(REJECTED).is_not_null())
    faults = left_out.filter(~pl.col(REJECTED).is_in(complaints.EXPECTED)).head(complaints.COMPLAINTS)
    mark = pl.when(pl.col(REJECTED) == Rejection.MISSING).then(CAME).fill_null("").alias("mark")
    kept = checked.filter(pl.col(REJECTED).is_null())
    taken_off = kept.drop_nulls(CAME).group_by(CAME).len().sort("len", CAME, descending=True)
    below = count_numbers(table.slice(HEAD_ROWS), shape.left_out, options)
    wanted = [left_out.group_by(REJECTED, mark).len(), faults, below, *([taken_off] if options.trailing else [])]
    by_mark, first, late, *trailing = pl.collect_all(wanted, engine="streaming")
    counts = by_mark.group_by(REJECTED).agg(pl.col("len").sum()).sort("len", REJECTED, descending=[True, False])
    marks = by_mark.filter(pl.col("mark") != "").sort("len", "mark", descending=True)
    said = complaints.complain_of_all(first, options, where, found)
    if counts.filter(pl.col(REJECTED) == Rejection.FLAGGED).height:
        said = (*_find_emptied(checked, options, where), *said)
    fatal = any(reason in complaints.FATAL for reason, _ in counts.iter_rows())
    refusal = complaints.refuse(left_out, options, where, found, head.height) if fatal else None
    if strict and refusal is not None:
        raise DataError(refusal.message)
    told = dict(marks.select("mark", "len").iter_rows())
    off = dict(trailing[0].iter_rows()) if trailing else {}
    kept = kept.select("series", "time", "value")
    return Parsed(
        kept, found, shape, dict(counts.iter_rows()), said, told, off, refusal, (*find_late(late, head, options),)
    )


def count_numbers(rows: pl.LazyFrame, names: Sequence[str], options: TableOptions) -> pl.LazyFrame:
    """Count for each of these columns the cells that are numbers, and those that are other texts."""
    schema = rows.collect_schema()
    missing = list(MissingMarks.of(options).texts)
    return rows.select(
        pl.struct(
            (is_number := number(pl.col(name), schema[name], options).is_not_null()).sum().alias("numbers"),
            (~is_number & ~pl.col(name).str.strip_chars().is_in(missing)).sum().alias("texts"),
        ).alias(name)
        for name in names
        if schema[name] == pl.String
    )


def find_late(counts: pl.DataFrame, head: pl.DataFrame, options: TableOptions) -> Iterator[str]:
    """Say which columns of text hold mostly numbers below the first rows, by which they are no series."""
    for name, count in zip(counts.columns, counts.row(0) if counts.width else (), strict=True):
        if count["numbers"] > count["texts"]:
            text = texts_of(head[name], options)[0]
            yield (
                f"column {name!r} holds no number in the first {HEAD_ROWS:,} rows ({text!r:.40}) "
                f"and {count['numbers']:,} below, and is no series; if the word means no value: "
                f"--missing {shlex.quote(text)}"
            )


def _find_emptied(checked: pl.LazyFrame, options: TableOptions, where: str) -> Iterator[str]:
    """Name the series of which the flags leave no value."""
    flagged = (pl.col(REJECTED) == Rejection.FLAGGED).fill_null(value=False).sum().alias("flagged")
    by_series = checked.group_by("series").agg(flagged, pl.col(REJECTED).is_null().sum().alias("kept"))
    emptied = by_series.filter(pl.col("kept") == 0, pl.col("flagged") > 0).sort("series").collect(engine="streaming")
    names = [f"{name} x{count:,}" for name, count in emptied.select("series", "flagged").rows()]
    if names:
        more = f" and {len(names) - EMPTIED_NAMED:,} more series" if len(names) > EMPTIED_NAMED else ""
        shown = ", ".join(names[:EMPTIED_NAMED]) + more
        yield f"{where}: the flags {', '.join(options.flags)} leave no value of {shown}; are these codes the good ones?"


def find_axis(head: pl.DataFrame, options: TableOptions, shape: Shape, where: str, axis: Axis | None) -> Axis:
    """Tell from the first rows what the time column counts; DataError where it is not what was asked for."""
    times = head[shape.time].drop_nulls()
    numbered = options.time_format is None and not times.is_empty() and times.dtype.is_numeric()
    if options.time_format is None and times.dtype == pl.String:
        numbers = head.select(number(pl.col(shape.time), pl.String(), options)).to_series()
        numbered = numbers.len() - numbers.null_count() > times.len() // 2
    if options.time_direction == "backward" and not numbered and not times.is_empty():
        raise DataError(
            f"{where}: column {shape.time!r} is read as times (first {times[0]}); time_direction: backward, or "
            "--time-direction backward on the command line, is for ages, which are numbers; leave it out for times"
        )
    if axis == "time" and numbered:
        raise DataError(
            f"{where}: column {shape.time!r} holds numbers (first {times[0]}); "
            "time stamps are needed: ISO 8601, or time_format: '%s' for seconds since 1970"
        )
    return axis or ("number" if numbered else "time")


def second_rows(table: pl.LazyFrame, head: pl.DataFrame, options: TableOptions, shape: Shape) -> list[int]:
    """List the rows of a whole table whose time is the second of two that it can mean."""
    return find_second_rows(table, options, shape.keys, {}, falling=is_falling(head, options, shape))


def is_falling(head: pl.DataFrame, options: TableOptions, shape: Shape) -> bool:
    """True where the first rows say that the latest row comes first."""
    times = head.select(instant(pl.col(shape.time), head[shape.time].dtype, options)).to_series().drop_nulls()
    return times.len() > 1 and times[0] > times[-1]


def check_cells(
    table: pl.LazyFrame, options: TableOptions, axis: Axis, shape: Shape, second: Sequence[int] = (), *,
    by_day: bool = False,
) -> pl.LazyFrame:  # fmt: skip
    """Bring a table to its long form with series, time and value parsed; `REJECTED` says why to leave a row out.

    `second`: rows whose time is the second of two that it can mean. `by_day`: `2021-06`, of a total, is no time.
    """
    cell, dtype = pl.col(shape.time), table.collect_schema()[shape.time]
    parsed = number(cell, dtype, options) if axis == "number" else instant(cell, dtype, options)
    if second:
        parsed = pl.when(pl.col(ROW).is_in(second)).then(instant(cell, dtype, options, "latest")).otherwise(parsed)
    if by_day:
        parsed = pl.when(~cell.str.contains(MONTH)).then(parsed)
    if axis == "number":
        # Ages count backwards from the present: with a minus sign they grow towards it.
        parsed = pl.when(parsed.is_finite()).then(-parsed if options.time_direction == "backward" else parsed)
    # Times are parsed before a wide table is unfolded: once per row, not once per value.
    long = _to_long(table.with_columns(parsed.alias("__t__")), shape, options)
    value_type = long.collect_schema()["value"]
    value = number(pl.col("value"), value_type, options)
    marks = MissingMarks.of(options)
    missing = marks.holds(pl.col("value"), value_type, pl.col("__v__"), pl.col(COLUMN))
    if marks.by_column:  # where a column holds several series, the mark is of one of them
        missing |= marks.holds(pl.col("value"), value_type, pl.col("__v__"), pl.col("series"))
    flagged = pl.lit(value=False)
    if value_type == pl.String and options.flags:
        flagged = pl.col("value") == FLAGGED
    if value_type == pl.String and options.below_detection == "missing":
        missing |= pl.col("value").str.strip_chars().str.starts_with("<")
    transformed = pl.col("__v__")
    if logs := patterns_of(options.transform, "log"):
        transformed = (
            pl.when(is_named(pl.col(COLUMN), logs) | is_named(pl.col("series"), logs))
            .then(transformed.log())
            .otherwise(transformed)
        )
    # Rows that are no observations, such as totals below a table, are told by what stands in place of their time.
    no_row = pl.lit(value=False)
    if dtype == pl.String and (own := [mark for column, mark in marks.by_column if column == options.time_name]):
        no_row = pl.col("__t__").is_null() & is_named(pl.col("__time__").fill_null("").str.strip_chars(), own)
    if dtype == pl.String and value_type == pl.String:
        # So is the line of names that a logger writes again; other names there would mean other columns.
        own_name = pl.col(COLUMN).str.replace(r" \(\d+\)$", "")
        is_name = (text := pl.col("value").str.strip_chars()).eq(pl.col(COLUMN)) | text.eq(own_name)
        no_row |= (pl.col("__time__").str.strip_chars() == options.time_name) & is_name
    no_row = no_row.fill_null(False)
    mark = pl.when(no_row).then(stamp_text(pl.col("__time__"), dtype)).otherwise(pl.col("value").cast(pl.String))
    mark = mark.str.strip_chars().fill_null("")
    name = pl.col("series").str
    too_long = name.len_bytes() > complaints.LONGEST_NAME_BYTES
    unreadable = name.contains("\N{REPLACEMENT CHARACTER}", literal=True) | too_long
    malformed = pl.col(MORE).is_not_null() | unreadable.fill_null(False)
    reasons = (
        (malformed, Rejection.MALFORMED_ROW, pl.coalesce(MORE, "series")),
        (no_row, Rejection.MISSING, mark),
        (pl.col("series").is_null(), Rejection.NO_SERIES, pl.lit("")),
        (pl.col("__t__").is_null(), Rejection.BAD_TIME, stamp_text(pl.col("__time__"), dtype).fill_null("")),
        (flagged, Rejection.FLAGGED, pl.lit("")),
        (missing, Rejection.MISSING, mark),
        (pl.col("__v__").is_null(), Rejection.NOT_A_NUMBER, pl.col("value").cast(pl.String)),
        (~transformed.is_finite(), Rejection.NOT_FINITE, pl.col("value").cast(pl.String)),
    )
    rejected = pl.coalesce(*(pl.when(holds).then(pl.lit(reason)) for holds, reason, _ in reasons))
    came = pl.coalesce(*(pl.when(pl.col(REJECTED) == reason).then(text) for _, reason, text in reasons))
    if value_type == pl.String and options.trailing:
        behind = pl.col("value").str.strip_chars().str.extract(cells.marked(options), 2)
        came = pl.coalesce(came, pl.when(pl.col(REJECTED).is_null()).then(behind))
    return (
        long.with_columns(value.alias("__v__"))
        .with_columns(rejected.alias(REJECTED))
        .with_columns(came.alias(CAME))
        .select(ROW, COLUMN, REJECTED, CAME, "series", time=pl.col("__t__"), value=transformed)
    )


class Split(NamedTuple):
    """Checked rows, divided into what can be used and what cannot."""

    kept: pl.DataFrame
    """Observations, with `COLUMN`."""
    rejected: dict[str, int]
    """Counts by reason."""
    marked: dict[str, int]
    """Observations that had a mark behind their number, by mark."""
    complaints: tuple[str, ...]


def split_checked(checked: pl.DataFrame, options: TableOptions, where: str) -> Split:
    """Divide checked rows, whose times are instants."""
    left_out = checked.filter(pl.col(REJECTED).is_not_null())
    counts: dict[str, int] = dict(left_out.group_by(REJECTED).len().iter_rows())
    first = left_out.filter(~pl.col(REJECTED).is_in(complaints.EXPECTED)).head(complaints.COMPLAINTS)
    kept = checked.filter(pl.col(REJECTED).is_null())
    marked = kept.drop_nulls(CAME).group_by(CAME).len() if options.trailing else None
    return Split(
        kept.select(COLUMN, "series", "time", "value"), counts, {} if marked is None else dict(marked.iter_rows()),
        complaints.complain_of_all(first, options, where, "time"),
    )  # fmt: skip


def _to_long(table: pl.LazyFrame, shape: Shape, options: TableOptions) -> pl.LazyFrame:
    """Bring a table to one row per observation: series, value, `__time__`, `__t__`, `ROW`, `COLUMN`, `MORE`.

    The rows of a wide table come column by column within each piece that was read, not in the order of time.
    """
    where, as_labels = pl.lit(""), bool(options.keep_labels and shape.by)
    for name in () if as_labels else shape.by:
        where = where + _clean_name(name) + "/"
    if as_labels:
        where = _write_labels(shape.by)

    def key(name: pl.Expr, where: pl.Expr) -> pl.Expr:
        return name + where if as_labels else where + name

    # The parts get names that no column of a table has, so that none is taken for another while unfolding.
    common = (ROW, MORE, "__t__", pl.col(shape.time).alias("__time__"))
    if shape.series is not None:
        value, own = shape.values[0], key(_clean_name(shape.series), where)
        judged = judge(table, {value: value}, options)
        return judged.select(*common, own.alias("series"), pl.col(value).alias("value"), pl.lit(value).alias(COLUMN))
    table = judge(table, {name: name for name in shape.values}, options)
    schema = table.collect_schema()
    types = {schema[name] for name in shape.values}
    read = [pl.col(name) for name in shape.values]
    if len(types) > 1 and all(dtype.is_numeric() or dtype == pl.Boolean for dtype in types):
        read = [cell.cast(pl.Float64()) for cell in read]
    elif len(types) > 1:
        read = [cells.as_text(pl.col(name), schema[name], options) for name in shape.values]
    index, on = (ROW, MORE, "__t__", "__time__", "__where__"), [_CELL + name for name in shape.values]
    return (
        table.select(*common, where.alias("__where__"), *(cell.name.prefix(_CELL) for cell in read))
        .unpivot(on=on, index=index, variable_name=COLUMN, value_name="value")
        .with_columns(pl.col(COLUMN).str.strip_prefix(_CELL))
        .with_columns(key(pl.col(COLUMN), pl.col("__where__")).alias("series"))
    )


def _write_labels(columns: Sequence[str]) -> pl.Expr:
    """Labels as `sentinel.domain.labels` writes them, of columns that name series; null where one of them is empty."""
    pairs = [pl.lit("{")]
    for column in sorted(columns):
        value = _clean_name(column)
        for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
            value = value.str.replace_all(plain, escaped, literal=True)
        label = write_key("", {column: "x"})[1:-3]  # what is before the text
        pairs.append(pl.lit(("," if len(pairs) > 1 else "") + label) + value + pl.lit('"'))
    return pl.concat_str([*pairs, pl.lit("}")])


def _clean_name(column: str) -> pl.Expr:
    """Text of a naming column; null where it is empty."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)
