"""The recurrences of conditioning, one tick after another.

On every right-hand side stand values from before `x` arrives; H is the level's half-life, `a_H = 1 - 2^(-1/H)`; each
gain but the slope's starts as one over the number of values its quantity has seen. All trackers are tied-gate cells
(i = 1 - f).

The season is taken out first (`season.py`): y = x - S. Then level, slope and scale:

    pred = m + v,  d = y - pred;   z = d / sigma,  z' = (y' - m) / sigma      (y' = y of the tick before)
    e = clip(d, ±3 sigma);  m <- pred + a_H e;  v <- v + (a_H^2 / 4) e;  sigma^2 += a_2H (min(d^2, 9 sigma^2) - sigma^2)

Past and present of a pair share one level and one scale: a stored residual of the tick before would carry another.
The first 20 updates are not clipped and leave the slope at 0. From then on, until the gains above are larger, level and
slope move by those of a straight line fitted to n + 1 equally weighted values,

    2 (2n + 1) / ((n + 1) (n + 2))   and   6 / ((n + 1) (n + 2)):

else a slope that is there from the start takes 350 ticks to learn, and reads as slowing until then. Scale and U move
from the second update on. A missing tick moves the level along its slope and nothing else; a value of a stuck sensor
likewise, and it forms no pair (it would read 0.99995); the tick after it may use it. `ties.py` says which values are.

A gap empties all of this. Where a series keeps what it knows across gaps, scale, season and the time since its start
stay, and the level is found again by the first few values, which move nothing else. A declared event empties it
before a value: all of it, or as a gap does of a series that keeps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.compiled import compiled, inlined, part
from detectors.following import follow
from sentinel.domain.states import REASONS, Reason
from sentinel.pipeline import fills, ties
from sentinel.pipeline.arrays import Codes, Floats, Ints
from sentinel.pipeline.columns import (
    EARLIER,
    FIRST_TICK,
    IMPLAUSIBLE,
    ISOLATED,
    LAST,
    LAST_VALUE,
    LEVEL,
    MISSING,
    OUTSIDE,
    POINTS,
    SLOPE,
    SLOW_LEVEL,
    SLOW_SLOPE,
    TIE_SHARE,
    TIE_TESTS,
    TIED,
    VARIANCE,
)
from sentinel.pipeline.grid import ABSENT, GAP, REBASES
from sentinel.pipeline.plan import UNCLIPPED
from sentinel.pipeline.season import season_at, without_season

if TYPE_CHECKING:
    from sentinel.pipeline.conditioning import ConditionerState, ConditionerTable

_GAP, _STUCK, _COARSE, _RANGE, _IMPLAUSIBLE, _SPACING = (
    REASONS.index(Reason(name)) for name in ("gap", "stuck", "too_coarse", "out_of_range", "implausible", "spacing")
)

# How it starts and how long a run is: parts of the recurrence that was measured as a whole, so they are no settings.
_SETTLED = 150  # values from which on what is left of a season no longer widens the baseline of the spread
_BAD_RUN = 3  # faulty values in a row that make a series blind; one alone is a missing tick
_NEW_LEVEL = 12  # implausible values in a row that are a new level: the series starts afresh
RESTART = 5
"""Values by which a level is found again after a gap, where scale and season were kept."""
_ALONE = 30  # values in a row without one a tick before: the series is slower than its grid

Room = Any
"""Arrays that the recurrences write: a `Conditioned` whose pairs are their four arrays, as numba knows no dataclass."""


@compiled
def condition(
    value: Floats, kind: Codes, tick: Ints, state: ConditionerState, out: Room, table: ConditionerTable, first: int,
    last: int,
) -> None:  # fmt: skip
    """Advance the series `first` to `last` in place; see `conditioning.py` for the arrays."""
    _, _, valid, reset = out.pairs
    seasonal = table.periods.shape[0] > 0
    for t in range(value.shape[0]):
        for s in range(first, last):
            if kind[t, s] == ABSENT:
                continue
            x = value[t, s]
            number, count, far, season = state.numbers[s], state.counts[s], state.far[s], state.season[s]
            if kind[t, s] == GAP:
                _pass_gap(state, s, table.keeps)
                far[fills.BEFORE] = np.nan
                reset[t, s] = True
                out.learning[t, s] = True
                out.blind[t, s] = _GAP
                continue
            # Handing on ten arrays costs as much as all the rest: only where an event was declared.
            reset[t, s] = kind[t, s] >= REBASES and _begin_anew(kind[t, s], state, s)
            if math.isnan(number[FIRST_TICK]):
                number[FIRST_TICK] = tick[t, s]
            wave = season_at(tick[t, s], table.periods, table.n_bins, state.bins[s])
            x = _plausible(x, wave, number, count, far, state.kept[s], table)
            if count[IMPLAUSIBLE] >= _NEW_LEVEL:
                _empty(state, s)
                fills.forget_values(far)
                state.kept[s] = 0
                number[FIRST_TICK] = tick[t, s]
                reset[t, s] = True
                x = value[t, s]
            points, kept = count[POINTS], state.kept[s]
            known = kept if points >= RESTART else 0
            learnt = points + known >= table.warm_up and _has_seen_seasons(
                tick[t, s] - number[FIRST_TICK], table.periods
            )
            settled = not seasonal or (learnt and points + known >= _SETTLED)
            if math.isnan(x):
                number[LEVEL] += number[SLOPE]
                for k in range(table.periods.shape[0]):
                    season[k, SLOW_LEVEL] += season[k, SLOW_SLOPE]
                number[LAST] = number[LAST_VALUE] = number[EARLIER] = np.nan
                count[MISSING] += 1
                count[TIED] = 0
            else:
                y, stuck = x, ties.note(x, x - wave, number, count, state.jump, s)
                if seasonal:
                    y = without_season(
                        x, tick[t, s], table, season, state.season_updates[s], state.bins[s], state.visits[s], stuck
                    )
                _level(x, y, number, count, kept, table, learnt, settled, stuck, t, s, out)
                count[MISSING] = 0
                out.adjusted[t, s] = y if (learnt or not seasonal) and not stuck else np.nan
                may_be_spoilt = points < fills.START and kept == 0 and not table.none
                if may_be_spoilt and _start_again(x, tick[t, s], points, state, s, table):
                    # What has read the spoilt start begins anew too, unless it has an older past to stand on.
                    reset[t, s] = far[fills.LEARNT] == 0.0 or table.first_square < fills.START
                    valid[t, s], out.square[t, s], out.residual[t, s] = False, np.nan, np.nan
                    if math.isnan(number[LAST_VALUE]):
                        out.adjusted[t, s] = np.nan
            out.learning[t, s] = not learnt
            far[fills.LEARNT] = max(far[fills.LEARNT], 1.0 if learnt else 0.0)
            out.blind[t, s] = _judge(number, count, state.jump[s], table)


@part
def _empty(state: ConditionerState, s: int) -> None:
    # Loops: an assignment to a slice is ten times the code to compile.
    number, count, season = state.numbers[s], state.counts[s], state.season[s]
    updates, bins, visits = state.season_updates[s], state.bins[s], state.visits[s]
    for i in range(number.size):
        number[i] = np.nan
    number[LEVEL] = number[SLOPE] = number[VARIANCE] = number[TIE_SHARE] = 0.0
    for i in range(count.size):
        count[i] = 0
    for k in range(updates.size):
        updates[k] = 0
        for i in range(season.shape[1]):
            season[k, i] = 0.0
    for i in range(bins.size):
        bins[i], visits[i] = 0.0, 0


@part
def _pass_gap(state: ConditionerState, s: int, keeps: bool) -> None:
    """Forget all; or, where a series keeps what it knows, the level and what ran in a row."""
    if not keeps:
        _empty(state, s)
        state.kept[s] = 0
        return
    number, count = state.numbers[s], state.counts[s]
    state.kept[s] += count[POINTS]
    number[LEVEL] = number[SLOPE] = 0.0
    number[LAST] = number[LAST_VALUE] = number[EARLIER] = np.nan
    count[POINTS] = count[MISSING] = count[TIED] = count[OUTSIDE] = count[IMPLAUSIBLE] = count[ISOLATED] = 0


@part
def _begin_anew(kind: int, state: ConditionerState, s: int) -> bool:
    """Let a series begin anew as a declared event says; True."""
    _pass_gap(state, s, kind == REBASES)
    if kind != REBASES:
        fills.forget_values(state.far[s])
    return True


@part
def _has_seen_seasons(ticks: float, periods: Floats) -> bool:
    """Tell if a series is at least two periods of each of its seasons old."""
    longest = 0.0
    for k in range(periods.shape[0]):
        longest = max(longest, periods[k])
    return bool(periods.shape[0] == 0 or ticks >= 2.0 * longest)


@part
def _start_again(
    latest: float, tick: int, points: int, state: ConditionerState, s: int, table: ConditionerTable
) -> bool:
    """Keep the latest value of a start; with the last one, learn again without those that are far from the others.

    False if there are none, or if more values are to come. `points` is how many there were before this one.
    """
    start, ticks, number, count = state.start[s], state.start_tick[s], state.numbers[s], state.counts[s]
    if count[POINTS] == points:
        return False
    start[points], ticks[points] = latest, tick
    if points + 1 < fills.START:
        return False
    low, high = fills.bounds_of_start(start)
    kept = 0
    for i in range(fills.START):
        if math.isnan(start[i]) or low <= start[i] <= high:
            start[kept], ticks[kept] = start[i], ticks[i]
            kept += 1
        else:
            fills.note_start(start[i], state.far[s])
    last_is_kept = kept == fills.START or ticks[kept - 1] == ticks[fills.START - 1]
    if kept == fills.START:
        _empty_start(start, ticks, 0)
        return False
    _empty(state, s)
    number[FIRST_TICK], stuck = ticks[0], kept < 0  # never; the constant would be a type, compiled for itself
    for i in range(kept):
        x = y = start[i]
        if table.periods.shape[0] > 0:
            y = without_season(
                x, ticks[i], table, state.season[s], state.season_updates[s], state.bins[s], state.visits[s], stuck
            )
        n = count[POINTS]
        if n == 0:
            number[LEVEL] = y
        else:
            number[LEVEL], number[SLOPE], number[VARIANCE], _ = follow(
                number[LEVEL], number[SLOPE], number[VARIANCE], y - (number[LEVEL] + number[SLOPE]), n,
                table.level_gain, table.slope_gain, table.scale_gain, table.cut, UNCLIPPED,
            )  # fmt: skip
        count[POINTS] = n + 1
        number[LAST], number[LAST_VALUE] = y, x
    _empty_start(start, ticks, kept)
    if not last_is_kept:
        number[LAST] = number[LAST_VALUE] = np.nan
    return True


@part
def _empty_start(start: Floats, ticks: Ints, first: int) -> None:
    for i in range(first, fills.START):
        start[i], ticks[i] = np.nan, 0


@inlined
def _plausible(
    x: float, season: float, number: Floats, count: Ints, far: Floats, kept: int, table: ConditionerTable
) -> float:
    """The value, or NaN where the sensor cannot mean it; counts the runs of such values."""
    if math.isnan(x):
        return x
    if x < table.lowest or x > table.highest:
        count[OUTSIDE] += 1
        return math.nan
    count[OUTSIDE] = 0
    points = count[POINTS] + kept if count[POINTS] >= RESTART else count[POINTS]
    scale, known = math.sqrt(number[VARIANCE]), not table.none and points > UNCLIPPED
    known = known and scale > 0.0
    away = abs(x - season - number[LEVEL])
    distant = known and fills.is_far(x, away / scale, far)
    if not table.none and fills.is_fill(x, number[LAST_VALUE], known, distant, far):
        return math.nan
    if known and away > table.farthest * scale:
        count[IMPLAUSIBLE] += 1
        return math.nan
    count[IMPLAUSIBLE] = 0
    return x


@inlined
def _level(
    x: float, y: float, number: Floats, count: Ints, kept: int, table: ConditionerTable, learnt: bool, settled: bool,
    stuck: bool, t: int, s: int, out: Room,
) -> None:  # fmt: skip
    past, present, valid, _ = out.pairs
    previous_y, previous_x, earlier_y = number[LAST], number[LAST_VALUE], number[EARLIER]
    count[ISOLATED] = count[ISOLATED] + 1 if math.isnan(previous_x) else 0
    # What the lattice sees needs three values in a row, none of them of a stuck sensor.
    number[LAST], number[LAST_VALUE], number[EARLIER] = y, x, np.nan if stuck else previous_y
    if table.none:
        out.residual[t, s] = x
        if not stuck:
            out.square[t, s] = x * x
        if not stuck and not math.isnan(previous_x):
            past[t, s], present[t, s], valid[t, s] = previous_x, x, True
            out.before[t, s] = earlier_y
        return
    m, v, variance = number[LEVEL], number[SLOPE], number[VARIANCE]
    n = count[POINTS]
    if n == 0:
        number[LEVEL] = y
        count[POINTS] = 1
        return
    d = y - (m + v)
    scale = math.sqrt(variance)
    if learnt and scale > 0.0:
        out.residual[t, s] = d / scale
    if stuck:
        number[LEVEL] = m + v
        return
    if learnt and scale > 0.0 and not math.isnan(previous_y):
        past[t, s], present[t, s], valid[t, s] = (previous_y - m) / scale, d / scale, True
        out.before[t, s], out.scale[t, s] = (earlier_y - m + v) / scale, scale
    # After a gap a kept scale is not learnt again, and does not learn while the level is sought.
    known = n + kept if n >= RESTART else n
    number[LEVEL], number[SLOPE], number[VARIANCE], square = follow(
        m, v, variance, d, known, table.level_gain, table.slope_gain, table.scale_gain, table.cut, UNCLIPPED
    )
    if kept > 0 and n < RESTART:
        number[VARIANCE] = variance
    if n >= table.first_square or (known > n and known >= table.first_square):
        out.square[t, s] = square if settled else np.nan
    count[POINTS] = n + 1


@inlined
def _judge(number: Floats, count: Ints, jump: float, table: ConditionerTable) -> int:
    # n equal values are n - 1 ties
    if count[TIED] + 1 >= table.stuck_after and not ties.is_explained(number, count):
        return _STUCK
    if count[OUTSIDE] >= _BAD_RUN:
        return _RANGE
    if count[IMPLAUSIBLE] >= _BAD_RUN:
        return _IMPLAUSIBLE
    if count[MISSING] >= table.blind_after:
        return _GAP
    if count[ISOLATED] >= _ALONE:
        return _SPACING
    if not table.none and count[TIE_TESTS] >= ties.NEEDED and jump > table.coarse_steps * math.sqrt(number[VARIANCE]):
        return _COARSE
    return 0
