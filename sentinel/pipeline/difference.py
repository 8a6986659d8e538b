"""The recurrence of a comparison: a target less its counterpart, one tick after another.

The difference of target and counterpart, d = residual_T - residual_R, has a scale of its own, `a` and `w` being
gain and cut of the target's scale:

    p = (p_T - p_R) / sigma,   c = (c_T - c_R) / sigma,   sigma^2 <- sigma^2 + a (min(d^2, w^2 sigma^2) - sigma^2)
"""

from __future__ import annotations

import math

import numpy as np

from detectors.compiled import compiled, part
from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints
from sentinel.pipeline.grid import ABSENT, GAP
from sentinel.pipeline.plan import UNCLIPPED

# Columns of the state's arrays; what they hold is said in `conditioning.py`.
POINTS, WITHOUT = range(2)
DIFFERENCE_VARIANCE, COUNTERPART_SPREAD, CHANGE = range(3)


@compiled
def subtract(
    kind: Codes, restarted: Flags, residual: Floats, residual_r: Floats, judged: Flags, judged_r: Flags,
    spread_t: Floats, spread_r: Floats, numbers: Floats, counts: Ints, is_alone: Flags,
    unit: Floats, risen: Floats, spread: Floats, before: Floats, reset: Flags, alone: Flags, gain: float, cut: float,
    patience: int,
) -> None:  # fmt: skip
    """Advance the difference of target and counterpart (`_r`) in place; see `conditioning.py` for the arrays."""
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
                    numbers[s, DIFFERENCE_VARIANCE] = numbers[s, COUNTERPART_SPREAD] = 0.0
                    numbers[s, CHANGE] = np.nan
                    counts[s, POINTS] = 0
                before[t, s] = numbers[s, CHANGE]
                if judged[t, s] and is_alone[s]:
                    counts[s, POINTS] += 1
                    numbers[s, CHANGE] = spread_t[t, s]
                elif judged[t, s] and judged_r[t, s]:
                    numbers[s, CHANGE] = spread_t[t, s] - spread_r[t, s]
                    scale = _scale(residual[t, s] - residual_r[t, s], numbers[s], counts[s], gain, cut)
                    unit[t, s] = scale if scale > 0.0 else np.nan
                risen[t, s], spread[t, s] = max(0.0, numbers[s, COUNTERPART_SPREAD]), numbers[s, CHANGE]
                if judged[t, s] and not math.isnan(spread_r[t, s]):
                    numbers[s, COUNTERPART_SPREAD] = spread_r[t, s]
            alone[t, s] = is_alone[s]


@part
def _scale(d: float, number: Floats, count: Ints, gain: float, cut: float) -> float:
    """Return the scale from before a difference, 0 while it is not known, then let it learn the difference."""
    variance, n = number[DIFFERENCE_VARIANCE], count[POINTS]
    if not math.isnan(d):
        square = d * d if n < UNCLIPPED else min(d * d, cut * variance)
        count[POINTS] = n + 1
        number[DIFFERENCE_VARIANCE] = variance + max(gain, 1.0 / (n + 1)) * (square - variance)
    return math.sqrt(variance) if n >= UNCLIPPED else 0.0
