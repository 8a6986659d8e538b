"""Many series, each in at most a fixed number of columns, however long it runs.

A column covers 2^k ticks. When all are used, neighbours are joined in pairs and k grows by one. Columns are cut by
counting the ticks of each series: the blocks in which ticks arrive, and the series that come with them, change nothing,
bitwise. For a look at the last ticks k may also stand still, and the oldest half of the columns goes where there is no
room.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from sentinel.pipeline.arrays import Arrays, Ints
from sentinel.pipeline.pooling import Array, Packing, Ticks

AT_ONCE = 1 << 14
"""Ticks, of all series together, that are worked on at the same time; more would take memory and save nothing."""


class Decimation:
    """Series by number, each in at most `columns` columns; ValueError if `columns` is odd or below 2.

    With `width` each column stays so many ticks wide, and only the last ones are kept.
    """

    def __init__(self, packing: Packing, columns: int, width: int | None = None) -> None:
        if columns < 2 or columns % 2:
            raise ValueError(f"History: columns={columns}; an even number of at least 2 is allowed")
        self._packing, self._limit, self._width = packing, columns, width
        self._used = self._wide = self._filled = np.empty(0, np.int64)
        """Of each series: finished columns, ticks per column, ticks of the column that is being filled."""
        self._columns: Arrays = {}
        """(series, columns, ...) by name; entries beyond the used ones are free."""
        self._filling: Arrays = {}
        """(series, numbers) by pool."""

    def extend(self, series: Ints, count: Ints, ticks: Ticks) -> None:
        """Add ticks in order: of each of these series so many, those of the next behind those of the one before."""
        self._make_room(int(series.max(initial=-1)) + 1)
        begin, left = np.cumsum(count) - count, count
        if self._width is not None:  # columns that would go before the end; all later ones are the same without them
            at_once = self._width * (self._limit // 2)
            skipped = np.maximum(count // at_once - 4, 0) * at_once
            begin, left = begin + skipped, count - skipped
        while (going := left > 0).any():
            series, begin, left = series[going], begin[going], left[going]
            room = (self._limit - self._used[series]) * self._wide[series] - self._filled[series]
            now = np.minimum(left, room)
            self._fill(series, begin, now, ticks)
            self._free(series[self._used[series] == self._limit])
            begin, left = begin + now, left - now

    def columns(self, series: int, names: Iterable[str] | None = None, most: int | None = None) -> Arrays | None:
        """Copy what there is of a series, the column being filled included; None before its first tick.

        Where there are more columns than `most`, neighbours are joined in pairs until there are not; of all names only.
        """
        if series >= self._used.size or not (self._used[series] or self._filled[series]):
            return None
        found = {name: self._columns[name][series, : self._used[series]] for name in names or self._packing.rules}
        if self._filled[series]:
            last = self._packing.finish({pool: array[series : series + 1] for pool, array in self._filling.items()})
            found = {name: np.concatenate((array, last[name])) for name, array in found.items()}
        else:
            found = {name: array.copy() for name, array in found.items()}
        while most and (count := len(next(iter(found.values())))) > most:
            even = count // 2 * 2
            pairs = self._join_pairs({name: array[:even] for name, array in found.items()}, np.arange(0, even, 2))
            found = {name: np.concatenate((pairs[name], array[even:])) for name, array in found.items()}
        return found

    def to_arrays(self, series: Ints) -> Arrays:
        """Copy by name what there is of these series, numbered anew; nothing of columns that were never filled."""
        self._make_room(int(series.max(initial=-1)) + 1)
        used, filled = self._used[series], self._filled[series]
        own, column = self._places(used)
        columns = {f"columns/{name}": array[series[own], column] for name, array in self._columns.items()}
        filling = {f"filling/{pool}": array[series[filled > 0]] for pool, array in self._filling.items()}
        return {"used": used, "wide": self._wide[series], "filled": filled} | columns | filling

    def use_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Go on with what `to_arrays` gave; some error where that was not of such columns."""
        self._used, self._wide, self._filled = arrays["used"], arrays["wide"], arrays["filled"]
        if not self._used.any() and not self._filled.any():
            return
        columns = {name: arrays[f"columns/{name}"] for name in self._packing.rules}
        self._packing.arrange(columns)
        self._store(*self._places(self._used), columns)
        begin = "filling/"
        filling = {key.removeprefix(begin): array for key, array in arrays.items() if key.startswith(begin)}
        self._put_back(filling, np.flatnonzero(self._filled))

    def _places(self, used: Ints) -> tuple[Ints, Ints]:
        """Give series and number of each finished column."""
        own, column = np.nonzero(np.arange(self._limit) < used[:, None])
        return own, column

    def wide(self, series: int) -> int:
        """Ticks per column of a series that has any."""
        return int(self._wide[series])

    def forget(self, series: int) -> None:
        """Let a number be free for another series."""
        if series < self._used.size:
            self._used[series], self._wide[series], self._filled[series] = 0, self._width or 1, 0

    def _fill(self, series: Ints, begin: Ints, count: Ints, ticks: Ticks) -> None:
        """Add ticks for which there is room: so many from where they begin among the packed ones."""
        wide, filled, used = self._wide[series], self._filled[series], self._used[series]
        columns = -(-(filled + count) // wide)  # of each series, with those that are begun or not finished
        first = np.cumsum(columns) - columns
        own = np.repeat(np.arange(series.size), columns)
        number = np.arange(own.size) - first[own]
        start = np.maximum(number * wide[own], filled[own])
        size = np.minimum((number + 1) * wide[own], (filled + count)[own]) - start
        place = np.cumsum(size) - size
        if (total := int(size.sum())) < len(ticks):
            ticks = ticks.take(np.repeat(begin[own] + start - filled[own] - place, size) + np.arange(total))
        if (wide == 1).all():
            numbers = {name: _with_one_nan(array) for name, array in ticks.numbers.items()}
            self._store(series[own], used[own] + number, numbers)
            self._used[series] += count
            return
        begun = np.flatnonzero(filled)
        joined = ticks.join(place, self._filling, (first[begun], series[begun]))
        whole = (number + 1) * wide[own] <= (filled + count)[own]
        finished = self._packing.finish({pool: array[whole] for pool, array in joined.items()})
        self._store(series[own[whole]], used[own[whole]] + number[whole], finished)
        self._used[series] = used + (filled + count) // wide
        self._filled[series] = (filled + count) % wide
        self._put_back({pool: array[~whole] for pool, array in joined.items()}, series[own[~whole]])

    def _put_back(self, filling: Mapping[str, Array], series: Ints) -> None:
        """Keep the columns of these series that are not full yet."""
        for pool, array in filling.items():
            if pool not in self._filling:
                self._filling[pool] = np.empty((self._used.size, array.shape[1]), array.dtype)
            self._filling[pool][series] = array

    def _free(self, full: Ints) -> None:
        """Make free columns in series without any: join neighbours, or let the oldest half go."""
        if not full.size:
            return
        half = self._limit // 2
        if self._width is not None:
            for array in self._columns.values():
                array[full, :half] = array[full, half:]
        else:
            pairs = np.arange(0, self._limit, 2)
            for part in np.array_split(full, -(-full.size * self._limit // AT_ONCE)):
                stored = {name: array[part].reshape(-1, *array.shape[2:]) for name, array in self._columns.items()}
                begin = (np.arange(part.size)[:, None] * self._limit + pairs).reshape(-1)
                joined = self._join_pairs(stored, begin)
                for name, array in self._columns.items():
                    array[part, :half] = joined[name].reshape(part.size, half, *array.shape[2:])
            self._wide[full] *= 2
        self._used[full] = half

    def _join_pairs(self, columns: Mapping[str, Array], begin: Ints) -> Arrays:
        """Join columns with their neighbours into ones that begin at these places."""
        none = np.empty(0, np.int64)
        return self._packing.finish(Ticks(self._packing, columns).join(begin, {}, (none, none)))

    def _store(self, series: Ints, column: Ints, finished: Mapping[str, Array]) -> None:
        for name, rule in self._packing.rules.items():
            array = finished[name]
            if name not in self._columns:  # all that it will ever need: memory does not grow with the ticks
                self._columns[name] = np.empty((self._used.size, self._limit, *array.shape[1:]), rule.dtype)
            self._columns[name][series, column] = array

    def _make_room(self, count: int) -> None:
        """Have a place for so many series, and then some, so that one after the other may come."""
        have = self._used.size
        if count <= have:
            return
        count = max(count, have + have // 2)
        self._used, self._filled = (np.pad(array, (0, count - have)) for array in (self._used, self._filled))
        self._wide = np.pad(self._wide, (0, count - have), constant_values=self._width or 1)
        for arrays in (self._columns, self._filling):
            for name, array in arrays.items():
                arrays[name] = np.empty((count, *array.shape[1:]), array.dtype)
                arrays[name][: len(array)] = array


def _with_one_nan(array: Array) -> Array:
    """Replace every NaN by the same one, whatever bits a division has left in it."""
    return np.where(np.isnan(array), np.nan, array) if array.dtype.kind == "f" else array
