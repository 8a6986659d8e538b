"""What stands beside criticality: Kendall's tau of rolling variance and autocorrelation, and the trivial ones.

The two taus are those of ewstools with its defaults (Gaussian detrending of bandwidth 0.2, rolling window 0.25, both
parts of the record), computed anew on the record up to each moment, so that they are causal. This is a faster way to
the same numbers; a test compares it with ewstools itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.stats import kendalltau

Floats = NDArray[np.float64]

BANDWIDTH = 0.2
WINDOW = 0.25
RIVALS = ("AC1-Kendall", "variance-Kendall", "mean", "sd", "skewness")


def judged(record: Floats) -> dict[str, float]:
    """What each rival says at the end of a record."""
    window = int(WINDOW * record.size)
    residual = record - gaussian_filter1d(record, 0.25 / 0.675 * BANDWIDTH * record.size, mode="reflect")
    now = record[-window:]
    off = now - now.mean()
    return {
        "AC1-Kendall": trend(autocorrelation(residual, window)),
        "variance-Kendall": trend(variance(residual, window)),
        "mean": float(now.mean()),
        "sd": float(now.std()),
        "skewness": float((off**3).mean() / (off**2).mean() ** 1.5),
    }


def trend(indicator: Floats) -> float:
    """Kendall's tau of an indicator against time."""
    # Without scipy's wrapper, which looks for NaN and axes and takes two thirds of the time: asked 200,000 times.
    return float(kendalltau.__wrapped__(np.arange(indicator.size), indicator).statistic)


def variance(values: Floats, window: int) -> Floats:
    """Of each full window."""
    mean = _rolling(values, window) / window
    return (_rolling(values**2, window) - window * mean**2) / (window - 1)


def autocorrelation(values: Floats, window: int) -> Floats:
    """Correlation of the pairs within each full window, as pandas' `Series.autocorr`."""
    past, present, pairs = values[:-1], values[1:], window - 1
    a, b = _rolling(past, pairs), _rolling(present, pairs)
    covariance = _rolling(past * present, pairs) - a * b / pairs
    spread = (_rolling(past**2, pairs) - a**2 / pairs) * (_rolling(present**2, pairs) - b**2 / pairs)
    return np.asarray(covariance / np.sqrt(spread))


def _rolling(values: Floats, window: int) -> Floats:
    """Sum of each full window."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return total[window:] - total[:-window]
