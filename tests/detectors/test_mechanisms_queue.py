"""The lossy queue: cells in a row pass a value on, one a tick; each hand-over costs it two tanh."""

from __future__ import annotations

import numpy as np
import pytest

from tests.detectors.mechanisms import predicted_loss, queued

VALUES = np.random.default_rng(1).standard_t(3, 600)
LARGEST = float(np.abs(VALUES).max())


def worst_loss(gain: float, lag: int) -> float:
    """Largest relative difference to an exact delay."""
    shown, exact = queued(VALUES, lag + 1, gain)[lag:, lag], VALUES[: len(VALUES) - lag]
    return float(np.max(np.abs(shown - exact) / np.abs(exact)))


@pytest.mark.parametrize("lag", [0, 1, 9])
@pytest.mark.parametrize("gain", [1e-2, 1e-4, 1e-6])
def test_what_a_queue_loses_is_what_its_tanh_take(gain: float, lag: int) -> None:
    expected = predicted_loss(LARGEST, lag, gain)
    assert worst_loss(gain, lag) == pytest.approx(expected, rel=0.05, abs=1e-14)


def test_a_queue_of_ten_lags_at_gain_1e_6_differs_from_an_exact_delay_by_less_than_1e_8() -> None:
    assert worst_loss(1e-6, 9) < 1e-8


def test_a_queue_at_full_gain_is_of_no_use() -> None:
    assert worst_loss(1.0, 9) > 0.9


def test_a_value_at_the_front_has_not_lost_its_order() -> None:
    shown = queued(VALUES, 4, 0.05)[3:, 3]
    assert (np.argsort(shown) == np.argsort(VALUES[:-3])).all()


def test_a_missing_tick_stops_the_whole_queue() -> None:
    values = VALUES.copy()
    values[200:300] = np.nan
    shown = queued(values, 5, 1e-4)
    assert np.abs(shown[200:300] - shown[199]).max() == 0.0
    assert np.allclose(shown[300, 1:], shown[199, :-1], rtol=1e-4, atol=0.0)
