"""Checks of values: each is held against limits and against the values before it, before anything is judged.

The tests and their flags are those of QARTOD (1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing), in the form in
which the past alone decides:

- *range*: outside a span. A value that fails here is no value to the others, now and later.
- *gap*: the first value after longer than that without one. Silence itself is no value: it makes a series stale.
- *flat line*: all values for so long, and this one, lie within the tolerance of each other.
- *rate*: the change since the last value, over the time since then.
- *spike*: the distance from the median of the three values before. QARTOD compares a value with the mean of both its
  neighbours; the next one is not known yet when a live series is judged. A median of three is not moved by one spike,
  and follows a step of the level after two values.

A value counts once, under the first check that judges it hardest. Those that the plan's gate keeps out are missing to
all that follows; three in a row make a series blind. After a gap row or a declared event the values before are
forgotten.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from detectors.bank import share_series
from detectors.compiled import compiled, part
from sentinel.domain.flags import CHECKS, FAIL, GOOD, MISSING, SUSPECT, UNKNOWN, CheckCount
from sentinel.pipeline import arrays
from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints
from sentinel.pipeline.grid import ABSENT, GAP, HELD, REBASES, Block
from sentinel.pipeline.plan import Plan

_BAD_RUN = 3  # values in a row that are kept out and make a series blind, as of the conditioner's own watch
_FOR_SPIKE = 3
_NONE = -1
_RANGE, _GAP, _FLAT, _RATE, _SPIKE = range(5)
_TOLERANCE, _GATE = 12, 13  # among the limits; those of check k are at 2 k + 2 and 2 k + 3, of the range at 0 to 3
_RUN, _KNOWN, _LAST_TICK, _FLAT_SINCE, _SUSPECT = range(5)
_LOW, _HIGH = -2, -1  # among the values
_FAILED = _SUSPECT + len(CHECKS)
_COUNTS = _FAILED + len(CHECKS)


class CheckState(NamedTuple):
    """Everything needed to continue; one row per series, without columns where nothing is checked."""

    counts: Ints
    """Values kept out in a row; values since the last restart; tick of the last one, -1 = none; tick since which they
    have been flat; then by check how many were suspect, and how many failed; (series, 14)."""
    values: Floats
    """The latest values, the n-th at place n modulo their number; the least and the largest since they are flat."""
    ticks: Ints
    """Their ticks."""


class Checked(NamedTuple):
    """Verdicts of the checks on a block; arrays of shape (tick, series)."""

    flag: Codes
    """As in QARTOD."""
    check: Codes
    """Index into `CHECKS` of the one that called the value suspect or failed it; -1 = none."""
    faulty: Flags
    """So many in a row were kept out that the series is blind."""


class Checks:
    """The checks of the series of a plan."""

    def __init__(self, plan: Plan, *, threads: int = 1) -> None:
        self._plan, self._threads = plan.checks, threads
        self._limits = np.array(plan.checks or ())
        # Without a tolerance a flat line ends with the first other value: those before it need not be looked at again.
        flat = plan.checks.flat_line_ticks if plan.checks and plan.checks.tolerance else ()
        self._kept = max((_FOR_SPIKE, *flat)) if plan.checks else 0

    def init(self, series: int) -> CheckState:
        """Make the state of series of which nothing was seen."""
        counts = np.zeros((series, _COUNTS if self._plan else 0), np.int64)
        counts[:, _LAST_TICK : _LAST_TICK + 1] = _NONE
        kept = self._kept
        return CheckState(counts, np.zeros((series, kept + 2 if kept else 0)), np.zeros((series, kept), np.int64))

    def advance(self, state: CheckState, block: Block) -> tuple[CheckState, Block, Checked | None]:
        """Check a block; also give it with what is kept out missing. The state is not modified."""
        if not self._plan:
            return state, block, None
        new, shape = arrays.copy(state), block.value.shape
        found = Checked(np.full(shape, MISSING, np.int8), np.full(shape, _NONE, np.int8), np.zeros(shape, bool))

        def run(first: int, last: int) -> None:
            check(block.value, block.kind, block.tick, *new, *found, self._limits, first, last)

        share_series(run, shape[1], shape[0], self._threads)
        out = (found.flag >= self._plan.gate) & (found.flag != MISSING)
        return new, block.with_values(np.where(out, np.nan, block.value)) if out.any() else block, found


def flags_of(checked: Checked | None, value: Floats, at: tuple[Ints, Ints]) -> tuple[Codes, Codes]:
    """Give flag and check of these ticks of a block with these values; where nothing is checked, not evaluated."""
    if checked is not None:
        return checked.flag[at], checked.check[at]
    flag = np.where(np.isnan(value[at]), np.int8(MISSING), np.int8(UNKNOWN))
    return flag, np.full(flag.shape, _NONE, np.int8)


def counts_by_check(state: CheckState, row: int) -> tuple[CheckCount, ...]:
    """Give the checks that have found something in a series, and how often."""
    if not state.counts.shape[1]:
        return ()
    suspect, failed = state.counts[row, _SUSPECT:_FAILED].tolist(), state.counts[row, _FAILED:].tolist()
    return tuple(CheckCount(*found) for found in zip(CHECKS, suspect, failed, strict=True) if any(found[1:]))


def totals(state: CheckState) -> tuple[Ints, Ints]:
    """Give for each series how many values each check has called suspect, and how many it has failed."""
    none = np.zeros((state.counts.shape[0], len(CHECKS)), np.int64)
    return (state.counts[:, _SUSPECT:_FAILED], state.counts[:, _FAILED:]) if state.counts.shape[1] else (none, none)


@compiled
def check(
    value: Floats, kind: Codes, tick: Ints, counts: Ints, values: Floats, ticks: Ints, flag: Codes, by: Codes,
    faulty: Flags, limits: Floats, first: int, last: int,
) -> None:  # fmt: skip
    """Check the series `first` to `last` in place; `limits` are the plan's, in their order."""
    for t in range(value.shape[0]):
        for s in range(first, last):
            what, count = kind[t, s], counts[s]
            if what == ABSENT:
                continue
            anew = what >= REBASES
            if anew or what in (GAP, HELD):
                count[_KNOWN] = 0
            if anew or what == GAP:
                count[_RUN] = 0
            if anew or what == HELD:
                count[_LAST_TICK] = _NONE if anew else tick[t, s]
            if not math.isnan(value[t, s]):
                _check_value(value[t, s], tick[t, s], t, s, count, values[s], ticks[s], flag, by, limits)
            faulty[t, s] = what != GAP and what != HELD and count[_RUN] >= _BAD_RUN


