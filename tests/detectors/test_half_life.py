"""Half-life, forgetting factor, gain and forget-gate bias are one quantity in four forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import half_life
from detectors.cell import sigmoid

HALF_LIVES = st.floats(1.0, 1e9)


@given(HALF_LIVES)
def test_a_memory_halves_in_one_half_life(h: float) -> None:
    assert half_life.forgetting_factor(h) ** h == pytest.approx(0.5, rel=max(1e-12, 1e-16 * h))


@given(HALF_LIVES)
def test_gain_and_factor_add_up_to_one(h: float) -> None:
    assert half_life.gain(h) + half_life.forgetting_factor(h) == pytest.approx(1.0, abs=1e-15)


@given(HALF_LIVES)
def test_the_gain_keeps_ten_digits_at_any_half_life(h: float) -> None:
    x = math.log(2.0) / h
    series = x - x * x / 2 + x**3 / 6 - x**4 / 24 if x < 1e-3 else 1.0 - math.exp(-x)
    assert half_life.gain(h) == pytest.approx(series, rel=1e-10)


@given(st.floats(1.0, 1e6))
def test_the_bias_of_a_forget_gate_gives_its_half_life_back(h: float) -> None:
    bias = half_life.forget_bias(h)
    assert half_life.half_life_of_bias(bias) == pytest.approx(h, rel=1e-9)
    assert sigmoid(bias) == pytest.approx(half_life.forgetting_factor(h), rel=1e-15)


def test_the_effective_number_of_values_is_that_of_exponential_weights() -> None:
    f = half_life.forgetting_factor(70.0)
    weights = [f**k for k in range(5000)]
    expected = sum(weights) ** 2 / sum(w * w for w in weights)
    assert half_life.effective_sample_size(70.0) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("h", [0.0, 0.99, -3.0, 1.1e9, math.inf, math.nan])
def test_a_half_life_that_is_no_number_of_steps_is_refused(h: float) -> None:
    for function in (half_life.forgetting_factor, half_life.gain, half_life.forget_bias):
        with pytest.raises(ValueError, match=r"^half_life: .* steps; a number of steps from 1 to 1e\+09 is allowed$"):
            function(h)
