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

from sentinel.analysis.surrogate_kernel import find_taus
from sentinel.analysis.surrogates import NULLS, list_nulls
from sentinel.pipeline.arrays import Floats
from sentinel.pipeline.cohort import CohortState, SteppedBlock
from sentinel.pipeline.grid import ABSENT
from sentinel.pipeline.pipeline import CohortKey, PipelineState

INDICATORS = ("lag 1", "variance")
FEWEST = 100
"""Deviations in a record, and half as many in each window, below which nothing is said."""
SURROGATES = 99
_WINDOWS = 50


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
    own = find_taus(record[:, None], ~gone, ends - window, ends)
    shares = {}
    for null, draw in list_nulls(record, nulls).items():
        # The record is one of them.
        taus = (find_taus(surrogates, ~gone, ends - window, ends) for surrogates in draw(SURROGATES))
        shares[null] = sum(((found >= own).sum(axis=1) for found in taus), start=np.ones(2)) / (1 + SURROGATES)
    return {
        name: Trend(float(own[at, 0]), {null: float(share[at]) for null, share in shares.items()})
        for at, name in enumerate(INDICATORS)
    }
