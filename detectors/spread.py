r"""Spread: how much larger the prediction errors have become than they were at first.

    l = log(EW mean of min(d^2, 9 sigma^2)) - log(the same over the first N points)

with `d` the deviation from the predicted level, `sigma` the scale of the tick before, the fading mean's half-life that
of the bank and corrected for its start. 0 = as at first, log 4 = twice as wide. A rise of spread alone is more noise or
larger shocks, not slowing; slowing raises both.

`l` is given from some of those points on, against the ones there are: a longer baseline need not be waited for.

Where past seasons are remembered, the first N points after each gap are the season's own baseline, and what was known
before is added to it: the points of earlier seasons up to `MEMORY`, but for those at which l was above `QUIET`.

**Criticality** puts the two together, `atanh(min(modulus, 0.995)) + l`: the one number by which series are
ranked, larger = closer to critical. It ranks, it does not alarm.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from detectors import half_life as memory
from detectors.arrays import Flags, Floats, Ints
from detectors.bank import share_series
from detectors.compiled import compiled, part
from detectors.pairs import one_layout

LARGEST_MODULUS = 0.995

FADING, WEIGHT, FIRST = range(3)
PAST, PAST_POINTS, LATER, LATER_POINTS = range(4)
MEMORY = 100.0
"""Points of past seasons that count, at most: the season's own should not vanish among them."""
SOON = 10
"""Points of a season from which it is judged where enough of earlier ones are remembered."""
QUIET = 1.0
"""Change of spread above which a point is not remembered: a bloom is no baseline."""


class SpreadState(NamedTuple):
    """Everything needed to continue."""

    numbers: Floats
    """`FADING` sum, its `WEIGHT`, and the sum of the `FIRST` points; (series, 3)."""
    points: Ints
    """Points so far, (series,)."""
    seasons: Floats
    """Sum of the `PAST` points of earlier seasons and their number, the same of the quiet points of this season that
    came `LATER` than its baseline; (series, 4)."""
    held: Ints
    """Points in the sum of the first ones, (series,); an earlier version kept fewer."""


class Spread:
    """The spread of many series against their first `baseline` points."""

    def __init__(
        self, half_life: float, baseline: int, given_from: int | None = None, *, remembers: bool = False,
        threads: int = 1,
    ) -> None:  # fmt: skip
        """`given_from` = points of the baseline from which it says something; None = all of them."""
        given_from = baseline if given_from is None else given_from
        if not 2 <= given_from <= baseline:
            raise ValueError(f"spread: given from {given_from} of {baseline} points on; 2 points or more, all at most")
        self._keep = memory.forgetting_factor(half_life)
        self._baseline, self.given_from = baseline, given_from
        self._remembers = remembers
        self._threads = threads

    def init(self, series: int) -> SpreadState:
        """Nothing seen."""
        return SpreadState(
            np.zeros((series, 3)), np.zeros(series, np.int64), np.zeros((series, 4)), np.zeros(series, np.int64)
        )

    def advance(
        self, state: SpreadState, square: Floats, reset: Flags, gap: Flags | None = None
    ) -> tuple[SpreadState, Floats]:
        """Take in winsorised squares, shape (tick, series), NaN = none; `l`, NaN until it can be given.

        A reset empties a series; one at a `gap` leaves what was seen before as a past that the spread is held against.

        Raises ValueError: the number of series differs from the state's.
        """
        if square.shape[1:] != state.points.shape or reset.shape != square.shape:
            raise ValueError(
                f"spread: squares of shape {square.shape} and resets of shape {reset.shape} for a state of "
                f"{state.points.size} series; (tick, {state.points.size}) is needed"
            )
        new = SpreadState(state.numbers.copy(), state.points.copy(), state.seasons.copy(), state.held.copy())
        spread = np.empty(square.shape)
        square, reset = one_layout(square), one_layout(reset)
        gap = np.zeros_like(reset) if gap is None else one_layout(gap)

        def run(first: int, last: int) -> None:
            _advance(
                square, reset, gap, *new, spread, self._keep, self._baseline, self.given_from, self._remembers,
                first, last,
            )  # fmt: skip

        share_series(run, square.shape[1], square.shape[0], self._threads)
        return new, spread


@compiled
def _advance(
    square: Floats, reset: Flags, gap: Flags, numbers: Floats, points: Ints, seasons: Floats,
    held: Ints, spread: Floats, keep: float, baseline: int, given_from: int, remembers: bool, first: int,
    last: int,
) -> None:  # fmt: skip
    for t in range(square.shape[0]):
        for s in range(first, last):
            if reset[t, s]:
                _end_season(numbers[s], held[s], seasons[s], gap[t, s])
                numbers[s, FADING] = numbers[s, WEIGHT] = numbers[s, FIRST] = 0.0
                points[s] = held[s] = 0
            q = square[t, s]
            if not math.isnan(q):
                numbers[s, FADING] = keep * numbers[s, FADING] + q
                numbers[s, WEIGHT] = keep * numbers[s, WEIGHT] + 1.0
                if held[s] < baseline and held[s] == points[s]:
                    numbers[s, FIRST] += q
                    held[s] += 1
                points[s] += 1
            soon = points[s] >= SOON and seasons[s, PAST_POINTS] >= given_from
            if (points[s] >= given_from or soon) and numbers[s, FIRST] > 0.0 and numbers[s, FADING] > 0.0:
                spread[t, s] = math.log(numbers[s, FADING] / numbers[s, WEIGHT]) - math.log(
                    (numbers[s, FIRST] + seasons[s, PAST]) / (held[s] + seasons[s, PAST_POINTS])
                )
                if remembers and points[s] > held[s] and not math.isnan(q) and spread[t, s] < QUIET:
                    seasons[s, LATER] += q
                    seasons[s, LATER_POINTS] += 1.0
            else:
                spread[t, s] = np.nan


@part
def _end_season(numbers: Floats, first: int, seasons: Floats, remembers: bool) -> None:
    """Add a season to the past, or forget all of them."""
    if not remembers:
        seasons[:] = 0.0
        return
    total = seasons[PAST] + numbers[FIRST] + seasons[LATER]
    points = seasons[PAST_POINTS] + first + seasons[LATER_POINTS]
    share = min(1.0, MEMORY / points) if points > 0.0 else 0.0
    seasons[PAST], seasons[PAST_POINTS] = share * total, share * points
    seasons[LATER] = seasons[LATER_POINTS] = 0.0


def criticality(modulus: Floats, spread: Floats) -> Floats:
    """`atanh(min(modulus, 0.995)) + l`; NaN where either is."""
    return np.arctanh(np.minimum(modulus, LARGEST_MODULUS)) + spread
