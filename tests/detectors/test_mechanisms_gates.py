"""Event gates: a missing pair, an operator's hold and a reset are weights on inputs, not branches in a program."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from detectors.bank import Bank
from detectors.cell import INPUTS, SHUT
from detectors.lstm import features, lstm, lstm_cell, pair_states
from detectors.pairs import Pairs
from detectors.tables import lag1
from tests.detectors.mechanisms import glucose_cell, sugar

DETECTORS = [lag1(-0.3, 20.0), lag1(0.5, 70.0), lag1(0.9, 1e4)]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def with_hold() -> nn.LSTMCell:
    """The same cells with a fifth input, `hold`: 1 while an operator wants nothing to be taken in."""
    plain = lstm_cell(DETECTORS)
    cell = nn.LSTMCell(len(INPUTS) + 1, plain.hidden_size, dtype=torch.float64)
    with torch.no_grad():
        for name in ("weight_hh", "bias_ih", "bias_hh"):
            getattr(cell, name).copy_(getattr(plain, name))
        cell.weight_ih[:, :4] = plain.weight_ih
        cell.weight_ih[:, 4] = -plain.weight_ih[:, INPUTS.index("valid")]
    return cell


def stream(seed: int, spike: float = 1.0) -> tuple[Pairs, np.ndarray]:
    """Pairs, and when an operator holds."""
    random = np.random.default_rng(seed)
    past, present = random.standard_t(3, (2, 80, 2)) * spike
    valid, held = random.random((80, 2)) > 0.2, random.random((80, 2)) < 0.3
    return Pairs(past, present, valid, random.random((80, 2)) < 0.03), held


def cells_of(module: nn.LSTMCell, inputs: torch.Tensor) -> torch.Tensor:
    state = None
    with torch.no_grad():
        for row in inputs:
            state = module(row, state)
    return pair_states(state[1])


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32))
def test_a_hold_is_the_weight_of_a_missing_pair_with_its_sign_changed(seed: int) -> None:
    pairs, held = stream(seed)
    pairs = Pairs(pairs.past.clip(-9, 9), pairs.present, pairs.valid | held, pairs.reset)  # held are valid ones
    five = torch.cat([features(pairs), torch.from_numpy(held.astype(float))[:, :, None]], dim=-1)
    four = features(Pairs(pairs.past, pairs.present, pairs.valid & ~held, pairs.reset))
    assert (cells_of(with_hold(), five) - cells_of(lstm_cell(DETECTORS), four)).abs().max() < 1e-9


def test_a_hold_of_its_own_would_leak_where_a_missing_pair_does_not() -> None:
    # A held pair still shows its past to the input gate, and one of 60 scales opens it against the weight of 40.
    one = np.ones((1, 1), dtype=bool)
    spike = Pairs(np.full((1, 1), 60.0), np.ones((1, 1)), one, ~one)
    five = torch.cat([features(spike), torch.ones(1, 1, 1)], dim=-1)
    assert cells_of(with_hold(), five).abs().max() > 0.1
    missing = Pairs(spike.past, spike.present, ~one, ~one)
    assert not cells_of(lstm_cell(DETECTORS), features(missing)).any()


def test_a_reset_by_weight_leaves_a_cell_as_new_at_every_half_life() -> None:
    pairs, _ = stream(3)
    reset = np.zeros(pairs.reset.shape, dtype=bool)
    reset[40] = True
    whole = Pairs(pairs.past, pairs.present, pairs.valid, reset)
    for half_life in (1.0, 70.0, 1e5, 1e9):
        module = lstm([lag1(0.5, half_life)])
        with torch.no_grad():
            after, fresh = (pair_states(module(features(p))[1][1][0]) for p in (whole, whole[40:]))
        assert (after - fresh).abs().max() < 1e-9


def test_the_fused_bank_holds_and_resets_as_the_weights_do() -> None:
    pairs, held = stream(4)
    pairs = Pairs(pairs.past, pairs.present, pairs.valid & ~held, pairs.reset)
    bank = Bank(DETECTORS)
    state, _, _ = bank.advance(bank.init(2), pairs)
    assert np.abs(state.cell - cells_of(lstm_cell(DETECTORS), features(pairs)).numpy()).max() < 1e-9


def test_gates_are_shut_far_below_what_a_double_can_see() -> None:
    assert 1.0 / (1.0 + np.exp(SHUT)) < np.finfo(float).eps / 10.0
    assert 1.0 / (1.0 + np.exp(-SHUT)) == 1.0


def test_the_glucose_machine_rises_with_meals_stays_without_insulin_and_falls_with_it():
    """Of the original essay: a meal opens the input gate, insulin closes the forget gate."""
    meals, insulin = np.zeros(3_000), np.zeros(3_000)
    meals[[10, 20]] = 0.5
    insulin[2_000:2_012] = 1.0
    found = sugar(glucose_cell(6.0), meals, insulin)
    assert np.all(found[:10] == 0.0)
    assert found[10] == pytest.approx(np.tanh(0.5), rel=1e-12)
    assert np.all(found[20:2_000] == found[20]), "nothing is forgotten unless a gate says so, to the last bit"
    assert found[20] == pytest.approx(2.0 * np.tanh(0.5), rel=1e-12)
    assert found[2_011] == pytest.approx(found[20] / 4.0, rel=1e-12), "two half-lives"
    assert np.all(found[2_011:] == found[2_011])
