"""Histories for pictures: a series in at most a fixed number of columns, however long it runs.

Readings and estimates are averaged over the ticks that have them, values keep both extremes, evidence keeps its maximum
(a mean would hide a short crossing of the alarm line), and the state of a report is the one whose tick lasted longest.
A restart begins them anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.channels import Estimates
from sentinel.domain.states import Spectrogram
from sentinel.pipeline.arrays import Arrays, Codes, Floats, Ints
from sentinel.pipeline.decimation import MISSING, STEPS, Array, Decimation, Pooling
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
"""Ticks of the same series that are put into their pictures together; one by one they would take ten times as long."""


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


class _Waiting(NamedTuple):
    """Blocks of ticks of the same series that are not in their pictures yet; more are added behind."""

    thresholds: Floats
    blocks: list[Mapping[str, Array]]
    lengths: list[Ints]
    """Ticks of each series that count, of each block."""

    def ticks_of(self, column: int, whole: Mapping[str, Array] | None) -> Arrays:
        """Give the ticks of one series; `whole` is all blocks in one, where every tick counts."""
        if whole is not None:
            return {name: array[:, column] for name, array in whole.items()}
        blocks = list(zip(list(self.blocks), list(self.lengths), strict=False))
        return {
            name: np.concatenate([block[name][: length[column], column] for block, length in blocks])
            for name in blocks[0][0]
        }

    def whole(self, names: Iterable[str] | None = None) -> Arrays | None:
        """Join the blocks; None where series differ in the ticks that count."""
        blocks, lengths = list(self.blocks), list(self.lengths)
        if any((length != len(block["time_us"])).any() for block, length in zip(blocks, lengths, strict=False)):
            return None
        return {name: np.concatenate([block[name] for block in blocks]) for name in names or blocks[0]}


class _Picture(NamedTuple):
    """One series. It is replaced as a whole, so that a page sees each tick once while the engine goes on."""

    thresholds: Floats
    kept: Decimation
    recent: tuple[Decimation, ...]
    """The last of the kept ticks, by `WIDTHS`."""
    waiting: _Waiting | None
    """What comes after the kept ticks."""
    column: int
    """Of the series in the blocks that wait."""

    def extend(self, thresholds: Floats, ticks: Mapping[str, Array], *, apart: bool = False) -> _Picture:
        """Give the picture with more ticks, and none that wait; `apart`: what is kept is copied first."""
        same = np.array_equal(self.thresholds, thresholds)
        all_kept = [one.copy(apart=apart) if same else one.empty() for one in (self.kept, *self.recent)]
        packed = all_kept[0].pack(ticks)
        for one in all_kept:
            one.extend_packed(packed)
        return _Picture(thresholds, all_kept[0], tuple(all_kept[1:]), None, 0)


class History:
    """Spectrograms of the first `max_series` series that were appended, at most `columns` columns each.

    One thread appends; others may read at the same time.
    """

    def __init__(self, max_series: int, columns: int = 512) -> None:
        self._max_series = max_series
        self._series: dict[str, _Picture] = {}
        self._waiting: dict[tuple[str, ...], _Waiting] = {}
        self._waits_in: dict[str, tuple[str, ...]] = {}
        """Key in `_waiting` of each series that is there."""
        self.closed = False
        """Nothing is added any more: the program ends, and nobody will look."""
        self._empty = Decimation(_LIVE, columns)
        self._none_recent = tuple(Decimation(_LIVE, RECENT, width) for width in WIDTHS)

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
        if self.closed:
            return
        key = tuple(names)
        block: dict[str, Array] = {
            "time_us": time_us, "state": state, "value_low": value, "value_high": value,
            "readings": _in_steps(readings), "lag1": estimates.lag1, "low": estimates.lag1_low,
            "high": estimates.lag1_high, "modulus": estimates.modulus, "spread": estimates.spread,
            "evidence": evidence,
        }  # fmt: skip
        waiting = self._waiting.get(key)
        if waiting is None or not np.array_equal(waiting.thresholds, thresholds):
            waiting = self._begin(key, np.array(thresholds, np.float64))
        waiting.lengths.append(np.array(length, np.int64))
        waiting.blocks.append(block)
        if sum(len(one["time_us"]) for one in waiting.blocks) >= KEPT_BACK:
            self._settle(key)

    def _begin(self, key: tuple[str, ...], thresholds: Floats) -> _Waiting:
        """Make room for ticks of these series to wait, and for the pictures of new ones."""
        for other in {self._waits_in[name] for name in key if name in self._waits_in}:
            self._settle(other)
        waiting = self._waiting[key] = _Waiting(thresholds, [], [])
        self._waits_in.update(dict.fromkeys(key, key))
        for s, name in enumerate(key):
            if (picture := self._series.get(name)) is not None:
                self._series[name] = picture._replace(waiting=waiting, column=s)
            elif len(self._series) < self._max_series:
                self._series[name] = self._begin_picture(thresholds, waiting, s)
        return waiting

    def _begin_picture(self, thresholds: Floats, waiting: _Waiting, column: int) -> _Picture:
        recent = tuple(one.empty() for one in self._none_recent)
        return _Picture(thresholds, self._empty.empty(), recent, waiting, column)

    def _settle(self, key: tuple[str, ...]) -> None:
        """Put the ticks of these series that wait into their pictures."""
        waiting = self._waiting.pop(key)
        for name in key:
            del self._waits_in[name]
        if not waiting.blocks:
            return
        whole = waiting.whole()
        for s, name in enumerate(key):
            if (picture := self._series.get(name)) is not None:
                self._series[name] = picture.extend(waiting.thresholds, waiting.ticks_of(s, whole))

    def rename(self, names: Mapping[str, str]) -> None:
        """Let pictures go on under the new names of their series."""
        for key in {self._waits_in[name] for name in names if name in self._waits_in}:
            self._settle(key)
        self._series |= {new: self._series.pop(old) for old, new in names.items() if old in self._series}

    def spectrogram(self, name: str) -> Spectrogram | None:
        """Give a copy of one series' picture; None where none is kept."""
        return next(iter(self.pictures(name)), None)

    def pictures(self, name: str) -> list[Spectrogram]:
        """Give copies of one series' whole picture and of its last ticks, each finer than the one before it.

        None at all where none is kept.
        """
        picture = self._series.get(name)
        if picture is None:
            return []
        waiting = picture.waiting
        if waiting is not None and waiting.blocks:
            picture = picture.extend(waiting.thresholds, waiting.ticks_of(picture.column, None), apart=True)
        finer = (one for one in picture.recent if one.wide < picture.kept.wide)
        found = (one.columns() for one in (picture.kept, *finer))
        return [Spectrogram(picture.thresholds.copy(), **columns) for columns in found if columns is not None]

    def sketches(self, names: Sequence[str], points: int) -> dict[str, Sketch]:
        """Give the values and lag-1 of those of these series that have a picture, each in at most so many points."""
        waits: dict[int, Arrays | None] = {}
        found = {}
        for name in names:
            picture = self._series.get(name)
            if picture is None:
                continue
            kept = [column[: picture.kept.used] for column in picture.kept.finished(_SKETCHED)]
            waiting = picture.waiting
            if waiting is not None and waiting.blocks:
                if id(waiting) not in waits:
                    waits[id(waiting)] = waiting.whole(_SKETCHED)
                ticks = waiting.ticks_of(picture.column, waits[id(waiting)])
                later = Sketch(*(ticks[line] for line in _SKETCHED))
                kept = [np.append(*both) for both in zip(kept, later.reduce(picture.kept.wide), strict=True)]
            if kept[0].size:
                found[name] = Sketch(*kept).reduce(-(-kept[0].size // points))
        return found


def _in_steps(readings: Floats) -> NDArray[np.int8]:
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
        self._kept = Decimation(_REPORT, columns)
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
        self._kept.extend({**columns, **extremes, "held_us": held})

    def columns(self, most: int | None = None) -> Columns | None:
        """Give what is known by now, in at most so many columns; None before the first row."""
        columns = self._kept.columns(most)
        if columns is None:
            return None
        del columns["held_us"]
        start = np.append(self._start_us, columns["end_us"][:-1])
        estimates = Estimates(*(columns.pop(name) for name in Estimates._fields))
        return Columns(start_us=start, estimates=estimates, **columns)
