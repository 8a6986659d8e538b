"""Spread and criticality: what they are zero for, and the laws of every stage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.spread import Spread, criticality


def squares(ticks: int, series: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    values = random.standard_normal((ticks, series)) ** 2
    values[random.random(values.shape) < 0.2] = np.nan
    return values, random.random(values.shape) < 0.01


@given(st.integers(0, 2**32), st.lists(st.integers(0, 200), max_size=5).map(sorted))
def test_cut_anywhere_it_gives_the_same_bits(seed: int, cuts: list[int]) -> None:
    spread, (square, reset) = Spread(30.0, 20), squares(200, 3, seed)
    state, whole = spread.advance(spread.init(3), square, reset)
    part, pieces = spread.init(3), []
    for start, stop in zip([0, *cuts], [*cuts, 200], strict=True):
        part, piece = spread.advance(part, square[start:stop], reset[start:stop])
        pieces.append(piece)
    assert [a.tobytes() for a in part] == [a.tobytes() for a in state]
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


def test_it_is_the_log_of_the_variance_ratio_and_nan_until_the_baseline_is_full() -> None:
    spread = Spread(50.0, 100)
    square = np.concatenate([np.ones((100, 2)), np.full((2_000, 2), 4.0)])
    _, found = spread.advance(spread.init(2), square, np.zeros(square.shape, bool))
    assert np.isnan(found[:99]).all()
    assert np.all(np.abs(found[99]) < 1e-12)
    assert np.all(np.abs(found[-1] - np.log(4.0)) < 1e-9)


def test_a_baseline_goes_on_filling_while_the_spread_is_given() -> None:
    square = np.concatenate([np.ones((50, 1)), np.full((2_000, 1), 4.0)])
    spread = Spread(50.0, 100, 50)
    _, found = spread.advance(spread.init(1), square, np.zeros(square.shape, bool))
    assert np.isnan(found[:49]).all()
    assert abs(found[49, 0]) < 1e-12
    assert abs(found[-1, 0] - np.log(4.0 / 2.5)) < 1e-9


@given(st.integers(0, 2**32), st.integers(2, 40))
def test_once_it_is_full_it_does_not_matter_from_when_on_it_was_given(seed: int, given_from: int) -> None:
    square, reset = squares(200, 3, seed)
    waits, soon = Spread(30.0, 40), Spread(30.0, 40, given_from)
    (_, late), (_, early) = (one.advance(one.init(3), square, reset) for one in (waits, soon))
    full = ~np.isnan(late)
    assert early[full].tobytes() == late[full].tobytes()


@pytest.mark.parametrize("given_from", [1, 31])
def test_a_spread_cannot_be_given_from_more_points_than_its_baseline_has_or_from_one(given_from: int) -> None:
    with pytest.raises(ValueError, match=f"spread: given from {given_from} of 30 points on"):
        Spread(50.0, 30, given_from)


def test_the_unit_of_the_series_does_not_matter() -> None:
    spread, (square, reset) = Spread(50.0, 30), squares(300, 3, 1)
    _, one = spread.advance(spread.init(3), square, reset)
    _, other = spread.advance(spread.init(3), 1e-12 * square, reset)
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_criticality_adds_the_rise_of_modulus_and_of_spread() -> None:
    assert criticality(np.array([0.5]), np.array([1.0]))[0] == np.arctanh(0.5) + 1.0
    assert criticality(np.array([1.0]), np.array([0.0]))[0] == np.arctanh(0.995)
    assert np.isnan(criticality(np.array([0.5, np.nan]), np.array([np.nan, 0.0]))).all()


def test_squares_of_other_series_than_the_state_are_refused() -> None:
    spread, (square, reset) = Spread(50.0, 30), squares(20, 3, 1)
    for arrays in ((square, reset[:, :2]), (square[:, :2], reset[:, :2])):
        with pytest.raises(ValueError, match=r"spread: squares of shape .*; \(tick, 3\) is needed"):
            spread.advance(spread.init(3), *arrays)
