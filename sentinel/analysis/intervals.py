"""Exact intervals of counts: what a number of alarms, or of events, says about the rate behind it.

Exact means that they cover the truth in at least 95 of 100 cases however small the counts are; both take alarms and
events as independent of each other. statsmodels computes them; it is imported when it is asked, for it takes a second.
"""

from __future__ import annotations

LEVEL = 0.95


def of_count(count: int) -> tuple[float, float]:
    """Interval of the mean of a Poisson count (Garwood 1936, doi:10.1093/biomet/28.3-4.437)."""
    from statsmodels.stats.rates import confint_poisson

    low, high = confint_poisson(count, 1.0, method="exact-c", alpha=1 - LEVEL)
    return (float(low) if count else 0.0), float(high)


def of_share(count: int, total: int) -> tuple[float, float]:
    """Interval of the probability behind `count` of `total` (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(count, total, method="beta", alpha=1 - LEVEL)
    return float(low), float(high)
