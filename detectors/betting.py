r"""Betting on increments: the recurrences of the e-detectors, compiled.

A *channel* is one claim about one series: lag-1 autocorrelation above or below a threshold, an oscillation above a
modulus, a spread above a multiple of the baseline's. Its increment `x` in [-1, 1] has a mean of at most 0 while the
claim is false; a gambler stakes shares `beta_j` of his wealth on it, and one unit of money enters at every tick:

    E_j <- (E_j + 1/J) (1 + beta_j x)                                  (Shin, Ramdas & Rinaldo 2023)

A *rule* reads the weighted mean, or the minimum, over its channels of `M = sum_j E_j` and alarms when it reaches
`1/alpha`. Beside it run, on the same increments: the reversed gambler who ends an alarm; the sums that tell a step from
slowing (`sides`: increments of ticks above and below the level) and from noise whose memory is one tick (`second`: the
increments, and those of the *lag-2 lane*, in which the value before the past one takes the past's place: of an AR(1)
they keep pace, of such noise they are nil); and the gambler of the fleet, who starts anew at every window and stops
when he has won enough.

Ticks without a valid pair change nothing. Every line is plain arithmetic in tick order: blocks may be cut anywhere,
bitwise. The arguments are the named tuples of `evidence.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from detectors.activation import tanh
from detectors.arrays import Floats
from detectors.baseline import halves_disagree, psi, relative_threshold, spread_baseline
from detectors.compiled import allocating, part
from detectors.ledger import EARLY_SHARE, ENOUGH, FIRST_PAIRS, LABEL_NOISE, LABEL_ONE_SIDED, SEEN_PAIRS

if TYPE_CHECKING:
    from detectors.ledger import EvidenceBlock, EvidenceState, Stream, Table

CEILING = 1e6
"""Evidence is kept below this many alarm lines while an alarm is open, so that it can fall again."""
# What remarks rest on was measured together and changes no evidence: a key for one of these would undo the others.
SIDE_MEMORY = 0.98
ONE_SIDED = 0.1
"""Share of the increments below which a side counts as silent."""
LAG2_MEMORY = 0.99
SUPPORT = 0.25
"""Share of the lag-1 increments that those of the lag-2 lane must reach to support an alarm."""
QUIETER = 0.0
"""Log-variance against the baseline below which lag 1 may have risen because the sensor's own noise fell.

