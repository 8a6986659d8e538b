"""Events that an operator declares: the fact to journal, or why it cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sentinel.config import read_event
from sentinel.domain.acting import Action
from sentinel.domain.errors import DataError, UsageError
from sentinel.domain.gates import FOREVER_US, GateEvent
from sentinel.domain.labels import fits
from sentinel.domain.spans import moment_iso
from sentinel.text.events import declared_in_words

KEYS = ("kind", "gate", "match", "source", "start", "end", "length", "every", "until", "note")
"""Keys of a declared event; without a start it begins now."""


def find_declared(request: Mapping[str, Any], series: Iterable[str], now_us: int) -> tuple[dict[str, Any], str]:
    """Give the fact of a declared event, and a sentence on it; UsageError where it is none."""
    given = request.get("event")
    if not isinstance(given, Mapping):
        raise UsageError(f"event: {given!r}; a mapping with the keys {', '.join(KEYS)} is needed")
    if unknown := sorted(set(given) - set(KEYS)):
        raise UsageError(f"event: unknown {', '.join(map(str, unknown))}; {', '.join(KEYS)} are allowed")
    texts = [given.get(name, "") for name in ("match", "source", "note")]
    if not all(text is None or (isinstance(text, str) and text.isprintable() and len(text) <= 1_000) for text in texts):
        raise UsageError("match, source and note must be one line of at most 1,000 letters without control characters")
    start = {} if given.get("start") else {"start": moment_iso(now_us)}
    try:
        found = read_event({**given, **start}, "event").to_event()
    except DataError as error:
        raise UsageError(str(error)) from error
    found = found._replace(by=str(request.get("by", "")))
    count = sum(fits(name, found.match) for name in series)
    done = f"{found.id}: {declared_in_words(found)}; {count:,} series {'match' if count != 1 else 'matches'}"
    return {"action": Action.DECLARED, "event": found._asdict(), "by": found.by}, done


def find_lifted(request: Mapping[str, Any], declared: Sequence[GateEvent], now_us: int) -> tuple[dict[str, Any], str]:
    """Give the fact that a hold ends now, and a sentence on it; UsageError where there is no such hold."""
    name = str(request.get("event_id", ""))
    found = next((each for each in declared if each.id == name), None)
    if found is None or found.start_us == found.end_us:
        known = ", ".join(each.id for each in declared if each.start_us < each.end_us) or "none"
        raise UsageError(f"event {name}: no hold that was declared so; {known} can be lifted")
    if min(found.last_us, found.until_us if found.every_us else FOREVER_US) <= now_us:
        raise UsageError(f"event {name}: it is over already")
    by = str(request.get("by", ""))
    return {
        "action": Action.LIFTED,
        "event_id": name,
        "time_us": now_us,
        "by": by,
    }, f"{name}: {declared_in_words(found)}; it ends now"
