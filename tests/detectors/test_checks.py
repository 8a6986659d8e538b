"""Every registered kind keeps the contract, and each clause of the contract is broken by something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from detectors.bank import Bank, BankState
from detectors.cell import CellTable
from detectors.checks import Check, CheckFailed, checks
from detectors.pairs import Pairs
from detectors.tables import DETECTORS, NullDetector, lag1

CONTRACT = [(kind, check) for kind, factory in DETECTORS.items() for check in checks(factory)]
NAMES = {check.name for _, check in CONTRACT}


@pytest.mark.parametrize(("kind", "check"), CONTRACT, ids=[f"{kind}: {check.name}" for kind, check in CONTRACT])
def test_every_kind_keeps_the_contract(kind: str, check: Check) -> None:
    check.run()


def test_every_clause_says_why() -> None:
    assert all(len(check.why.split()) > 6 for _, check in CONTRACT)


class Single(NullDetector):
    """Its forgetting factor is rounded to single precision."""

    @property
    def forgetting_factor(self) -> float:
        return float(np.float32(self.plus.forgetting_factor))


class Mutant(Bank):
    """A bank that is wrong in one way: `spoil` changes what comes out."""

    def advance(self, state: BankState, pairs: Pairs) -> Any:
        return self.spoil(state, pairs, *super().advance(state, pairs))

    def spoil(self, state: BankState, pairs: Pairs, new: BankState, z: Any, s: Any) -> Any:
        return new, z, s


class Biased(Mutant):
    def spoil(self, state: BankState, pairs: Pairs, new: BankState, z: Any, s: Any) -> Any:
        return new, z, s + 0.01


class UpsideDown(Mutant):
    def spoil(self, state: BankState, pairs: Pairs, new: BankState, z: Any, s: Any) -> Any:
        return new, z, np.ascontiguousarray(s[..., ::-1])


class ForgetsBetweenBlocks(Mutant):
    def spoil(self, state: BankState, pairs: Pairs, new: BankState, z: Any, s: Any) -> Any:
        return new._replace(variance=np.zeros_like(new.variance)), z, s


class KeepsStateToItself(Bank):
    """Part of what it remembers is in the object and not in the state, where a checkpoint cannot find it."""

    inside: BankState | None = None

    def advance(self, state: BankState, pairs: Pairs) -> Any:
        self.inside, *results = super().advance(self.inside or state, pairs)
        return (self.inside._replace(variance=np.zeros_like(self.inside.variance)), *results)


class LooksAtNeighbours(Mutant):
    def spoil(self, state: BankState, pairs: Pairs, new: BankState, z: Any, s: Any) -> Any:
        return new, z, s - s.mean(axis=1, keepdims=True)


class LeaksInGaps(Bank):
    def advance(self, state: BankState, pairs: Pairs) -> Any:
        past, present = (np.where(pairs.valid, x, 0.0) for x in (pairs.past, pairs.present))
        return super().advance(state, Pairs(past, present, np.ones_like(pairs.valid), pairs.reset))


class IgnoresResets(Bank):
    def advance(self, state: BankState, pairs: Pairs) -> Any:
        return super().advance(state, replace(pairs, reset=np.zeros_like(pairs.reset)))


class OneSided(Bank):
    """Clips low values only, so that turning a series upside down changes its reading."""

    def advance(self, state: BankState, pairs: Pairs) -> Any:
        return super().advance(state, replace(pairs, past=np.maximum(pairs.past, -0.5)))


class ZeroWhenNotReady(Mutant):
    def spoil(self, state: BankState, pairs: Pairs, new: BankState, z: Any, s: Any) -> Any:
        return new, np.nan_to_num(z), s


class WritesIntoItsInput(Mutant):
    def spoil(self, state: BankState, pairs: Pairs, new: BankState, z: Any, s: Any) -> Any:
        state.cell[:] = new.cell
        return new, z, s


class Grows(Mutant):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.history: list[Any] = []

    def spoil(self, state: BankState, pairs: Pairs, new: BankState, z: Any, s: Any) -> Any:
        self.history.append(z)
        return new, z, s


class NeverForgets(Bank):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._forget = np.full(len(self), 1.0 + 1e-4)


class DependsOnThreads(Mutant):
    def spoil(self, state: BankState, pairs: Pairs, new: BankState, z: Any, s: Any) -> Any:
        return new, z + 1e-12 * self._threads, s


class SinglePrecision(Mutant):
    def spoil(self, state: BankState, pairs: Pairs, new: BankState, z: Any, s: Any) -> Any:
        return new._replace(cell=new.cell.astype(np.float32)), z, s


def single(threshold: float, half_life: float) -> NullDetector:
    detector = lag1(threshold, half_life)
    return Single(detector.kind, threshold, detector.plus, detector.minus)


def slightly_off(threshold: float, half_life: float) -> NullDetector:
    return lag1(0.999 * threshold, half_life)


@dataclass(frozen=True)
class Breakage:
    clause: str
    factory: Callable[[float, float], NullDetector] = lag1
    bank: Callable[..., Bank] = Bank


BREAKAGES = [
    Breakage("is what was asked for", slightly_off),
    Breakage("rests at its threshold", bank=Biased),
    Breakage("falls with the threshold", bank=UpsideDown),
    Breakage("equals the cells step by step", single),
    Breakage("gives the same in any blocks", bank=ForgetsBetweenBlocks),
    Breakage("survives a restart", bank=KeepsStateToItself),
    Breakage("keeps series apart", bank=LooksAtNeighbours),
    Breakage("holds in a gap", bank=LeaksInGaps),
    Breakage("starts afresh at a reset", bank=IgnoresResets),
    Breakage("knows no units", bank=OneSided),
    Breakage("says when it is not ready", bank=ZeroWhenNotReady),
    Breakage("is not alarmed by a stuck series", bank=ZeroWhenNotReady),
    Breakage("leaves its input alone", bank=WritesIntoItsInput),
    Breakage("is finite after a million ticks", bank=NeverForgets),
    Breakage("does not depend on threads", bank=DependsOnThreads),
    Breakage("does not grow", bank=Grows),
    Breakage("keeps its state in double precision", bank=SinglePrecision),
    Breakage("is derived in its docstring", slightly_off),
]


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("broken", BREAKAGES, ids=lambda broken: broken.clause)
def test_a_broken_detector_fails(broken: Breakage) -> None:
    clauses = {check.name: check for check in checks(broken.factory, broken.bank)}
    with pytest.raises(CheckFailed):
        clauses[broken.clause].run()


def test_no_clause_is_without_something_that_breaks_it() -> None:
    assert {broken.clause for broken in BREAKAGES} == NAMES


def test_a_table_whose_cell_leaks_in_a_gap_cannot_even_be_made() -> None:
    good = lag1(0.5, 70.0).plus
    with pytest.raises(ValueError, match="it must be exactly 1 so that a gap holds the cell"):
        CellTable("leaky", good.input, replace(good.forget, bias=good.forget.bias - 20.0), good.candidate, good.output)
