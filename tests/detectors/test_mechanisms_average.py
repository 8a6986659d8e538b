"""The tied-gate average: cells in their linear range against the exact average, and against sentinel's own trackers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import half_life as memory
from detectors.cell import SHUT, CellTable, Gate, sigmoid
from detectors.tables import level, scale
from tests.detectors.mechanisms import (
    TRACKER,
    Tracked,
    averaged,
    exact_average,
    fed_to_level,
    follow,
    mean_squared,
    shown_by,
)

HALF_LIVES, GAINS = st.floats(1.0, 1e6), st.floats(1e-6, 0.1)


@settings(deadline=None)
@given(HALF_LIVES)
def test_input_and_forget_gate_add_up_to_one(half_life: float) -> None:
    cell = level(half_life)
    i, f = sigmoid(cell.input.at(valid=1.0)), sigmoid(cell.forget.at(valid=1.0))
    assert i + f == pytest.approx(1.0, abs=1e-14)
    # A bias of -logit f - 40 has lost the digits below 4e-15.
    assert i == pytest.approx(memory.gain(half_life), rel=1e-13)


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.floats(1.0, 500.0), GAINS, st.integers(0, 2**32))
def test_the_loss_is_within_its_bound_and_the_exact_average_within_the_loss(h: float, gain: float, seed: int) -> None:
    values = np.random.default_rng(seed).standard_t(3, 200)
    loss = np.abs(averaged(values, h, gain) - exact_average(values, h)).max()
    assert loss <= gain**2 * np.abs(values).max() ** 3 / 3.0 + 1e-10


@pytest.mark.slow
def test_the_loss_falls_with_the_square_of_the_input_gain() -> None:
    values = np.random.default_rng(1).standard_t(3, 2_000)
    loss = {g: np.abs(averaged(values, 30.0, g) - exact_average(values, 30.0)).max() for g in (1e-2, 1e-3, 1e-4)}
    assert loss[1e-2] / loss[1e-3] == pytest.approx(100.0, rel=0.05)
    assert loss[1e-3] / loss[1e-4] == pytest.approx(100.0, rel=0.05)


def test_a_missing_value_holds_the_average_and_what_stands_there_is_not_looked_at() -> None:
    values = np.array([1.0, 2.0, np.nan, np.nan, -1.0])
    held = averaged(values, 5.0, 1e-4)
    assert held[1] == held[2] == held[3] != held[4]


@settings(deadline=None, max_examples=30)
@given(st.floats(1.0, 500.0), st.floats(1e-5, 1e-2), st.integers(0, 2**32))
def test_a_pair_of_cells_averages_the_square(h: float, gain: float, seed: int) -> None:
    values = np.random.default_rng(seed).standard_t(3, 200)
    shown = mean_squared(scale(h, input_gain=gain), values, gain)
    loss = np.abs(shown - exact_average(values**2, h)).max()
    assert loss <= 2.0 / 3.0 * gain**2 * np.abs(values).max() ** 4 + 1e-14 / gain * h


@pytest.mark.parametrize("make", [level, scale])
@pytest.mark.parametrize("gain", [0.0, -1.0, float("nan"), float("inf")])
def test_a_gain_that_is_no_positive_number_is_refused(make: object, gain: float) -> None:
    with pytest.raises(ValueError):
        make(30.0, input_gain=gain)


GAIN = 1e-4


@pytest.fixture(scope="module")
def tracked() -> Tracked:
    followed = follow()
    assert min(np.ptp(followed.level), 100.0 * np.ptp(followed.slope), np.ptp(followed.variance)) > 0.1  # all moved
    assert (np.abs(followed.clipped) < np.abs(followed.deviation)).any()
    return followed


def test_the_conditioners_level_is_a_tied_gate_cell_fed_with_the_clipped_value(tracked: Tracked) -> None:
    # m <- m + v + a e = f m + a (m + v / a + e): the average of the clipped value, carried along its slope.
    fed = fed_to_level(tracked)
    bound = GAIN**2 * np.abs(fed).max() ** 3 / 3.0
    assert bound < 5e-5
    shown = shown_by(level(TRACKER, input_gain=GAIN), tracked.level[0], fed, GAIN)
    assert np.abs(shown - tracked.level[1:]).max() <= bound


def test_the_conditioners_variance_is_the_same_cell_fed_with_the_clipped_square(tracked: Tracked) -> None:
    square = tracked.clipped**2
    bound = GAIN**2 * square.max() ** 3 / 3.0
    cell = level(2.0 * TRACKER, input_gain=GAIN)
    assert np.abs(shown_by(cell, tracked.variance[0], square, GAIN) - tracked.variance[1:]).max() <= bound


def test_the_conditioners_variance_is_also_what_a_pair_of_cells_holds(tracked: Tracked) -> None:
    shown = mean_squared(scale(2.0 * TRACKER, input_gain=1e-3), tracked.clipped, 1e-3, start=tracked.variance[0])
    bound = 2.0 / 3.0 * 1e-6 * np.abs(tracked.clipped).max() ** 4
    assert np.abs(shown - tracked.variance[1:]).max() <= bound


def test_the_conditioners_slope_is_a_cell_that_does_not_forget(tracked: Tracked) -> None:
    # v <- v + (a^2 / 4) e: the forget gate is open, the input gate as far as the slope's gain.
    i, e = memory.gain(TRACKER) ** 2 / 4.0, tracked.clipped
    cell = CellTable(
        name="slope",
        input=Gate({"valid": SHUT}, math.log(i / (1.0 - i)) - SHUT),
        forget=Gate({"reset": -3.0 * SHUT}, SHUT),
        candidate=Gate({"present": GAIN}),
        output=Gate({}, SHUT),
    )
    bound = i * len(e) * GAIN**2 * np.abs(e).max() ** 3 / 3.0
    assert bound < 1e-6
    assert np.abs(shown_by(cell, tracked.slope[0], e, GAIN) - tracked.slope[1:]).max() <= bound


def test_a_bin_of_a_season_is_an_average_whose_event_gate_is_the_clock() -> None:
    # A valid value only while the clock is in the bin: between its visits the cell holds, whatever the other bins do.
    values = np.random.default_rng(8).standard_normal(24 * 40) + np.tile(np.sin(np.arange(24) * np.pi / 12.0), 40)
    in_bin = np.arange(len(values)) % 24 == 6
    seen = averaged(np.where(in_bin, values, np.nan), 5.0, GAIN)
    exact = exact_average(values[in_bin], 5.0)
    assert np.abs(seen[in_bin] - exact).max() <= GAIN**2 * np.abs(values).max() ** 3 / 3.0
    assert np.array_equal(seen[23::24], seen[6::24])
