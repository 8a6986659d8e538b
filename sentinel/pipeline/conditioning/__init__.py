"""Conditioning: values become residuals, causally; what cannot be judged makes a series blind.

`conditioner.py` holds the state and the settings, `kernel.py` the recurrence: season cascade, local linear level,
robust scale, and the watch over the sensor (missing, out of range, implausible, stuck, too coarse). `difference.py`
takes the place of both in a comparison with a counterpart.
"""

from sentinel.pipeline.conditioning.conditioner import Conditioned, Conditioner, ConditionerState, Conditioning, Target
from sentinel.pipeline.conditioning.difference import FIRST, ComparisonBlock, DifferenceState, Differencing, Side
from sentinel.pipeline.conditioning.kernel import POINTS, TIE_SHARE

__all__ = [
    "FIRST",
    "POINTS",
    "TIE_SHARE",
    "ComparisonBlock",
    "Conditioned",
    "Conditioner",
    "ConditionerState",
    "Conditioning",
    "DifferenceState",
    "Differencing",
    "Side",
    "Target",
]  # fmt: skip
