"""Checkpoints: arrays and a header, written in pieces, two generations kept.

A generation counts only once its row says `complete`, and that is written last. So a crash midway leaves the
former one as it was, and no transaction is larger than one piece.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.errors import StateError
from sentinel.journal.batches import to_json
from sentinel.journal.database import Database, JournalCorrupt

PIECE_BYTES = 16 * 1024 * 1024
GENERATIONS = 2


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

    def __init__(self, database: Database) -> None:
        self._database = database
        self._corrupt: set[int] = set()

    def save(self, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any], batch: int, created_us: int) -> None:
        """Write a new generation, then drop all but the last two; after a StateError the old ones stand."""
        self.remove_leftovers()
        try:
            self._write(arrays, header, batch, created_us)
        except StateError:
            with suppress(StateError):  # on a full disk even this may fail; the next save or open does it
                self.remove_leftovers()
            raise

    def remove_leftovers(self) -> None:
        """Drop what an interrupted `save` wrote."""
        if not self._database.read("SELECT 1 FROM checkpoint WHERE complete = 0 LIMIT 1"):
            return
        with self._database.transaction() as connection:
            _delete(connection, "complete = 0")

    def load(self) -> Checkpoint | None:
        """The newest generation that is whole; None if there never was one; StateError if all are corrupt."""
        with self._database.snapshot():
            return self._newest_sound()

    def _newest_sound(self) -> Checkpoint | None:
        warnings: list[str] = []
        generations = self._database.read(
            "SELECT id, batch, created_us FROM checkpoint WHERE complete = 1 ORDER BY id DESC"
        )
        for generation, batch, created_us in generations:
            try:
                arrays, header = self._read(generation, batch)
            except JournalCorrupt as error:
                self._corrupt.add(generation)
                warnings.append(str(error))
                continue
            return Checkpoint(arrays, header, batch, created_us, tuple(warnings))
        if warnings:
            raise JournalCorrupt(
                f"{self._database.path}: no checkpoint can be read ({'; '.join(warnings)}); restore the file "
                "from a backup, or move it away to start afresh"
            )
        return None

    def oldest_batch(self) -> int | None:
        """The batch from which replay may have to start; None while there is no checkpoint."""
        ((batch,),) = self._database.read("SELECT min(batch) FROM checkpoint WHERE complete = 1")
        return None if batch is None else int(batch)

    def _write(
        self, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any], batch: int, created_us: int
    ) -> None:
        with self._database.transaction() as connection:
            (generation,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM checkpoint").fetchone()
            connection.execute(
                "INSERT INTO checkpoint (id, batch, created_us, header, sha256, complete) VALUES (?, ?, ?, '', '', 0)",
                (generation, batch, created_us),
            )
        contents: dict[str, dict[str, object]] = {}
        for group in _grouped(_pieces(arrays, contents)):
            with self._database.transaction() as connection:
                connection.executemany(
                    "INSERT INTO checkpoint_piece (checkpoint, name, part, data) VALUES (?, ?, ?, ?)",
                    [(generation, *piece) for piece in group],
                )
        text = to_json({"arrays": contents, "header": header})
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE checkpoint SET header = ?, sha256 = ?, complete = 1 WHERE id = ?",
                (text, _seal(batch, text), generation),
            )
            # A generation known to be corrupt must not push out the one that was loaded instead.
            sound = [
                number
                for (number,) in connection.execute("SELECT id FROM checkpoint WHERE complete = 1 ORDER BY id DESC")
                if number not in self._corrupt
            ]
            _delete(connection, f"id NOT IN ({','.join(map(str, sound[:GENERATIONS]))})")

    def _read(self, generation: int, batch: int) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        ((text, seal),) = self._database.read("SELECT header, sha256 FROM checkpoint WHERE id = ?", (generation,))
        if _seal(batch, text) != seal:
            raise JournalCorrupt(f"checkpoint {generation} after batch {batch}: its header is corrupt")
        stored = json.loads(text)
        arrays: dict[str, NDArray[Any]] = {}
        for name, description in stored["arrays"].items():
            parts = self._database.read(
                "SELECT data FROM checkpoint_piece WHERE checkpoint = ? AND name = ? ORDER BY part",
                (generation, name),
            )
            data = b"".join(part for (part,) in parts)
            if hashlib.sha256(data).hexdigest() != description["sha256"]:
                raise JournalCorrupt(f"checkpoint {generation} after batch {batch}: piece {name} is corrupt")
            arrays[name] = np.load(io.BytesIO(data), allow_pickle=False)
        return arrays, stored["header"]


def _pieces(
    arrays: Mapping[str, NDArray[Any]], contents: dict[str, dict[str, object]]
) -> Iterator[tuple[str, int, memoryview]]:
    """Name, part and bytes of each piece; describes each array in `contents` on the way."""
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        data = memoryview(buffer.getvalue())  # bytes of their own: a write that fails leaves no buffer locked
        contents[name] = {
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for part, begin in enumerate(range(0, len(data), PIECE_BYTES)):
            yield name, part, data[begin : begin + PIECE_BYTES]


def _grouped(pieces: Iterator[tuple[str, int, memoryview]]) -> Iterator[list[tuple[str, int, memoryview]]]:
    """Small pieces together, up to the size of a full one: a hundred small arrays cost one write to disk."""
    group: list[tuple[str, int, memoryview]] = []
    size = 0
    for piece in pieces:
        length = len(piece[2])
        if group and size + length > PIECE_BYTES:
            yield group
            group, size = [], 0
        group.append(piece)
        size += length
    if group:
        yield group


def _delete(connection: sqlite3.Connection, which: str) -> None:
    connection.execute(f"DELETE FROM checkpoint_piece WHERE checkpoint IN (SELECT id FROM checkpoint WHERE {which})")
    connection.execute(f"DELETE FROM checkpoint WHERE {which}")


def _seal(batch: int, text: str) -> str:
    return hashlib.sha256(f"{batch}\n{text}".encode()).hexdigest()
