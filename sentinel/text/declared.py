"""A declared event in words."""

from __future__ import annotations

from sentinel.domain.gates import FOREVER_US, HOLD, REBASE, RESET, GateEvent
from sentinel.domain.spans import moment_in_words, print_duration

_DOES = {HOLD: "holds", RESET: "resets", REBASE: "re-bases"}


def declared_in_words(event: GateEvent) -> str:
    """Say in words what an event does to which series, and when."""
    what = event.kind.replace("_", " ")
    when = moment_in_words(event.start_us)
    if event.start_us < event.end_us:
        when = f"from {when} to {moment_in_words(event.end_us)}"
    if event.every_us:
        until = "" if event.until_us == FOREVER_US else f" until {moment_in_words(event.until_us)}"
        when += f", every {print_duration(event.every_us)}{until}"
    does = _DOES[event.gate]
    note = f": {event.note}" if event.note else ""
    return f"{what} {does} {event.match} {when}{f' by {event.by}' if event.by else ''}{note}"
