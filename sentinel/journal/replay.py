"""Batches read back in order, a bounded number of observations at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sentinel.domain.errors import StateError
from sentinel.domain.spelling import moment_in_words
from sentinel.journal.batches import NO_ROWS, Committed, Rows
from sentinel.journal.database import Database, JournalCorrupt, JournalForgotten

GROUP_OBSERVATIONS = 200_000
"""Observations held at once; a single larger batch is read whole."""
GROUP_BATCHES = 1_000


def read_batches(database: Database, after_batch: int) -> Iterator[Committed]:
    """Read every batch after `after_batch`, in order.

    JournalCorrupt if one is missing or incomplete, JournalForgotten if that is so because retention forgot it.

    Batches are read in groups: a thousand sources that each deliver one row of the same tick cost one scan of
    that tick, not a thousand.
    """
    last = after_batch
    while group := _read_group(database, last):
        yield from group
        last = group[-1].batch


def _read_group(database: Database, last: int) -> list[Committed]:
    with database.snapshot():
        batches = database.read(
            "SELECT id, kind, source, arrival_us, complete_until_us, first_us, last_us, observations, payload"
            " FROM batch WHERE id > ? ORDER BY id LIMIT ?",
            (last, GROUP_BATCHES),
        )
        total = np.cumsum([row[7] for row in batches])
        batches = batches[: max(1, int(np.searchsorted(total, GROUP_OBSERVATIONS, side="right")))]
        group = []
        for row, rows in zip(batches, _read_observations(database, batches), strict=True):
            batch, kind, source, arrival_us, watermark_us, _, _, observations, text = row
            if batch != last + 1 or len(rows[0]) != observations:
                raise _missing(database, last + 1)
            last = batch
            committed, payload = (batch, kind, source, arrival_us, watermark_us, *rows), json.loads(text)
            if kind == "observations":
                first_id, count = payload["new_series"]
                series = "SELECT id, name, source FROM series WHERE id >= ? AND id < ? ORDER BY id"
                new = tuple(database.read(series, (first_id, first_id + count))) if count else ()
                group.append(Committed(*committed, new, payload["duplicates"], payload["revised"]))
            else:
                group.append(Committed(*committed, payload=payload))
        return group


def _read_observations(database: Database, batches: Sequence[Any]) -> list[Rows]:
    """The rows of each of some neighbouring batches."""
    spans: list[tuple[int, int]] = []  # of time, which cover those of the batches and do not overlap
    for first, last in sorted((row[5], row[6]) for row in batches if row[7]):
        if spans and first <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(last, spans[-1][1])
        else:
            spans.append((first, last))
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
    owners = owners[order]
    times, ids = np.array(time, np.int64)[order], np.array(series, np.int64)[order]
    values = np.array(value, np.float64)[order]
    numbers = [row[0] for row in batches]
    begin = np.searchsorted(owners, numbers, side="left").tolist()
    end = np.searchsorted(owners, numbers, side="right").tolist()
    return [(times[a:b], ids[a:b], values[a:b]) for a, b in zip(begin, end, strict=True)]


def _missing(database: Database, batch: int) -> StateError:
    """The error for a batch that is missing or incomplete."""
    whole_from = _first_kept(database, batch)
    if whole_from is None:
        return JournalCorrupt(
            f"{database.path}: batch {batch} is missing or incomplete; start from a later checkpoint, "
            "restore the file from a backup, or move it away to start afresh"
        )
    ((arrival_us,),) = database.read("SELECT arrival_us FROM batch WHERE id = ?", (whole_from,))
    return JournalForgotten(
        f"{database.path}: its beginning has been forgotten (retention), batch {batch} with it; it could be replayed "
        f"from batch {whole_from} on, which arrived {moment_in_words(arrival_us)}; use an older copy of the state "
        "folder, or keep more from now on with daemon.retention and daemon.retention_bytes"
    )


def _first_kept(database: Database, batch: int) -> int | None:
    """The batch before which retention has forgotten `batch`; None if it cannot have been retention.

    Retention takes nothing after the oldest checkpoint: first the observations of all batches that go, in the order
    of their time, then these batches in their order, of which only settings may stay.
    """
    ((checkpoint,),) = database.read("SELECT min(batch) FROM checkpoint WHERE complete = 1")
    if checkpoint is None or batch > checkpoint:
        return None
    kept = dict(database.read("SELECT id, observations FROM batch WHERE id <= ?", (checkpoint,)))
    if batch in kept:
        earlier = "observation WHERE time < (SELECT first_us FROM batch WHERE id = ?1) AND batch < ?1"
    else:
        earlier = "batch WHERE id < ?1 AND kind != 'settings'"
    if database.read(f"SELECT 1 FROM {earlier} LIMIT 1", (batch,)):
        return None
    found = dict(
        database.read(
            "SELECT batch, count(*) FROM observation WHERE time <= (SELECT max(last_us) FROM batch WHERE id <= ?)"
            " AND batch <= ? GROUP BY batch",
            (checkpoint, checkpoint),
        )
    )
    whole_from = int(checkpoint) + 1
    while whole_from - 1 in kept and found.get(whole_from - 1, 0) == kept[whole_from - 1]:
        whole_from -= 1
    return whole_from if database.read("SELECT 1 FROM batch WHERE id = ?", (whole_from,)) else None
