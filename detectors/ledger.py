"""The named tuples of evidence: the inputs, states and results that the compiled recurrences work on."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import Flags, Floats, Ints

BETS = (0.1, 0.3, 0.8)
"""Shares of his wealth that the gambler stakes, unless others are given."""


LABEL_ONE_SIDED, LABEL_NOISE = 1, 2
"""Why an alarm may not be slowing, in bits: only excursions to one side, as after a step; the sensor's noise."""
ENOUGH = 1e4
"""The fleet's gamblers stop at this e-value."""
FLOOR = 1e-6
"""Evidence, as a part of the alarm line, is shown from here on."""
WINDOW = 1000
"""Ticks of a window of the fleet."""
FIRST_PAIRS = 100
"""Pairs from the first verdict on that say how a series was at its start."""
SEEN_PAIRS = 50
"""Pairs before a gap from which on a rule with less evidence than money that came in was seen not to hold."""
EARLY_SHARE = 0.25
"""A claim has held from the start if this share of its evidence was won with the money of the first pairs.

Measured at lag 1 above .8, alpha 1e-4, 3,000 ticks: of AR(1) at .95 and .99 .98 to 1 are held, .83 at .9, .28 at .85.
Of ramps to .97 in 850 ticks none is that begins at .6 or .7, .10 at .75. With a share of one half it is .66 at .9 and
.01 at .75; with a tenth .94 at .9, but .09 and .27 of the ramps from .7 and .75, which then raise no alarm.
"""
SCALES = (1, 4, 16, 64, 256)
"""Slower: ticks of each scale. A factor of 2 finds no more at twice the cost, one of 8 leaves holes."""
POINTS_NEEDED = 50
"""Slower: values of a scale before its first pair."""
SEGMENT, QUEUED = 20, 3
"""Slower: pairs that enter a baseline at once, and segments that wait before they do."""
MEMORY = 2000.0
"""Slower, in pairs: a constant share of the baseline is forgotten with each."""
NEEDED = 60
"""Slower: pairs of the baseline before the first bet, and half as many of the second stage."""
FIRST_SEGMENTS = math.ceil(math.log1p(-NEEDED / MEMORY) / math.log1p(-SEGMENT / MEMORY))
"""Slower: segments until the fading sums hold as many pairs as are needed."""
FIRST_BET = POINTS_NEEDED + SEGMENT * (QUEUED + FIRST_SEGMENTS)
"""Slower: ticks of a scale before its first bet, where no value is missing."""


class EvidenceState(NamedTuple):
    """Everything needed to continue; the first axis is the series."""

    mean: Floats
    """`hbar`, (series, channel)."""
    wealth: Floats
    """`E_j`, (series, channel, bet)."""
    clearing: Floats
    """Wealth of the reversed gambler, (series, channel, bet)."""
    open: Flags
    """True if an alarm is open, (series, rule)."""
    waits: Ints
    """0: the rule raises alarms. Else it may turn out that its claim has held from the start: 1 + pairs so far, until
    `FIRST_PAIRS` have come; (series, rule)."""
    early: Floats
    """While it waits: share of the wealth that was won with the money of the first pairs, (series, channel, bet)."""
    held: Flags
    """The line was reached, by a claim that has held from the start: a state, not an alarm; (series, rule)."""
    sides: Floats
    """Fading sums of the increments above and below the level, (series, channel, 2)."""
    second: Floats
    """Fading sums of the increments and of those of the lag-2 lane, (series, channel, 2)."""
    fleet: Floats
    """Wealth since the window's start, (series, channel, bet)."""
    threshold: Floats
    """Effective threshold, (series, channel); NaN before the baseline is full, and of spread."""
    baseline: Floats
    """Past, present and scale of the baseline's pairs, (series, pair, 3); no pairs if no rule needs them."""
    remembered: Ints
    """Pairs of the baseline so far, (series,)."""
    known: Floats
    """Spread: slope, scale and expected psi of the baseline, running moments; (series, 5)."""
    disagrees: Flags
    """The halves of the baseline disagree about lag-1 autocorrelation, (series,)."""
    window: Ints
    """Number of the present window, (series,)."""
    e_value: Floats
    """E-value of the window before and of the present one, (series, 2)."""
    leading: Ints
    """Channel that gave most evidence to the last alarm, (series, rule)."""
    label: Ints
    """Label of the last alarm, bits of `LABEL_...`, (series, rule)."""


class EvidenceBlock(NamedTuple):
    """Evidence and alarms at each tick of a block; arrays of shape (tick, series, rule)."""

    evidence: Floats
    """log10(max(alpha M, 1e-6)) after the tick, before a reset to 0: at or above 0 at an alarm. NaN while not ready."""
    raised: Flags
    cleared: Flags
    """The alarm cleared, by the reversed gambler or by a reset of the series."""
    open: Flags
    """An alarm is open after the tick."""
    leading: NDArray[np.int8]
    """Channel that gave most evidence to an alarm, and its label (`LABEL_...`); set where one was raised or cleared."""
    label: NDArray[np.int8]
    threshold: Floats
    """Effective threshold of that channel, set there too; NaN of spread."""
    held: Flags
    """The rule is held after the tick: its claim has held from the start."""


