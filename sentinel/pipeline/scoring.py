"""The one door to the detectors: both stages of a cohort's bank, spectrum, spread and evidence, from its plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import detrending, half_life
from detectors.bank import Bank, BankState
from detectors.betting import QUIETER
from detectors.evidence import Evidence, EvidenceBlock, EvidenceChannel, EvidenceState, Rule, Stream
from detectors.fading import Fading, fade, fresh
from detectors.lattice import Lattice, LatticeState
from detectors.ledger import FLOOR, LABEL_NOISE
from detectors.pairs import Pairs
from detectors.rise import hold_against
from detectors.skewness import Skewness, SkewnessState
from detectors.slower import CLAIMS, Slower, SlowerBlock, SlowerState, scale_and_claim
from detectors.spectrum import crossings, thresholds
from detectors.spread import Spread, SpreadState, criticality
from detectors.tables import lag1
from sentinel.config import RISE, SLOWER
from sentinel.domain.channels import Estimates
from sentinel.domain.states import REASONS, Reason
from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints
from sentinel.pipeline.conditioning import Conditioned
from sentinel.pipeline.grid import ABSENT, REBASES
from sentinel.pipeline.plan import Plan, PlanChannel

_GAP, _WARM_UP, _BASELINE, _TOO_SLOW = (
    REASONS.index(why) for why in (Reason.GAP, Reason.WARM_UP, Reason.BASELINE, Reason.TOO_SLOW)
)
Stopwatch = Callable[[str, float], None]
"""Called with the name of a stage and the seconds it took."""

OWN, SECOND, COMPARED, COMPARED_SECOND, APART = 0, 1, 2, 3, 4
"""Lanes of evidence: the series' own pairs, and those of the lattice's second stage; of a comparison those of its
target, the same two of the difference, and the target's own once more where its spread had risen above the
counterpart's."""
_BESIDE = np.array([0, -1, 1, -1, -1])
"""By lane: its row of values before the past one; the second stage has none."""


class Judgement(NamedTuple):
    """State that rules need to continue; each part has one row per series."""

    evidence: EvidenceState
    slower: SlowerState


class ScoringState(NamedTuple):
    """Everything needed to continue; each part has one row per series."""

    bank: BankState
    fading: Fading
    lattice: LatticeState
    spread: SpreadState
    skewness: SkewnessState
    evidence: EvidenceState
    slower: SlowerState


class Leading(NamedTuple):
    """The channel that led an alarm, and the threshold it was held against."""

    channel: PlanChannel
    side: str
    """`above` or `below` its threshold; `swinging`: an oscillation of kind slower."""
    scale: int
    """Ticks over which means were taken."""


class RuleFacts(NamedTuple):
    """State of a rule of a series, beside its evidence."""

    threshold: float
    """Value that its first channel is held against; NaN while that is not known."""
    baseline_left: int
    """Pairs that its baseline still needs; 0 if it needs none."""
    disagrees: bool
    """The halves of the baseline period disagree."""
    label: int
    """Of its last alarm, in bits."""
    leading: int
    """Of its last alarm; see `Scoring.describe`."""
    held_against: float
    """Threshold that the channel which led the last alarm was held against."""
    held: bool
    """Its claim has held from the first verdict on: a state, not an alarm."""


class Basis(NamedTuple):
    """Values that all rules judge a block by, beside those of conditioning; (tick, series)."""

    ready: Flags
    """A verdict may be given."""
    seen: Flags
    """The bank has a reading."""
    spread: Floats
    """Change of spread, also where the series is not ready."""
    second: Pairs
    """Pairs of the lattice's second stage."""
    tick: Ints
    """The number of the tick, each hold counted as one."""


class Scored(NamedTuple):
    """Readings and evidence of a block, (tick, series) and a last axis where said; NaN if not ready or blind."""

    readings: Floats
    """(tick, series, detector)."""
    estimates: Estimates[Floats]
    basis: Basis
    evidence: EvidenceBlock
    waiting: Codes
    """Why no rule can say anything yet, as index into `tuple(Reason)`; 0 where one can, or the series is not ready."""


