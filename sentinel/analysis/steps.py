"""Steps between the times of a series: regular, or why one cadence does not fit them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.observation import STAMPS, Axis, CalendarAxis
from sentinel.domain.spans import MILLISECOND, print_duration

Ints = NDArray[np.int64]
REGULAR = 0.95
"""Share of the steps that are one cadence or whole multiples of it, from which on the times are regular."""
_EVEN = "give values at even steps, such as the mean of each, as their spacing else moves lag-1"
_CALENDAR = CalendarAxis()
_NEAR = 0.02
_FILLED = 0.2
"""Share of the ticks that have a value, below which pauses that return are those between bursts."""
_LONG = 10.0
"""Steps this many times the median are the pauses between bursts."""


def describe_steps(time_us: Ints, cadence_us: int, axis: Axis = _CALENDAR, *, mean: bool = False) -> str | None:
    """Say why a cadence does not fit the sorted times of a series, and what would; None where it does.

    With `mean` several values in a tick become their mean, so that there may be. `axis` is that of times that are
    numbers: they have no cadence that could be given, and are brought to even steps before they are read.
    """
    steps: Ints = np.diff(np.unique(time_us)).astype(np.int64)
    if steps.size < 10:
        return None
    ticks = steps / cadence_us
    whole = (ticks > 0.5) & (np.abs(ticks - np.rint(ticks)) <= np.maximum(_NEAR * ticks, 0.1))
    tick = axis.in_words(cadence_us) if axis.numbered else print_duration(cadence_us)
    given = " or ".join(print_duration(span) for span in _candidates(steps) if span != cadence_us)
    other = _EVEN if axis.numbered else f"give --cadence {given}"
    finer, single = float((ticks < 0.75).mean()), float((whole & (ticks < 1.5)).mean())
    if finer > 1 - REGULAR and mean:
        return None
    if finer > 1 - REGULAR:
        first = int(np.argmax(ticks < 0.75)) if np.all(ticks[:STAMPS] > 0.75) else 0
        since = f" from value {first + 1:,} on" if first else ""
        return (
            f"not regular: {finer:.0%} of the steps are shorter than the cadence {tick}{since}, so several "
            f"values share a tick and the last one is kept: give --aggregate mean, or {other.removeprefix('give ')}"
        )
    if single < 0.5 and float(np.median(steps)) > 1.5 * cadence_us:
        share = float((ticks > 1.5).mean())
        return f"not regular: a tick is {tick}, and {share:.0%} of all steps are longer: {other}"
    pauses, filled = float((ticks > _LONG).mean()), steps.size / float(ticks.sum())
    if pauses > 0.01 and filled < _FILLED:
        return f"not regular: the values come in bursts, {filled:.0%} of the ticks of {tick} have one: {other}"
    if float(whole.mean()) < REGULAR:
        share, even = 1 - float(whole.mean()), f": {_EVEN}" if axis.numbered else ""
        return f"not regular: {share:.0%} of the steps are no whole number of {tick}{even}"
    return None


def _candidates(steps: Ints) -> list[int]:
    """Cadences that could be meant, in microseconds: the usual step, and the period of bursts."""
    median = float(np.median(steps))
    pauses = steps > _LONG * median
    found = [int(median)]
    if 0.001 < pauses.mean() < 0.5:
        at = np.cumsum(steps)[pauses]
        if at.size > 1:
            found.insert(0, int(np.median(np.diff(at))))
    common, counts = np.unique(steps, return_counts=True)
    found += [int(common[n]) for n in np.argsort(-counts)[:2] if counts[n] > 0.1 * steps.size]
    rounded = (_round(span) for span in found)
    return list(dict.fromkeys(span for span in rounded if span > 0))


def _round(span: int) -> int:
    """Round to two digits, or to whole milliseconds where it is more."""
    digits = max(0, len(str(span)) - 2)
    return max(round(span, -digits), MILLISECOND if span >= MILLISECOND else 1)
