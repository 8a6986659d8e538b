"""The bank beside the bare activation function, and beside the dense LSTM cell that it fuses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from timing import Row, duration, turns

from detectors.bank import Bank
from detectors.lstm import features, lstm_cell, pair_states
from detectors.pairs import Pairs, pairs_of
from detectors.spectrum import thresholds
from detectors.tables import lag1

DETECTORS = 16
HALF_LIFE = 70.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A block and what is required of it."""

    what: str
    series: int
    ticks: int
    required: float


def _bank() -> Bank:
    return Bank([lag1(float(r), HALF_LIFE) for r in thresholds(DETECTORS)])


def _pairs(ticks: int, series: int) -> Pairs:
    values = np.random.default_rng(1).standard_normal((ticks + 1, series))
    return pairs_of(values[1:], values[0])


def beside_tanh(shape: Shape, repeats: int) -> Row:
    """A block through the bank; the peer computes tanh once for each of the block's (tick, series, detector).

    The bank makes new arrays, the peer writes into one that is there: were it to make one too, it would keep the memory
    of the process warm for the bank, and the bank's own page faults would not be seen.
    """
    bank, pairs = _bank(), _pairs(shape.ticks, shape.series)
    state = bank.init(shape.series)
    numbers = torch.randn(shape.ticks, shape.series, DETECTORS, dtype=torch.float64)
    result = torch.empty_like(numbers)
    measured = turns(lambda: bank.advance(state, pairs), lambda: torch.tanh(numbers, out=result), repeats)
    return Row(
        shape.what,
        f"bank: {duration(float(np.median(measured.ours)))}",
        f"torch.tanh on {numbers.numel():,} float64: {duration(float(np.median(measured.peer)))}",
        measured.ratio(),
        required=shape.required,
    )


@numba.njit(error_model="numpy")
def _divide(first: NDArray[np.float64], second: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Two divisions and a square root for each number of `out`, again and again in the first-level cache."""
    for start in range(0, out.size, first.size):
        for j in range(min(first.size, out.size - start)):
            out[start + j] = first[j] / second[j] + second[j] / math.sqrt(first[j])


def beside_divisions(shape: Shape, repeats: int) -> Row:
    """A block through the bank; the peer does the divisions and the square root of its readings, and nothing else.

    One division is that of tanh, the others make a reading of a pair difference and its variance.
    """
    bank, pairs = _bank(), _pairs(shape.ticks, shape.series)
    state = bank.init(shape.series)
    first, second = np.random.default_rng(1).uniform(0.1, 0.9, (2, 1_024))
    out = np.empty(shape.ticks * shape.series * DETECTORS)
    measured = turns(lambda: bank.read(state, pairs), lambda: _divide(first, second, out), repeats)
    return Row(
        f"{shape.what}, beside its divisions and square roots alone",
        f"bank: {duration(float(np.median(measured.ours)))}",
        f"the same divisions and square roots: {duration(float(np.median(measured.peer)))}",
        measured.ratio(),
    )


def beside_lstm(series: int, repeats: int) -> Row:
    """One tick of many series through the bank, and through `nn.LSTMCell`; both end in the same cells."""
    bank, pairs = _bank(), _pairs(1, series)
    state = bank.init(series)
    dense, given = lstm_cell(bank.detectors), features(pairs)[0]
    empty = torch.zeros(series, dense.hidden_size, dtype=torch.float64)

    def step() -> torch.Tensor:
        with torch.no_grad():
            return dense(given, (empty, empty))[1]

    np.testing.assert_allclose(pair_states(step()), bank.advance(state, pairs)[0].cell, atol=1e-9)
    measured = turns(lambda: bank.advance(state, pairs), step, repeats)
    return Row(
        f"bank step, {series:,} series x {DETECTORS}, beside the LSTM it is",
        f"bank, with variance and reading: {duration(float(np.median(measured.ours)))}",
        f"nn.LSTMCell(4, {dense.hidden_size}): {duration(float(np.median(measured.peer)))}",
        measured.ratio(),
    )
