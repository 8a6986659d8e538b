"""Columns that count: running totals and numbers of rows. They are not judged until someone says how."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TypeVar

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import TableOptions, number
from sentinel.tables.columns import patterns_of
from sentinel.tables.parsing import find_shape

FEWEST = 100
"""Values from which a counter is told from a rise."""
_RISES = 20
_RESETS = 0.02
"""Share of the steps that may go back to the start."""


def leave_out_counters(
    head: pl.DataFrame, options: TableOptions, where: str, *, growing: bool = False
) -> tuple[TableOptions, list[str]]:
    """Exclude the columns of a wide table that only count, and say which; of a growing one they are only named.

    What has only risen so far may fall tomorrow: a source that grows goes on judging it, and its operator is told.
    Raises DataError: nothing else is left to judge.
    """
    if options.columns is not None:
        return options, []
    shape = find_shape(head, options, where)
    if shape.series is not None:
        return options, []
    told = patterns_of(options.transform, "difference")
    marks = [name for name in shape.values if name not in told and _counts(head[name], options)]
    verdict = "judged all the same" if growing else "not judged"
    other = "to leave it out: --exclude" if growing else "as it is: --columns"
    said = [
        f"{name!r} only rises, as counters and row numbers do; it is {verdict}. To judge its steps: --transform "
        f"{shlex.quote(name)}=difference; {other} {shlex.quote(name)}"
        for name in marks
    ]
    if growing:
        return options, said
    if marks and len(marks) == len(shape.values):
        raise DataError(f"{where}: {said[0]}" + (f" (likewise {', '.join(marks[1:])})" if len(marks) > 1 else ""))
    return replace(options, exclude=(*options.exclude, *marks)), said


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


def _counts(cells: pl.Series, options: TableOptions) -> bool:
    """True where values never fall, but for a few resets to where they began."""
    values = cells.to_frame().select(number(pl.col(cells.name), cells.dtype, options)).to_series().drop_nulls()
    values = values.filter(values.is_finite())
    if values.len() < FEWEST:
        return False
    steps = values.diff().drop_nulls()
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    falls = steps < 0
    after = values.slice(1).filter(falls)
    resets = bool((after <= low + 0.05 * (high - low)).all()) and int(falls.sum()) <= _RESETS * steps.len()
    return int((steps > 0).sum()) >= _RISES and resets
