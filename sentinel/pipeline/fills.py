"""Values that a sensor does not mean: fill values such as -999, and a start that such a value would spoil.

Nobody has to declare them. A value is *far* if it lies more than 10 scales from the level and outside the range of all
values that did not; or at the start more than 10 from the median of the first 21 values, in units of their median
absolute deviation (times 1.4826, as for a Gaussian).
Two things are done about far values, and both are counted:

- A start is robust. Once 21 different values have come, the far ones among them are left out, and level, scale and
  season are learnt again from the others; until the 21 are without one the series is learning. Such a value is a fill
  value from then on.
- A far value that has come twice before, exactly, is a *fill value*: from the third time on it is missing, and 3 scales
  are far enough for it, as the scale may have grown. One that follows another far value is taken as it is, since it may
  be a new level; but for the same value again.

A value that is not far when it comes again was measured, and is forgotten. One that makes up more than a fifth of all
values, or a third of the start, is no mark of a missing one but a state, such as a pump at rest or an empty queue: it
is kept. Two far values are remembered, across gaps too. Which values were left out, and how often each, stays known
whatever becomes of them: two of them by name, and how many there were in all.
"""

from __future__ import annotations

import math

import numpy as np

from detectors.compiled import part
from sentinel.pipeline.arrays import Flags, Floats

START = 21
"""Values after which a start is looked at."""
FAR, _FAR_AGAIN = 10.0, 3.0
_FROM = 3
"""Time at which a far value that returns is missing."""
_GAUSSIAN = 1.4826

_MOST = 0.2
"""Share of the values that a fill value may be."""
_MOST_OF_START = START // 3

ONE, OTHER, SEEN_ONE, SEEN_OTHER, LATEST, BEFORE, LEFT_OUT, LEARNT, VALUES, LOWEST, HIGHEST = range(11)
NAMED, NAMED_OTHER, TIMES, TIMES_OTHER = range(11, 15)
"""Two far values and how often they were seen; which of them was stored or seen last, 0 or 1; the value before, NaN if
it was not far; values left out so far; 1 once the series was learnt; values so far, those that were left out included;
range of the values that were not far; two values that were left out and how often, those that were so most often."""


def fresh(series: int) -> Floats:
    """Nothing seen; (series, 15)."""
    found = np.zeros((series, 15))
    found[:, [ONE, OTHER, BEFORE, LOWEST, HIGHEST, NAMED, NAMED_OTHER]] = np.nan
    return found


def has_fill_values(far: Floats) -> Flags:
    """Tell which series have a fill value; `far` of shape (series, 15)."""
    seen = far[:, [SEEN_ONE, SEEN_OTHER]]
    known: Flags = (seen >= _FROM) & (seen <= _MOST * far[:, [VALUES]])
    return known[:, 0] | known[:, 1]


def fill_values(far: Floats) -> tuple[float, ...]:
    """Give the fill values of a series, the smaller first."""
    known = (far[ONE + place] for place in (0, 1) if _FROM <= far[SEEN_ONE + place] <= _MOST * far[VALUES])
    return tuple(sorted(float(value) for value in known))


def values_left_out(far: Floats) -> tuple[tuple[float, int], ...]:
    """Give the values of a series that were left out and how often each was, most often first."""
    known = ((float(far[NAMED + place]), int(far[TIMES + place])) for place in (0, 1) if far[TIMES + place] > 0.0)
    return tuple(sorted(known, key=lambda one: (-one[1], one[0])))


@part
def is_far(x: float, scales: float, far: Floats) -> bool:
    """Tell if a value so many scales from the level is far; for one that has come three times 3 are enough."""
    if far[LOWEST] <= x <= far[HIGHEST]:
        return False
    known = (x == far[ONE] and far[SEEN_ONE] >= _FROM) or (x == far[OTHER] and far[SEEN_OTHER] >= _FROM)
    return scales > (_FAR_AGAIN if known else FAR)


