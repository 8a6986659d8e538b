"""Actions of an operator on alarms: facts that are journalled, and the events that follow from them. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Action(StrEnum):
    """A fact that is journalled besides observations and settings; an operator asks for most of them."""

    ACKNOWLEDGED = "acknowledged"
    """An alarm was seen."""
    RETIRED = "retired"
    TAKEN_BACK = "taken_back"
    """A retired series is known again."""
    BEGUN_ANEW = "begun_anew"
    """A series starts afresh, which nobody asks for: it goes to another source."""
    RENAMED = "renamed"
    FORGOTTEN = "forgotten"
    """All that was learnt of a series is dropped."""
    DECLARED = "declared"
    """An event that drives gates was declared."""
    LIFTED = "lifted"
    """A hold ends earlier than it was declared to."""
    AMENDED = "amended"
    """Alarms were judged anew, by values that have been corrected since."""
    UNREAD = "unread"
    """Facts of that cannot be read, and are not in the state."""


class Acknowledgement(NamedTuple):
    """Somebody has seen an alarm. It stays open, and says so."""

    alarm_id: str
    series: str
    by: str
    note: str = ""

    def to_fact(self) -> dict[str, str]:
        """Give the fact for the journal."""
        return {"action": Action.ACKNOWLEDGED, **self._asdict()}


def events_of(fact: Mapping[str, Any], batch: int, arrival_us: int) -> list[dict[str, object]]:
    """Give the events that follow from a fact; none of an action that this version does not know.

    They are kept with the events of alarms and go to no receiver. The batch makes ids the same in every replay.
    """
    action, told = fact.get("action"), []
    if action == Action.AMENDED:
        told = fact["verdicts"]
    elif action == Action.ACKNOWLEDGED:
        told = [{name: fact[name] for name in Acknowledgement._fields}]
    return [{"id": f"{one['alarm_id']}/{action}/{batch}", "what": action, "time_us": arrival_us, **one} for one in told]
