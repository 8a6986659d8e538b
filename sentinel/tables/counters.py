"""Columns that count: running totals and numbers of rows. They are not judged until someone says how."""

from __future__ import annotations

import shlex
from dataclasses import replace

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


def leave_out_counters(head: pl.DataFrame, options: TableOptions, where: str) -> tuple[TableOptions, list[str]]:
    """Exclude the columns of a wide table that only count, and say which.

    Raises DataError: nothing else is left to judge.
    """
    if options.columns is not None:
        return options, []
    shape = find_shape(head, options, where)
    if shape.series is not None:
        return options, []
    told = patterns_of(options.transform, "difference")
    marks = [name for name in shape.values if name not in told and _counts(head[name], options)]
    said = [
        f"{name!r} only rises, as counters and row numbers do; it is not judged. To judge its steps: --transform "
        f"{shlex.quote(name)}=difference; as it is: --columns {shlex.quote(name)}"
        for name in marks
    ]
    if marks and len(marks) == len(shape.values):
        raise DataError(f"{where}: {said[0]}" + (f" (likewise {', '.join(marks[1:])})" if len(marks) > 1 else ""))
    return replace(options, exclude=(*options.exclude, *marks)), said


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
