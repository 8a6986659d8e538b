"""Conditioning: values become residuals, causally; what cannot be judged becomes a state.

`conditioner.py` holds the state and the settings, `kernel.py` the recurrence: season cascade, local linear level,
robust scale, and the watch over the sensor (missing, out of range, implausible, stuck, too coarse). `difference.py`
takes the place of both where a series is judged against a counterpart.
"""

from sentinel.pipeline.conditioning.conditioner import Conditioned, Conditioner, ConditionerState, Conditioning, Target
from sentinel.pipeline.conditioning.difference import FIRST, DifferenceState, Differencing, Half, PairedBlock

__all__ = [
    "FIRST", "Conditioned", "Conditioner", "ConditionerState", "Conditioning", "DifferenceState", "Differencing",
    "Half", "PairedBlock", "Target",
]  # fmt: skip
