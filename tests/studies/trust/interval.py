"""Exact 95 % intervals of what the suite counts: alarms, shares, medians."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom, chi2

TAIL = 0.025
PER = 10_000
"""Rates are per this many ticks."""


class Figure(NamedTuple):
    """A measured number and its 95 % interval."""

    value: float
    low: float
    high: float
    rests_on: str
    """How many events of how many series and ticks."""


def rate(by_series: NDArray[np.int64], ticks: float) -> Figure:
    """Events per 10,000 ticks, from the counts of each series and the ticks of all series together.

    Garwood's interval (1936) is exact for a Poisson count. Alarms of one series come in clusters if anything, so the
    count is first divided by the ratio of variance to mean of the counts by series, where that is above 1: as many
    independent clusters (quasi-Poisson).
    """
    total, exposure = float(by_series.sum()), ticks / PER
    spread = by_series.var(ddof=1) / by_series.mean() if by_series.size > 1 and total else 1.0
    clump = max(1.0, float(spread))
    independent = total / clump
    low = float(chi2.ppf(TAIL, 2.0 * independent)) / 2.0 if independent else 0.0
    high = float(chi2.ppf(1.0 - TAIL, 2.0 * independent + 2.0)) / 2.0
    words = f"{total:,.0f} in {by_series.size:,} series, {ticks:,.0f} ticks"
    return Figure(total / exposure, clump * low / exposure, clump * high / exposure, words)


def share(hits: int, trials: int) -> Figure:
    """A share, after Clopper and Pearson (1934)."""
    low = float(beta.ppf(TAIL, hits, trials - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1.0 - TAIL, hits + 1, trials - hits)) if hits < trials else 1.0
    return Figure(hits / trials, low, high, f"{hits:,} of {trials:,}")


def median(values: NDArray[np.float64]) -> Figure:
    """The median between two order statistics that cover it whatever the distribution; inf counts as never."""
    ordered = np.sort(values)
    first = max(int(binom.ppf(TAIL, ordered.size, 0.5)), 1)
    middle = ordered[(ordered.size - 1) // 2]
    return Figure(float(middle), float(ordered[first - 1]), float(ordered[-first]), f"{ordered.size:,} series")
