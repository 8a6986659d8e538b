"""The hour that a change of the clocks makes happen twice, told by the order of the rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.domain.clock import MICROSECONDS
from sentinel.tables.cells import ROW, TableOptions
from sentinel.tables.times import CHANGING, instant

_NAMED = 2
LONGEST_US = 3 * 3_600_000_000
"""No zone repeats more than this."""


def find_second_rows(
    table: pl.LazyFrame, options: TableOptions, names: Iterable[str], before: dict[str, int], *, falling: bool = False
) -> list[int]:
    """List the rows whose time is the second of two that a naive stamp can mean: one that comes again, or before.

    `names` tell series apart; `before`, the latest first time by series, is brought up to date from piece to piece of a
    file; `falling`: the latest row comes first.
    """
    if is_fixed(options.time_zone):
        return []
    cell, dtype = pl.col(options.time_name), table.collect_schema()[options.time_name]
    first, second = (instant(cell, dtype, options, which).cast(pl.Int64) for which in ("earliest", "latest"))
    key = pl.concat_str([pl.lit(""), *(pl.col(name).cast(pl.String).fill_null("") for name in names)], separator="/")
    twice = table.select(pl.col(ROW), key.alias("key"), first.alias("first"), second.alias("second"))
    rows = twice.filter(pl.col("first") != pl.col("second")).collect(engine="streaming").sort(ROW, descending=falling)
    found = []
    for row, name, first_us in rows.select(ROW, "key", "first").iter_rows():
        latest = before.get(name)
        if latest is not None and 0 <= latest - first_us < LONGEST_US:
            found.append(row)
        else:
            before[name] = first_us
    return found


def is_fixed(zone: str) -> bool:
    """True of a zone whose clocks never change."""
    return zone == "UTC" or zone.startswith("Etc/")


def find_twice(times: pl.Series, time_zone: str) -> tuple[pl.Series, list[str]]:
    """Find the times that clocks put back show twice, and the zones where most of them do.

    `times` are in UTC and were read as those of a zone with fixed clocks; of another, none is found.
    """
    if not is_fixed(time_zone) or times.is_empty():
        return times.head(0), []
    on_clock = times.dt.convert_time_zone(time_zone).dt.replace_time_zone(None)
    near = on_clock.filter(times.to_frame("time").select(near_change(time_zone)).to_series())
    by_zone = {zone: near.filter(_comes_twice(near, zone)) for zone in sorted(set(CHANGING.values()))}
    most = max(one.len() for one in by_zone.values())
    zones = [zone for zone, found in by_zone.items() if found.len() == most] if most else []
    return (by_zone[zones[0]] if zones else near.head(0)), zones


def near_change(time_zone: str) -> pl.Expr:
    """True where the column `time`, in UTC, is in a night to Sunday of a zone: then the clocks go back."""
    on_clock = pl.col("time").dt.convert_time_zone(time_zone)
    return (on_clock.dt.weekday() == 7) & (on_clock.dt.hour() < 5)


def may_change(time_us: NDArray[np.int64], time_zone: str) -> bool:
    """The same of any of some times, of a zone with fixed clocks, without a table."""
    on_clock = time_us // MICROSECONDS + _seconds_east(time_zone)
    of_the_week = (on_clock + 4 * 86_400) % (7 * 86_400)  # the epoch was a Thursday
    return bool((of_the_week < 5 * 3_600).any())


@cache
def _seconds_east(time_zone: str) -> int:
    east = datetime.fromtimestamp(0, ZoneInfo(time_zone)).utcoffset()
    assert east is not None
    return round(east.total_seconds())


def _comes_twice(on_clock: pl.Series, zone: str) -> pl.Series:
    first, both = (
        on_clock.dt.replace_time_zone(zone, ambiguous=how, non_existent="null") for how in ("earliest", "null")
    )
    return first.is_not_null() & both.is_null()


def say_twice(found: pl.Series, zones: list[str]) -> str:
    """Say which hour came twice, and the option that keeps both."""
    more = f", {zones[1]}{' and others' if len(zones) > _NAMED else ''}" if len(zones) > 1 else ""
    return (
        f"{found.sort()[0]:%Y-%m-%d %H:%M} comes twice, in the hour that clocks put back repeat ({zones[0]}{more}): if "
        "the times are those on the clock on the wall, --time-zone ZONE (time_zone in the settings) keeps both"
    )
