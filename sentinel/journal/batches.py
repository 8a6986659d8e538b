"""Batches: what one transaction of the journal adds, how frames and facts are written as such, and how they are read.

A batch is told to the engine twice, bitwise the same: when it is written, and when it is read again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.domain.errors import DataError, StateError
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.domain.spans import moment_in_words
from sentinel.journal.blocks import NO_ROWS, Rows, pack, unpack
from sentinel.journal.corrections import Corrections, read_corrections, write_corrections
from sentinel.journal.database import Database, JournalCorrupt, JournalForgotten
from sentinel.journal.known import Known, place_of

FactKind: TypeAlias = Literal["settings", "operator"]
Kind: TypeAlias = Literal["observations"] | FactKind
Item = TypeVar("Item")

GROUP_OBSERVATIONS = 200_000
"""Observations held at once when batches are read; a single larger batch is read whole."""
GROUP_BATCHES = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Committed:
    """One batch, its observations ordered by (time, series)."""

    batch: int
    """Batches are numbered 1, 2, 3, ... without a hole; -1 = there was nothing to write."""
    kind: Kind
    source: str
    """Empty for settings and operator facts."""
    arrival_us: int
    watermark_us: int | None
    time_us: NDArray[np.int64]
    """Shape (observations,); likewise `series` (ids) and `value`. Only what was not known before."""
    series: NDArray[np.int64]
    value: NDArray[np.float64]
    new_series: tuple[tuple[int, str, str], ...] = ()
    """Id, name, source of each series seen for the first time, by id."""
    duplicates: int = 0
    """Observations that were known with this value already."""
    revised: int = 0
    """Observations that were known with another value: the first was kept."""
    moved: tuple[tuple[int, str], ...] = ()
    """Id and new source of each series that came from another source before."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """The fact itself, for settings and operator facts."""
    corrections: Rows = NO_ROWS
    """Other values than those known before, of series and times that had one: the first one is what was judged."""
    joined: bool = False
    """It moves the state together with the next batch: both waited at the same time."""


def to_json(value: object) -> str:
    """Write a value as JSON, equal values as equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def write_frames(
    database: Database, known: Known, corrections: Corrections, ids: dict[str, int],
    frames: Sequence[tuple[Frame, Collection[str]]], arrival_us: int,
) -> list[Committed]:  # fmt: skip
    """Write observations, new series, cursors and watermarks of frames together, or nothing of them.

    `ids` has every series by name; new ones are added once they are on disk. With each frame come those of its series
    that came from another source before. DataError if one of the frames cannot be written, whatever the others are.
    """
    cursors = [_cursor_of(frame) for frame, _ in frames]
    news = [n for n, (frame, _) in enumerate(frames) if _says_something(database, frame, cursors[n])]
    found = [
        Committed(-1, "observations", frame.source, arrival_us, frame.watermark_us, *NO_ROWS) for frame, _ in frames
    ]
    if not news:
        return found
    numbered = dict(ids)
    with database.transaction() as connection:
        for n in news:
            frame, moved = frames[n]
            joined = n != news[-1]
            found[n] = _write(
                connection, known, corrections, numbered, frame, cursors[n], arrival_us, moved, joined=joined
            )
    ids.update(numbered)
    for one in found:
        corrections.add(one.batch, one.corrections)
    return found


def _cursor_of(frame: Frame) -> str:
    """The cursor of a frame as JSON; DataError if the frame breaks its promise."""
    _require_schema(frame)
    try:
        return to_json(frame.cursor)
    except (TypeError, ValueError) as error:
        raise DataError(f"source {frame.source}: a cursor that is no JSON object: {error}") from error


def _says_something(database: Database, frame: Frame, cursor: str) -> bool:
    """True if a frame has observations, another cursor, or another watermark."""
    if not frame.observations.is_empty():
        return True
    told = database.read("SELECT value, complete_until_us FROM cursor WHERE source = ?", (frame.source,))
    return not (told and cursor == told[0][0] and frame.watermark_us in (None, told[0][1]))


