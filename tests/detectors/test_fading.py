"""The band after an outage: how it widens, how it narrows again, and that it covers a series that drifted unseen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import half_life as memory
from detectors.fading import Fading, fade, fresh
from detectors.pairs import Pairs
from detectors.spectrum import crossings, thresholds
from tests.detectors.outage import AT, COVERAGE_TICKS, coverage, scattered

H = 70.0
DRIFT = 1.0 / memory.forgetting_factor(H) - memory.forgetting_factor(H)


def ticks_of(valid: list[bool], reset: tuple[int, ...] = ()) -> Pairs:
    """Pairs of one series of which only the flags matter."""
    flags = np.array(valid)[:, None]
    resets = np.zeros(flags.shape, dtype=bool)
    resets[list(reset)] = True
    return Pairs(np.zeros(flags.shape), np.zeros(flags.shape), flags, resets)


def excess_of(stretch: np.ndarray) -> np.ndarray:
    return stretch[:, 0] ** 2 - 1.0


def test_before_an_outage_the_band_is_what_it_is() -> None:
    assert np.array_equal(fade(fresh(1), ticks_of([True] * 50), H)[1], np.ones((50, 1)))


def test_in_an_outage_the_variance_grows_by_the_same_amount_each_tick() -> None:
    _, stretch = fade(fresh(1), ticks_of([True] + [False] * 140), H)
    assert excess_of(stretch) == pytest.approx(np.arange(141) * DRIFT, abs=1e-12)
    assert stretch[70, 0] == pytest.approx(np.sqrt(1.0 + 2.0 * np.log(2.0)), rel=1e-4)


def test_after_an_outage_each_pair_renews_a_part() -> None:
    _, stretch = fade(fresh(1), ticks_of([True] + [False] * 40 + [True] * 200), H)
    after = np.arange(1, 201)
    assert excess_of(stretch)[41:] == pytest.approx(40 * DRIFT * 2.0 ** (-2.0 * after / H), abs=1e-12)


def test_cells_that_hold_nothing_do_not_age() -> None:
    state, stretch = fade(fresh(1), ticks_of([False] * 60), H)
    assert np.array_equal(stretch, np.ones((60, 1)))
    assert state.run.tolist() == [-1]


def test_a_reset_ends_the_fading() -> None:
    _, stretch = fade(fresh(1), ticks_of([True] + [False] * 40 + [True] * 5, reset=(30,)), H)
    assert stretch[29, 0] > 1.2
    assert np.array_equal(stretch[30:], np.ones((16, 1)))


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=80), st.integers(0, 80), st.floats(1.0, 1e6))
def test_cutting_the_stream_anywhere_changes_nothing(valid: list[bool], cut: int, half_life: float) -> None:
    pairs = ticks_of(valid)
    state, whole = fade(fresh(1), pairs, half_life)
    middle, before = fade(fresh(1), pairs[:cut], half_life)
    end, after = fade(middle, pairs[cut:], half_life)
    assert np.concatenate([before, after]).tobytes() == whole.tobytes()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(state, end, strict=True))


def test_ticks_that_only_pad_a_block_do_not_age_a_series() -> None:
    pairs, present = ticks_of([True] + [False] * 9), np.ones((10, 1), dtype=bool)
    present[6:] = False
    padded, stretch = fade(fresh(1), pairs, H, present)
    exact, whole = fade(fresh(1), pairs[:6], H)
    assert (padded.run.tolist(), padded.excess.tolist()) == (exact.run.tolist(), exact.excess.tolist())
    assert np.array_equal(stretch[:6], whole)
    assert np.ptp(stretch[5:]) == 0.0


def test_the_state_given_is_not_changed() -> None:
    state = Fading(np.array([3]), np.array([0.5]))
    fade(state, ticks_of([False] * 9, reset=(4,)), H)
    assert (state.run.tolist(), state.excess.tolist()) == ([3], [0.5])


def test_scattered_missing_ticks_leave_the_band_all_but_as_it_is() -> None:
    assert 1.0 < scattered(missing=0.1).mean() < 1.03
    assert 1.0 < scattered(missing=0.3).mean() < 1.08


@settings(deadline=None)
@given(st.floats(1.0, 3.0), st.floats(2.0, 50.0), st.floats(-0.8, 0.9))
def test_a_wider_band_has_the_same_estimate_and_opens_beyond_the_thresholds(s: float, slope: float, rho: float) -> None:
    grid = thresholds()
    readings = (slope * (np.arctanh(rho) - np.arctanh(grid)))[None, None, :]
    plain, wide = crossings(readings, grid), crossings(readings, grid, np.full((1, 1), s))
    assert plain[0] == wide[0]
    half = 1.959963984540054 * s / slope
    low, high = np.tanh(np.arctanh(rho) - half), np.tanh(np.arctanh(rho) + half)
    assert wide[1][0, 0] == pytest.approx(low if low > grid[0] else -1.0, abs=1e-9)
    assert wide[2][0, 0] == pytest.approx(high if high < grid[-1] else 1.0, abs=1e-9)


def test_with_the_drift_that_the_half_life_suits_the_widened_band_covers_as_well_as_before_the_outage() -> None:
    wide, plain = coverage(drift=1.0, series=400, seed=1)
    before, last = AT["before"], COVERAGE_TICKS - 1
    assert abs(wide[before] - plain[before]) < 1e-12
    during = slice(AT["outage"], AT["again"])
    assert wide[during].min() > wide[before] - 0.04  # 400 series: one standard error is .017
    assert plain[AT["again"] - 1] < wide[before] - 0.1
    assert wide[AT["again"] + 35] > plain[AT["again"] + 35] + 0.05
    assert wide[last] > wide[before] - 0.04


def test_without_drift_the_widened_band_never_covers_less() -> None:
    wide, plain = coverage(drift=0.0, series=200, seed=2)
    assert (wide >= plain).all()
    assert plain.mean() > 0.92


def test_pairs_of_other_series_than_the_state_are_refused() -> None:
    pairs = ticks_of([True] * 5)
    with pytest.raises(ValueError, match=r"fading: pairs of shape \(5, 1\), .*; \(tick, 2\) is needed"):
        fade(fresh(2), pairs, H)
    with pytest.raises(ValueError, match=r"fading: .* present of shape \(4, 1\), .*; \(tick, 1\) is needed"):
        fade(fresh(1), pairs, H, np.ones((4, 1), dtype=bool))
