r"""The recurrences of "slower than it was", compiled; `slower.py` says what they mean.

Every line is plain arithmetic in tick order: blocks may be cut anywhere, bitwise. Functions get the arrays of one
series, or records of one of its scales (`records.py`); those of all series would cost more than the arithmetic.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from detectors import scores
from detectors.arrays import Flags, Floats, Ints
from detectors.compiled import compiled, inlined, part
from detectors.ledger import ENOUGH, LABEL_ONE_SIDED, SEGMENT, SlowerBlock, SlowerState
from detectors.records import Record
from detectors.scales import SIZES, TICKS, empty, pass_over, take, without_spike
from detectors.scores import CLAIM_COUNT, HIGHEST, MODULUS, SHORTEST, UP, clip, lag1_of

BETS = np.array([[0.4, 0.9], [0.4, 0.9], [0.6, 0.9]])
"""By claim; of *modulus* .6 finds a little more than .4 at as many false alarms."""
BET_COUNT = BETS.shape[1]
_SIDE, _SCORES = 1.3, np.array([1.5, 1.5, 1.0])
_SKEWED = 0.04
"""Taken off each increment of the claim *modulus*. Its scores are skewed: a cut takes more from what speaks against it.

So increments had a mean of .015 at a cut of 1.5 where that of the scores was 0 (null of the Hopf bifurcation).
"""
_SIDE_MEMORY, _BARELY = 0.98, 0.1
_CLEAR_PAIRS, _CLEAR = 24.0, 0.35
_MOST_MONEY = 0.02
"""Part of the alarm line that may come in at once, after a long time without a block."""
_LARGEST = 1e12

Own = Any
"""The arrays of one series, as a `SlowerState` of records whose first axis is the lane or the rule."""


@compiled
def advance(  # noqa: C901 - one pass over a tick; its parts are functions already
    values: Floats, tick: Ints, here: Flags, afresh: Flags, state: SlowerState, out: SlowerBlock, lines: Floats,
    score: Floats, window: int, first: int, last: int,
) -> None:  # fmt: skip
    """Advance the series `first` to `last` in place; `score` is room for that of each claim.

    `state` is given as records.
    """
    opened, shown, raised, cleared = out.found.open, out.found.evidence, out.found.raised, out.found.cleared
    by_gap = out.by_gap
    led, labelled, held_against = out.found.leading, out.found.label, out.found.threshold
    lanes, rules = values.shape[0], lines.shape[0]
    for s in range(first, last):
        # Views of one series, made once: the loops over its ticks then touch plain numbers only.
        last_tick, kept, spikes = state.scales.tick[s : s + 1], state.scales.kept[s], state.scales.spikes[s]
        total, means = state.scales.total[s], state.scales.numbers[s]
        counts, far = state.scales.counts[s], state.scales.far[s]
        own: Own = SlowerState(
            state.scales, state.lag1[s], state.excursion[s], state.block[s], state.segment[s], state.queue[s],
            state.queued[s], state.baseline[s], state.variance[s], state.sides[s], state.share[s], state.wealth[s],
            state.money[s], state.open[s], state.leading[s], state.trend[s], state.label[s], state.threshold[s],
            state.live[s : s + 1], state.evidence[s], state.fleet[s], state.fleet_money[s],
            state.window[s : s + 1], state.e_value[s],
        )  # fmt: skip
        is_open, baseline, share, e_value, own_window = own.open, own.baseline, own.share, own.e_value, own.window
        for t in range(tick.shape[0]):
            if not here[t, s]:
                continue
            scored = changed = False
            if afresh[t, s]:
                changed = _end_all(is_open, cleared, by_gap, t, s)
                empty(last_tick, kept, spikes, total, means, counts, far)
                _forget(own)
            between = tick[t, s] - last_tick[0] - 1 if last_tick[0] >= 0 else 0
            last_tick[0] = tick[t, s]
            if tick[t, s] // window > own_window[0]:
                # Of the windows before, only the one just before is a neighbour.
                e_value[0] = e_value[1] if tick[t, s] // window == own_window[0] + 1 else 0.0
                e_value[1] = 0.0
                _empty_fleet(own.fleet, own.fleet_money)
                own_window[0] = tick[t, s] // window
            still = e_value[1] < ENOUGH
            for lane in range(lanes):
                for k in range(SIZES):
                    own.fleet_money[lane, k] += share[lane, k]
                for rule in range(rules):
                    if not is_open[rule]:
                        for k in range(SIZES):
                            own.money[lane, rule, k] += share[lane, k]
                value = without_spike(values[lane, t, s], kept[lane], spikes[lane])
                if between > 0:
                    for k in range(SIZES):
                        pass_over(tick[t, s], between, total, means[lane, k], counts[lane, k], lane, k)
                        if scores.is_unseen(counts[lane, k], baseline[lane, k]):
                            changed |= _end_unseen(own, cleared, by_gap, t, s, lane, k)
                if not math.isnan(value):
                    total[lane, 0] += value
                    counts[lane, 0].filled += 1
                for k in range(SIZES):
                    if (tick[t, s] + 1) % TICKS[k] != 0:
                        break  # nor does a block of a coarser scale end
                    block, base, excess = own.block[lane, k], baseline[lane, k], own.excursion[lane, k]
                    now, sides = own.segment[lane, k], own.sides[lane, k]
                    past, present, before = take(
                        total, means[lane, k], counts, far, kept[lane].jump, excess.length, lane, k
                    )
                    if scores.is_unseen(counts[lane, k], base):
                        changed |= _end_unseen(own, cleared, by_gap, t, s, lane, k)
                    if math.isnan(past):
                        continue
                    scores.add_pair(past, present, before, means[lane, k], own.lag1[lane, k], excess, block, now, sides)
                    if block.first.n >= excess.length:
                        if scores.is_known(base):
                            _score(own, block, base, sides, lines, score, still, lane, k)
                            scored = True
                            for rule in range(rules):
                                if is_open[rule]:
                                    changed |= _follow(
                                        is_open, own.leading, own.trend, cleared, block.first.n, score, t, s, rule,
                                        lane, k,
                                    )  # fmt: skip
                        _empty_block(block)
                        excess.length = scores.block_length(base)
                    if now.first.n >= SEGMENT:
                        scores.end_segment(now, own.queue, own.queued, baseline, share, own.live, lane, k)
            if scored:
                _read_evidence(own.wealth, own.evidence)
                if still:
                    e_value[1] = _smallest(own.fleet) / window
            for rule in range(rules):
                reached = own.evidence[rule] / lines[rule]
                if scored and not is_open[rule] and reached >= 1.0:
                    _raise(own, rule)
                    raised[t, s, rule] = changed = True
                if changed and (raised[t, s, rule] or cleared[t, s, rule]):
                    led[t, s, rule], labelled[t, s, rule] = own.leading[rule], own.label[rule]
                    held_against[t, s, rule] = own.threshold[rule]
                opened[t, s, rule] = is_open[rule]
                if is_open[rule]:
                    shown[t, s, rule] = max(reached, 1.0)
                elif own.live[0]:
                    shown[t, s, rule] = reached
            if not own.live[0]:
                out.too_slow[t, s] = scores.has_baseline(baseline)


@inlined
def _score(
    own: Own, block: Record, base: Record, sides: Record, lines: Floats, score: Floats, still: bool, lane: int,
    k: int,
) -> None:  # fmt: skip
    """Score the block that has ended against the baseline, for each claim, and bet; a score is NaN without pairs."""
    r = clip(lag1_of(base), HIGHEST)
    r2 = clip(base.second.a / base.second.p, HIGHEST)
    weights = scores.weights_of(r, r2, 2.0 / math.sqrt(base.first.n))
    for claim in range(CLAIM_COUNT):
        gathered, expected = (block.second, base.second) if claim == MODULUS else (block.first, base.first)
        score[claim], x = np.nan, 0.0
        if gathered.n >= 1.0:
            threshold = scores.threshold_of(claim, r, r2)
            unit = scores.unit_of(gathered, expected, threshold)
            u, stake = (gathered.a - threshold * gathered.p) / unit, 1.0
            if claim == UP:
                above = (block.above.a - threshold * block.above.p) / unit
                below = clip(u - above, _SIDE)
                above = clip(above, _SIDE)
                u, stake = above + below, own.excursion[lane, k].stake
                sides.above = _SIDE_MEMORY * sides.above + above
                sides.below = _SIDE_MEMORY * sides.below + below
            else:
                u = -u
            score[claim] = u
            spread = scores.follow_variance(own.variance[lane, k, claim], u, block.first.n)
            if own.share[lane, k] > 0.0:
                most = _SCORES[claim]
                x = clip(stake * u / math.sqrt(spread), most) / most
                if claim == MODULUS:
                    x -= _SKEWED
        for rule in range(lines.shape[0]):
            if not own.open[rule]:
                came = weights[claim] * min(own.money[lane, rule, k], _MOST_MONEY * lines[rule]) / BET_COUNT
                for j in range(BET_COUNT):
                    grown = (own.wealth[lane, rule, k, claim, j] + came) * (1.0 + BETS[claim, j] * x)
                    own.wealth[lane, rule, k, claim, j] = min(_LARGEST, grown)
        if still:
            for j in range(BET_COUNT):
                came = weights[claim] * own.fleet_money[lane, k] / BET_COUNT
                own.fleet[lane, k, claim, j] = (own.fleet[lane, k, claim, j] + came) * (1.0 + BETS[claim, j] * x)
    own.fleet_money[lane, k] = 0.0
    for rule in range(lines.shape[0]):
        own.money[lane, rule, k] = 0.0


@part
def _follow(
    is_open: Flags, leading: Ints, trend: Floats, cleared: Flags, pairs: float, score: Floats, t: int, s: int,
    rule: int, lane: int, k: int,
) -> bool:  # fmt: skip
    """Follow the claim of an open alarm; True if it ends, as its scores are again about as they were."""
    claim = leading[rule] - (lane * SIZES + k) * CLAIM_COUNT
    if 0 <= claim < CLAIM_COUNT and not math.isnan(score[claim]):
        gain = 1.0 - 0.5 ** (pairs / _CLEAR_PAIRS)
        trend[rule] += gain * (score[claim] - trend[rule])
        if trend[rule] < _CLEAR:
            is_open[rule] = False
            cleared[t, s, rule] = True
            return True
    return False


@part
def _empty_fleet(fleet: Floats, money: Floats) -> None:
    """Begin a window of the fleet."""
    for lane in range(fleet.shape[0]):
        for k in range(SIZES):
            money[lane, k] = 0.0
            _empty_wealth(fleet[lane, k])


@part
def _empty_wealth(wealth: Floats) -> None:
    """Empty the wealth of one scale, by claim and bet."""
    for claim in range(CLAIM_COUNT):
        for j in range(BET_COUNT):
            wealth[claim, j] = 0.0


@part
def _sum(wealth: Floats) -> float:
    """Add up wealth over all scales, claims and bets."""
    total = 0.0
    for k in range(SIZES):
        for claim in range(CLAIM_COUNT):
            for j in range(BET_COUNT):
                total += wealth[k, claim, j]
    return total


@part
def _smallest(fleet: Floats) -> float:
    """Wealth of the fleet's gambler, of the lane where it is smallest."""
    smallest = math.inf
    for lane in range(fleet.shape[0]):
        smallest = min(smallest, _sum(fleet[lane]))
    return smallest