def _write(
    connection: sqlite3.Connection, known: Known, corrections: Corrections, ids: dict[str, int], frame: Frame,
    cursor: str, arrival_us: int, moved: Collection[str], *, joined: bool,
) -> Committed:  # fmt: skip
    """Write one frame; its new series are added to `ids`."""
    first_id, until = len(ids), frame.watermark_us
    new = tuple((number, name, frame.source) for number, name in enumerate(_new_names(frame, ids), first_id))
    ids.update({name: number for number, name, _ in new})
    batch = _next_batch(connection)
    connection.executemany("INSERT INTO series (id, name, source) VALUES (?, ?, ?)", new)
    offered = _ordered_rows(frame.observations, ids)
    rows, duplicates, revised, corrected = _sort_out(connection, known, corrections, offered)
    known.add(batch, rows)  # if this is rolled back, more is looked for than there is, and not found
    time = rows[0]
    payload: dict[str, object] = {"duplicates": duplicates, "new_series": [first_id, len(new)], "revised": revised}
    if moved:
        payload["moved"] = [ids[name] for name in sorted(moved)]
    if joined:
        payload["joined"] = True
    payload |= write_corrections(corrected)
    first_us, last_us = (int(time[0]), int(time[-1])) if len(time) else (None, None)
    if first_us is not None and last_us is not None:
        connection.execute(
            "INSERT INTO block (batch, level, slot, data) VALUES (?, ?, ?, ?)",
            (batch, *place_of(first_us, last_us), pack(rows)),
        )
    connection.execute(
        "INSERT INTO batch VALUES (?, 'observations', ?, ?, ?, ?, ?, ?, ?)",
        (batch, frame.source, arrival_us, until, first_us, last_us, len(time), to_json(payload)),
    )
    connection.execute(
        "INSERT INTO cursor (source, value, complete_until_us, batch) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (source) DO UPDATE SET value = excluded.value, batch = excluded.batch,"
        " complete_until_us = coalesce(excluded.complete_until_us, complete_until_us)",
        (frame.source, cursor, until, batch),
    )
    came = tuple((ids[name], frame.source) for name in sorted(moved))
    return Committed(
        batch, "observations", frame.source, arrival_us, until, *rows, new, duplicates, revised, came,
        corrections=corrected, joined=joined,
    )  # fmt: skip


def write_fact(database: Database, kind: FactKind, payload: Mapping[str, Any], arrival_us: int) -> Committed:
    """Write a fact that is no observation; what is returned went through JSON, as on replay."""
    text = to_json(payload)
    with database.transaction() as connection:
        batch = _next_batch(connection)
        connection.execute(
            "INSERT INTO batch VALUES (?, ?, '', ?, NULL, NULL, NULL, 0, ?)", (batch, kind, arrival_us, text)
        )
    return Committed(batch, kind, "", arrival_us, None, *NO_ROWS, payload=json.loads(text))


