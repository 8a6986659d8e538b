"""The journal: everything that moves state, in one order, on disk before it is used. One file, one writer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from sentinel.domain.acting import Action
from sentinel.domain.errors import StateError
from sentinel.domain.observation import Cursor, Frame
from sentinel.domain.renaming import Renamed, add_name, present_names
from sentinel.journal.batches import (
    Committed,
    FactKind,
    group_joined,
    read_batches,
    to_json,
    write_fact,
    write_frames,
)
from sentinel.journal.bundle import Part, write_bundle
from sentinel.journal.checkpoints import Checkpoint, Checkpoints, Retention
from sentinel.journal.conversion import convert
from sentinel.journal.copying import copy_database
from sentinel.journal.corrections import Corrected, Corrections
from sentinel.journal.database import (
    Database,
    FolderLock,
    JournalCorrupt,
    JournalForgotten,
    JournalFull,
    JournalUnwritable,
)
from sentinel.journal.drills import NO_BATCH, Drills
from sentinel.journal.known import Known
from sentinel.journal.readings import OwedReadings
from sentinel.journal.tables import read_tables

__all__ = [
    "NO_BATCH", "Checkpoint", "Committed", "Corrected", "Journal", "JournalCorrupt", "JournalForgotten", "JournalFull",
    "JournalUnwritable", "KeptEvent", "Part", "group_joined",
]  # fmt: skip

DATABASE_FILE = "sentinel.db"
_OF_ALARM = re.compile(r"(.+)/(raised|cleared)(?:/\d+)?")
"""Ids of the events of an alarm; one that is raised or ends again has the batch that it followed from behind it."""
_OWE = "INSERT INTO outbox (event, sink, delivered_us) VALUES (?, ?, NULL) ON CONFLICT (event, sink) DO NOTHING"


class KeptEvent(NamedTuple):
    """An event as it was kept, and the batch that it followed from."""

    batch: int
    arrival_us: int | None
    """When that batch arrived; None where retention has forgotten it."""
    body: dict[str, Any]


class Journal:
    """Observations, cursors, facts, checkpoints, events and outbox of one state folder. A context manager.

    Belongs to one thread at a time. When a write fails with JournalFull or JournalUnwritable, nothing of it
    was written, the journal stays usable, and the same call may be tried again.

    Events, outbox and digests are computed from batches, so a replay after a crash writes them again: the same ids,
    nothing doubled.
    """

    def __init__(self, database: Database, opened: ExitStack) -> None:
        self._database = database
        self._opened = opened
        self._ids: dict[str, int] = dict(database.read("SELECT name, id FROM series"))
        self._known, self._corrections = Known(database), Corrections(database)
        self.checkpoints = Checkpoints(database, self._known)
        self.retention, self.drills = Retention(database, self._corrections), Drills(database)
        self.readings = OwedReadings(database)

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False) -> Journal:
        """Open the journal in `folder`; both are created where they are missing.

        With `read_only` nothing is created and no lock is taken: it may run beside the daemon. Then `folder` may be a
        bundle, too.
        A file of an earlier version is converted.
        Raises StateError: folder not writable or in use, file newer than this program or not ours, or, `read_only`,
        older.
        """
        path = folder if read_only and folder.is_file() else folder / DATABASE_FILE
        if read_only and not path.is_file():
            raise StateError(f"{path}: no journal here; a state folder that sentinel has written is needed")
        with ExitStack() as opened:
            if not read_only:
                opened.callback(FolderLock(folder).close)
            database = Database(path, read_only=read_only)
            opened.callback(database.close)
            if not read_only:
                convert(database)
            journal = cls(database, opened.pop_all())
        try:
            if not read_only:
                journal.checkpoints.remove_leftovers()
        except BaseException:  # whatever ends the opening, the files are closed
            journal.close()
            raise
        return journal

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, then let the next process into the folder."""
        self._opened.close()

    def require_file(self) -> None:
        """Raise JournalUnwritable if the file was deleted or replaced since it was opened; every write does, too."""
        self._database.require_file()

    def commit(self, frame: Frame, arrival_us: int, moved: Collection[str] = ()) -> Committed:
        """Write a frame in one transaction: observations, new series, cursor, `watermark_us`.

        `moved` are known series that came from another source before. Returns what of it was new. A frame that says
        nothing new is not written: its batch is -1.
        """
        return self.commit_all([(frame, moved)], arrival_us)[0]

    def commit_all(self, frames: Sequence[tuple[Frame, Collection[str]]], arrival_us: int) -> list[Committed]:
        """Write frames that waited at the same time in one transaction, as `commit` writes each; see there.

        Their batches move the state together; see `group_joined`.
        """
        return write_frames(self._database, self._known, self._corrections, self._ids, frames, arrival_us)

    def record(self, kind: FactKind, payload: Mapping[str, Any], arrival_us: int) -> Committed:
        """Write a change of settings or something that the operator did."""
        return write_fact(self._database, kind, payload, arrival_us)

    def tail(self, after_batch: int) -> Iterator[Committed]:
        """Read what `commit` and `record` returned for each batch after this one, in order, in bounded memory.

        Raises JournalCorrupt if a batch is missing or incomplete, JournalForgotten if retention has forgotten it.
        """
        return read_batches(self._database, after_batch)

    def observations(
        self, series: str | None = None, say: Callable[[JournalForgotten], None] = lambda _: None, *,
        corrections: bool = False,
    ) -> Iterator[pl.DataFrame]:  # fmt: skip
        """Read every observation that was accepted, or those of one series, as tables in order, in bounded memory.

        Columns: time, series (its present name), value, source, arrived, batch. `say` is told if retention took the
        beginning. `corrections` asks for the values that came later for times that had one.
        """
        present = present_names(self.renamed())
        names = [present.get(name, name) for _, name, _ in self.series()]
        return read_tables(self._database, names, series, say, corrections=corrections)

    def series(self) -> list[tuple[int, str, str]]:
        """Id, name and first source of every series, by id: 0, 1, 2, ... in order of first appearance."""
        return self._database.read("SELECT id, name, source FROM series ORDER BY id")

    def renamed(self) -> Renamed:
        """Give all names of each series that was renamed, the first one, which is that in `series`, first."""
        kept = self._database.read("SELECT batch, header FROM checkpoint WHERE complete = 1 ORDER BY id DESC LIMIT 1")
        batch, header = kept[0] if kept else (0, '{"header": {}}')
        renamed: Renamed = tuple(tuple(names) for names in json.loads(header)["header"].get("renamed", ()))
        query = "SELECT payload FROM batch WHERE kind = 'operator' AND id > ? ORDER BY id"
        for (payload,) in self._database.read(query, (batch,)):
            fact = json.loads(payload)
            if fact.get("action") == Action.RENAMED:
                renamed = add_name(renamed, fact["series"], fact["to"])
        return renamed

    def cursors(self) -> dict[str, Cursor]:
        """Give the last committed cursor of each source."""
        return {name: json.loads(text) for name, text in self._database.read("SELECT source, value FROM cursor")}

    def corrected(self) -> int:
        """Give the last batch that has corrections; 0 if none has."""
        return self._corrections.last_batch()

    def count_forgotten(self, batches: Iterable[Committed]) -> dict[str, int]:
        """Count by source the observations of these batches from before what retention has left of that source."""
        found: dict[str, int] = {}
        for one in batches:
            query = "SELECT id, first_us FROM batch WHERE source = ? AND first_us IS NOT NULL ORDER BY id LIMIT 1"
            for first, since_us in self._database.read(query, (one.source,)):
                older = int((one.time_us < since_us).sum())
                if older and not self._database.read("SELECT 1 FROM batch WHERE id = ?", (first - 1,)):
                    found[one.source] = older
        return found

    def corrections(self) -> Corrected:
        """Read all corrections that are kept."""
        return self._corrections.read(self._known)

    def amendments(self) -> list[tuple[int, int, int]]:
        """Give the facts that let corrected values take effect, in order.

        Of each its batch, the batch up to which corrections are in it, and that up to which values were too old. Those
        that a replay could not read are not among them: the values are to take effect yet. Nor are those of 0.2.0,
        which judged alarms and had no states, nor those that others complete.
        """
        # The states in them are large, and are not wanted.
        query = (
            "SELECT id, json_extract(payload, '$.until'), coalesce(json_extract(payload, '$.reach'), 0) FROM batch"
            " WHERE kind = 'operator' AND json_extract(payload, '$.action') = ?"
            " AND json_type(payload, '$.more') IS NULL"
            " AND json_type(payload, '$.state') IS NOT NULL AND id NOT IN (SELECT value FROM batch,"
            " json_each(payload, '$.batches') WHERE kind = 'operator' AND json_extract(payload, '$.action') = ?)"
            " ORDER BY id"
        )
        found = self._database.read(query, (Action.AMENDED, Action.UNREAD))
        return [(int(batch), int(until), int(reach)) for batch, until, reach in found]

    def amended(self) -> int:
        """Give the batch up to which corrected values have taken effect; 0 if none has."""
        return max((until for _, until, _ in self.amendments()), default=0)

    def settings(self) -> dict[str, Any] | None:
        """The last settings recorded; None if there are none."""
        rows = self._database.read("SELECT payload FROM batch WHERE kind = 'settings' ORDER BY id DESC LIMIT 1")
        return json.loads(rows[0][0]) if rows else None

    def append_events(self, events: Sequence[Mapping[str, Any]], sinks: Sequence[str], batch: int) -> None:
        """Keep events as JSON and put each into the outbox once per sink; known ids change nothing.

        An event has at least `id`, `series` and `time_us`. Those of a drill follow from no batch: `NO_BATCH`.
        """
        if not events:
            return
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO event (id, batch, series, time_us, body) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO NOTHING",
                [(event["id"], batch, event["series"], event["time_us"], to_json(event)) for event in events],
            )
            connection.executemany(_OWE, [(event["id"], sink) for event in events for sink in sinks])

    def open_alarms(self, batch: int) -> list[dict[str, Any]]:
        """The events of alarms of series that were raised up to this batch and not cleared before it."""
        rows = self._database.read("SELECT batch, body FROM event WHERE batch BETWEEN 0 AND ? ORDER BY rowid", (batch,))
        found: dict[str, dict[str, Any]] = {}
        for at, body in rows:
            event = json.loads(body)
            if event["what"] == "raised" and "members" not in event:  # a site's alarm has members
                found[event["alarm_id"]] = event
            elif at < batch and event["what"] == "cleared":
                found.pop(event["alarm_id"], None)
        return list(found.values())

    def undelivered(self, sink: str, limit: int) -> list[tuple[str, dict[str, Any]]]:
        """Id and event of the first `limit` that this sink has not been told."""
        rows = self._database.read(
            "SELECT event.id, event.body FROM outbox JOIN event ON event.id = outbox.event"
            " WHERE outbox.sink = ? AND outbox.delivered_us IS NULL ORDER BY event.rowid LIMIT ?",
            (sink, limit),
        )
        return [(event, json.loads(body)) for event, body in rows]

    def mark_delivered(self, sink: str, ids: Iterable[str], at_us: int) -> None:
        """Record that this sink was told of these; the first time stands."""
        query = "UPDATE outbox SET delivered_us = ? WHERE event = ? AND sink = ? AND delivered_us IS NULL"
        self._database.write(query, [(at_us, event, sink) for event in ids])

    def mark_refused(self, sink: str, ids: Iterable[str], at_us: int) -> None:
        """Record that this sink refused these for good: not offered again, and kept with their time below zero."""
        self.mark_delivered(sink, ids, -at_us)

    def outbox_length(self, sink: str) -> int:
        """Count the events that this sink has not been told."""
        query = "SELECT count(*) FROM outbox WHERE sink = ? AND delivered_us IS NULL"
        return self._database.read_number(query, (sink,))

    def append_digests(self, rows: Sequence[tuple[int, int, str]]) -> None:
        """Keep (series id, tick, digest of its state); a replay's digest replaces the former one."""
        if not rows:
            return
        self._database.write("INSERT OR REPLACE INTO digest (series, tick, digest) VALUES (?, ?, ?)", rows)

    def events(
        self, limit: int | None = None, alarm: str = "", series: Collection[str] | None = None
    ) -> list[KeptEvent]:
        """Give the newest `limit` events, all if None, in the order in which they were kept.

        Those of drills are not among them. Of one alarm or of these series, if given.
        """
        where, of = ("AND event.id >= ?1 || '/' AND event.id < ?1 || '0'", (alarm,)) if alarm else ("", ("",))
        if series is not None:
            where, of = "AND event.series IN (SELECT value FROM json_each(?1))", (json.dumps(list(series)),)
        rows = self._database.read(
            "SELECT event.batch, batch.arrival_us, event.body FROM event LEFT JOIN batch ON batch.id = event.batch"
            f" WHERE event.batch >= 0 {where} ORDER BY event.rowid DESC LIMIT ?2",
            (*of, -1 if limit is None else limit),
        )
        return [KeptEvent(batch, arrival_us, json.loads(body)) for batch, arrival_us, body in reversed(rows)]

    def open_events(self) -> list[dict[str, Any]]:
        """Give the events that raised alarms which have not ended, of series, sites and drills, in order.

        Reads all events.
        """
        found: dict[str, int] = {}
        for row, key in self._database.read("SELECT rowid, id FROM event ORDER BY rowid"):
            what = _OF_ALARM.fullmatch(key)
            if what and what[2] == "raised":
                found[what[1]] = row
            elif what:
                found.pop(what[1], None)
        query = "SELECT body FROM event WHERE rowid IN (SELECT value FROM json_each(?)) ORDER BY rowid"
        return [json.loads(body) for (body,) in self._database.read(query, (json.dumps(list(found.values())),))]

    def happened_before(self, event: str, batch: int) -> bool:
        """Tell whether an event of this id followed from an earlier batch: an alarm may be raised or end again."""
        return bool(self._database.read("SELECT 1 FROM event WHERE id = ? AND batch < ?", (event, batch)))

    def owe(self, ids: Sequence[str], sinks: Sequence[str]) -> None:
        """Put events into the outbox of sinks that they were never put into, as of a new one."""
        if not (ids and sinks):
            return
        self._database.write(_OWE, [(event, sink) for event in ids for sink in sinks])

    def owe_again(self, ids: Sequence[str], sink: str) -> None:
        """Let a sink that is in another place now be told once more of these events."""
        query = "UPDATE outbox SET delivered_us = NULL WHERE sink = ? AND event IN (SELECT value FROM json_each(?))"
        self._database.write(query, [(sink, json.dumps(list(ids)))])

    def owe_ends(self, sinks: Sequence[str]) -> None:
        """Put ends of alarms into the outbox of sinks that were away then, and were given the beginnings."""
        given = (
            "SELECT sink, event AS last, substr(event, 1, instr(event, '/') - 1) AS alarm, max(event.rowid) AS at"
            " FROM outbox JOIN event ON event.id = outbox.event"
            " WHERE sink IN (SELECT value FROM json_each(?)) GROUP BY sink, alarm"
        )
        end = (
            "SELECT id FROM event WHERE id >= alarm || '/cleared' AND id < alarm || '/cleared0' AND rowid > at"
            " ORDER BY rowid DESC LIMIT 1"
        )
        found = f"SELECT ({end}) AS ended, sink FROM ({given}) WHERE last LIKE '%/raised%' AND ended IS NOT NULL"
        self._database.write(f"INSERT INTO outbox (event, sink) {found}", [(json.dumps(list(sinks)),)])

    def told(self, sink: str, ids: Sequence[str]) -> set[str]:
        """Tell which of these events this sink was told of, and did not refuse."""
        rows = self._database.read(
            "SELECT event FROM outbox WHERE event IN (SELECT value FROM json_each(?))"
            " AND sink = ? AND delivered_us > 0",
            (json.dumps(list(ids)), sink),
        )
        return {event for (event,) in rows}

    def copy_to(self, folder: Path) -> None:
        """Copy everything, as it is at this moment, into a folder without a journal; errors as of `copy_database`."""
        copy_database(self._database, folder / DATABASE_FILE)

    def bundle(self, target: Path, part: Part) -> None:
        """Write part of the journal into a file of its own; errors as of `write_bundle`."""
        write_bundle(self._database, target, part)
