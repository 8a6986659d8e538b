r"""Evidence that lag-1 autocorrelation exceeds a threshold, with a stated false-alarm budget.

Betting on the increments. A gambler stakes a share `beta` of his wealth on each increment of the null detector at
threshold `r`. Under the null (lag-1 autocorrelation at or below `r`) the bets do not favour him, so his wealth is a
nonnegative supermartingale; large wealth is evidence. One unit of money enters at every tick, split over the bets:

    s~  = g (h - hbar) / (1 + |hbar|),     then   hbar <- hbar + a (h - hbar)
    E_j <- (E_j + 1/J) (1 + beta_j s~),    M = sum_j E_j,    alarm when M >= 1/alpha

This is a mixture Shiryaev-Roberts e-detector (Shin, Ramdas & Rinaldo 2023): `M_t - t` is a supermartingale, so with
`M <- 0` at each alarm `E[alarms in T ticks] <= alpha T` (Ville 1939; optional stopping). `alpha` is the budget: false
alarms per tick.

What is a theorem: the bound, for `s~ = s` (no running mean) and a known level, where each value, given its past, is
centred at level + rho (last deviation) with rho <= r and symmetric shocks; any tails, any predictable scale; ticks left
out without looking at their value. What is calibrated only: the running mean `hbar` (half-life 100 pairs), which
repairs skewed shocks, and everything a conditioner estimates before.

Clearing. An open alarm is one episode. The same gambler bets on `-s~` from 0, and the alarm clears when that wealth
reaches `1/clear`; then evidence starts from 0. Meanwhile evidence goes on, bounded at 10^6 times the alarm line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import half_life
from detectors.activation import tanh
from detectors.bank import share_series
from detectors.compiled import compiled
from detectors.pairs import Pairs, one_layout
from detectors.tables.lag1 import INPUT_WEIGHT, KAPPA

BETS = (0.1, 0.3, 0.8)
MEAN_HALF_LIFE = 100.0
FLOOR = 1e-6
CEILING = 1e6

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rule:
    """Alarm when lag-1 autocorrelation is above `threshold`, with `alpha` budgeted false alarms per tick."""

    threshold: float
    alpha: float
    clear: float = 1e-3
    """The open alarm clears when the reversed gambler reaches 1/clear."""

    def __post_init__(self) -> None:
        if not -1.0 < self.threshold < 1.0:
            raise ValueError(f"rule: threshold {self.threshold!r}; a number between -1 and 1 is needed")
        for name in ("alpha", "clear"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"rule: {name} {getattr(self, name)!r}; a number between 0 and 1 is needed")


class EvidenceState(NamedTuple):
    """Everything needed to continue."""

    mean: Floats
    """`hbar`, shape (series, rule)."""
    wealth: Floats
    """`E_j`, shape (series, rule, bet)."""
    clearing: Floats
    """Wealth of the reversed gambler, shape (series, rule, bet)."""
    open: Flags
    """Whether an alarm is open, shape (series, rule)."""


class EvidenceBlock(NamedTuple):
    """What a block of ticks gave; arrays of shape (tick, series, rule)."""

    evidence: Floats
    """log10(max(alpha M, 1e-6)) after the tick, before a reset to 0: at or above 0 at an alarm. NaN while not ready."""
    raised: Flags
    cleared: Flags
    """The alarm cleared, by the reversed gambler or by a reset of the series."""
    open: Flags
    """An alarm is open after the tick."""


class Evidence:
    """The e-detectors of several rules over many series."""

    def __init__(self, rules: Sequence[Rule], *, recentre: bool = True, threads: int = 1) -> None:
        self.rules = tuple(rules)
        self._threshold = np.array([rule.threshold for rule in rules], dtype=np.float64)
        self._line = np.array([1.0 / rule.alpha for rule in rules], dtype=np.float64)
        self._clear = np.array([1.0 / rule.clear for rule in rules], dtype=np.float64)
        self._gain = half_life.gain(MEAN_HALF_LIFE) if recentre else 0.0
        self._threads = threads

    def init(self, series: int) -> EvidenceState:
        """No evidence yet."""
        shape = (series, len(self.rules))
        wealth = (*shape, len(BETS))
        return EvidenceState(np.zeros(shape), np.zeros(wealth), np.zeros(wealth), np.zeros(shape, dtype=bool))

    def advance(self, state: EvidenceState, pairs: Pairs, ready: Flags) -> tuple[EvidenceState, EvidenceBlock]:
        """Take in a block.

        Parameters
        ----------
        state
            After the tick before; not modified.
        pairs
            The pairs that the bank is fed. A tick without a valid pair leaves everything as it is; a reset empties it.
        ready
            Shape (tick, series): whether evidence may be gathered and shown. The running mean learns before that.
        """
        new = EvidenceState(state.mean.copy(), state.wealth.copy(), state.clearing.copy(), state.open.copy())
        shape = (pairs.ticks, pairs.series, len(self.rules))
        block = EvidenceBlock(np.empty(shape), np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape, bool))
        bets, ready = np.array(BETS), one_layout(ready)

        def run(first: int, last: int) -> None:
            _advance(
                pairs.past, pairs.present, pairs.valid, pairs.reset, ready, *new, *block, self._threshold,
                self._line, self._clear, bets, self._gain, INPUT_WEIGHT, KAPPA, first, last,
            )  # fmt: skip

        share_series(run, pairs.series, pairs.ticks, self._threads)
        np.log10(np.maximum(block.evidence, FLOOR), out=block.evidence)
        return new, block


@compiled
def _advance(  # noqa: C901 - one pass over ticks, series, rules and bets: what is nested is the problem itself
    past: Floats, present: Floats, valid: Flags, reset: Flags, ready: Flags,
    mean: Floats, wealth: Floats, clearing: Floats, is_open: Flags,
    evidence: Floats, raised: Flags, cleared: Flags, open_after: Flags,
    threshold: Floats, line: Floats, clear: Floats, bets: Floats, gain: float, w: float, kappa: float,
    first: int, last: int,
) -> None:  # fmt: skip
    ticks = past.shape[0]
    rules = threshold.shape[0]
    J = bets.shape[0]
    for t in range(ticks):
        for s in range(first, last):
            if reset[t, s]:
                for k in range(rules):
                    cleared[t, s, k] = is_open[s, k]
                    is_open[s, k] = False
                    mean[s, k] = 0.0
                    wealth[s, k, :] = 0.0
                    clearing[s, k, :] = 0.0
            ok = valid[t, s]
            p = past[t, s] if ok else 0.0
            c = present[t, s] if ok else 0.0
            g = tanh(0.5 * w * p)
            for k in range(rules):
                total = 0.0
                for j in range(J):
                    total += wealth[s, k, j]
                if ok:
                    h = tanh(kappa * (c - threshold[k] * p))
                    x = g * (h - mean[s, k]) / (1.0 + abs(mean[s, k]))
                    mean[s, k] += gain * (h - mean[s, k])
                    if ready[t, s]:
                        total = 0.0
                        back = 0.0
                        for j in range(J):
                            wealth[s, k, j] = (wealth[s, k, j] + 1.0 / J) * (1.0 + bets[j] * x)
                            total += wealth[s, k, j]
                            if is_open[s, k]:
                                clearing[s, k, j] = (clearing[s, k, j] + 1.0 / J) * (1.0 - bets[j] * x)
                                back += clearing[s, k, j]
                        if is_open[s, k]:
                            if back >= clear[k]:
                                cleared[t, s, k] = True
                                is_open[s, k] = False
                                wealth[s, k, :] = 0.0
                                clearing[s, k, :] = 0.0
                            elif total > CEILING * line[k]:
                                wealth[s, k, :] *= CEILING * line[k] / total
                                total = CEILING * line[k]
                        elif total >= line[k]:
                            raised[t, s, k] = True
                            is_open[s, k] = True
                open_after[t, s, k] = is_open[s, k]
                evidence[t, s, k] = total / line[k] if ready[t, s] else np.nan
