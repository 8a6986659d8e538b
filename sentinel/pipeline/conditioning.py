"""Conditioning: values become residuals, causally; what cannot be judged makes a series blind.

`Conditioner` takes out season, level and scale and watches the sensor; `Differencing` takes its place in a comparison.
The recurrences are in `kernel.py` and `difference.py`.

A comparison is target less counterpart, each conditioned by itself, divided by the difference's own running scale. The
change of spread is that of the target less that of the counterpart. Evidence on spread is gathered on the target's own
deviations, divided by the rise of the counterpart's, at the ticks before which the change was above `apart`: weather
that shakes both is no evidence, nor is a counterpart that becomes quiet.

While the counterpart cannot be judged (missing, blind, learning) at more than `patience` values of the target in a row,
the target is judged *alone*, on its own pairs, from zero; and from zero again when the counterpart is back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from detectors import half_life
from detectors.bank import share_series
from detectors.pairs import Pairs
from sentinel.domain.states import REASONS, Reason
from sentinel.pipeline import arrays, columns, difference, fills, kernel
from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints
from sentinel.pipeline.grid import ABSENT, GAP, Block
from sentinel.pipeline.plan import Plan

MOST_BINS = 24
"""Pieces, at most, into which a season is cut."""
WINSOR = 3.0
"""Scales from the level at which a deviation is cut before level, slope and scale follow it."""
_LARGEST = 1e150  # the square of a deviation beyond this is not a number any more
_GAP, _TOO_COARSE = (np.int8(REASONS.index(why)) for why in (Reason.GAP, Reason.TOO_COARSE))


def season_bins(period: float) -> int:
    """Number of pieces into which a season of that many ticks is cut."""
    return max(2, min(MOST_BINS, int(period)))


class ConditionerState(NamedTuple):
    """Everything needed to continue; one row per series."""

    numbers: Floats
    """`LEVEL`, `SLOPE`, `VARIANCE`, `LAST` value less season, `LAST_VALUE`, `TIE_SHARE`, `FIRST_TICK`, and `EARLIER`:
    the last value but one less season; (series, 8)."""
    counts: Ints
    """`POINTS` and `TIE_TESTS` so far; ticks in a row that are `MISSING`, `TIED`, `OUTSIDE` the range or `IMPLAUSIBLE`,
    and values in a row of which each is `ISOLATED`, without one a tick before; (series, 7)."""
    season: Floats
    """`SLOW_LEVEL`, `SLOW_SPREAD` and `SLOW_SLOPE` of each period; (series, period, 3)."""
    season_updates: Ints
    """(series, period)."""
    bins: Floats
    """Season estimate by bin, all periods one after the other; (series, bins)."""
    visits: Ints
    """(series, bins)."""
    far: Floats
    """Far values; columns of `fills.py`, (series, 15)."""
    start: Floats
    """The first values, while they may be spoilt; NaN once they are known not to be; (series, 21)."""
    start_tick: Ints
    """Their ticks."""
    kept: Ints
    """Values before the last gap, where a series keeps across gaps what it has learnt; (series,)."""
    jump: Floats
    """Fading mean of how far two values in a row lie apart that differ; (series,)."""


class Target(NamedTuple):
    """The target of a comparison, known beside the difference; arrays of shape (tick, series)."""

    pairs: Pairs
    """Of the target, valid where those of the difference are."""
    second: Pairs
    """Of the target's second stage."""
    before: Floats
    scale: Floats
    """Unit of the target's pairs, smaller where the counterpart's spread has risen."""
    spread: Floats
    """Log-variance change of the target less that of the counterpart."""
    apart: Flags
    """By the tick before, the target's spread had risen above that of the counterpart; always while it is alone."""
    alone: Flags
    """The counterpart is missing."""
    adjusted: Floats
    """Deviation of the target from its level, in its scales; NaN where it cannot be judged."""


