"""Events, the outbox of what each sink still has to be told, and digests of the state.

All of these are computed from batches, so a replay after a crash produces them again: the same ids, nothing
doubled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sentinel.journal.batches import to_json
from sentinel.journal.database import Database


class Events:
    """Events and what became of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, events: Sequence[Mapping[str, Any]], sinks: Sequence[str], batch: int) -> None:
        """Keep events, and put each into the outbox once per sink; those known already are left as they are.

        An event has at least `id`, `series` and `time_us`; the whole of it is kept as JSON.
        """
        if not events:
            return
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO event (id, batch, series, time_us, body) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO NOTHING",
                [(event["id"], batch, event["series"], event["time_us"], to_json(event)) for event in events],
            )
            connection.executemany(
                "INSERT INTO outbox (event, sink, delivered_us) VALUES (?, ?, NULL)"
                " ON CONFLICT (event, sink) DO NOTHING",
                [(event["id"], sink) for event in events for sink in sinks],
            )

    def all(self) -> list[dict[str, Any]]:
        """Every event, in the order in which they were appended."""
        return [json.loads(body) for (body,) in self._database.read("SELECT body FROM event ORDER BY rowid")]

    def open_alarms(self, batch: int) -> list[dict[str, Any]]:
        """The events of alarms of series that were raised up to this batch and not cleared before it."""
        rows = self._database.read("SELECT batch, body FROM event WHERE batch <= ? ORDER BY rowid", (batch,))
        found: dict[str, dict[str, Any]] = {}
        for at, body in rows:
            event = json.loads(body)
            if event["what"] == "raised" and "members" not in event:  # a site's alarm has members
                found[event["alarm_id"]] = event
            elif at < batch:
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
        """These were told to this sink; the first time stands."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE outbox SET delivered_us = ? WHERE event = ? AND sink = ? AND delivered_us IS NULL",
                [(at_us, event, sink) for event in ids],
            )

    def mark_refused(self, sink: str, ids: Iterable[str], at_us: int) -> None:
        """These were refused for good by this sink: no longer owed, and kept with their time below zero."""
        self.mark_delivered(sink, ids, -at_us)

    def outbox_length(self, sink: str) -> int:
        """How many this sink has not been told."""
        ((length,),) = self._database.read(
            "SELECT count(*) FROM outbox WHERE sink = ? AND delivered_us IS NULL", (sink,)
        )
        return int(length)

    def append_digests(self, rows: Sequence[tuple[int, int, str]]) -> None:
        """Keep digests of series' states. The last of a tick stands: that of the state that lived on."""
        if not rows:
            return
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO digest (series, tick, digest) VALUES (?, ?, ?)", rows)

    def digests(self) -> list[tuple[int, int, str]]:
        """Series id, tick and digest, by series and tick."""
        return self._database.read("SELECT series, tick, digest FROM digest ORDER BY series, tick")
