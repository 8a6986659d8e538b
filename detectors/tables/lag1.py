r"""The lag-1 null detector: an LSTM cell pair that rests at zero when lag-1 autocorrelation equals its threshold.

Derivation
----------
A *pair* `(p, c)` is a past and a present value, centred by the same level and divided by the same scale. For a
threshold `r` the detector adds up

    s(r) = g h,      g = tanh(w p / 2),      h = tanh(kappa (c - r p)).

*Zero at the threshold.* Let `c = rho p + e` with `e` symmetric given the past. At `r = rho` the second factor is
`tanh(kappa e)`: odd in a symmetric variable that does not depend on `p`. Hence `E[s | past] = 0`, whatever the tails of
`e` and however its variance moves. For `rho > r` the second factor leans to the side of `p`, so `E[s | past] >= 0`;
for `rho < r` to the other. For a stationary Gaussian process of any order the unconditional mean is zero exactly at
`r` = its lag-1 autocorrelation, because `c - r p` is then independent of `p`.

*Bounded influence.* For small signals `s` is proportional to the score `p (c - r p)` of an AR(1) likelihood at `r`. The
two tanh bound it: one pair moves it by at most 1, one spike (it is in two pairs) by at most 2.

*It is an LSTM.* `sigmoid(a) - sigmoid(-a) = tanh(a / 2)`. So two cells that differ only in the sign of their
input-gate weight on `p`, and share the candidate `h`, have the difference

    C = c_plus - c_minus,        C <- f C + s(r).

The *differential pair* cancels what a single cell carries as noise, and most of the bias of skewed innovations. The
forget gate is the half-life: `f = 2^(-1/H)`.

Table, with G = 40 (a shut gate)
--------------------------------
=========  =============  ==========  ================  ==============================  ==========
gate       `past`         `present`   `valid`           `reset`                         bias
=========  =============  ==========  ================  ==============================  ==========
input      ± w            0           G                 0                               -G
forget     0              0           -G                -(2 G + logit f)                logit f + G
candidate  -kappa r       kappa       0                 0                               0
output     0              0           0                 0                               G
=========  =============  ==========  ================  ==============================  ==========

Without a valid pair (`valid` = 0, and `p = c = 0` is fed: a large p would leak past G) the input gate is shut and the
forget gate is 1 exactly. A reset shuts the forget gate to `sigmoid(-G)` or less at every half-life.

Invariants (checked on construction)
------------------------------------
The pair differs in the sign of the input weight only; threshold in (-1, 1); what `CellTable` demands.

References: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000; the slowing-down statistic: Scheffer et
al. 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from detectors import half_life as memory
from detectors.cell import SHUT, CellTable, Gate

INPUT_WEIGHT = 1.5
"""w: where the past value saturates; 1.5 costs 5 to 10 % of the Gaussian information and bounds every spike."""

KAPPA = 1.5
"""Factor on the prediction error before it saturates; one for a whole bank, so that thresholds are nested."""


@dataclass(frozen=True, slots=True)
class NullDetector:
    """A differential pair of cells: reads zero, on average, when its input's lag-1 autocorrelation is `threshold`."""

    kind: str
    threshold: float
    plus: CellTable
    minus: CellTable

    def __post_init__(self) -> None:
        if not -1.0 < self.threshold < 1.0:
            raise ValueError(f"{self.kind}: threshold {self.threshold!r}; a number between -1 and 1 is needed")
        same = ("forget", "candidate", "output")
        if any(getattr(self.plus, gate) != getattr(self.minus, gate) for gate in same):
            raise ValueError(f"{self.kind}: the two cells of a pair may differ in the input gate only")
        mirrored = Gate(
            {**self.minus.input.weights, "past": -self.minus.input.weights.get("past", 0.0)}, self.minus.input.bias
        )
        if self.plus.input != mirrored or self.input_weight <= 0.0:
            raise ValueError(f"{self.kind}: the input weights on `past` must be +w and -w, with w > 0")
        if abs(self.plus.candidate.weights.get("past", 0.0) + self.kappa * self.threshold) > 1e-12 * self.kappa:
            raise ValueError(
                f"{self.kind}: the candidate's weights are not (-kappa r, kappa) for r = {self.threshold!r}"
            )

    @property
    def input_weight(self) -> float:
        """`w`, dimensionless."""
        return self.plus.input.weights.get("past", 0.0)

    @property
    def kappa(self) -> float:
        """`kappa`, dimensionless."""
        return self.plus.candidate.weights.get("present", 0.0)

    @property
    def half_life(self) -> float:
        """Half-life in steps."""
        return self.plus.half_life

    @property
    def forgetting_factor(self) -> float:
        """Part of the pair's difference that is left after one valid step."""
        return self.plus.forgetting_factor


# The same detectors stand in the plan of every cadence; a table is checked once, and nobody can change it.
@lru_cache(maxsize=1024, typed=True)
def lag1(
    threshold: float, half_life: float, *, kappa: float = KAPPA, input_weight: float = INPUT_WEIGHT
) -> NullDetector:
    """The lag-1 null detector for a threshold in (-1, 1) and a half-life in steps.

    Raises ValueError: threshold or half-life is out of range.
    """
    if not -1.0 < threshold < 1.0:
        raise ValueError(f"lag1: threshold {threshold!r}; a number between -1 and 1 is needed")
    logit_f = memory.forget_bias(half_life)

    def cell(sign: float) -> CellTable:
        return CellTable(
            name=f"lag1({threshold:g}){'+' if sign > 0 else '-'}",
            input=Gate({"past": sign * input_weight, "valid": SHUT}, -SHUT),
            forget=Gate({"valid": -SHUT, "reset": -(2.0 * SHUT + max(logit_f, 0.0))}, logit_f + SHUT),
            candidate=Gate({"past": -kappa * threshold, "present": kappa}),
            output=Gate({}, SHUT),
        )

    return NullDetector("lag1", threshold, cell(1.0), cell(-1.0))
