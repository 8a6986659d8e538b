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


def cloudy(amplitude: float) -> Nuisance:
    """A daily sine whose amplitude is drawn anew each midnight, between half and one and a half times the mean one."""

    def add(x: Floats, random: Generator) -> Floats:
        days = random.uniform(0.5, 1.5, (x.shape[0] // DAY + 2, x.shape[1]))
        t = _hours(x) / DAY + _phases(x, random)
        return x + amplitude * np.take_along_axis(days, t.astype(np.int64), axis=0) * np.sin(2.0 * np.pi * t)

    return add


def cloudy_lag1(phi: float, amplitude: float) -> float:
    """Lag 1 of AR(1) of unit variance under `cloudy`, once the mean day is taken out.

    The departures from the mean day add a slow part of variance amplitude^2 / 24: that of a uniform factor, 1/12, times
    that of a sine, 1/2.
    """
    added = amplitude**2 / 24.0
    return (phi + added * float(np.cos(2.0 * np.pi / DAY))) / (1.0 + added)


def _phases(x: Floats, random: Generator) -> Floats:
    return random.random(x.shape[1])