class Stream(NamedTuple):
    """Input of evidence: pairs of every lane, and what stands beside them."""

    past: Floats
    """(lane, tick, series), likewise `present` and `valid`."""
    present: Floats
    valid: Flags
    reset: Flags
    """(tick, series)."""
    ready: Flags
    """True if evidence may be gathered and shown, (tick, series, rule). Running means learn before that."""
    before: Floats
    """The value before the past one, in the pair's units; NaN where there is none. (row, tick, series)"""
    beside: Ints
    """By lane: its row of `before`; -1 of a lane that is not of first order, whose alarms carry no label."""
    scale: Floats
    """Unit of the pair, in the series' own units, (tick, series)."""
    spread: Floats
    """Log-variance against the baseline, NaN where unknown, (tick, series)."""
    tick: Ints
    """Number of the tick, (tick, series); never falls, but where nothing happens."""


class Table(NamedTuple):
    """The rules, laid out for the recurrences: one row per channel or per rule."""

    kind: Ints
    lane: Ints
    sign: Floats
    threshold: Floats
    relative: Flags
    needs_baseline: Flags
    delta: Floats
    ratio: Floats
    weight: Floats
    first: Ints
    """First channel of each rule, and their number."""
    minimum: Flags
    line: Floats
    clear: Floats
    bets: Floats
    n_bets: Ints
    waits: Flags
    """By rule: a claim that has held from the start is a state, not an alarm."""
    gain: float
    input_weight: float
    kappa: float
    window: int


class ScalesState(NamedTuple):
    """Everything needed to continue; the first axis is the series."""

    tick: Ints
    """Number of the last tick; -1 before the first. (series,)"""
    kept: Floats
    """The last `value` that was no spike, and the mean `jump` between such values; (series, lane, 2)."""
    spikes: Ints
    """`jumps` so far, and values left out `in_a_row`; (series, lane, 2)."""
    total: Floats
    """Sum of the values of the block of ticks that is not over; (series, lane, scale)."""
    numbers: Floats
    """`level`, `slope`, `variance`, the `last` mean and the one `earlier`; (series, lane, scale, 5)."""
    counts: Ints
    """Values `filled` into the block, `points` since the level started, means `missing` in a row; (series, lane,
    scale, 3)."""
    far: Ints
    """Means in a row that are far above the level, or below it as a negative number; (series, lane, scale)."""


class SlowerState(NamedTuple):
    """Everything needed to continue; the first axis is the series, the second the lane.

    `records.py` names the columns of a last axis that is not listed here.
    """

    scales: ScalesState
    """Of every lane of every series: the first axis is series times lane."""
    lag1: Floats
    """Fading sums of past x present and past^2, for the second stage; (series, lane, scale, 2)."""
    excursion: Floats
    """`age` in pairs, `side`, the block's `stake` and `length`; (series, lane, scale, 4)."""
    block: Floats
    """Sums of the block that is not over; (series, lane, scale, 10)."""
    segment: Floats
    """Sums of the segment that is not over; (series, lane, scale, 8)."""
    queue: Floats
    """Segments too new for the baseline, the oldest first; (series, lane, scale, `QUEUED`, 8)."""
    queued: Ints
    """Number of those segments, (series, lane, scale)."""
    baseline: Floats
    """Fading sums, (series, lane, scale, 8)."""
    variance: Floats
    """Of scores by claim: sum and pairs of the stretch that is not over, fading squares and their number;
    (series, lane, scale, claim, 4)."""
    sides: Floats
    """Fading sums of the scores above and below the level; (series, lane, scale, 2)."""
    share: Floats
    """Part of the money that goes to each scale, 0 where it is not live; (series, lane, scale)."""
    wealth: Floats
    """(series, lane, rule, scale, claim, bet)"""
    money: Floats
    """Came in since the scale's last block, (series, lane, rule, scale)."""
    open: Flags
    """True if an alarm is open, (series, rule)."""
    leading: Ints
    """Of the last alarm: (lane x scales + scale) x 3 + claim; (series, rule)."""
    trend: Floats
    """Fading mean of the scores of the open alarm's claim, (series, rule)."""
    label: Ints
    """Label of the last alarm, (series, rule)."""
    threshold: Floats
    """Threshold that the last alarm's claim was held against when it was raised, (series, rule)."""
    live: Flags
    """True if evidence can grow: a scale is live in every lane. (series,)"""
    evidence: Floats
    """`sum M`, of the lane where it is smallest; (series, rule)."""
    fleet: Floats
    """Wealth since the window's start, (series, lane, scale, claim, bet)."""
    fleet_money: Floats
    """Came in since the scale's last block, (series, lane, scale)."""
    window: Ints
    """Number of the present window, (series,)."""
    e_value: Floats
    """E-value of the window before and of the present one, (series, 2)."""


class SlowerBlock(NamedTuple):
    """Evidence and alarms of rules of kind slower at each tick of a block."""

    found: EvidenceBlock
    """Its evidence is at the line while an alarm is open, and NaN while no scale is live and none is open. `leading` is
    (lane x scales + scale) x 3 + claim."""
    by_gap: Flags
    """The alarm cleared as the series was not seen, or is another one from here on, not because it returns faster;
    (tick, series, rule)."""
    too_slow: Flags
    """A scale has a baseline, but none is live; (tick, series)."""
