r"""The tied-gate average: an LSTM cell in its linear range that holds an exponential average.

Derivation
----------
An exponential average moves by the gain `a = 1 - f` of each new value, `m <- f m + a x`. A cell whose input gate is
tied to its forget gate, `i = 1 - f`, does the same to its candidate:

    c <- f c + (1 - f) tanh(e x),        m = c / e.

Since `sigmoid(-b) = 1 - sigmoid(b)`, the tie is a sign: the input gate's bias is `-logit f` where the forget gate's is
`logit f`. What is left of the tanh is what the candidate's weight `e` makes of it: with `|y - tanh y| <= |y|^3 / 3`,
and because an average of errors is no larger than the largest of them,

    |c / e - m| <= e^2 X^3 / 3,        X = largest |x| so far.

The numbers are floating, so a small `e` costs no digits: the loss can be made as small as one likes. The level, the
slow level of a season, and each bin of a season (a cell that has a valid value only while the clock is in its bin) are
this average of what is left after prediction and clipping; a sum that does not forget (a slope) has its forget gate
open and its input gate as far open as its gain.

Table, with G = 40 (a shut gate)
--------------------------------
=========  =============  ==========  ================  ==============================  ==============
gate       `past`         `present`   `valid`           `reset`                         bias
=========  =============  ==========  ================  ==============================  ==============
input      0              0           G                 0                               -logit f - G
forget     0              0           -G                -(2 G + logit f)                logit f + G
candidate  0              e           0                 0                               0
output     0              0           0                 0                               G
=========  =============  ==========  ================  ==============================  ==============

Invariants (checked on construction)
------------------------------------
What `CellTable` demands: a missing value holds the average exactly, a reset empties it. That the gates add up to 1
holds by construction.

References: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000; the average: Brown 1956, Muth 1960.
"""

from __future__ import annotations

import math

from detectors import half_life as memory
from detectors.cell import SHUT, CellTable, Gate

INPUT_GAIN = 1e-4
"""e: a value of 10 scales loses 3e-7 of itself in the tanh."""


def level(half_life: float, *, input_gain: float = INPUT_GAIN) -> CellTable:
    """The average of `present` with a half-life in steps; the cell holds it times `input_gain`.

    Raises ValueError: the half-life is out of range or the gain is not a positive number.
    """
    if not 0.0 < input_gain < math.inf:
        raise ValueError(f"level: input gain {input_gain!r}; a positive number is needed")
    logit_f = memory.forget_bias(half_life)
    return CellTable(
        name=f"level({half_life:g})",
        input=Gate({"valid": SHUT}, -logit_f - SHUT),
        forget=Gate({"valid": -SHUT, "reset": -(2.0 * SHUT + max(logit_f, 0.0))}, logit_f + SHUT),
        candidate=Gate({"present": input_gain}),
        output=Gate({}, SHUT),
    )
