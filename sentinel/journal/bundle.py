"""A bundle: the part of a journal that the number of one alarm follows from, as a journal in a file of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sentinel.domain.errors import StateError
from sentinel.journal.batches import to_json
from sentinel.journal.blocks import NO_ROWS, Rows, pack, unpack
from sentinel.journal.corrections import KEY, read_corrections, write_corrections
from sentinel.journal.database import Database, JournalCorrupt

_AT_ONCE = 1_000
"""Rows that are in memory together."""


class Part(NamedTuple):
    """The part of a journal that goes into a bundle."""

    alarm: str
    after: int
    """Batch behind which it begins: that of a checkpoint, which comes with it; 0 = with the journal."""
    until: int
    """Its last batch."""
    series: Sequence[int] = ()
    """Ids of the series whose observations it has; empty = all. Names of the others stay, as numbers follow from them.
    """


def write_bundle(source: Database, target: Path, part: Part) -> None:
    """Write part of a journal into a new file, as it is at one moment; it is removed again where that fails.

    Raises StateError: there is a file already, the folder is not writable; JournalFull, JournalCorrupt.
    """
    if target.exists():
        raise StateError(f"{target}: there is a file already; another name is needed")
    try:
        written = Database(target, read_only=False)
        try:
            with source.snapshot(), written.transaction() as connection:
                for table, row in _rows(source, part):
                    connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            # One file, which can be read where nothing may be written.
            written.read("PRAGMA journal_mode = DELETE")
        finally:
            written.close()
    except BaseException:  # whatever ends the writing, no part of a bundle is left behind
        for path in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))):
            path.unlink(missing_ok=True)
        raise


def _rows(source: Database, part: Part) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield table and row of all that goes into a bundle."""
    plain = {
        "series": ("SELECT id, name, source FROM series ORDER BY id", ()),
        "event": (
            "SELECT id, batch, series, time_us, body FROM event"
            " WHERE id >= ?1 || '/' AND id < ?1 || '0' ORDER BY rowid",
            (part.alarm,),
        ),
        "checkpoint": (
            "SELECT id, batch, created_us, header, sha256, complete FROM checkpoint WHERE complete = 1 AND batch = ?1"
            " AND ?1 > 0",
            (part.after,),
        ),
        "checkpoint_piece": (
            "SELECT checkpoint, name, part, data FROM checkpoint_piece WHERE checkpoint IN"
            " (SELECT id FROM checkpoint WHERE complete = 1 AND batch = ?1 AND ?1 > 0)",
            (part.after,),
        ),
    }
    for table, (query, parameters) in plain.items():
        for row in _read(source, query, parameters):
            yield table, row
    query = (
        "SELECT batch.id, kind, source, arrival_us, complete_until_us, first_us, last_us, observations, payload, level,"
        " slot, data FROM batch LEFT JOIN block ON block.batch = batch.id"
        " WHERE batch.id <= ?2 AND (batch.id > ?1 OR kind = 'settings') ORDER BY batch.id"
    )
    for *batch, text, level, slot, data in _read(source, query, (part.after, part.until)):
        rows = _own(_unpacked(source, batch[0], data), part.series) if batch[-1] else NO_ROWS
        payload = json.loads(text)
        if KEY in payload:
            corrected = _own(read_corrections(payload), part.series)
            text = to_json({name: one for name, one in payload.items() if name != KEY} | write_corrections(corrected))
        yield "batch", (*batch[:-1], rows[0].size, text)
        if rows[0].size:
            yield "block", (batch[0], level, slot, pack(rows))


def _read(source: Database, query: str, parameters: Sequence[object]) -> Iterator[Any]:
    """Yield the rows of a query, a few of which are in memory together."""
    cursor = source.connection.execute(query, parameters)
    while rows := cursor.fetchmany(_AT_ONCE):
        yield from rows


def _unpacked(source: Database, batch: int, data: bytes | None) -> Rows:
    rows = unpack(data) if data is not None else None
    if rows is None:
        raise JournalCorrupt(f"{source.path}: batch {batch} is missing or incomplete; see `sentinel state verify`")
    return rows


def _own(rows: Rows, series: Sequence[int]) -> Rows:
    """Leave out the observations of other series."""
    time, number, value = rows
    mine = np.isin(number, series) if series else np.ones(number.size, np.bool_)
    return time[mine], number[mine], value[mine]
