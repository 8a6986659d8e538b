"""Every sentence about drills."""

from __future__ import annotations

from sentinel.domain.drills import DrillView
from sentinel.domain.spans import moment_in_words

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
