"""Target less reference: what conditions a paired series.

Both were conditioned by themselves, so the difference of their pairs, past and present, is free of level, season and
scale of either; it is divided by its own running scale:

    p = (p_T - p_R) / sigma,   c = (c_T - c_R) / sigma,   sigma^2 <- sigma^2 + a_2H (min(d^2, 9 sigma^2) - sigma^2)

A tick at which either has no pair has none here. While the reference cannot be judged (missing, blind, learning) at
more than `patience` values of the target in a row, the target is judged *alone*, on its own pairs, from zero; and from
zero again when the reference is back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import half_life
from detectors.compiled import compiled
from detectors.pairs import Pairs
from sentinel.cadence import ABSENT, GAP, Block
from sentinel.conditioning.conditioner import Conditioned
from sentinel.snapshot import Reason

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

FIRST = 50
"""Values before a half is judged, whatever its own conditioner says: as many as a cadence may take to be learnt."""
_GAP = tuple(Reason).index(Reason.GAP)
_UNCLIPPED = 20
_WINSOR = 3.0


class Half(NamedTuple):
    """Target or reference at the ticks of a paired series, arrays of shape (tick, series)."""

    past: Floats
    present: Floats
    residual: Floats
    valid: Flags
    judged: Flags
    """There is a value, and it may be judged: neither blind nor learning."""


@dataclass(frozen=True, slots=True)
class PairedBlock(Block):
    """Closed ticks of paired series: ticks and values are the target's."""

    target: Half
    reference: Half
    reset: Flags
    """Of the target, like `learning` and `blind`."""
    learning: Flags
    blind: NDArray[np.int8]


class DifferenceState(NamedTuple):
    """Everything needed to continue; one row per series. Readers find the points in `counts[:, 0]`."""

    numbers: Floats
    """Variance of the difference; (series, 1)."""
    counts: Counts
    """Differences, and values of the target in a row without the reference; (series, 2)."""
    alone: Flags
    """The reference is missing: the target is judged alone; (series,)."""


class Differencing:
    """The difference of two conditioned series, for many of them.

    Parameters
    ----------
    level_half_life
        Of the target's level, ticks; the scale of the difference has twice that.
    patience
        Values of the target in a row without the reference before it is judged alone.
    """

    warm_up = _UNCLIPPED
    """Differences before the first pair."""

    def __init__(self, level_half_life: float, patience: int) -> None:
        self.patience = patience
        self._gain = half_life.gain(2.0 * level_half_life)

    def init(self, series: int) -> DifferenceState:
        """Nothing seen yet."""
        return DifferenceState(np.zeros((series, 1)), np.zeros((series, 2), np.int64), np.zeros(series, bool))

    def advance(self, state: DifferenceState, block: PairedBlock) -> tuple[DifferenceState, Conditioned]:
        """Take in a block; the state, whose rows are the block's columns, is not modified."""
        new = DifferenceState(state.numbers.copy(), state.counts.copy(), state.alone.copy())
        shape = block.value.shape
        past, present, own_past, own_present, residual = (np.zeros(shape) for _ in range(5))
        valid, reset, alone = (np.zeros(shape, bool) for _ in range(3))
        residual.fill(np.nan)
        _advance(
            block.kind, block.reset, *block.target, *block.reference, *new, past, present, own_past, own_present,
            residual, valid, reset, alone, self._gain, self.patience,
        )  # fmt: skip
        gap = block.kind == GAP
        learning, blind = block.learning | gap, np.where(gap, np.int8(_GAP), block.blind)
        pairs, own = Pairs(past, present, valid, reset), Pairs(own_past, own_present, valid, reset)
        return new, Conditioned(pairs, residual, learning, blind, own, alone)


@compiled
def _advance(
    kind: NDArray[np.int8], restarted: Flags,
    past_t: Floats, present_t: Floats, residual_t: Floats, valid_t: Flags, judged_t: Flags,
    past_r: Floats, present_r: Floats, residual_r: Floats, valid_r: Flags, judged_r: Flags,
    numbers: Floats, counts: Counts, is_alone: Flags,
    past: Floats, present: Floats, own_past: Floats, own_present: Floats, residual: Floats, valid: Flags,
    reset: Flags, alone: Flags, gain: float, patience: int,
) -> None:  # fmt: skip
    for t in range(kind.shape[0]):
        for s in range(kind.shape[1]):
            if kind[t, s] == ABSENT:
                alone[t, s] = is_alone[s]
                continue
            reset[t, s] = kind[t, s] == GAP or restarted[t, s]
            if judged_t[t, s]:
                counts[s, 1] = 0 if judged_r[t, s] else counts[s, 1] + 1
                if is_alone[s] != (counts[s, 1] > patience):
                    is_alone[s] = not is_alone[s]
                    reset[t, s] = True
            alone[t, s] = is_alone[s]
            if reset[t, s]:
                numbers[s, 0] = 0.0
                counts[s, 0] = 0
            if not judged_t[t, s]:
                continue
            if is_alone[s]:
                counts[s, 0] += 1
                residual[t, s] = residual_t[t, s]
                past[t, s], present[t, s], valid[t, s] = past_t[t, s], present_t[t, s], valid_t[t, s]
            elif judged_r[t, s]:
                d = residual_t[t, s] - residual_r[t, s]
                scale = _scale(d, numbers[s], counts[s], gain)
                if scale > 0.0:
                    residual[t, s] = d / scale
                    past[t, s] = (past_t[t, s] - past_r[t, s]) / scale
                    present[t, s] = (present_t[t, s] - present_r[t, s]) / scale
                    valid[t, s] = valid_t[t, s] and valid_r[t, s]
            own_past[t, s], own_present[t, s] = past_t[t, s], present_t[t, s]


@compiled
def _scale(d: float, number: Floats, count: Counts, gain: float) -> float:
    """The scale from before a difference, 0 while it is not known; the difference is then taken into it."""
    variance, n = number[0], count[0]
    if not math.isnan(d):
        square = d * d if n < _UNCLIPPED else min(d * d, _WINSOR * _WINSOR * variance)
        count[0] = n + 1
        number[0] = variance + max(gain, 1.0 / (n + 1)) * (square - variance)
    return math.sqrt(variance) if n >= _UNCLIPPED else 0.0
