"""Did lag 1 or variance rise over a whole record? Kendall's tau in rolling windows, with p-values from surrogates.

This is the field's usual look at a record (Dakos et al. 2012, doi:10.1371/journal.pone.0041010). It is exploratory: the
whole record is looked at once, at its end. A p-value says how often a record without any trend, made as `surrogates`
says, would have as large a tau. It has no false-alarm budget over time: whoever looks again at every tick will find a
small p-value some day, whatever the record.

Both indicators are taken over the trailing half of the record, of the deviations from the level (the conditioner's, in
the series' own units, season taken out), and tau over at most fifty of these windows, evenly spaced: neighbouring
windows are nearly the same. In the surrogates values are missing where they are missing in the record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.analysis.surrogates import NULLS, SEED, Draw, list_nulls
from sentinel.pipeline.cohort import CohortState, SteppedBlock
from sentinel.pipeline.grid import ABSENT
from sentinel.pipeline.pipeline import CohortKey, PipelineState

Floats = NDArray[np.float64]

INDICATORS = ("lag 1", "variance")
FEWEST = 100
"""Deviations in a record, and half as many in each window, below which nothing is said."""
SURROGATES = 99
_WINDOWS = 50
_AT_ONCE = 1 << 18  # numbers of surrogates that are held together


class Trend(NamedTuple):
    """The trend of one indicator in one record."""

    tau: float
    """Kendall's tau of time and indicator, from -1 to 1."""
    p: Mapping[str, float]
    """By null hypothesis: share of surrogates, the record among them, whose tau is as large."""


class Deviations:
    """Gathers the deviations of each series from its level, in its own units. An observer of the pipeline."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Floats]] = {}

    def __call__(self, state: PipelineState, _key: CohortKey, members: CohortState, stepped: SteppedBlock) -> None:
        """Take in a block."""
        given = stepped.conditioned
        # The scale is known where there is a pair: not after a missing value, nor while a sensor is stuck.
        deviation = np.where(given.pairs.valid, given.pairs.present * given.scale, np.nan)
        here = stepped.block.kind != ABSENT
        for column, number in enumerate(members.series[stepped.block.rows].tolist()):
            self._parts.setdefault(state.names[number], []).append(deviation[here[:, column], column])

    @property
    def by_series(self) -> dict[str, Floats]:
        """The deviations of each series, tick by tick; NaN = missing or not ready."""
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}


def find_trends(deviations: Floats, nulls: Sequence[str] = tuple(NULLS)) -> dict[str, Trend]:
    """Find the trend of each indicator in one record, NaN = missing; none in a record that is too short.

    P-values are against those of the null hypotheses `nulls` that can be fitted to the record.
    """
    known = np.flatnonzero(~np.isnan(deviations))
    if known.size < FEWEST:
        return {}
    record = deviations[known[0] : known[-1] + 1]
    largest = float(np.nanmax(np.abs(record)))
    if not 0.0 < largest < math.inf:
        return {}
    record = record / largest  # so that no square overflows
    gone = np.isnan(record)
    window = record.size // 2
    ends = np.unique(np.linspace(window, record.size, _WINDOWS).astype(np.int64))
    there = np.append(0, np.cumsum(~gone))
    if (there[ends] - there[ends - window]).min() < FEWEST // 2:
        return {}
    own = _taus(record[None], window, ends)
    shares = {null: _share(draw, gone, own, window, ends) for null, draw in list_nulls(record, nulls).items()}
    return {
        name: Trend(float(own[at, 0]), {null: float(share[at]) for null, share in shares.items()})
        for at, name in enumerate(INDICATORS)
    }


def _share(draw: Draw, gone: NDArray[np.bool_], own: Floats, window: int, ends: NDArray[np.int64]) -> Floats:
    """Give the share of surrogates, the record among them, whose tau is as large, one per indicator."""
    random = np.random.default_rng(SEED)
    exceeding = np.ones(len(INDICATORS))
    made = 0
    while made < SURROGATES:
        several = min(SURROGATES - made, max(1, _AT_ONCE // gone.size))
        surrogates = draw(several, random)
        surrogates[:, gone] = np.nan
        exceeding += (_taus(surrogates, window, ends) >= own).sum(axis=1)
        made += several
    return exceeding / (1 + SURROGATES)


def _taus(records: Floats, window: int, ends: NDArray[np.int64]) -> Floats:
    """Give Kendall's tau of each indicator over the windows that end before `ends`, (indicator, record)."""
    there = ~np.isnan(records)
    filled = np.where(there, records, 0.0)
    squares = filled * filled
    # Sums over all pairs of neighbours of which both are there: a window of n values has n - 1.
    first, last = ends - window, ends - 1
    past = _sums(squares[:, :-1] * there[:, 1:], first, last)
    present = _sums(squares[:, 1:] * there[:, :-1], first, last)
    both = _sums(filled[:, :-1] * filled[:, 1:], first, last)
    lag1 = both / np.sqrt(np.maximum(past * present, np.finfo(np.float64).tiny))
    variance = _sums(squares, first, ends) / _sums(there.astype(np.float64), first, ends)
    return np.stack([_tau(lag1), _tau(variance)])


def _sums(numbers: Floats, first: NDArray[np.int64], beyond: NDArray[np.int64]) -> Floats:
    """Sum the numbers of each window, those from `first` to before `beyond`, along the last axis."""
    total = np.pad(np.cumsum(numbers, axis=1), ((0, 0), (1, 0)))
    return np.asarray(total[:, beyond] - total[:, first])


def _tau(values: Floats) -> Floats:
    """Kendall's tau-a of order and value along the last axis: 1 = it only ever rose."""
    size, upright = values.shape[1], np.ascontiguousarray(values.T)
    order = sum(np.sign(upright[lag:] - upright[:-lag]).sum(axis=0) for lag in range(1, size))
    return np.asarray(2.0 * order / (size * (size - 1)))
