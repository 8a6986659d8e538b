"""The contract that every kind of detector keeps, as checks that run: shipped, so that detectors made elsewhere can be
held to it too.

    for check in checks(my_factory):
        check.run()  # raises CheckFailed, saying what differs

A kind is a factory of (threshold, half-life in steps). `bank` may be given as well: the contract is as much about the
recurrence that steps the tables as about the tables. "The same" means the same bits unless a check says otherwise.
"""

from __future__ import annotations

import inspect
import re
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import Floats
from detectors.bank import Bank, BankState
from detectors.evidence import Evidence, above, stream_of
from detectors.pairs import Pairs, pairs_of
from detectors.tables import NullDetector

Factory = Callable[[float, float], NullDetector]

THRESHOLDS = (-0.95, -0.5, 0.0, 0.5, 0.9, 0.99)
HALF_LIVES = (3.0, 20.0, 70.0, 70.0, 1e3, 1e5)
WARM_UP = 5


class CheckFailed(AssertionError):  # noqa: N818 - what happened, in the words of a test's report
    """The contract is broken; the message says what differs."""


@dataclass(frozen=True, slots=True)
class Check:
    """One clause of the contract: its name, how to run it, and why it is demanded."""

    name: str
    run: Callable[[], None]
    why: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The detector that is checked."""

    factory: Factory
    bank_class: Callable[..., Bank]

    def bank(self, threads: int = 1) -> Bank:
        """A new bank over all of `THRESHOLDS`, each with its own half-life."""
        detectors = [self.factory(r, h) for r, h in zip(THRESHOLDS, HALF_LIVES, strict=True)]
        return self.bank_class(detectors, warm_up=WARM_UP, threads=threads)


def checks(factory: Factory, bank: Callable[..., Bank] = Bank) -> Iterator[Check]:
    """Every clause, for one kind of detector.

    `factory` makes a detector from a threshold in (-1, 1) and a half-life in steps. What steps the detectors is called
    as `bank(detectors, warm_up=..., threads=...)`.
    """
    subject = Subject(factory, bank)
    for clause in CLAUSES:
        name = clause.__name__.strip("_").replace("_", " ")
        yield Check(name, partial(clause, subject), inspect.getdoc(clause) or "")


def stream(ticks: int, series: int, seed: int) -> Pairs:
    """Student-3 pairs with single gaps, a long gap and resets; where there is no pair the values are NaN."""
    random = np.random.default_rng(seed)
    values = random.standard_t(3, (ticks, series))
    values[random.random(values.shape) < 0.1] = np.nan
    values[ticks // 3 : ticks // 2, ::2] = np.nan
    pairs = pairs_of(values)
    past, present = (np.where(pairs.valid, array, np.nan) for array in (pairs.past, pairs.present))
    return Pairs(past, present, pairs.valid, random.random(values.shape) < 0.01)


def _require(holds: object, message: str) -> None:
    if not holds:
        raise CheckFailed(message)


def _require_same(what: str, one: tuple[NDArray[np.generic], ...], other: tuple[NDArray[np.generic], ...]) -> None:
    for position, (a, b) in enumerate(zip(one, other, strict=True)):
        _require(a.shape == b.shape and a.dtype == b.dtype, f"{what}: {a.dtype}{a.shape} and {b.dtype}{b.shape}")
        differ = int(np.count_nonzero((a != b) & ~((a != a) & (b != b))))
        _require(a.tobytes() == b.tobytes(), f"{what}: array {position} differs in {differ} of {a.size} values")


def _run(bank: Bank, pairs: Pairs, block: int | None = None) -> tuple[NDArray[np.generic], ...]:
    """Final state, readings and increments, advanced in blocks of so many ticks."""
    state, parts = bank.init(pairs.series), []
    for start in range(0, pairs.ticks, block or pairs.ticks):
        state, *results = bank.advance(state, pairs[start : start + (block or pairs.ticks)])
        parts.append(results)
    return (*state, *(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _is_what_was_asked_for(subject: Subject) -> None:
    """A threshold or half-life that is only nearly the one asked for makes every reading wrong, quietly."""
    for r, h in zip(THRESHOLDS, HALF_LIVES, strict=True):
        detector = subject.factory(r, h)
        _require(detector.threshold == r, f"threshold {detector.threshold!r}; {r!r} was asked for")
        _require(abs(detector.half_life / h - 1.0) < 1e-9, f"half-life {detector.half_life!r}; {h!r} was asked for")


def _rests_at_its_threshold(subject: Subject) -> None:
    """With present = r past + e, shocks e and -e cancel, whatever the past: no bias, for any symmetric shocks. Above r
    the pair of them pushes up, below down.
    """
    random = np.random.default_rng(1)
    past = random.standard_t(3, (200, 1)).repeat(2, axis=1)
    shock = random.standard_t(3, (200, 1)) * np.array([[1.0, -1.0]])
    flags = np.ones(past.shape, dtype=bool)
    bank = subject.bank()
    for k, r in enumerate(THRESHOLDS):
        for side in (-0.02, 0.0, 0.005):
            pairs = Pairs(past, (r + side) * past + shock, flags, ~flags)
            push = bank.advance(bank.init(2), pairs)[2][:, :, k].sum(axis=1)
            _require(np.all(push * np.sign(side) >= 0.0), f"threshold {r:g} at {r + side:g}: pushed to the wrong side")
            _require(side or np.abs(push).max() < 1e-12, f"threshold {r:g}: mirrored shocks leave {push.max():g}")


def _falls_with_the_threshold(subject: Subject) -> None:
    """Increments fall as the threshold rises, on every path: one zero crossing, and detectors fire in order."""
    bank = subject.bank()
    _, _, increments = bank.advance(bank.init(70), stream(200, 70, 2))
    _require(np.diff(increments, axis=-1).max() <= 1e-15, "an increment rises with the threshold")
    _require(np.abs(increments).max() <= 1.0, "an increment lies outside [-1, 1]")


def _equals_the_cells_step_by_step(subject: Subject) -> None:
    """The bank is the two cells of each detector, stepped in plain arithmetic from their tables (to 1e-9)."""
    bank, pairs = subject.bank(), stream(300, 1, 3)
    plus, minus = [0.0] * len(bank), [0.0] * len(bank)
    state = bank.init(1)
    for t in range(pairs.ticks):
        state, _, _ = bank.advance(state, pairs[t : t + 1])
        valid = bool(pairs.valid[t, 0])
        past, present = (float(x[t, 0]) if valid else 0.0 for x in (pairs.past, pairs.present))
        for k, detector in enumerate(bank.detectors):
            plus[k] = detector.plus.step(plus[k], past, present, float(valid), float(pairs.reset[t, 0]))
            minus[k] = detector.minus.step(minus[k], past, present, float(valid), float(pairs.reset[t, 0]))
        apart = np.abs(state.cell[0] - (np.array(plus) - np.array(minus))).max()
        _require(apart < 1e-9, f"tick {t}: bank and cells are {apart:g} apart")


def _gives_the_same_in_any_blocks(subject: Subject) -> None:
    """Live (one tick at a time) and in a backtest (all at once) the same numbers."""
    pairs = stream(200, 70, 4)
    whole = _run(subject.bank(), pairs)
    for block in (1, 7, 64):
        _require_same(f"blocks of {block} ticks", whole, _run(subject.bank(), pairs, block))


def _survives_a_restart(subject: Subject) -> None:
    """State written as bytes, read into a new bank made from new tables, goes on as if nothing had happened."""
    pairs = stream(200, 5, 5)
    whole, cut = _run(subject.bank(), pairs), 77
    bank = subject.bank()
    state, *before = bank.advance(bank.init(5), pairs[:cut])
    cell, variance = (np.frombuffer(array.tobytes()).reshape(array.shape) for array in (state.cell, state.variance))
    read = BankState(cell, variance, np.frombuffer(state.pairs.tobytes(), dtype=np.int64))
    state, *after = subject.bank().advance(read, pairs[cut:])
    results = (np.concatenate(both) for both in zip(before, after, strict=True))
    _require_same("after a restart", whole, (*state, *results))


def _keeps_series_apart(subject: Subject) -> None:
    """Neither the order of the series nor which others are watched changes a series' numbers."""
    pairs = stream(150, 131, 6)
    whole = _run(subject.bank(), pairs)
    for order in (np.random.default_rng(6).permutation(131), np.arange(3, 131, 5), np.array([64])):
        chosen = _run(subject.bank(), pairs.columns(order))
        expected = (*(array[order] for array in whole[:3]), *(array[:, order] for array in whole[3:]))
        _require_same(f"{len(order)} of 131 series in another order", expected, chosen)


