"""Columns of the conditioner's arrays; what they hold is said in `conditioning.py`."""

LEVEL, SLOPE, VARIANCE, LAST, LAST_VALUE, TIE_SHARE, FIRST_TICK, EARLIER = range(8)
"""Of its numbers."""
POINTS, TIE_TESTS, MISSING, TIED, OUTSIDE, IMPLAUSIBLE, ISOLATED = range(7)
"""Of its counts."""
SLOW_LEVEL, SLOW_SPREAD, SLOW_SLOPE = range(3)
"""Of its seasons."""
