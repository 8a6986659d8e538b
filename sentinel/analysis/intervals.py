"""Exact intervals of counts and shares: they cover the truth in at least 95 of 100 cases, however small the counts."""

from __future__ import annotations

CONFIDENCE = 0.95
"""Share of intervals that cover the truth, at least."""


def count_interval(count: int) -> tuple[float, float]:
    """Give the interval of the mean of a Poisson count (Garwood 1936, doi:10.1093/biomet/28.3-4.437)."""
    # Imported here, as below: statsmodels takes a second.
    from statsmodels.stats.rates import confint_poisson

    low, high = confint_poisson(count, 1.0, method="exact-c", alpha=1 - CONFIDENCE)
    return (float(low) if count else 0.0), float(high)


def share_interval(count: int, total: int) -> tuple[float, float]:
    """Give the interval of a probability (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(count, total, method="beta", alpha=1 - CONFIDENCE)
    return float(low), float(high)