def _holds_in_a_gap(subject: Subject) -> None:
    """Ticks without a pair, however many, change nothing, and what stands in their place is not looked at."""
    bank = subject.bank()
    before, readings, _ = bank.advance(bank.init(3), stream(100, 3, 7))
    for filler in (np.nan, 0.0, 1e300):
        values, none = np.full((5000, 3), filler), np.zeros((5000, 3), dtype=bool)
        after, held, increments = bank.advance(before, Pairs(values, values, none, none))
        _require_same(f"state after a gap of {filler}", before, after)
        _require_same("reading in the gap", (np.repeat(readings[-1:], 5000, axis=0),), (held,))
        _require(not increments.any(), "an increment without a pair is not 0")


def _starts_afresh_at_a_reset(subject: Subject) -> None:
    """Nothing older than a reset is left, with or without a pair at that tick."""
    pairs = stream(120, 4, 8)
    reset = np.zeros(pairs.reset.shape, dtype=bool)
    reset[60] = True
    bank = subject.bank()
    middle, _, _ = bank.advance(bank.init(4), pairs[:60])
    tail = Pairs(pairs.past, pairs.present, pairs.valid, reset)[60:]
    state, *results = bank.advance(middle, tail)
    fresh, *expected = bank.advance(bank.init(4), tail)
    _require_same("after a reset", (*fresh, *expected), (*state, *results))


