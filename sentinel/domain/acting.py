"""What an operator does to alarms: facts that are journalled, and the events that follow from them. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

ACKNOWLEDGED, RETIRED, TAKEN_BACK = "acknowledged", "retired", "taken_back"
"""Actions: an alarm was seen; a series is retired; a retired one is known again."""
RENAMED, FORGOTTEN = "renamed", "forgotten"
"""Actions: a series goes on under another name; all that was learnt of it is dropped."""
DECLARED, LIFTED = "declared", "lifted"
"""Actions: an event that drives gates was declared; a hold ends earlier than it was declared to."""


class Acknowledgement(NamedTuple):
    """Somebody has seen an alarm. It stays open, and says so."""

    alarm_id: str
    series: str
    by: str
    note: str = ""

    def to_fact(self) -> dict[str, str]:
        """Give the fact for the journal."""
        return {"action": ACKNOWLEDGED, **self._asdict()}


def event_of(fact: Mapping[str, Any], batch: int, arrival_us: int) -> dict[str, object] | None:
    """Give the event that follows from a fact; None of an action that this version does not know.

    It is kept with the events of alarms and goes to no receiver. The batch makes its id the same in every replay.
    """
    if fact.get("action") != ACKNOWLEDGED:
        return None
    return {
        "id": f"{fact['alarm_id']}/{ACKNOWLEDGED}/{batch}", "alarm_id": fact["alarm_id"], "what": ACKNOWLEDGED,
        "series": fact["series"], "time_us": arrival_us, "by": fact["by"], "note": fact["note"],
    }  # fmt: skip
