"""The lag-1 autocorrelation of a whole record that is too short for a verdict, with a band as wide as it is.

The bank learns level and scale from the first values of a series, before it reads any. A record that ends by then has a
lag-1 all the same: that of what a straight line, fitted to all of it, leaves. Such an estimate is biased low by the fit
and far from normal. So it is held against simulated records of the same length, with the same missing values and the
same fit: the estimate is the lag-1 for which half of them lie lower (median-unbiased, Andrews 1993), the band all
those for which it is not among the 2.5 % at either end. For a Gaussian AR(1) process the band is exact, but for the
simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sentinel.pipeline.arrays import Flags, Floats

FEWEST = 20
"""Values of the shortest record of which anything is said."""
LONGEST = 400
"""Ticks of the longest record that is looked at; there the bank reads."""
_GRID = np.tanh(np.linspace(-2.0, 3.2, 27))
"""Lag-1 autocorrelations that are simulated, from -0.964 to 0.997."""
_RUNS = 2_000
_FEWEST_CYCLES = 2.0


class WholeRecord(NamedTuple):
    """Lag-1 autocorrelation of a whole record and its 95 % band; an end of -1 or 1 is open."""

    lag1: float
    low: float
    high: float


def estimate_whole(values: Floats, seasons: Sequence[float] = ()) -> WholeRecord | None:
    """Estimate the lag-1 of a short record, NaN = missing; None where it is too short, too long or does not vary.

    `seasons` are the periods of its declared seasons in ticks; each is fitted as a sine wave and its first harmonic.
    """
    known = np.isfinite(values)
    columns = 2 + 4 * len(seasons)
    if known.sum() < max(FEWEST, 4 * columns) or values.size > LONGEST or _pairs(known) < FEWEST // 2:
        return None
    if any(values.size < _FEWEST_CYCLES * period for period in seasons) or np.ptp(values[known]) == 0:
        return None
    basis = _basis(known.tobytes(), tuple(seasons))
    found = _lag1(np.where(known, values - np.mean(values[known]), 0.0)[None, :], known, basis)[0]
    if not np.isfinite(found):
        return None
    low, middle, high = _quantiles(known.tobytes(), tuple(seasons))
    # The higher the true lag-1, the higher its quantiles: a larger one explains the estimate at its lower end.
    ends = (np.interp(found, line, _GRID, left=-1.0, right=1.0) for line in (high, low))
    return WholeRecord(float(np.interp(found, middle, _GRID)), *map(float, ends))


def _pairs(known: Flags) -> int:
    return int((known[1:] & known[:-1]).sum())


def _basis(known: bytes, seasons: tuple[float, ...]) -> Floats:
    """Give an orthonormal basis of what is taken out, over the ticks that have a value; shape (ticks, columns)."""
    there = np.frombuffer(known, bool)
    t = np.arange(there.size, dtype=float)
    waves = [wave(2 * np.pi * k * t / period) for period in seasons for k in (1, 2) for wave in (np.sin, np.cos)]
    design = np.column_stack([np.ones(t.size), t, *waves]) * there[:, None]
    basis, _ = np.linalg.qr(design)
    return basis


def _lag1(rows: Floats, known: Flags, basis: Floats) -> Floats:
    """Correlate each row, shape (rows, ticks), with itself a tick later, once the basis is taken out."""
    rest = (rows - (rows @ basis) @ basis.T) * known
    both = known[1:] & known[:-1]
    before, after = rest[:, :-1] * both, rest[:, 1:] * both
    scale = np.sqrt((before**2).sum(axis=1) * (after**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((before * after).sum(axis=1) / scale)


@lru_cache(maxsize=256)
def _quantiles(known: bytes, seasons: tuple[float, ...]) -> Floats:
    """Simulate records for each lag-1 of the grid; quantiles .025, .5 and .975 of the estimate, shape (3, grid)."""
    there, basis = np.frombuffer(known, bool), _basis(known, seasons)
    # The same shocks for every lag-1, so that the quantiles are smooth in it.
    shocks = np.random.default_rng(there.size).standard_normal((_RUNS, there.size))
    found = np.empty((3, _GRID.size))
    for n, lag1 in enumerate(_GRID):
        rows = shocks.copy()
        rows[:, 0] /= np.sqrt(1.0 - lag1 * lag1)
        for t in range(1, there.size):
            rows[:, t] += lag1 * rows[:, t - 1]
        found[:, n] = np.quantile(_lag1(rows * there, there, basis), [0.025, 0.5, 0.975])
    return np.maximum.accumulate(found, axis=1)