class Scoring:
    """Bank, second stage, spread and evidence of series that share a plan."""

    def __init__(self, plan: Plan, *, threads: int = 1) -> None:
        self.thresholds = thresholds(plan.thresholds, plan.lowest_threshold, plan.highest_threshold)
        detectors = [lag1(float(r), plan.half_life) for r in self.thresholds]
        self.bank = Bank(detectors, warm_up=plan.warm_up_pairs, threads=threads)
        self.lattice = Lattice(plan.half_life, threads=threads)
        self.spread = Spread(
            plan.spread_half_life, plan.baseline, plan.spread_given_from, remembers=plan.keeps, threads=threads
        )
        self.skewness = Skewness(plan.half_life, threads=threads)
        gain = half_life.gain(plan.level_half_life) if plan.conditioning else 0.0
        self._plan = plan
        self._slow = [k for k, rule in enumerate(plan.rules) if rule.kind == SLOWER]
        self._fixed = [k for k, rule in enumerate(plan.rules) if rule.kind not in (SLOWER, RISE)]
        self._risen = [k for k, rule in enumerate(plan.rules) if rule.kind == RISE]
        # Its evidence goes from that of an e-detector that knows nothing to 0, as that of other rules.
        self._lines = np.array([math.log(plan.rules[k].channels[0].ratio or 1.0) for k in self._risen])
        self._starts = np.array([math.log10(plan.rules[k].alpha) for k in self._risen])
        self._place = {k: at for several in (self._slow, self._fixed, self._risen) for at, k in enumerate(several)}
        rules = [
            Rule(
                tuple(_make_channel(part, gain) for part in rule.channels),
                rule.alpha,
                rule.clear,
                rule.bets,
                waits=rule.waits,
            )
            for rule in (plan.rules[k] for k in self._fixed)
        ]
        self.slower = Slower(
            [plan.rules[k].alpha for k in self._slow], lanes=1 + plan.is_comparison, window=plan.window, threads=threads
        )  # fmt: skip
        self.evidence = Evidence(
            [_compare(rule) for rule in rules] if plan.is_comparison else rules, baseline=plan.baseline_pairs,
            window=plan.window, threads=threads,
        )  # fmt: skip
        self._longest_period = plan.level_half_life / 2.0 if plan.conditioning else math.inf

    def init(self, series: int) -> ScoringState:
        """Make the state of series of which nothing was seen."""
        return ScoringState(
            self.bank.init(series), fresh(series), self.lattice.init(series), self.spread.init(series),
            self.skewness.init(series), *self.begin(series),
        )  # fmt: skip

    def begin(self, series: int) -> Judgement:
        """Make what rules know of series of which nothing was seen."""
        return Judgement(self.evidence.init(series), self.slower.init(series))

    def advance(
        self, state: ScoringState, given: Conditioned, tick: Ints, kind: Codes, was_open: Flags, took: Stopwatch
    ) -> tuple[ScoringState, Scored]:
        """Take in a block; the state is not modified. `tick` and `kind` are those of the grid, but for the ticks of
        holds, which are not counted; `was_open`, (series, rule), says which alarms were open before."""
        start = perf_counter()
        here = kind != ABSENT
        pairs = given.pairs
        bank, readings = self.bank.read(state.bank, pairs)
        fading, stretch = fade(state.fading, pairs, self.bank.detectors[0].half_life, here)
        centre, low, high = crossings(readings, self.thresholds, stretch)
        lattice, second, roots = self.lattice.advance(state.lattice, pairs, given.before, centre)
        stays = (kind == REBASES) | (given.blind == _GAP) & self._plan.keeps
        spread, change = self.spread.advance(state.spread, given.square, pairs.reset, pairs.reset & stays)
        skewness, lopsided = self.skewness.advance(state.skewness, pairs)
        if given.target is not None:
            change = given.target.spread
        seen = ~np.isnan(centre)
        # With a preset the spread may be known before the bank is: a verdict on it alone.
        ready = ~given.learning & (given.blind == 0) & (seen | ~np.isnan(change) if self._plan.preset else seen)
        period = np.where((roots.k2 == 0.0) & (high < 0.0), 2.0, roots.period)
        period[period > self._longest_period] = np.nan
        estimates = Estimates(
            lag1=centre, lag1_low=low, lag1_high=high, modulus=roots.modulus, period=period, spread=change.copy(),
            criticality=criticality(roots.modulus, change), skewness=lopsided,
        )  # fmt: skip
        if not ready.all():
            for array in (readings, *estimates):
                array[~ready] = np.nan
        if self._plan.preset:
            for array in (readings, *estimates._replace(spread=estimates.lag1)):
                array[~seen] = np.nan
        took("bank", perf_counter() - start)
        start = perf_counter()
        basis = Basis(ready, seen, change, second, tick)
        judgement, block, waiting = self.judge(Judgement(state.evidence, state.slower), given, basis, kind, was_open)
        took("evidence", perf_counter() - start)
        return ScoringState(bank, fading, lattice, spread, skewness, *judgement), Scored(
            readings, estimates, basis, block, waiting
        )

    def judge(
        self, state: Judgement, given: Conditioned, basis: Basis, kind: Codes, was_open: Flags
    ) -> tuple[Judgement, EvidenceBlock, Codes]:
        """Let the rules judge a block; give their evidence, and why all of them wait, as `Scored` has it."""
        ready, seen, change, _, tick = basis
        reset = given.pairs.reset
        values = given.adjusted[None] if given.target is None else np.stack((given.target.adjusted, given.adjusted))
        # A gap is passed over, tick by tick; where a level is a new one, or the counterpart another, all starts afresh.
        afresh = reset & (given.blind != _GAP)
        slower, slow = self.slower.advance(state.slower, values, tick, kind != ABSENT, afresh)
        slow = self._mark(slow, change)
        evidence, block = state.evidence, slow.found
        if self._fixed or not self._slow:
            evidence, fixed = self.evidence.advance(state.evidence, self._stream(given, basis))
            block = self._join(fixed, slow.found)
        if self._risen:
            before = was_open[:, self._risen]
            risen = hold_against(self._lines, self._starts, change, ready, reset, before)
            block = _in_order((sorted(self._fixed + self._slow), block), (self._risen, risen))
        return Judgement(evidence, slower), block, self._find_waiting(block, slow, ready, seen)

    def _stream(self, given: Conditioned, basis: Basis) -> Stream:
        """Put together what evidence is fed."""
        pairs, before, scale, second = given.pairs, given.before[None], given.scale, basis.second
        lanes: tuple[Pairs, ...] = (pairs, second) if np.any(self.evidence.table.lane == SECOND) else (pairs,)
        if given.target is not None:
            before, scale = np.stack((given.target.before, given.before)), given.target.scale
            own = given.target.pairs
            apart = Pairs(own.past, own.present, own.valid & given.target.apart, own.reset)
            lanes = (own, given.target.second, pairs, second, apart)
        return Stream(
            np.stack([lane.past for lane in lanes]), np.stack([lane.present for lane in lanes]),
            np.stack([lane.valid for lane in lanes]), pairs.reset,
            np.repeat((basis.ready & basis.seen)[:, :, None], len(self.evidence.rules), axis=2), before, _BESIDE, scale,
            basis.spread, basis.tick,
        )  # fmt: skip

    def _mark(self, slow: SlowerBlock, spread: Floats) -> SlowerBlock:
        """Mark alarms that a quieter sensor may have raised, and say where an alarm ended of itself."""
        found, claim = slow.found, slow.found.leading % len(CLAIMS)
        quieter = found.raised & (spread < QUIETER)[:, :, None] & (claim == CLAIMS.index("up"))
        ended = np.where(slow.by_gap, np.nan, math.log10(FLOOR))
        label = found.label | (LABEL_NOISE * quieter).astype(np.int8)
        evidence = np.where(found.cleared, ended, found.evidence)
        return slow._replace(found=found._replace(evidence=evidence, label=label))

    def _join(self, fixed: EvidenceBlock, slow: EvidenceBlock) -> EvidenceBlock:
        """Put what both kinds of rules gave in the order of the plan's rules."""
        if not self._slow:
            return fixed
        return _in_order((self._fixed, fixed), (self._slow, slow))

    def _find_waiting(self, block: EvidenceBlock, slow: SlowerBlock, ready: Flags, seen: Flags) -> Codes:
        """Say where a series is ready, perhaps for its spread alone, and yet no rule can say anything."""
        if not self._plan.rules:
            return np.zeros(ready.shape, np.int8)
        silent = np.isnan(block.evidence).all(axis=2) & ready
        too_slow = slow.too_slow & (len(self._slow) == len(self._plan.rules))
        why = np.where(too_slow, _TOO_SLOW, np.where(seen, _BASELINE, _WARM_UP))
        return np.where(silent, why, 0).astype(np.int8)

    def e_values(self, evidence: EvidenceState, slower: SlowerState) -> tuple[Floats, Ints]:
        """Give each series' e-values of the window before and of the present one, (series, 2), and the window's number.

        A series with rules of both kinds has the mean of both, which is an e-value again.
        """
        if not self._slow:
            return evidence.e_value, evidence.window
        return (0.5 * (evidence.e_value + slower.e_value) if self._fixed else slower.e_value), slower.window

    def held(self, evidence: EvidenceState) -> Flags:
        """Tell which rules are held, by series and rule of the plan; none of kind slower ever is."""
        found = np.zeros((evidence.held.shape[0], len(self._plan.rules)), np.bool_)
        found[:, self._fixed] = evidence.held
        return found

    def describe(self, k: int, leading: int) -> Leading:
        """Say which channel of rule `k` led an alarm."""
        rule = self._plan.rules[k]
        if rule.kind == SLOWER:
            scale, claim = scale_and_claim(leading)
            return Leading(rule.channels[0], {"up": "above", "down": "below"}.get(claim, "swinging"), scale)
        if rule.kind == RISE:
            return Leading(rule.channels[0], "above", 1)
        # Of a comparison the channels are there twice.
        channel = rule.channels[(leading - self.evidence.first_channel(self._place[k])) % len(rule.channels)]
        return Leading(channel, "below" if channel.below else "above", 1)

    def find_facts(self, evidence: EvidenceState, slower: SlowerState, rows: Ints, k: int) -> list[RuleFacts]:
        """Find what is known of rule `k` for the series in these rows, one after the other."""
        at, n, rule = self._place[k], rows.size, self._plan.rules[k]
        if rule.kind == RISE:
            line = math.log(rule.channels[0].ratio or 1.0)
            return [RuleFacts(line, 0, False, 0, 0, line, False)] * n
        none = np.zeros(n, np.int64)
        if rule.kind == SLOWER:
            columns: tuple[NDArray[Any], ...] = (
                self.slower.thresholds(slower, rows, at), self.slower.pairs_left(slower, rows), none > 0,
                slower.label[rows, at], slower.leading[rows, at], slower.threshold[rows, at], none > 0,
            )  # fmt: skip
        else:
            waits = any(part.relative or part.kind == "spread" for part in rule.channels)
            leading = evidence.leading[rows, at]
            columns = (
                evidence.threshold[rows, self.evidence.first_channel(at)],
                self.evidence.baseline_pairs - evidence.remembered[rows] if waits else none,
                evidence.disagrees[rows].astype(bool) & waits, evidence.label[rows, at], leading,
                evidence.threshold[rows, leading], evidence.held[rows, at].astype(bool),
            )  # fmt: skip
        return list(map(RuleFacts, *(column.tolist() for column in columns)))

    def carry_over(
        self, was: Scoring, evidence: EvidenceState, slower: SlowerState, kept: Sequence[tuple[int, int]]
    ) -> tuple[EvidenceState, SlowerState]:
        """Fill the state of these rules with what the state under `was` knows of rules in both (number now, then)."""
        fixed, slow = (
            [(self._place[now], was._place[then]) for now, then in kept if now in own]
            for own in (self._fixed, self._slow)
        )
        return self.evidence.carry_over(was.evidence, evidence, fixed), self.slower.carry_over(slower, slow)


