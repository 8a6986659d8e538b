"""Checkpoints, and retention: the state after a batch is kept, and old observations before it are forgotten.

A checkpoint is arrays and a header, written in pieces. A generation counts only once its row says `complete`, and that
is written last. So a crash midway leaves the former one as it was, and no transaction is larger than one piece: between
two of them observations can be committed. Two generations are kept, and of older ones ever fewer the older they are,
within a bounded size: what computes series anew, by values that were corrected, begins with one of them.

Retention works a bounded amount per call. It never forgets batches after the last two checkpoints (replay needs them),
the last settings, and the newest batch (the next one's number comes from it). By age it stops at the first batch that
has one of the observations which each series keeps; by size it does not, and says so. With batches go the older
checkpoints that need them. Events stay: they are few, and they are the record.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.errors import StateError
from sentinel.journal.batches import take_first, to_json
from sentinel.journal.blocks import NO_ROWS, unpack
from sentinel.journal.conversion import REMOVABLE
from sentinel.journal.corrections import Corrections
from sentinel.journal.database import Database, JournalCorrupt
from sentinel.journal.known import Ints, Known

logger = logging.getLogger(__name__)

T = TypeVar("T")

PIECE_BYTES = 4 << 20
"""So much is written or deleted at once, which takes tens of milliseconds."""
GENERATIONS = 2
OLDER_SHARE, OLDER_BYTES = 8, 16 << 20
"""Older checkpoints together have at most 1/8 of what the file holds, or 16 MiB where that is more."""
CHUNK_ROWS = 50_000
SIZE_SHARE = 16
"""When the file is too large, one sweep forgets this part of the observations: 1/16."""
VACUUM_PAGES = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The state after batch `batch`, as it was handed to `save`."""

    arrays: Mapping[str, NDArray[Any]]
    header: Mapping[str, Any]
    batch: int
    created_us: int
    warnings: tuple[str, ...] = ()
    """One sentence per newer generation that could not be used."""


