"""Lines in a spectrum that rounding makes: a clean cycle written with few digits has dozens of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sentinel.pipeline.arrays import Floats


def resolution(values: Floats) -> float:
    """Give the smallest distance of two different values; 0 where there are none."""
    steps = np.diff(np.unique(values))
    apart = steps[steps > 1e-12 * float(np.abs(values).max())]
    return float(apart.min()) if apart.size else 0.0


def above_resolution(values: Floats, periods: Sequence[float], declared: Sequence[float], step: float) -> set[float]:
    """Give the periods whose line is no work of rounding, which makes many of a clean cycle.

    An error of rounding is at most half a `step` and even, so that no line of it has an amplitude above step / sqrt(6).
    """
    rest, taper = values - values.mean(), np.hanning(values.size)
    phase = -2j * np.pi * np.arange(values.size)

    def amplitude(period: float) -> complex:
        return complex(2.0 * ((rest * taper) @ np.exp(phase / period)) / taper.sum())

    above = set()
    # The strongest first: what it leaks to its neighbours is taken out with it.
    for period in (*declared, *sorted(periods, key=lambda one: -abs(amplitude(one)))):
        found = amplitude(period)
        if abs(found) > step / math.sqrt(6.0):
            above.add(period)
            rest = rest - (found * np.exp(-phase / period)).real
    return above
