"""Target less counterpart: the conditioning of a comparison.

Both were conditioned by themselves, so the difference of their pairs, past and present, is free of level, season and
scale of either; it is divided by its own running scale:

    p = (p_T - p_R) / sigma,   c = (c_T - c_R) / sigma,   sigma^2 <- sigma^2 + a (min(d^2, w^2 sigma^2) - sigma^2)

with the gain `a` and the cut `w` of the target's scale. The change of spread is that of the target less that of the
counterpart. Evidence on spread is gathered on the target's own deviations, divided by the rise of the counterpart's, at
the ticks before which the change was above `apart` [0.4; the log of the least ratio of a rule]: weather that shakes
both is no evidence, nor is a counterpart that becomes quiet.

A tick at which either has no pair has none here. While the counterpart cannot be judged (missing, blind, learning) at
more than `patience` values of the target in a row, the target is judged *alone*, on its own pairs, from zero; and from
zero again when the counterpart is back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import half_life
from detectors.compiled import compiled, part
from detectors.pairs import Pairs
from sentinel.domain.states import Reason
from sentinel.pipeline.conditioning.conditioner import WINSOR, Conditioned, Target
from sentinel.pipeline.conditioning.kernel import POINTS
from sentinel.pipeline.grid import ABSENT, GAP, Block

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

FIRST = 50
"""Values before a side is judged, whatever its own conditioner says: as many as a cadence may take to be learnt."""
_GAP = tuple(Reason).index(Reason.GAP)
_UNCLIPPED = 20
VARIANCE, COUNTERPART_SPREAD, SPREAD = range(3)
WITHOUT = POINTS + 1


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
    blind: NDArray[np.int8]
    """Index into `tuple(Reason)`; 0 = it can be judged. Comparisons start anew, learn and are blind with them."""


@dataclass(frozen=True, slots=True)
class ComparisonBlock(Block):
    """Closed ticks of comparisons: ticks and values are the target's."""

    target: Side
    counterpart: Side


class DifferenceState(NamedTuple):
    """Everything needed to continue; one row per series."""

    numbers: Floats
    """`VARIANCE` of the difference, last known change of spread of the counterpart, and of the two; (series, 3)."""
    counts: Counts
    """`POINTS`: differences so far; `WITHOUT`: values of the target in a row without the counterpart; (series, 2)."""
    alone: Flags
    """The counterpart is missing: the target is judged alone; (series,)."""


class Differencing:
    """The difference of two conditioned series, for many comparisons at once.

    Parameters
    ----------
    scale_half_life
        Of the target's scale and of that of the difference, ticks.
    patience
        Values of the target in a row without the counterpart before it is judged alone.
    apart
        Change of spread, log-variance, from which evidence on spread is gathered.
    """

    warm_up = _UNCLIPPED
    """Differences before the first pair."""

    def __init__(self, scale_half_life: float, patience: int, apart: float) -> None:
        self.patience = patience
        self._gain = half_life.gain(scale_half_life)
        self._cut = WINSOR * WINSOR
        self._apart = apart

    def init(self, series: int) -> DifferenceState:
        """Nothing seen yet."""
        numbers = np.zeros((series, 3))
        numbers[:, SPREAD] = np.nan
        return DifferenceState(numbers, np.zeros((series, 2), np.int64), np.zeros(series, bool))

    def advance(self, state: DifferenceState, block: ComparisonBlock) -> tuple[DifferenceState, Conditioned]:
        """Take in a block; the state, whose rows are the block's columns, is not modified."""
        new = DifferenceState(state.numbers.copy(), state.counts.copy(), state.alone.copy())
        shape = block.value.shape
        target, counterpart = block.target, block.counterpart
        unit, risen, spread, before = (np.full(shape, np.nan) for _ in range(4))
        reset, alone = np.zeros(shape, bool), np.zeros(shape, bool)
        _advance(
            block.kind, target.reset, target.residual, counterpart.residual, target.judged, counterpart.judged,
            target.spread, counterpart.spread, *new, unit, risen, spread, before, reset, alone, self._gain, self._cut,
            self.patience,
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
            spread, alone | (before > self._apart), alone,
        )  # fmt: skip
        return new, Conditioned(
            Pairs(np.where(valid, past, 0.0), np.where(valid, present, 0.0), valid, reset),
            less(target.before, counterpart.before), np.ones(shape), np.full(shape, np.nan),
            less(target.residual, counterpart.residual), target.learning | gap,
            np.where(gap, np.int8(_GAP), target.blind), own,
        )  # fmt: skip


@compiled
def _advance(
    kind: NDArray[np.int8], restarted: Flags, residual: Floats, residual_r: Floats, judged: Flags, judged_r: Flags,
    spread_t: Floats, spread_r: Floats, numbers: Floats, counts: Counts, is_alone: Flags,
    unit: Floats, risen: Floats, spread: Floats, before: Floats, reset: Flags, alone: Flags, gain: float, cut: float,
    patience: int,
) -> None:  # fmt: skip
    for t in range(kind.shape[0]):
        for s in range(kind.shape[1]):
            if kind[t, s] != ABSENT:
                reset[t, s] = kind[t, s] == GAP or restarted[t, s]
                if judged[t, s]:
                    counts[s, WITHOUT] = 0 if judged_r[t, s] else counts[s, WITHOUT] + 1
                    if is_alone[s] != (counts[s, WITHOUT] > patience):
                        is_alone[s] = not is_alone[s]
                        reset[t, s] = True
                if reset[t, s]:
                    numbers[s, VARIANCE] = numbers[s, COUNTERPART_SPREAD] = 0.0
                    numbers[s, SPREAD] = np.nan
                    counts[s, POINTS] = 0
                before[t, s] = numbers[s, SPREAD]
                if judged[t, s] and is_alone[s]:
                    counts[s, POINTS] += 1
                    numbers[s, SPREAD] = spread_t[t, s]
                elif judged[t, s] and judged_r[t, s]:
                    numbers[s, SPREAD] = spread_t[t, s] - spread_r[t, s]
                    scale = _scale(residual[t, s] - residual_r[t, s], numbers[s], counts[s], gain, cut)
                    unit[t, s] = scale if scale > 0.0 else np.nan
                risen[t, s], spread[t, s] = max(0.0, numbers[s, COUNTERPART_SPREAD]), numbers[s, SPREAD]
                if judged[t, s] and not math.isnan(spread_r[t, s]):
                    numbers[s, COUNTERPART_SPREAD] = spread_r[t, s]
            alone[t, s] = is_alone[s]


@part
def _scale(d: float, number: Floats, count: Counts, gain: float, cut: float) -> float:
    """Return the scale from before a difference, 0 while it is not known, then let it learn the difference."""
    variance, n = number[VARIANCE], count[POINTS]
    if not math.isnan(d):
        square = d * d if n < _UNCLIPPED else min(d * d, cut * variance)
        count[POINTS] = n + 1
        number[VARIANCE] = variance + max(gain, 1.0 / (n + 1)) * (square - variance)
    return math.sqrt(variance) if n >= _UNCLIPPED else 0.0
