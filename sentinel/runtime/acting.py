"""What an operator asks for, held against what there is: the fact that is journalled, or why it cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sentinel.domain.acting import ACKNOWLEDGED, Acknowledgement
from sentinel.domain.errors import UsageError

LONGEST = 1_000
"""Letters of a name or a note."""


def find_fact(request: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], str]:
    """Give the fact that a request comes to, and a sentence on it; `events` are those of alarms, as they were kept.

    Raises UsageError: the request is not understood, or the alarm is not known or has ended.
    """
    if request.get("action") != ACKNOWLEDGED:
        raise UsageError(f"action {request.get('action')!r}; {ACKNOWLEDGED} is allowed")
    texts = [request.get(name, "") for name in ("alarm_id", "by", "note")]
    if not all(isinstance(text, str) and len(text) <= LONGEST for text in texts):
        raise UsageError(f"alarm_id, by and note must be texts of at most {LONGEST:,} letters")
    alarm, by, note = texts
    series = ""
    for event in events:
        if event["alarm_id"] == alarm:
            if event["what"] == "cleared":
                raise UsageError(f"alarm {alarm} of {event['series']} has ended; only an open one can be acknowledged")
            series = event["series"] if event["what"] == "raised" else series
    if not series:
        raise UsageError(f"alarm {alarm}: not known; `sentinel explain --state DIR` lists the alarms")
    done = f"alarm {alarm} of {series} is acknowledged by {by or 'somebody'}; it stays open until its evidence ends it"
    return Acknowledgement(alarm, series, by, note).to_fact(), done


def choose_shown(events: Sequence[Mapping[str, Any]], most: int) -> tuple[Mapping[str, Any], ...]:
    """Choose the newest `most` events, and before them those of alarms that are open, in their order."""
    if len(events) <= most:
        return tuple(events)
    ended = {event["alarm_id"] for event in events if event["what"] == "cleared"}
    older = [event for event in events[:-most] if event["alarm_id"] not in ended]
    return (*older, *events[-most:])