class Conditioned(NamedTuple):
    """A block of ticks after conditioning; arrays of shape (tick, series)."""

    pairs: Pairs
    before: Floats
    """The value before the past one, in the pair's units; NaN where it is missing, or a stuck sensor is between."""
    scale: Floats
    """Unit of the pair; 1 where values are taken as residuals."""
    square: Floats
    """Winsorised square of the deviation from the predicted level; NaN while the first level is still sought."""
    residual: Floats
    """Present value in units of the scale; NaN where missing or not ready."""
    adjusted: Floats
    """Value without its season; of a comparison the deviation from its level. NaN where missing, where blind (not for
    being too coarse at the tick), or while the season is not known."""
    learning: Flags
    blind: Codes
    """Index into `tuple(Reason)`; 0 = not blind."""
    target: Target | None = None
    """Of a comparison only."""


class ConditionerTable(NamedTuple):
    """The settings of the recurrences."""

    level_gain: float
    slope_gain: float
    scale_gain: float
    cut: float
    """Scales at which a deviation is cut."""
    periods: Floats
    """Of the seasons, in ticks; likewise the number of their bins."""
    n_bins: Ints
    season_gains: Floats
    """Of the slow level and of the bins; (period, 2)."""
    lowest: float
    highest: float
    farthest: float
    """Scales from the level."""
    coarse_steps: float
    warm_up: int
    stuck_after: int
    blind_after: int
    first_square: int
    none: bool
    """Values are residuals already."""
    keeps: bool
    """True where level, scale and season outlast a gap."""


class Conditioner:
    """Level, trend, season and scale of many series, one pass, from the past only."""

    def __init__(self, plan: Plan, *, threads: int = 1) -> None:
        self._threads, self._resolution = threads, plan.resolution
        gain = half_life.gain(plan.level_half_life)
        gains = [
            (half_life.gain(period), half_life.gain(memory))
            for period, memory in zip(plan.seasons, plan.season_half_lives, strict=True)
        ]
        self._table = ConditionerTable(
            level_gain=gain, slope_gain=gain * gain / 4.0, scale_gain=half_life.gain(plan.scale_half_life), cut=WINSOR,
            periods=np.array(plan.seasons, np.float64),
            n_bins=np.array([season_bins(period) for period in plan.seasons], np.int64),
            season_gains=np.array(gains, np.float64).reshape(-1, 2),
            lowest=max(float(plan.lowest), -_LARGEST), highest=min(float(plan.highest), _LARGEST),
            farthest=float(plan.implausible), coarse_steps=float(plan.coarse_steps),
            warm_up=plan.level_warm_up if plan.conditioning else 0, stuck_after=plan.stuck_after,
            blind_after=plan.blind_after_missing, first_square=plan.first_square, none=not plan.conditioning,
            keeps=plan.keeps,
        )  # fmt: skip

    def init(self, series: int) -> ConditionerState:
        """Make the state of series of which nothing was seen."""
        numbers = np.full((series, 8), np.nan)
        numbers[:, [columns.LEVEL, columns.SLOPE, columns.VARIANCE, columns.TIE_SHARE]] = 0.0
        bins, periods = int(self._table.n_bins.sum()), self._table.periods.size
        return ConditionerState(
            numbers, np.zeros((series, 7), np.int64), np.zeros((series, periods, 3)),
            np.zeros((series, periods), np.int64), np.zeros((series, bins)), np.zeros((series, bins), np.int64),
            fills.fresh(series), np.full((series, fills.START), np.nan), np.zeros((series, fills.START), np.int64),
            np.zeros(series, np.int64), np.zeros(series),
        )  # fmt: skip

    def advance(self, state: ConditionerState, block: Block) -> tuple[ConditionerState, Conditioned]:
        """Condition a block; the state, whose rows are the block's columns, is not modified."""
        new, shape, value = arrays.copy(state), block.value.shape, block.value
        if self._resolution > 0.0:  # a product of whole numbers: equal values stay equal
            value = np.rint(value / self._resolution) * self._resolution
        pairs = Pairs(np.zeros(shape), np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool))
        found = Conditioned(
            pairs, np.full(shape, np.nan), np.ones(shape), np.full(shape, np.nan), np.full(shape, np.nan),
            np.full(shape, np.nan), np.zeros(shape, bool), np.zeros(shape, np.int8),
        )  # fmt: skip
        out = found._asdict() | {"pairs": (pairs.past, pairs.present, pairs.valid, pairs.reset)}

        def run(first: int, last: int) -> None:
            kernel.condition(value, block.kind, block.tick, new, Conditioned(**out), self._table, first, last)

        share_series(run, shape[1], shape[0], self._threads)
        # What is too coarse at the tick may be read in means of several.
        found.adjusted[(found.blind != 0) & (found.blind != _TOO_COARSE)] = np.nan
        return new, found


