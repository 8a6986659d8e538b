"""Drills in the journal: the events of their alarms, and their outcome.

They stand with all other events, so that receivers are owed them in the same order, and follow from no batch: whatever
reads the journal for what happened to series does not meet them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sentinel.journal.database import Database

NO_BATCH = -1
"""In the place of the batch from which an event followed."""
_OUTCOME = "drilled"


class Drills:
    """The drills of one journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def told(self, event: str) -> dict[str, int | None]:
        """Give when each receiver was told of this event: None = not yet, below 0 = it refused it."""
        return dict(self._database.read("SELECT sink, delivered_us FROM outbox WHERE event = ?", (event,)))

    def owed(self) -> set[str]:
        """Name the receivers that have not been told all of the drills before."""
        query = (
            "SELECT DISTINCT sink FROM outbox JOIN event ON event.id = outbox.event"
            " WHERE outbox.delivered_us IS NULL AND event.batch < 0"
        )
        return {sink for (sink,) in self._database.read(query)}

    def last(self) -> dict[str, Any] | None:
        """Give the event of the last drill that came to its end; None if there was none."""
        query = "SELECT body FROM event WHERE batch < 0 AND id LIKE ? ORDER BY rowid DESC LIMIT 1"
        rows = self._database.read(query, (f"%/{_OUTCOME}",))
        return json.loads(rows[0][0]) if rows else None

    def keep(self, outcome: Mapping[str, Any], forget_before_us: int) -> None:
        """Keep what came of a drill, and forget drills of before that moment of which all receivers were told."""
        body = {**outcome, "id": f"{outcome['alarm_id']}/{_OUTCOME}", "what": _OUTCOME}
        gone = (
            "batch < 0 AND time_us < ? AND NOT EXISTS"
            " (SELECT 1 FROM outbox WHERE outbox.event = event.id AND delivered_us IS NULL)"
        )
        with self._database.transaction() as connection:
            connection.execute(
                f"DELETE FROM outbox WHERE event IN (SELECT id FROM event WHERE {gone})", (forget_before_us,)
            )
            connection.execute(f"DELETE FROM event WHERE {gone}", (forget_before_us,))
            connection.execute(
                "INSERT INTO event (id, batch, series, time_us, body) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO NOTHING",
                (body["id"], NO_BATCH, body["series"], body["time_us"], json.dumps(body, ensure_ascii=False)),
            )
