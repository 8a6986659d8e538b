"""The fused bank *is* an LSTM: the cell states of `torch.nn.LSTMCell` and `torch.nn.LSTM` with the same tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.bank import Bank
from detectors.lstm import features, lstm, lstm_cell, pair_states
from detectors.pairs import Pairs, pairs_of
from detectors.spectrum import thresholds
from detectors.tables import NullDetector, lag1

AGREEMENT = 1e-9
Floats = NDArray[np.float64]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """The matrices are tiny: more threads only wait for one another on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spikes(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    values = random.standard_normal(shape)
    values[random.random(shape) < 0.05] *= 1e6
    return values


VALUES: dict[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    "Gaussian": lambda random, shape: random.standard_normal(shape),
    "Student-3": lambda random, shape: random.standard_t(3, shape),
    "spikes": spikes,
    "zeros": lambda random, shape: np.zeros(shape),
}


@st.composite
def streams(draw: st.DrawFn) -> Pairs:
    """Pairs with single gaps, one long hold, and resets with and without a pair."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 150)), draw(st.integers(1, 3)))
    fill = VALUES[draw(st.sampled_from(sorted(VALUES)))]
    valid = random.random(shape) >= draw(st.sampled_from([0.0, 0.1, 0.9]))
    hold = draw(st.integers(0, shape[0]))
    valid[hold : hold + draw(st.integers(0, shape[0]))] = False
    reset = random.random(shape) < draw(st.sampled_from([0.0, 0.05]))
    return Pairs(fill(random, shape), fill(random, shape), valid, reset)


@st.composite
def banks(draw: st.DrawFn) -> list[NullDetector]:
    """One to five detectors, each with its own half-life."""
    chosen = sorted(draw(st.sets(st.floats(-0.95, 0.99), min_size=1, max_size=5)))
    return [lag1(r, draw(st.floats(3.0, 1e5))) for r in chosen]


@settings(deadline=None, max_examples=40)
@given(banks(), streams())
def test_the_bank_agrees_with_lstm_cells_at_every_tick(detectors: list[NullDetector], pairs: Pairs) -> None:
    bank, cells, inputs = Bank(detectors), lstm_cell(detectors), features(pairs)
    state, torch_state = bank.init(pairs.series), None
    with torch.no_grad():
        for t in range(pairs.ticks):
            state, _, _ = bank.advance(state, pairs[t : t + 1])
            torch_state = cells(inputs[t], torch_state)
            assert np.abs(pair_states(torch_state[1]).numpy() - state.cell).max() <= AGREEMENT


@settings(deadline=None, max_examples=40)
@given(banks(), streams())
def test_the_bank_agrees_with_an_lstm_run_over_the_whole_stream(detectors: list[NullDetector], pairs: Pairs) -> None:
    state, _, _ = Bank(detectors).advance(Bank(detectors).init(pairs.series), pairs)
    with torch.no_grad():
        output, (_, c) = lstm(detectors)(features(pairs))
    assert output.shape == (pairs.ticks, pairs.series, 2 * len(detectors))
    assert np.abs(pair_states(c[0]).numpy() - state.cell).max() <= AGREEMENT


def test_the_bank_agrees_with_an_lstm_after_thousands_of_held_ticks_at_every_half_life() -> None:
    values = np.random.default_rng(0).standard_t(3, (6_500, 1))
    values[1_000:6_000] = np.nan
    pairs = pairs_of(values)
    detectors = [lag1(float(r), half_life) for r, half_life in zip(thresholds(9), [3.0, 70.0, 1e5] * 3, strict=True)]
    state, _, _ = Bank(detectors).advance(Bank(detectors).init(1), pairs)
    with torch.no_grad():
        _, (_, c) = lstm(detectors)(features(pairs))
    assert np.abs(pair_states(c[0]).numpy() - state.cell).max() <= AGREEMENT


@pytest.mark.slow
def test_the_agreement_does_not_wear_out_in_a_hundred_thousand_ticks() -> None:
    values = np.random.default_rng(2).standard_t(3, (100_000, 1))
    values[np.random.default_rng(3).random(values.shape) < 0.1] = np.nan
    pairs, detectors = pairs_of(values), [lag1(float(r), 1e5) for r in thresholds()]
    state, _, _ = Bank(detectors).advance(Bank(detectors).init(1), pairs)
    with torch.no_grad():
        _, (_, c) = lstm(detectors)(features(pairs))
    assert np.abs(pair_states(c[0]).numpy() - state.cell).max() <= AGREEMENT


def test_weights_are_double_precision_without_recurrence_and_draw_no_random_numbers() -> None:
    before = torch.random.get_rng_state()
    for module in (lstm_cell([lag1(0.5, 70.0)]), lstm([lag1(0.5, 70.0)])):
        parameters = dict(module.named_parameters())
        assert all(p.dtype == torch.float64 and p.device.type == "cpu" for p in parameters.values())
        zero = [p for name, p in parameters.items() if name.startswith(("weight_hh", "bias_hh"))]
        assert len(zero) == 2
        assert not any(p.any() for p in zero)
    assert torch.equal(before, torch.random.get_rng_state())


def test_gates_are_stacked_in_the_order_of_torch() -> None:
    detector = lag1(0.5, 70.0)
    cell = lstm_cell([detector])
    rows = [gate for name in ("input", "forget", "candidate", "output") for gate in _of(detector, name)]
    assert torch.equal(cell.weight_ih, torch.tensor([gate.row() for gate in rows], dtype=torch.float64))
    assert torch.equal(cell.bias_ih, torch.tensor([gate.bias for gate in rows], dtype=torch.float64))


def _of(detector: NullDetector, gate: str) -> list:
    return [getattr(detector.plus, gate), getattr(detector.minus, gate)]


def test_the_pair_states_can_be_differentiated() -> None:
    module = lstm([lag1(-0.3, 20.0), lag1(0.6, 20.0)])
    inputs = features(pairs_of(np.random.default_rng(1).standard_normal((6, 2)))).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pair_states(module(x)[1][1][0]), (inputs,), atol=1e-6)
    pair_states(module(inputs)[1][1][0]).sum().backward()
    assert module.bias_ih_l0.grad.abs().max() > 0.0


def test_what_stands_in_place_of_a_pair_is_fed_as_zero() -> None:
    none = np.zeros((2, 1), dtype=bool)
    values = np.full((2, 1), np.nan)
    assert not features(Pairs(values, values, none, none)).any()


def test_wrong_input_is_refused_with_a_message() -> None:
    for make in (lstm, lstm_cell):
        with pytest.raises(ValueError, match="lstm: no detectors; at least one is needed"):
            make([])
        with pytest.raises(TypeError, match="lstm: CellTable; every detector must be a NullDetector"):
            make([lag1(0.5, 70.0).plus])
    with pytest.raises(TypeError, match="features: ndarray; a Pairs is needed"):
        features(np.zeros((3, 1)))
    for shape in ((3,), (2, 0), ()):
        with pytest.raises(ValueError, match=r"pair_states: shape .*; the last axis must hold two cells per detector"):
            pair_states(torch.zeros(shape))
