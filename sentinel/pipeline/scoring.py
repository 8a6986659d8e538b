"""The one door to the detectors: both stages of a cohort's bank, spectrum, spread and evidence, from its plan."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

import numpy as np

from detectors import detrending, half_life
from detectors.bank import Bank, BankState
from detectors.evidence import Channel, Evidence, EvidenceBlock, EvidenceState, Rule, Stream
from detectors.fading import Fading, fade, fresh
from detectors.lattice import Lattice, LatticeState
from detectors.pairs import Pairs
from detectors.skewness import Skewness, SkewnessState
from detectors.spectrum import crossings, thresholds
from detectors.spread import Spread, SpreadState, criticality
from detectors.tables import lag1
from sentinel.domain.channels import Estimates
from sentinel.pipeline.arrays import Flags, Floats, Ints
from sentinel.pipeline.conditioning import Conditioned
from sentinel.pipeline.plan import Plan, PlanChannel

Stopwatch = Callable[[str, float], None]
"""Called with the name of a stage and the seconds it took."""

OWN, SECOND, COMPARED, COMPARED_SECOND, APART = 0, 1, 2, 3, 4
"""Lanes of evidence: the series' own pairs, and those of the lattice's second stage; of a comparison those of its
target, the same two of the difference, and the target's own once more where its spread had risen above the
counterpart's."""
_BESIDE = np.array([0, -1, 1, -1, -1])
"""By lane: its row of values before the past one; the second stage has none."""


class ScoringState(NamedTuple):
    """Everything needed to continue; each part has one row per series."""

    bank: BankState
    fading: Fading
    lattice: LatticeState
    spread: SpreadState
    skewness: SkewnessState
    evidence: EvidenceState


class Scored(NamedTuple):
    """What a block gave, (tick, series) and a last axis where said; readings, estimates NaN if not ready or blind."""

    readings: Floats
    """(tick, series, detector)."""
    estimates: Estimates[Floats]
    ready: Flags
    """A verdict may be given."""
    evidence: EvidenceBlock
    second: Pairs
    """Pairs of the lattice's second stage."""


class Scoring:
    """Bank, second stage, spread and evidence of series that share a plan."""

    def __init__(self, plan: Plan, *, threads: int = 1) -> None:
        self.thresholds = thresholds(plan.thresholds, plan.lowest_threshold, plan.highest_threshold)
        detectors = [lag1(float(r), plan.half_life) for r in self.thresholds]
        self.bank = Bank(detectors, warm_up=plan.warm_up_pairs, threads=threads)
        self.lattice = Lattice(plan.half_life, threads=threads)
        self.spread = Spread(plan.spread_half_life, plan.baseline, threads=threads)
        self.skewness = Skewness(plan.half_life, threads=threads)
        gain = half_life.gain(plan.level_half_life) if plan.conditioning else 0.0
        rules = [
            Rule(tuple(_make_channel(part, gain) for part in rule.channels), rule.alpha, rule.clear, rule.bets)
            for rule in plan.rules
        ]
        self.evidence = Evidence(
            [_compare(rule) for rule in rules] if plan.is_comparison else rules, baseline=plan.baseline_pairs,
            window=plan.window, threads=threads,
        )  # fmt: skip
        self._longest_period = plan.level_half_life / 2.0 if plan.conditioning else math.inf

    def init(self, series: int) -> ScoringState:
        """Make the state of series of which nothing was seen."""
        return ScoringState(
            self.bank.init(series), fresh(series), self.lattice.init(series), self.spread.init(series),
            self.skewness.init(series), self.evidence.init(series),
        )  # fmt: skip

    def advance(
        self, state: ScoringState, given: Conditioned, tick: Ints, here: Flags, took: Stopwatch
    ) -> tuple[ScoringState, Scored]:
        """Take in a block; the state is not modified. `here` are the ticks that a series has at all."""
        start = perf_counter()
        pairs = given.pairs
        bank, readings = self.bank.read(state.bank, pairs)
        fading, stretch = fade(state.fading, pairs, self.bank.detectors[0].half_life, here)
        centre, low, high = crossings(readings, self.thresholds, stretch)
        lattice, second, roots = self.lattice.advance(state.lattice, pairs, given.before, centre)
        spread, change = self.spread.advance(state.spread, given.square, pairs.reset)
        skewness, lopsided = self.skewness.advance(state.skewness, pairs)
        if given.target is not None:
            change = given.target.spread
        ready = ~given.learning & (given.blind == 0) & ~np.isnan(centre)
        period = np.where((roots.k2 == 0.0) & (high < 0.0), 2.0, roots.period)
        period[period > self._longest_period] = np.nan
        estimates = Estimates(
            lag1=centre, lag1_low=low, lag1_high=high, modulus=roots.modulus, period=period, spread=change.copy(),
            criticality=criticality(roots.modulus, change), skewness=lopsided,
        )  # fmt: skip
        if not ready.all():
            for array in (readings, *estimates):
                array[~ready] = np.nan
        took("bank", perf_counter() - start)
        start = perf_counter()
        before, scale = given.before[None], given.scale
        lanes: tuple[Pairs, ...] = (pairs, second) if np.any(self.evidence.table.lane == SECOND) else (pairs,)
        if given.target is not None:
            before, scale = np.stack((given.target.before, given.before)), given.target.scale
            own = given.target.pairs
            apart = Pairs(own.past, own.present, own.valid & given.target.apart, own.reset)
            lanes = (own, given.target.second, pairs, second, apart)
        stream = Stream(
            np.stack([lane.past for lane in lanes]), np.stack([lane.present for lane in lanes]),
            np.stack([lane.valid for lane in lanes]), pairs.reset,
            np.repeat(ready[:, :, None], len(self.evidence.rules), axis=2), before, _BESIDE, scale, change, tick,
        )  # fmt: skip
        evidence, block = self.evidence.advance(state.evidence, stream)
        took("evidence", perf_counter() - start)
        return ScoringState(bank, fading, lattice, spread, skewness, evidence), Scored(
            readings, estimates, ready, block, second
        )


def _compare(rule: Rule) -> Rule:
    """Make the rule for a comparison: the least of its claims on the target and on the difference.

    So a counterpart that changes itself can lower evidence and never raise it. The claim on spread is on both already.
    """
    own = tuple(replace(c, lane=APART) if c.is_spread else c for c in rule.channels)
    both = tuple(c if c.is_spread else replace(c, lane=c.lane + COMPARED) for c in own)
    return replace(rule, channels=own + both, minimum=True)


def _make_channel(part: PlanChannel, gain: float) -> Channel:
    """Turn a channel of a rule into increments; `gain` is that of the level that was taken out, 0 where none was."""
    if part.kind == "spread":
        assert part.ratio is not None
        return Channel(ratio=part.ratio, weight=part.weight)
    if part.kind == "modulus":
        assert part.threshold is not None
        # The roots' product exceeds m^2 where the second coefficient is below -m^2.
        return Channel(detrending.modulus(part.threshold, gain), below=True, lane=SECOND, weight=part.weight)
    threshold = math.nan if part.threshold is None else part.threshold
    if part.below and not part.relative:
        threshold = detrending.below(threshold, gain)
    return Channel(
        threshold, below=part.below, relative=part.relative,
        delta=math.nan if part.delta is None else part.delta, weight=part.weight,
    )  # fmt: skip
