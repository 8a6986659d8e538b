"""Gradients: the oracle can be differentiated in what its tables are made from, so that it could be trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from detectors.lstm import features, lstm, pair_states
from detectors.pairs import Pairs, pairs_of
from detectors.spectrum import crossings, thresholds
from detectors.tables import lag1
from detectors.tables.lag1 import INPUT_WEIGHT, KAPPA
from tests.detectors.fine_tune import GRID, SYSTEMS, Weights, auc, compared, crossing, lstm_parameters, readings, tune

THRESHOLDS, HALF_LIVES = (-0.3, 0.4, 0.8), (5.0, 20.0, 70.0)
DETECTORS = [lag1(r, h) for r, h in zip(THRESHOLDS, HALF_LIVES, strict=True)]
MODULE = lstm(DETECTORS)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def stream(ticks: int, resets: bool) -> Pairs:
    """Pairs of two series with gaps and, if asked for, a reset."""
    values = np.random.default_rng(0).standard_normal((ticks, 2))
    values[4:6, 0] = np.nan
    pairs = pairs_of(values)
    reset = np.zeros(values.shape, dtype=bool)
    reset[ticks // 2, 1] = resets
    return Pairs(pairs.past, pairs.present, pairs.valid, reset)


def leaves() -> tuple[Tensor, ...]:
    """Threshold, w, kappa and half-life, to be differentiated in."""
    values = (list(THRESHOLDS), INPUT_WEIGHT, KAPPA, list(HALF_LIVES))
    return tuple(torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values)


def cells(inputs: Tensor, *made_from: Tensor) -> Tensor:
    return pair_states(functional_call(MODULE, lstm_parameters(*made_from), (inputs,))[1][1][0])


def test_weights_made_as_tensors_are_those_of_the_tables() -> None:
    made = lstm_parameters(*leaves())
    for name, parameter in MODULE.named_parameters():
        assert (made[name] - parameter).abs().max() < 1e-12, name


def test_the_oracle_passes_gradcheck_in_threshold_w_kappa_and_half_life() -> None:
    inputs = features(stream(12, resets=True))
    assert torch.autograd.gradcheck(lambda *x: cells(inputs, *x), leaves(), atol=1e-6)


def test_a_cell_falls_as_its_threshold_or_its_neighbours_memory_is_moved_only_where_it_should() -> None:
    made_from = leaves()
    cells(features(stream(30, resets=False)), *made_from)[:, 1].sum().backward()
    by_threshold, by_half_life = made_from[0].grad, made_from[3].grad
    assert by_threshold[1] < 0.0  # increments fall as the threshold rises
    assert by_threshold[[0, 2]].abs().max() == 0.0
    assert by_half_life[1] != 0.0
    assert by_half_life[[0, 2]].abs().max() == 0.0


def test_a_missing_pair_passes_gradients_back_undimmed_and_a_reset_stops_them() -> None:
    for resets, kept in ((False, 1.0), (True, 0.0)):
        pairs = stream(10, resets)
        quiet = Pairs(pairs.past, pairs.present, np.zeros_like(pairs.valid), pairs.reset)
        start = torch.ones(1, 2, MODULE.hidden_size, dtype=torch.float64, requires_grad=True)
        _, (_, end) = MODULE(features(quiet), (torch.zeros_like(start), start))
        end.sum().backward()
        assert start.grad[0, 0].tolist() == [1.0] * MODULE.hidden_size
        assert start.grad[0, 1].abs().max() == pytest.approx(kept, abs=1e-15)


def test_what_is_tuned_is_the_oracle() -> None:
    pairs = stream(60, resets=False)
    tensors = tuple(torch.from_numpy(x.astype(float)) for x in (pairs.past, pairs.present, pairs.valid))
    with torch.no_grad():
        summed, z = readings(tensors, 59, Weights.by_hand(70.0))
        stepped = pair_states(lstm([lag1(float(r), 70.0) for r in thresholds()])(features(pairs))[1][1][0])
        u = crossing(z)
    assert (summed - stepped).abs().max() < 1e-9
    expected = crossings(z.numpy()[None], np.tanh(GRID.numpy()))[0][0]
    assert torch.tanh(u).numpy() == pytest.approx(expected, abs=1e-12)


def test_auc_is_one_where_runs_are_told_apart_and_half_where_they_are_not() -> None:
    assert auc(np.array([3.0, 4.0, 1.0, 2.0])) == 1.0
    assert auc(np.array([1.0, 1.0, 1.0, 1.0])) == 0.5
    assert auc(np.array([1.0, 2.0, 3.0, 4.0])) == 0.0


@pytest.mark.slow
def test_training_moves_the_weights_and_brings_what_the_page_says() -> None:
    hand, tuned = Weights.by_hand(), Weights.by_hand()
    tune(tuned)
    assert (tuned.log_half_life - hand.log_half_life).abs().max() > 0.5
    gains = [compared(system, hand, tuned) for system in SYSTEMS]
    # AR(1) ramps, fold, and a system it was not trained on: as docs/how-it-works.md tells it.
    assert [after - before for before, after, _, _ in gains] == pytest.approx([0.007, 0.001, 0.007], abs=2e-3)
