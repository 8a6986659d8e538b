"""A table that would not do what it says is refused when it is made."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.cell import SHUT, CellTable, Gate, sigmoid
from detectors.tables.lag1 import NullDetector, lag1

GOOD = lag1(0.5, 70.0)
THRESHOLDS, HALF_LIVES = st.floats(-0.999, 0.999), st.floats(1.0, 1e6)

BAD_CELLS = {
    "the input gate is open without a valid pair": {"input": Gate({"past": 1.5})},
    "it must be exactly 1 so that a gap holds the cell": {"forget": Gate({"reset": -100.0}, 4.0)},
    "the forget gate stays open at a reset": {"forget": Gate({"valid": -SHUT}, 4.0 + SHUT)},
    "the candidate depends on `valid`": {"candidate": Gate({"valid": 1.0})},
    "the output gate is not fully open": {"output": Gate({}, 3.0)},
}


@pytest.mark.parametrize("message", BAD_CELLS)
def test_a_cell_that_breaks_an_invariant_is_refused(message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(GOOD.plus, **BAD_CELLS[message])


BAD_PAIRS = {
    "a number between -1 and 1 is needed": {"threshold": 1.0},
    "may differ in the input gate only": {"minus": lag1(0.5, 71.0).minus},
    r"must be \+w and -w": {"minus": GOOD.plus},
    "the candidate's weights are not": {"threshold": 0.51},
}


@pytest.mark.parametrize("message", BAD_PAIRS)
def test_two_cells_that_are_no_differential_pair_are_refused(message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(GOOD, **BAD_PAIRS[message])


def test_a_weight_on_an_unknown_input_or_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gate: weight on 'future'; inputs are past, present, valid, reset"):
        Gate({"future": 1.0})
    with pytest.raises(ValueError, match="gate: weight of bias is nan; a finite number is needed"):
        Gate({}, float("nan"))


@pytest.mark.parametrize("threshold", [-1.0, 1.0, 2.0, float("nan")])
def test_a_threshold_outside_the_open_interval_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"lag1: threshold .*; a number between -1 and 1 is needed"):
        lag1(threshold, 70.0)


def test_a_table_cannot_be_changed_afterwards() -> None:
    with pytest.raises(TypeError):
        GOOD.plus.input.weights["past"] = 2.0  # type: ignore[index]


@given(THRESHOLDS, HALF_LIVES)
def test_every_threshold_and_half_life_gives_a_valid_pair(threshold: float, half_life: float) -> None:
    detector: NullDetector = lag1(threshold, half_life)
    assert detector.half_life == pytest.approx(half_life, rel=1e-8)
    assert (detector.threshold, detector.input_weight, detector.kappa) == (threshold, 1.5, 1.5)


@given(HALF_LIVES, st.floats(-1e6, 1e6), st.floats(-5.0, 5.0), st.floats(-5.0, 5.0))
def test_a_gap_holds_the_cell_and_a_reset_empties_it(half_life: float, held: float, p: float, c: float) -> None:
    cell: CellTable = lag1(0.3, half_life).plus
    assert cell.step(held, 0.0, 0.0, valid=0.0, reset=0.0) == held
    assert abs(cell.step(held, 0.0, 0.0, valid=0.0, reset=1.0)) < 1e-11
    after = cell.step(held, p, c, valid=1.0, reset=1.0)
    assert after == pytest.approx(cell.step(0.0, p, c, valid=1.0, reset=0.0), abs=1e-11)


@given(st.floats(-1e3, 1e3))
def test_the_sigmoid_neither_overflows_nor_leaves_its_range(x: float) -> None:
    assert 0.0 <= sigmoid(x) <= 1.0
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1.0, abs=1e-15)
