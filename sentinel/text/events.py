"""Declared events and drills in words."""

from __future__ import annotations

from sentinel.domain.drills import DrillView
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


NO_REAL_SERIES = "This is a drill, of no real series: it tests the way of an alarm."
ENDED = f"{NO_REAL_SERIES} It has ended; nothing is to be done."


def raised_in_words(sentence: str) -> str:
    """Say of the alarm of a drill that it is one, before all else."""
    return f"{NO_REAL_SERIES} {sentence}"


def drill_in_words(drill: DrillView) -> str:
    """Say in a line what came of a drill, or how far it is."""
    if not drill.id:
        return "none yet"
    when = moment_in_words(drill.began_us)
    if drill.failed:
        return f"{when}: failed at {'; '.join(f'{link.name}: {link.why}' for link in drill.failed)}"
    if drill.worked:
        return f"{when}: every link held, {', '.join(link.name for link in drill.links)}"
    waits = next((link.name for link in drill.links if link.seconds is None), "its end")
    return f"{when}: running, waits for {waits}"
