"""Histories for pictures: a series in at most a fixed number of columns, however long it runs.

Readings and estimates are averaged over the ticks that have them, values keep both extremes, evidence keeps its maximum
(a mean would hide a short crossing of the alarm line), and the state of a report is the one whose tick lasted longest.
What is kept of them over a restart is said by `to_arrays`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.channels import Estimates
from sentinel.domain.states import Spectrogram
from sentinel.pipeline.arrays import Arrays, Codes, Floats, Ints
from sentinel.pipeline.decimation import AT_ONCE, Decimation
from sentinel.pipeline.pooling import MISSING, STEPS, Array, Packing, Pooling, Ticks
from sentinel.pipeline.results import Rows

SCALE = 16
"""int8 steps per null standard deviation."""
LIMIT = 127


_LIVE = {
    "time_us": Pooling("last", np.int64),
    "readings": STEPS,
    "state": Pooling("last", np.int8),
    "value_low": Pooling("min", np.float64),
    "value_high": Pooling("max", np.float64),
    **dict.fromkeys(("lag1", "low", "high", "modulus", "spread"), Pooling("mean", np.float32)),
    "evidence": Pooling("max", np.float32),
}
_SKETCHED = ("value_low", "value_high", "lag1")
RECENT = 256
"""Columns at most, at least half as many, of each look at the last ticks of a series."""
WIDTHS = (32, 1)
"""Ticks per column of these looks: whatever stretch up to now is chosen, one of them shows it in enough columns."""


KEPT_BACK = 128
"""Ticks that are put into their pictures together; one by one they would take ten times as long."""


class Sketch(NamedTuple):
    """A few points of a series for a picture in a table: extremes of its values, lag-1; NaN = missing, not ready."""

    low: Array
    high: Array
    lag1: Array

    def reduce(self, step: int) -> Sketch:
        """Join every `step` neighbours: the extremes of their values, the last lag-1."""
        begin = np.arange(0, self.low.size, step)
        last = np.append(begin[1:], self.low.size) - 1
        return Sketch(np.fmin.reduceat(self.low, begin), np.fmax.reduceat(self.high, begin), self.lag1[last])


class _Block(NamedTuple):
    """Ticks that are not in their pictures yet."""

    rows: Ints
    """Of each series, in the album."""
    length: Ints
    """Ticks of each that count."""
    ticks: Mapping[str, Array]
    """(ticks, series) or (ticks, series, width)."""

    def flatten(self) -> tuple[Ints, Arrays]:
        """Give the rows and numbers of the ticks that count, one tick of all series after the other."""
        steps = len(self.ticks["time_us"])
        if (self.length == steps).all():
            flat = {name: array.reshape(-1, *array.shape[2:]) for name, array in self.ticks.items()}
            return np.tile(self.rows, steps), flat
        counts = np.arange(steps)[:, None] < self.length
        return np.broadcast_to(self.rows, counts.shape)[counts], {n: array[counts] for n, array in self.ticks.items()}


class _Album:
    """The pictures of the series with the same thresholds; each has a row."""

    def __init__(self, thresholds: Floats, columns: int) -> None:
        self.thresholds = thresholds
        self._packing = Packing(_LIVE)
        self.whole = Decimation(self._packing, columns)
        self.recent = tuple(Decimation(self._packing, RECENT, width) for width in WIDTHS)
        """The last ticks, by `WIDTHS`."""
        self._blocks: list[_Block] = []
        self._rows, self._free = 0, list[int]()
        self.named: tuple[Sequence[str], Ints] = ((), np.empty(0, np.int64))
        """Series that came together the last time, and the row of each, -1 = without a picture."""

    def take_row(self) -> int:
        """Give a free row."""
        if self._free:
            return self._free.pop()
        self._rows += 1
        return self._rows - 1

    def forget(self, row: int) -> None:
        """Let a row be free, its picture gone."""
        self.settle()
        for look in (self.whole, *self.recent):
            look.forget(row)
        self._free.append(row)
        self.named = ((), np.empty(0, np.int64))

    def keep_rows(self, count: int, rows: Set[int]) -> None:
        """Have so many rows, of which only these are taken."""
        self._rows = count
        for row in set(range(count)) - rows:
            self.forget(row)

    def is_empty(self) -> bool:
        """True once every row is free."""
        return len(self._free) == self._rows

    def add(self, block: _Block) -> None:
        """Let ticks wait until there are enough of them."""
        self._blocks.append(block)
        if sum(len(one.ticks["time_us"]) for one in self._blocks) >= KEPT_BACK:
            self.settle()

    def settle(self) -> None:
        """Put the ticks that wait into their pictures, those of one series behind those of the other."""
        if not self._blocks:
            return
        flat = [block.flatten() for block in self._blocks]
        self._blocks.clear()
        row = np.concatenate([rows for rows, _ in flat])
        ticks = {name: np.concatenate([part[name] for _, part in flat]) for name in _LIVE}
        order = np.argsort(row, kind="stable")
        rows, counts = np.unique(row, return_counts=True)
        ends = np.cumsum(counts)
        cuts = np.flatnonzero(np.diff(ends // AT_ONCE)) + 1  # so many series at once as have about so many ticks
        for of, count, some in zip(
            np.split(rows, cuts), np.split(counts, cuts), np.split(order, ends[cuts - 1]), strict=True
        ):
            part = Ticks(self._packing, {name: array[some] for name, array in ticks.items()})
            for look in (self.whole, *self.recent):
                look.extend(of, count, part)


class History:
    """Spectrograms of the first `max_series` series that were appended, at most `columns` columns each.

    lock: held while ticks are added or pictures copied, some milliseconds; None where one thread does both.
    """

    def __init__(self, max_series: int, columns: int = 512, lock: AbstractContextManager[Any] | None = None) -> None:
        self._max_series, self._columns = max_series, columns
        self._lock = lock or nullcontext()
        self._albums: dict[bytes, _Album] = {}
        self._places: dict[str, tuple[_Album, int]] = {}
        Decimation(Packing(_LIVE), columns)  # refuses a wrong number of columns at once

    def append(
        self, names: Sequence[str], thresholds: Floats, length: Ints, time_us: Ints, value: Floats, state: Codes,
        readings: Floats, estimates: Estimates[Floats], evidence: Floats,
    ) -> None:  # fmt: skip
        """Add the ticks of one block, but of new series only until `max_series` are kept.

        `thresholds` has shape (detectors,), others than before begin the picture anew. Of each series the first
        `length` ticks count. `time_us` is the end of each tick, (ticks, series) as everything else; `state` is an index
        into `STATES`; `readings`, in null standard deviations, have shape (ticks, series, detectors). NaN = not ready
        or missing.
        """
        ticks: dict[str, Array] = {
            "time_us": time_us, "state": state, "value_low": value, "value_high": value,
            "readings": in_steps(readings), "lag1": estimates.lag1, "low": estimates.lag1_low,
            "high": estimates.lag1_high, "modulus": estimates.modulus, "spread": estimates.spread,
            "evidence": evidence,
        }  # fmt: skip
        with self._lock:
            album = self._albums.get(thresholds.tobytes())
            if album is None:
                album = _Album(np.array(thresholds, np.float64), self._columns)
                self._albums[thresholds.tobytes()] = album
            if names != album.named[0]:
                album.named = (names, np.array([self._row(album, name) for name in names], np.int64))
            rows = album.named[1]
            if (shown := rows >= 0).all():
                album.add(_Block(rows, length, ticks))
            elif shown.any():
                shown_ticks = {name: array[:, shown] for name, array in ticks.items()}
                album.add(_Block(rows[shown], length[shown], shown_ticks))

    def _row(self, album: _Album, name: str) -> int:
        """Give the row of a series, which begins anew if it comes from another album; -1 = there is no room."""
        place = self._places.get(name)
        if place is not None and place[0] is album:
            return place[1]
        if place is not None:
            self._forget(*place)
        elif len(self._places) >= self._max_series:
            return -1
        row = album.take_row()
        self._places[name] = (album, row)
        return row

    def _forget(self, album: _Album, row: int) -> None:
        """Let a picture go, and with the last one of an album all of its room."""
        album.forget(row)
        if album.is_empty():
            self._albums.pop(album.thresholds.tobytes(), None)

    def rename(self, names: Mapping[str, str]) -> None:
        """Let pictures go on under the new names of their series."""
        with self._lock:
            for name in set(names.values()) - set(names):
                if name in self._places:
                    self._forget(*self._places.pop(name))
            self._places |= {new: self._places.pop(old) for old, new in names.items() if old in self._places}
            for album in self._albums.values():
                album.named = ((), np.empty(0, np.int64))

    def to_arrays(self, most: int) -> tuple[Arrays, dict[str, Any]]:
        """Copy the pictures of the first so many series, and give what JSON can hold of them."""
        arrays: Arrays = {}
        rows: dict[_Album, dict[str, int]] = {}
        with self._lock:
            for name, (album, row) in islice(self._places.items(), most):
                rows.setdefault(album, {})[name] = row
            for at, (album, places) in enumerate(rows.items()):
                album.settle()
                arrays[f"{at}/thresholds"] = album.thresholds
                for which, look in enumerate((album.whole, *album.recent)):
                    kept = look.to_arrays(np.array(list(places.values()), np.int64))
                    arrays |= {f"{at}/{which}/{name}": array for name, array in kept.items()}
        return arrays, {"names": [list(places) for places in rows.values()], "widths": WIDTHS}

    def use_arrays(self, arrays: Mapping[str, Array], header: Mapping[str, Any], names: Collection[str]) -> None:
        """Go on with the pictures of these series that `to_arrays` gave, as many as there is room for.

        Some error where they are of another kind; nothing is changed then.
        """
        if header["widths"] != list(WIDTHS):
            raise ValueError("they are of other widths")
        albums: dict[bytes, _Album] = {}
        places: dict[str, tuple[_Album, int]] = {}
        for at, named in enumerate(header["names"]):
            album = _Album(arrays[f"{at}/thresholds"], self._columns)
            for which, look in enumerate((album.whole, *album.recent)):
                begin = f"{at}/{which}/"
                look.use_arrays({key.removeprefix(begin): one for key, one in arrays.items() if key.startswith(begin)})
            rows = {name: row for row, name in enumerate(named) if name in names}
            mine = dict(islice(rows.items(), self._max_series - len(places)))
            album.keep_rows(len(named), set(mine.values()))
            if mine:
                albums[album.thresholds.tobytes()] = album
            places |= {name: (album, row) for name, row in mine.items()}
        with self._lock:
            self._albums, self._places = albums, places

    def spectrogram(self, name: str) -> Spectrogram | None:
        """Give a copy of one series' picture; None where none is kept."""
        return next(iter(self.pictures(name)), None)

    def pictures(self, name: str) -> list[Spectrogram]:
        """Give copies of one series' whole picture and of its last ticks, each finer than the one before it.

        None at all where none is kept.
        """
        with self._lock:
            if name not in self._places:
                return []
            album, row = self._places[name]
            album.settle()
            found = [album.whole.columns(row)]
            if found[0] is not None:
                finer = (one for one in album.recent if one.wide(row) < album.whole.wide(row))
                found += [one.columns(row) for one in finer]
        return [Spectrogram(album.thresholds.copy(), **columns) for columns in found if columns is not None]

    def sketches(self, names: Sequence[str], points: int) -> dict[str, Sketch]:
        """Give the values and lag-1 of those of these series that have a picture, each in at most so many points."""
        found = {}
        with self._lock:
            places = {name: self._places[name] for name in names if name in self._places}
            for name, (album, row) in places.items():
                album.settle()
                columns = album.whole.columns(row, _SKETCHED)
                if columns is not None:
                    found[name] = Sketch(*(columns[line] for line in _SKETCHED))
        return {name: sketch.reduce(-(-sketch.low.size // points)) for name, sketch in found.items()}


def in_steps(readings: Floats) -> NDArray[np.int8]:
    """Readings in whole steps, `MISSING` for NaN."""
    steps = readings * SCALE
    np.rint(steps, out=steps)
    np.maximum(np.minimum(steps, LIMIT, out=steps), -LIMIT, out=steps)
    steps[np.isnan(steps)] = MISSING
    return steps.astype(np.int8)


@dataclass(frozen=True, slots=True)
class Columns:
    """The decimated rows of one series; every array has one entry per column, `readings` one row per column."""

    start_us: Ints
    end_us: Ints
    state: Codes
    """Index into `tuple(State)`; `reason` likewise into `tuple(Reason)`."""
    reason: Codes
    value_low: Floats
    value_high: Floats
    residual_low: Floats
    residual_high: Floats
    estimates: Estimates[Floats]
    evidence: Floats
    readings: NDArray[np.float32]

    def __len__(self) -> int:
        """Number of columns."""
        return len(self.end_us)


_REPORT = {
    "end_us": Pooling("last", np.int64),
    "held_us": Pooling("longest", np.int64),  # the first: by it the longest is found
    **dict.fromkeys(("state", "reason"), Pooling("longest", np.int8)),
    **dict.fromkeys(("value_low", "residual_low"), Pooling("min", np.float64)),
    **dict.fromkeys(("value_high", "residual_high", "evidence"), Pooling("max", np.float64)),
    **dict.fromkeys(Estimates._fields, Pooling("mean", np.float64)),
    "readings": Pooling("mean", np.float32),
}


class Portrait:
    """The data for a picture of one series in a report, in at most `columns` columns; an even number."""

    def __init__(self, columns: int = 2000) -> None:
        self._packing = Packing(_REPORT)
        self._kept = Decimation(self._packing, columns)
        self._start_us = 0
        self._end_us: int | None = None

    def extend(self, rows: Rows, part: slice) -> None:
        """Add the rows `part` of a block, all of this series, in order of ticks."""
        end = rows.end_us[part]
        if not end.size:
            return
        if self._end_us is None:
            self._start_us = self._end_us = int(2 * rows.time_us[part][0] - end[0])
        held = np.diff(end, prepend=self._end_us)
        self._end_us = int(end[-1])
        columns = {name: column[part] for name, column in rows.columns().items()}
        extremes = {f"{name}_{side}": columns[name] for name in ("value", "residual") for side in ("low", "high")}
        ticks = {**columns, **extremes, "held_us": held}
        for start in range(0, end.size, AT_ONCE):
            some = Ticks(self._packing, {name: ticks[name][start : start + AT_ONCE] for name in _REPORT})
            self._kept.extend(np.array([0]), np.array([len(some)]), some)

    def columns(self, most: int | None = None) -> Columns | None:
        """Give what is known by now, in at most so many columns; None before the first row."""
        columns = self._kept.columns(0, most=most)
        if columns is None:
            return None
        del columns["held_us"]
        start = np.append(self._start_us, columns["end_us"][:-1])
        estimates = Estimates(*(columns.pop(name) for name in Estimates._fields))
        return Columns(start_us=start, estimates=estimates, **columns)
