"""What an operator asks for, held against what there is: the fact that is journalled, or why it cannot be."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from sentinel.domain.acting import ACKNOWLEDGED, RETIRED, TAKEN_BACK, Acknowledgement
from sentinel.domain.errors import UsageError

LONGEST = 1_000
"""Letters of a name or a note."""


def find_fact(
    request: Mapping[str, Any], events: Iterable[Mapping[str, Any]], series: Container[str], retired: Container[str]
) -> tuple[dict[str, str], str]:
    """Give the fact that a request comes to, and a sentence on it.

    Parameters
    ----------
    events: those of alarms, as they were kept.
    series: names of the series of the journal.
    retired: names of those that are retired.

    Raises UsageError: the request is not understood; the alarm or the series is not known, or is not in that state.
    """
    action = request.get("action")
    texts = [request.get(name, "") for name in ("alarm_id", "series", "by", "note")]
    if not all(isinstance(text, str) and len(text) <= LONGEST for text in texts):
        raise UsageError(f"alarm_id, series, by and note must be texts of at most {LONGEST:,} letters")
    alarm, name, by, note = texts
    if not (by.isprintable() and note.isprintable()):  # both are shown in a line of a terminal, and in the log
        raise UsageError("by and note must be one line without control characters")
    if action == ACKNOWLEDGED:
        return _acknowledge(alarm, by, note, events)
    if action not in (RETIRED, TAKEN_BACK):
        raise UsageError(f"action {action!r}; {ACKNOWLEDGED}, {RETIRED} and {TAKEN_BACK} are allowed")
    if name not in series:
        raise UsageError(f"series {name}: not known, or no series of a source; `sentinel series list` lists them")
    if (name in retired) == (action == RETIRED):
        raise UsageError(f"series {name} is {'retired already' if action == RETIRED else 'not retired'}")
    done = (
        f"series {name} is retired: it leaves alerts, page and metrics, and its open alarms end"
        if action == RETIRED
        else f"series {name} is taken back: it starts afresh with its next observations"
    )
    return {"action": str(action), "series": name, "by": by, "note": note}, done


def _acknowledge(alarm: str, by: str, note: str, events: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], str]:
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