def _knows_no_units(subject: Subject) -> None:
    """Values in other units give the same readings once centred and scaled: the same bits if the factor is a power of
    two, to 1e-9 otherwise.
    """
    random = np.random.default_rng(9)
    values = np.cumsum(random.standard_normal((300, 3)), axis=0)

    def run(x: Floats) -> tuple[Floats, Floats]:
        bank = subject.bank()
        return bank.advance(bank.init(3), pairs_of((x - x.mean(axis=0)) / x.std(axis=0)))[1:]

    plain = run(values)
    _require_same("values times -4", plain, run(-4.0 * values))
    for a, b in zip(plain, run(3.7 * values + 1e3), strict=True):
        _require(np.allclose(a, b, rtol=0.0, atol=1e-9, equal_nan=True), "3.7 values + 1000: other readings")


def _says_when_it_is_not_ready(subject: Subject) -> None:
    """Not ready is NaN; readings begin with the pair that completes the warm-up, and so again after a reset."""
    pairs = stream(200, 9, 10)
    bank = subject.bank()
    _, readings, _ = bank.advance(bank.init(9), pairs)
    count = np.zeros(9, dtype=np.int64)
    for t in range(pairs.ticks):
        count = np.where(pairs.reset[t], 0, count) + pairs.valid[t]
        early, late = readings[t][count < WARM_UP], readings[t][count >= WARM_UP]
        _require(np.isnan(early).all(), f"tick {t}: a reading after fewer than {WARM_UP} pairs")
        _require(np.isfinite(late).all(), f"tick {t}: no reading after {WARM_UP} pairs")


def _is_not_alarmed_by_a_stuck_series(subject: Subject) -> None:
    """A series that never moved has no reading; one that got stuck keeps its last; neither gathers evidence."""
    random = np.random.default_rng(11)
    moved = random.standard_normal((50, 1))
    values = np.hstack([np.full((1000, 1), 2.5), np.vstack([moved, np.full((950, 1), moved[-1, 0])])])
    pairs = pairs_of(values)
    bank = subject.bank()
    _, readings, _ = bank.advance(bank.init(2), pairs)
    _require(np.isnan(readings[:, 0]).all(), "a series that never moved has a reading")
    _require_same("stuck", (np.repeat(readings[49:50, 1], 950, axis=0),), (readings[50:, 1],))
    evidence = Evidence([above(r, 0.1) for r in THRESHOLDS])
    _, block = evidence.advance(evidence.init(2), stream_of(pairs, rules=len(THRESHOLDS)))
    _require(not block.raised[:, 0].any() and not block.raised[50:, 1].any(), "a stuck series raised an alarm")
    _require(np.all(block.evidence[50:, 1] == block.evidence[50, 1]), "evidence moved while the series was stuck")


