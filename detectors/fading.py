"""Fading: how much wider the band is after an outage, though the cell that is read is held exactly.

A cell keeps its value through any number of ticks without a pair. What it says is then still what the last pairs said,
but about a series that has gone on unseen. By how much the band has to be widened follows from the half-life alone.

Derivation
----------
Whoever forgets with the factor `f = 2^(-1/H)` and gain `a = 1 - f` acts as the steady-state Kalman filter of a quantity
that drifts as a random walk. With one noisy look of variance v per tick, that filter has the posterior variance
`P = a v` and belongs to the drift `W = P a / f` per tick. The band is narrower than sqrt(P): it is that of a quantity
which does not drift, `B^2 = v a / (2 - a)`. In its units

    W / B^2 = a (2 - a) / f = 1 / f - f        (2 ln 2 / H for long half-lives).

After k ticks without a pair the band's variance is therefore `B^2 (1 + e)` with `e = k (1/f - f)`: half as wide again
after an outage of one half-life, twice as wide after 2.2. Every later pair renews a part of what the cell holds: what
is left of the old, and of its error, is f, so `e <- f^2 e`. Outages do not add up, the longest that is still remembered
counts: half-lives are counted in pairs, so that scattered missing ticks are no loss of memory and leave the band all
but as it is (a third of all ticks missing at random: 6 % wider).

The band is that of a test, so it is widened where the test is inverted: crossings of ±1.96 sqrt(1 + e) instead of
±1.96. The estimate does not move, an end beyond the thresholds opens by itself, and a cell never changes.

References: Kalman 1960; West & Harrison 1997, section 6.3 (discount factors); Muth 1960 (which drift an exponential
average suits).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from detectors import half_life as memory
from detectors.arrays import Flags, Floats, Ints
from detectors.compiled import compiled
from detectors.pairs import Pairs, one_layout


class Fading(NamedTuple):
    """Age of the memory of the cells, one number per series."""

    run: Ints
    """Ticks since the last pair; -1 while the cells hold nothing."""
    excess: Floats
    """`e`: what the band's variance gains, as a part of it."""


def fresh(series: int) -> Fading:
    """The sums of cells that hold nothing."""
    return Fading(np.full(series, -1, dtype=np.int64), np.zeros(series))


def fade(state: Fading, pairs: Pairs, half_life: float, present: Flags | None = None) -> tuple[Fading, Floats]:
    """Take in T ticks of S series, as the bank got them; `state`, after the tick before, is not modified.

    `half_life` is that of the bank, in steps. `present` says which ticks a series has at all, shape (tick, series),
    where a block is padded; all of them if not given. A missing tick is one that it has. Gives the state after the last
    tick; the factor `sqrt(1 + e)` by which the band is wider at each tick, (tick, series), 1 at a pair that no outage
    precedes.

    Raises ValueError: the half-life is out of range, or the number of series differs from the state's.
    """
    if present is None:
        present = np.ones(pairs.valid.shape, dtype=bool)
    if state.run.shape != (pairs.series,) or present.shape != pairs.valid.shape:
        raise ValueError(
            f"fading: pairs of shape {pairs.valid.shape}, present of shape {present.shape}, for a state of "
            f"{state.run.size} series; (tick, {state.run.size}) is needed"
        )
    factor = memory.forgetting_factor(half_life)
    after = Fading(state.run.copy(), state.excess.copy())
    stretch = np.empty(pairs.valid.shape)
    _fade(pairs.valid, pairs.reset, one_layout(present), *after, factor * factor, 1.0 / factor - factor, stretch)
    return after, stretch


@compiled
def _fade(
    valid: Flags, reset: Flags, present: Flags, run: Ints, excess: Floats, keep: float, drift: float, stretch: Floats
) -> None:
    ticks, series = valid.shape
    for t in range(ticks):
        for s in range(series):
            if reset[t, s]:
                run[s], excess[s] = -1, 0.0
            if valid[t, s]:
                run[s] = 0
                excess[s] *= keep
            elif present[t, s] and run[s] >= 0:
                run[s] += 1
                excess[s] = max(excess[s], run[s] * drift)
            stretch[t, s] = math.sqrt(1.0 + excess[s])
