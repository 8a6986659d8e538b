"""Columns that count: running totals and numbers of rows. They are not judged until someone says how."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.domain.errors import DataError
from sentinel.tables.cells import MissingMarks, TableOptions, matches, number
from sentinel.tables.columns import judge, patterns_of
from sentinel.tables.shapes import find_shape

FEWEST = 100
"""Values from which a counter is told from a rise."""
_RISES = 20
_RESETS = 0.02
"""Share of the steps that may go back to the start."""


def leave_out_counters(head: pl.DataFrame, options: TableOptions, where: str) -> tuple[TableOptions, list[str]]:
    """Exclude the columns of a wide table that only count, and say which. DataError: nothing else is left to judge."""
    if options.columns is not None:
        return options, []
    shape = find_shape(head, options, where)
    if shape.series is not None:
        return options, []
    told = patterns_of(options.transform, "difference")
    names = [name for name in shape.values if not any(matches(name, one) for one in told)]
    # All columns at once, and by number, as a name may be a pattern in an expression.
    judged = judge(head.lazy(), {name: name for name in names}, options).collect() if options.flags else head
    cells = pl.DataFrame([judged[name].alias(str(n)) for n, name in enumerate(names)])
    marks, read = MissingMarks.of(options), {}
    for name, (key, dtype) in zip(names, cells.schema.items(), strict=True):
        value = read[key] = number(pl.col(key), dtype, options)
        if marks.numbers or marks.by_column:  # no other mark is a number
            read[key] = pl.when(~marks.holds(pl.col(key), dtype, value, pl.lit(name))).then(value)
    first = cells.head(FEWEST).select(read.values())  # most columns are told by those
    untold = [column.name for column in first if not falls_often(_finite(column))]
    found = [names[int(column.name)] for column in cells.select(map(read.get, untold)) if is_counter(_finite(column))]
    said = [say_counter(name) for name in found]
    if found and len(found) == len(shape.values):
        raise DataError(f"{where}: {said[0]}" + (f" (likewise {', '.join(found[1:])})" if len(found) > 1 else ""))
    return replace(options, exclude=(*options.exclude, *found)), said


def say_counter(name: str) -> str:
    """Say that a column is left out because it counts, and what has it judged."""
    return (
        f"{name!r} only rises, as counters and row numbers do; it is not judged. To judge its steps: --transform "
        f"{shlex.quote(name)}=difference; as it is: --columns {shlex.quote(name)}, and the others that are wanted"
    )


Key = TypeVar("Key", int, str)


def take_steps(batch: pl.DataFrame, key: str, counted: pl.Expr, before: dict[Key, float]) -> tuple[pl.DataFrame, int]:
    """Put the step since the value before in place of each value of a counter, in the order of the rows.

    `key` names the column of the series, `before` holds the last value of each counter and is brought up to date. The
    step over a fall is unknown: such rows are left out, as the first of a series is. Returns the rows and those falls.
    """
    known = pl.col(key).replace_strict(before, default=None, return_dtype=pl.Float64) if before else pl.lit(None)
    former = pl.coalesce(pl.col("value").shift().over(key), known)
    stepped = batch.with_columns(pl.when(counted).then(pl.col("value") - former).otherwise("value").alias("__step__"))
    last = batch.filter(counted).group_by(key).last()
    before.update(zip(last[key].to_list(), last["value"].to_list(), strict=True))
    falls = counted & (pl.col("__step__") < 0).fill_null(value=False)
    kept = stepped.filter(pl.col("__step__").is_not_null() & ~falls)
    return kept.with_columns(value="__step__").drop("__step__"), stepped.filter(falls).height


def is_counter(values: NDArray[np.float64]) -> bool:
    """True where the first values of a column, all finite, never fall, but for a few resets to where they began.

    At least `FEWEST` values are needed, of which 20 are higher than the one before; 2 % of the steps may be resets.
    From then on all this has to hold at each value: one that did not was judged, in a file that grew.
    """
    if values.size < FEWEST or falls_often(values):
        return False
    steps = np.diff(values)
    span = slice(FEWEST - 2, None)  # the steps up to each value from `FEWEST` on
    low, high = np.minimum.accumulate(values)[1:][span], np.maximum.accumulate(values)[1:][span]
    landed = np.maximum.accumulate(np.where(steps < 0, values[1:], -np.inf))[span]
    resets = np.cumsum(steps < 0)[span] <= _RESETS * np.arange(1, values.size)[span]
    return bool(((np.cumsum(steps > 0)[span] >= _RISES) & (landed <= low + 0.05 * (high - low)) & resets).all())


def _finite(cells: pl.Series) -> NDArray[np.float64]:
    values = cells.to_numpy()
    return np.asarray(values[np.isfinite(values)], np.float64)


def falls_often(values: NDArray[np.float64]) -> bool:
    """True where the first `FEWEST` values, or fewer, fall more often than those of a counter may."""
    return bool((np.diff(values[:FEWEST]) < 0).sum() > _RESETS * (FEWEST - 1))
