"""History for pictures: readings of each series over time in at most a fixed number of columns.

A column covers 2^k ticks. When the columns are used up, neighbours are averaged in pairs and k grows by one:
memory stays where it is however long a series runs. Sums are kept in whole numbers (readings in sixteenths,
lag-1 in 2^-20), whose order does not matter: a block and its ticks one by one give bitwise the same picture.
Evidence keeps the maximum of its column: a mean would hide a short crossing of the alarm line.

It is disposable: nothing else depends on it, and a restart begins it anew.
"""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.views import Spectrogram

MISSING = -128
"""An int8 reading that is not ready or missing."""
SCALE = 16
"""int8 steps per null standard deviation."""
LIMIT = 127
_FINE = float(1 << 20)
_NO_EVIDENCE = -np.inf


class _Picture:
    """The columns of one series, and the column that is still being filled."""

    def __init__(self, thresholds: NDArray[np.float64], columns: int) -> None:
        detectors = len(thresholds)
        self.thresholds = thresholds
        self.used = 0
        self.ticks_per_column = 1
        self.time_us = np.zeros(columns, np.int64)
        self.readings = np.full((columns, detectors), MISSING, np.int8)
        self.lines = np.full((columns, 4), np.nan, np.float32)
        self._begin()

    def _begin(self) -> None:
        """Start an empty column."""
        self.filled = 0
        self.last_us = 0
        self.sums = np.zeros(len(self.thresholds) + 3, np.int64)
        self.counts = np.zeros(len(self.thresholds) + 3, np.int64)
        self.peak = _NO_EVIDENCE

    def append(
        self,
        time_us: NDArray[np.int64],
        values: NDArray[np.int64],
        valid: NDArray[np.bool_],
        evidence: NDArray[np.float64],
    ) -> None:
        """Add ticks: `values` and `valid` (ticks, detectors + 3), `evidence` (ticks,), -inf = none."""
        done, ticks = 0, len(time_us)
        while done < ticks:
            width = self.ticks_per_column
            if self.filled or ticks - done < width:
                end = min(done + width - self.filled, ticks)
                self.sums += values[done:end].sum(axis=0)
                self.counts += valid[done:end].sum(axis=0)
                self.peak = max(self.peak, float(evidence[done:end].max()))
                self.filled += end - done
                self.last_us = int(time_us[end - 1])
                if self.filled == width:
                    self._store(*self._open_column())
                    self._begin()
            else:
                columns = min((ticks - done) // width, len(self.time_us) - self.used)
                end = done + columns * width
                shape = (columns, width, -1)
                self._store(
                    time_us[done + width - 1 : end : width],
                    values[done:end].reshape(shape).sum(axis=1),
                    valid[done:end].reshape(shape).sum(axis=1),
                    evidence[done:end].reshape(columns, width).max(axis=1),
                )
            done = end
            if self.used == len(self.time_us):
                self._halve()

    def _open_column(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Give the column being filled in the form of several: time, sums, counts, peaks."""
        return np.array([self.last_us]), self.sums[None], self.counts[None], np.array([self.peak])

    def _store(
        self,
        time_us: NDArray[np.int64],
        sums: NDArray[np.int64],
        counts: NDArray[np.int64],
        peaks: NDArray[np.float64],
    ) -> None:
        """Store finished columns."""
        rows = slice(self.used, self.used + len(time_us))
        self.time_us[rows] = time_us
        self.readings[rows], self.lines[rows] = _means(sums, counts, peaks)
        self.used += len(time_us)

    def _halve(self) -> None:
        """Average neighbouring columns; where one of a pair has no number, the other's stands."""
        half = len(self.time_us) // 2
        pairs = self.readings.astype(np.int16).reshape(half, 2, -1)
        there = pairs != MISSING
        count = there.sum(axis=1)
        mean = np.where(there, pairs, 0).sum(axis=1) / np.maximum(count, 1)
        self.readings[:half] = np.where(count > 0, np.rint(mean), MISSING)
        first, second = self.lines[0::2], self.lines[1::2]
        merged = np.where(np.isnan(first), second, np.where(np.isnan(second), first, (first + second) / 2))
        merged[:, 3] = np.fmax(first[:, 3], second[:, 3])
        self.lines[:half] = merged
        self.time_us[:half] = self.time_us[1::2]
        self.used = half
        self.ticks_per_column *= 2

    def spectrogram(self) -> Spectrogram:
        """Copy everything, the column being filled included."""
        time_us, readings, lines = (
            self.time_us[: self.used],
            self.readings[: self.used],
            self.lines[: self.used],
        )
        if self.filled:
            last_us, sums, counts, peaks = self._open_column()
            last_readings, last_lines = _means(sums, counts, peaks)
            time_us = np.concatenate((time_us, last_us))
            readings = np.concatenate((readings, last_readings))
            lines = np.concatenate((lines, last_lines))
        lag1, low, high, evidence = (line.copy() for line in lines.T)
        return Spectrogram(self.thresholds.copy(), time_us.copy(), readings.copy(), lag1, low, high, evidence)


def _means(
    sums: NDArray[np.int64], counts: NDArray[np.int64], peaks: NDArray[np.float64]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Turn sums into columns: readings (columns, detectors); lag1, low, high, evidence (columns, 4)."""
    mean = sums / np.maximum(counts, 1)
    there = counts > 0
    readings = np.where(there[:, :-3], np.rint(mean[:, :-3]), MISSING).astype(np.int8)
    lines = np.full((len(sums), 4), np.nan, np.float32)
    lines[:, :3] = np.where(there[:, -3:], mean[:, -3:] / _FINE, np.nan)
    lines[:, 3] = np.where(peaks == _NO_EVIDENCE, np.nan, peaks)
    return readings, lines


class History:
    """Pictures of the first `max_series` series that were appended, at most `columns` columns each."""

    def __init__(self, max_series: int, columns: int = 512) -> None:
        if columns < 2 or columns % 2:
            raise ValueError(f"History: columns={columns}; an even number of at least 2 is allowed")
        self._max_series = max_series
        self._columns = columns
        self._pictures: dict[str, _Picture] = {}
        # The engine appends while a page copies: a copy must not see half a column.
        self._lock = Lock()

    def append(
        self,
        name: str,
        thresholds: NDArray[np.float64],
        time_us: NDArray[np.int64],
        readings: NDArray[np.float64],
        lag1: NDArray[np.float64],
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        evidence: NDArray[np.float64],
    ) -> None:
        """Add the ticks of one block.

        Parameters
        ----------
        name
            The series; ignored when it is new and `max_series` are kept already.
        thresholds
            Shape (detectors,). Other thresholds than before begin the picture anew.
        time_us
            Shape (ticks,): end of each tick, ascending.
        readings
            Shape (ticks, detectors), null standard deviations; NaN = not ready or missing.
        lag1, low, high, evidence
            Shape (ticks,); NaN = not ready or missing.
        """
        picture = self._pictures.get(name)
        if picture is None and len(self._pictures) >= self._max_series:
            return
        lines = np.stack((lag1, low, high), axis=1)
        valid = np.isfinite(np.concatenate((readings, lines), axis=1))
        with np.errstate(invalid="ignore"):
            coarse, fine = np.clip(np.rint(readings * SCALE), -LIMIT, LIMIT), np.rint(lines * _FINE)
            steps = np.concatenate((coarse, fine), axis=1)
        values = np.where(valid, steps, 0).astype(np.int64)
        peaks = np.where(np.isnan(evidence), _NO_EVIDENCE, evidence)
        with self._lock:
            if picture is None or not np.array_equal(picture.thresholds, thresholds):
                picture = self._pictures[name] = _Picture(np.array(thresholds, np.float64), self._columns)
            picture.append(np.asarray(time_us, np.int64), values, valid, peaks)

    def spectrogram(self, name: str) -> Spectrogram | None:
        """Give a copy of one series' picture; None where none is kept."""
        with self._lock:
            picture = self._pictures.get(name)
            return None if picture is None else picture.spectrogram()