@part
def is_fill(x: float, last: float, known: bool, distant: bool, far: Floats) -> bool:
    """Tell if the value is a fill value, and remember it if it is `distant`; `known` = level and scale are.

    One that equals the `last` value that was taken is a tie: a sensor that is stuck, until it is known to fill.
    """
    far[VALUES] += 1.0
    follows = math.isnan(far[BEFORE]) or far[BEFORE] == x
    place = 0 if x == far[ONE] else 1 if x == far[OTHER] else -1
    far[BEFORE] = x if distant or (not known and place >= 0) else math.nan
    if known and not distant:
        far[LOWEST] = x if math.isnan(far[LOWEST]) else min(x, far[LOWEST])
        far[HIGHEST] = x if math.isnan(far[HIGHEST]) else max(x, far[HIGHEST])
        if place >= 0:  # it is measured here: no mark
            far[ONE + place], far[SEEN_ONE + place] = math.nan, 0.0
        return False
    if place < 0:
        if distant:
            _store(x, far)
        return False
    far[SEEN_ONE + place] += 1.0
    far[LATEST] = place
    if not _FROM <= far[SEEN_ONE + place] <= _MOST * far[VALUES] or not follows or x == last:
        return False
    _leave_out(x, far)
    return True


@part
def _leave_out(x: float, far: Floats) -> None:
    """Count a value that is left out; of more than two the one that was so least often loses its name."""
    far[LEFT_OUT] += 1.0
    if x == far[NAMED] or x == far[NAMED_OTHER]:
        place = 0 if x == far[NAMED] else 1
    else:
        place = 0 if far[TIMES] <= far[TIMES_OTHER] else 1
        far[NAMED + place], far[TIMES + place] = x, 0.0
    far[TIMES + place] += 1.0


@part
def _store(x: float, far: Floats) -> None:
    """Remember a far value in the place of the one that was seen less recently."""
    place = 0 if math.isnan(far[ONE]) else 1 if math.isnan(far[OTHER]) else 1 - int(far[LATEST])
    far[ONE + place] = x
    far[SEEN_ONE + place] = 1.0
    far[LATEST] = place


@part
def forget_values(far: Floats) -> None:
    """Forget what was far from a level that is no longer the level; what was left out stays counted."""
    far[ONE] = far[OTHER] = far[BEFORE] = far[LOWEST] = far[HIGHEST] = math.nan
    far[SEEN_ONE] = far[SEEN_OTHER] = far[LATEST] = far[LEARNT] = 0.0


@part
def bounds_of_start(start: Floats) -> tuple[float, float]:
    """Give the lowest and the highest value that are not far from others; infinite if most are equal, or many far.

    Infinite too where a value is not known, as an upgrade came while the start lasted.
    """
    for i in range(START):
        if math.isnan(start[i]):
            return -math.inf, math.inf
    middle = _middle(start, math.nan)
    deviation = _middle(start, middle)
    if deviation == 0.0:
        return -math.inf, math.inf
    width = FAR * _GAUSSIAN * deviation
    low, high = middle - width, middle + width
    outside = 0
    for i in range(START):
        if not low <= start[i] <= high:
            outside += 1
    if outside > _MOST_OF_START:
        return -math.inf, math.inf
    return low, high


@part
def _middle(start: Floats, centre: float) -> float:
    """Median of the values, or of their distances from a centre; numpy's takes seconds to compile, and memory."""
    for i in range(START):
        value, below, equal = _away(start[i], centre), 0, 0
        for j in range(START):
            other = _away(start[j], centre)
            below += 1 if other < value else 0
            equal += 1 if other == value else 0
        if below <= START // 2 < below + equal:
            return value
    return math.nan


@part
def _away(value: float, centre: float) -> float:
    return value if math.isnan(centre) else abs(value - centre)


@part
def note_start(x: float, far: Floats) -> None:
    """Count a value of a start that is left out; it is a fill value from the next time on."""
    _leave_out(x, far)
    if x != far[ONE] and x != far[OTHER]:
        _store(x, far)
    far[SEEN_ONE + (0 if x == far[ONE] else 1)] = _FROM
