"""The named tuples of evidence: the input, state and results that the compiled recurrences of `betting.py` work on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

BETS = (0.1, 0.3, 0.8)
"""Shares of his wealth that the gambler stakes, unless others are given."""


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
    """What a block of ticks gave; arrays of shape (tick, series, rule)."""

    evidence: Floats
    """log10(max(alpha M, 1e-6)) after the tick, before a reset to 0: at or above 0 at an alarm. NaN while not ready."""
    raised: Flags
    cleared: Flags
    """The alarm cleared, by the reversed gambler or by a reset of the series."""
    open: Flags
    """An alarm is open after the tick."""
    leading: NDArray[np.int8]
    """Where an alarm was raised or cleared: the channel that gave it most evidence, and its label (`LABEL_...`)."""
    label: NDArray[np.int8]
    threshold: Floats
    """Where an alarm was raised or cleared: the effective threshold of the leading channel; NaN of spread."""


class Stream(NamedTuple):
    """What evidence is fed: pairs of every lane, and what stands beside them."""

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
    gain: float
    input_weight: float
    kappa: float
    window: int
