"""What else a warning could stand on: the field's usual indicators, each causal and over a trailing window.

A rolling indicator at tick t looks at the `window` values up to and including t. Arrays have ticks on their last axis;
any axes before it are independent series. NaN stands for a missing value; an indicator is NaN until a whole window has
passed, and wherever fewer than half of its window's values are there. Without missing values `rolling_lag1` and
`rolling_variance` are the numbers of ewstools 2.1 (Pearson correlation of neighbours; variance with n - 1).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_PIECE = 1 << 22
"""Numbers in the windows that are looked at in one go: 32 MB."""


def rolling_lag1(values: Floats, window: int) -> Floats:
    """Pearson correlation of neighbours in each window, over the pairs of which both are there."""

    def lag1(windows: Floats) -> Floats:
        past, present = windows[..., :-1], windows[..., 1:]
        gone = np.isnan(past) | np.isnan(present)
        past, present = (np.where(gone, np.nan, side) for side in (past, present))
        past = past - np.nanmean(past, axis=-1, keepdims=True)
        present = present - np.nanmean(present, axis=-1, keepdims=True)
        shared = np.nansum(past * present, axis=-1)
        return np.asarray(shared / np.sqrt(np.nansum(past**2, axis=-1) * np.nansum(present**2, axis=-1)))

    return _rolling(values, window, lag1)


def rolling_variance(values: Floats, window: int) -> Floats:
    """Variance of each window, with n - 1."""
    return _rolling(values, window, lambda windows: np.nanvar(windows, axis=-1, ddof=1))


def rolling_mean(values: Floats, window: int) -> Floats:
    """Mean of each window."""
    return _rolling(values, window, lambda windows: np.nanmean(windows, axis=-1))


def rolling_skewness(values: Floats, window: int) -> Floats:
    """Third central moment of each window over its standard deviation to the third (no correction for bias)."""

    def skewness(windows: Floats) -> Floats:
        centred = windows - np.nanmean(windows, axis=-1, keepdims=True)
        return np.asarray(np.nanmean(centred**3, axis=-1) / np.nanmean(centred**2, axis=-1) ** 1.5)

    return _rolling(values, window, skewness)


def kendall_tau(values: Floats, window: int) -> Floats:
    """Kendall's tau-b of time and value over the trailing window: 1 = it only ever rose.

    Concordant less discordant pairs follow from those of the tick before: the newest value's pairs come, the oldest
    one's go. So each distance between two ticks is compared once, whatever the window.
    """
    _check(values, window)
    values = np.asarray(values, dtype=np.float64)
    valid = ~np.isnan(values)
    order = _pairs_in_window(values, window, lambda later, earlier: np.sign(later - earlier))
    tied = _pairs_in_window(values, window, lambda later, earlier: later == earlier)
    count = _trailing_sum(valid.astype(np.float64), window)
    pairs = count * (count - 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = order / np.sqrt(pairs * (pairs - tied))
    tau[count < window / 2] = np.nan
    tau[..., : window - 1] = np.nan
    return tau


def _pairs_in_window(values: Floats, window: int, compare: Callable[[Floats, Floats], NDArray[np.generic]]) -> Floats:
    """Sum of a comparison over all pairs of values in the trailing window; pairs with NaN give nothing."""
    found = np.zeros(values.shape)
    for distance in range(1, min(window, values.shape[-1])):
        pairs = np.nan_to_num(compare(values[..., distance:], values[..., :-distance]).astype(np.float64))
        # A pair is inside while its earlier value is: for window - distance ticks from its later value on.
        found[..., distance:] += _trailing_sum(pairs, window - distance)
    return found


def _trailing_sum(values: Floats, window: int) -> Floats:
    """Sum of the last `window` whole numbers at each tick, exact; fewer at the start."""
    total = np.cumsum(values, axis=-1)
    total[..., window:] -= total[..., :-window].copy()
    return total


def _rolling(values: Floats, window: int, indicator: Callable[[Floats], Floats]) -> Floats:
    """An indicator of every trailing window, a piece of the record at a time."""
    _check(values, window)
    values = np.asarray(values, dtype=np.float64)
    found = np.full(values.shape, np.nan)
    ticks = values.shape[-1]
    if ticks < window:
        return found
    windows = sliding_window_view(values, window, axis=-1)
    step = max(1, _PIECE // (window * max(1, values.size // ticks)))
    for first in range(0, windows.shape[-2], step):
        piece = windows[..., first : first + step, :]
        enough = (~np.isnan(piece)).sum(axis=-1) >= window / 2
        with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # windows of nothing: NaN is the answer
            numbers = np.where(enough, indicator(piece), np.nan)
        found[..., window - 1 + first : window - 1 + first + numbers.shape[-1]] = numbers
    found[np.isinf(found)] = np.nan
    return found


def _check(values: Floats, window: int) -> None:
    if window < 4:
        raise ValueError(f"window: {window}; at least 4 ticks are needed")
    if np.ndim(values) == 0:
        raise ValueError("values: a single number; an array with ticks on its last axis is needed")
