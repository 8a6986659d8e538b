r"""Evidence for a claim about a series, with a stated false-alarm budget.

Betting on the increments. A gambler stakes a share `beta` of his wealth on each increment of the null detector at
threshold `r`. Under the null (lag-1 autocorrelation at or below `r`) the bets do not favour him, so his wealth is a
nonnegative supermartingale; large wealth is evidence. One unit of money enters at every tick, split over the bets:

    s~  = g (h - hbar) / (1 + |hbar|),     then   hbar <- hbar + a (h - hbar)
    E_j <- (E_j + 1/J) (1 + beta_j s~),    M = sum_j E_j,    alarm when M >= 1/alpha

This is a mixture Shiryaev-Roberts e-detector (Shin, Ramdas & Rinaldo 2023): `M_t - t` is a supermartingale, so with
`M <- 0` at each alarm `E[alarms in T ticks] <= alpha T` (Ville 1939; optional stopping). `alpha` is the budget: false
alarms per tick. The same holds for a weighted mean of `M` over channels, and for the minimum over several readings of
one series if one of them is valid.

Channels. *lag 1 above r*: the increments above. *Below r* (lag 1 falling towards -1): `-s~`; the argument is the same
with the sign turned. *Modulus above m*: the same increments at `r = -m^2` on the pairs of the lattice's second stage,
turned: evidence that the product of the two roots exceeds `m^2`, so that one of them is above `m`. *Spread*: a bounded
square of the prediction error against its baseline (`betting.py`, `baseline.py`).

What is a theorem: the bound, for `s~ = s` (no running mean) and a known level, where each value, given its past, is
centred at level + rho (last deviation) with rho <= r and symmetric shocks; any tails, any predictable scale; ticks left
out without looking at their value. What is calibrated only: the running mean `hbar` (half-life 100 pairs), which
repairs skewed shocks, relative thresholds and spread, and everything a conditioner estimates before.

Clearing. An open alarm is one episode. The same gambler bets on `-s~` from 0, and the alarm clears when that wealth
reaches `1/clear`; then evidence starts from 0. Meanwhile evidence goes on, bounded at 10^6 times the alarm line.

From the start. A threshold may lie below where a series has always been. So a rule may wait: it remembers which share
of each `E_j` was won with the money of the first 100 pairs. After them new money only thins that share,

    f_j <- f_j E_j / (E_j + 1/J),

and where `M` reaches its line while `sum f_j E_j` is a quarter of it or more, the claim has held from the start. Then
it is *held*: a state, not an alarm. It ends as an alarm does, with evidence from 0, and once it has ended, or every
share is below a quarter, the rule raises alarms for good. This takes alarms away and adds none: the budget holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from detectors import half_life
from detectors.arrays import Flags
from detectors.bank import share_series
from detectors.betting import CEILING, PAIRS, SPREAD, advance, set_thresholds
from detectors.ledger import (
    BETS,
    FLOOR,
    LABEL_NOISE,
    LABEL_ONE_SIDED,
    WINDOW,
    EvidenceBlock,
    EvidenceState,
    Stream,
    Table,
)
from detectors.pairs import Pairs, one_layout
from detectors.tables.lag1 import INPUT_WEIGHT, KAPPA

__all__ = [
    "CEILING", "FLOOR", "LABEL_NOISE", "LABEL_ONE_SIDED", "Evidence", "EvidenceBlock", "EvidenceChannel",
    "EvidenceState", "Rule", "Stream", "above", "stream_of",
]  # fmt: skip

MEAN_HALF_LIFE = 100.0


@dataclass(frozen=True, slots=True)
class EvidenceChannel:
    """One claim that evidence is gathered for."""

    threshold: float = math.nan
    """On lag 1 of the lane; NaN for a spread channel and for a relative threshold."""
    below: bool = False
    """The claim is "below the threshold"."""
    lane: int = 0
    """Which pairs: 0 = the series' own, 1 = the lattice's second stage, others as the caller has them."""
    relative: bool = False
    """The threshold comes from the series' own baseline period."""
    delta: float = math.nan
    """Relative: how far above the baseline; NaN = 0.1, and 0.05 above 0.7."""
    ratio: float = math.nan
    """Spread: the variance ratio above which evidence grows."""
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (self.is_spread or self.relative or -1.0 < self.threshold < 1.0):
            raise ValueError(f"rule: threshold {self.threshold!r}; a number between -1 and 1 is needed")
        if self.is_spread and not self.ratio >= 1.0:
            raise ValueError(f"rule: ratio {self.ratio!r}; a variance ratio of at least 1 is needed")

    @property
    def is_spread(self) -> bool:
        """True if this is a claim about the spread."""
        return not math.isnan(self.ratio)

    @property
    def needs_baseline(self) -> bool:
        """True if it is not ready before the baseline period is full."""
        return self.is_spread or self.relative