@part
def _check_value(
    x: float, tick: int, t: int, s: int, count: Ints, values: Floats, ticks: Ints, flag: Codes, by: Codes,
    limits: Floats,
) -> None:  # fmt: skip
    """Give a value its flag, count it and remember it."""
    found = _grade_range(x, limits)
    which = _RANGE if found >= SUSPECT else _NONE
    if found != FAIL:
        for k in range(_GAP, _SPIKE + 1):
            suspect, fail = limits[2 * k + 2], limits[2 * k + 3]
            if suspect == math.inf and fail == math.inf:
                continue
            if k == _FLAT:
                _follow_flat(x, tick, count, values, ticks, limits[_TOLERANCE])
            measured = _measure(k, x, tick, count, values, ticks)
            if math.isnan(measured):
                continue
            grade = FAIL if measured > fail else SUSPECT if measured > suspect else GOOD
            if grade > found and grade != GOOD:
                found, which = grade, k
            elif found == UNKNOWN:
                found = GOOD
        at = count[_KNOWN] % ticks.shape[0]
        values[at], ticks[at] = x, tick
        count[_KNOWN] += 1
        count[_LAST_TICK] = tick
    flag[t, s], by[t, s] = found, which
    if found == SUSPECT:
        count[_SUSPECT + which] += 1
    elif found == FAIL:
        count[_FAILED + which] += 1
    count[_RUN] = count[_RUN] + 1 if found >= limits[_GATE] else 0


@part
def _grade_range(x: float, limits: Floats) -> int:
    """Hold a value against the two spans."""
    if x < limits[2] or x > limits[3]:
        return FAIL
    if x < limits[0] or x > limits[1]:
        return SUSPECT
    for k in range(4):
        if not math.isinf(limits[k]):
            return GOOD
    return UNKNOWN


@part
def _measure(k: int, x: float, tick: int, count: Ints, values: Floats, ticks: Ints) -> float:
    """Give what check `k` holds against its limits; NaN where what is before the value does not suffice."""
    known, room = count[_KNOWN], ticks.shape[0]
    if k == _GAP:
        return float(tick - count[_LAST_TICK]) if count[_LAST_TICK] != _NONE else math.nan
    if known < (_FOR_SPIKE if k == _SPIKE else 1):
        return math.nan
    if k == _FLAT:
        return float(tick - count[_FLAT_SINCE]) + 0.5  # as long as its limit is long enough
    before = (known - 1) % room
    if k == _RATE:
        return float(abs(x - values[before]) / (tick - ticks[before]))
    a, b, c = values[before], values[(known - 2) % room], values[(known - 3) % room]
    return float(abs(x - max(min(a, b), min(max(a, b), c))))


@part
def _follow_flat(x: float, tick: int, count: Ints, values: Floats, ticks: Ints, tolerance: float) -> None:
    """Note since when the values up to this one have lain within the tolerance of each other.

    Only a value that ends this is held against those before it, as far as they are kept: longer is not asked for.
    """
    known, room = count[_KNOWN], ticks.shape[0]
    low, high = min(values[_LOW], x), max(values[_HIGH], x)
    if known == 0 or high - low > tolerance:
        low = high = x
        count[_FLAT_SINCE] = tick
        for i in range(known - 1, max(-1, known - 1 - room), -1):
            if max(high, values[i % room]) - min(low, values[i % room]) > tolerance:
                break
            low, high = min(low, values[i % room]), max(high, values[i % room])
            count[_FLAT_SINCE] = ticks[i % room]
    values[_LOW], values[_HIGH] = low, high
