"""Lookup of observations that the journal holds already, without an index of every one of them.

An observation that is later than all of its series is new. Only of the others the blocks that cover its time are looked
through. They are found by *level* and *slot*: a block of level L covers less than 2^L microseconds, and its slot is its
first time divided by that. So a moment lies in one slot of each level, or in the one before.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sentinel.journal.blocks import Rows, unpack
from sentinel.journal.database import Database

NEVER = np.iinfo(np.int64).min
LEVELS = range(0, 64, 4)
MOST_SPANS = 256
"""Spans of slots of one level that are asked for one by one."""

Ints = NDArray[np.int64]


def place_of(first_us: int, last_us: int) -> tuple[int, int]:
    """Level and slot of a block."""
    level = next((one for one in LEVELS if last_us - first_us < 1 << one), LEVELS[-1])
    return level, first_us >> level


class Known:
    """Latest time of each series in the journal, kept in memory; read at the first commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._newest: Ints | None = None
        self._batch = 0

    def find(self, connection: sqlite3.Connection, time: Ints, series: Ints) -> tuple[NDArray[np.bool_], Rows]:
        """Tell which of these observations, ordered and each but once, are there, and give those as they are."""
        newest = self._load(int(series.max()) + 1)
        there = np.zeros(time.size, np.bool_)
        standing = np.zeros(time.size)
        asked = np.flatnonzero(time <= newest[series])
        if asked.size:
            there[asked], standing[asked], _ = _look_up(connection, time[asked], series[asked])
        return there, (time[there], series[there], standing[there])

    def find_batches(self, time: Ints, series: Ints) -> Ints:
        """Give the batch that each of these observations came with; 0 of those that are not there."""
        return _look_up(self._database.connection, time, series)[2] if time.size else time

    def add(self, batch: int, rows: Rows) -> None:
        """Note what was committed."""
        time, series, _ = rows
        if time.size:
            np.maximum.at(self._load(int(series.max()) + 1), series, time)
            self._batch = batch

    def save(self, connection: sqlite3.Connection) -> None:
        """Keep the latest times, so that the next start reads only what came after them."""
        if self._newest is not None:
            data = zlib.compress(self._newest.tobytes(), 1)
            connection.execute("DELETE FROM newest")
            connection.execute("INSERT INTO newest (batch, data) VALUES (?, ?)", (self._batch, data))

    def _load(self, count: int) -> Ints:
        """Give the latest times of at least so many series."""
        if self._newest is None:
            self._batch, self._newest = self._read()
        self._newest = _make_room(self._newest, count)
        return self._newest

    def _read(self) -> tuple[int, Ints]:
        """Read the latest times that were kept, and the blocks since then; also the number of the last of these."""
        last, newest = 0, np.empty(0, np.int64)
        for batch, data in self._database.read("SELECT batch, data FROM newest"):
            last, newest = batch, np.frombuffer(zlib.decompress(data), np.int64).copy()
        query = "SELECT batch, data FROM block WHERE batch > ? ORDER BY batch"
        for batch, data in self._database.connection.execute(query, (last,)):
            rows = unpack(data)
            if rows is not None:  # reading that batch says what is wrong
                newest, last = _make_room(newest, int(rows[1].max()) + 1), batch
                np.maximum.at(newest, rows[1], rows[0])
        return last, newest


def _make_room(newest: Ints, count: int) -> Ints:
    """Give the array itself if it has so many entries, else a longer copy."""
    if newest.size >= count:
        return newest
    return np.concatenate([newest, np.full(max(count, 2 * newest.size) - newest.size, NEVER)])


def _look_up(
    connection: sqlite3.Connection, time: Ints, series: Ints
) -> tuple[NDArray[np.bool_], NDArray[np.float64], Ints]:  # fmt: skip
    """Which of these are in a block, the value that stands there, and the batch of the block."""
    there, standing, came = np.zeros(time.size, np.bool_), np.zeros(time.size), np.zeros(time.size, np.int64)
    moments, rank = np.unique(time, return_inverse=True)
    for batch, (block_time, block_series, value) in _covering(connection, moments):
        at = np.minimum(np.searchsorted(moments, block_time), moments.size - 1)
        near = moments[at] == block_time
        width = max(int(series.max()), int(block_series.max())) + 1
        keys, own = rank * width + series, at[near] * width + block_series[near]
        place = np.minimum(np.searchsorted(keys, own), keys.size - 1)
        hit = keys[place] == own
        there[place[hit]], standing[place[hit]], came[place[hit]] = True, value[near][hit], batch
    return there, standing, came


def _covering(connection: sqlite3.Connection, moments: Ints) -> Iterator[tuple[int, Rows]]:
    """The blocks that may cover one of these moments, ordered and each but once, with their batches."""
    query = "SELECT batch, data FROM block WHERE level = ? AND slot BETWEEN ? AND ?"
    for level in LEVELS:
        slots = np.unique(moments >> level)
        step = np.diff(slots)
        apart = np.flatnonzero(step > 2)
        if apart.size >= MOST_SPANS:
            apart = np.sort(apart[np.argpartition(step[apart], -MOST_SPANS)[-MOST_SPANS:]])
        begin, end = slots[np.append(0, apart + 1)] - 1, slots[np.append(apart, slots.size - 1)]
        for span in zip(begin.tolist(), end.tolist(), strict=True):
            for batch, data in connection.execute(query, (level, *span)):
                rows = unpack(data)
                if rows is not None:
                    yield batch, rows
