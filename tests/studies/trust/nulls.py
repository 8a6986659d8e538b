"""Stationary series whose lag-1 autocorrelation is known: AR(1) with shocks of many kinds, and what is not AR(1)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
Shape = tuple[int, int]
"""Ticks and series."""
Maker = Callable[[Generator, Shape], Floats]
"""Random numbers and a shape -> values; NaN = missing."""
RUN_IN = 200

SHOCKS: dict[str, Callable[[Generator, Shape], Floats]] = {
    "Gaussian": lambda random, shape: random.standard_normal(shape),
    "Student-3": lambda random, shape: random.standard_t(3, shape) / math.sqrt(3.0),
    "exponential": lambda random, shape: random.standard_exponential(shape) - 1.0,
    "-exponential": lambda random, shape: 1.0 - random.standard_exponential(shape),
}
"""Shocks of mean 0 and variance 1."""


def ar1(phi: float, shocks: Floats) -> Floats:
    """AR(1) of the shocks' variance; shape (tick, series)."""
    return lfilter([math.sqrt(1.0 - phi * phi)], [1.0, -phi], shocks, axis=0)


def stationary(phi: float, kind: str = "Gaussian") -> Maker:
    """Maker of AR(1) of unit variance, run in."""

    def make(random: Generator, shape: Shape) -> Floats:
        return ar1(phi, SHOCKS[kind](random, (shape[0] + RUN_IN, shape[1])))[RUN_IN:]

    return make


def changing(rho: Floats, shocks: Floats, *, unit_variance: bool = False) -> Floats:
    """AR(1) whose coefficient is another at every tick; `rho` has shape (tick,).

    The shocks stay as large as they are at the first coefficient, where the variance is 1, and the variance grows as
    the return slows, as it does in a system under constant noise. With `unit_variance` the shocks shrink instead.
    """
    size = np.sqrt(1.0 - (rho if unit_variance else np.full_like(rho, rho[0])) ** 2)
    values = np.empty_like(shocks)
    now = shocks[0]
    for t, r in enumerate(rho.tolist()):
        now = values[t] = r * now + size[t] * shocks[t]
    return values


def arma(ar: tuple[float, ...], ma: tuple[float, ...] = ()) -> Maker:
    """Maker of an ARMA process, scaled to unit variance."""

    def make(random: Generator, shape: Shape) -> Floats:
        shocks = random.standard_normal((shape[0] + RUN_IN, shape[1]))
        values = lfilter([1.0, *ma], [1.0, *(-a for a in ar)], shocks, axis=0)[RUN_IN:]
        return values / values.std()

    return make


def arma_lag1(ar: tuple[float, ...], ma: tuple[float, ...] = ()) -> float:
    """Lag-1 autocorrelation of an ARMA process, from its impulse response."""
    impulse = np.zeros(2_000)
    impulse[0] = 1.0
    response = lfilter([1.0, *ma], [1.0, *(-a for a in ar)], impulse)
    return float(response[1:] @ response[:-1] / (response @ response))


def log_normal(phi: float, sigma: float) -> Maker:
    """Maker of exp(sigma x) for x AR(1)."""
    gaussian = stationary(phi)
    return lambda random, shape: np.exp(sigma * gaussian(random, shape))


def log_normal_lag1(phi: float, sigma: float) -> float:
    """Lag-1 autocorrelation of exp(sigma x)."""
    return math.expm1(sigma * sigma * phi) / math.expm1(sigma * sigma)