@dataclass(frozen=True, slots=True)
class Rule:
    """Alarm when the channels' claim has gathered evidence, with `alpha` budgeted false alarms per tick."""

    channels: tuple[EvidenceChannel, ...]
    alpha: float
    clear: float = 1e-3
    """The open alarm clears when the reversed gambler reaches 1/clear."""
    bets: tuple[float, ...] = BETS
    minimum: bool = False
    """Read the minimum over the channels instead of their weighted mean."""
    waits: bool = False
    """A claim that has held from the start is a state, not an alarm."""

    def __post_init__(self) -> None:
        for name in ("alpha", "clear"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"rule: {name} {getattr(self, name)!r}; a number between 0 and 1 is needed")
        if not self.channels or not self.bets:
            raise ValueError("rule: no channels or no bets; at least one of each is needed")
        if not all(0.0 < bet < 1.0 for bet in self.bets):
            raise ValueError(f"rule: bets {self.bets}; numbers between 0 and 1 are needed")


def above(threshold: float, alpha: float, clear: float = 1e-3) -> Rule:
    """The plain rule: lag-1 autocorrelation above a threshold."""
    return Rule((EvidenceChannel(threshold),), alpha, clear)


def stream_of(pairs: Pairs, ready: Flags | None = None, rules: int = 1) -> Stream:
    """Pairs of one lane with nothing beside them: no lag-2 lane, unit scale, one window."""
    shape = pairs.past.shape
    ready = np.ones(shape, dtype=bool) if ready is None else ready
    unknown = np.full(shape, np.nan)
    return Stream(
        pairs.past[None], pairs.present[None], pairs.valid[None], pairs.reset,
        np.repeat(ready[:, :, None], rules, axis=2), unknown[None], np.zeros(1, np.int64), np.ones(shape), unknown,
        np.zeros(shape, dtype=np.int64),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evidence:
    """The e-detectors of several rules over many series.

    Rules that need a baseline period have `baseline` valid pairs of it. `mean_half_life` is that of `hbar`, in pairs; 0
    = increments as they are. `window` is the length of a window of the fleet in ticks. `threads` share the series
    between them; the result does not depend on it.
    """

    rules: Sequence[Rule]
    baseline: int = 1000
    mean_half_life: float = MEAN_HALF_LIFE
    input_weight: float = INPUT_WEIGHT
    kappa: float = KAPPA
    window: int = WINDOW
    threads: int = 1
    channels: tuple[EvidenceChannel, ...] = field(init=False)
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        channels = tuple(chain.from_iterable(rule.channels for rule in self.rules))
        first = np.cumsum([0, *(len(rule.channels) for rule in self.rules)])
        widest = max((len(rule.bets) for rule in self.rules), default=1)
        total = [sum(c.weight for c in rule.channels) for rule in self.rules for _ in rule.channels]
        table = Table(
            kind=np.array([SPREAD if c.is_spread else PAIRS for c in channels], np.int64),
            lane=np.array([c.lane for c in channels], np.int64),
            sign=np.array([-1.0 if c.below else 1.0 for c in channels]),
            threshold=np.array([c.threshold for c in channels], np.float64),
            relative=np.array([c.relative for c in channels], np.bool_),
            needs_baseline=np.array([c.needs_baseline for c in channels], np.bool_),
            delta=np.array([c.delta for c in channels], np.float64),
            ratio=np.array([c.ratio for c in channels], np.float64),
            weight=np.array([c.weight / t for c, t in zip(channels, total, strict=True)], np.float64),
            first=first.astype(np.int64),
            minimum=np.array([rule.minimum for rule in self.rules], np.bool_),
            line=np.array([1.0 / rule.alpha for rule in self.rules], np.float64),
            clear=np.array([1.0 / rule.clear for rule in self.rules], np.float64),
            bets=np.array([(*rule.bets, *([0.0] * (widest - len(rule.bets)))) for rule in self.rules]).reshape(
                -1, widest
            ),
            n_bets=np.array([len(rule.bets) for rule in self.rules], np.int64),
            waits=np.array([rule.waits for rule in self.rules], np.bool_),
            gain=half_life.gain(self.mean_half_life) if self.mean_half_life else 0.0,
            input_weight=self.input_weight,
            kappa=self.kappa,
            window=self.window,
        )
        object.__setattr__(self, "channels", channels)
        object.__setattr__(self, "table", table)

    @property
    def baseline_pairs(self) -> int:
        """Pairs that are kept of the baseline period: none if no rule needs one."""
        return self.baseline if any(channel.needs_baseline for channel in self.channels) else 0

    def first_channel(self, rule: int) -> int:
        """Position of the first channel of a rule among all channels."""
        return int(self.table.first[rule])

    def init(self, series: int) -> EvidenceState:
        """No evidence yet."""
        channels, rules, bets = len(self.channels), len(self.rules), self.table.bets.shape[1]
        waits = self.table.waits
        early = np.repeat(waits.astype(np.float64), np.diff(self.table.first))
        return EvidenceState(
            mean=np.zeros((series, channels)), wealth=np.zeros((series, channels, bets)),
            clearing=np.zeros((series, channels, bets)), open=np.zeros((series, rules), dtype=bool),
            waits=np.tile(waits.astype(np.int64), (series, 1)), held=np.zeros((series, rules), dtype=bool),
            early=np.broadcast_to(early[:, None], (series, channels, bets)).copy(),
            sides=np.zeros((series, channels, 2)), second=np.zeros((series, channels, 2)),
            fleet=np.zeros((series, channels, bets)), threshold=np.tile(self.table.threshold, (series, 1)),
            baseline=np.zeros((series, self.baseline_pairs, 3)), remembered=np.zeros(series, np.int64),
            known=np.zeros((series, 5)), disagrees=np.zeros(series, dtype=bool), window=np.zeros(series, np.int64),
            e_value=np.zeros((series, 2)), leading=np.zeros((series, rules), np.int64),
            label=np.zeros((series, rules), np.int64),
        )  # fmt: skip

    def carry_over(self, was: Evidence, state: EvidenceState, kept: Sequence[tuple[int, int]]) -> EvidenceState:
        """Fill a new state with what `state`, of the rules `was`, knows of the rules that are in both (now, then).

        The baseline period is kept if it is as long; a rule that needs one starts to gather it otherwise.
        """
        fresh = self.init(len(state.open))
        for now, then in kept:
            size = len(self.rules[now].channels)
            here, there = slice(self.first_channel(now), None), slice(was.first_channel(then), None)
            bets = len(self.rules[now].bets)  # the widest rule of the two plans may differ
            for name in ("wealth", "clearing", "fleet", "early"):
                getattr(fresh, name)[:, here][:, :size, :bets] = getattr(state, name)[:, there][:, :size, :bets]
            for name in ("mean", "sides", "second", "threshold"):
                getattr(fresh, name)[:, here][:, :size] = getattr(state, name)[:, there][:, :size]
            shift = self.first_channel(now) - was.first_channel(then)
            fresh.leading[:, now] = state.leading[:, then] + shift
            for name in ("label", "open", "waits", "held"):
                getattr(fresh, name)[:, now] = getattr(state, name)[:, then]
            if not self.rules[now].waits:  # asked for now: what was held is an alarm at the next pair
                fresh.clearing[:, here][:, :size][fresh.held[:, now]] = 0.0
                fresh.early[:, here][:, :size] = 0.0
                fresh.waits[:, now], fresh.held[:, now] = 0, False
        fresh = fresh._replace(window=state.window, e_value=state.e_value)
        if self.baseline_pairs == was.baseline_pairs:
            of_baseline = ("baseline", "remembered", "known", "disagrees")
            fresh = fresh._replace(**{name: getattr(state, name) for name in of_baseline})
            if self.table.relative.any():
                set_thresholds(fresh, self.table)
        return fresh

    def advance(self, state: EvidenceState, stream: Stream) -> tuple[EvidenceState, EvidenceBlock]:
        """Take in a block; `state`, after the tick before, is not modified.

        A tick without a valid pair of a channel's lane leaves that channel as it is; a reset empties the series.

        Raises ValueError: the stream has other series than the state, other rules, too few lanes, or lanes without an
        entry in `beside`.
        """
        shape = (len(stream.reset), len(state.open), len(self.rules))
        lanes = 1 + max((channel.lane for channel in self.channels), default=0)
        if stream.ready.shape != shape or len(stream.past) < lanes:
            raise ValueError(
                f"evidence: (tick, series, rule) {stream.ready.shape} in lanes {len(stream.past)}; {shape} in at "
                f"least {lanes} is needed"
            )
        beside = stream.beside[: len(stream.past)]
        if len(beside) < len(stream.past) or np.any(beside >= len(stream.before)):
            raise ValueError(
                f"evidence: beside {beside.tolist()} for {len(stream.past)} lanes and {len(stream.before)} rows "
                "of values before; one entry a lane, each below the number of rows, is needed"
            )
        # A full baseline is not written to again; it is far larger than everything else together.
        full = not stream.reset.any() and np.all(state.remembered >= state.baseline.shape[1])
        copies = {name: array.copy() for name, array in state._asdict().items() if name != "baseline"}
        baseline = one_layout(state.baseline) if full else state.baseline.copy()
        new = EvidenceState(baseline=baseline, **copies)
        block = EvidenceBlock(
            np.empty(shape), np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape, bool),
            np.zeros(shape, np.int8), np.zeros(shape, np.int8), np.zeros(shape), np.zeros(shape, bool),
        )  # fmt: skip
        stream = Stream._make([one_layout(array) for array in stream])

        def run(first: int, last: int) -> None:
            advance(stream, new, block, self.table, first, last)

        share_series(run, shape[1], shape[0], self.threads)
        np.log10(np.maximum(block.evidence, FLOOR), out=block.evidence)
        return new, block
