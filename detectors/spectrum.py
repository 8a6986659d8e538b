"""Spectrum: from the readings of all detectors at one tick to lag-1 autocorrelation, its band and recovery time.

The readings fall with the threshold and change sign at the lag-1 autocorrelation: that zero crossing is the estimate.
Inverting the test gives the band: a threshold whose reading lies within ±1.96 cannot be rejected at 5 %, so the
crossings of the levels +1.96 and -1.96 are the lower and upper end of a 95 % band. Crossings are found from the top
(the last threshold whose reading is above the level) and interpolated linearly in `atanh r`, in which the thresholds
are evenly spaced. An end of the band that is not reached is open: -1 or 1. After an outage the test is inverted at a
higher level (`detectors.fading`), which widens the band and leaves the estimate.
"""

from __future__ import annotations

import math

import numpy as np

from detectors.activation import tanh
from detectors.arrays import Floats
from detectors.compiled import compiled, part

LEVEL = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


def thresholds(count: int = 16, lowest: float = -0.95, highest: float = 0.99) -> Floats:
    """`count` thresholds, evenly spaced in atanh, from `lowest` to `highest`."""
    if count < 3 or not -1.0 < lowest < highest < 1.0:
        raise ValueError(
            f"thresholds: {count} from {lowest} to {highest}; at least 3, ascending within (-1, 1), are needed"
        )
    grid: Floats = np.tanh(np.linspace(math.atanh(lowest), math.atanh(highest), count))
    grid[0], grid[-1] = lowest, highest
    return grid


def crossings(readings: Floats, grid: Floats, stretch: Floats | None = None) -> tuple[Floats, Floats, Floats]:
    """Lag-1 autocorrelation and the lower and upper end of its 95 % band.

    Of `readings`, shape (tick, series, detector), NaN where not ready, of detectors with the thresholds `grid`,
    ascending. `stretch` is how much wider the band is, shape (tick, series); 1 everywhere if not given. Gives three
    arrays of shape (tick, series), NaN where not ready. The estimate lies within the grid (its ends mean "at or
    beyond"); the band's ends are -1 and 1 where open.

    Raises ValueError: the readings are not of that shape.
    """
    if readings.ndim != 3 or readings.shape[2] != grid.shape[0]:
        raise ValueError(f"crossings: readings of shape {readings.shape}; (tick, series, {grid.shape[0]}) is needed")
    shape = readings.shape[:2]
    centre, low, high = np.empty(shape), np.empty(shape), np.empty(shape)
    flat = readings.reshape(-1, grid.shape[0])
    levels = np.full(shape, LEVEL)
    if stretch is not None:
        levels *= stretch
    _crossings(flat, np.arctanh(grid), grid, levels.reshape(-1), centre.reshape(-1), low.reshape(-1), high.reshape(-1))
    return centre, low, high


@compiled
def _crossings(
    readings: Floats, u: Floats, grid: Floats, levels: Floats, centre: Floats, low: Floats, high: Floats
) -> None:
    rows, D = readings.shape
    for i in range(rows):
        z = readings[i]
        if math.isnan(z[0]):
            centre[i] = low[i] = high[i] = np.nan
            continue
        level = levels[i]
        # From the top: the upper end is met first, then the estimate, then the lower end.
        j, high[i] = _cross(z, u, -level, D - 1, 1.0, grid[0])
        j, centre[i] = _cross(z, u, 0.0, j, grid[D - 1], grid[0])
        j, low[i] = _cross(z, u, level, j, grid[D - 1], -1.0)


@part
def _cross(z: Floats, u: Floats, level: float, j: int, above: float, below: float) -> tuple[int, float]:
    """Go down from detector `j` to the first reading above a level; give its place and the threshold of the crossing.

    Where all readings are above the level, or none is, that is `above` or `below`.
    """
    while j >= 0 and z[j] <= level:
        j -= 1
    if j == z.shape[0] - 1:
        return j, above
    if j < 0:
        return j, below
    return j, tanh(u[j] + (u[j + 1] - u[j]) * (z[j] - level) / (z[j] - z[j + 1]))


def recovery_time(lag1: Floats) -> Floats:
    """`-1 / ln(lag1)` in ticks: how long a small knock takes to shrink to 1/e.

    NaN where lag1 is not in (0, 1) (an overdamped return has none to speak of); inf at 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(lag1 >= 1.0, np.inf, np.where(lag1 > 0.0, -1.0 / np.log(lag1), np.nan))


def recovery_band(lag1: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    """Recovery time and its 95 % band in ticks: 0 where the lower end is not in (0, 1), inf where the upper is open.

    All three are NaN where lag1 is not in (0, 1).
    """
    centre = recovery_time(lag1)
    unknown = np.isnan(centre)
    ends = (recovery_time(np.maximum(low, 0.0)), recovery_time(high))
    shortest, longest = (np.where(unknown, np.nan, np.where(np.isnan(end), 0.0, end)) for end in ends)
    return centre, shortest, longest
