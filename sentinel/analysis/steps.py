"""Steps between the times of a series: regular, or why one cadence does not fit them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.observation import STAMPS
from sentinel.domain.spans import MILLISECOND, print_duration

Ints = NDArray[np.int64]
REGULAR = 0.95
"""Share of the steps that are one cadence or whole multiples of it, from which on the times are regular."""
_NEAR = 0.02
_FILLED = 0.2
"""Share of the ticks that have a value, below which pauses that return are those between bursts."""
_LONG = 10.0
"""Steps this many times the median are the pauses between bursts."""


def describe_steps(time_us: Ints, cadence_us: int, *, mean: bool = False) -> str | None:
    """Say why a cadence does not fit the sorted times of a series, and what would; None where it does.

    With `mean` several values in a tick become their mean, so that there may be.
    """
    steps: Ints = np.diff(np.unique(time_us)).astype(np.int64)
    if steps.size < 10:
        return None
    ticks = steps / cadence_us
    whole = (ticks > 0.5) & (np.abs(ticks - np.rint(ticks)) <= np.maximum(_NEAR * ticks, 0.1))
    finer, single = float((ticks < 0.75).mean()), float((whole & (ticks < 1.5)).mean())
    if finer > 1 - REGULAR and mean:
        return None
    if finer > 1 - REGULAR:
        first = int(np.argmax(ticks < 0.75)) if np.all(ticks[:STAMPS] > 0.75) else 0
        since = f" from value {first + 1:,} on" if first else ""
        return (
            f"not regular: {finer:.0%} of the steps are shorter than the cadence {_say(cadence_us)}{since}, so several "
            "values share a tick and the last one is kept: give --aggregate mean, or --cadence "
            f"{_list(steps, cadence_us)}"
        )
    if single < 0.5 and float(np.median(steps)) > 1.5 * cadence_us:
        share = float((ticks > 1.5).mean())
        return (
            f"not regular: a tick is {_say(cadence_us)}, and {share:.0%} of all steps are longer: "
            f"give --cadence {_list(steps, cadence_us)}"
        )
    pauses, filled = float((ticks > _LONG).mean()), steps.size / float(ticks.sum())
    if pauses > 0.01 and filled < _FILLED:
        return (
            f"not regular: the values come in bursts, {filled:.0%} of the ticks of {_say(cadence_us)} have one: "
            f"give --cadence {_list(steps, cadence_us)}"
        )
    if float(whole.mean()) < REGULAR:
        return f"not regular: {1 - float(whole.mean()):.0%} of the steps are no whole number of {_say(cadence_us)}"
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


def _list(steps: Ints, cadence_us: int) -> str:
    return " or ".join(_say(span) for span in _candidates(steps) if span != cadence_us)


def _say(span_us: int) -> str:
    return print_duration(span_us)
