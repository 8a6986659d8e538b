"""Actions of an operator on alarms: facts that are journalled, and the events that follow from them. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

ACKNOWLEDGED, RETIRED, TAKEN_BACK, BEGUN_ANEW = "acknowledged", "retired", "taken_back", "begun_anew"
"""Actions: an alarm was seen; a series is retired; a retired one is known again; a series starts afresh, which nobody
asks for: it goes to another source."""
RENAMED, FORGOTTEN = "renamed", "forgotten"
"""Actions: a series goes on under another name; all that was learnt of it is dropped."""
DECLARED, LIFTED = "declared", "lifted"
"""Actions: an event that drives gates was declared; a hold ends earlier than it was declared to."""
AMENDED, UNREAD = "amended", "unread"
"""Alarms were judged anew, by values that have been corrected since; facts of that cannot be read, and are not in the
state."""


class Acknowledgement(NamedTuple):
    """Somebody has seen an alarm. It stays open, and says so."""

    alarm_id: str
    series: str
    by: str
    note: str = ""

    def to_fact(self) -> dict[str, str]:
        """Give the fact for the journal."""
        return {"action": ACKNOWLEDGED, **self._asdict()}


def events_of(fact: Mapping[str, Any], batch: int, arrival_us: int) -> list[dict[str, object]]:
    """Give the events that follow from a fact; none of an action that this version does not know.

    They are kept with the events of alarms and go to no receiver. The batch makes ids the same in every replay.
    """
    if fact.get("action") == AMENDED:
        return [
            {"id": f"{one['alarm_id']}/{AMENDED}/{batch}", "what": AMENDED, "time_us": arrival_us, **one}
            for one in fact["verdicts"]
        ]
    if fact.get("action") != ACKNOWLEDGED:
        return []
    return [{
        "id": f"{fact['alarm_id']}/{ACKNOWLEDGED}/{batch}", "alarm_id": fact["alarm_id"], "what": ACKNOWLEDGED,
        "series": fact["series"], "time_us": arrival_us, "by": fact["by"], "note": fact["note"],
    }]  # fmt: skip
