"""All series as columns, and the rows that a reader asks for: filtered, searched, sorted; cheap for 100,000 series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sentinel.domain.states import STATES, State
from sentinel.pipeline.arrays import Floats, Ints
from sentinel.pipeline.grid import NEVER

ORDERS = ("alarm", "name", "lag1", "recovery", "evidence", "oldest")
"""Most alarming first; by name; the largest of a number first; the longest silent first."""


class Fleet(NamedTuple):
    """One entry per series, by id; NaN = not ready."""

    names: Sequence[str]
    sources: Sequence[str]
    """Names of the sources, by their own id."""
    source_of: Ints
    state: Ints
    """Index into `STATES`."""
    reason: Ints
    urgent: Ints
    """Ids of all series, the most alarming first."""
    evidence: Floats
    lag1: Floats
    recovery: Floats
    """Seconds; of an open band its lower end."""
    newest_us: Ints
    """Newest event time; `NEVER` while the cadence is learnt."""

    def choose(self, text: str = "", state: State | None = None, source: str = "", order: str = "alarm") -> list[str]:
        """Give the names of the series that have this text in their name, this state and source, in this order."""
        ids = self.urgent
        if state is not None:
            ids = ids[self.state[ids] == STATES.index(state)]
        if source:
            ids = ids[np.array([name == source for name in self.sources], bool)[self.source_of[ids]]]
        if text:
            wanted = text.casefold()
            ids = np.array([i for i in ids.tolist() if wanted in self.names[i].casefold()], np.int64)
        if order == "name":
            return sorted(self.names[i] for i in ids.tolist())
        if order != "alarm":
            numbers = {
                "lag1": -self.lag1, "recovery": -self.recovery, "evidence": -self.evidence,
                "oldest": np.where(self.newest_us == NEVER, np.nan, self.newest_us),
            }[order]  # fmt: skip
            ids = ids[np.argsort(numbers[ids], kind="stable")]
        return [self.names[i] for i in ids.tolist()]