def _next_batch(connection: sqlite3.Connection) -> int:
    # Retention never deletes the newest batch, so no number is given twice.
    (batch,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM batch").fetchone()
    return int(batch)


def _require_schema(frame: Frame) -> None:
    table = frame.observations
    if table.schema != OBSERVATIONS:
        raise DataError(f"source {frame.source}: a frame with columns {table.schema}; must be {OBSERVATIONS}")
    has_nulls = any(column.null_count() for column in table.get_columns())
    if has_nulls or not np.isfinite(table["value"].to_numpy()).all():
        raise DataError(f"source {frame.source}: a frame with missing or infinite values; sources leave them out")


def _new_names(frame: Frame, known: Mapping[str, int]) -> list[str]:
    """Series seen for the first time, by the time of their first observation, then by name."""
    unknown = [name for name in frame.names() if name not in known]
    if not unknown:
        return []
    first = frame.observations.filter(pl.col("series").is_in(unknown)).group_by("series").agg(pl.col("time").min())
    return first.sort("time", "series")["series"].to_list()


def _ordered_rows(table: pl.DataFrame, ids: Mapping[str, int]) -> Rows:
    """Rows by (time, series); those with the same key stay in the order of the frame."""
    time = table["time"].to_numpy().astype(np.int64)
    series = np.fromiter(map(ids.__getitem__, table["series"].to_list()), np.int64, len(table))
    value = table["value"].to_numpy() + 0.0  # SQLite stores -0.0 as 0.0
    later = np.diff(time)
    if not np.all((later > 0) | ((later == 0) & (np.diff(series) >= 0))):
        order = np.lexsort((series, time))
        time, series, value = time[order], series[order], value[order]
    return time, series, value


def _sort_out(
    connection: sqlite3.Connection, known: Known, corrections: Corrections, offered: Rows
) -> tuple[Rows, int, int, Rows]:
    """Select the rows whose key (time, series) is not known yet; count the duplicates and the revised of the rest.

    Of those that are known also select what corrects them.
    """
    time, series, value = offered
    if not len(time):
        return offered, 0, 0, NO_ROWS
    first = np.concatenate(([True], (time[1:] != time[:-1]) | (series[1:] != series[:-1])))
    keys = time[first], series[first]
    kept = value[first]
    there, (_, _, former) = known.find(connection, *keys)
    if not there.any() and first.all():
        return offered, 0, 0, NO_ROWS
    standing = kept.copy()
    standing[there] = former
    left_out = np.ones(len(time), np.bool_)
    left_out[np.flatnonzero(first)[~there]] = False
    equal = value == standing[np.cumsum(first) - 1]
    rows = keys[0][~there], keys[1][~there], kept[~there]
    last = value[np.append(np.flatnonzero(first)[1:], len(time)) - 1]
    corrected = corrections.sort_out((*keys, last), standing)
    return rows, int(np.sum(left_out & equal)), int(np.sum(left_out & ~equal)), corrected


def group_joined(batches: Iterable[Committed]) -> Iterator[list[Committed]]:
    """Put batches together that move the state together."""
    group: list[Committed] = []
    for committed in batches:
        group.append(committed)
        if not committed.joined:
            yield group
            group = []


def read_batches(database: Database, after_batch: int) -> Iterator[Committed]:
    """Read every batch after `after_batch`, in order.

    JournalCorrupt if one is missing or incomplete, JournalForgotten if that is so because retention forgot it.

    Batches are read in groups, each of one moment, whatever a writer in another process does meanwhile.
    """
    last = after_batch
    while group := _read_group(database, last):
        yield from group
        last = group[-1].batch


def _read_group(database: Database, last: int) -> list[Committed]:
    with database.snapshot():
        batches = database.read(
            "SELECT id, kind, source, arrival_us, complete_until_us, observations, payload"
            " FROM batch WHERE id > ? ORDER BY id LIMIT ?",
            (last, GROUP_BATCHES),
        )
        batches = take_first(batches, [row[5] for row in batches], GROUP_OBSERVATIONS)
        group = []
        for batch, kind, source, arrival_us, watermark_us, observations, text in batches:
            rows = _read_block(database, batch) if observations else NO_ROWS
            if batch != last + 1 or len(rows[0]) != observations:
                raise _missing(database, last + 1)
            last = batch
            committed, payload = (batch, kind, source, arrival_us, watermark_us, *rows), json.loads(text)
            if kind == "observations":
                first_id, count = payload["new_series"]
                series = "SELECT id, name, source FROM series WHERE id >= ? AND id < ? ORDER BY id"
                new = tuple(database.read(series, (first_id, first_id + count))) if count else ()
                moved = tuple((number, source) for number in payload.get("moved", ()))
                counts = payload["duplicates"], payload["revised"]
                corrected = read_corrections(payload)
                joined = payload.get("joined", False)
                group.append(Committed(*committed, new, *counts, moved, corrections=corrected, joined=joined))
            else:
                group.append(Committed(*committed, payload=payload))
        return group


def take_first(batches: list[Item], observations: Sequence[int], most: int) -> list[Item]:
    """Take the first batches that have no more than so many observations together; one of them in any case."""
    return batches[: max(1, int(np.searchsorted(np.cumsum(observations), most, side="right")))]


def _read_block(database: Database, batch: int) -> Rows:
    """The observations of a batch; none where its block is not there or not whole."""
    found = database.read("SELECT data FROM block WHERE batch = ?", (batch,))
    return (unpack(found[0][0]) if found else None) or NO_ROWS


def _missing(database: Database, batch: int) -> StateError:
    """The error for a batch that is missing or incomplete."""
    whole_from = _first_kept(database, batch)
    if whole_from is None:
        return JournalCorrupt(
            f"{database.path}: batch {batch} is missing or incomplete; start from a later checkpoint, "
            "restore the file from a backup, or move it away to start afresh"
        )
    ((arrival_us,),) = database.read("SELECT arrival_us FROM batch WHERE id = ?", (whole_from,))
    forgotten = JournalForgotten(
        f"{database.path}: its beginning has been forgotten (retention), batch {batch} with it; it could be replayed "
        f"from batch {whole_from} on, which arrived {moment_in_words(arrival_us)}; use an older copy of the state "
        "folder, or keep more from now on with daemon.retention and daemon.retention_bytes"
    )
    forgotten.whole_from = whole_from
    return forgotten


def _first_kept(database: Database, batch: int) -> int | None:
    """The batch before which retention has forgotten `batch`; None if it cannot have been retention.

    Retention takes nothing after the oldest checkpoint, and batches in their order, of which only settings may stay.
    """
    ((checkpoint,),) = database.read("SELECT min(batch) FROM checkpoint WHERE complete = 1")
    if checkpoint is None or batch > checkpoint:
        return None
    if database.read("SELECT 1 FROM batch WHERE id = ?1 OR (id < ?1 AND kind != 'settings') LIMIT 1", (batch,)):
        return None
    whole_from = int(checkpoint) + 1
    kept = {number for (number,) in database.read("SELECT id FROM batch WHERE id <= ?", (checkpoint,))}
    while whole_from - 1 in kept:
        whole_from -= 1
    return whole_from if database.read("SELECT 1 FROM batch WHERE id = ?", (whole_from,)) else None
