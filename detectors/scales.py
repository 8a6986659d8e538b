r"""A series at several scales: means of 1, 4, 16, 64 and 256 ticks, each with a level and a scale of its own.

How slowly a series returns is a number per tick, and how long a tick is was decided by whoever set the logger. Sampled
every 15 minutes every river has a lag-1 autocorrelation of .99, and nothing can be told from it. Its means over 4 hours
may be at .8. So the same series is read at all of these scales, and evidence is gathered where something can be seen.

At the tick itself a value is left out if it is farther than 7.5 mean jumps from the last value that was kept, but never
more than three in a row: a spike is no perturbation of the system. The mean is known after 10 jumps; jumps of 0 do not
enter it, as coarse values often do not move. The mean of a block of ticks is missing if fewer than half of its values
are there.

Each scale then has a level `m`, its slope `v` and a scale `sigma`, all with values from before `y`, that are followed
as `following.py` says with half-lives of 30 for the level and 60 for the scale, in ticks of the scale:

    d = y - (m + v);        past = (y' - m) / sigma,   present = d / sigma      (y' = the mean before, if not missing)

A missing mean moves the level along its slope. After 30 of them the level starts anew. Means in a row on one side of
the level, each more than 5 scales from it, are a step, such as another sensor, if there are as many as two blocks of
`slower.py` hold, and 4 at least: the level becomes the mean of the last three, without a slope.

Where the mean jump at the tick itself is more than 2 scales, values are so coarse that only a few of them are ever
seen; the tick is then read in means only.
"""

from __future__ import annotations

import math

import numpy as np

from detectors import half_life
from detectors.arrays import Floats, Ints
from detectors.compiled import part
from detectors.following import follow
from detectors.ledger import POINTS_NEEDED, SCALES, ScalesState
from detectors.records import Record, Records

SIZES, TICKS = len(SCALES), np.array(SCALES, np.int64)
RESTART = 30
"""Missing values of a scale in a row after which its level starts anew."""
LEVEL_GAIN, SCALE_GAIN = half_life.gain(30.0), half_life.gain(60.0)
CUT, UNCUT = 3.0, 20
JUMPS, JUMPS_NEEDED, LEFT_OUT = 7.5, 10, 3
JUMP_GAIN = 0.01
COARSE = 2.0
"""Scales that values lie apart, on average, from which on they are too coarse to be read one by one."""
STEP, STEP_AFTER = 5.0, 4
"""Scales from the level, and means in a row that far from it at least, that are a step of the level."""


def fresh(series: int, lanes: int) -> ScalesState:
    """Nothing seen."""
    each = (series, lanes, SIZES)
    return ScalesState(
        np.full(series, -1, np.int64), np.tile([np.nan, 0.0], (series, lanes, 1)),
        np.zeros((series, lanes, 2), np.int64), np.zeros(each), np.tile([0.0, 0.0, 0.0, np.nan, np.nan], (*each, 1)),
        np.zeros((*each, 3), np.int64), np.zeros(each, np.int64),
    )  # fmt: skip


def copy(state: ScalesState) -> ScalesState:
    """A state that may be written to."""
    return state._replace(**{name: array.copy() for name, array in state._asdict().items()})


@part
def empty(
    tick: Ints, kept: Records, spikes: Records, total: Floats, means: Records, counts: Records, far: Ints
) -> None:  # fmt: skip
    """Forget one series, given the views of its rows."""
    tick[0] = -1
    for lane in range(total.shape[0]):
        kept[lane].value, kept[lane].jump = np.nan, 0.0
        spikes[lane].jumps = spikes[lane].in_a_row = 0
        for k in range(SIZES):
            total[lane, k], far[lane, k] = 0.0, 0
            counts[lane, k].filled = counts[lane, k].missing = 0
            _restart(means[lane, k], counts[lane, k])


@part
def _restart(means: Record, count: Record) -> None:
    """Forget level and scale of one scale."""
    means.level = means.slope = means.variance = 0.0
    means.last = means.earlier = np.nan
    count.points = 0


