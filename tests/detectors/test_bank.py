"""The bank as a recurrence: what it refuses, and laws on random streams and random cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.bank import Bank
from detectors.checks import stream
from detectors.pairs import Pairs
from detectors.spectrum import thresholds
from detectors.tables import lag1
from tests.laws import examples

BANK = Bank([lag1(float(r), 20.0) for r in thresholds(7)], warm_up=5)
SERIES = 3
CUTS = st.lists(st.integers(0, 200), max_size=8).map(sorted)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), CUTS)
def test_a_block_cut_anywhere_gives_the_same_bits(seed: int, cuts: list[int]) -> None:
    pairs = stream(200, SERIES, seed)
    whole = BANK.advance(BANK.init(SERIES), pairs)
    state, parts = BANK.init(SERIES), []
    for start, stop in zip([0, *cuts], [*cuts, 200], strict=True):
        state, *results = BANK.advance(state, pairs[start:stop])
        parts.append(results)
    assert [a.tobytes() for a in state] == [a.tobytes() for a in whole[0]]
    for expected, pieces in zip(whole[1:], zip(*parts, strict=True), strict=True):
        assert np.concatenate(pieces).tobytes() == expected.tobytes()


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.permutations(range(10)), st.integers(1, 10))
def test_other_series_beside_it_and_their_order_do_not_matter(seed: int, order: list[int], kept: int) -> None:
    pairs, chosen = stream(150, 10, seed), np.array(order[:kept])
    _, readings, _ = BANK.advance(BANK.init(10), pairs)
    _, picked, _ = BANK.advance(BANK.init(kept), pairs.columns(chosen))
    assert picked.tobytes() == np.ascontiguousarray(readings[:, chosen]).tobytes()


VALUES = st.floats(-1e3, 1e3) | st.floats(-1.0, 1.0)


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(80, 200))
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=60))
def test_no_detector_reads_positive_before_every_lower_one_does(path: list[tuple[float, float]]) -> None:
    past, present = (np.array(column)[:, None] for column in zip(*path, strict=True))
    flags = np.ones(past.shape, dtype=bool)
    state = BANK.init(1)
    for t in range(len(path)):
        state, _, increments = BANK.advance(state, Pairs(past, present, flags, ~flags)[t : t + 1])
        rounding = 1e-15 * (t + 1)
        assert np.diff(increments[0, 0]).max() <= 1e-15
        assert np.diff(state.cell[0]).max() <= rounding
        positive = np.flatnonzero(state.cell[0] > rounding * len(BANK))
        assert np.all(state.cell[0, : positive[-1] if positive.size else 0] > 0.0)


def test_the_reading_is_the_cell_in_standard_deviations_of_the_null() -> None:
    pairs = stream(80, 2, 3)
    state, readings, increments = BANK.advance(BANK.init(2), pairs)
    c = v = np.zeros((2, len(BANK)))
    f = np.array([d.forgetting_factor for d in BANK.detectors])
    for t in range(pairs.ticks):
        keep = np.where(pairs.valid[t][:, None], f, 1.0) * ~pairs.reset[t][:, None]
        c, v = keep * c + increments[t], keep**2 * v + increments[t] ** 2
    assert np.allclose(state.cell, c, rtol=0.0, atol=1e-12)
    assert np.allclose(state.variance, v, rtol=0.0, atol=1e-12)
    ready: NDArray[np.bool_] = state.pairs >= BANK.warm_up
    assert np.allclose(readings[-1][ready], (c / np.sqrt(v))[ready], rtol=0.0, atol=1e-12)


def test_reading_without_increments_gives_the_same_bits() -> None:
    pairs = stream(80, 70, 7)
    state, readings, _ = BANK.advance(BANK.init(70), pairs)
    alone, read = BANK.read(BANK.init(70), pairs)
    assert read.tobytes() == readings.tobytes()
    assert [part.tobytes() for part in alone] == [part.tobytes() for part in state]


def test_no_ticks_or_no_series_change_nothing() -> None:
    state = BANK.advance(BANK.init(2), stream(20, 2, 4))[0]
    after, readings, increments = BANK.advance(state, stream(20, 2, 4)[:0])
    assert [a.tobytes() for a in after] == [a.tobytes() for a in state]
    assert readings.shape == increments.shape == (0, 2, len(BANK))
    assert BANK.advance(BANK.init(0), stream(20, 2, 4).columns(np.array([], dtype=np.int64)))[1].shape == (20, 0, 7)


def test_a_bank_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="bank: no detectors; at least one is needed"):
        Bank([])
    with pytest.raises(ValueError, match=r"bank: thresholds \[0\.5, 0\.2\]; they must ascend"):
        Bank([lag1(0.5, 20.0), lag1(0.2, 20.0)])
    with pytest.raises(ValueError, match=r"bank: kappa \[1\.0, 1\.5\]; all detectors of a bank must share it"):
        Bank([lag1(0.2, 20.0), lag1(0.5, 20.0, kappa=1.0)])
    with pytest.raises(ValueError, match="bank: warm_up 0; at least 1 pair is needed"):
        Bank([lag1(0.2, 20.0)], warm_up=0)


def test_pairs_of_another_number_of_series_than_the_state_are_refused() -> None:
    with pytest.raises(ValueError, match=r"bank: pairs of 3 series for a state of shape \(2, 7\); \(3, 7\) is needed"):
        BANK.advance(BANK.init(2), stream(20, 3, 5))
