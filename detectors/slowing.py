r"""The recurrences of "slower than it was", compiled; `slower.py` says what they mean.

Every line is plain arithmetic in tick order: blocks may be cut anywhere, bitwise. Functions get arrays of one series,
views that are made once; handing on whole named tuples costs more than the arithmetic.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.compiled import compiled, inlined, part
from detectors.ledger import ENOUGH, LABEL_ONE_SIDED, SEGMENT, SlowerBlock, SlowerState
from detectors.scales import JUMP, SIZES, TICKS, add, empty, pass_over, take, without_spike
from detectors.scores import (
    A2,
    A_ABOVE,
    AGE,
    CLAIM_COUNT,
    HIGHEST,
    LENGTH,
    MODULUS,
    N2,
    P2,
    P_ABOVE,
    SHORTEST,
    SIDE,
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
    has_baseline,
    is_known,
    is_unseen,
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
    scores: Floats, window: int, first: int, last: int,
) -> None:  # fmt: skip
    """Advance the series `first` to `last` in place; `scores` is room for one score of each claim."""
    opened, shown, raised, cleared, by_gap = (
        out.found.open,
        out.found.evidence,
        out.found.raised,
        out.found.cleared,
        out.by_gap,
    )
    led, labelled, held_against = out.found.leading, out.found.label, out.found.threshold
    lanes, rules = values.shape[0], lines.shape[0]
    for s in range(first, last):
        # Views of one series, made once: the loops over its ticks then touch plain numbers only.
        lag1, excursion, block, segment = state.lag1[s], state.excursion[s], state.block[s], state.segment[s]
        queue, queued, baseline, variance = state.queue[s], state.queued[s], state.baseline[s], state.variance[s]
        sides, share, wealth, money = state.sides[s], state.share[s], state.wealth[s], state.money[s]
        is_open, leading, trend, label = state.open[s], state.leading[s], state.trend[s], state.label[s]
        threshold, evidence, fleet, fleet_money = (
            state.threshold[s],
            state.evidence[s],
            state.fleet[s],
            state.fleet_money[s],
        )
        e_value, live, own_window = state.e_value[s], state.live[s : s + 1], state.window[s : s + 1]
        last_tick, kept, spikes = state.scales.tick[s : s + 1], state.scales.kept[s], state.scales.spikes[s]
        total, numbers, counts, far = (
            state.scales.total[s],
            state.scales.numbers[s],
            state.scales.counts[s],
            state.scales.far[s],
        )
        for t in range(tick.shape[0]):
            if not here[t, s]:
                continue
            scored = changed = False
            if afresh[t, s]:
                changed = _end_all(is_open, cleared, by_gap, t, s)
                empty(last_tick, kept, spikes, total, numbers, counts, far)
                _forget(
                    lag1, block, excursion, segment, queued, baseline, variance, sides, share, wealth, money, fleet,
                    fleet_money, evidence, e_value, live,
                )  # fmt: skip
            between = tick[t, s] - last_tick[0] - 1 if last_tick[0] >= 0 else 0
            last_tick[0] = tick[t, s]
            if tick[t, s] // window > own_window[0]:
                # Of the windows before, only the one just before is a neighbour.
                e_value[0] = e_value[1] if tick[t, s] // window == own_window[0] + 1 else 0.0
                e_value[1] = 0.0
                _empty_fleet(fleet, fleet_money)
                own_window[0] = tick[t, s] // window
            still = e_value[1] < ENOUGH
            for lane in range(lanes):
                for k in range(SIZES):
                    fleet_money[lane, k] += share[lane, k]
                for rule in range(rules):
                    if not is_open[rule]:
                        for k in range(SIZES):
                            money[lane, rule, k] += share[lane, k]
                value = without_spike(values[lane, t, s], kept, spikes, lane)
                if between > 0:
                    for k in range(SIZES):
                        pass_over(tick[t, s], between, total, numbers, counts, lane, k)
                        if is_unseen(counts, baseline, lane, k):
                            changed |= _end_unseen(
                                is_open, leading, cleared, by_gap, excursion, segment, queued, baseline, variance,
                                sides, share, wealth, money, evidence, live, t, s, lane, k,
                            )  # fmt: skip
                add(value, total, counts, lane)
                for k in range(SIZES):
                    if (tick[t, s] + 1) % TICKS[k] != 0:
                        break  # nor does a block of a coarser scale end
                    past, present, before = take(
                        total, numbers, counts, far, kept[lane, JUMP], excursion[lane, k, LENGTH], lane, k
                    )
                    if is_unseen(counts, baseline, lane, k):
                        changed |= _end_unseen(
                            is_open, leading, cleared, by_gap, excursion, segment, queued, baseline, variance, sides,
                            share, wealth, money, evidence, live, t, s, lane, k,
                        )  # fmt: skip
                    if math.isnan(past):
                        continue
                    add_pair(past, present, before, numbers, lag1, excursion, block, segment, sides, lane, k)
                    if block[lane, k, N] >= excursion[lane, k, LENGTH]:
                        if is_known(baseline, lane, k):
                            _score(
                                block, baseline, excursion, variance, sides, share, is_open, wealth, money, fleet,
                                fleet_money, lines, scores, still, lane, k,
                            )  # fmt: skip
                            scored = True
                            for rule in range(rules):
                                if is_open[rule]:
                                    changed |= _follow(
                                        is_open, leading, trend, cleared, block, scores, t, s, rule, lane, k
                                    )
                        for i in range(SUMS + 2):
                            block[lane, k, i] = 0.0
                        excursion[lane, k, LENGTH] = block_length(baseline, lane, k)
                    if segment[lane, k, N] >= SEGMENT:
                        end_segment(segment, queue, queued, baseline, share, live, lane, k)
            if scored:
                _read_evidence(wealth, evidence)
                if still:
                    e_value[1] = _smallest(fleet) / window
            for rule in range(rules):
                reached = evidence[rule] / lines[rule]
                if scored and not is_open[rule] and reached >= 1.0:
                    _raise(is_open, leading, trend, threshold, label, baseline, sides, wealth, money, evidence, rule)
                    raised[t, s, rule] = changed = True
                if changed and (raised[t, s, rule] or cleared[t, s, rule]):
                    led[t, s, rule], labelled[t, s, rule] = leading[rule], label[rule]
                    held_against[t, s, rule] = threshold[rule]
                opened[t, s, rule] = is_open[rule]
                if is_open[rule]:
                    shown[t, s, rule] = max(reached, 1.0)
                elif live[0]:
                    shown[t, s, rule] = reached
            if not live[0]:
                out.too_slow[t, s] = has_baseline(baseline)


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
def _follow(
    is_open: Flags, leading: Ints, trend: Floats, cleared: Flags, block: Floats, scores: Floats, t: int, s: int,
    rule: int, lane: int, k: int,
) -> bool:  # fmt: skip
    """Follow the claim of an open alarm; True if it ends, as its scores are again about as they were."""
    claim = leading[rule] - (lane * SIZES + k) * CLAIM_COUNT
    if 0 <= claim < CLAIM_COUNT and not math.isnan(scores[claim]):
        gain = 1.0 - 0.5 ** (block[lane, k, N] / _CLEAR_PAIRS)
        trend[rule] += gain * (scores[claim] - trend[rule])
        if trend[rule] < _CLEAR:
            is_open[rule] = False
            cleared[t, s, rule] = True
            return True
    return False


@part
def _empty_fleet(fleet: Floats, fleet_money: Floats) -> None:
    """Begin a window of the fleet."""
    for lane in range(fleet.shape[0]):
        for k in range(SIZES):
            fleet_money[lane, k] = 0.0
            for claim in range(CLAIM_COUNT):
                for j in range(BET_COUNT):
                    fleet[lane, k, claim, j] = 0.0


@part
def _smallest(fleet: Floats) -> float:
    """Wealth over all scales, claims and bets, of the lane where it is smallest."""
    smallest = math.inf
    for lane in range(fleet.shape[0]):
        total = 0.0
        for k in range(SIZES):
            for claim in range(CLAIM_COUNT):
                for j in range(BET_COUNT):
                    total += fleet[lane, k, claim, j]
        smallest = min(smallest, total)
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
def _raise(
    is_open: Flags, leading: Ints, trend: Floats, threshold: Floats, label: Ints, baseline: Floats, sides: Floats,
    wealth: Floats, money: Floats, evidence: Floats, rule: int,
) -> None:  # fmt: skip
    """Open an alarm with the claim that gave most evidence, where evidence is smallest; its wealth is spent."""
    smallest, lane = math.inf, 0
    for at in range(wealth.shape[0]):
        total = 0.0
        for k in range(SIZES):
            for claim in range(CLAIM_COUNT):
                for j in range(BET_COUNT):
                    total += wealth[at, rule, k, claim, j]
        if total < smallest:
            smallest, lane = total, at
    most, led = -1.0, 0
    for k in range(SIZES):
        for claim in range(CLAIM_COUNT):
            total = 0.0
            for j in range(BET_COUNT):
                total += wealth[lane, rule, k, claim, j]
            if total > most:
                most, led = total, (lane * SIZES + k) * CLAIM_COUNT + claim
    k, claim = led // CLAIM_COUNT % SIZES, led % CLAIM_COUNT
    r2 = baseline[lane, k, A2] / baseline[lane, k, P2]
    is_open[rule], leading[rule], trend[rule] = True, led, 1.0
    threshold[rule] = threshold_of(claim, clip(lag1_of(baseline, lane, k), HIGHEST), clip(r2, HIGHEST))
    above, below = sides[lane, k, 0], sides[lane, k, 1]
    one_sided = claim == UP and min(above, below) < _BARELY * (abs(above) + abs(below))
    label[rule] = LABEL_ONE_SIDED if one_sided else 0
    for at in range(wealth.shape[0]):
        for k in range(SIZES):
            _spend(wealth, money, at, rule, k)
    evidence[rule] = 0.0


@part
def _spend(wealth: Floats, money: Floats, lane: int, rule: int, k: int) -> None:
    """Empty the wealth of a rule at one scale."""
    money[lane, rule, k] = 0.0
    for claim in range(CLAIM_COUNT):
        for j in range(BET_COUNT):
            wealth[lane, rule, k, claim, j] = 0.0


@part
def _end_unseen(
    is_open: Flags, leading: Ints, cleared: Flags, by_gap: Flags, excursion: Floats, segment: Floats, queued: Ints,
    baseline: Floats, variance: Floats, sides: Floats, share: Floats, wealth: Floats, money: Floats, evidence: Floats,
    live: Flags, t: int, s: int, lane: int, k: int,
) -> bool:  # fmt: skip
    """A scale that has not been seen for too long forgets its baseline; True if alarms that it led end with it."""
    ended = False
    for rule in range(is_open.shape[0]):
        if is_open[rule] and leading[rule] // CLAIM_COUNT == lane * SIZES + k:
            is_open[rule] = False
            cleared[t, s, rule] = by_gap[t, s, rule] = ended = True
    _forget_scale(excursion, segment, queued, baseline, variance, sides, wealth, money, lane, k)
    share_money(baseline, share, live, lane)
    _read_evidence(wealth, evidence)
    return ended


@part
def _end_all(is_open: Flags, cleared: Flags, by_gap: Flags, t: int, s: int) -> bool:
    """End every open alarm, since the series is another one from here on; True if there was one."""
    ended = False
    for rule in range(is_open.shape[0]):
        if is_open[rule]:
            is_open[rule] = False
            cleared[t, s, rule] = by_gap[t, s, rule] = ended = True
    return ended


@part
def _forget(
    lag1: Floats, block: Floats, excursion: Floats, segment: Floats, queued: Ints, baseline: Floats, variance: Floats,
    sides: Floats, share: Floats, wealth: Floats, money: Floats, fleet: Floats, fleet_money: Floats, evidence: Floats,
    e_value: Floats, live: Flags,
) -> None:  # fmt: skip
    """Forget a series, but for the means of its scales."""
    live[0] = False
    e_value[0] = e_value[1] = 0.0
    for rule in range(evidence.shape[0]):
        evidence[rule] = 0.0
    _empty_fleet(fleet, fleet_money)
    for lane in range(share.shape[0]):
        for k in range(SIZES):
            share[lane, k] = lag1[lane, k, 0] = lag1[lane, k, 1] = 0.0
            for i in range(SUMS + 2):
                block[lane, k, i] = 0.0
            excursion[lane, k, AGE] = excursion[lane, k, SIDE] = excursion[lane, k, STAKE] = 0.0
            _forget_scale(excursion, segment, queued, baseline, variance, sides, wealth, money, lane, k)


@part
def _forget_scale(
    excursion: Floats, segment: Floats, queued: Ints, baseline: Floats, variance: Floats, sides: Floats,
    wealth: Floats, money: Floats, lane: int, k: int,
) -> None:  # fmt: skip
    """Forget the baseline of a scale and the evidence against it."""
    queued[lane, k] = 0
    excursion[lane, k, LENGTH] = SHORTEST
    for i in range(SUMS):
        baseline[lane, k, i] = segment[lane, k, i] = 0.0
    sides[lane, k, 0] = sides[lane, k, 1] = 0.0
    for claim in range(CLAIM_COUNT):
        for i in range(variance.shape[3]):
            variance[lane, k, claim, i] = 0.0
    for rule in range(wealth.shape[1]):
        _spend(wealth, money, lane, rule, k)
