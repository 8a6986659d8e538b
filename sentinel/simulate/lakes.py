"""The lake that is loaded with nutrients, and its control.

`lake` is the lake of Carpenter, Ludwig and Brock (1999, doi:10.2307/2641327): phosphorus P in the water is loaded at
rate l, lost at rate s, and recycled from the sediment once there is enough of it,

    dP = (l - s P + P^2 / (1 + P^2)) dt + noise dW.

For s = 0.55 a clear lake loses its balance at the fold, where the drift and its slope vanish together (l = 0.0834,
P = 0.344), and turns eutrophic (P = 1.3). The load rises ever more slowly towards a little beyond the fold, so that the
lag-1 autocorrelation of a daily observation, exp(-tick (s - 2P / (1 + P^2)^2)), rises from 0.5 to 0.8 about 330 days
before the fold and to 0.9 about 100 days before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

LOSS = 0.55
TICK = 1.7
"""Time of the lake model in one tick; its relaxation at low load takes about 2.5."""
INNER_STEPS = 8
"""Euler steps per tick: 0.21 each, a tenth of the fastest relaxation."""
NOISE = 0.01
LOADED_TICKS = 1_800
LOADS = (0.4, 1.03)
"""First and last load, as parts of the load at the fold."""
EASE = 1.5
"""The load's distance from its last value falls as the remaining time to this power."""
EUTROPHIC = 0.7
"""Between the clear lake at the fold (0.34) and the eutrophic one (1.3): no lake comes back from beyond it."""
_BLOCK = 256


def fold() -> tuple[float, float]:
    """Load and phosphorus at which the clear lake ceases to exist: drift and slope of the drift are zero.

    The slope is zero where 2 P = s (1 + P^2)^2; the smaller root, by bisection.
    """
    low, high = 0.0, 1 / math.sqrt(3)  # recycling is steepest at 1 / sqrt(3)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 2 * middle < LOSS * (1 + middle**2) ** 2 else (low, middle)
    return LOSS * low - low**2 / (1 + low**2), low


def loads() -> NDArray[np.float64]:
    """Load of the loaded lake at every tick, shape (LOADED_TICKS,)."""
    left = (1 - np.arange(LOADED_TICKS) / LOADED_TICKS) ** EASE
    return fold()[0] * (LOADS[1] - (LOADS[1] - LOADS[0]) * left)


def lake_values(seed: int) -> Iterator[float]:
    """Observe the lake once per tick while it is loaded."""
    return _lake_under(iter(loads().tolist()), seed)


def control_values(seed: int) -> Iterator[float]:
    """Observe the same lake, with the same noise, whose load stays what it was."""
    return _lake_under(repeat(float(loads()[0])), seed)


def _lake_under(load: Iterator[float], seed: int) -> Iterator[float]:
    noise = np.random.default_rng(seed)
    step = TICK / INNER_STEPS
    phosphorus = None
    while True:
        knocks = noise.standard_normal((_BLOCK, INNER_STEPS)) * (NOISE * math.sqrt(step))
        for row in knocks.tolist():
            now = next(load, None)
            if now is None:
                return
            if phosphorus is None:
                phosphorus = _clear_balance(now)
            for knock in row:
                square = phosphorus * phosphorus
                # Concentrations are not negative: a knock below zero is reflected.
                phosphorus = abs(phosphorus + (now - LOSS * phosphorus + square / (1 + square)) * step + knock)
            yield phosphorus


def _clear_balance(load: float) -> float:
    """Phosphorus at which a clear lake under this load stays, by bisection."""
    low, high = 0.0, fold()[1]
    for _ in range(60):
        middle = (low + high) / 2
        gains = load - LOSS * middle + middle**2 / (1 + middle**2)
        low, high = (middle, high) if gains > 0 else (low, middle)
    return low


def tip_tick(values: NDArray[np.float64]) -> int | None:
    """Index of the first value from which on all are beyond `EUTROPHIC`; None if the last is not."""
    below = np.flatnonzero(~(values > EUTROPHIC))
    first = 0 if not below.size else int(below[-1]) + 1
    return first if first < values.size else None
