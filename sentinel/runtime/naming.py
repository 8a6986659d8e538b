"""Names of series where they have several, and of those in which fill values were found or that no rule fits."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence, Set
from typing import Any

from sentinel.config import fingerprint, identity
from sentinel.domain.acting import Action
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.observation import Frame
from sentinel.domain.renaming import Renamed, first_names, present_names
from sentinel.journal import Committed, Journal
from sentinel.pipeline.results import Result
from sentinel.pipeline.snapshot import Snapshot
from sentinel.runtime.inbox import Received
from sentinel.runtime.replica import NAMED, Replica
from sentinel.text.claims import amended_in_words, body_of

logger = logging.getLogger(__name__)


def present_named(frame: Frame, renamed: Renamed) -> Frame:
    """Give the series of a frame their present names."""
    return frame.renamed(present_names(renamed))


def first_named(received: Sequence[Received], renamed: Renamed) -> Sequence[tuple[Frame, list[str]]]:
    """Give series their first names, under which the journal knows them."""
    first = first_names(renamed)
    return [(one.frame.renamed(first), [first.get(name, name) for name in one.moved]) for one in received]


def bodies_of(result: Result, committed: Committed, replica: Replica, journal: Journal) -> list[dict[str, Any]]:
    """Give the events that followed from a batch as receivers know them."""
    events: tuple[AlarmEvent | SiteEvent, ...] = (*result.events, *result.sites)
    fact = committed.payload
    corrected = {body["id"]: body for body in fact.get("raised", ())} if fact.get("action") == Action.AMENDED else None
    called = {identity(source): source.name for source in replica.settings.sources}
    bodies = []
    for event in events:
        body = as_receivers_know(body_of(event), journal, called)
        body["settings"] = fingerprint(replica.settings)
        if corrected is not None:
            body["amended"] = fact["until"]
            body["settings"] = corrected.get(event.id, body)["settings"]
            body["text"] = amended_in_words(event, str(body["text"]))
        if journal.happened_before(event.id, committed.batch):  # it is raised, or ends, once more
            body["id"] = f"{event.id}/{committed.batch}"
        bodies.append(body)
    return bodies


def as_receivers_know(body: dict[str, Any], journal: Journal, called: Mapping[str, str]) -> dict[str, Any]:
    """Say what an alarm's source is `called` as it is raised; with its end that name, and that of its series, again."""
    if body["what"] == "raised":
        return body | {"raised_from": called[body["source"]]} if body["source"] in called else body
    for kept in journal.events(alarm=str(body["alarm_id"])):
        if kept.body["what"] == "raised":
            if kept.body["series"] != body["series"]:
                body = body | {"raised_as": kept.body["series"]}
            if "raised_from" in kept.body:
                body = body | {"raised_from": kept.body["raised_from"]}
            break
    return body


def log_fill_values(snapshot: Snapshot, known: Set[str]) -> set[str]:
    """Log once of each series that a value which nobody declared is taken as missing; give those that are new."""
    new = list(snapshot.with_fill_values(but=known))
    for name, values in new[:NAMED]:
        logger.warning(
            "a value that returns exactly, far from all others, is taken as missing; declare it (key missing)",
            extra={"series": name, "values": ", ".join(f"{value:g}" for value in values)},
        )
    if more := new[NAMED:]:
        logger.warning("more series have such values", extra={"count": len(more)})
    return {name for name, _ in new}


def log_without_rule(snapshot: Snapshot, known: Sequence[str]) -> Sequence[str]:
    """Log in one line that no alarm rule fits series which were not `known` to be so; give all that are."""
    found = snapshot.without_rule()
    if found is not known and (new := sorted(set(found).difference(known))):
        what = "no alarm rule fits these series: they never alarm; see match in alarms"
        logger.warning(what, extra={"count": len(new), "first": new[0]})
    return found
