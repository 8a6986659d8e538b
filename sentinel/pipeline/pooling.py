"""The rules by which ticks are joined into columns of a picture.

Sums run in order of ticks: the blocks in which ticks arrive change nothing, bitwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.pipeline.arrays import Arrays, Ints

MISSING = -128
"""An int8 reading that is not ready or missing."""
Array = NDArray[Any]


class Pooling(NamedTuple):
    """The way in which a number is joined over ticks and kept."""

    pool: str
    """Name in `POOLS`."""
    dtype: type[np.generic]


STEPS = Pooling("mean", np.int8)
"""For readings, in whole steps of 1/16 null standard deviation, `MISSING` where there is none."""


class Pool(NamedTuple):
    """A way of joining ticks."""

    nothing: float
    """The number of a column before its first tick."""
    join: Callable[[Array, Array, Ints], None]
    """Joins ticks (ticks, numbers) into columns (columns, numbers), in place.

    The ticks of a column begin at its place and end where those of the next one begin; each has at least one.
    """


def _add(columns: Array, ticks: Array, begin: Ints) -> None:
    """Add one tick after the other, in an order that does not depend on the block; `reduceat` adds in pairs."""
    width, size = columns.shape[1], len(ticks) // begin.size
    if np.array_equal(begin, np.arange(begin.size) * size) and begin.size * size == len(ticks):
        # Along an axis that is not the last one, numpy too adds one after the other, and several times as fast.
        by_column = ticks.reshape(begin.size, size, width).copy()
        by_column[:, 0] += columns
        np.add.reduce(by_column, axis=1, out=columns)
        return
    at = (_column_of(begin, len(ticks)) * width)[:, None] + np.arange(width)
    np.add.at(columns.reshape(-1), at.reshape(-1), ticks.reshape(-1))


def _take_max(columns: Array, ticks: Array, begin: Ints) -> None:
    np.fmax(columns, np.fmax.reduceat(ticks, begin), out=columns)


def _take_min(columns: Array, ticks: Array, begin: Ints) -> None:
    np.fmin(columns, np.fmin.reduceat(ticks, begin), out=columns)


def _take_last(columns: Array, ticks: Array, begin: Ints) -> None:
    columns[:] = ticks[np.append(begin[1:], len(ticks)) - 1]


def _take_longest(columns: Array, ticks: Array, begin: Ints) -> None:
    """Take all numbers of the tick whose first one is largest, the earliest of equals."""
    column = _column_of(begin, len(ticks))
    longest = np.maximum.reduceat(ticks[:, 0], begin)
    found = np.flatnonzero(ticks[:, 0] == longest[column])
    first = found[np.unique(column[found], return_index=True)[1]]
    longer = longest > columns[:, 0]
    columns[longer] = ticks[first[longer]]


def _column_of(begin: Ints, count: int) -> Ints:
    return np.repeat(np.arange(begin.size), np.diff(begin, append=count))


POOLS: Mapping[str, Pool] = {
    "mean": Pool(0, _add),
    "max": Pool(np.nan, _take_max),
    "min": Pool(np.nan, _take_min),
    "last": Pool(0, _take_last),
    "longest": Pool(-1, _take_longest),
}
"""A mean stays a sum until its column is finished; `longest` compares the first of its numbers, which is no less
than 0."""


class Packing:
    """Numbers that are joined by `rules`, side by side by pool."""

    def __init__(self, rules: Mapping[str, Pooling]) -> None:
        self.rules = rules
        self._pools: dict[str, list[str]] = {}
        for name, rule in rules.items():
            self._pools.setdefault(rule.pool, []).append(name)
        self.shapes: dict[str, tuple[int, ...]] = {}
        """Of one tick of each number, once any were packed."""
        self._places: dict[str, slice] = {}

    def pack(self, ticks: Mapping[str, Array]) -> Arrays:
        """Put ticks (ticks,) or (ticks, width) side by side; the width of a number is always the same.

        Behind the numbers of which means are taken stands whether they are known, as 1 or 0.
        """
        self.arrange(ticks)
        packed = {}
        for pool, names in self._pools.items():
            count, width = len(ticks[names[0]]), self._places[names[-1]].stop
            if pool != "mean":
                parts = [ticks[name].reshape(count, -1) for name in names]
                packed[pool] = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
                continue
            whole = packed[pool] = np.empty((count, 2 * width))
            for name in names:
                part, place = ticks[name].reshape(count, -1), self._places[name]
                known = part != MISSING if self.rules[name] == STEPS else ~np.isnan(part)
                whole[:, place] = np.where(known, part, part.dtype.type(0))
                whole[:, width:][:, place] = known
        return packed

    def finish(self, pooled: Arrays) -> Arrays:
        """Turn pooled numbers into columns as they are kept."""
        if "mean" in pooled:
            middle = pooled["mean"].shape[1] // 2
            numbers, known = pooled["mean"][:, :middle], pooled["mean"][:, middle:]
            means = np.divide(numbers, known, out=np.full(known.shape, np.nan), where=known > 0)  # one and the same NaN
            pooled = {**pooled, "mean": means}
        found = {}
        for name, rule in self.rules.items():
            part = pooled[rule.pool][:, self._places[name]]
            if rule == STEPS:
                part = np.rint(part)
                part[np.isnan(part)] = MISSING
            found[name] = part.reshape(len(part), *self.shapes[name]).astype(rule.dtype, copy=False)
        return found

    def arrange(self, ticks: Mapping[str, Array]) -> None:
        """Give each number its place among those of its pool, by the first ticks."""
        if self.shapes:
            return
        for names in self._pools.values():
            first = 0
            for name in names:
                self.shapes[name] = ticks[name].shape[1:]
                end = first + int(np.prod(self.shapes[name], dtype=np.int64))
                self._places[name], first = slice(first, end), end


class Ticks:
    """Ticks of series, those of one behind those of the other: for each number an array (ticks,) or (ticks, width)."""

    def __init__(self, packing: Packing, numbers: Mapping[str, Array]) -> None:
        self.numbers = numbers
        self._packing = packing

    def __len__(self) -> int:
        """Number of ticks."""
        return len(next(iter(self.numbers.values())))

    @cached_property
    def _packed(self) -> Arrays:
        return self._packing.pack(self.numbers)

    def take(self, positions: Ints) -> Ticks:
        """Copy some."""
        return Ticks(self._packing, {name: array[positions] for name, array in self.numbers.items()})

    def join(self, begin: Ints, filling: Arrays, continued: tuple[Ints, Ints]) -> Arrays:
        """Join into columns that begin at these places, `continued` ones with what rows of `filling` have so far."""
        columns, rows = continued
        joined = {}
        for pool, ticks in self._packed.items():
            joined[pool] = np.full((begin.size, ticks.shape[1]), POOLS[pool].nothing, ticks.dtype)
            if columns.size:
                joined[pool][columns] = filling[pool][rows]
            POOLS[pool].join(joined[pool], ticks, begin)
        return joined
