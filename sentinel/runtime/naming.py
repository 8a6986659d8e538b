"""Names of series where they have several, and of those in which fill values were found."""

from __future__ import annotations

import logging
from collections.abc import Sequence, Set

from sentinel.domain.observation import Frame
from sentinel.domain.renaming import Renamed, first_names, present_names
from sentinel.journal import Journal
from sentinel.pipeline.snapshot import Snapshot
from sentinel.runtime.inbox import Received
from sentinel.runtime.replica import NAMED

logger = logging.getLogger(__name__)


def present_named(frame: Frame, renamed: Renamed) -> Frame:
    """Give the series of a frame their present names."""
    return frame.renamed(present_names(renamed))


def first_named(received: Sequence[Received], renamed: Renamed) -> Sequence[tuple[Frame, list[str]]]:
    """Give series their first names, under which the journal knows them."""
    first = first_names(renamed)
    return [(one.frame.renamed(first), [first.get(name, name) for name in one.moved]) for one in received]


def as_receivers_know(body: dict[str, object], renamed: Renamed, journal: Journal) -> dict[str, object]:
    """Say with the end of an alarm what its series was called at the beginning, if it was renamed since."""
    if body["what"] == "cleared" and renamed:
        for kept in journal.events(alarm=str(body["alarm_id"])):
            if kept.body["what"] == "raised" and kept.body["series"] != body["series"]:
                return body | {"raised_as": kept.body["series"]}
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
