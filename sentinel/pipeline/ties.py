"""Ties: equal values in a row, which a coarse resolution makes, and a sensor that is stuck.

A coarse sensor repeats a value because the truth has moved by less than its resolution. Such a tie is a pair like any
other: were it left out, only the pairs that moved would be left, and a lag-1 autocorrelation of .5, rounded to half a
standard deviation, would read .35. Rounding does not raise the reading either: of a Gaussian series the correlation of
any function of two values, rounded ones included, is at most that of the values (Gebelein 1941; Lancaster 1957).

A stuck sensor repeats a value whatever the truth does, and would read .99995. It is told by how long it does so: with
the share of ties `h` so far (half-life 100 values), `k` of them in a row are *explained* as long as

    h^k >= 1/100.

Ties that are not are left out. None is explained before 50 values, nor, of values that are hardly ever equal, the
second one. Runs of more than 4 that are not explained leave `h` as it was.

How coarse values are is told by the mean jump between two in a row that differ; one counts 7.5 mean jumps at most, from
the sixth on.
"""

from __future__ import annotations

import math

from detectors.compiled import part
from sentinel.pipeline.arrays import Floats, Ints
from sentinel.pipeline.columns import LAST, LAST_VALUE, TIE_SHARE, TIE_TESTS, TIED

NEEDED = 50
"""Values with one before them from which on the share of ties and the mean jump are known."""
_MEMORY = 0.006907  # gain of a half-life of 100 ticks
_SHORT_RUN = 4
_CHANCE = 0.01
_SPIKE, _FIRST_JUMPS = 7.5, 5


@part
def is_explained(number: Floats, count: Ints) -> bool:
    """Tell if the share of ties explains as many in a row as there are."""
    return bool(count[TIE_TESTS] >= NEEDED and number[TIE_SHARE] ** count[TIED] >= _CHANCE)


@part
def note(x: float, y: float, number: Floats, count: Ints, jump: Floats, s: int) -> bool:
    """Take in a value `x`, without its season `y`; tell if it is one of a stuck sensor."""
    if math.isnan(number[LAST_VALUE]):
        return False
    tie = x == number[LAST_VALUE]
    count[TIED] = count[TIED] + 1 if tie else 0
    explained = is_explained(number, count)
    if explained or count[TIED] <= _SHORT_RUN:
        count[TIE_TESTS] += 1
        number[TIE_SHARE] += max(_MEMORY, 1.0 / count[TIE_TESTS]) * ((1.0 if tie else 0.0) - number[TIE_SHARE])
    if not tie:
        latest, jumps = abs(y - number[LAST]), max(1.0, count[TIE_TESTS] * (1.0 - number[TIE_SHARE]))
        if jump[s] == 0.0:
            jump[s] = latest
        elif jumps > _FIRST_JUMPS:
            latest = min(latest, _SPIKE * jump[s])
        jump[s] += max(_MEMORY, 1.0 / jumps) * (latest - jump[s])
    return tie and not explained
