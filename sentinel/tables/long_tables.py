"""Columns that tell series apart: those of a long table, and what to say where the times of a table repeat."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import STATES, MissingMarks, TableOptions, matches, number
from sentinel.tables.clocks import numbers_of
from sentinel.tables.columns import is_flag, join_time
from sentinel.tables.decimals import ENOUGH_ROWS
from sentinel.tables.dialects import UnfinishedError
from sentinel.tables.naming import PLACES, POSITIONS, QUANTITIES, REGIONS, SITES, STATIONS, UNITS, is_one_of
from sentinel.tables.times import instant

_VALUE_NAMES = (
    r"(result|data|obs|observed|measure(d|ment)?)?[ _]?(value|val)|result(at)?(_\w+)?|resultmeasurevalue|valeur|wert|"
    r"resultobservedvalue|sampl\w+[ _]measurement"
)
_TIME_LIKE = r"dat[aeou]|time|zeit|uhr|hora|heure|hour|clock|day|month|year|jahr"
"""Names of parts of a time, which do not name series."""
_SITES = 4
_MOST_PLACES = 50
"""Different numbers of a column that could tell series apart."""


def find_long(
    head: pl.DataFrame, names: Sequence[str], options: TableOptions, where: str, *, growing: bool = False
) -> dict[str, Any]:
    """Name the columns of series and values of a long table; DataError where a series has several units.

    UnfinishedError: in the few rows of a growing file a further column may still tell series apart.
    """
    if options.layout == "wide" or options.by or {options.series_column, options.value_column} <= set(names):
        return {}
    series = next((name for name in names if is_one_of(name, QUANTITIES)), None)
    values = [name for name in names if re.fullmatch(_VALUE_NAMES, name.lower())]
    # InfluxDB writes an empty `result` beside its `_value`.
    values = [name for name in values if not numbers_of(head, name, options).is_empty()] or values
    value = values[0] if values else None
    if series is None or value is None or head[series].dtype != pl.String or options.time_name not in head.columns:
        return {}
    taken = {series, *options.time_columns, options.time_name}
    sites = tuple(n for n in names if n not in taken and is_one_of(n, STATIONS) and head[n].dtype == pl.String)
    others = [
        n for n in names if n not in {*taken, *sites, value} and is_one_of(n, SITES) and head[n].dtype == pl.String
    ]
    within = head.group_by(*sites, series).agg(pl.col(others).drop_nulls().n_unique())
    sites += tuple(n for n in others if bool((within[n] > 1).any()))
    # Without a further column nothing could tell apart the values of one time: they are repeats.
    if not set(names) <= {*taken, *sites, value}:
        if head.select(options.time_name, series, *sites).is_duplicated().any():
            return {}
        if growing and head.height < ENOUGH_ROWS:
            raise UnfinishedError
    _refuse_mixed_units(head.lazy(), names, (*sites, series), value, where)
    return {"series_column": series, "value_column": value, "by": sites}


def refuse_sites(column: str, sites: Iterable[str], where: str) -> None:
    """Raise DataError where the rows of a table are of several sites, which would be one series."""
    sites = _spelled_once(sites)
    if len(sites) > 1:
        raise DataError(
            f"{where}: column {column!r} tells the rows apart ({', '.join(sites[:3])}, ...), which are one series; "
            f"for one of each: --by {shlex.quote(column)}; if they belong together: --exclude {shlex.quote(column)}"
        )


def _spelled_once(texts: Iterable[str]) -> list[str]:
    """Leave out a text that differs from one before in small and capital letters only."""
    return list({text.casefold(): text for text in reversed([*texts])}.values())[::-1]


def _labels(name: str, options: TableOptions) -> pl.Expr:
    """The texts of a column that says of which site, place or unit a row is; null where it says nothing."""
    text = pl.col(name).cast(pl.String).str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1")
    # A bird of an unknown species is none of the others.
    known = replace(options, missing=tuple(mark for mark in options.missing if mark not in STATES))
    missing = MissingMarks.of(known).holds(text, pl.String(), number(text, pl.String(), options), pl.lit(name))
    return pl.when(~missing & (text != name)).then(text)  # a logger may write its line of names again


def labels_of(
    rows: pl.DataFrame, keys: Sequence[str], values: Sequence[str], options: TableOptions, given: TableOptions
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each text of a column of sites, in a long table of units too: the column with what names the series, text.

    `keys` are the columns that name the series of a long table. None of `values`, and of what was given to leave out.
    """
    for name in rows.columns if given.columns is None else ():
        left_out = name in (*keys, *values, *given.by) or is_flag(name, given.flags)
        left_out = left_out or any(matches(name, one) for one in given.exclude)
        if not left_out and is_one_of(name, *((UNITS, SITES) if keys else (SITES,))):
            found = rows.select(*keys, _labels(name, options).alias(name))
            for *key, text in found.drop_nulls().unique(maintain_order=True).iter_rows():
                yield (name, *key), text


