"""Conditioning: values become residuals, causally; what cannot be judged becomes a state.

`conditioner.py` holds the state and the settings, `kernel.py` the recurrence: season cascade, local linear level,
robust scale, and the watch over the sensor (missing, out of range, implausible, stuck, too coarse).
"""

from sentinel.conditioning.conditioner import (
    Conditioned,
    Conditioner,
    ConditionerState,
    Conditioning,
)

__all__ = ["Conditioned", "Conditioner", "ConditionerState", "Conditioning"]
