"""The coefficient of variation: standard deviation over mean of the values, fading with the half-life of the series.

It is the field's own reading of a record (Dakos et al. 2012, doi:10.1371/journal.pone.0041010). Level, trend and season
count as variation here, unlike everywhere else. It means something only where 0 is the absence of what is measured:
of concentrations, not of degrees Celsius or pH. No rule rests on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class _Sums(NamedTuple):
    first: float
    """The first value, from which the others are taken: squares of large values would lose their digits."""
    values: int
    mean: float
    """Fading sums with weights that add up to less than 1 while there are few values."""
    square: float
    tick: int
    """Of the last value or missing value."""


class Variation:
    """Follows the series of an analysis; how their ticks are cut into parts changes nothing, bitwise."""

    def __init__(self) -> None:
        self._sums: dict[int, _Sums] = {}
        self.last: dict[int, float] = {}
        """The last number of each series; NaN = not ready."""

    def extend(
        self, series: int, ticks: NDArray[np.int64], values: Floats, half_life: float, ready: NDArray[np.bool_]
    ) -> Floats:
        """Give the coefficient at each tick, NaN where it is not ready; missing values, NaN, hold it.

        A gap that is one row begins it anew.
        """
        found = np.full(ticks.size, np.nan)
        known = self._sums.get(series)
        anew = np.flatnonzero(np.diff(ticks, prepend=known.tick if known else ticks[0] - 1) > 1).tolist()
        for begin, end in zip([0, *anew], [*anew, ticks.size], strict=True):
            if begin in anew:
                known = None
            if begin < end:
                known, found[begin:end] = _follow(known, ticks[begin:end], values[begin:end], half_life)
        if known is not None:
            self._sums[series] = known
        found[~ready] = np.nan
        self.last[series] = float(found[-1])
        return found


def _follow(known: _Sums | None, ticks: NDArray[np.int64], values: Floats, half_life: float) -> tuple[_Sums, Floats]:
    present = ~np.isnan(values)
    if known is None:
        first = float(values[present][0]) if present.any() else np.nan
        known = _Sums(first, 0, 0.0, 0.0, int(ticks[0]))
    first = known.first if not np.isnan(known.first) else float(values[present][0]) if present.any() else np.nan
    with np.errstate(all="ignore"):  # Values beyond 1e150 have squares that are infinite: NaN in the end.
        distance = values - first
        alpha = 1.0 - 0.5 ** (1.0 / half_life)
        mean = _fade(known.mean, distance, alpha)
        square = _fade(known.square, distance * distance, alpha)
        counts = known.values + np.cumsum(present)
        weight = 1.0 - (1.0 - alpha) ** counts
        variance = np.maximum(square / weight - (mean / weight) ** 2, 0.0)
        middle = first + mean / weight
        found = np.sqrt(variance) / np.abs(middle)
    found[~np.isfinite(found)] = np.nan
    return _Sums(first, int(counts[-1]), float(mean[-1]), float(square[-1]), int(ticks[-1])), found


def _fade(before: float, values: Floats, alpha: float) -> Floats:
    """Go on with a fading sum; NaN holds it."""
    column = pl.Series([before, *values.tolist()]).fill_nan(None)
    return column.ewm_mean(alpha=alpha, adjust=False, ignore_nulls=True).fill_null(strategy="forward").to_numpy()[1:]
