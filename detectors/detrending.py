"""The bias of thresholds where a level was taken out.

A level that follows the values with the gain `a` holds a part of the past value, so in the pairs that it leaves the
slope of present on past is not rho but, to first order, `rho - (a/2) (1 - rho)`. For the claim "above r" that is on the
safe side. For "below r", and for the modulus, whose claim is "below -m^2" on the second stage, it is not: uncorrected,
11 to 20 false alarms came where 10 were budgeted. Bets on those claims are placed at a threshold moved by as much, and
a quarter (on the second stage one half) more for the slope that goes with the level: calibrated on AR(1) and AR(2),
held by the trust suite.
"""

from __future__ import annotations

LOWEST = -0.999


def below(threshold: float, level_gain: float) -> float:
    """Return the threshold for bets on "lag 1 below `threshold`" when a level of this gain was taken out."""
    return max(threshold - 0.625 * level_gain * (1.0 - threshold), LOWEST)


def modulus(threshold: float, level_gain: float) -> float:
    """Return the threshold for bets on "modulus above `threshold`": on the second stage, below `-threshold^2`."""
    product = threshold * threshold
    return max(-product - 0.75 * level_gain * (1.0 + product), LOWEST)
