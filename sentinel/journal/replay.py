"""Batches read back in order, a bounded number of observations at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sentinel.domain.errors import StateError
from sentinel.domain.spelling import moment_in_words
from sentinel.journal.batches import Committed, Rows, no_rows
from sentinel.journal.database import Database, JournalCorrupt, JournalForgotten

GROUP_OBSERVATIONS = 200_000
"""Observations held at once; a single larger batch is read whole."""
GROUP_BATCHES = 1_000


def tail(database: Database, after_batch: int) -> Iterator[Committed]:
    """Every batch after `after_batch`, in order.

    JournalCorrupt if one is missing or incomplete, JournalForgotten if that is so because retention forgot it.

    Batches are read in groups: a thousand sources that each deliver one row of the same tick cost one scan of
    that tick, not a thousand.
    """
    last = after_batch
    while group := _next_group(database, last):
        yield from group
        last = group[-1].batch


def _next_group(database: Database, after_batch: int) -> list[Committed]:
    with database.snapshot():
        batches = database.read(
            "SELECT id, kind, source, arrival_us, complete_until_us, first_us, last_us, observations, payload"
            " FROM batch WHERE id > ? ORDER BY id LIMIT ?",
            (after_batch, GROUP_BATCHES),
        )
        total = np.cumsum([row[7] for row in batches])
        group = batches[: max(1, int(np.searchsorted(total, GROUP_OBSERVATIONS, side="right")))]
        return list(_restore(database, group, after_batch)) if group else []


def _restore(database: Database, group: Sequence[Any], last: int) -> Iterator[Committed]:
    spans = [(row[5], row[6]) for row in group if row[7]]
    by_batch = _split(_observations(database, _merged(spans), group[0][0], group[-1][0]), [row[0] for row in group])
    for row, rows in zip(group, by_batch, strict=True):
        batch, kind, source, arrival_us, watermark_us, _, _, observations, text = row
        if batch != last + 1 or len(rows[0]) != observations:
            raise _gone(database, last + 1)
        last = batch
        payload = json.loads(text)
        facts = {} if kind == "observations" else payload
        new_series: tuple[tuple[int, str, str], ...] = ()
        duplicates = revised = 0
        if kind == "observations":
            duplicates, revised = payload["duplicates"], payload["revised"]
            new_series = _new_series(database, *payload["new_series"])
        yield Committed(
            batch=batch,
            kind=kind,
            source=source,
            arrival_us=arrival_us,
            watermark_us=watermark_us,
            time_us=rows[0],
            series=rows[1],
            value=rows[2],
            new_series=new_series,
            duplicates=duplicates,
            revised=revised,
            payload=facts,
        )


def _gone(database: Database, batch: int) -> StateError:
    """What to say of a batch that is missing or incomplete."""
    whole_from = _forgotten_before(database, batch)
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


def _forgotten_before(database: Database, batch: int) -> int | None:
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


def _new_series(database: Database, first: int, count: int) -> tuple[tuple[int, str, str], ...]:
    if not count:
        return ()
    rows = database.read(
        "SELECT id, name, source FROM series WHERE id >= ? AND id < ? ORDER BY id", (first, first + count)
    )
    return tuple(rows)


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of time that cover the given ones and do not overlap, in order."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _observations(
    database: Database, spans: Sequence[tuple[int, int]], first: int, last: int
) -> list[tuple[int, int, int, float]]:
    """Batch, time, series and value of the batches `first` to `last`, by (time, series)."""
    rows: list[tuple[int, int, int, float]] = []
    for begin, end in spans:
        rows += database.read(
            "SELECT batch, time, series, value FROM observation"
            " WHERE time BETWEEN ? AND ? AND batch BETWEEN ? AND ? ORDER BY time, series",
            (begin, end, first, last),
        )
    return rows


def _split(rows: Sequence[tuple[int, int, int, float]], batches: Sequence[int]) -> list[Rows]:
    """The rows of each batch, still by (time, series)."""
    if not rows:
        return [no_rows() for _ in batches]
    owner, time, series, value = zip(*rows, strict=True)
    owners = np.array(owner, np.int64)
    order = np.argsort(owners, kind="stable")
    columns = (
        np.array(time, np.int64)[order],
        np.array(series, np.int64)[order],
        np.array(value, np.float64)[order],
    )
    begin = np.searchsorted(owners[order], batches, side="left").tolist()
    end = np.searchsorted(owners[order], batches, side="right").tolist()
    return [(columns[0][a:b], columns[1][a:b], columns[2][a:b]) for a, b in zip(begin, end, strict=True)]
