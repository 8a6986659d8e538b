"""From the row of readings to lag-1 autocorrelation, its band, and recovery time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.spectrum import LEVEL, crossings, recovery_time, thresholds

GRID = thresholds()


def line(slope: float, centre: float) -> np.ndarray:
    """Readings that fall linearly in atanh r and are zero at `centre`."""
    return (slope * (np.arctanh(centre) - np.arctanh(GRID)))[None, None, :]


@settings(deadline=None)
@given(st.floats(2.0, 50.0), st.floats(-0.9, 0.98))
def test_a_straight_spectrum_is_read_exactly(slope: float, centre: float) -> None:
    estimate, low, high = (float(x[0, 0]) for x in crossings(line(slope, centre), GRID))
    half = LEVEL / slope
    assert estimate == pytest.approx(centre, abs=1e-9)
    expected_low, expected_high = np.tanh(np.arctanh(centre) - half), np.tanh(np.arctanh(centre) + half)
    assert low == pytest.approx(expected_low if expected_low > GRID[0] else -1.0, abs=1e-9)
    assert high == pytest.approx(expected_high if expected_high < GRID[-1] else 1.0, abs=1e-9)


@settings(deadline=None)
@given(st.lists(st.floats(-30.0, 30.0), min_size=len(GRID), max_size=len(GRID)))
def test_the_band_holds_the_estimate_whatever_the_readings(readings: list[float]) -> None:
    estimate, low, high = (float(x[0, 0]) for x in crossings(np.array(readings)[None, None, :], GRID))
    assert -1.0 <= low <= estimate <= high <= 1.0
    assert GRID[0] <= estimate <= GRID[-1]


def test_an_estimate_beyond_the_thresholds_stays_at_their_end_with_an_open_band() -> None:
    positive, negative = np.full((1, 1, 16), 9.0), np.full((1, 1, 16), -9.0)
    assert [float(x[0, 0]) for x in crossings(positive, GRID)] == [GRID[-1], GRID[-1], 1.0]
    assert [float(x[0, 0]) for x in crossings(negative, GRID)] == [GRID[0], -1.0, GRID[0]]


def test_not_ready_stays_not_a_number() -> None:
    assert all(np.isnan(x).all() for x in crossings(np.full((2, 3, 16), np.nan), GRID))


@pytest.mark.parametrize("shape", [(2, 3, 15), (2, 3, 17), (3, 16)])
def test_readings_of_other_detectors_than_the_thresholds_are_refused(shape: tuple[int, ...]) -> None:
    # They were laid out anew in rows of 16, whose crossings were then written beyond the end of the result.
    with pytest.raises(ValueError, match=r"crossings: readings of shape .*; \(tick, series, 16\) is needed"):
        crossings(np.zeros(shape), GRID)


def test_thresholds_are_evenly_spaced_in_atanh_between_the_ends_asked_for() -> None:
    grid = thresholds(9, -0.5, 0.99)
    assert (grid[0], grid[-1]) == (-0.5, 0.99)
    assert np.allclose(np.diff(np.arctanh(grid), n=2), 0.0, atol=1e-12)


@pytest.mark.parametrize("arguments", [(2, -0.5, 0.5), (9, 0.5, -0.5), (9, -1.0, 0.5), (9, 0.0, 1.0)])
def test_thresholds_that_make_no_spectrum_are_refused(arguments: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match=r"^thresholds: .*; at least 3, ascending within \(-1, 1\), are needed$"):
        thresholds(*arguments)


def test_recovery_time_is_how_long_a_knock_takes_to_shrink_to_one_e_th() -> None:
    lag1 = np.array([np.exp(-0.1), 0.5, 1.0, 0.0, -0.4, np.nan])
    times = recovery_time(lag1)
    assert times[:3].tolist() == pytest.approx([10.0, 1.0 / np.log(2.0), np.inf])
    assert np.isnan(times[3:]).all()
