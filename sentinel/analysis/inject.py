"""A transition put into recorded data: the series' own shocks, met by a return that becomes ever slower.

Before a fold the rate of return falls as the square root of the way that is left (the normal form dx/dt = m - x^2): of
a lag-1 autocorrelation `r` at the begin, `r ** sqrt(1 - s)` is left after the share `s` of the way. What each value
would have kept of the one before it is added; the values before the begin stay as they are, bit for bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BEGIN = 0.5
"""Share of the record behind which the way to the transition begins; it ends with the record."""
SLOWEST, FASTEST = 0.95, 0.05
"""Lag-1 autocorrelation at the begin is taken within these: at 1 there is no way left, at 0 nothing becomes slower."""
WINDOW = 4.0
"""Ticks of the centred mean that deviations are taken from, in half-lives of the level."""


class Injected(NamedTuple):
    """A record with a transition at its end."""

    value: Floats
    begin: int
    """Position of the first value that differs."""
    lag1: float
    """Of the deviations, before the begin, from which the way starts."""


def inject_fold(tick: Ints, value: Floats, level_half_life: float, seasons: tuple[float, ...] = ()) -> Injected:
    """Put a fold into the second half of a record, which ends just before it.

    Parameters
    ----------
    tick: number of the tick of each value, rising.
    value: same shape, finite.
    level_half_life: in ticks.
    seasons: declared ones, in ticks.
    """
    deviation = _deviate(tick, value, level_half_life, seasons)
    begin = int(np.searchsorted(tick, tick[0] + BEGIN * (tick[-1] - tick[0])))
    near = np.flatnonzero(np.diff(tick[:begin]) == 1)
    past, present = deviation[near], deviation[near + 1]
    power = float(past @ past)
    lag1 = float(np.clip(past @ present / power, FASTEST, SLOWEST)) if power > 0.0 else FASTEST
    way = (tick[begin:] - tick[begin]) / max(1, tick[-1] - tick[begin])
    excess, added = 0.0, np.zeros(value.size)
    for at, (kept, step) in enumerate(zip(lag1 ** np.sqrt(1.0 - way), np.diff(tick[begin - 1 :]), strict=True), begin):
        excess *= kept**step
        if step == 1:  # behind a gap the value before is not known
            excess += (kept - lag1) * deviation[at - 1]
        added[at] = excess
    return Injected(value + added, begin, lag1)


def _deviate(tick: Ints, value: Floats, level_half_life: float, seasons: tuple[float, ...]) -> Floats:
    """Take out a centred mean, and the mean of each 24th of each season."""
    left = value - value.mean()
    for season in seasons:
        part = (tick % season / season * min(24, int(season))).astype(np.int64)
        count = np.maximum(1, np.bincount(part))
        left = left - (np.bincount(part, left) / count)[part]
    width = max(3, round(WINDOW * level_half_life))
    total = np.concatenate([[0.0], np.cumsum(left)])
    first = np.searchsorted(tick, tick - width)
    last = np.searchsorted(tick, tick + width, side="right")
    return np.asarray(left - (total[last] - total[first]) / (last - first))