class Side(NamedTuple):
    """Target or counterpart at the ticks of a comparison, arrays of shape (tick, series), or one entry per tick."""

    past: Floats
    present: Floats
    residual: Floats
    valid: Flags
    judged: Flags
    """There is a value, and it may be judged: neither blind nor learning."""
    before: Floats
    scale: Floats
    spread: Floats
    second_past: Floats
    second_present: Floats
    second_valid: Flags
    reset: Flags
    learning: Flags
    blind: Codes
    """Index into `tuple(Reason)`; 0 = it can be judged. Comparisons start anew, learn and are blind with them."""


@dataclass(frozen=True, slots=True)
class ComparisonBlock(Block):
    """Closed ticks of comparisons: ticks and values are the target's."""

    target: Side
    counterpart: Side


class DifferenceState(NamedTuple):
    """Everything needed to continue; one row per series."""

    numbers: Floats
    """`DIFFERENCE_VARIANCE`, last known change of spread `COUNTERPART_SPREAD`, and `CHANGE` of the two; (series, 3)."""
    counts: Ints
    """`POINTS`: differences so far; `WITHOUT`: values of the target in a row without the counterpart; (series, 2)."""
    alone: Flags
    """The counterpart is missing: the target is judged alone; (series,)."""


class Differencing:
    """The difference of two conditioned series, of many comparisons, whose scale is forgotten as the target's."""

    def __init__(self, plan: Plan) -> None:
        self._patience, self._apart = plan.blind_after_missing, plan.apart
        self._gain = half_life.gain(plan.scale_half_life)

    def init(self, series: int) -> DifferenceState:
        """Make the state of series of which nothing was seen."""
        numbers = np.zeros((series, 3))
        numbers[:, difference.CHANGE] = np.nan
        return DifferenceState(numbers, np.zeros((series, 2), np.int64), np.zeros(series, bool))

    def advance(self, state: DifferenceState, block: ComparisonBlock) -> tuple[DifferenceState, Conditioned]:
        """Take in a block; the state, whose rows are the block's columns, is not modified."""
        new, shape = arrays.copy(state), block.value.shape
        target, counterpart = block.target, block.counterpart
        unit, risen, spread, before = (np.full(shape, np.nan) for _ in range(4))
        reset, alone = np.zeros(shape, bool), np.zeros(shape, bool)
        difference.subtract(
            block.kind, target.reset, target.residual, counterpart.residual, target.judged, counterpart.judged,
            target.spread, counterpart.spread, *new, unit, risen, spread, before, reset, alone, self._gain,
            WINSOR * WINSOR, self._patience,
        )  # fmt: skip

        def less(own: Floats, other: Floats) -> Floats:
            """Take the target's own while it is alone, else the difference by its scale; NaN where there is neither."""
            return np.where(alone, np.where(target.judged, own, np.nan), (own - other) / unit)

        # Where a column has ended the sides repeat its last tick, which is no pair again.
        valid = (block.kind != ABSENT) & target.valid
        valid &= np.where(alone, target.judged, counterpart.valid & ~np.isnan(unit))
        past, present = less(target.past, counterpart.past), less(target.present, counterpart.present)
        gap = block.kind == GAP
        own = Target(
            Pairs(target.past, target.present, valid, reset),
            Pairs(target.second_past, target.second_present, valid & target.second_valid, reset),
            target.before, target.scale * np.exp(-0.5 * np.where(alone, 0.0, np.nan_to_num(risen))),
            spread, alone | (before > self._apart), alone, np.where(target.judged, target.residual, np.nan),
        )  # fmt: skip
        residual = less(target.residual, counterpart.residual)
        return new, Conditioned(
            Pairs(np.where(valid, past, 0.0), np.where(valid, present, 0.0), valid, reset),
            less(target.before, counterpart.before), np.ones(shape), np.full(shape, np.nan),
            residual, residual, target.learning | gap,
            np.where(gap, _GAP, target.blind), own,
        )  # fmt: skip
