r"""The mean square: two LSTM cells whose difference averages the square of their input.

Derivation
----------
One cell cannot square: its candidate is odd, its gates are monotone. A differential pair can. Fed with the same value d
as past and present, with input weights ±2e and candidate weight e, the pair adds up

    s = (sigmoid(2 e d) - sigmoid(-2 e d)) tanh(e d) = tanh(e d)^2,

which is the null detector of threshold 0 looking at a value and itself. So `C <- f C + s`, and

    mean square = (1 - f) C / e^2

is the exponential average of `tanh(e d)^2 / e^2`. Since `y^2 - tanh(y)^2` lies between 0 and `2 y^4 / 3`, it falls
short of the exact average by at most

    (2 / 3) e^2 D^4,        D = largest |d| so far.

Each cell by itself holds a sum of order e, their difference one of order e^2: what rounding leaves is of order
1e-16 / e, so that e between 1e-3 and 1e-5 is best. A larger e (1/3 of a scale) bounds the square: a robust scale.

Table, with G = 40 (a shut gate)
--------------------------------
=========  =============  ==========  ================  ==============================  ==========
gate       `past`         `present`   `valid`           `reset`                         bias
=========  =============  ==========  ================  ==============================  ==========
input      ± 2 e          0           G                 0                               -G
forget     0              0           -G                -(2 G + logit f)                logit f + G
candidate  0              e           0                 0                               0
output     0              0           0                 0                               G
=========  =============  ==========  ================  ==============================  ==========

Invariants (checked on construction)
------------------------------------
Those of a `NullDetector` of threshold 0.

References: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000; the average: J.P. Morgan/Reuters 1996.
"""

from __future__ import annotations

from detectors import half_life as memory
from detectors.cell import SHUT, CellTable, Gate
from detectors.tables.lag1 import NullDetector

INPUT_GAIN = 1e-4
"""e: a value of 10 scales loses 7e-7 of its square in the two tanh."""


def scale(half_life: float, *, input_gain: float = INPUT_GAIN) -> NullDetector:
    """The pair whose difference, times `(1 - f) / input_gain^2`, is the mean square of what is fed as past and present.

    Raises ValueError: the half-life is out of range or the gain is not a positive number.
    """
    logit_f = memory.forget_bias(half_life)

    def cell(sign: float) -> CellTable:
        return CellTable(
            name=f"scale({half_life:g}){'+' if sign > 0 else '-'}",
            input=Gate({"past": sign * 2.0 * input_gain, "valid": SHUT}, -SHUT),
            forget=Gate({"valid": -SHUT, "reset": -(2.0 * SHUT + max(logit_f, 0.0))}, logit_f + SHUT),
            candidate=Gate({"present": input_gain}),
            output=Gate({}, SHUT),
        )

    return NullDetector("scale", 0.0, cell(1.0), cell(-1.0))
