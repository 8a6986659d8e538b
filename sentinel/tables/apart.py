"""Columns that tell series apart: those of a long table, and what to say where the times of a table repeat."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import TableOptions, without_unit
from sentinel.tables.decimals import ENOUGH_ROWS
from sentinel.tables.dialects import UnfinishedError
from sentinel.tables.times import instant

_SERIES_NAMES = (
    r"(variable|parameter|param|characteristic)[ _]?(name|code|cd|id)?|analyte|element|grandeur(_\w+)?|"
    r"observed_?property|datastream|metric"
)
_SITE_NAMES = (
    r"(monitoring[ _]?)?(site|station|location|lake|buoy|plot)[ _]?(name|code|no|id|identifier|abbr)?|"
    r"code_(site|station)|platform"
)
_VALUE_NAMES = (
    r"(result|data|obs|observed|measure(d|ment)?)?[ _]?(value|val)|result(at)?(_\w+)?|resultmeasurevalue|valeur|wert"
)
_UNIT_NAMES = r"(.*[ _/])?(measure[ _]?)?units?([ _]?(code|name|symbol|of[ _]?measure.*))?"
_PLACE_NAMES = (
    r".*(depth|level|layer|height|rep(licate)?|station|site|plot|sensor|channel|lake|sta|id)"
    r"([ _]?(id|no|m|num|number|code))?"
)
_MOST_PLACES = 50
"""Different numbers of a column that could tell series apart."""


def find_long(
    head: pl.DataFrame, names: Sequence[str], options: TableOptions, where: str, *, growing: bool = False
) -> dict[str, Any]:
    """Tell which columns name the series and hold the values of a long table, where each has one value at a time.

    Raises DataError: one series has several units. UnfinishedError: in the few rows of a growing file a further column
    may still tell series apart.
    """
    if options.layout == "wide" or options.by or {options.series_column, options.value_column} <= set(names):
        return {}
    series = next((name for name in names if re.fullmatch(_SERIES_NAMES, name.lower())), None)
    value = next((name for name in names if re.fullmatch(_VALUE_NAMES, name.lower())), None)
    if series is None or value is None or head[series].dtype != pl.String or options.time_name not in head.columns:
        return {}
    taken = {series, *options.time_columns, options.time_name}
    sites = tuple(
        name
        for name in names
        if name not in taken and re.fullmatch(_SITE_NAMES, name.lower()) and head[name].dtype == pl.String
    )
    # Without a further column nothing could tell apart the values of one time: they are repeats.
    if not set(names) <= {*taken, *sites, value}:
        if head.select(options.time_name, series, *sites).is_duplicated().any():
            return {}
        if growing and head.height < ENOUGH_ROWS:
            raise UnfinishedError
    _refuse_mixed_units(head, names, (*sites, series), value, where)
    return {"series_column": series, "value_column": value, "by": sites}


def _refuse_mixed_units(head: pl.DataFrame, names: Sequence[str], key: Sequence[str], value: str, where: str) -> None:
    """Raise DataError where the values of one series are in several units: they cannot be compared."""
    unit = next((name for name in names if re.fullmatch(_UNIT_NAMES, name.lower())), None)
    if unit is None or unit in key or head[unit].dtype != pl.String:
        return
    counts = head.drop_nulls(unit).group_by(*key, unit, maintain_order=True).len()
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
    places = [name for name in numbers if re.fullmatch(_PLACE_NAMES, without_unit(name).lower())]
    chosen: tuple[str, ...] = ()
    left = head.select(time).n_unique()
    for name in (*texts, *places):
        rows = head.select(time, *chosen, name).n_unique()
        if rows > left and may_name(head, name):
            chosen, left = (*chosen, name), rows
        if left == head.height:
            return chosen
    return ()


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
