"""Streams that the detectors are measured on: AR(1) with a known level and scale, many series at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from detectors.pairs import Pairs

Floats = NDArray[np.float64]

INNOVATIONS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    # Variance 1 each.
    "Gaussian": lambda random, shape: random.standard_normal(shape),
    "Laplace": lambda random, shape: random.laplace(0.0, np.sqrt(0.5), shape),
    "Student-3": lambda random, shape: random.standard_t(3, shape) / np.sqrt(3.0),
    "exponential": lambda random, shape: random.standard_exponential(shape) - 1.0,
}


def ar1(rho: float, shocks: Floats) -> Floats:
    """`x_t = rho x_{t-1} + e_t` along the ticks, of stationary variance 1 for shocks of variance 1."""
    return lfilter([np.sqrt(1.0 - rho * rho)], [1.0, -rho], shocks, axis=0)


def autoregressive(rho: float, innovation: str, ticks: int, series: int, seed: int, run_in: int = 400) -> Floats:
    """Values `(tick, series)` of stationary AR(1) series."""
    shocks = INNOVATIONS[innovation](np.random.default_rng(seed), (run_in + ticks, series))
    return ar1(rho, shocks)[run_in:]


def known_level(values: Floats) -> Pairs:
    """Pairs of consecutive values, all valid, level 0 and scale 1 being the true ones."""
    flags = np.ones(values[1:].shape, dtype=bool)
    return Pairs(values[:-1], values[1:], flags, ~flags)


@pytest.fixture(scope="session")
def simulate() -> Callable[..., Floats]:
    return autoregressive


@pytest.fixture(scope="session")
def pairs_at_known_level() -> Callable[[Floats], Pairs]:
    return known_level
