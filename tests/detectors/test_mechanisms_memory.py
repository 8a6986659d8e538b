"""The memory wire: with the forget gate open and the input gate shut, a cell carries its value through any silence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from detectors.bank import Bank
from detectors.lstm import features, lstm, lstm_cell, pair_states
from detectors.pairs import Pairs, pairs_of
from detectors.tables import lag1
from tests.detectors.mechanisms import SILENCE

DETECTORS = [lag1(-0.5, 5.0), lag1(0.5, 70.0), lag1(0.9, 1e5)]


def silence(ticks: int, series: int) -> Pairs:
    return pairs_of(np.full((ticks, series), np.nan))


@pytest.fixture
def filled() -> Pairs:
    return pairs_of(np.random.default_rng(0).standard_t(3, (400, 3)))


def test_the_fused_bank_holds_every_bit_through_a_hundred_thousand_missing_ticks(filled: Pairs) -> None:
    bank = Bank(DETECTORS)
    before, readings, _ = bank.advance(bank.init(3), filled)
    after, held, _ = bank.advance(before, silence(SILENCE, 3))
    assert np.abs(before.cell).min() > 1e-3
    assert all(a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))
    assert (held[-1] == readings[-1]).all()


def test_torch_cells_are_the_same_bits_after_a_missing_tick_and_so_after_any_number_of_them(filled: Pairs) -> None:
    with torch.no_grad():
        _, (h, c) = lstm(DETECTORS)(features(filled))
        _, after = lstm_cell(DETECTORS)(features(silence(1, 3))[0], (h[0], c[0]))
    assert torch.equal(after, c[0])


@pytest.mark.slow
def test_torch_cells_hold_to_1e_9_through_a_hundred_thousand_missing_ticks(filled: Pairs) -> None:
    module, quiet = lstm_cell(DETECTORS), features(silence(1, 3))[0]
    with torch.no_grad():
        _, (h, c) = lstm(DETECTORS)(features(filled))
        state = (h[0], c[0])
        for _ in range(SILENCE):
            state = module(quiet, state)
    assert (pair_states(state[1]) - pair_states(c[0])).abs().max() <= 1e-9


def test_after_the_silence_the_cell_goes_on_as_if_there_had_been_none(filled: Pairs) -> None:
    bank, more = Bank(DETECTORS), pairs_of(np.random.default_rng(1).standard_t(3, (50, 3)))
    middle, _, _ = bank.advance(bank.init(3), filled)
    held, _, _ = bank.advance(middle, silence(SILENCE, 3))
    for a, b in zip(bank.advance(held, more)[0], bank.advance(middle, more)[0], strict=True):
        assert a.tobytes() == b.tobytes()
