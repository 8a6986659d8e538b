"""The fleet ranked by e-values: which series stand out at a stated false discovery rate, in which windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sentinel.domain.metrics import LEVEL
from sentinel.domain.spelling import NEVER_US, moment_in_words
from sentinel.domain.views import SeriesView
from sentinel.pipeline.fleet import e_bh
from sentinel.pipeline.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class RankRow:
    """Where one series stands among all."""

    rank: int
    discovered: bool
    level: float
    """Smallest false discovery rate at which it is a discovery."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """All series by their e-values."""

    names: tuple[str, ...]
    """The largest e-value first."""
    rows: Mapping[str, RankRow]
    """By name; only of series that have an e-value."""
    discoveries: int
    level: float = LEVEL

    @classmethod
    def of(cls, snapshot: Snapshot) -> Ranking:
        """Rank a snapshot; equal e-values by name, series without one at the end."""
        names, found = snapshot.names(), e_bh(snapshot.e_values())
        order = np.argsort(np.where(found.rank == 0, len(names) + 1, found.rank), kind="stable")
        rows = {
            names[at]: RankRow(int(found.rank[at]), bool(found.discovered[at]), float(found.level[at]))
            for at in np.flatnonzero(found.rank).tolist()
        }
        return cls(tuple(names[at] for at in order.tolist()), rows, int(found.discovered.sum()))


def windows(views: Sequence[SeriesView]) -> str:
    """Name the windows of the e-values of these series: how many, length, and when they began; empty without any."""
    known = [view for view in views if view.window_ticks and view.window_us != NEVER_US]
    if not known:
        return ""
    ticks = [f"{n:,}" for n in sorted({view.window_ticks for view in known})]
    begun = sorted({view.window_us for view in known})
    length = f"{ticks[0]} to {ticks[-1]}" if len(ticks) > 1 else ticks[0]
    since = moment_in_words(begun[0]) + (f" to {moment_in_words(begun[-1])}" if len(begun) > 1 else "")
    numbers = {view.windows for view in known}
    if numbers == {1}:
        return f"the first window of {length} ticks, not over yet, begun at {since}"
    before = "the one before" if numbers == {2} else "the one before where there is one"
    return f"windows of {length} ticks, the present one so far and {before}, begun at {since}"
