"""What the usual tools do, in a line each, so that every pitfall's size is measured beside the product's answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ac1(window: Floats) -> Floats:
    """Lag-1 autocorrelation of each column by Pearson's formula, the estimate of the usual tools."""
    past, present = window[:-1] - window[:-1].mean(axis=0), window[1:] - window[1:].mean(axis=0)
    return (past * present).sum(axis=0) / np.sqrt((past**2).sum(axis=0) * (present**2).sum(axis=0))


def rolling_ac1(values: Floats, window: int) -> Floats:
    """`ac1` of every window of a single series, one value per window."""
    return ac1(np.lib.stride_tricks.sliding_window_view(values, window).T)


def smoothed(values: Floats, bandwidth: float) -> Floats:
    """Gaussian smoother over the whole record: it looks ahead."""
    distance = np.subtract.outer(np.arange(values.size), np.arange(values.size)) / bandwidth
    weights = np.exp(-(distance**2) / 2.0)
    return (weights @ values) / weights.sum(axis=1)


def filled_linearly(values: Floats) -> Floats:
    """Gaps closed by straight lines, column by column."""
    filled = values.copy()
    for column in filled.T:
        missing = np.isnan(column)
        column[missing] = np.interp(np.flatnonzero(missing), np.flatnonzero(~missing), column[~missing])
    return filled
