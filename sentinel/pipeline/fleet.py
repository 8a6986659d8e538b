"""The fleet: which of many series stand out, at a stated false discovery rate.

An alarm keeps the budget of its own series. Among thousands of series some alarm by chance, and a list of the most
alarming is no finding. An *e-value* is evidence whose mean is at most 1 while nothing is wrong: that of a series is its
e-detector, restarted where a window began, frozen at its first hit, over the window's length. The e-BH procedure (Wang
& Ramdas 2022, J. R. Stat. Soc. B 84) turns e-values into discoveries of which, on average, at most a share `LEVEL` is
false, however the series depend on one another. The claim is about one window, which must be named beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sentinel.domain.metrics import LEVEL
from sentinel.pipeline.arrays import Flags, Floats, Ints
from sentinel.pipeline.snapshot import Snapshot


class Discoveries(NamedTuple):
    """The discoveries of e-BH; one entry per series."""

    discovered: Flags
    rank: Ints
    """1 for the largest e-value; equal ones share the smaller rank; 0 for a series without one."""
    level: Floats
    """Smallest false discovery rate at which the series is among the discoveries, at most 1; NaN without an e-value."""


def e_bh(e_values: Floats, level: float = LEVEL) -> Discoveries:
    """Find the discoveries at the false discovery rate `level`.

    With `K` e-values in falling order `e_1 >= ... >= e_K` the first `k*` are discovered, `k*` the largest `k` with
    `k e_k / K >= 1 / level`.

    Parameters
    ----------
    e_values
        Shape (series,), each at least 0; NaN = not ready, which is no hypothesis and not counted in `K`.
    level
        In (0, 1].

    Raises
    ------
    ValueError
        `level` is outside (0, 1], or an e-value is below 0.
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


@dataclass(frozen=True, slots=True)
class Rank:
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
    rows: Mapping[str, Rank]
    """By name; only of series that have an e-value."""
    discoveries: int
    level: float = LEVEL

    @classmethod
    def of(cls, snapshot: Snapshot) -> Ranking:
        """Rank a snapshot; equal e-values by name, series without one at the end."""
        names, found = snapshot.names(), e_bh(snapshot.e_values())
        order = np.argsort(np.where(found.rank == 0, len(names) + 1, found.rank), kind="stable")
        rows = {
            names[at]: Rank(int(found.rank[at]), bool(found.discovered[at]), float(found.level[at]))
            for at in np.flatnonzero(found.rank).tolist()
        }
        return cls(tuple(names[at] for at in order.tolist()), rows, int(found.discovered.sum()))
