"""The vectorised hyperbolic tangent against the C library's."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.activation import tanh
from detectors.compiled import compiled

Floats = NDArray[np.float64]
ULP = np.spacing(1.0) * 1.01


@compiled
def fill(x: Floats, y: Floats) -> None:
    for i in range(x.shape[0]):
        y[i] = tanh(x[i])


def of(x: Floats) -> Floats:
    y = np.empty_like(x)
    fill(x, y)
    return y


GRIDS = [np.linspace(-edge, edge, 400_001) for edge in (1e-6, 0.4, 3.0, 25.0, 800.0)]


def test_it_is_within_1e_15_of_the_c_library() -> None:
    for x in GRIDS:
        assert np.abs(of(x) - np.tanh(x)).max() < 1e-15


@given(st.floats(allow_nan=False))
def test_it_is_within_1e_15_of_the_c_library_for_any_number(x: float) -> None:
    assert abs(of(np.array([x]))[0] - math.tanh(x)) < 1e-15


def test_it_is_odd_to_the_last_bit() -> None:
    for x in GRIDS:
        assert np.array_equal(of(-x), -of(x))


def test_it_rises_but_for_single_units_in_the_last_place_near_saturation() -> None:
    for x in GRIDS:
        steps = np.diff(of(x))
        assert steps.min() >= -ULP
        assert np.all(steps[np.abs(x[:-1]) < 1.0] >= 0.0)


def test_infinity_saturates() -> None:
    assert of(np.array([np.inf, -np.inf, 1e308, -1e308, 20.0, 0.0])).tolist() == [1.0, -1.0, 1.0, -1.0, 1.0, 0.0]
