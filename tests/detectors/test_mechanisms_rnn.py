"""A plain recurrent unit beside the cell: one weight cannot both forget while data come and hold while none do."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.tables import level
from tests.detectors.mechanisms import recurrent, share_kept, ticks_until_half

WEIGHTS = (0.9, 0.98, 0.99, 0.995, 0.999, 0.9995, 1.0, 1.0002, 1.0005, 1.001, 1.002, 1.005, 1.01, 1.02, 1.05, 1.1)
GAINS = (1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2)
TILL = 20_000


@pytest.mark.parametrize(("start", "most"), [(0.5, 10), (0.1, 150), (0.05, 500), (0.01, 10_000)])
def test_no_weight_lets_a_recurrent_unit_tell_two_held_values_apart_for_long(start: float, most: int) -> None:
    longest = max(ticks_until_half(weight, start, TILL) for weight in WEIGHTS)
    assert longest < most


def test_a_cell_tells_them_apart_after_a_hundred_thousand_ticks() -> None:
    cell = level(70.0)
    for held in (0.5, 0.5 + 5e-7):
        # What one tick leaves as it is, to the last bit, any number of ticks does.
        assert cell.step(held, 0.0, 0.0, valid=0.0, reset=0.0) == held


def test_below_one_a_recurrent_unit_loses_its_value_and_above_one_it_keeps_one_of_three() -> None:
    starts = np.array([-0.4, -0.1, 0.0, 0.1, 0.4])
    assert np.abs(recurrent(0.99, starts, 2_000)[-1]).max() < 1e-8
    ends = recurrent(1.05, starts, 2_000)[-1]
    assert ends == pytest.approx(np.array([-1.0, -1.0, 0.0, 1.0, 1.0]) * ends[-1], abs=1e-9)
    assert ends[-1] > 0.3


def test_at_weight_one_a_held_value_falls_as_the_law_of_the_tanh_says() -> None:
    path = recurrent(1.0, 0.3, 5_000)
    n = np.arange(len(path))
    assert path == pytest.approx(0.3 / np.sqrt(1.0 + 2.0 * n * 0.3**2 / 3.0), rel=0.02)


@pytest.mark.slow
def test_what_one_recurrent_unit_can_show_both_in_data_and_after_a_gap_is_far_from_all() -> None:
    shares = np.array([share_kept(weight, gain) for weight in WEIGHTS for gain in GAINS])
    assert shares[:, 0].max() > 0.99  # with data alone the right weight does it ...
    assert shares[shares[:, 0] > 0.99, 1].max() < 0.01  # ... and has nothing left after the gap
    assert shares.min(axis=1).max() < 0.65
