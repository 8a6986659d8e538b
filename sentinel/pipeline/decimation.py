"""A series in at most a fixed number of columns, however long it runs; the rules by which ticks become columns.

A column covers 2^k ticks. When all are used, neighbours are joined in pairs and k grows by one. Columns are cut by
counting ticks and sums run in order of ticks: the blocks in which ticks arrive change nothing, bitwise. For a look at
the last ticks k may also stand still, and the oldest half of the columns goes where there is no room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.pipeline.arrays import Arrays

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
POOLS: Mapping[str, Callable[[Array], Array]] = {
    # Along an axis that is not the last one, numpy adds one tick after the other: the order never depends on the block.
    "mean": lambda ticks: np.add.reduce(ticks, axis=1),
    "max": lambda ticks: np.fmax.reduce(ticks, axis=1),
    "min": lambda ticks: np.fmin.reduce(ticks, axis=1),
    "last": lambda ticks: ticks[:, -1],
    "longest": lambda ticks: np.take_along_axis(ticks, ticks[:, :, :1].argmax(axis=1)[:, None], axis=1)[:, 0],
}
"""From (columns, ticks, numbers) to (columns, numbers); a mean stays a sum until its column is finished; `longest`
compares the first of its numbers."""


class _Kept(NamedTuple):
    """Everything so far. It is replaced, never changed, so that a page can read while the engine adds ticks."""

    columns: Arrays
    """Finished columns; entries from `used` on are free."""
    used: int
    ticks_per_column: int
    filling: Arrays
    """The column that is being filled, by pool."""
    filled: int
    """Number of its ticks."""


class Packed(NamedTuple):
    """Ticks with the numbers of each pool side by side."""

    rows: Arrays
    places: dict[str, tuple[slice, tuple[int, ...]]]


class Decimation:
    """A series in at most `columns` columns, joined and kept by `rules`; ValueError if `columns` is odd or below 2.

    With `width` each column stays so many ticks wide, and only the last ones are kept.
    """

    def __init__(self, rules: Mapping[str, Pooling], columns: int, width: int | None = None) -> None:
        if columns < 2 or columns % 2:
            raise ValueError(f"History: columns={columns}; an even number of at least 2 is allowed")
        self._rules = rules
        self._limit, self._width = columns, width
        self._pools: dict[str, list[str]] = {}
        for name, rule in rules.items():
            self._pools.setdefault(rule.pool, []).append(name)
        self._places: dict[str, tuple[slice, tuple[int, ...]]] = {}
        self._kept = _Kept({}, 0, width or 1, {}, 0)

    def extend(self, ticks: Mapping[str, Array]) -> None:
        """Add ticks in order: for each number an array (ticks,) or (ticks, width), the width always the same."""
        self.extend_packed(self.pack(ticks))

    def pack(self, ticks: Mapping[str, Array]) -> Packed:
        """Get ticks ready, once for all that have the same rules."""
        if not self._places:
            self._arrange(ticks)
        return Packed(self._pack(ticks), self._places)

    def extend_packed(self, ticks: Packed) -> None:
        """Add ticks as `extend` does."""
        self._places = ticks.places
        rows, kept, done = self._without_forgotten(ticks.rows), self._kept, 0
        count = len(next(iter(rows.values())))
        while done < count:
            width, filled = kept.ticks_per_column, kept.filled
            columns = 0 if filled else min((count - done) // width, self._limit - kept.used)
            end = done + columns * width if columns else min(done + width - filled, count)
            part = {pool: array[done:end] for pool, array in rows.items()}
            if columns:
                kept = self._store(kept, _join(part, width))
            else:
                if filled:
                    part = {pool: np.concatenate((kept.filling[pool], array)) for pool, array in part.items()}
                filling, filled = _join(part, end - done + (filled > 0)), filled + end - done
                if filled == width:
                    kept = self._store(kept._replace(filled=0), filling)
                else:
                    kept = kept._replace(filling=filling, filled=filled)
            done = end
        self._kept = kept

    def columns(self, most: int | None = None) -> Arrays | None:
        """Copy everything by now, the column being filled included; None before the first tick.

        Where there are more columns than `most`, neighbours are joined in pairs until there are not.
        """
        kept = self._kept
        if not (kept.used or kept.filled):
            return None
        parts = [{name: array[: kept.used] for name, array in kept.columns.items()}] if kept.used else []
        parts += [self._finish(kept.filling)] if kept.filled else []
        found = {name: np.concatenate([part[name] for part in parts]) for name in self._rules}
        while most and (count := len(next(iter(found.values())))) > most:
            pairs = self._finish(_join(self._pack({name: array[: count // 2 * 2] for name, array in found.items()}), 2))
            found = {name: np.concatenate([pairs[name], array[count // 2 * 2 :]]) for name, array in found.items()}
        return found

    @property
    def used(self) -> int:
        """Number of finished columns."""
        return self._kept.used

    @property
    def wide(self) -> int:
        """Ticks per column."""
        return self._kept.ticks_per_column

    def finished(self, names: Sequence[str]) -> list[Array]:
        """Give the columns of some numbers themselves, not to be changed; only the first `used` count."""
        columns = self._kept.columns
        return [columns[name] if columns else np.empty(0, self._rules[name].dtype) for name in names]

    def copy(self, *, apart: bool) -> Decimation:
        """Give one that goes on from here. Unless it is `apart`, only one of the two may be extended."""
        other = copy(self)
        if apart:
            columns = {name: array.copy() for name, array in self._kept.columns.items()}
            other._kept = self._kept._replace(columns=columns)
        return other

    def empty(self) -> Decimation:
        """Give one with the same rules and nothing in it."""
        return Decimation(self._rules, self._limit, self._width)

    def _without_forgotten(self, ticks: Arrays) -> Arrays:
        """Leave out ticks whose columns would go before the end, in so many that all later columns stay the same."""
        if self._width is None:
            return ticks
        at_once = self._width * (self._limit // 2)
        skip = (len(next(iter(ticks.values()))) // at_once - 4) * at_once
        return {name: array[skip:] for name, array in ticks.items()} if skip > 0 else ticks

    def _arrange(self, ticks: Mapping[str, Array]) -> None:
        """Give each number its place among those of its pool."""
        for names in self._pools.values():
            first = 0
            for name in names:
                shape = ticks[name].shape[1:]
                end = first + int(np.prod(shape, dtype=np.int64))
                self._places[name], first = (slice(first, end), shape), end

    def _pack(self, columns: Mapping[str, Array]) -> Arrays:
        """Put the numbers of each pool side by side; behind those of means stands whether they are known, as 1 or 0."""
        packed = {}
        for pool, names in self._pools.items():
            parts = [columns[name] if columns[name].ndim > 1 else columns[name][:, None] for name in names]
            if pool != "mean":
                packed[pool] = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
                continue
            width = self._places[names[-1]][0].stop
            whole = np.empty((len(parts[0]), 2 * width))
            numbers, known = whole[:, :width], whole[:, width:]
            np.concatenate(parts, axis=1, out=numbers)
            for name in names:
                if self._rules[name] == STEPS:
                    steps = numbers[:, self._places[name][0]]
                    steps[steps == MISSING] = np.nan
            unknown = np.isnan(numbers)
            numbers[unknown] = 0.0
            np.logical_not(unknown, out=known)
            packed[pool] = whole
        return packed

    def _finish(self, pooled: Arrays) -> Arrays:
        """Turn pooled numbers into columns as they are kept."""
        if "mean" in pooled:
            middle = pooled["mean"].shape[1] // 2
            with np.errstate(invalid="ignore"):  # 0 of 0 ticks have no mean: NaN
                means = pooled["mean"][:, :middle] / pooled["mean"][:, middle:]
            pooled = {**pooled, "mean": means}
        found = {}
        for name, rule in self._rules.items():
            place, shape = self._places[name]
            part = pooled[rule.pool][:, place]
            if rule == STEPS:
                part = np.where(np.isnan(part), MISSING, np.rint(part))
            found[name] = part.reshape(len(part), *shape).astype(rule.dtype, copy=False)
        return found

    def _store(self, kept: _Kept, pooled: Arrays) -> _Kept:
        """Store finished columns; when there are no free ones left, join neighbours."""
        columns = self._finish(pooled)
        used = kept.used + len(next(iter(columns.values())))
        stored = {name: _make_room(kept.columns.get(name), columns[name], used, self._limit) for name in self._rules}
        for name, array in stored.items():
            array[kept.used : used] = columns[name]
        if used < self._limit:
            return kept._replace(columns=stored, used=used)
        if self._width is not None:
            half = used // 2
            return kept._replace(columns={name: array[half:].copy() for name, array in stored.items()}, used=half)
        halves = self._finish(_join(self._pack(stored), 2))
        return kept._replace(columns=halves, used=used // 2, ticks_per_column=2 * kept.ticks_per_column)


def _join(rows: Arrays, size: int) -> Arrays:
    """Join every `size` neighbours into one."""
    if size == 1:
        return rows
    return {pool: POOLS[pool](array.reshape(-1, size, array.shape[1])) for pool, array in rows.items()}


def _make_room(array: Array | None, more: Array, used: int, limit: int) -> Array:
    """Give the array itself if it has `used` entries, else a longer copy."""
    if array is not None and len(array) >= used:
        return array
    longer: Array = np.empty((min(limit, max(2 * used, 16)), *more.shape[1:]), more.dtype)
    if array is not None:
        longer[: len(array)] = array
    return longer
