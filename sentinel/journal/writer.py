"""The one door by which observations and facts enter: one transaction per batch."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from sentinel.domain.observation import Cursor, Frame
from sentinel.journal import observations
from sentinel.journal.batches import NOTHING_WRITTEN, Committed, FactKind, no_rows, to_json
from sentinel.journal.database import Database


class Writer:
    """Commits frames and facts. Knows all series by name; new ones only once they are on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: dict[str, int] = dict(database.read("SELECT name, id FROM series"))
        database.connection.execute(observations.INCOMING)

    def commit(self, frame: Frame, arrival_us: int) -> Committed:
        """Write observations, new series, cursor and `watermark_us` together, or nothing of them."""
        observations.require_schema(frame)
        cursor = to_json(frame.cursor)
        if frame.observations.is_empty() and not self._moves(frame, cursor):
            return self._describe(NOTHING_WRITTEN, frame, arrival_us, observations.Inserted(no_rows(), 0, 0), ())
        first_id = len(self._ids)
        new = tuple(
            (first_id + place, name, frame.source)
            for place, name in enumerate(observations.new_names(frame.observations, self._ids))
        )
        ids = self._ids | {name: number for number, name, _ in new} if new else self._ids
        offered = observations.ordered(frame.observations, ids)
        with self._database.transaction() as connection:
            batch = _next_batch(connection)
            connection.executemany("INSERT INTO series (id, name, source) VALUES (?, ?, ?)", new)
            inserted = observations.insert(connection, batch, offered)
            time = inserted.rows[0]
            payload = {
                "duplicates": inserted.duplicates,
                "new_series": [first_id, len(new)],
                "revised": inserted.revised,
            }
            connection.execute(
                "INSERT INTO batch VALUES (?, 'observations', ?, ?, ?, ?, ?, ?, ?)",
                (
                    batch,
                    frame.source,
                    arrival_us,
                    frame.watermark_us,
                    int(time[0]) if len(time) else None,
                    int(time[-1]) if len(time) else None,
                    len(time),
                    to_json(payload),
                ),
            )
            connection.execute(
                "INSERT INTO cursor (source, value, complete_until_us, batch) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (source) DO UPDATE SET value = excluded.value, batch = excluded.batch,"
                " complete_until_us = coalesce(excluded.complete_until_us, complete_until_us)",
                (frame.source, cursor, frame.watermark_us, batch),
            )
        self._ids = ids
        return self._describe(batch, frame, arrival_us, inserted, new)

    def record(self, kind: FactKind, payload: Mapping[str, Any], arrival_us: int) -> Committed:
        """Write a fact that is no observation; what is returned went through JSON, as on replay."""
        text = to_json(payload)
        with self._database.transaction() as connection:
            batch = _next_batch(connection)
            connection.execute(
                "INSERT INTO batch VALUES (?, ?, '', ?, NULL, NULL, NULL, 0, ?)",
                (batch, kind, arrival_us, text),
            )
        time, series, value = no_rows()
        return Committed(
            batch=batch,
            kind=kind,
            source="",
            arrival_us=arrival_us,
            watermark_us=None,
            series=series,
            time_us=time,
            value=value,
            new_series=(),
            duplicates=0,
            revised=0,
            payload=json.loads(text),
        )

    def cursors(self) -> dict[str, Cursor]:
        """How far each source is committed."""
        return {name: json.loads(text) for name, text in self._database.read("SELECT source, value FROM cursor")}

    def settings(self) -> dict[str, Any] | None:
        """The last settings recorded."""
        rows = self._database.read("SELECT payload FROM batch WHERE kind = 'settings' ORDER BY id DESC LIMIT 1")
        return json.loads(rows[0][0]) if rows else None

    def _moves(self, frame: Frame, cursor: str) -> bool:
        """Whether a frame without observations says anything new."""
        known = self._database.read("SELECT value, complete_until_us FROM cursor WHERE source = ?", (frame.source,))
        if not known:
            return True
        ((value, watermark_us),) = known
        return cursor != value or frame.watermark_us not in (None, watermark_us)

    @staticmethod
    def _describe(
        batch: int,
        frame: Frame,
        arrival_us: int,
        inserted: observations.Inserted,
        new: tuple[tuple[int, str, str], ...],
    ) -> Committed:
        time, series, value = inserted.rows
        return Committed(
            batch=batch,
            kind="observations",
            source=frame.source,
            arrival_us=arrival_us,
            watermark_us=frame.watermark_us,
            series=series,
            time_us=time,
            value=value,
            new_series=new,
            duplicates=inserted.duplicates,
            revised=inserted.revised,
        )


def _next_batch(connection: sqlite3.Connection) -> int:
    # The newest batch is never deleted (see retention.py), so no number is given twice.
    (batch,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM batch").fetchone()
    return int(batch)
