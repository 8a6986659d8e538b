"""The coefficient of variation: standard deviation over mean of the values, fading with the half-life of the series.

It is the field's own reading of a record (Dakos et al. 2012, doi:10.1371/journal.pone.0041010). Level, trend and season
count as variation here, unlike everywhere else. It means something only where 0 is the absence of what is measured:
of concentrations, not of degrees Celsius or pH. No rule rests on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl

from sentinel.pipeline.arrays import Flags, Floats, Ints


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
        self, series: Ints, ticks: Ints, values: Floats, half_life: Callable[[int], float], ready: Flags
    ) -> Floats:
        """Give the coefficient at each tick, NaN where it is not ready; missing values, NaN, hold it.

        A gap that is one row begins it anew. `series` are ids, one after the other; `half_life` gives that of an id.
        """
        if not series.size:
            return np.empty(0)
        fresh = np.diff(series, prepend=-1) != 0
        begins = np.flatnonzero(fresh | (np.diff(ticks, prepend=0) > 1))
        ends = np.append(begins[1:], series.size)
        there = np.flatnonzero(~np.isnan(values))
        first_there = np.append(values[there], np.nan)[np.searchsorted(there, begins)]
        has_one = np.searchsorted(there, begins) < np.searchsorted(there, ends)
        before = []
        for begin, number, own in zip(
            begins.tolist(), series[begins].tolist(), np.where(has_one, first_there, np.nan).tolist(), strict=True
        ):
            known = self._sums.get(number) if fresh[begin] else None
            if known is None or ticks[begin] - known.tick > 1:
                known = _Sums(own, 0, 0.0, 0.0, 0)
            before.append(known if known.first == known.first else known._replace(first=own))
        alpha = np.array([1.0 - 0.5 ** (1.0 / half_life(number)) for number in series[begins].tolist()])
        after, found = _follow(before, ends - begins, values, alpha)
        found[~ready] = np.nan
        lasts = ends - 1
        for number, sums, tick, last in zip(
            series[lasts].tolist(), after, ticks[lasts].tolist(), found[lasts].tolist(), strict=True
        ):
            self._sums[number], self.last[number] = sums._replace(tick=tick), last
        return found


def _follow(before: list[_Sums], sizes: Ints, values: Floats, alpha: Floats) -> tuple[list[_Sums], Floats]:
    """Go on with each of several stretches, of so many values; `before` and `alpha` are one for each."""
    stretch = np.repeat(np.arange(sizes.size), sizes)
    first = np.array([known.first for known in before])
    lasts = np.cumsum(sizes) - 1
    present = np.cumsum(~np.isnan(values))
    counts = present + np.repeat([known.values for known in before] - np.append(0, present[lasts[:-1]]), sizes)
    with np.errstate(all="ignore"):  # Values beyond 1e150 have squares that are infinite: NaN in the end.
        distance = values - first[stretch]
        mean = _fade([known.mean for known in before], distance, stretch, alpha)
        square = _fade([known.square for known in before], distance * distance, stretch, alpha)
        weight = 1.0 - (1.0 - alpha[stretch]) ** counts
        variance = np.maximum(square / weight - (mean / weight) ** 2, 0.0)
        found = np.sqrt(variance) / np.abs(first[stretch] + mean / weight)
    found[~np.isfinite(found)] = np.nan
    ended = zip(first.tolist(), counts[lasts].tolist(), mean[lasts].tolist(), square[lasts].tolist(), strict=True)
    return [_Sums(*sums, tick=0) for sums in ended], found


def _fade(before: list[float], values: Floats, stretch: Ints, alpha: Floats) -> Floats:
    """Go on with the fading sum of each stretch; NaN holds it."""
    begins = np.flatnonzero(np.diff(stretch, prepend=-1))
    table = pl.DataFrame(
        {"stretch": np.insert(stretch, begins, stretch[begins]), "value": np.insert(values, begins, before)}
    ).with_columns(pl.col("value").fill_nan(None))
    found = np.empty(values.size)
    for one in np.unique(alpha).tolist():  # Series of one cadence share their half-life, mostly.
        mine = alpha[table["stretch"].to_numpy()] == one
        faded = pl.col("value").ewm_mean(alpha=one, adjust=False, ignore_nulls=True).forward_fill()
        found[alpha[stretch] == one] = (
            table.filter(mine).select(faded.over("stretch").alias("faded"), "stretch")
            .filter(pl.col("stretch").diff().fill_null(1) == 0)["faded"].to_numpy()
        )  # fmt: skip
    return found
