"""All series as columns, and the rows that a reader asks for: filtered, searched, sorted; cheap for 100,000 series.

Among thousands of series some alarm by chance. The fleet is ranked by *e-values*, evidence whose mean is at most 1
while nothing is wrong: the e-detector of a series, restarted where a window began, frozen at its first hit, over the
window's length. The e-BH procedure (Wang & Ramdas 2022, J. R. Stat. Soc. B 84) turns them into discoveries of which, on
average, at most a share `LEVEL` is false, however the series depend on one another. The claim is about one window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sentinel.domain.metrics import LEVEL
from sentinel.domain.states import STATES, State
from sentinel.pipeline.arrays import Flags, Floats, Ints
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


class Discoveries(NamedTuple):
    """The discoveries of e-BH; one entry per series."""

    discovered: Flags
    rank: Ints
    """1 for the largest e-value; equal ones share the smaller rank; 0 for a series without one."""
    level: Floats
    """Smallest false discovery rate at which the series is among the discoveries, at most 1; NaN without an e-value."""


def e_bh(e_values: Floats, level: float = LEVEL) -> Discoveries:
    """Find the discoveries at the false discovery rate `level`.

    Of `K` e-values in falling order the first `k*` are discovered, the largest `k` with `k e_k / K >= 1 / level`.
    `e_values` has shape (series,), each at least 0; NaN = not ready, which is no hypothesis and not counted in `K`.
    Raises ValueError if `level` is outside (0, 1] or an e-value is below 0.
    """
    if not 0.0 < level <= 1.0:
        raise ValueError(f"e_bh: level={level}; above 0 and at most 1 is allowed")
    known = np.flatnonzero(~np.isnan(e_values))
    values = e_values[known]
    if (values < 0.0).any():
        raise ValueError(f"e_bh: an e-value of {values.min():g}; at least 0 is allowed")
    order = np.argsort(-values, kind="stable")
    falling = values[order]
    with np.errstate(divide="ignore", over="ignore"):
        each = values.size / (np.arange(1, values.size + 1) * falling)
    # The rate of a series is the smallest of its own and of all after it: whoever discovers those discovers it too.
    rate = np.minimum.accumulate(each[::-1])[::-1]
    found = Discoveries(
        np.zeros(e_values.shape, np.bool_), np.zeros(e_values.shape, np.int64), np.full(e_values.shape, np.nan)
    )
    found.discovered[known[order]] = rate <= level
    found.rank[known] = 1 + np.searchsorted(-falling, -values, side="left")
    found.level[known[order]] = np.minimum(rate, 1.0)
    return found


class Rank(NamedTuple):
    """The place of one series among all by its e-value."""

    name: str
    discovered: bool
    rank: int
    """1 for the largest e-value; 0 for a series without one."""
    level: float
    """Smallest false discovery rate at which it is a discovery; NaN without an e-value."""


def rank_by_e_value(names: Sequence[str], e_values: Floats) -> list[Rank]:
    """Rank series, the largest e-value first; equal ones by name, series without one at the end."""
    columns = (column.tolist() for column in e_bh(e_values))
    return sorted(map(Rank, names, *columns), key=lambda one: (one.rank or math.inf, one.name))
