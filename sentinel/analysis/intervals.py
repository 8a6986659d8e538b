"""Exact intervals of counts and shares: they cover the truth in at least 95 of 100 cases, however small the counts."""

from __future__ import annotations

from scipy.special import betainccinv, betaincinv, gammainccinv, gammaincinv

CONFIDENCE = 0.95
"""Share of intervals that cover the truth, at least."""
_TAIL = (1 - CONFIDENCE) / 2


def count_interval(count: int) -> tuple[float, float]:
    """Give the interval of the mean of a Poisson count (Garwood 1936, doi:10.1093/biomet/28.3-4.437)."""
    # Quantiles of the gamma distribution; scipy.stats and statsmodels, which have the intervals, take a second to load.
    low = float(gammaincinv(count, _TAIL)) if count else 0.0
    return low, float(gammainccinv(count + 1, _TAIL))


def share_interval(count: int, total: int) -> tuple[float, float]:
    """Give the interval of a probability (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    low = float(betaincinv(count, total - count + 1, _TAIL)) if count else 0.0
    return low, float(betainccinv(count + 1, total - count, _TAIL)) if count < total else 1.0
