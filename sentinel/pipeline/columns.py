"""Columns of the conditioner's arrays and entries of its settings; what they hold is said in `conditioning.py`."""

LEVEL, SLOPE, VARIANCE, LAST, LAST_VALUE, TIE_SHARE, FIRST_TICK, EARLIER = range(8)
"""Of its numbers."""
POINTS, TIE_TESTS, MISSING, TIED, OUTSIDE, IMPLAUSIBLE, ISOLATED = range(7)
"""Of its counts."""
SLOW_LEVEL, SLOW_SPREAD, SLOW_SLOPE = range(3)
"""Of its seasons."""

LEVEL_GAIN, SLOPE_GAIN, SCALE_GAIN, CUT = range(4)
LOWEST, HIGHEST, FARTHEST, COARSE_STEPS = range(4)
WARM_UP, STUCK_AFTER, BLIND_AFTER, NONE, KEEPS, FIRST_SQUARE = range(6)
"""Settings of the recurrences."""
