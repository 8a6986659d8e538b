"""Readings that are owed to databases: kept from the batch they follow from until a receiver has taken them.

They follow from batches, so a replay after a crash gives them again; up to which batch they are kept for a receiver is
noted, and what comes again is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sentinel.journal.blocks import Rows, pack, unpack
from sentinel.journal.database import Database


class Block(NamedTuple):
    """Readings of a block of ticks."""

    points: int
    about: str
    """The columns, as JSON."""
    data: bytes

    @classmethod
    def of(cls, about: str, rows: Rows) -> Block:
        """Make a block of rows (time, column, value), one or more."""
        return cls(len(rows[0]), about, pack(rows))

    def rows(self) -> Rows | None:
        """Give the rows; None where they were damaged."""
        return unpack(self.data)


class OwedReadings:
    """The readings of one journal that no receiver has taken yet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def join(self, sinks: Iterable[str]) -> None:
        """Let new receivers be owed what follows after the last batch."""
        query = (
            "INSERT INTO reading_sink (sink, batch) VALUES (?, (SELECT coalesce(max(id), 0) FROM batch))"
            " ON CONFLICT (sink) DO NOTHING"
        )
        self._database.write(query, [(sink,) for sink in sinks])

    def kept(self) -> dict[str, int]:
        """Give the batch up to which readings were kept, for each receiver that there ever was."""
        return dict(self._database.read("SELECT sink, batch FROM reading_sink"))

    def keep(self, batch: int, blocks: Sequence[tuple[str, Block]]) -> None:
        """Keep what followed from a batch, each for a receiver."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO reading (sink, points, about, data) VALUES (?, ?, ?, ?)",
                [(sink, *block) for sink, block in blocks],
            )
            connection.executemany(
                "UPDATE reading_sink SET batch = ? WHERE sink = ?", [(batch, sink) for sink in {s for s, _ in blocks}]
            )

    def oldest(self, sink: str, after: int, limit: int) -> list[tuple[int, int]]:
        """Give number and points of the first blocks after this one that are owed to a receiver."""
        query = "SELECT id, points FROM reading WHERE sink = ? AND id > ? ORDER BY id LIMIT ?"
        return self._database.read(query, (sink, after, limit))

    def read(self, sink: str, first: int, last: int) -> list[Block]:
        """Read the blocks of a receiver from this one up to that one."""
        query = "SELECT points, about, data FROM reading WHERE sink = ? AND id BETWEEN ? AND ? ORDER BY id"
        return [Block(*row) for row in self._database.read(query, (sink, first, last))]

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget blocks that a receiver has taken, or will not get."""
        self._database.write("DELETE FROM reading WHERE id = ?", [(number,) for number in numbers])

    def waiting(self, sink: str) -> int:
        """Count the points that are owed to a receiver."""
        return self._database.read_number("SELECT sum(points) FROM reading WHERE sink = ?", (sink,))
