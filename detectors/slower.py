r"""Slower than it was: evidence that a series returns more slowly than in its own past, with a false-alarm budget.

The instrument is the null detector again, in its simplest form. The cell at threshold `r` gathers `past (present - r
past)`; what it gathers stays around zero exactly if `r` is the lag-1 autocorrelation. Here pairs are cut at ±1.3
instead of saturated, so that the sums of one cell serve for every threshold: over any stretch of pairs, with

    A = sum past present,  P = sum past^2:      the cell at r has gathered  A - r P,   and its zero crossing is  A / P.

Baseline. `A` and `P` fade with a memory of 2,000 pairs and leave out the newest 60. Their zero crossing `r = A / P` is
the threshold of a cell that says nothing as long as the series goes on as it did.

Score. Pairs are taken in blocks of `clip(0.4 (1 + |r|) / (1 - |r|), 2, 40)`, two fifths of the time in which the
series forgets. A block's score is what the cell at the baseline's threshold gathers in it, in units of chance:

    u = (A - r P) / D,     D^2 = s^2 (P + n P_B / n_B) / 2,     s^2 = the baseline's mean of (present - r past)^2.

Three claims are scored. *Up*: lag 1 has risen above |r|. *Down*: it has fallen below -|r|. *Modulus*: an oscillation
dies out more slowly, which is the same on the pairs of the second stage (`lattice.py`), with the sign turned and the
threshold `min(r2, -r^2)`. `u` is divided by the standard deviation of earlier scores (at least 1), cut at 1.5, and is
then the increment `x` in [-1, 1] of a bet. Scores of an oscillation at rest are skewed, with a long tail on the side
that speaks against slowing. A cut takes more from that side, so that what is left has a mean above 0. For *modulus* the
cut is therefore at 1, and .04 is taken off each increment.

Excursions. A step of the level keeps a series on one side of it for a long time, and every pair of that time seems to
return slowly. So what a claim *up* gains above and below the level is cut at 1.3 each, and the stake falls with the
age of the excursion at the block's begin, as `1 / (1 + (age / 9)^2)`: what counts is how many excursions return slowly.
A value that is the same as the one before, as rounded ones often are, shows no return and counts as two pairs of age.
A state at rest that drifts has all its long excursions on one side. So the stake falls as well, as `1 / (1 + (lead /
16)^4)`, with the lead of the excursion's side over the other: its scores less those of the other side, if these are
positive, in fading sums over 50 blocks. A series that returns more slowly does so on both sides.

Bets. The claims of all scales share one unit of money a tick, by weights `w` that are known before the block:

    M_kcj <- (M_kcj + money) (1 + beta_j x_kc),     beta in {.4, .9};      alarm when  sum M >= 1/alpha.

For *modulus* beta is in {.6, .9}.

What is a theorem: if every `x`, given the past, has a mean of at most 0, then `sum M - t` is a supermartingale and
E[alarms in T ticks] <= alpha T; predictable weights, stakes and money held back keep that (Shin, Ramdas & Rinaldo 2023;
Ville 1939). What is calibrated only: that `x` is centred, as the baseline is estimated and the level is followed; and
that blocks of several scales overlap. The trust suite measures it.

Scales. A scale is *live* if its baseline is known, its `r` is below .96 (its share of the money falls from .88 on), and
the next coarser scale does not read more than .05 above it: a process that forgets reads lower when it is coarser, and
what does not is noise of the sensor. Only live scales bet and get money. If scales have a
baseline and none is live, the series is *too slow*: it does not forget within any of them, and nothing can be said.

Clearing. While an alarm is open its own claim is followed: the fading mean of its scores (half-life 24 pairs) falls
below .35 when the series is again about as it was, or when the baseline has become as the series now is. A gap that is
longer than the baseline ends it as well. Each rule has wealth and alarm of its own; baseline and scores are common.
Evidence does not grow while its alarm is open.

For the ranking of a fleet the same bets are made once more, from nothing at the start of every window of ticks, until
10,000 times the window's length is won; what they have won over that length is the window's e-value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors import scales
from detectors.arrays import Flags, Floats, Ints
from detectors.bank import share_series
from detectors.ledger import (
    FIRST_SEGMENTS,
    FLOOR,
    NEEDED,
    QUEUED,
    SCALES,
    SEGMENT,
    WINDOW,
    EvidenceBlock,
    SlowerBlock,
    SlowerState,
)
from detectors.pairs import one_layout
from detectors.records import as_record, as_records, blank
from detectors.scales import SIZES
from detectors.scores import CLAIM_COUNT, CLAIMS, SHORTEST
from detectors.slowing import BET_COUNT, advance

__all__ = ["CLAIMS", "SCALES", "Slower", "SlowerBlock", "SlowerState", "scale_and_claim"]

_BY_RULE, _BY_LANE_AND_RULE = ("open", "leading", "trend", "label", "threshold", "evidence"), ("wealth", "money")


class Slower:
    """The e-detectors "slower than it was" over many series.

    `alphas` are budgeted false alarms per series and tick, one number a rule. `lanes` are readings of one series that
    must all show it: the smallest of their evidence counts. `window` is the length of a window of the fleet in ticks.
    `threads` share the series between them; the result does not depend on it.
    """

    def __init__(self, alphas: Sequence[float], *, lanes: int = 1, window: int = WINDOW, threads: int = 1) -> None:
        if not all(0.0 < alpha < 1.0 for alpha in alphas):
            raise ValueError(f"slower: alpha {list(alphas)}; numbers between 0 and 1 are needed")
        self._lines = 1.0 / np.array(alphas, np.float64)
        self._lanes, self._window, self._threads = lanes, window, threads

    def init(self, series: int) -> SlowerState:
        """Nothing seen; without rules no lane is followed, and there is no room for any."""
        rules, sizes = self._lines.size, SIZES
        lanes = (series, self._lanes if rules else 0)
        each = (*lanes, sizes)
        excursion = blank("excursion", each)
        new = as_record("excursion", excursion)
        new["stake"], new["length"] = 1.0, SHORTEST
        return SlowerState(
            scales=scales.fresh(*lanes), lag1=blank("lag1", each), excursion=excursion, block=blank("block", each),
            segment=blank("segment", each), queue=blank("queue", (*each, QUEUED)), queued=np.zeros(each, np.int64),
            baseline=blank("baseline", each), variance=blank("variance", (*each, CLAIM_COUNT)),
            sides=blank("sides", each), share=np.zeros(each),
            wealth=np.zeros((*lanes, rules, sizes, CLAIM_COUNT, BET_COUNT)), money=np.zeros((*lanes, rules, sizes)),
            open=np.zeros((series, rules), np.bool_), leading=np.zeros((series, rules), np.int64),
            trend=np.zeros((series, rules)), label=np.zeros((series, rules), np.int64),
            threshold=np.full((series, rules), np.nan), live=np.zeros(series, np.bool_),
            evidence=np.zeros((series, rules)), fleet=np.zeros((*each, CLAIM_COUNT, BET_COUNT)),
            fleet_money=np.zeros(each), window=np.zeros(series, np.int64), e_value=np.zeros((series, 2)),
        )  # fmt: skip

    def advance(
        self, state: SlowerState, values: Floats, tick: Ints, here: Flags, afresh: Flags
    ) -> tuple[SlowerState, SlowerBlock]:
        """Take in a block; `state`, after the tick before, is not modified.

        `values` are one reading of the series per lane, with its level but without its season, NaN = missing, shape
        (lane, tick, series); the others are of shape (tick, series). `tick` is the number of each tick: ticks that are
        left out are missing. `here` says which ticks a series has at all, `afresh` before which it forgets everything.

        Raises ValueError: shapes differ from the state's.
        """
        shape = (*tick.shape, self._lines.size)
        if values.shape != (self._lanes, *tick.shape) or state.open.shape != shape[1:]:
            raise ValueError(
                f"slower: values of shape {values.shape} at ticks of shape {tick.shape}; {self._lanes} lanes of "
                f"{len(state.open)} series are needed"
            )
        raised, cleared, by_gap, is_open, held = (np.zeros(shape, np.bool_) for _ in range(5))
        leading, label = np.zeros(shape, np.int8), np.zeros(shape, np.int8)
        evidence, threshold = np.full(shape, np.nan), np.full(shape, np.nan)
        found = EvidenceBlock(evidence, raised, cleared, is_open, leading, label, threshold, held)
        block = SlowerBlock(found, by_gap, np.zeros(tick.shape, np.bool_))
        if not shape[2]:  # nothing to watch for
            return state, block
        parts = {name: part.copy() for name, part in state._asdict().items() if name != "scales"}
        new = SlowerState(scales=scales.copy(state.scales), **parts)
        records = as_records(new)
        given = one_layout(values), one_layout(tick), one_layout(here), one_layout(afresh)

        def run(first: int, last: int) -> None:
            advance(*given, records, block, self._lines, np.zeros(CLAIM_COUNT), self._window, first, last)

        share_series(run, shape[1], shape[0], self._threads)
        np.log10(np.maximum(evidence, FLOOR), out=evidence)
        return new, block

    def carry_over(self, state: SlowerState, kept: Sequence[tuple[int, int]]) -> SlowerState:
        """Fill a new state with what a state of other rules knows of the rules that are in both (now, then).

        Baselines are kept too; if there were no rules before, nothing was watched and all starts afresh; if there are
        none now, nothing is kept.
        """
        fresh = self.init(len(state.open))
        if not (state.open.shape[1] and fresh.open.shape[1]):
            return fresh
        now, then = [pair[0] for pair in kept], [pair[1] for pair in kept]
        for name in _BY_RULE:
            getattr(fresh, name)[:, now] = getattr(state, name)[:, then]
        for name in _BY_LANE_AND_RULE:
            getattr(fresh, name)[:, :, now] = getattr(state, name)[:, :, then]
        return state._replace(**{name: getattr(fresh, name) for name in (*_BY_RULE, *_BY_LANE_AND_RULE)})

    def pairs_left(self, state: SlowerState, rows: Ints) -> Ints:
        """Count the pairs that the finest scale of these series still needs for its baseline; 0 if it has one."""
        have = state.baseline[rows, 0, 0, 0]  # column `n` of the first stage
        seen = SEGMENT * (np.rint(have / SEGMENT).astype(np.int64) + state.queued[rows, 0, 0])
        left = SEGMENT * (QUEUED + FIRST_SEGMENTS) - seen - state.segment[rows, 0, 0, 0].astype(np.int64)
        return np.where(have >= NEEDED, 0, np.maximum(1, left))

    def thresholds(self, state: SlowerState, rows: Ints, rule: int) -> Floats:
        """Lag-1 autocorrelation that series are held against: their open alarm's, or their finest live scale's; or NaN.

        One for each of `rows`.
        """
        live = state.share[rows, 0] > 0.0
        finest = live.argmax(axis=1)
        baseline = state.baseline[rows, 0, finest]
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.where(live.any(axis=1), baseline[:, 1] / baseline[:, 2], np.nan)
        return np.where(state.open[rows, rule], state.threshold[rows, rule], own)


def scale_and_claim(leading: int) -> tuple[int, str]:
    """Ticks of the scale and name of the claim that led an alarm."""
    scale, claim = divmod(leading, CLAIM_COUNT)
    return SCALES[scale % SIZES], CLAIMS[claim]