Slowing under constant shocks raises the variance. Measured on falling noise at alpha 1e-4 (AR(1) .9, noise of sd 1 to
.3): .82 to .87 of the alarms are marked, .46 to .62 at -0.3; of true slowing .02, and one half if its variance is held.
"""
SLOPE_MEMORY = 0.9965402628278678
"""Half-life of 200 ticks: the running slope of the spread channel."""
PAIRS, SPREAD = 0, 1
"""The two kinds of increments of a channel."""
_RUN = 32


@part
def _spread_increment(
    present: float, past: float, ratio: float, slope: float, slope_now: float, tau: float, expected: float
) -> float:
    """Increment of "variance above `ratio` times the baseline's", in [-1, 1].

    The smaller of two residuals, by the baseline's slope and by the running one: slowing alone raises neither.
    """
    e = min(abs(present - slope * past), abs(present - slope_now * past))
    return (psi(e / (tau * math.sqrt(ratio))) - expected) / max(expected, 1.0 - expected)


@part
def _sum(wealth: Floats) -> float:
    total = 0.0
    for j in range(wealth.shape[0]):
        total += wealth[j]
    return total


@part
def _start(state: EvidenceState, table: Table, s: int) -> None:
    """The series knows nothing: no wealth, no baseline."""
    for k in range(table.line.shape[0]):
        if state.waits[s, k] > SEEN_PAIRS and not state.held[s, k]:
            _, total = _early_and_total(state, table, s, k)
            if total < state.waits[s, k]:  # less than the money that came in: the claim has not held
                _free(state, table, s, k)
        if state.waits[s, k] > 0:  # what has been seen to begin later stays so
            state.waits[s, k] = 1
            state.early[s, table.first[k] : table.first[k + 1]] = 1.0
    state.mean[s] = 0.0
    state.wealth[s] = 0.0
    state.clearing[s] = 0.0
    state.sides[s] = 0.0
    state.second[s] = 0.0
    state.fleet[s] = 0.0
    state.open[s] = False
    state.held[s] = False
    for c in range(table.threshold.shape[0]):
        state.threshold[s, c] = table.threshold[c]
    state.remembered[s] = 0
    state.known[s] = 0.0
    state.disagrees[s] = False
    state.e_value[s] = 0.0


@part
def _settle(state: EvidenceState, table: Table, s: int) -> None:
    """Find what rests on the baseline, which is full now."""
    pairs = state.baseline[s]
    spread_baseline(pairs, state.known[s])
    state.disagrees[s] = halves_disagree(pairs, table.input_weight, table.kappa)
    _set_thresholds(state, table, s)


@part
def _set_thresholds(state: EvidenceState, table: Table, s: int) -> None:
    """Read the relative thresholds that are not known yet off a full baseline."""
    pairs = state.baseline[s]
    for k in range(table.line.shape[0]):
        bets = table.bets[k, : table.n_bets[k]]
        for c in range(table.first[k], table.first[k + 1]):
            if table.relative[c] and math.isnan(state.threshold[s, c]):
                state.threshold[s, c] = relative_threshold(
                    pairs, table.sign[c], table.delta[c], bets, table.input_weight, table.kappa, table.gain
                )


@allocating
def set_thresholds(state: EvidenceState, table: Table) -> None:
    """Read the relative thresholds of rules that came when the baseline was full already."""
    wanted = max(state.baseline.shape[1], 1)
    for s in range(state.remembered.shape[0]):
        if state.remembered[s] >= wanted:
            _set_thresholds(state, table, s)


@part
def _label(stream: Stream, state: EvidenceState, table: Table, t: int, s: int, c: int) -> int:
    """Why an alarm led by this channel may not be slowing."""
    if table.kind[c] != PAIRS or stream.beside[table.lane[c]] < 0:
        return 0
    label = 0
    above, below = state.sides[s, c, 0], state.sides[s, c, 1]
    if min(above, below) < ONE_SIDED * (abs(above) + abs(below)):
        label += LABEL_ONE_SIDED
    supported = state.second[s, c, 1] >= SUPPORT * state.second[s, c, 0]
    if table.sign[c] * state.threshold[s, c] > 0.0 and (not supported or stream.spread[t, s] < QUIETER):
        label += LABEL_NOISE
    return label


@part
def _raise(stream: Stream, state: EvidenceState, block: EvidenceBlock, table: Table, t: int, s: int, k: int) -> None:
    """Note an alarm with the channel that gave most evidence, its threshold and its label."""
    block.raised[t, s, k] = True
    best = table.first[k]
    for c in range(table.first[k], table.first[k + 1]):
        if table.weight[c] * _sum(state.wealth[s, c]) > table.weight[best] * _sum(state.wealth[s, best]):
            best = c
    state.leading[s, k] = block.leading[t, s, k] = best
    state.label[s, k] = block.label[t, s, k] = _label(stream, state, table, t, s, best)
    block.threshold[t, s, k] = state.threshold[s, best]


@part
def _clear(state: EvidenceState, block: EvidenceBlock, t: int, s: int, k: int) -> None:
    """Note the end of an alarm."""
    state.open[s, k] = False
    block.cleared[t, s, k] = True
    block.leading[t, s, k], block.label[t, s, k] = state.leading[s, k], state.label[s, k]
    block.threshold[t, s, k] = state.threshold[s, state.leading[s, k]]


@part
def _early_and_total(state: EvidenceState, table: Table, s: int, k: int) -> tuple[float, float]:
    """Give the evidence of a rule that was won with the money of the first pairs, and all of it."""
    early, total, least = 0.0, 0.0, math.inf
    for c in range(table.first[k], table.first[k + 1]):
        own, M = 0.0, 0.0
        for j in range(table.n_bets[k]):
            own += state.early[s, c, j] * state.wealth[s, c, j]
            M += state.wealth[s, c, j]
        if not table.minimum[k]:
            early += table.weight[c] * own
            total += table.weight[c] * M
        elif least > M:
            early, total, least = own, M, M
    return early, total


@part
def _has_held(state: EvidenceState, table: Table, s: int, k: int) -> bool:
    """Tell if the claim has held from the start: enough of the evidence was won with the money of the first pairs."""
    early, total = _early_and_total(state, table, s, k)
    return early >= EARLY_SHARE * total


@part
def _free(state: EvidenceState, table: Table, s: int, k: int) -> None:
    """The rule raises alarms from now on."""
    state.waits[s, k] = 0
    state.held[s, k] = False
    state.early[s, table.first[k] : table.first[k + 1]] = 0.0


@allocating
def advance(  # noqa: C901 - one pass over ticks, series, rules and channels: what is nested is the problem itself
    stream: Stream, state: EvidenceState, block: EvidenceBlock, table: Table, first: int, last: int
) -> None:
    """Advance the series `first` to `last` of the state in place, a run of them through all ticks before the next.

    What is kept of a run then stays in the first-level cache. Whole arrays and indices throughout: a slice per channel
    would cost more than the arithmetic.
    """
    past, present, valid, ready, before = stream.past, stream.present, stream.valid, stream.ready, stream.before
    beside, scale, tick = stream.beside, stream.scale, stream.tick
    mean, wealth, clearing, is_open, sides = state.mean, state.wealth, state.clearing, state.open, state.sides
    second, fleet, threshold, known, e_value = state.second, state.fleet, state.threshold, state.known, state.e_value
    waits, early, is_held = state.waits, state.early, state.held
    remembered, baseline, wanted = state.remembered, state.baseline, state.baseline.shape[1]
    kind, lane, sign, weight, bets, n_bets = table.kind, table.lane, table.sign, table.weight, table.bets, table.n_bets
    first_channel, line, minimum, needs = table.first, table.line, table.minimum, table.needs_baseline
    gain, w, kappa, rules = table.gain, 0.5 * table.input_weight, table.kappa, table.line.shape[0]
    lanes, rows = past.shape[0], before.shape[0]
    values = np.zeros((lanes + rows + kind.shape[0]) * min(_RUN, last - first))
    for start in range(first, last, _RUN):
        end = min(start + _RUN, last)
        n = end - start
        for t in range(stream.reset.shape[0]):
            for s in range(start, end):
                if stream.reset[t, s]:
                    for k in range(rules):
                        if is_open[s, k]:
                            _clear(state, block, t, s, k)
                    _start(state, table, s)
                # Every tanh of the tick: of the past by lane, of the values before, of the errors by channel.
                at = s - start
                for k in range(lanes):
                    values[at] = w * past[k, t, s] if valid[k, t, s] else 0.0
                    at += n
                for k in range(rows):
                    values[at] = 0.0 if math.isnan(before[k, t, s]) else w * before[k, t, s]
                    at += n
                for c in range(kind.shape[0]):
                    k = lane[c]
                    ok = kind[c] == PAIRS and valid[k, t, s]
                    values[at] = kappa * (present[k, t, s] - threshold[s, c] * past[k, t, s]) if ok else 0.0
                    at += n
            for i in range((lanes + rows + kind.shape[0]) * n):
                values[i] = tanh(values[i])  # in one flat loop it becomes vector instructions
            for s in range(start, end):
                window = tick[t, s] // table.window
                if window > state.window[s]:
                    # Of the windows before, only the one just before is a neighbour.
                    e_value[s, 0] = e_value[s, 1] if window == state.window[s] + 1 else 0.0
                    e_value[s, 1] = 0.0
                    fleet[s] = 0.0
                    state.window[s] = window
                still = e_value[s, 1] < ENOUGH
                won = 0.0
                for k in range(rules):
                    J, opened, now = n_bets[k], is_open[s, k], ready[t, s, k]
                    held, begun = is_held[s, k], waits[s, k] > FIRST_PAIRS
                    entry, earliest = 1.0 / J, 0.0
                    judged, betting = False, False
                    total, least, windowed, windowed_least = 0.0, math.inf, 0.0, math.inf
                    turned, turned_least = 0.0, math.inf
                    for c in range(first_channel[k], first_channel[k + 1]):
                        knows = not needs[c] or remembered[s] >= wanted
                        judged = judged or knows
                        M, back, since, x, staked = 0.0, 0.0, 0.0, 0.0, False
                        if knows and valid[lane[c], t, s]:
                            p, q = past[lane[c], t, s], present[lane[c], t, s]
                            x2 = 0.0
                            if kind[c] == PAIRS:
                                m = mean[s, c]
                                h = values[(lanes + rows + c) * n + s - start]
                                recentred = (h - m) / (1.0 + abs(m))
                                x = sign[c] * values[lane[c] * n + s - start] * recentred
                                row = beside[lane[c]]
                                if row >= 0 and not math.isnan(before[row, t, s]):
                                    # AR(1): E[z'' (c - r p)] = gamma_1 (rho - r), positive if slower, either side of 0.
                                    x2 = values[(lanes + row) * n + s - start] * recentred
                                mean[s, c] = m + gain * (h - m)
                            else:
                                slope_now = known[s, 3] / known[s, 4] if known[s, 4] > 0.0 else known[s, 0]
                                x = _spread_increment(
                                    q * scale[t, s], p * scale[t, s], table.ratio[c], known[s, 0], slope_now,
                                    known[s, 1], known[s, 2],
                                )  # fmt: skip
                            staked = now
                            if now:
                                betting = True
                                side = 0 if p > 0.0 else 1
                                sides[s, c, side] = SIDE_MEMORY * sides[s, c, side] + x
                                sides[s, c, 1 - side] = SIDE_MEMORY * sides[s, c, 1 - side]
                                if x2 != 0.0:
                                    second[s, c, 0] = LAG2_MEMORY * second[s, c, 0] + x
                                    second[s, c, 1] = LAG2_MEMORY * second[s, c, 1] + x2
                        for j in range(J):
                            stake, money = bets[k, j] * x, wealth[s, c, j]
                            if begun and not held:
                                if staked:
                                    early[s, c, j] *= money / (money + entry)
                                earliest = max(earliest, early[s, c, j])
                            if staked:
                                money = (money + entry) * (1.0 + stake)
                                wealth[s, c, j] = money
                            M += money
                            if opened or held:
                                money = clearing[s, c, j]
                                if staked:
                                    money = (money + entry) * (1.0 - stake)
                                    clearing[s, c, j] = money
                                back += money
                            if still:
                                money = fleet[s, c, j]
                                if staked:
                                    money = (money + entry) * (1.0 + stake)
                                    fleet[s, c, j] = money
                                since += money
                        if minimum[k] and staked and CEILING * line[k] < M:
                            # No alarm bounds what one claim has won alone: bounded here, so that it can fall again.
                            # Only where money was staked: scaling what is at the bound already would move its last bit.
                            for j in range(J):
                                wealth[s, c, j] = wealth[s, c, j] * (CEILING * line[k] / M)
                            M = CEILING * line[k]
                        total += weight[c] * M
                        turned += weight[c] * back
                        if knows:
                            turned_least = min(turned_least, back)
                        windowed += weight[c] * since
                        least = min(least, M)
                        windowed_least = min(windowed_least, since)
                    if minimum[k]:
                        total, windowed = least, windowed_least
                    else:
                        # A mean alarms if one claim holds, so it ends when the opposite of all of them has been shown.
                        # A minimum ends by the mean: a channel that has fallen silent must not keep it open for ever.
                        turned = turned_least
                    if betting and (opened or held):
                        if turned >= table.clear[k]:
                            if opened:
                                _clear(state, block, t, s, k)
                            else:
                                _free(state, table, s, k)
                            for c in range(first_channel[k], first_channel[k + 1]):
                                wealth[s, c] = 0.0
                                clearing[s, c] = 0.0
                        elif total > CEILING * line[k]:
                            for c in range(first_channel[k], first_channel[k + 1]):
                                for j in range(J):
                                    wealth[s, c, j] = wealth[s, c, j] * (CEILING * line[k] / total)
                            total = CEILING * line[k]
                    elif betting and total >= line[k] and waits[s, k] > 0 and _has_held(state, table, s, k):
                        is_held[s, k] = True
                    elif betting and total >= line[k]:
                        is_open[s, k] = True
                        _free(state, table, s, k)
                        _raise(stream, state, block, table, t, s, k)
                    elif betting and begun and earliest < EARLY_SHARE:
                        _free(state, table, s, k)
                    elif betting and 0 < waits[s, k] <= FIRST_PAIRS:
                        waits[s, k] += 1
                    if not is_held[s, k]:
                        won += windowed
                    block.open[t, s, k], block.held[t, s, k] = is_open[s, k], is_held[s, k]
                    block.evidence[t, s, k] = total / line[k] if judged and now else np.nan
                if still and rules > 0:
                    e_value[s, 1] = won / (rules * table.window)
                if wanted > 0 and valid[0, t, s]:
                    p, q = past[0, t, s] * scale[t, s], present[0, t, s] * scale[t, s]
                    known[s, 3] = SLOPE_MEMORY * known[s, 3] + p * q
                    known[s, 4] = SLOPE_MEMORY * known[s, 4] + p * p
                    at = remembered[s]
                    if at < wanted:
                        # Here, in the series' own units: a call for each pair costs more than all else.
                        baseline[s, at, 0], baseline[s, at, 1], baseline[s, at, 2] = p, q, scale[t, s]
                        remembered[s] = at + 1
                        if at + 1 == wanted:
                            _settle(state, table, s)
