"""The season of a series, learnt bin by bin from its past.

On every right-hand side stand values from before `x` arrives. For each period P with n_b bins there is a cascade with
its own slow level L, slope W and spread U (sharing one error with the fast level would let the level steal the season;
without a slope the bins would climb a trend, in steps):

    e = clip(x - L - W - S, ±3 sqrt U),   L += W + a_P e,   W += a_P^2 / 4 e,   S_q += n_b a_5P e,
    U += a_2H (e^2 - U),   y = x - S

where q is the tick's bin and S, at the tick's middle, the line through the two bins whose middles are nearest. What the
bins have in common goes into L: else they would carry a slower season away before its own turn. Once the first period
is over the gains of the bins start again from 1, as until then the level could not be told from the season, and the
n-th visit of a bin counts n times as much as the first, 2 / (n + 1): L has not settled when the second period begins.
Bins move from the sixth update on, U from the second.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from detectors.compiled import part
from sentinel.pipeline.arrays import Floats, Ints
from sentinel.pipeline.columns import SLOW_LEVEL, SLOW_SLOPE, SLOW_SPREAD
from sentinel.pipeline.plan import UNCLIPPED

if TYPE_CHECKING:
    from sentinel.pipeline.conditioning import ConditionerTable

_FROM = 6  # updates of the slow level after which the bins begin to learn


@part
def _bin(tick: int, period: float, n_bins: int) -> int:
    phase = tick - period * math.floor(tick / period)
    return min(n_bins - 1, int(n_bins * phase / period))


@part
def _wave(tick: int, period: float, n_bins: int, bins: Floats, offset: int) -> float:
    """A season at a tick: between the middles of two bins the line through them.

    A stair's steps are noise of their own in past and present: they drew lag 1 down by up to .07.
    """
    phase = tick - period * math.floor(tick / period)
    place = n_bins * (phase + 0.5) / period - 0.5
    low = math.floor(place)
    weight = place - low
    return float((1.0 - weight) * bins[offset + low % n_bins] + weight * bins[offset + (low + 1) % n_bins])


@part
def season_at(tick: int, periods: Floats, n_bins: Ints, bins: Floats) -> float:
    """Sum of the seasons at this tick, as far as they are known."""
    total, offset = 0.0, 0
    for k in range(periods.shape[0]):
        total += _wave(tick, periods[k], n_bins[k], bins, offset)
        offset += n_bins[k]
    return total


@part
def without_season(
    x: float, tick: int, table: ConditionerTable, season: Floats, updates: Ints, bins: Floats, visits: Ints, stuck: bool
) -> float:
    """Take the seasons out of a value and learn them from it; a value of a stuck sensor teaches nothing."""
    periods, n_bins, season_gains, offset = table.periods, table.n_bins, table.season_gains, 0
    for k in range(periods.shape[0]):
        q = offset + _bin(tick, periods[k], n_bins[k])
        wave = _wave(tick, periods[k], n_bins[k], bins, offset)
        offset += n_bins[k]
        y = x - wave
        season[k, SLOW_LEVEL] += season[k, SLOW_SLOPE]
        n = updates[k]
        if n == int(periods[k]):
            for j in range(offset - n_bins[k], offset):
                visits[j] = 0
        if not stuck:
            if n == 0:
                season[k, SLOW_LEVEL] = x
            else:
                e = x - season[k, SLOW_LEVEL] - wave
                bound = table.cut * math.sqrt(season[k, SLOW_SPREAD])
                if n > UNCLIPPED:
                    e = min(max(e, -bound), bound)
                line = 6.0 / ((n + 1.0) * (n + 2.0))
                gain = season_gains[k, 0]
                season[k, SLOW_LEVEL] += max(gain, line * (2.0 * n + 1.0) / 3.0) * e
                season[k, SLOW_SLOPE] += max(gain * gain / 4.0, line) * e
                if n >= _FROM:
                    visits[q] += 1
                    step = min(1.0, max(n_bins[k] * season_gains[k, 1], 2.0 / (visits[q] + 1.0))) * e
                    bins[q] += step
                    common = step / n_bins[k]
                    season[k, SLOW_LEVEL] += common
                    for j in range(offset - n_bins[k], offset):
                        bins[j] -= common
                if n >= 2:
                    season[k, SLOW_SPREAD] += max(table.scale_gain, 1.0 / (n - 1)) * (e * e - season[k, SLOW_SPREAD])
            updates[k] = n + 1
        x = y
    return x
