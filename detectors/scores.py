"""Baselines and scores of "slower than it was", compiled; `slower.py` says what they mean.

Every line is plain arithmetic in tick order: blocks may be cut anywhere, bitwise. Functions get the records of one
scale of one series (`records.py`).
"""

from __future__ import annotations

import math

from detectors import half_life
from detectors.arrays import Flags, Floats, Ints
from detectors.compiled import inlined, part
from detectors.ledger import MEMORY, NEEDED, QUEUED, SEGMENT
from detectors.records import Record, Records
from detectors.scales import SIZES

UP, DOWN, MODULUS = range(3)
CLAIMS = ("up", "down", "modulus")
CLAIM_COUNT = len(CLAIMS)
TOO_SLOW, SLOW = 0.96, 0.88
FINER = 0.05

_PAIR_CUT = 1.3
SHORTEST, _LONGEST, _SHARE_OF_MEMORY = 2.0, 40.0, 0.4
_AGE, _LOPSIDED, _TIED = 9.0, 16.0, 2.0
LAG1_GAIN = half_life.gain(70.0)
_SMALLEST_VARIANCE = 0.02
HIGHEST = 0.98
_VARIANCE_PAIRS, _VARIANCE_PRIOR, _VARIANCE_CUT = 80.0, 2.0, 25.0


@part
def clip(x: float, bound: float) -> float:
    """The number, cut at plus and minus the bound."""
    return min(bound, max(-bound, x))


@inlined
def add_pair(
    past: float, present: float, before: float, means: Record, lag1: Record, excursion: Record, block: Record,
    segment: Record, sides: Record,
) -> None:  # fmt: skip
    """Add a pair to block and segment of its scale, and follow the excursion that it belongs to.

    `means` hold the last two values, `sides` the fading sums of the scores above and below the level.
    """
    side = 1.0 if past > 0.0 else -1.0
    if side != excursion.side:
        excursion.age = 0.0
    excursion.side = side
    if block.first.n == 0.0:
        mine, other = (sides.above, sides.below) if past > 0.0 else (sides.below, sides.above)
        age, lopsided = excursion.age / _AGE, lead_of(mine, other) / _LOPSIDED
        excursion.stake = 1.0 / ((1.0 + age * age) * (1.0 + lopsided**4))
    excursion.age += _TIED if means.last == means.earlier else 1.0
    if not math.isnan(before) and lag1.p > 0.0:
        r = clip(lag1.a / lag1.p, HIGHEST)
        unit = 1.0 / math.sqrt(max(1.0 - r * r, _SMALLEST_VARIANCE))
        back, ahead = clip((before - r * past) * unit, _PAIR_CUT), clip((present - r * past) * unit, _PAIR_CUT)
        _add(block.second, back, ahead)
        _add(segment.second, back, ahead)
    x, y = clip(past, _PAIR_CUT), clip(present, _PAIR_CUT)
    lag1.a += LAG1_GAIN * (x * y - lag1.a)
    lag1.p += LAG1_GAIN * (x * x - lag1.p)
    _add(block.first, x, y)
    _add(segment.first, x, y)
    if x > 0.0:
        block.above.a += x * y
        block.above.p += x * x


@part
def lead_of(mine: float, other: float) -> float:
    """Lead of a side: the fading sum of its scores less that of the other side, or less 0 if that is larger."""
    return max(0.0, mine - max(0.0, other))


@part
def _add(sums: Record, x: float, y: float) -> None:
    sums.n += 1.0
    sums.a += x * y
    sums.p += x * x
    sums.q += y * y


@part
def empty_sums(sums: Record) -> None:
    """Begin a stretch of pairs."""
    sums.n = sums.a = sums.p = sums.q = 0.0


@part
def _take_in(baseline: Record, keep: float, oldest: Record) -> None:
    baseline.n = keep * baseline.n + oldest.n
    baseline.a = keep * baseline.a + oldest.a
    baseline.p = keep * baseline.p + oldest.p
    baseline.q = keep * baseline.q + oldest.q


@part
def is_known(baseline: Record) -> bool:
    """True if the baseline of a scale has pairs enough to be held against."""
    return bool(baseline.first.n >= NEEDED and baseline.second.n >= NEEDED / 2)


@part
def is_unseen(count: Record, baseline: Record) -> bool:
    """True if a scale has not been seen for as long as its baseline lasts."""
    return bool(0.0 < baseline.first.n <= count.missing)


@part
def has_baseline(baseline: Records) -> bool:
    """True if a scale has a baseline."""
    found = False
    for k in range(SIZES):
        found = found or is_known(baseline[0, k])
    return found


