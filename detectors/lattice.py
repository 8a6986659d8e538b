r"""The second stage: modulus and period of systems that oscillate, from the same null detectors.

Lag 1 alone is blind or inverted before a Hopf bifurcation or a period doubling (there it falls towards -1). A lattice
(Burg 1967) removes lag 1 from a value and from the value two ticks before it, backwards and forwards, and asks the same
question of what is left. With `k1'` the lag-1 autocorrelation of the tick before, `z''` the value before the past one,

    d = max(1 - k1'^2, 0.02),    p2 = (z'' - k1' z') / sqrt(d),    c2 = (z - k1' z') / sqrt(d)

are a pair for a second bank; its zero crossing is the second reflection coefficient `k2` (of an AR(2): `phi2`). A slip
of k1' enters at second order only. It counts if the second bank's reading at threshold 0 is more than three null
standard deviations from zero, else k2 = 0: on a true AR(1) that is so in less than 1 % of readings. Then

    phi1 = k1 (1 - k2),   phi2 = k2,   D = phi1^2 + 4 phi2
    D < 0:  modulus = sqrt(-k2),  period = 2 pi / arccos(phi1 / (2 modulus))        (two complex roots: it oscillates)
    else:   modulus = (|phi1| + sqrt D) / 2                                         (the larger of two real roots)

The modulus is what a small knock is multiplied by at each tick: 1 at the bifurcation, of every kind.

Evidence on the modulus needs no crossing. The roots' product is `-phi2 = -k2`, so `k2 < -m^2` implies that one of them
is larger than `m`: the detectors' increments at threshold `-m^2` on the pairs of this stage, turned in sign.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from detectors.arrays import Floats, Ints
from detectors.bank import Bank, BankState
from detectors.pairs import Pairs
from detectors.spectrum import crossings, thresholds
from detectors.tables.lag1 import INPUT_WEIGHT, KAPPA, lag1

COUNT = 9
OUTERMOST = 0.99
SIGNIFICANT = 3.0
SMALLEST = 0.02
WARM_UP = 20


class LatticeState(NamedTuple):
    """Everything needed to continue; one row per series."""

    cell: Floats
    variance: Floats
    pairs: Ints
    k1: Floats
    """Lag-1 autocorrelation at the tick before; NaN while not ready."""


class Roots(NamedTuple):
    """Readings of the second stage; arrays of shape (tick, series), NaN while not ready."""

    k2: Floats
    modulus: Floats
    period: Floats
    """In ticks; NaN where the roots are real."""


class Lattice:
    """The second stage over many series; an odd `count` of detectors is evenly spaced in atanh from -0.99 to 0.99."""

    def __init__(
        self, half_life: float, count: int = COUNT, *, input_weight: float = INPUT_WEIGHT, kappa: float = KAPPA,
        threads: int = 1,
    ) -> None:  # fmt: skip
        if count < 3 or count % 2 == 0:
            raise ValueError(f"lattice: {count} detectors; an odd number of at least 3 is needed")
        self.thresholds = thresholds(count, -OUTERMOST, OUTERMOST)
        self.thresholds[count // 2] = 0.0
        detectors = [lag1(float(r), half_life, kappa=kappa, input_weight=input_weight) for r in self.thresholds]
        self._bank = Bank(detectors, warm_up=WARM_UP, threads=threads)

    def init(self, series: int) -> LatticeState:
        """Empty cells."""
        return LatticeState(*self._bank.init(series), np.full(series, np.nan))

    def advance(
        self, state: LatticeState, pairs: Pairs, before: Floats, k1: Floats
    ) -> tuple[LatticeState, Pairs, Roots]:
        """Take in a block of pairs of the first stage; `state` is not modified.

        `before` is `z''`, the value before the past one in the pair's units, NaN where there is none; `k1` the lag-1
        autocorrelation after each tick, NaN while not ready. Gives the state after the last tick; the pairs of this
        stage; modulus and period.
        """
        known = np.concatenate([state.k1[None], k1])
        given = np.where(pairs.reset, np.nan, known[:-1])
        valid = pairs.valid & ~np.isnan(before) & ~np.isnan(given)
        given = np.where(valid, given, 0.0)
        scale = 1.0 / np.sqrt(np.maximum(1.0 - given * given, SMALLEST))
        past = np.where(valid, (before - given * pairs.past) * scale, 0.0)
        present = np.where(valid, (pairs.present - given * pairs.past) * scale, 0.0)
        second = Pairs(past, present, valid, pairs.reset)
        bank, readings = self._bank.read(BankState(*state[:3]), second)
        return LatticeState(*bank, known[-1].copy()), second, self._roots(k1, readings)

    def _roots(self, k1: Floats, readings: Floats) -> Roots:
        middle = np.abs(readings[:, :, self.thresholds.size // 2]) > SIGNIFICANT  # NaN, not ready: False
        k2 = np.zeros(k1.shape)
        if middle.any():
            k2[middle] = crossings(np.ascontiguousarray(readings[middle])[None], self.thresholds)[0][0]
        phi1 = k1 * (1.0 - k2)
        discriminant = phi1 * phi1 + 4.0 * k2
        complex_ = discriminant < 0.0
        root = np.sqrt(np.abs(discriminant))
        modulus = np.where(complex_, np.sqrt(np.abs(k2)), 0.5 * (np.abs(phi1) + root))
        period = np.full(k1.shape, np.nan)
        if complex_.any():
            cosine = np.clip(phi1[complex_] / (2.0 * modulus[complex_]), -1.0, 1.0)
            period[complex_] = 2.0 * math.pi / np.arccos(cosine)
        return Roots(np.where(np.isnan(k1), np.nan, k2), np.minimum(modulus, 1.0), period)
