"""Cycles on top of a series: declared, growing, drifting, lit by day only, and such that nobody declared."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.studies.trust.nuisances import Nuisance

Floats = NDArray[np.float64]
DAY = 24
YEAR = 24 * 365


def _hours(x: Floats) -> Floats:
    return np.arange(x.shape[0], dtype=np.float64)[:, None]


def sine(amplitude: float, period: float = DAY) -> Nuisance:
    """A sine of a phase of its own for each series."""
    return lambda x, random: x + amplitude * np.sin(2.0 * np.pi * (_hours(x) / period + _phases(x, random)))


def growing(per_10_000: float) -> Nuisance:
    """A daily sine that grows from none by so many sd in 10,000 ticks."""
    return lambda x, random: (
        x + per_10_000 * _hours(x) / 10_000 * np.sin(2.0 * np.pi * (_hours(x) / DAY + _phases(x, random)))
    )


def sawtooth(amplitude: float) -> Nuisance:
    """Up all day long, down at once."""
    return lambda x, random: x + amplitude * (2.0 * ((_hours(x) / DAY + _phases(x, random)) % 1.0) - 1.0)


def daylight(amplitude: float) -> Nuisance:
    """Nothing by night, half a sine by day, sunrise at an hour of its own."""
    return lambda x, random: (
        x + amplitude * np.maximum(0.0, np.sin(2.0 * np.pi * (_hours(x) / DAY + _phases(x, random))))
    )


def _phases(x: Floats, random: Generator) -> Floats:
    return random.random(x.shape[1])