def find_labels(head: pl.DataFrame, options: TableOptions, given: TableOptions) -> tuple[str, ...]:
    """Name the columns of sites, and those of places, series and units that are the same in all rows."""
    if given.columns is not None or given.dialect == "none":
        return ()
    taken = {*options.time_columns, options.time_name, *options.by, options.series_column, options.value_column}
    one_of_many = bool(options.by) or {options.series_column, options.value_column} <= {*head.columns}
    return tuple(
        name
        for name in head.columns
        if name not in taken
        and is_one_of(name, SITES, REGIONS, PLACES, QUANTITIES, UNITS)
        and not is_flag(name, options.flags)
        and not any(matches(name, one) for one in given.exclude)
        # A column of numbers called `lake` is a series.
        and (name in options.exclude or not is_one_of(name, SITES) or numbers_of(head, name, options).is_empty())
        and (
            (is_one_of(name, SITES) and not one_of_many)
            or head.select(_labels(name, options)).to_series().drop_nulls().n_unique() == 1
        )
    )


def refuse_changes(table: pl.LazyFrame, labels: Sequence[str], options: TableOptions, where: str) -> dict[str, str]:
    """Raise DataError where one of these columns, of `find_labels`, tells series apart; give the text of each.

    Of a site a second name is enough; a depth tells series apart where most times of another one repeat.
    """
    if not labels:
        return {}
    table = join_time(table, options)
    names = table.collect_schema().names()
    texts = {name: _labels(name, options) for name in labels}
    found = table.select(
        text.drop_nulls().unique(maintain_order=True).head(_SITES).implode().alias(name) for name, text in texts.items()
    )
    values = {name: _spelled_once(cell) for name, cell in found.collect(engine="streaming").row(0, named=True).items()}
    long = options.series_column in names and options.value_column in names
    for name in (name for name, own in values.items() if len(own) > 1):
        if is_one_of(name, STATIONS) or (is_one_of(name, SITES) and not long):
            refuse_sites(name, values[name], where)
        if is_one_of(name, SITES):  # of a long table: a sensor for each quantity is no second series
            told = table.group_by(*options.by, options.series_column).agg(texts[name].drop_nulls().n_unique().alias(""))
            if told.select(pl.col("").max()).collect(engine="streaming").item() > 1:
                refuse_sites(name, values[name], where)
            continue
        if long and is_one_of(name, UNITS):
            _refuse_mixed_units(table, [name], (*options.by, options.series_column), options.value_column, where)
            continue
        key = [options.time_name, *options.by, *([options.series_column] if long else [])]
        counted = [pl.struct(key).n_unique(), pl.struct(*key, name).n_unique(), (texts[name] != values[name][0]).sum()]
        counts = [table.select(one) for one in (*counted, pl.len())]
        times, rows, others, every = (one.collect(engine="streaming").item() for one in counts)
        # A single time may come twice in any series, as an hour of autumn does.
        if rows == every and 2 * (rows - times) > others:
            refuse_sites(name, values[name], where)
    return {name: own[0] for name, own in values.items() if own}