@part
def without_spike(value: float, kept: Record, spikes: Record) -> float:
    """The value, or NaN if it is a spike."""
    if math.isnan(value):
        return value
    if math.isnan(kept.value):
        kept.value = value
        return value
    jump, bound = abs(value - kept.value), JUMPS * kept.jump
    known = spikes.jumps >= JUMPS_NEEDED
    if known and jump > bound and spikes.in_a_row < LEFT_OUT:
        spikes.in_a_row += 1
        return math.nan
    spikes.in_a_row = 0
    kept.value = value
    if jump == 0.0:  # coarse values often do not move; how far they jump when they do is what counts
        return value
    spikes.jumps += 1
    gain = max(JUMP_GAIN, 1.0 / spikes.jumps)
    kept.jump += gain * ((min(jump, bound) if known else jump) - kept.jump)
    return value


@part
def pass_over(tick: int, between: int, total: Floats, means: Record, count: Record, lane: int, k: int) -> None:
    """Pass over the ticks that were left out before `tick`."""
    ends = tick // TICKS[k] - (tick - between) // TICKS[k]
    if ends > 0:
        total[lane, k] = 0.0
        count.filled = 0
        _skip(ends, means, count)


@part
def _skip(ends: int, means: Record, count: Record) -> None:
    """Pass over that many means of a scale, of which nothing was seen."""
    means.level += means.slope * ends
    means.last = means.earlier = np.nan
    count.missing += ends
    if count.missing >= RESTART:
        _restart(means, count)


@part
def _is_step(d: float, scale: float, n: int, far: Ints, needed: float, lane: int, k: int) -> bool:
    """Tell if as many means in a row as are needed lie far from the level, all on one side of it."""
    side = 0 if n <= UNCUT or abs(d) <= STEP * scale else 1 if d > 0.0 else -1
    far[lane, k] = far[lane, k] + side if side * far[lane, k] > 0 else side
    return bool(abs(far[lane, k]) >= needed)


@part
def take(
    total: Floats, means: Record, counts: Records, far: Ints, jump: float, length: float, lane: int, k: int
) -> tuple[float, float, float]:
    """End a block of ticks of a scale; give past, present and the value before, NaN where there is none.

    `jump` is the mean jump at the tick, `length` the number of pairs in a block of scores.
    """
    count = counts[lane, k]
    filled, gathered = count.filled, total[lane, k]
    if k + 1 < SIZES:
        total[lane, k + 1] += gathered
        counts[lane, k + 1].filled += filled
    total[lane, k] = 0.0
    count.filled = 0
    if filled == 0 or 2 * filled < TICKS[k]:
        _skip(1, means, count)
        return math.nan, 0.0, math.nan
    mean, last, earlier, n = gathered / filled, means.last, means.earlier, count.points
    count.missing = 0
    means.earlier, means.last = last, mean
    if n == 0:
        means.level = mean
        count.points = 1
        return math.nan, 0.0, math.nan
    level, slope = means.level, means.slope
    d, scale = mean - (level + slope), math.sqrt(means.variance)
    means.level, means.slope, means.variance, _ = follow(
        level, slope, means.variance, d, n, LEVEL_GAIN, LEVEL_GAIN * LEVEL_GAIN / 4.0, SCALE_GAIN, CUT, UNCUT
    )
    count.points = n + 1
    if _is_step(d, scale, n, far, max(STEP_AFTER, 2.0 * length), lane, k):
        means.level = mean if math.isnan(last + earlier) else (mean + last + earlier) / 3.0
        means.slope = 0.0
        far[lane, k] = 0
    if n < POINTS_NEEDED or scale == 0.0 or math.isnan(last) or (k == 0 and jump > COARSE * scale):
        return math.nan, 0.0, math.nan
    return (last - level) / scale, d / scale, (earlier - level + slope) / scale
