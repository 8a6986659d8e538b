"""Forgetting old observations, a bounded amount of work per call.

Never forgotten: batches after the oldest kept checkpoint (replay needs them), the last settings, and the
newest batch (the next one's number comes from it). Events stay: they are few, and they are the record.
"""

from __future__ import annotations

from dataclasses import dataclass

from sentinel.journal.checkpoints import Checkpoints
from sentinel.journal.database import Database

CHUNK_ROWS = 50_000
SIZE_SHARE = 16
"""When the file is too large, one sweep forgets this part of the observations: 1/16."""
VACUUM_PAGES = 4_096
BEFORE_ALL_TIME = -(2**63)

_REMOVABLE = "id <= ? AND id IS NOT (SELECT max(id) FROM batch WHERE kind = 'settings')"


@dataclass(slots=True)
class Sweep:
    """One pass over the observation table in its own order, from `position` to `end_us`."""

    newest: int
    """Observations of this batch and of those before it go."""
    end_us: int
    position: tuple[int, int] = (BEFORE_ALL_TIME, -1)
    observations_done: bool = False


class Retention:
    """Deletes by age and size. The place of a sweep is kept in memory only: a new process begins it again."""

    def __init__(self, database: Database, checkpoints: Checkpoints) -> None:
        self._database = database
        self._checkpoints = checkpoints
        self._sweep: Sweep | None = None

    def step(self, before_us: int, max_bytes: int) -> bool:
        """Do at most `CHUNK_ROWS` rows of work; True while there is more to do."""
        if self._sweep is None:
            self._sweep = self._plan(before_us, max_bytes)
        if self._sweep is None:
            return self._give_back()
        if not self._sweep.observations_done:
            self._delete_observations(self._sweep)
        elif self._delete_batches(self._sweep) < CHUNK_ROWS:
            self._sweep = None
        return True

    def size_bytes(self) -> int:
        """Bytes in use; the file may be larger by free pages, which are used again."""
        ((bytes_in_use,),) = self._database.read(
            "SELECT (page_count - freelist_count) * page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )
        return int(bytes_in_use)

    def _plan(self, before_us: int, max_bytes: int) -> Sweep | None:
        oldest_checkpoint = self._checkpoints.oldest_batch()
        if oldest_checkpoint is None:
            return None
        newest = self._newest_expired(before_us)
        if self.size_bytes() > max_bytes:
            newest = max(newest, self._newest_of_share())
        ((last,),) = self._database.read("SELECT coalesce(max(id), 0) FROM batch")
        newest = min(newest, oldest_checkpoint, last - 1)
        ((batches, begin_us, end_us),) = self._database.read(
            f"SELECT count(*), min(first_us), max(last_us) FROM batch WHERE {_REMOVABLE}", (newest,)
        )
        if not batches:
            return None
        if begin_us is None:
            return Sweep(newest, BEFORE_ALL_TIME, observations_done=True)
        return Sweep(newest, end_us, position=(begin_us, -1))

    def _newest_expired(self, before_us: int) -> int:
        # Up to the first young batch: one with a clock that was wrong must not drag young ones along.
        ((young,),) = self._database.read("SELECT min(id) FROM batch WHERE arrival_us >= ?", (before_us,))
        if young is None:
            ((young,),) = self._database.read("SELECT coalesce(max(id), 0) + 1 FROM batch")
        return int(young) - 1

    def _newest_of_share(self) -> int:
        ((newest,),) = self._database.read(
            "SELECT coalesce(min(id), 0)"
            " FROM (SELECT id, sum(observations) OVER (ORDER BY id) AS so_far FROM batch)"
            " WHERE so_far >= (SELECT sum(observations) / ? FROM batch)",
            (SIZE_SHARE,),
        )
        return int(newest)

    def _delete_observations(self, sweep: Sweep) -> None:
        chunk = "time <= ? AND (time, series) > (?, ?)"
        border = self._database.read(
            f"SELECT time, series FROM observation WHERE {chunk} ORDER BY time, series LIMIT 1 OFFSET ?",
            (sweep.end_us, *sweep.position, CHUNK_ROWS - 1),
        )
        upper = border[0] if border else (sweep.end_us, 2**63 - 1)
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM observation WHERE (time, series) > (?, ?) AND (time, series) <= (?, ?) AND batch <= ?",
                (*sweep.position, *upper, sweep.newest),
            )
        sweep.position = upper
        sweep.observations_done = not border

    def _delete_batches(self, sweep: Sweep) -> int:
        with self._database.transaction() as connection:
            return connection.execute(
                f"DELETE FROM batch WHERE id IN (SELECT id FROM batch WHERE {_REMOVABLE} ORDER BY id LIMIT ?)",
                (sweep.newest, CHUNK_ROWS),
            ).rowcount

    def _give_back(self) -> bool:
        """Shrink a file that is mostly empty; True while it is."""
        ((pages, free),) = self._database.read(
            "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count"
        )
        if free <= max(VACUUM_PAGES, pages // 2):
            return False
        self._database.read(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
        return True
