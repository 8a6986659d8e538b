"""From a frame to rows of the observation table: order, duplicates, and what really was new."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from itertools import repeat
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.domain.errors import DataError
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.journal.batches import Rows

INCOMING = "CREATE TEMP TABLE incoming (time INTEGER, series INTEGER)"
"""Keys to look up, on the writing connection; empty between transactions."""


class Inserted(NamedTuple):
    """What a frame added: its rows by (time, series), and the counts of the rest."""

    rows: Rows
    duplicates: int
    revised: int


def require_schema(frame: Frame) -> None:
    """Refuse with a DataError a table that breaks the promise of `OBSERVATIONS`."""
    table = frame.observations
    if table.schema != OBSERVATIONS:
        raise DataError(f"source {frame.source}: a frame with columns {table.schema}; must be {OBSERVATIONS}")
    if sum(table.null_count().row(0)) or not table["value"].is_finite().all():
        raise DataError(f"source {frame.source}: a frame with missing or infinite values; sources leave them out")


def new_names(table: pl.DataFrame, known: Mapping[str, int]) -> list[str]:
    """Series seen for the first time, by the time of their first observation, then by name."""
    unknown = [name for name in table["series"].unique().to_list() if name not in known]
    if not unknown:
        return []
    first = table.filter(pl.col("series").is_in(unknown)).group_by("series").agg(pl.col("time").min())
    return first.sort("time", "series")["series"].to_list()


def ordered(table: pl.DataFrame, ids: Mapping[str, int]) -> Rows:
    """Rows by (time, series); those with the same key stay in the order of the frame."""
    time = table["time"].to_physical().to_numpy()
    series = np.fromiter(map(ids.__getitem__, table["series"].to_list()), np.int64, len(table))
    value = table["value"].to_numpy() + 0.0  # SQLite stores -0.0 as 0.0
    order = np.lexsort((series, time))
    return time[order], series[order], value[order]


def insert(connection: sqlite3.Connection, batch: int, offered: Rows) -> Inserted:
    """Add what is not there yet, inside the caller's transaction; the first value of a key is kept."""
    time, series, value = offered
    if not len(time):
        return Inserted(offered, 0, 0)
    first = np.concatenate(([True], (time[1:] != time[:-1]) | (series[1:] != series[:-1])))
    keys = time[first], series[first]
    kept = value[first]
    count = connection.executemany(
        "INSERT INTO observation (time, series, value, batch) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (time, series) DO NOTHING",
        zip(keys[0].tolist(), keys[1].tolist(), kept.tolist(), repeat(batch), strict=False),
    ).rowcount
    added = np.ones(len(kept), np.bool_)
    standing = kept
    if count < len(kept):
        owner, standing = _look_up(connection, keys)
        added = owner == batch
    left_out = np.ones(len(time), np.bool_)
    left_out[np.flatnonzero(first)[added]] = False
    equal = value == standing[np.cumsum(first) - 1]
    rows = keys[0][added], keys[1][added], kept[added]
    return Inserted(rows, int(np.sum(left_out & equal)), int(np.sum(left_out & ~equal)))


def _look_up(
    connection: sqlite3.Connection, keys: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Batch and value that stand in the table under each key.

    By key, not by range of time: one late row must not cost a scan of a year.
    """
    connection.executemany(
        "INSERT INTO incoming (time, series) VALUES (?, ?)",
        zip(keys[0].tolist(), keys[1].tolist(), strict=True),
    )
    found = connection.execute(
        "SELECT o.batch, o.value FROM incoming AS i CROSS JOIN observation AS o"
        " ON o.time = i.time AND o.series = i.series ORDER BY i.rowid"
    ).fetchall()
    connection.execute("DELETE FROM incoming")
    owner, standing = zip(*found, strict=True)
    return np.array(owner, np.int64), np.array(standing, np.float64)
