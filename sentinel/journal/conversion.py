"""A journal of version 1, which kept a row for every observation, becomes one of version 2, which keeps blocks.

Some batches at a time, each in one transaction: a start that is interrupted goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from sentinel.domain.spans import Span, join_spans
from sentinel.journal.batches import GROUP_BATCHES, GROUP_OBSERVATIONS, take_first
from sentinel.journal.blocks import NO_ROWS, Rows, pack
from sentinel.journal.database import BLOCK_TABLES, VERSION, Database
from sentinel.journal.known import place_of

logger = logging.getLogger(__name__)

REMOVABLE = "id <= ? AND id IS NOT (SELECT max(id) FROM batch WHERE kind = 'settings')"
"""Batches up to one that may be forgotten: the last settings never are."""


def convert(database: Database) -> None:
    """Bring a journal to this version, if it is not of it yet."""
    if not database.read("SELECT 1 FROM sqlite_master WHERE name = 'observation'"):
        return
    logger.warning(
        "the journal of an earlier version is converted; this is done once", extra={"path": str(database.path)}
    )
    if not database.read("SELECT 1 FROM sqlite_master WHERE name = 'block'"):
        with database.transaction() as connection:
            for statement in BLOCK_TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
    last, incomplete = 0, [0]
    while batches := database.read(
        "SELECT id, first_us, last_us, observations FROM batch WHERE id > ? AND observations > 0"
        " AND id NOT IN (SELECT batch FROM block) ORDER BY id LIMIT ?",
        (last, GROUP_BATCHES),
    ):
        batches = take_first(batches, [row[3] for row in batches], GROUP_OBSERVATIONS)
        spans = join_spans((first_us, last_us) for _, first_us, last_us, _ in batches)
        parts = _read_observations(database, batches, spans)
        whole = [(row[0], rows) for row, rows in zip(batches, parts, strict=True) if len(rows[0]) == row[3]]
        incomplete += [row[0] for row, rows in zip(batches, parts, strict=True) if len(rows[0]) != row[3]]
        last = batches[-1][0]
        with database.transaction() as connection:
            connection.executemany(
                "INSERT INTO block (batch, level, slot, data) VALUES (?, ?, ?, ?)",
                [(batch, *place_of(int(rows[0][0]), int(rows[0][-1])), pack(rows)) for batch, rows in whole],
            )
            connection.executemany(
                "DELETE FROM observation WHERE time BETWEEN ? AND ? AND batch BETWEEN ? AND ?",
                [(*span, batches[0][0], last) for span in spans],
            )
    checkpoint = database.read_number("SELECT min(batch) FROM checkpoint WHERE complete = 1")
    # Retention forgot observations in the order of time, and then their batches: what it had begun is ended.
    forgotten = max(batch for batch in incomplete if batch <= checkpoint)
    with database.transaction() as connection:
        connection.execute(f"DELETE FROM batch WHERE {REMOVABLE}", (forgotten,))
        connection.execute("DELETE FROM block WHERE batch <= ?", (forgotten,))
        connection.execute("DROP TABLE observation")


def _read_observations(database: Database, batches: Sequence[Any], spans: Sequence[Span]) -> list[Rows]:
    """The rows of each of some neighbouring batches, which lie in these spans of time."""
    found: list[tuple[int, int, int, float]] = []
    for span in spans:
        found += database.read(
            "SELECT batch, time, series, value FROM observation"
            " WHERE time BETWEEN ? AND ? AND batch BETWEEN ? AND ? ORDER BY time, series",
            (*span, batches[0][0], batches[-1][0]),
        )
    if not found:
        return [NO_ROWS] * len(batches)
    owner, time, series, value = zip(*found, strict=True)
    owners = np.array(owner, np.int64)
    order = np.argsort(owners, kind="stable")
    times, ids = np.array(time, np.int64)[order], np.array(series, np.int64)[order]
    values = np.array(value, np.float64)[order]
    numbers = [row[0] for row in batches]
    begin = np.searchsorted(owners[order], numbers, side="left").tolist()
    end = np.searchsorted(owners[order], numbers, side="right").tolist()
    return [(times[a:b], ids[a:b], values[a:b]) for a, b in zip(begin, end, strict=True)]
