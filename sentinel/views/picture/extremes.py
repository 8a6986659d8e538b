"""The range of the data that a picture shows: marks of missing values would press all others into a line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.pipeline.history import Columns

_ALONE = 2
"""Columns in a row, at most, in which a value counts as alone; one more, and it belongs to the data."""
_FEWEST = 20
"""Columns with a value below which nothing is left out of the picture."""
_FAR = 5.0
"""The range of all values is so many times that of those which are not alone before any is left out."""
_KNOWN_SD = 8.0
"""Where the residual goes beyond this, the value was judged as a measurement, and is shown."""


class Shown(NamedTuple):
    """The least and the largest value that the axis has to hold, and a note on what lies beyond; empty = nothing."""

    least: float
    most: float
    note: str = ""


def find_shown(low: NDArray[np.float64], high: NDArray[np.float64], columns: Columns) -> Shown:
    """Find the range to show of the smallest and largest values of columns, shape (columns,), NaN = missing.

    Values are left out that stand alone, lie far beyond all others, and were no measurements to the pipeline.
    """
    known = ~np.isnan(low)
    if not known.any():
        return Shown(0.0, 1.0)
    whole = Shown(float(low[known].min()), float(high[known].max()))
    if known.sum() < _FEWEST:
        return whole
    least, most = float(_running_median(low[known]).min()), float(_running_median(high[known]).max())
    room = most - least
    if not 0.0 < _FAR * room < whole.most - whole.least:
        return whole
    beyond = known & ((low < least - room) | (high > most + room))
    judged = np.abs([columns.residual_low[beyond], columns.residual_high[beyond]])
    if np.any(judged > _KNOWN_SD):
        return whole
    low_inside, high_inside = low[known & ~beyond], high[known & ~beyond]
    least, most = min(least, float(low_inside.min())), max(most, float(high_inside.max()))
    return Shown(least, most, f"not shown: values far from all others, {whole.least:.4g} to {whole.most:.4g} in all")


def _running_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the median of each value and its neighbours; the newest value is repeated, so that it counts."""
    padded = np.pad(np.pad(values, (0, _ALONE), mode="edge"), (_ALONE, 0), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _ALONE + 1)
    return np.asarray(np.sort(windows, axis=1)[:, _ALONE], np.float64)
