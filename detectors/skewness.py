r"""Skewness: how lopsided the residuals have become.

    g = m3 / m2^(3/2)

with `m2` and `m3` the second and third central moments of the residuals, winsorised as those of the bank's pairs are,
under a fading mean with the bank's half-life. 0 = symmetric; below 0 the long tail points down.

*Bias.* `g` is not corrected. It is right at 0 for what is symmetric and falls short of larger skewness, the more so as
winsorising cuts tails. Of independent normal residuals its standard error is about `sqrt(6 / n)`, with `n` = 2.9
half-lives; slow residuals carry less, so that it wanders more. *Warm-up.* NaN until three residuals were seen and they
differ; the caller shows it no earlier than the bank's verdict.

Some systems grow lopsided before they tip, others do not, and noise that is lopsided by itself does it always: by
itself skewness is no evidence, and no alarm rule rests on it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from detectors import half_life as memory
from detectors.arrays import Flags, Floats, Ints
from detectors.bank import share_series
from detectors.compiled import compiled
from detectors.pairs import Pairs

FEWEST = 3


class SkewnessState(NamedTuple):
    """Everything needed to continue."""

    sums: Floats
    """Fading sums of 1, x, x^2 and x^3, shape (series, 4)."""
    points: Ints
    """Residuals so far, (series,)."""


class Skewness:
    """The skewness of many series."""

    def __init__(self, half_life: float, *, threads: int = 1) -> None:
        self._keep = memory.forgetting_factor(half_life)
        self._threads = threads

    def init(self, series: int) -> SkewnessState:
        """Make the state of series of which nothing was seen."""
        return SkewnessState(np.zeros((series, 4)), np.zeros(series, np.int64))

    def advance(self, state: SkewnessState, pairs: Pairs) -> tuple[SkewnessState, Floats]:
        """Take in the present values of valid pairs; give `g` after every tick, shape (tick, series).

        Raises ValueError: the number of series differs from the state's.
        """
        if pairs.present.shape[1:] != state.points.shape:
            raise ValueError(
                f"skewness: pairs of shape {pairs.present.shape} for a state of {state.points.size} series; "
                f"(tick, {state.points.size}) is needed"
            )
        new = SkewnessState(state.sums.copy(), state.points.copy())
        skewness = np.empty(pairs.present.shape)

        def run(first: int, last: int) -> None:
            _advance(pairs.present, pairs.valid, pairs.reset, *new, skewness, self._keep, first, last)

        share_series(run, pairs.present.shape[1], pairs.present.shape[0], self._threads)
        return new, skewness


@compiled
def _advance(
    present: Floats, valid: Flags, reset: Flags, sums: Floats, points: Ints, skewness: Floats, keep: float,
    first: int, last: int,
) -> None:  # fmt: skip
    for t in range(present.shape[0]):
        for s in range(first, last):
            if reset[t, s]:
                sums[s, 0] = sums[s, 1] = sums[s, 2] = sums[s, 3] = 0.0
                points[s] = 0
            if valid[t, s]:
                x = present[t, s]
                sums[s, 0] = keep * sums[s, 0] + 1.0
                sums[s, 1] = keep * sums[s, 1] + x
                sums[s, 2] = keep * sums[s, 2] + x * x
                sums[s, 3] = keep * sums[s, 3] + x * x * x
                points[s] += 1
            skewness[t, s] = np.nan
            if points[s] >= FEWEST:
                mean, square = sums[s, 1] / sums[s, 0], sums[s, 2] / sums[s, 0]
                variance = square - mean * mean
                # What rounding alone leaves of a constant is no variance.
                if variance > 1e-12 * square:
                    third = sums[s, 3] / sums[s, 0] - 3.0 * mean * square + 2.0 * mean * mean * mean
                    skewness[t, s] = third / math.sqrt(variance * variance * variance)
