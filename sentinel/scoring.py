"""The one door to the detectors: a cohort's bank, spectrum and evidence, from its plan."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.bank import Bank, BankState
from detectors.evidence import Evidence, EvidenceBlock, EvidenceState, Rule
from detectors.spectrum import crossings, thresholds
from detectors.tables import lag1
from sentinel.conditioning import Conditioned
from sentinel.plan import Plan

Floats = NDArray[np.float64]
Stopwatch = Callable[[str, float], None]
"""Told the name of a stage and the seconds it took."""


class Scored(NamedTuple):
    """What a block of residuals gave; arrays of shape (tick, series) and a last axis where said."""

    readings: Floats
    """(tick, series, detector), NaN while not ready."""
    lag1: Floats
    low: Floats
    high: Floats
    """Estimate and 95 % band; NaN while not ready or blind."""
    ready: NDArray[np.bool_]
    """A verdict may be given."""
    evidence: EvidenceBlock


class Scoring:
    """Bank, spectrum and evidence of series that share a plan."""

    def __init__(self, plan: Plan, *, threads: int = 1) -> None:
        self.thresholds = thresholds(plan.thresholds, plan.lowest_threshold, plan.highest_threshold)
        detectors = [lag1(float(r), plan.half_life) for r in self.thresholds]
        self.bank = Bank(detectors, warm_up=plan.warm_up_pairs, threads=threads)
        rules = [Rule(rule.threshold, rule.alpha, rule.clear) for rule in plan.rules]
        self.evidence = Evidence(rules, threads=threads)

    def advance(
        self, bank: BankState, evidence: EvidenceState, given: Conditioned, took: Stopwatch
    ) -> tuple[BankState, EvidenceState, Scored]:
        """Take in a block; the states are not modified."""
        start = perf_counter()
        bank, readings, _ = self.bank.advance(bank, given.pairs)
        judged = ~given.learning & (given.blind == 0)
        ready = judged & ~np.isnan(readings[:, :, 0])
        centre, low, high = crossings(readings, self.thresholds)
        for array in (readings, centre, low, high):
            array[~ready] = np.nan
        took("bank", perf_counter() - start)
        start = perf_counter()
        evidence, block = self.evidence.advance(evidence, given.pairs, ready)
        took("evidence", perf_counter() - start)
        return bank, evidence, Scored(readings, centre, low, high, ready, block)
