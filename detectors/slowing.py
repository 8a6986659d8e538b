r"""The recurrences of "slower than it was", compiled; `slower.py` says what they mean.

Every line is plain arithmetic in tick order: blocks may be cut anywhere, bitwise. Functions get arrays of one series,
views that are made once; handing on whole named tuples costs more than the arithmetic.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.compiled import compiled, inlined, part
from detectors.ledger import ENOUGH, LABEL_ONE_SIDED, SEGMENT, ScalesState, SlowerBlock, SlowerState
from detectors.scales import JUMP, MISSING, SIZES, TICKS, add, empty, pass_over, take, without_spike
from detectors.scores import (
    A2,
    A_ABOVE,
    CLAIM_COUNT,
    HIGHEST,
    LENGTH,
    MODULUS,
    N2,
    P2,
    P_ABOVE,
    SHORTEST,
    STAKE,
    SUMS,
    UP,
    A,
    N,
    P,
    add_pair,
    block_length,
    clip,
    end_segment,
    follow_variance,
    is_known,
    lag1_of,
    share_money,
    threshold_of,
    unit_of,
    weights_of,
)  # fmt: skip

BETS = np.array([0.4, 0.9])
BET_COUNT = len(BETS)
_SIDE, _SCORE = 1.3, 1.5
_SIDE_MEMORY, _BARELY = 0.98, 0.1
_CLEAR_PAIRS, _CLEAR = 24.0, 0.35
_MOST_MONEY = 0.02
"""Part of the alarm line that may come in at once, after a long time without a block."""
_LARGEST = 1e12

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@compiled
def advance(  # noqa: C901 - one pass over a tick; its parts are functions already
    values: Floats, tick: Ints, here: Flags, afresh: Flags, state: SlowerState, out: SlowerBlock, lines: Floats,
    window: int, first: int, last: int,
) -> None:  # fmt: skip
    """Advance the series `first` to `last` in place."""
    opened, shown, scores = out.found.open, out.found.evidence, np.zeros(CLAIM_COUNT)
    for s in range(first, last):
        # Views of one series, made once: the loops over its ticks then touch plain numbers only.
        own, at = _of_series(state, s), _of_scales(state.scales, s)
        lag1, excursion, block, segment, baseline = own.lag1, own.excursion, own.block, own.segment, own.baseline
        variance, sides, share, wealth, money = own.variance, own.sides, own.share, own.wealth, own.money
        is_open, live, evidence = own.open, own.live, own.evidence
        fleet, fleet_money, e_value = own.fleet, own.fleet_money, own.e_value
        last_tick, kept, spikes, total, numbers, counts, far = at
        for t in range(tick.shape[0]):
            if not here[t, s]:
                continue
            if afresh[t, s]:
                _end_all(own, out, t, s)
                _forget(own, at)
            between = tick[t, s] - last_tick[0] - 1 if last_tick[0] >= 0 else 0
            last_tick[0] = tick[t, s]
            if tick[t, s] // window > own.window[0]:
                _open_window(own, tick[t, s] // window)
            still = e_value[1] < ENOUGH
            scored = False
            for lane in range(values.shape[0]):
                for k in range(SIZES):
                    fleet_money[lane, k] += share[lane, k]
                for rule in range(lines.shape[0]):
                    if not is_open[rule]:
                        for k in range(SIZES):
                            money[lane, rule, k] += share[lane, k]
                value = without_spike(values[lane, t, s], kept, spikes, lane)
                if between > 0:
                    for k in range(SIZES):
                        pass_over(tick[t, s], between, total, numbers, counts, lane, k)
                        if _is_unseen(counts, baseline, lane, k):
                            _end_unseen(own, out, t, s, lane, k)
                add(value, total, counts, lane)
                for k in range(SIZES):
                    if (tick[t, s] + 1) % TICKS[k] != 0:
                        break  # nor does a block of a coarser scale end
                    past, present, before = take(
                        total, numbers, counts, far, kept[lane, JUMP], excursion[lane, k, LENGTH], lane, k
                    )
                    if _is_unseen(counts, baseline, lane, k):
                        _end_unseen(own, out, t, s, lane, k)
                    if math.isnan(past):
                        continue
                    add_pair(past, present, before, lag1, excursion, block, segment, lane, k)
                    if block[lane, k, N] >= excursion[lane, k, LENGTH]:
                        if is_known(baseline, lane, k):
                            _score(
                                block, baseline, excursion, variance, sides, share, is_open, wealth, money, fleet,
                                fleet_money, lines, scores, still, lane, k,
                            )  # fmt: skip
                            scored = True
                            for rule in range(lines.shape[0]):
                                if is_open[rule]:
                                    _follow(own, out, scores, t, s, rule, lane, k)
                        for i in range(SUMS + 2):
                            block[lane, k, i] = 0.0
                        excursion[lane, k, LENGTH] = block_length(baseline, lane, k)
                    if segment[lane, k, N] >= SEGMENT:
                        end_segment(own, lane, k)
            if scored:
                _read_evidence(wealth, evidence)
                if still:
                    e_value[1] = _smallest(fleet) / window
            for rule in range(lines.shape[0]):
                reached = evidence[rule] / lines[rule]
                if scored and not is_open[rule] and reached >= 1.0:
                    _raise(own, out, t, s, rule)
                opened[t, s, rule] = is_open[rule]
                if is_open[rule]:
                    shown[t, s, rule] = max(reached, 1.0)
                elif live[0]:
                    shown[t, s, rule] = reached
            if not live[0]:
                out.too_slow[t, s] = _has_baseline(baseline)


@inlined
def _of_series(state: SlowerState, s: int) -> SlowerState:
    """Views of the rows of one series, of what it has one number of too."""
    return SlowerState(
        state.scales, state.lag1[s], state.excursion[s], state.block[s], state.segment[s], state.queue[s],
        state.queued[s], state.baseline[s], state.variance[s], state.sides[s], state.share[s], state.wealth[s],
        state.money[s], state.open[s], state.leading[s], state.trend[s], state.label[s], state.threshold[s],
        state.live[s : s + 1], state.evidence[s], state.fleet[s], state.fleet_money[s], state.window[s : s + 1],
        state.e_value[s],
    )  # fmt: skip


@inlined
def _of_scales(state: ScalesState, s: int) -> ScalesState:
    return ScalesState(
        state.tick[s : s + 1], state.kept[s], state.spikes[s], state.total[s], state.numbers[s], state.counts[s],
        state.far[s],
    )  # fmt: skip


@inlined
def _score(
    block: Floats, base: Floats, excursion: Floats, variance: Floats, sides: Floats, share: Floats, is_open: Flags,
    wealth: Floats, money: Floats, fleet: Floats, fleet_money: Floats, lines: Floats, scores: Floats, still: bool,
    lane: int, k: int,
) -> None:  # fmt: skip
    """Score the block that has ended against the baseline, for each claim, and bet; a score is NaN without pairs."""
    r = clip(lag1_of(base, lane, k), HIGHEST)
    r2 = clip(base[lane, k, A2] / base[lane, k, P2], HIGHEST)
    weights = weights_of(r, r2, 2.0 / math.sqrt(base[lane, k, N]))
    for claim in range(CLAIM_COUNT):
        first = N2 if claim == MODULUS else N
        scores[claim], x = np.nan, 0.0
        if block[lane, k, first] >= 1.0:
            threshold = threshold_of(claim, r, r2)
            unit = unit_of(block, base, lane, k, first, threshold)
            u, stake = (block[lane, k, first + A] - threshold * block[lane, k, first + P]) / unit, 1.0
            if claim == UP:
                above = (block[lane, k, A_ABOVE] - threshold * block[lane, k, P_ABOVE]) / unit
                below = clip(u - above, _SIDE)
                above = clip(above, _SIDE)
                u, stake = above + below, excursion[lane, k, STAKE]
                sides[lane, k, 0] = _SIDE_MEMORY * sides[lane, k, 0] + above
                sides[lane, k, 1] = _SIDE_MEMORY * sides[lane, k, 1] + below
            else:
                u = -u
            scores[claim] = u
            spread = follow_variance(variance, lane, k, claim, u, block[lane, k, N])
            if share[lane, k] > 0.0:
                x = clip(stake * u / math.sqrt(spread), _SCORE) / _SCORE
        for rule in range(lines.shape[0]):
            if not is_open[rule]:
                came = weights[claim] * min(money[lane, rule, k], _MOST_MONEY * lines[rule]) / BET_COUNT
                for j in range(BET_COUNT):
                    grown = (wealth[lane, rule, k, claim, j] + came) * (1.0 + BETS[j] * x)
                    wealth[lane, rule, k, claim, j] = min(_LARGEST, grown)
        if still:
            for j in range(BET_COUNT):
                came = weights[claim] * fleet_money[lane, k] / BET_COUNT
                fleet[lane, k, claim, j] = (fleet[lane, k, claim, j] + came) * (1.0 + BETS[j] * x)
    fleet_money[lane, k] = 0.0
    for rule in range(lines.shape[0]):
        money[lane, rule, k] = 0.0


@part
def _empty(numbers: Floats) -> None:
    for i in range(numbers.shape[0]):
        numbers[i] = 0.0


@part
def _sum(numbers: Floats) -> float:
    total = 0.0
    for i in range(numbers.shape[0]):
        total += numbers[i]
    return total


@part
def _follow(own: SlowerState, out: SlowerBlock, scores: Floats, t: int, s: int, rule: int, lane: int, k: int) -> None:
    """Follow the claim of an open alarm; it ends when its scores are again about as they were."""
    claim = own.leading[rule] - (lane * SIZES + k) * CLAIM_COUNT
    if 0 <= claim < CLAIM_COUNT and not math.isnan(scores[claim]):
        gain = 1.0 - 0.5 ** (own.block[lane, k, N] / _CLEAR_PAIRS)
        own.trend[rule] += gain * (scores[claim] - own.trend[rule])
        if own.trend[rule] < _CLEAR:
            _clear(own, out, t, s, rule, False)


@part
def _open_window(own: SlowerState, window: int) -> None:
    """Begin a window of the fleet; of the windows before, only the one just before is a neighbour."""
    own.e_value[0] = own.e_value[1] if window == own.window[0] + 1 else 0.0
    own.e_value[1] = 0.0
    _empty(own.fleet.reshape(-1))
    _empty(own.fleet_money.reshape(-1))
    own.window[0] = window


@part
def _smallest(fleet: Floats) -> float:
    """Wealth over all scales, claims and bets, of the lane where it is smallest."""
    smallest = math.inf
    for lane in range(fleet.shape[0]):
        smallest = min(smallest, _sum(fleet[lane].reshape(-1)))
    return smallest


@part
def _read_evidence(wealth: Floats, evidence: Floats) -> None:
    """Add up the evidence of each rule, over scales and claims, of the lane where it is smallest."""
    for rule in range(evidence.shape[0]):
        evidence[rule] = math.inf
        for lane in range(wealth.shape[0]):
            total = 0.0
            for k in range(SIZES):
                for claim in range(CLAIM_COUNT):
                    for j in range(BET_COUNT):
                        total += wealth[lane, rule, k, claim, j]
            evidence[rule] = min(evidence[rule], total)


@part
def _raise(own: SlowerState, out: SlowerBlock, t: int, s: int, rule: int) -> None:
    """Note an alarm with the claim that gave most evidence, where evidence is smallest; its wealth is spent."""
    smallest, lane = math.inf, 0
    for at in range(own.wealth.shape[0]):
        total = _sum(own.wealth[at, rule].reshape(-1))
        if total < smallest:
            smallest, lane = total, at
    most, leading = -1.0, 0
    for k in range(SIZES):
        for claim in range(CLAIM_COUNT):
            wealth = _sum(own.wealth[lane, rule, k, claim])
            if wealth > most:
                most, leading = wealth, (lane * SIZES + k) * CLAIM_COUNT + claim
    k, claim = leading // CLAIM_COUNT % SIZES, leading % CLAIM_COUNT
    r2 = own.baseline[lane, k, A2] / own.baseline[lane, k, P2]
    own.open[rule], own.leading[rule], own.trend[rule] = True, leading, 1.0
    own.threshold[rule] = threshold_of(claim, clip(lag1_of(own.baseline, lane, k), HIGHEST), clip(r2, HIGHEST))
    above, below = own.sides[lane, k, 0], own.sides[lane, k, 1]
    one_sided = claim == UP and min(above, below) < _BARELY * (abs(above) + abs(below))
    own.label[rule] = LABEL_ONE_SIDED if one_sided else 0
    for at in range(own.wealth.shape[0]):
        _empty(own.wealth[at, rule].reshape(-1))
        _empty(own.money[at, rule])
    own.evidence[rule] = 0.0
    out.found.raised[t, s, rule] = True
    _tell(own, out, t, s, rule)


@part
def _clear(own: SlowerState, out: SlowerBlock, t: int, s: int, rule: int, by_gap: bool) -> None:
    own.open[rule] = False
    out.found.cleared[t, s, rule] = True
    out.by_gap[t, s, rule] = by_gap
    _tell(own, out, t, s, rule)


@part
def _tell(own: SlowerState, out: SlowerBlock, t: int, s: int, rule: int) -> None:
    out.found.leading[t, s, rule], out.found.label[t, s, rule] = own.leading[rule], own.label[rule]
    out.found.threshold[t, s, rule] = own.threshold[rule]


@part
def _is_unseen(counts: Ints, baseline: Floats, lane: int, k: int) -> bool:
    """True if a scale has not been seen for as long as its baseline lasts."""
    return bool(0.0 < baseline[lane, k, N] <= counts[lane, k, MISSING])


@part
def _end_unseen(own: SlowerState, out: SlowerBlock, t: int, s: int, lane: int, k: int) -> None:
    """A scale that has not been seen for too long forgets its baseline, and with it end the alarms that it led."""
    for rule in range(own.open.shape[0]):
        if own.open[rule] and own.leading[rule] // CLAIM_COUNT == lane * SIZES + k:
            _clear(own, out, t, s, rule, True)
    _forget_scale(own, lane, k)
    share_money(own, lane)
    _read_evidence(own.wealth, own.evidence)


@part
def _end_all(own: SlowerState, out: SlowerBlock, t: int, s: int) -> None:
    """End every open alarm, since the series is another one from here on."""
    for rule in range(own.open.shape[0]):
        if own.open[rule]:
            _clear(own, out, t, s, rule, True)


@part
def _forget(own: SlowerState, at: ScalesState) -> None:
    """Forget a series."""
    empty(at)
    own.live[0] = False
    for array in (own.lag1, own.block, own.excursion):
        _empty(array.reshape(-1))
    for table in (own.share, own.fleet_money):
        _empty(table.reshape(-1))
    _empty(own.fleet.reshape(-1))
    _empty(own.evidence)
    _empty(own.e_value)
    for lane in range(own.share.shape[0]):
        for k in range(SIZES):
            _forget_scale(own, lane, k)


@part
def _forget_scale(own: SlowerState, lane: int, k: int) -> None:
    """Forget the baseline of a scale and the evidence against it."""
    own.queued[lane, k] = 0
    own.excursion[lane, k, LENGTH] = SHORTEST
    _empty(own.baseline[lane, k])
    _empty(own.segment[lane, k])
    _empty(own.sides[lane, k])
    _empty(own.variance[lane, k].reshape(-1))
    for rule in range(own.wealth.shape[1]):
        _empty(own.wealth[lane, rule, k].reshape(-1))
        own.money[lane, rule, k] = 0.0


@part
def _has_baseline(baseline: Floats) -> bool:
    """True if a scale has a baseline."""
    found = False
    for k in range(SIZES):
        found = found or is_known(baseline, 0, k)
    return found
