"""The journal as the engine sees it: one folder, one file, one writer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from sentinel.domain.errors import StateError
from sentinel.domain.observation import Cursor, Frame
from sentinel.journal import replay
from sentinel.journal.batches import Committed, FactKind
from sentinel.journal.checkpoints import Checkpoint, Checkpoints
from sentinel.journal.database import Database
from sentinel.journal.events import Events
from sentinel.journal.lock import FolderLock
from sentinel.journal.retention import Retention
from sentinel.journal.writer import Writer

DATABASE_FILE = "sentinel.db"


class Journal:
    """Observations, cursors, facts, checkpoints, events and outbox of one state folder. A context manager.

    Belongs to one thread at a time. When a write fails with JournalFull or JournalUnwritable, nothing of it
    was written, the journal stays usable, and the same call may be tried again.
    """

    def __init__(self, database: Database, lock: FolderLock | None) -> None:
        self._database = database
        self._lock = lock
        self._writer = Writer(database)
        self._checkpoints = Checkpoints(database)
        self._events = Events(database)
        self._retention = Retention(database, self._checkpoints)

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False) -> Journal:
        """Open the journal in `folder`; both are created where they are missing.

        With `read_only` nothing is created and no lock is taken: it may run beside the daemon.
        Raises StateError: folder not writable or in use, file newer than this program or not ours.
        """
        path = folder / DATABASE_FILE
        if read_only:
            if not path.is_file():
                raise StateError(f"{path}: no journal here; a state folder that sentinel has written is needed")
            return cls(Database(path, read_only=True), None)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{folder}: {error.strerror}; the state folder must be writable by this user") from error
        lock = FolderLock(folder)
        try:
            database = Database(path, read_only=False)
        except BaseException:
            lock.close()
            raise
        journal = cls(database, lock)
        try:
            journal._checkpoints.remove_leftovers()
        except BaseException:
            journal.close()
            raise
        return journal

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, then let the next process into the folder."""
        self._database.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def require_file(self) -> None:
        """Raise JournalUnwritable if the file was deleted or replaced since it was opened; every write does, too."""
        self._database.require_file()

    def commit(self, frame: Frame, arrival_us: int) -> Committed:
        """Write a frame in one transaction: observations, new series, cursor, `watermark_us`.

        Returns what of it was new. A frame that says nothing new is not written: its batch is -1.
        """
        return self._writer.commit(frame, arrival_us)

    def record(self, kind: FactKind, payload: Mapping[str, Any], arrival_us: int) -> Committed:
        """Write a change of settings or something that the operator did."""
        return self._writer.record(kind, payload, arrival_us)

    def tail(self, after_batch: int) -> Iterator[Committed]:
        """What `commit` and `record` returned for each batch after this one, in order, in bounded memory.

        Raises JournalCorrupt if a batch is missing or incomplete, JournalForgotten if retention has forgotten it.
        """
        return replay.tail(self._database, after_batch)

    def series(self) -> list[tuple[int, str, str]]:
        """Id, name and source of every series, by id: 0, 1, 2, ... in order of first appearance."""
        return self._database.read("SELECT id, name, source FROM series ORDER BY id")

    def cursors(self) -> dict[str, Cursor]:
        """How far each source is committed."""
        return self._writer.cursors()

    def settings(self) -> dict[str, Any] | None:
        """The last settings recorded; None if there are none."""
        return self._writer.settings()

    def save_checkpoint(
        self, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any], batch: int, created_us: int
    ) -> None:
        """Keep the state after `batch`. Its events and digests must have been appended before."""
        self._checkpoints.save(arrays, header, batch, created_us)

    def load_checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint that is whole, None if there never was one; else JournalCorrupt."""
        return self._checkpoints.load()

    def append_events(self, events: Sequence[Mapping[str, Any]], sinks: Sequence[str], batch: int) -> None:
        """Keep events (`id`, `series`, `time_us`, ...) and owe them to `sinks`; known ids change nothing."""
        self._events.append(events, sinks, batch)

    def events(self) -> list[dict[str, Any]]:
        """Every event, in the order in which they were appended."""
        return self._events.all()

    def open_alarms(self, batch: int) -> list[dict[str, Any]]:
        """The events of alarms of series that were raised up to this batch and not cleared before it."""
        return self._events.open_alarms(batch)

    def undelivered(self, sink: str, limit: int) -> list[tuple[str, dict[str, Any]]]:
        """Id and event of the first `limit` that this sink has not been told."""
        return self._events.undelivered(sink, limit)

    def mark_delivered(self, sink: str, ids: Iterable[str], at_us: int) -> None:
        """These were told to this sink."""
        self._events.mark_delivered(sink, ids, at_us)

    def mark_refused(self, sink: str, ids: Iterable[str], at_us: int) -> None:
        """These were refused for good by this sink; they are not offered again."""
        self._events.mark_refused(sink, ids, at_us)

    def outbox_length(self, sink: str) -> int:
        """How many this sink has not been told."""
        return self._events.outbox_length(sink)

    def append_digests(self, rows: Sequence[tuple[int, int, str]]) -> None:
        """Keep (series id, tick, digest of its state); a replay's digest replaces the former one."""
        self._events.append_digests(rows)

    def digests(self) -> list[tuple[int, int, str]]:
        """Series id, tick and digest, by series and tick."""
        return self._events.digests()

    def retain(self, before_us_arrival: int, max_bytes: int) -> bool:
        """Forget batches that arrived earlier, or the oldest of a too large file; True while there is more.

        One call is a bounded amount of work. Nothing after the oldest kept checkpoint is forgotten. What was
        forgotten and is delivered again counts as new here: cursors and the grid keep it out.
        """
        return self._retention.step(before_us_arrival, max_bytes)

    def size_bytes(self) -> int:
        """Bytes in use in the file."""
        return self._retention.size_bytes()
