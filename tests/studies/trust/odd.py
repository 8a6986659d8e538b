"""Stationary series far from AR(1), as nature and loggers make them: long memory, counts, bursts, gaps filled in."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

from tests.studies.trust.nulls import RUN_IN, Maker, Shape, stationary

Floats = NDArray[np.float64]

MEMORY = 3_000
"""Past shocks that a series of long memory remembers."""


def long_memory(d: float) -> Maker:
    """Maker of fractional noise, ARFIMA(0, d, 0): its autocorrelations fade like a power, not like an exponential."""

    def make(random: Generator, shape: Shape) -> Floats:
        k = np.arange(1, MEMORY)
        weights = np.concatenate([[1.0], np.cumprod((k - 1 + d) / k)])[:, None]
        shocks = random.standard_normal((shape[0] + MEMORY, shape[1]))
        return np.asarray(fftconvolve(shocks, weights, axes=0)[MEMORY : MEMORY + shape[0]])

    return make


def survivors(random: Generator, shape: Shape) -> Floats:
    """Counts of mean 2, of which half survive a tick while others come: INAR(1)."""
    values = np.empty(shape)
    now = random.poisson(2.0, shape[1])
    for t in range(shape[0]):
        now = random.binomial(now, 0.5) + random.poisson(1.0, shape[1])
        values[t] = now
    return values


def bursts(random: Generator, shape: Shape) -> Floats:
    """AR(1) .5 of shocks whose size gathers as in GARCH(1, 1): calm and wild times."""
    shocks, variance = np.zeros(shape), np.ones(shape[1])
    for t in range(1, shape[0]):
        variance = 0.05 + 0.1 * shocks[t - 1] ** 2 + 0.85 * variance
        shocks[t] = np.sqrt(variance) * random.standard_normal(shape[1])
    return np.asarray(lfilter([1.0], [1.0, -0.5], shocks, axis=0))


def wilder_by_day(random: Generator, shape: Shape) -> Floats:
    """AR(1) .5 of shocks that are nine times as large at one time of day as at another; no cycle is declared."""
    size = 1.0 + 0.8 * np.sin(2.0 * np.pi * np.arange(shape[0] + RUN_IN) / 24.0)
    shocks = size[:, None] * random.standard_normal((shape[0] + RUN_IN, shape[1]))
    return np.asarray(lfilter([1.0], [1.0, -0.5], shocks, axis=0)[RUN_IN:])


def gaps_filled_in(random: Generator, shape: Shape) -> Floats:
    """AR(1) .5 of which a tenth was lost in gaps of 12 ticks, and filled in by straight lines."""
    values, gap = stationary(0.5)(random, shape), 12
    for s in range(shape[1]):
        for first in random.integers(1, shape[0] - gap - 1, shape[0] // (10 * gap)):
            ends = values[first - 1, s], values[first + gap, s]
            values[first : first + gap, s] = np.linspace(*ends, gap + 2)[1:-1]
    return values


def saturated(random: Generator, shape: Shape) -> Floats:
    """AR(1) .9 seen by a sensor that shows nothing above one standard deviation."""
    return np.minimum(stationary(0.9)(random, shape), 1.0)


def two_levels(random: Generator, shape: Shape) -> Floats:
    """AR(1) .5 of unit variance on a level that jumps between two values, 2 sd apart, every 100 ticks on average."""
    return stationary(0.5)(random, shape) + 2.0 * (np.cumsum(random.random(shape) < 0.01, axis=0) % 2)


def faster_below(random: Generator, shape: Shape) -> Floats:
    """A threshold process: AR(1) of .2 below its level, of .8 above."""
    shocks, values = random.standard_normal(shape), np.zeros(shape)
    for t in range(1, shape[0]):
        values[t] = np.where(values[t - 1] < 0.0, 0.2, 0.8) * values[t - 1] + shocks[t]
    return values


def pulses(random: Generator, shape: Shape) -> Floats:
    """Rare pulses that decay, as of a river after rain, under the noise of a sensor."""
    total = (shape[0] + RUN_IN, shape[1])
    rain = (random.random(total) < 0.03) * random.exponential(5.0, total)
    flow = np.asarray(lfilter([1.0], [1.0, -0.8], rain, axis=0)[RUN_IN:])
    return flow + 0.3 * random.standard_normal(shape)


def logarithms_of_pulses(random: Generator, shape: Shape) -> Floats:
    """Their logarithms on a base flow: what is noise at low water is lost in a flood."""
    return np.log(np.maximum(pulses(random, shape) + 3.0, 0.05))


NULLS: dict[str, Maker] = {
    "long memory, d .45": long_memory(0.45), "counts that survive, INAR .5": survivors, "calm and wild times": bursts,
    "gaps filled in by lines": gaps_filled_in, "AR(1) .9 that saturates at 1 sd": saturated,
}  # fmt: skip
EXCESS: dict[str, tuple[Maker, float]] = {
    "a level that jumps between two values": (two_levels, 1.6),
    "AR(1) .2 below, .8 above": (faster_below, 1.6),
    "shocks that swing each day": (wilder_by_day, 1.6),
    "pulses that decay, under noise": (pulses, 2.0),
    "logarithms of pulses that decay": (logarithms_of_pulses, 2.5),
}
"""Those not shown to stay within a budget, and the most that they may spend, in parts of it."""
