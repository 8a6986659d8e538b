"""Requests of an operator, checked against the series and alarms there are: the fact to journal, or why not."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sentinel.domain.acting import Acknowledgement, Action
from sentinel.domain.drills import is_drill
from sentinel.domain.errors import UsageError
from sentinel.domain.renaming import present_names
from sentinel.domain.spans import moment_iso
from sentinel.journal import Journal
from sentinel.pipeline.pipeline import PipelineState
from sentinel.pipeline.retiring import rename
from sentinel.runtime.declaring import find_declared, find_lifted

logger = logging.getLogger(__name__)

EVENTS_SHOWN = 1_000
"""Events that are held for the pages of alarms; all are in the journal."""
LONGEST = 1_000
"""Letters of a name or a note."""


def find_fact(
    request: Mapping[str, Any], journal: Journal, state: PipelineState, now_us: int
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Give the fact that a request comes to, and a sentence on it.

    Raises UsageError: the request is not understood; the alarm or the series is not known, or is not in that state.
    """
    action = request.get("action")
    texts = [request.get(name, "") for name in ("alarm_id", "series", "to", "by", "note")]
    if not all(isinstance(text, str) and len(text) <= LONGEST for text in texts):
        raise UsageError(f"alarm_id, series, to, by and note must be texts of at most {LONGEST:,} letters")
    alarm, name, new, by, note = texts
    if not all(text.isprintable() for text in (new, by, note)):  # they are shown in a line of a terminal and of the log
        raise UsageError("a new name, by and note must be one line without control characters")
    if action == Action.ACKNOWLEDGED:
        return _acknowledge(alarm, by, note, (kept.body for kept in journal.events(alarm=alarm or "/")))
    own = {state.names[i] for i in state.ids.tolist() if i >= 0}
    if action == Action.DECLARED:
        return find_declared(request, sorted(own), now_us)
    if action == Action.LIFTED:
        return find_lifted(request, state.events, now_us)
    if action not in _SAID:
        known = ", ".join((Action.ACKNOWLEDGED, *_SAID, Action.DECLARED, Action.LIFTED))
        raise UsageError(f"action {action!r}; one of {known} is allowed")
    retired = {each for _, each, _ in state.retired}
    if name not in own | retired:
        now = present_names(state.renamed).get(name)
        hint = f"it was renamed to {now}" if now else "`sentinel series list` lists them"
        raise UsageError(f"series {name}: not known, or no series of a source; {hint}")
    if action in (Action.RETIRED, Action.RENAMED) and name in retired:
        rest = " already" if action == Action.RETIRED else "; take it back first"
        raise UsageError(f"series {name} is retired{rest}")
    if action == Action.TAKEN_BACK and name not in retired:
        raise UsageError(f"series {name} is not retired")
    fact = {"action": str(action), "series": name, "by": by, "note": note}
    if action == Action.RENAMED:
        _require_free(new, name, state, retired)
        _require_no_alarms(new, name, state, journal)
        fact["to"] = new
    return fact, _SAID[action].format(name=name, new=new)


_SAID = {
    Action.RETIRED: "series {name} is retired: it leaves alerts, page and metrics, and its open alarms end",
    Action.TAKEN_BACK: "series {name} is taken back: it starts afresh with its next observations",
    Action.FORGOTTEN: "series {name} is forgotten: what was learnt of it is gone, and its open alarms end; its "
    "observations stay in the journal until retention takes them; what its source sends begins a new series",
    Action.RENAMED: "series {name} is {new} from now on, with all that was learnt, its open alarms and its history; "
    "what its source sends under the old name is its own; its settings stay until the configuration changes, and then "
    "`match` has to fit the new name",
}


def _require_free(new: str, old: str, state: PipelineState, retired: Collection[str]) -> None:
    """Raise UsageError where a series cannot get this name."""
    if not new:
        raise UsageError(f"series {old}: no new name came; one is needed")
    present = present_names(state.renamed)
    if new in state.names or new in retired:
        hint = f"if it is the same one and had no alarm, `sentinel series forget` it first: {old} keeps what it knows"
        raise UsageError(f"series {new}: there is one of that name; {hint}")
    if present.get(new, old) != old:
        raise UsageError(
            f"series {new}: an earlier name of {present[new]}, whose source may still send it; take another"
        )
    if new in state.comparisons.counterpart_names:
        raise UsageError(f"series {new}: a comparison waits for a series of that name; take another")


def _require_no_alarms(new: str, old: str, state: PipelineState, journal: Journal) -> None:
    """Raise UsageError where alarms of a forgotten series would pass for those of the one that gets its name."""
    given = {*rename(state, old, new).names} - {*state.names} - present_names(state.renamed).keys()
    for kept in journal.events(series=given) if given else ():
        if kept.body["what"] == "raised" and "members" not in kept.body:  # a site may be called so
            raise UsageError(
                f"series {new}: alarms of a forgotten series {kept.body['series']} are kept, and would pass for "
                f"alarms of {old}; take another name"
            )


def _acknowledge(alarm: str, by: str, note: str, events: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], str]:
    series, has_ended = "", False
    for event in events:
        if event["alarm_id"] == alarm and event["what"] in ("raised", "cleared"):
            # Corrected values may withdraw an alarm and raise it again: the latest counts.
            series, has_ended = event["series"], event["what"] == "cleared"
    if has_ended:
        raise UsageError(f"alarm {alarm} of {series} has ended; only an open one can be acknowledged")
    if not series:
        raise UsageError(f"alarm {alarm}: not known; `sentinel explain --state DIR` lists the alarms")
    done = f"alarm {alarm} of {series} is acknowledged by {by or 'somebody'}; it stays open until its evidence ends it"
    return Acknowledgement(alarm, series, by, note).to_fact(), done


def log_events(bodies: Iterable[Mapping[str, Any]]) -> None:
    """Log alarms that were raised or ended, and what corrected values make of one."""
    for body in bodies:
        named = {"series": body["series"], "alarm": body["alarm_id"]}
        if body["what"] == Action.AMENDED:
            said = "an alarm was judged anew by values corrected since"
            logger.warning(said, extra=named | {"verdict": body["verdict"]})
        elif "text" in body:
            logger.warning(body["text"], extra=named | {"at": moment_iso(body["time_us"])})


def find_shown(journal: Journal, most: int = EVENTS_SHOWN) -> tuple[Mapping[str, Any], ...]:
    """Read the newest `most` events of series and sites, and before them those of alarms that are open."""
    newest = [kept.body for kept in journal.events(most)]
    there = {event["id"] for event in newest}
    older = (event for event in journal.open_events() if event["id"] not in there and not is_drill(event))
    return (*older, *newest)


def choose_shown(events: Sequence[Mapping[str, Any]], most: int = EVENTS_SHOWN) -> tuple[Mapping[str, Any], ...]:
    """Choose the newest `most` events, and before them those of alarms that are open, in their order."""
    if len(events) <= most:
        return tuple(events)
    latest = {event["alarm_id"]: event["what"] for event in events if event["what"] in ("raised", "cleared")}
    ended = {alarm for alarm, what in latest.items() if what == "cleared"}
    older = [event for event in events[:-most] if event["alarm_id"] not in ended]
    return (*older, *events[-most:])