@part
def _read_evidence(wealth: Floats, evidence: Floats) -> None:
    """Read the evidence of each rule, of the lane where it is smallest."""
    for rule in range(evidence.shape[0]):
        evidence[rule] = math.inf
        for lane in range(wealth.shape[0]):
            evidence[rule] = min(evidence[rule], _sum(wealth[lane, rule]))


@part
def _raise(own: Own, rule: int) -> None:
    """Open an alarm with the claim that gave most evidence, where evidence is smallest; its wealth is spent."""
    smallest, lane = math.inf, 0
    for at in range(own.wealth.shape[0]):
        total = _sum(own.wealth[at, rule])
        if total < smallest:
            smallest, lane = total, at
    most, led = -1.0, 0
    for k in range(SIZES):
        for claim in range(CLAIM_COUNT):
            total = 0.0
            for j in range(BET_COUNT):
                total += own.wealth[lane, rule, k, claim, j]
            if total > most:
                most, led = total, (lane * SIZES + k) * CLAIM_COUNT + claim
    k, claim = led // CLAIM_COUNT % SIZES, led % CLAIM_COUNT
    base = own.baseline[lane, k]
    r2 = base.second.a / base.second.p
    own.open[rule], own.leading[rule], own.trend[rule] = True, led, 1.0
    own.threshold[rule] = scores.threshold_of(claim, clip(lag1_of(base), HIGHEST), clip(r2, HIGHEST))
    above, below = own.sides[lane, k].above, own.sides[lane, k].below
    one_sided = claim == UP and min(above, below) < _BARELY * (abs(above) + abs(below))
    own.label[rule] = LABEL_ONE_SIDED if one_sided else 0
    for at in range(own.wealth.shape[0]):
        for k in range(SIZES):
            _spend(own.wealth, own.money, at, rule, k)
    own.evidence[rule] = 0.0