def _refuse_mixed_units(head: pl.LazyFrame, names: Sequence[str], key: Sequence[str], value: str, where: str) -> None:
    """Raise DataError where the values of one series are in several units: they cannot be compared."""
    unit = next((name for name in names if is_one_of(name, UNITS)), None)
    if unit is None or unit in key or head.collect_schema()[unit] != pl.String:
        return
    counts = head.drop_nulls(unit).group_by(*key, unit, maintain_order=True).len().collect(engine="streaming")
    mixed = counts.filter(pl.len().over(*key) > 1)
    if mixed.is_empty():
        return
    first = mixed.filter(pl.all_horizontal(pl.col(name) == mixed[name][0] for name in key))
    found = ", ".join(f"{one} x{count:,}" for one, count in first.select(unit, "len").rows())
    options = f"--series-column {shlex.quote(key[-1])} --value-column {shlex.quote(value)}"
    by = " ".join(f"--by {shlex.quote(name)}" for name in (*key[:-1], unit))
    raise DataError(
        f"{where}: series {first[key[-1]][0]!r} has values in several units, in column {unit!r} ({found}); convert "
        f"them, or make a series of each: {options} {by}"
    )


def tell_apart(head: pl.DataFrame, time: str, texts: Sequence[str], numbers: Sequence[str]) -> tuple[str, ...]:
    """Find columns that, with the time, no two rows share: names first, then places; none where there are none."""
    chosen: tuple[str, ...] = ()
    left = head.select(time).n_unique()
    # A grid or a profile has the same few positions at each time; a pressure of the air, or an acceleration, changes.
    most = 2 * head.height // left if 2 * left <= head.height else 0
    places = [
        name for name in numbers
        if is_one_of(name, PLACES) or (is_one_of(name, POSITIONS) and head[name].n_unique() <= most)
        or (not re.search(_TIME_LIKE, name.lower()) and _counts_at_each_time(head, time, name))
    ]  # fmt: skip
    for name in sorted((*texts, *places), key=lambda name: head[name].null_count() > 0):
        rows = head.select(time, *chosen, name).n_unique()
        if rows > left and may_name(head, name):
            chosen, left = (*chosen, name), rows
        if left == head.height:
            return chosen
    return ()


def _counts_at_each_time(head: pl.DataFrame, time: str, name: str) -> bool:
    """True for whole numbers of which most times have the same ones, each once: the numbers of plots or trees."""
    numbers = head.select(time=time, number=pl.col(name).cast(pl.Float64, strict=False)).drop_nulls("time")
    whole = numbers["number"].is_not_null() & (numbers["number"] == numbers["number"].floor())
    if not whole.all() or numbers.is_duplicated().any():
        return False
    sets = numbers.group_by("time").agg(pl.col("number").sort())["number"].value_counts(sort=True)
    first, count = sets.row(0) if sets.height else ([], 0)
    return len(first) > 1 and 2 * count > sets["count"].sum()


def may_name(head: pl.DataFrame, column: str) -> bool:
    """True for a column of few different cells, which can tell series apart."""
    different = head[column].n_unique()
    return different <= max(_MOST_PLACES, head.height // 10) and different < head.height


def lacks_half_day(head: pl.DataFrame, options: TableOptions) -> bool:
    """True where hours are 1 to 12 only, and behind 12 of a day an earlier hour of it comes: AM and PM are missing."""
    cells = head[options.time_name]
    if cells.dtype != pl.String:
        return False
    times = head.select(time=instant(pl.col(options.time_name), cells.dtype, options)).drop_nulls()
    on_clock = times["time"].dt.convert_time_zone(options.time_zone)
    on_clock = on_clock.reverse() if on_clock.len() and on_clock[0] > on_clock[-1] else on_clock
    steps = pl.DataFrame({"time": on_clock[1:], "before": on_clock[:-1]})
    back = steps.filter(pl.col("time") < pl.col("before"))
    same_day = pl.col("time").dt.date() == pl.col("before").dt.date()
    at_noon = back.select((same_day & (pl.col("before").dt.hour() == 12)).all()).item()
    return not back.is_empty() and bool(at_noon) and bool(on_clock.dt.hour().is_between(1, 12).all())
