"""What a picture of one series needs to know, in constant memory.

Rows come in blocks, in order of ticks, any number of them; at most `COLUMNS` columns are kept. When they are full, two
neighbours become one: the smallest and the largest value stay visible, readings are averaged, evidence keeps its
maximum, and the state is the one that lasted longest. Columns are cut by counting rows from the first, so the blocks in
which rows arrived change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel.pipeline.results import Rows

COLUMNS = 2000

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """Decimated rows; every array has one entry per column, `readings` one row per column."""

    start_us: Integers
    end_us: Integers
    held_us: Integers
    """How long the state named here lasted, to find the longest when columns are joined."""
    state: NDArray[np.int8]
    """Index into `tuple(State)`; `reason` likewise into `tuple(Reason)`."""
    reason: NDArray[np.int8]
    value_low: Floats
    value_high: Floats
    residual_low: Floats
    residual_high: Floats
    lag1: Floats
    lag1_low: Floats
    lag1_high: Floats
    modulus: Floats
    period: Floats
    """In ticks; NaN where nothing oscillates."""
    spread: Floats
    criticality: Floats
    evidence: Floats
    readings: NDArray[np.float32]

    def __len__(self) -> int:
        """Number of columns."""
        return len(self.end_us)


class Portrait:
    """The decimated history of one series.

    Parameters
    ----------
    columns
        Most columns that are kept; even.
    """

    def __init__(self, columns: int = COLUMNS) -> None:
        self._limit = columns
        self._stride = 1
        self._columns: Columns | None = None
        self._pending: Columns | None = None
        self.max_evidence = -np.inf

    def extend(self, rows: Rows, part: slice) -> None:
        """Take in the rows `part` of a block, all of this series, in order of ticks."""
        fresh = _columns_of(rows, part, self._last_end())
        if len(fresh) == 0:
            return
        known = fresh.evidence[~np.isnan(fresh.evidence)]
        self.max_evidence = max(self.max_evidence, float(known.max(initial=-np.inf)))
        rest = fresh if self._pending is None else _join(self._pending, fresh)
        while len(rest) >= self._stride:
            kept = 0 if self._columns is None else len(self._columns)
            whole = min(len(rest) // self._stride, self._limit - kept)
            pooled = _pool(_cut(rest, slice(0, whole * self._stride)), self._stride)
            rest = _cut(rest, slice(whole * self._stride, None))
            self._columns = pooled if self._columns is None else _join(self._columns, pooled)
            if len(self._columns) == self._limit:
                self._columns = _pool(self._columns, 2)
                self._stride *= 2
        self._pending = rest

    def columns(self) -> Columns | None:
        """What is known by now; None before the first row."""
        if self._pending is None or len(self._pending) == 0:
            return self._columns
        last = _pool(self._pending, len(self._pending))
        return last if self._columns is None else _join(self._columns, last)

    def _last_end(self) -> int | None:
        """End of the newest row taken in."""
        for columns in (self._pending, self._columns):
            if columns is not None and len(columns):
                return int(columns.end_us[-1])
        return None


def _columns_of(rows: Rows, part: slice, last_end: int | None) -> Columns:
    """Rows as columns of one row each; a row begins where the one before it ended."""
    end, middle = rows.end_us[part], rows.time_us[part]
    first = 2 * middle[:1] - end[:1] if last_end is None else np.asarray([last_end])[: len(end)]
    start = np.concatenate([first, end[:-1]]).astype(np.int64)
    value, residual = rows.value[part], rows.residual[part]
    return Columns(
        start_us=start,
        end_us=end,
        held_us=end - start,
        state=rows.state[part],
        reason=rows.reason[part],
        value_low=value,
        value_high=value,
        residual_low=residual,
        residual_high=residual,
        **{name: column[part] for name, column in rows.estimates._asdict().items()},
        evidence=rows.evidence[part],
        readings=rows.readings[part],
    )


def _pool(columns: Columns, size: int) -> Columns:
    """Join each `size` neighbours into one; the number of columns is a multiple of `size`."""
    if size == 1:
        return columns
    groups = {
        field.name: (array := getattr(columns, field.name)).reshape(-1, size, *array.shape[1:])
        for field in fields(Columns)
    }
    longest = groups["held_us"].argmax(axis=1)[:, None]
    return Columns(**{name: _POOLING.get(name, _mean)(array, longest) for name, array in groups.items()})


def _mean(array: NDArray[Any], _: NDArray[Any]) -> NDArray[Any]:
    """Mean over axis 1 of what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(array)
    count = known.sum(axis=1)
    total = np.where(known, array, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(array.dtype)


def _of_longest(array: NDArray[Any], longest: NDArray[Any]) -> NDArray[Any]:
    """The entry of the neighbour whose state lasted longest."""
    chosen: NDArray[Any] = np.take_along_axis(array, longest, axis=1)[:, 0]
    return chosen


_POOLING: Mapping[str, Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]] = {
    "start_us": lambda array, _: array[:, 0],
    "end_us": lambda array, _: array[:, -1],
    "held_us": lambda array, _: array.max(axis=1),
    "state": _of_longest,
    "reason": _of_longest,
    "value_low": lambda array, _: np.fmin.reduce(array, axis=1),
    "value_high": lambda array, _: np.fmax.reduce(array, axis=1),
    "residual_low": lambda array, _: np.fmin.reduce(array, axis=1),
    "residual_high": lambda array, _: np.fmax.reduce(array, axis=1),
    "evidence": lambda array, _: np.fmax.reduce(array, axis=1),
}


def _join(first: Columns, second: Columns) -> Columns:
    """`second` after `first`."""
    return Columns(
        **{f.name: np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(Columns)}
    )


def _cut(columns: Columns, part: slice) -> Columns:
    """The columns `part`, copied: a few rows must not keep a whole block in memory."""
    return Columns(**{f.name: getattr(columns, f.name)[part].copy() for f in fields(Columns)})
