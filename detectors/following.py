"""Level, slope and variance of a series, followed from the past: one recurrence for every place that needs it.

    e = clip(d, ±w sigma);   m <- m + v + a e;   v <- v + b e;   sigma^2 += c (min(d^2, w^2 sigma^2) - sigma^2)

`d` is the deviation from the predicted level m + v, `a`, `b` and `c` are gains, `w` is the cut. The first `uncut`
updates are not cut and leave the slope at 0. From then on, until the gains are larger, level and slope move by those of
a straight line fitted to n + 1 equally weighted values, `2 (2n + 1) / ((n + 1) (n + 2))` and `6 / ((n + 1) (n + 2))`.
"""

from __future__ import annotations

import math

from detectors.compiled import part


@part
def follow(
    level: float, slope: float, variance: float, d: float, n: int, level_gain: float, slope_gain: float,
    scale_gain: float, cut: float, uncut: int,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Take in the deviation `d` after `n` values; the new level, slope and variance, and the square that was taken."""
    if n > uncut:
        bound = cut * math.sqrt(variance)
        e, square = min(max(d, -bound), bound), min(d * d, cut * cut * variance)
        line = 6.0 / ((n + 1.0) * (n + 2.0))
        level = level + slope + max(level_gain, line * (2.0 * n + 1.0) / 3.0) * e
        slope = slope + max(slope_gain, line) * e
    else:
        square = d * d
        level = level + slope + max(level_gain, 1.0 / (n + 1)) * d
    if n >= 2:
        variance = variance + max(scale_gain, 1.0 / (n - 1)) * (square - variance)
    return level, slope, variance, square
