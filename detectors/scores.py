"""Baselines and scores of "slower than it was", compiled; `slower.py` says what they mean.

Every line is plain arithmetic in tick order: blocks may be cut anywhere, bitwise. Functions get arrays of one series,
views that are made once; handing on whole named tuples costs more than the arithmetic.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors import half_life
from detectors.compiled import inlined, part
from detectors.ledger import MEMORY, NEEDED, QUEUED, SEGMENT
from detectors.scales import EARLIER, LAST, MISSING, SIZES

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

# Of a stretch of pairs: their number, and sums of past x present, past^2, present^2; then of the second stage.
N, A, P, Q, N2, A2, P2, Q2, A_ABOVE, P_ABOVE = range(10)
SUMS = 8
AGE, SIDE, STAKE, LENGTH = range(4)
SUM, PAIRS, SQUARES, NUMBER = range(4)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@part
def clip(x: float, bound: float) -> float:
    """The number, cut at plus and minus the bound."""
    return min(bound, max(-bound, x))


@inlined
def add_pair(
    past: float, present: float, before: float, numbers: Floats, lag1: Floats, excursion: Floats, block: Floats,
    segment: Floats, sides: Floats, lane: int, k: int,
) -> None:  # fmt: skip
    """Add a pair to block and segment of its scale, and follow the excursion that it belongs to.

    `numbers` hold the last two values, `sides` the fading sums of the scores above and below the level.
    """
    side = 1.0 if past > 0.0 else -1.0
    if side != excursion[lane, k, SIDE]:
        excursion[lane, k, AGE] = 0.0
    excursion[lane, k, SIDE] = side
    if block[lane, k, N] == 0.0:
        age, lopsided = excursion[lane, k, AGE] / _AGE, lead_of(sides, side, lane, k) / _LOPSIDED
        excursion[lane, k, STAKE] = 1.0 / ((1.0 + age * age) * (1.0 + lopsided**4))
    excursion[lane, k, AGE] += _TIED if numbers[lane, k, LAST] == numbers[lane, k, EARLIER] else 1.0
    if not math.isnan(before) and lag1[lane, k, 1] > 0.0:
        r = clip(lag1[lane, k, 0] / lag1[lane, k, 1], HIGHEST)
        unit = 1.0 / math.sqrt(max(1.0 - r * r, _SMALLEST_VARIANCE))
        back, ahead = clip((before - r * past) * unit, _PAIR_CUT), clip((present - r * past) * unit, _PAIR_CUT)
        _add(block, lane, k, N2, back, ahead)
        _add(segment, lane, k, N2, back, ahead)
    x, y = clip(past, _PAIR_CUT), clip(present, _PAIR_CUT)
    lag1[lane, k, 0] += LAG1_GAIN * (x * y - lag1[lane, k, 0])
    lag1[lane, k, 1] += LAG1_GAIN * (x * x - lag1[lane, k, 1])
    _add(block, lane, k, N, x, y)
    _add(segment, lane, k, N, x, y)
    if x > 0.0:
        block[lane, k, A_ABOVE] += x * y
        block[lane, k, P_ABOVE] += x * x


@part
def lead_of(sides: Floats, side: float, lane: int, k: int) -> float:
    """Lead of a side: the fading sum of its scores less that of the other side, or less 0 if that is larger."""
    mine, other = (0, 1) if side > 0.0 else (1, 0)
    return float(max(0.0, sides[lane, k, mine] - max(0.0, sides[lane, k, other])))


@part
def _add(sums: Floats, lane: int, k: int, first: int, x: float, y: float) -> None:
    sums[lane, k, first] += 1.0
    sums[lane, k, first + A] += x * y
    sums[lane, k, first + P] += x * x
    sums[lane, k, first + Q] += y * y


@part
def is_known(baseline: Floats, lane: int, k: int) -> bool:
    """True if the baseline of a scale has pairs enough to be held against."""
    return bool(baseline[lane, k, N] >= NEEDED and baseline[lane, k, N2] >= NEEDED / 2)


@part
def is_unseen(counts: Ints, baseline: Floats, lane: int, k: int) -> bool:
    """True if a scale has not been seen for as long as its baseline lasts."""
    return bool(0.0 < baseline[lane, k, N] <= counts[lane, k, MISSING])


@part
def has_baseline(baseline: Floats) -> bool:
    """True if a scale has a baseline."""
    found = False
    for k in range(SIZES):
        found = found or is_known(baseline, 0, k)
    return found


@part
def lag1_of(baseline: Floats, lane: int, k: int) -> float:
    """Zero crossing of the baseline."""
    return float(baseline[lane, k, A] / baseline[lane, k, P])


@part
def block_length(baseline: Floats, lane: int, k: int) -> float:
    """Pairs of the next block: two fifths of the time in which the series forgets."""
    if not is_known(baseline, lane, k):
        return SHORTEST
    r = min(0.99, abs(lag1_of(baseline, lane, k)))
    return max(SHORTEST, min(_LONGEST, math.ceil(_SHARE_OF_MEMORY * (1.0 + r) / (1.0 - r))))


@part
def threshold_of(claim: int, r: float, r2: float) -> float:
    """Threshold of a claim's cell: where the baseline's own reading is, or as far on the other side of zero."""
    if claim == MODULUS:
        return min(r2, -r * r)
    return abs(r) if claim == UP else -abs(r)


@part
def unit_of(block: Floats, base: Floats, lane: int, k: int, first: int, threshold: float) -> float:
    """`D`: what chance makes of a block's score, half by its own past values and half by the baseline's."""
    a, p, q, n = base[lane, k, first + A], base[lane, k, first + P], base[lane, k, first + Q], base[lane, k, first]
    s2 = max(_SMALLEST_VARIANCE, (q - 2.0 * threshold * a + threshold * threshold * p) / n)
    return math.sqrt(0.5 * s2 * (block[lane, k, first + P] + block[lane, k, first] * p / n) + 1e-12)


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
def follow_variance(variance: Floats, lane: int, k: int, claim: int, u: float, pairs: float) -> float:
    """Variance of earlier scores over that of chance, at least 1; then take in this one."""
    number, squares = variance[lane, k, claim, NUMBER], variance[lane, k, claim, SQUARES]
    spread = max(1.0, (_VARIANCE_PRIOR + squares) / (_VARIANCE_PRIOR + number))
    variance[lane, k, claim, SUM] += u
    variance[lane, k, claim, PAIRS] += pairs
    if variance[lane, k, claim, PAIRS] >= _VARIANCE_PAIRS:
        gathered, blocks = variance[lane, k, claim, SUM], variance[lane, k, claim, PAIRS] / pairs
        keep = 1.0 - variance[lane, k, claim, PAIRS] / MEMORY
        variance[lane, k, claim, SQUARES] = keep * squares + min(gathered * gathered / blocks, _VARIANCE_CUT * spread)
        variance[lane, k, claim, NUMBER] = keep * number + 1.0
        variance[lane, k, claim, SUM] = variance[lane, k, claim, PAIRS] = 0.0
    return float(spread)


@part
def end_segment(
    segment: Floats, queue: Floats, queued: Ints, baseline: Floats, share: Floats, live: Flags, lane: int, k: int
) -> None:
    """The oldest waiting segment enters the baseline, the newest begins to wait."""
    waiting = queued[lane, k]
    if waiting == QUEUED:
        keep = 1.0 - SEGMENT / MEMORY
        for i in range(SUMS):
            baseline[lane, k, i] = keep * baseline[lane, k, i] + queue[lane, k, 0, i]
            for j in range(QUEUED - 1):
                queue[lane, k, j, i] = queue[lane, k, j + 1, i]
        share_money(baseline, share, live, lane)
    else:
        queued[lane, k] = waiting + 1
    # Loops: an assignment between slices takes seconds to compile, for the words of its error alone.
    for i in range(SUMS):
        queue[lane, k, min(waiting, QUEUED - 1), i] = segment[lane, k, i]
        segment[lane, k, i] = 0.0


@part
def share_money(baseline: Floats, share: Floats, live: Flags, lane: int) -> None:
    """Divide the money between the scales that are live by their baselines."""
    total = 0.0
    for k in range(SIZES):
        share[lane, k] = 0.0
        if is_known(baseline, lane, k):
            r = lag1_of(baseline, lane, k)
            if r < TOO_SLOW:
                share[lane, k] = min(1.0, (TOO_SLOW - r) / (TOO_SLOW - SLOW))
            coarser = k + 1 < SIZES and is_known(baseline, lane, k + 1)
            if coarser and lag1_of(baseline, lane, k + 1) > r + FINER:
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
