"""Times that are numbers, as they are written for readers."""

from __future__ import annotations

import numpy as np
import pytest

from sentinel.domain.observation import NumberAxis


@pytest.mark.parametrize(
    ("stamps", "moments"),
    [
        ([-4352.0, -4309.0, -4266.3004], ["-4352", "-4309", "-4266.3"]),
        ([1950.0833, 1950.1667, 1950.25], ["1950.0833", "1950.1667", "1950.25"]),
        ([0.0, 1.0, 2.5], ["0", "1", "2.5"]),
    ],
)
def test_moments_had_more_digits_than_a_tick_has(stamps, moments):
    axis = NumberAxis.of(np.array(stamps))
    said = [axis.moment_in_words(int(time)) for time in axis.microseconds(np.array(stamps))]
    assert [float(one) for one in said] == [float(one) for one in moments]


def test_an_axis_whose_middle_distances_lie_far_apart_had_no_step():
    axis = NumberAxis.of(np.array([0.0, 1.0, 3.0]))
    assert axis.step == 1.5
    assert axis.microseconds(np.array([0.0, 3.0])).tolist() == [0, 2_000_000]