def _in_order(*parts: tuple[Sequence[int], EvidenceBlock]) -> EvidenceBlock:
    """Put what several kinds of rules gave, by the numbers of the rules, in the order of the plan."""
    order = np.argsort(np.array([k for numbers, _ in parts for k in numbers]))
    return take_rules([block for _, block in parts], order)


def take_rules(blocks: Sequence[EvidenceBlock], order: NDArray[np.intp]) -> EvidenceBlock:
    """Put the rules of several blocks one behind the other, and take those at these places."""
    columns = zip(*blocks, strict=True)
    # `take` keeps the layout that kernels were compiled for, which indexing would not.
    return EvidenceBlock(*(np.concatenate(several, axis=2).take(order, axis=2) for several in columns))


def _compare(rule: Rule) -> Rule:
    """Make the rule for a comparison: the least of its claims on the target and on the difference.

    So a counterpart that changes itself can lower evidence and never raise it. The claim on spread is on both already.
    """
    own = tuple(replace(c, lane=APART) if c.is_spread else c for c in rule.channels)
    both = tuple(c if c.is_spread else replace(c, lane=c.lane + COMPARED) for c in own)
    return replace(rule, channels=own + both, minimum=True)


def _make_channel(part: PlanChannel, gain: float) -> EvidenceChannel:
    """Turn a channel of a rule into increments; `gain` is that of the level that was taken out, 0 where none was."""
    if part.kind == "spread":
        assert part.ratio is not None
        return EvidenceChannel(ratio=part.ratio, weight=part.weight)
    if part.kind == "modulus":
        assert part.threshold is not None
        # The roots' product exceeds m^2 where the second coefficient is below -m^2.
        return EvidenceChannel(detrending.modulus(part.threshold, gain), below=True, lane=SECOND, weight=part.weight)
    threshold = math.nan if part.threshold is None else part.threshold
    if part.below and not part.relative:
        threshold = detrending.below(threshold, gain)
    return EvidenceChannel(
        threshold, below=part.below, relative=part.relative,
        delta=math.nan if part.delta is None else part.delta, weight=part.weight,
    )  # fmt: skip
