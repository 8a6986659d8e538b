"""Null detectors: LSTM cells with hand-set weights that read zero when lag-1 autocorrelation equals their threshold.

A library that knows steps, not clocks, and arrays, not files. From values that are centred and scaled already:

    pairs = pairs_of(values)                                      # (tick, series), NaN = missing
    bank = Bank([lag1(r, half_life=70.0) for r in thresholds()])
    state, readings, increments = bank.advance(bank.init(pairs.series), pairs)
    estimate, low, high = crossings(readings, bank.thresholds)    # lag-1 autocorrelation and its 95 % band

`detectors.lstm` holds the same detectors as `torch.nn.LSTM`; `detectors.checks` the contract that every kind of
detector keeps. Nothing is imported before it is used: `import detectors` loads neither torch nor numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detectors.bank import Bank, BankState
    from detectors.cell import CellTable, Gate
    from detectors.evidence import Evidence, EvidenceBlock, EvidenceChannel, EvidenceState, Rule, above
    from detectors.lattice import Lattice
    from detectors.pairs import Pairs, pairs_of
    from detectors.spectrum import crossings, recovery_time, thresholds
    from detectors.spread import Spread, criticality
    from detectors.tables import DETECTORS
    from detectors.tables.lag1 import NullDetector, lag1

__all__ = [
    "DETECTORS", "Bank", "BankState", "CellTable", "Evidence", "EvidenceBlock", "EvidenceChannel", "EvidenceState",
    "Gate", "Lattice", "NullDetector", "Pairs", "Rule", "Spread", "above", "criticality", "crossings", "lag1",
    "pairs_of", "recovery_time", "thresholds",
]  # fmt: skip

if not TYPE_CHECKING:  # a type checker that saw this function would let every misspelt name pass
    _HOMES = {
        "bank": ("Bank", "BankState"),
        "cell": ("CellTable", "Gate"),
        "evidence": ("EvidenceChannel", "Evidence", "EvidenceBlock", "EvidenceState", "Rule", "above"),
        "lattice": ("Lattice",),
        "spread": ("Spread", "criticality"),
        "pairs": ("Pairs", "pairs_of"),
        "spectrum": ("crossings", "recovery_time", "thresholds"),
        "tables": ("DETECTORS", "NullDetector", "lag1"),
    }
    _HOME = {name: module for module, names in _HOMES.items() for name in names}

    def __getattr__(name):
        """Import a public name's module on first use (PEP 562)."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

    def __dir__():
        """Public names, whether imported yet or not."""
        return sorted({*globals(), *__all__})
