"""An outage in a series whose lag-1 autocorrelation goes on drifting, and how often the band covers it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors import half_life as memory
from detectors.bank import Bank
from detectors.fading import fade, fresh
from detectors.pairs import pairs_of
from detectors.spectrum import crossings, thresholds
from detectors.tables import lag1
from tests.detectors.conftest import autoregressive

Floats = NDArray[np.float64]

HALF_LIFE, START = 70.0, 0.5
RUN_IN, BEFORE, OUTAGE, AFTER = 350, 50, 140, 150
COVERAGE_TICKS = BEFORE + OUTAGE + AFTER
AT = {"before": BEFORE - 1, "outage": BEFORE, "again": BEFORE + OUTAGE}
"""Rows of what `coverage` gives: the last tick before the outage, its first, the first after it."""

EFFICIENCY = 0.92
"""Of the two tanh, relative to the Gaussian likelihood."""


def drifting(drift: float, ticks: int, series: int, seed: int) -> tuple[Floats, Floats]:
    """AR(1) values of variance 1 and their lag-1 autocorrelation, whose atanh walks at random.

    A `drift` of 1 is the walk for which `HALF_LIFE` is the best memory (see `detectors.fading`), 0 is none.
    """
    random = np.random.default_rng(seed)
    gain, f = memory.gain(HALF_LIFE), memory.forgetting_factor(HALF_LIFE)
    band = gain / (2.0 - gain) / (1.0 - START**2) / EFFICIENCY
    steps = random.standard_normal((ticks, series)) * math.sqrt(drift * band * (1.0 / f - f))
    rho = np.tanh(np.clip(math.atanh(START) + np.cumsum(steps, axis=0), -1.5, 2.3))
    shocks = random.standard_normal((ticks, series)) * np.sqrt(1.0 - rho**2)
    values = random.standard_normal((ticks, series))
    for t in range(1, ticks):
        values[t] = rho[t] * values[t - 1] + shocks[t]
    return values, rho


def bands(values: Floats) -> tuple[tuple[Floats, Floats, Floats], tuple[Floats, Floats, Floats]]:
    """Estimate and band at every tick, widened by fading and plain; level and scale known."""
    pairs, grid = pairs_of(values), thresholds()
    bank = Bank([lag1(float(r), HALF_LIFE) for r in grid])
    _, readings, _ = bank.advance(bank.init(pairs.series), pairs)
    _, stretch = fade(fresh(pairs.series), pairs, HALF_LIFE)
    return crossings(readings, grid, stretch), crossings(readings, grid)


def coverage(drift: float, series: int, seed: int) -> tuple[Floats, Floats]:
    """Share of series whose band holds the truth of that tick, widened and plain, shape (COVERAGE_TICKS,)."""
    values, rho = drifting(drift, RUN_IN + COVERAGE_TICKS, series, seed)
    values[RUN_IN + BEFORE : RUN_IN + BEFORE + OUTAGE] = np.nan
    found = [np.mean((low <= rho) & (rho <= high), axis=1)[RUN_IN:] for _, low, high in bands(values)]
    return found[0], found[1]


def scattered(missing: float) -> Floats:
    """How much wider the band is where so many ticks are missing at random, after a run-in; shape (tick, 1)."""
    random = np.random.default_rng(0)
    values = np.where(random.random((5_000, 1)) < missing, np.nan, random.standard_normal((5_000, 1)))
    return fade(fresh(1), pairs_of(values), HALF_LIFE)[1][1_000:]


OUTAGES = {300: 10, 500: 60, 800: 200}
"""First tick of each outage and its length."""
WATCHED_TICKS = 1_300


def watched() -> tuple[Floats, NDArray[np.bool_]]:
    """A stationary series of lag-1 autocorrelation 0.7, and which of its ticks are there; shape (WATCHED_TICKS,)."""
    values, present = autoregressive(0.7, "Gaussian", WATCHED_TICKS, 1, seed=4)[:, 0], np.ones(WATCHED_TICKS, bool)
    for start, length in OUTAGES.items():
        present[start : start + length] = False
    return values, present