class Checkpoints:
    """Saves and loads the generations of one journal."""

    def __init__(self, database: Database, known: Known) -> None:
        self._database, self._known = database, known
        self._corrupt: set[int] = set()

    def save(self, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any], batch: int, created_us: int) -> None:
        """Keep the state after `batch`, whose events and digests have been appended, then drop those that are not kept.

        After a StateError the old ones stand.
        """
        for _ in self.save_stepwise(arrays.items(), header, batch, created_us):
            pass

    def save_stepwise(
        self, arrays: Iterable[tuple[str, NDArray[Any]]], header: Mapping[str, Any], batch: int, created_us: int
    ) -> Iterator[None]:
        """Do what `save` does, a transaction in each step; in between the journal may take what comes.

        The arrays must not be written to meanwhile. What was written counts with the last step; who does not take that
        leaves the old ones as they are.
        """
        yield from self._remove_leftovers()
        try:
            yield from self._write(arrays, header, batch, created_us)
        except StateError:
            with suppress(StateError):  # on a full disk even this may fail; the next save or open does it
                self.remove_leftovers()
            raise
        with suppress(StateError):  # the checkpoint is whole, whatever becomes of what it replaces; likewise
            yield from self._remove_leftovers()

    def remove_leftovers(self) -> None:
        """Drop what an interrupted `save` wrote or was about to drop."""
        for _ in self._remove_leftovers():
            pass

    def _remove_leftovers(self) -> Iterator[None]:
        pieces = self._database.read(
            "SELECT checkpoint_piece.rowid, length(data) FROM checkpoint_piece JOIN checkpoint ON id = checkpoint"
            " WHERE complete = 0"
        )
        for group in _group(pieces, lambda piece: int(piece[1])):
            with self._database.transaction() as connection:
                connection.executemany("DELETE FROM checkpoint_piece WHERE rowid = ?", [(at,) for at, _ in group])
            yield
        if self._database.read("SELECT 1 FROM checkpoint WHERE complete = 0 LIMIT 1"):
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM checkpoint WHERE complete = 0")
            yield

    def batches(self) -> list[int]:
        """Give the batches of the generations that are kept."""
        return [batch for (batch,) in self._database.read("SELECT batch FROM checkpoint WHERE complete = 1")]

    def load(self, before: int | None = None) -> Checkpoint | None:
        """Load the newest generation that is whole; None if there never was one; JournalCorrupt if all are corrupt.

        With `before` only those of an earlier batch than that count.
        """
        warnings: list[str] = []
        with self._database.snapshot():
            generations = self._database.read(
                "SELECT id, batch, created_us FROM checkpoint WHERE complete = 1 AND (?1 IS NULL OR batch < ?1)"
                " ORDER BY id DESC",
                (before,),
            )
            for generation, batch, created_us in generations:
                try:
                    arrays, header = self._read(generation, batch)
                except JournalCorrupt as error:
                    self._corrupt.add(generation)
                    warnings.append(str(error))
                else:
                    return Checkpoint(arrays, header, batch, created_us, tuple(warnings))
        if warnings:
            raise JournalCorrupt(
                f"{self._database.path}: no checkpoint can be read ({'; '.join(warnings)}); restore the file "
                "from a backup, or move it away to start afresh"
            )
        return None

    def _write(
        self, arrays: Iterable[tuple[str, NDArray[Any]]], header: Mapping[str, Any], batch: int, created_us: int
    ) -> Iterator[None]:
        with self._database.transaction() as connection:
            (generation,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM checkpoint").fetchone()
            connection.execute(
                "INSERT INTO checkpoint (id, batch, created_us, header, sha256, complete) VALUES (?, ?, ?, '', '', 0)",
                (generation, batch, created_us),
            )
        contents: dict[str, dict[str, object]] = {}
        # Small pieces together: a hundred small arrays cost one write to disk.
        for group in _group(_cut_pieces(arrays, contents), lambda piece: len(piece[2])):
            with self._database.transaction() as connection:
                connection.executemany(
                    "INSERT INTO checkpoint_piece (checkpoint, name, part, data) VALUES (?, ?, ?, ?)",
                    [(generation, *piece) for piece in group],
                )
            yield
        text = to_json({"arrays": contents, "header": header})
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE checkpoint SET header = ?, sha256 = ?, complete = 1 WHERE id = ?",
                (text, _seal(batch, text), generation),
            )
            self._known.save(connection)
            # A generation known to be corrupt must not push out the one that was loaded instead.
            found = connection.execute(
                "SELECT id, created_us, (SELECT total(length(data)) FROM checkpoint_piece WHERE checkpoint = id)"
                " FROM checkpoint WHERE complete = 1 ORDER BY id"
            ).fetchall()
            room = max(OLDER_BYTES, size_bytes(self._database) // OLDER_SHARE)
            kept = choose_kept([one for one in found if one[0] not in self._corrupt], room)
            connection.execute(f"UPDATE checkpoint SET complete = 0 WHERE id NOT IN ({','.join(map(str, kept))})")
        yield

    def _read(self, generation: int, batch: int) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        ((text, seal),) = self._database.read("SELECT header, sha256 FROM checkpoint WHERE id = ?", (generation,))
        if _seal(batch, text) != seal:
            raise JournalCorrupt(f"checkpoint {generation} after batch {batch}: its header is corrupt")
        stored = json.loads(text)
        arrays: dict[str, NDArray[Any]] = {}
        for name, description in stored["arrays"].items():
            parts = self._database.read(
                "SELECT data FROM checkpoint_piece WHERE checkpoint = ? AND name = ? ORDER BY part", (generation, name)
            )
            data = b"".join(part for (part,) in parts)
            if hashlib.sha256(data).hexdigest() != description["sha256"]:
                raise JournalCorrupt(f"checkpoint {generation} after batch {batch}: piece {name} is corrupt")
            arrays[name] = np.load(io.BytesIO(data), allow_pickle=False)
        return arrays, stored["header"]


def _cut_pieces(
    arrays: Iterable[tuple[str, NDArray[Any]]], contents: dict[str, dict[str, object]]
) -> Iterator[tuple[str, int, memoryview]]:
    """Name, part and bytes of each piece; describes each array in `contents` on the way."""
    for name, array in arrays:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        data = memoryview(buffer.getvalue())  # bytes of their own: a write that fails leaves no buffer locked
        seal = hashlib.sha256(data).hexdigest()
        contents[name] = {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": seal}
        for part, begin in enumerate(range(0, len(data), PIECE_BYTES)):
            yield name, part, data[begin : begin + PIECE_BYTES]


def _group(pieces: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Put pieces together, up to the size of a full one."""
    group: list[T] = []
    size = 0
    for piece in pieces:
        length = size_of(piece)
        if group and size + length > PIECE_BYTES:
            yield group
            group, size = [], 0
        group.append(piece)
        size += length
    if group:
        yield group


def choose_kept(found: Sequence[tuple[int, int, int]], room: int) -> list[int]:
    """Choose the checkpoints that are kept, given id, moment and size of each, the oldest first.

    The last two, and of those before them the oldest, and between them so many that from one to the next it is about as
    long as it is from there to now; fewer where they had more than `room` bytes together.
    """
    older, last = list(found[:-GENERATIONS]), found[-GENERATIONS:]
    while older:
        moments = [at for _, at, _ in (*older, last[0])]
        spans = [
            (after - before) / max(1, last[-1][1] - after) for before, after in zip(moments, moments[2:], strict=False)
        ]
        densest = min(range(len(spans)), key=spans.__getitem__, default=-1)
        too_large = sum(size for *_, size in older) > room
        if not too_large and (densest < 0 or spans[densest] > 1.0):
            break
        del older[densest + 1]
    return [number for number, *_ in (*older, *last)]


def size_bytes(database: Database) -> int:
    """Bytes in use; the file may be larger by free pages, which are used again."""
    return database.read_number(
        "SELECT (page_count - freelist_count) * page_size"
        " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    )


def _delete(connection: sqlite3.Connection, which: str) -> None:
    connection.execute(f"DELETE FROM checkpoint_piece WHERE checkpoint IN (SELECT id FROM checkpoint WHERE {which})")
    connection.execute(f"DELETE FROM checkpoint WHERE {which}")


def _seal(batch: int, text: str) -> str:
    return hashlib.sha256(f"{batch}\n{text}".encode()).hexdigest()


class Retention:
    """Deletes by age and size."""

    def __init__(self, database: Database, corrections: Corrections) -> None:
        self._database, self._corrections = database, corrections
        self._goal: tuple[int, int] | None = None
        """The batch up to which all go, while they do, and that up to which they go whatever they have: by size."""
        self._said = False

    def step(self, before_us: int, max_bytes: int, since_us: Ints | None = None) -> bool:
        """Forget batches that arrived earlier, or the oldest of a too large file; True while there is more.

        `since_us` has for each series, by id, the time from which on its observations are not too old. One call forgets
        at most `CHUNK_ROWS` observations, or one batch. Nothing after the last two checkpoints is forgotten. What was
        forgotten and is delivered again counts as new here: cursors and the grid keep it out.
        """
        self._goal = self._goal or self._plan(before_us, max_bytes)
        if self._goal is None:
            return self._shrink_file()
        going, more = self._choose(*self._goal, since_us)
        if not more:
            self._goal = None
        if not going:
            return self._shrink_file()
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM block WHERE batch <= ?", (going[-1],))
            connection.execute(f"DELETE FROM batch WHERE {REMOVABLE}", (going[-1],))
            _delete(connection, f"complete = 1 AND batch < {going[-1]}")
        self._corrections.forget(going[-1])
        return True

    def size_bytes(self) -> int:
        """Bytes in use; the file may be larger by free pages, which are used again."""
        return size_bytes(self._database)

    def _plan(self, before_us: int, max_bytes: int) -> tuple[int, int] | None:
        """Find the batch up to which all go, and that up to which they go by size; None if there is none."""
        # Up to the first young batch: one with a clock that was wrong must not drag young ones along.
        last, read_number = "SELECT coalesce(max(id), 0) FROM batch", self._database.read_number
        newest = read_number(
            f"SELECT coalesce(min(id), ({last}) + 1) - 1 FROM batch WHERE arrival_us >= ?", (before_us,)
        )
        share, self._said = 0, False
        if self.size_bytes() > max_bytes:
            share = read_number(
                "SELECT min(id)"
                " FROM (SELECT id, sum(observations) OVER (ORDER BY id) AS so_far FROM batch)"
                " WHERE so_far >= (SELECT sum(observations) / ? FROM batch)",
                (SIZE_SHARE,),
            )
        # Without a checkpoint every batch is needed.
        checkpoint = read_number(
            "SELECT min(batch) FROM (SELECT batch FROM checkpoint WHERE complete = 1 ORDER BY id DESC LIMIT ?)",
            (GENERATIONS,),
        )
        newest = min(max(newest, share), checkpoint, read_number(last) - 1)
        there = self._database.read(f"SELECT 1 FROM batch WHERE {REMOVABLE} LIMIT 1", (newest,))
        return (newest, share) if there else None

    def _choose(self, newest: int, share: int, since_us: Ints | None) -> tuple[list[int], bool]:
        """Choose the next batches that go; also tell whether there may be more."""
        query = f"SELECT id, observations FROM batch WHERE {REMOVABLE} ORDER BY id LIMIT ?"
        batches = self._database.read(query, (newest, CHUNK_ROWS))
        going = [batch for batch, _ in take_first(batches, [size for _, size in batches], CHUNK_ROWS)]
        needed = self._find_needed(going, since_us)
        if needed is not None:
            if needed <= share and not self._said:
                self._said = True
                logger.warning(
                    "the journal is larger than daemon.retention_bytes; fewer than daemon.retention_ticks are kept"
                )
            going = [batch for batch in going if batch < max(needed, share + 1)]
        return going, bool(going) and (len(going) < len(batches) or len(batches) == CHUNK_ROWS)

    def _find_needed(self, batches: Sequence[int], since_us: Ints | None) -> int | None:
        """Find the first of these batches with an observation that is not too old."""
        if since_us is None or not since_us.size or not batches:
            return None
        query = (
            "SELECT block.batch, data FROM block JOIN batch ON batch.id = block.batch"
            " WHERE block.batch BETWEEN ? AND ? AND last_us >= ? ORDER BY block.batch"
        )
        for batch, data in self._database.connection.execute(query, (batches[0], batches[-1], int(since_us.min()))):
            time, series, _ = unpack(data) or NO_ROWS  # of a damaged one reading says so
            known = series < since_us.size
            if (time[known] >= since_us[series[known]]).any():
                return int(batch)
        return None

    def _shrink_file(self) -> bool:
        """Give pages of a file that is mostly empty back to the disk; True while it is."""
        ((pages, free),) = self._database.read(
            "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count"
        )
        if free <= max(VACUUM_PAGES, pages // 2):
            return False
        self._database.read(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
        return True