@part
def lag1_of(baseline: Record) -> float:
    """Zero crossing of the baseline."""
    return float(baseline.first.a / baseline.first.p)


@part
def block_length(baseline: Record) -> float:
    """Pairs of the next block: two fifths of the time in which the series forgets."""
    if not is_known(baseline):
        return SHORTEST
    r = min(0.99, abs(lag1_of(baseline)))
    return max(SHORTEST, min(_LONGEST, math.ceil(_SHARE_OF_MEMORY * (1.0 + r) / (1.0 - r))))


@part
def threshold_of(claim: int, r: float, r2: float) -> float:
    """Threshold of a claim's cell: where the baseline's own reading is, or as far on the other side of zero."""
    if claim == MODULUS:
        return min(r2, -r * r)
    return abs(r) if claim == UP else -abs(r)


@part
def unit_of(block: Record, baseline: Record, threshold: float) -> float:
    """`D`: what chance makes of a block's score, half by its own past values and half by the baseline's."""
    a, p, q, n = baseline.a, baseline.p, baseline.q, baseline.n
    s2 = max(_SMALLEST_VARIANCE, (q - 2.0 * threshold * a + threshold * threshold * p) / n)
    return math.sqrt(0.5 * s2 * (block.p + block.n * p / n) + 1e-12)


@part
def weights_of(r: float, r2: float, error: float) -> tuple[float, float, float]:
    """Shares of the money of a scale by claim, by what its baseline is like."""
    swings = r2 < -error and math.sqrt(-r2) > abs(r)
    up = 1.0 if r > error else 0.5 if r > -error else 0.05
    down = 1.0 if r < -error else 0.5 if r < error else 0.05
    modulus = 1.0 if swings else 0.15
    if swings and math.sqrt(-r2) > abs(r) + 0.1:
        up, down = 0.3 * up, 0.3 * down
    total = up + down + modulus
    return up / total, down / total, modulus / total


@part
def follow_variance(variance: Record, u: float, pairs: float) -> float:
    """Variance of earlier scores over that of chance, at least 1; then take in this one."""
    number, squares = variance.number, variance.squares
    spread = max(1.0, (_VARIANCE_PRIOR + squares) / (_VARIANCE_PRIOR + number))
    variance.sum += u
    variance.pairs += pairs
    if variance.pairs >= _VARIANCE_PAIRS:
        gathered, blocks = variance.sum, variance.pairs / pairs
        keep = 1.0 - variance.pairs / MEMORY
        variance.squares = keep * squares + min(gathered * gathered / blocks, _VARIANCE_CUT * spread)
        variance.number = keep * number + 1.0
        variance.sum = variance.pairs = 0.0
    return float(spread)


@part
def end_segment(
    segment: Record, queue: Records, queued: Ints, baseline: Records, share: Floats, live: Flags, lane: int, k: int
) -> None:
    """The oldest waiting segment enters the baseline, the newest begins to wait."""
    waiting = queued[lane, k]
    if waiting == QUEUED:
        keep = 1.0 - SEGMENT / MEMORY
        _take_in(baseline[lane, k].first, keep, queue[lane, k, 0].first)
        _take_in(baseline[lane, k].second, keep, queue[lane, k, 0].second)
        for j in range(QUEUED - 1):
            queue[lane, k, j] = queue[lane, k, j + 1]
        share_money(baseline, share, live, lane)
    else:
        queued[lane, k] = waiting + 1
    queue[lane, k, min(waiting, QUEUED - 1)] = segment
    empty_sums(segment.first)
    empty_sums(segment.second)


@part
def share_money(baseline: Records, share: Floats, live: Flags, lane: int) -> None:
    """Divide the money between the scales that are live by their baselines."""
    total = 0.0
    for k in range(SIZES):
        share[lane, k] = 0.0
        if is_known(baseline[lane, k]):
            r = lag1_of(baseline[lane, k])
            if r < TOO_SLOW:
                share[lane, k] = min(1.0, (TOO_SLOW - r) / (TOO_SLOW - SLOW))
            coarser = k + 1 < SIZES and is_known(baseline[lane, k + 1])
            if coarser and lag1_of(baseline[lane, k + 1]) > r + FINER:
                share[lane, k] = 0.0
        total += share[lane, k]
    live[0] = True
    for at in range(share.shape[0]):
        found = False
        for k in range(SIZES):
            if at == lane and total > 0.0:
                share[at, k] /= total
            found = found or share[at, k] > 0.0
        live[0] = live[0] and found