def _leaves_its_input_alone(subject: Subject) -> None:
    """Neither the pairs nor the state it was given is changed, and the state it returns is its own."""
    bank, pairs = subject.bank(), stream(100, 5, 12)
    state, _, _ = bank.advance(bank.init(5), stream(50, 5, 13))
    arrays = (pairs.past, pairs.present, pairs.valid, pairs.reset, *state)
    copies = tuple(array.copy() for array in arrays)
    after, _, _ = bank.advance(state, pairs)
    _require_same("input", copies, arrays)
    _require(not any(np.shares_memory(a, b) for a in after for b in arrays), "the new state shares memory with the old")


def _is_finite_after_a_million_ticks(subject: Subject) -> None:
    """Spikes of 10^6 standard deviations and a million ticks neither overflow nor wear the cells out."""
    random = np.random.default_rng(14)
    bank = subject.bank()
    state = bank.init(1)
    for _ in range(20):
        values = random.standard_t(3, (50_000, 1))
        values[random.random(values.shape) < 1e-3] *= 1e6
        state, readings, _ = bank.advance(state, pairs_of(values))
        _require(np.isfinite(readings[WARM_UP:]).all(), "a reading is not finite")
    limit = 1.0 / (1.0 - np.exp2(-1.0 / np.array(HALF_LIVES)))
    _require(np.all(np.abs(state.cell) <= limit), f"cells {state.cell.tolist()} beyond {limit.tolist()}")
    _require(state.pairs[0] >= 999_000, f"{state.pairs[0]} pairs counted")


def _does_not_depend_on_threads(subject: Subject) -> None:
    """Threads share the work, not the numbers."""
    pairs = stream(500, 301, 15)
    _require_same("three threads", _run(subject.bank(), pairs), _run(subject.bank(threads=3), pairs))


def _does_not_grow(subject: Subject) -> None:
    """The state is of one size for ever, and no block leaves anything behind."""
    bank, pairs = subject.bank(), stream(100, 20, 16)
    state = bank.init(20)
    size = sum(array.nbytes for array in state)
    outer = tracemalloc.is_tracing()
    tracemalloc.start()
    held = []
    for _ in range(30):
        state = bank.advance(state, pairs)[0]
        held.append(tracemalloc.get_traced_memory()[0])
    if not outer:
        tracemalloc.stop()
    _require(sum(array.nbytes for array in state) == size, "the state grew")
    _require(held[-1] - held[9] < 20 * size, f"{held[-1] - held[9]} bytes more after 20 blocks")


def _keeps_its_state_in_double_precision(subject: Subject) -> None:
    """A half-life of 10^5 steps is not to be had in single precision; counters are whole numbers."""
    bank = subject.bank()
    state, readings, increments = bank.advance(bank.init(2), stream(20, 2, 17))
    for name, array in (*state._asdict().items(), ("readings", readings), ("increments", increments)):
        expected = np.int64 if name == "pairs" else np.float64
        _require(array.dtype == expected, f"{name} is {array.dtype}; {np.dtype(expected)} is needed")


def _is_derived_in_its_docstring(subject: Subject) -> None:
    """Hand-set weights are worth their derivation: it is in the module's docstring, with invariants and baselines."""
    module = inspect.getmodule(subject.factory)
    text = inspect.getdoc(module) or ""
    for word in (r"^Derivation$", r"^Invariants\b", r"^References?: .*\b(19|20)\d\d\b"):
        name = getattr(module, "__name__", "the factory's module")
        _require(re.search(word, text, re.MULTILINE), f"{name}: no line {word!r} in the docstring")


CLAUSES: tuple[Callable[[Subject], None], ...] = (
    _is_what_was_asked_for,
    _rests_at_its_threshold,
    _falls_with_the_threshold,
    _equals_the_cells_step_by_step,
    _gives_the_same_in_any_blocks,
    _survives_a_restart,
    _keeps_series_apart,
    _holds_in_a_gap,
    _starts_afresh_at_a_reset,
    _knows_no_units,
    _says_when_it_is_not_ready,
    _is_not_alarmed_by_a_stuck_series,
    _leaves_its_input_alone,
    _is_finite_after_a_million_ticks,
    _does_not_depend_on_threads,
    _does_not_grow,
    _keeps_its_state_in_double_precision,
    _is_derived_in_its_docstring,
)