@part
def _spend(wealth: Floats, money: Floats, lane: int, rule: int, k: int) -> None:
    """Empty the wealth of a rule at one scale."""
    money[lane, rule, k] = 0.0
    _empty_wealth(wealth[lane, rule, k])


@part
def _end_unseen(own: Own, cleared: Flags, by_gap: Flags, t: int, s: int, lane: int, k: int) -> bool:
    """A scale that has not been seen for too long forgets its baseline; True if alarms that it led end with it."""
    ended = False
    for rule in range(own.open.shape[0]):
        if own.open[rule] and own.leading[rule] // CLAIM_COUNT == lane * SIZES + k:
            own.open[rule] = False
            cleared[t, s, rule] = by_gap[t, s, rule] = ended = True
    _forget_scale(own, lane, k)
    scores.share_money(own.baseline, own.share, own.live, lane)
    _read_evidence(own.wealth, own.evidence)
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
def _forget(own: Own) -> None:
    """Forget a series, but for the means of its scales."""
    own.live[0] = False
    own.e_value[0] = own.e_value[1] = 0.0
    for rule in range(own.evidence.shape[0]):
        own.evidence[rule] = 0.0
    _empty_fleet(own.fleet, own.fleet_money)
    for lane in range(own.share.shape[0]):
        for k in range(SIZES):
            own.share[lane, k] = own.lag1[lane, k].a = own.lag1[lane, k].p = 0.0
            _empty_block(own.block[lane, k])
            excursion = own.excursion[lane, k]
            excursion.age = excursion.side = excursion.stake = 0.0
            _forget_scale(own, lane, k)


@part
def _empty_block(block: Record) -> None:
    scores.empty_sums(block.first)
    scores.empty_sums(block.second)
    block.above.a = block.above.p = 0.0


@part
def _forget_scale(own: Own, lane: int, k: int) -> None:
    """Forget the baseline of a scale and the evidence against it."""
    own.queued[lane, k] = 0
    own.excursion[lane, k].length = SHORTEST
    for sums in (own.baseline[lane, k], own.segment[lane, k]):
        scores.empty_sums(sums.first)
        scores.empty_sums(sums.second)
    own.sides[lane, k].above = own.sides[lane, k].below = 0.0
    for claim in range(CLAIM_COUNT):
        scored = own.variance[lane, k, claim]
        scored.sum = scored.pairs = scored.squares = scored.number = 0.0
    for rule in range(own.wealth.shape[1]):
        _spend(own.wealth, own.money, lane, rule, k)
