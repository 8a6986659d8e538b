"""The hour that a change of the clocks makes happen twice, told by the order of the rows."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from sentinel.tables.cells import ROW, TableOptions
from sentinel.tables.times import instant

LONGEST_US = 3 * 3_600_000_000
"""No zone repeats more than this."""


def find_second_rows(
    table: pl.LazyFrame, options: TableOptions, names: Iterable[str], before: dict[str, int], *, falling: bool = False
) -> list[int]:
    """List the rows whose time is the second of two that a naive stamp can mean: one that comes again, or before.

    Parameters
    ----------
    table: with `ROW`, and the times in one column.
    names: the columns that tell series apart.
    before: latest first time by series, microseconds UTC; brought up to date, so that a file can be read in pieces.
    falling: the latest row comes first.
    """
    if options.time_zone == "UTC" or options.time_zone.startswith("Etc/"):
        return []
    schema = table.collect_schema()
    if ROW not in schema:
        table = table.with_row_index(ROW)
    cell, dtype = pl.col(options.time_name), schema[options.time_name]
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
