"""The conditioner: its settings, its state and what it gives; the recurrence itself is in `kernel.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import half_life
from detectors.bank import share_series
from detectors.pairs import Pairs
from sentinel.pipeline.conditioning.kernel import LEVEL, SLOPE, TIE_SHARE, VARIANCE, WARM_UP, advance
from sentinel.pipeline.grid import Block

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST_BINS = 24
"""Pieces, at most, into which a season is cut."""
WINSOR = 3.0
"""Scales from the level at which a deviation is cut before level, slope and scale follow it."""
_LARGEST = 1e150  # the square of a deviation beyond this is not a number any more


@dataclass(frozen=True, slots=True)
class Conditioning:
    """Settings of the conditioner of a cohort; spans in ticks."""

    level_half_life: float = 30.0
    scale_half_life: float | None = None
    """None = two level half-lives."""
    warm_up: int = 50
    """Points before the first pair; at least the level's half-life."""
    seasons: tuple[float, ...] = ()
    """Periods; no verdict before two of each."""
    season_half_lives: tuple[float, ...] = ()
    """Ticks in which half of each season is forgotten."""
    lowest: float = -math.inf
    highest: float = math.inf
    """A value outside is a fault of the sensor and counts as missing."""
    stuck_after: int = 20
    """Ticks of exactly the same value."""
    blind_after_missing: int = 14
    """Missing ticks in a row before the series is blind."""
    implausible: float = 1e3
    """Scales from the level beyond which a value counts as missing."""
    coarse_share: float = 0.2
    """Share of values equal to the one before, above which the series is blind."""
    none: bool = False
    """Take the values as residuals already; the sensor is watched all the same."""


def season_bins(period: float) -> int:
    """Number of pieces into which a season of that many ticks is cut."""
    return max(2, min(MOST_BINS, int(period)))


class ConditionerState(NamedTuple):
    """Everything needed to continue; one row per series."""

    numbers: Floats
    """`LEVEL`, `SLOPE`, `VARIANCE`, `LAST` value less season, `LAST_VALUE`, `TIE_SHARE`, `FIRST_TICK`, and `EARLIER`:
    the last value but one less season; (series, 8)."""
    counts: Counts
    """`POINTS` and `TIE_TESTS` so far; ticks in a row that are `MISSING`, `TIED`, `OUTSIDE` the range or `IMPLAUSIBLE`,
    and values in a row of which each is `ISOLATED`, without one a tick before; (series, 7)."""
    season: Floats
    """`SLOW_LEVEL`, `SLOW_SPREAD` and `SLOW_SLOPE` of each period; (series, period, 3)."""
    season_updates: Counts
    """(series, period)."""
    bins: Floats
    """Season estimate by bin, all periods one after the other; (series, bins)."""
    visits: Counts
    """(series, bins)."""


class Target(NamedTuple):
    """What a comparison knows of its target beside the difference; arrays of shape (tick, series)."""

    pairs: Pairs
    """Of the target, valid where those of the difference are."""
    second: Pairs
    """Of the target's second stage."""
    before: Floats
    scale: Floats
    """Unit of the target's pairs, smaller where the counterpart's spread has risen."""
    spread: Floats
    """Log-variance change of the target less that of the counterpart."""
    apart: NDArray[np.bool_]
    """By the tick before, the target's spread had risen above that of the counterpart; always while it is alone."""
    alone: NDArray[np.bool_]
    """The counterpart is missing."""


class Conditioned(NamedTuple):
    """What a block of ticks became; arrays of shape (tick, series)."""

    pairs: Pairs
    before: Floats
    """The value before the past one, in the pair's units; NaN where it is missing, or a tie is between."""
    scale: Floats
    """Unit of the pair; 1 where values are taken as residuals."""
    square: Floats
    """Winsorised square of the deviation from the predicted level; NaN while the first level is still sought."""
    residual: Floats
    """Present value in units of the scale; NaN where missing or not ready."""
    learning: NDArray[np.bool_]
    blind: NDArray[np.int8]
    """Index into `tuple(Reason)`; 0 = not blind."""
    target: Target | None = None
    """Of a comparison only."""


class Conditioner:
    """Level, trend, season and scale of many series, one pass, from the past only."""

    def __init__(self, settings: Conditioning, *, threads: int = 1) -> None:
        self.settings = settings
        self._threads = threads
        H = settings.level_half_life
        gain = half_life.gain(H)
        scale = half_life.gain(settings.scale_half_life or 2.0 * H)
        self._gains = np.array([gain, gain * gain / 4.0, scale, WINSOR])
        self._periods = np.array(settings.seasons, dtype=np.float64)
        self._bins = np.array([season_bins(p) for p in settings.seasons], dtype=np.int64)
        self._season_gains = np.array(
            [
                [half_life.gain(period), half_life.gain(memory)]
                for period, memory in zip(settings.seasons, settings.season_half_lives, strict=True)
            ],
            dtype=np.float64,
        ).reshape(-1, 2)
        lowest, highest = max(settings.lowest, -_LARGEST), min(settings.highest, _LARGEST)
        self._limits = np.array([lowest, highest, settings.implausible, settings.coarse_share])
        warm_up = 0 if settings.none else max(settings.warm_up, math.ceil(H))
        self._whole = np.array(
            [warm_up, settings.stuck_after, settings.blind_after_missing, int(settings.none)], dtype=np.int64
        )

    @property
    def warm_up(self) -> int:
        """Points before the first pair; with a season, ticks."""
        seasons = [math.ceil(2.0 * p) for p in self.settings.seasons]
        return max([int(self._whole[WARM_UP]), *seasons])

    def init(self, series: int) -> ConditionerState:
        """Nothing seen yet."""
        numbers = np.full((series, 8), np.nan)
        numbers[:, [LEVEL, SLOPE, VARIANCE, TIE_SHARE]] = 0.0
        bins = int(self._bins.sum())
        periods = self._periods.size
        return ConditionerState(
            numbers, np.zeros((series, 7), np.int64), np.zeros((series, periods, 3)),
            np.zeros((series, periods), np.int64), np.zeros((series, bins)), np.zeros((series, bins), np.int64),
        )  # fmt: skip

    def advance(self, state: ConditionerState, block: Block) -> tuple[ConditionerState, Conditioned]:
        """Condition a block; the state, whose rows are the block's columns, is not modified."""
        new = ConditionerState(
            state.numbers.copy(), state.counts.copy(), state.season.copy(), state.season_updates.copy(),
            state.bins.copy(), state.visits.copy(),
        )  # fmt: skip
        shape = block.value.shape
        pairs = Pairs(np.zeros(shape), np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool))
        outcome = Conditioned(
            pairs, np.full(shape, np.nan), np.ones(shape), np.full(shape, np.nan), np.full(shape, np.nan),
            np.zeros(shape, bool), np.zeros(shape, np.int8),
        )  # fmt: skip

        def run(first: int, last: int) -> None:
            advance(
                block.value, block.kind, block.tick, *new, pairs.past, pairs.present, pairs.valid, pairs.reset,
                outcome.before, outcome.scale, outcome.square, outcome.residual, outcome.learning, outcome.blind,
                self._gains, self._periods, self._bins, self._season_gains, self._limits, self._whole, first, last,
            )  # fmt: skip

        share_series(run, shape[1], shape[0], self._threads)
        return new, outcome
